//! The keys of the configuration as data: what a schema tells editors. Invariant: the tables here
//! hold exactly the keys that `read` asks for; a test of `cli::schema` compares both.

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    /// Is a table without it a problem?
    pub must: bool,
    /// For a person who writes the file.
    pub about: &'static str,
    /// As JSON, or as the bare text of a string; empty where there is none.
    pub default: &'static str,
}

/// What may stand behind a key.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text,
    /// A text of this form (a regular expression).
    Form(&'static str),
    /// `env:NAME`, `file:PATH` or the secret itself.
    Secret,
    /// `30s`, `5m`, `1h 30m`, `7d`.
    Duration,
    /// How long something is kept: a duration or `forever`.
    Kept,
    /// A whole number above 0.
    Count,
    /// A number above 0.
    Rate,
    Flag,
    /// A text or a list of texts.
    Texts,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `name = text or list of texts`, under these names; under any where none are given.
    Named(&'static [&'static str]),
    /// `name = text, number, flag or list of texts`, under any names.
    Plain,
    /// Tables with these keys, under any names.
    Tables(&'static [Key]),
}

impl Key {
    pub const fn may(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, shape, must: false, about, default: "" }
    }

    pub const fn must(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, shape, must: true, about, default: "" }
    }

    #[must_use]
    pub const fn by_default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// A table with fixed keys.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    pub table: &'static str,
    pub about: &'static str,
    pub keys: &'static [Key],
}

/// The tables at the top of the file whose keys are fixed.
pub const TABLES: &[Keys] = &[SERVER, STORE, MAPPINGS, LOG, RETENTION, RECONCILE, CONSOLE];

const SERVER: Keys = Keys {
    table: "server",
    about: "The doors: hooks, /healthz, /readyz, /metrics",
    keys: &[
        Key::may(
            "listen",
            Shape::Form("^.+:[0-9]{1,5}$"),
            "Where the doors listen, host:port. Put a proxy with TLS in front when it is to be \
             reached from elsewhere",
        )
        .by_default("127.0.0.1:8080"),
        Key::may(
            "reuse_port",
            Shape::Flag,
            "Lets the next process listen beside this one, for a restart that refuses nobody; needs \
             PostgreSQL",
        )
        .by_default("false"),
        Key::may(
            "drain",
            Shape::Duration,
            "At a stop /readyz says 503 at once, while the doors accept for so long",
        )
        .by_default("0s"),
    ],
};

const STORE: Keys = Keys {
    table: "store",
    about: "The database",
    keys: &[Key::may(
        "url",
        Shape::Form("^(sqlite:|postgres://|postgresql://|env:|file:)"),
        "sqlite:PATH, or postgres://… that several processes may share; with a password better \
         env:NAME or file:PATH. Relative paths start where leadlink was started",
    )
    .by_default("sqlite:data/leadlink.db")],
};

const MAPPINGS: Keys = Keys {
    table: "mappings",
    about: "The flows",
    keys: &[Key::may("dir", Shape::Text, "The folder of the flows, one TOML file each")
        .by_default("mappings")],
};

const LOG: Keys = Keys {
    table: "log",
    about: "The log, on stderr",
    keys: &[
        Key::may(
            "format",
            Shape::Choice(&["text", "json"]),
            "text for people, json for machines (one object a line)",
        )
        .by_default("text"),
        Key::may(
            "level",
            Shape::Text,
            "off, error, warn, info, debug, trace; for one room: info,leadlink::store=debug",
        )
        .by_default("info"),
    ],
};

const RETENTION: Keys = Keys {
    table: "retention",
    about: "What has grown old is deleted at night; `leadlink retention` shows what would go now",
    keys: &[
        Key::may(
            "at",
            Shape::Text,
            "When: minute, hour, day of the month, month, day of the week; or never",
        )
        .by_default("17 3 * * *"),
        Key::may("timezone", Shape::Text, "The zone of `at`").by_default("Europe/Moscow"),
        Key::may("raw", Shape::Kept, "What came in, byte for byte: it holds personal data")
            .by_default("90d"),
        Key::may("unreadable", Shape::Kept, "What no parser could read").by_default("400d"),
        Key::may(
            "events",
            Shape::Kept,
            "Events with their jobs, decisions, steps and attempts, counted from their last change",
        )
        .by_default("400d"),
        Key::may("leads", Shape::Kept, "The journal of leads, which orders are linked to")
            .by_default("400d"),
        Key::may(
            "messages",
            Shape::Kept,
            "What is remembered of conversations: people, messages, what was sent for which order",
        )
        .by_default("400d"),
        Key::may("links", Shape::Kept, "Which lead became which order").by_default("forever"),
        Key::may(
            "commands",
            Shape::Kept,
            "What commands left for the daemon, and the answers; backfills",
        )
        .by_default("30d"),
        Key::may("replicas", Shape::Kept, "Processes and connections that were not seen any more")
            .by_default("30d"),
        Key::may("audit", Shape::Kept, "What people did: the audit log").by_default("forever"),
    ],
};

const RECONCILE: Keys = Keys {
    table: "reconcile",
    about: "Both sides are compared: orders with what became of them; `leadlink reconcile` does it now",
    keys: &[
        Key::may(
            "at",
            Shape::Text,
            "When: minute, hour, day of the month, month, day of the week; or never",
        )
        .by_default("47 4 * * *"),
        Key::may("timezone", Shape::Text, "The zone of `at` and of the days")
            .by_default("Europe/Moscow"),
        Key::may("window", Shape::Duration, "From so long ago until now, 1d to 92d")
            .by_default("2d"),
    ],
};

const CONSOLE: Keys = Keys {
    table: "console",
    about: "The operators' pages; `leadlink user add` makes who may come in",
    keys: &[
        Key::may("timezone", Shape::Text, "In which times are shown and days begin")
            .by_default("Europe/Moscow"),
        Key::may("language", Shape::Choice(&["ru", "en"]), "For who has not chosen")
            .by_default("ru"),
        Key::may(
            "public",
            Shape::Form("^https?://[^/?# @]+/?$"),
            "Where people and far sides reach us: scheme and host, without a path",
        ),
        Key::may(
            "session",
            Shape::Duration,
            "A login ends after so long without a page, 5m at least",
        )
        .by_default("12h"),
        Key::may(
            "proxies",
            Shape::Count,
            "Proxies before us, each of which adds the address it saw to X-Forwarded-For",
        ),
    ],
};

/// Of every `[connections.NAME]`, beside the keys of its connector.
pub const CONNECTION: &[Key] = &[Key::may(
    "name",
    Shape::Text,
    "What people call it, 5 characters at least; by default the table's name",
)];

/// Of `[flows.NAME]`.
pub const FLOW: &[Key] = &[
    Key::may(
        "use",
        Shape::Text,
        "The flow (by the name in its file) that this is an instance of; by default the table's name",
    ),
    Key::may("running", Shape::Flag, "A flow runs only where this file or an operator says so")
        .by_default("false"),
    Key::may(
        "delay",
        Shape::Duration,
        "From the registration of the lead to the decision; by default what the flow's file says",
    ),
    Key::may(
        "max_age",
        Shape::Duration,
        "Older leads are skipped with the reason; by default what the flow's file says",
    ),
    Key::may("roles", Shape::Named(&[]), "Roles of this instance, over those of [roles]"),
    Key::may("settings", Shape::Plain, "Settings of this instance, over those of the flow's file"),
];

/// What `[roles]` is for.
pub const ROLES: &str =
    "The names that flows use, and the connection (or connections) that each means here";
