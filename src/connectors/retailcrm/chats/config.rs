//! The settings of the chats of a connection: `[connections.NAME.channels.MESSENGER]` and what the
//! CRM must know to reach us. Invariant: a channel without a store or without a name is none.

use crate::config::keys::{Key, Shape};
use crate::config::{Section, untold};
use crate::connectors::http;
use crate::diagnosis::Problem;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// Documented limit of one token (retailcrm.md 5.1).
pub const DOCUMENTED_RATE: f64 = 100.0;
/// Characters without white space that one message of the CRM's chats may have (RC-11).
pub const LONGEST_TEXT: usize = 2000;
/// What the code of our modules begins with; the CRM wants the family's name in front.
pub const FAMILY: &str = "leadlink";
/// Characters that the gateway takes (5.3).
const LONGEST_NAME: usize = 100;
const LONGEST_ID: usize = 64;

/// Kinds of channels that the gateway knows (5.3).
pub const TYPES: &[&str] = &[
    "telegram",
    "fbmessenger",
    "viber",
    "whatsapp",
    "skype",
    "vk",
    "instagram",
    "consultant",
    "yandex_chat",
    "odnoklassniki",
    "max",
    "ozon",
    "wildberries",
    "yandex_market",
    "mega_market",
    "avito",
    "drom",
    "youla",
    "custom",
];

/// The keys of one channel.
pub const CHANNEL_KEYS: &[Key] = &[
    Key::must(
        "site",
        Shape::Text,
        "The store of the channel (`leadlink list NAME sites`): what comes from there is of that store",
    ),
    Key::must("name", Shape::Text, "What managers see as the name of the channel"),
    Key::may(
        "type",
        Shape::Choice(TYPES),
        "The kind of channel; by default what the messenger says",
    ),
    Key::may("order_method", Shape::Text, "The method of orders that are made from this channel"),
    Key::may("order_type", Shape::Text, "The type of orders that are made from this channel"),
];

/// The chats of one connection.
#[derive(Debug)]
pub struct Chats {
    /// Where the CRM reaches our hooks, without a trailing slash.
    pub public: String,
    /// Code of the integration module.
    pub module: String,
    pub requests_per_second: f64,
    /// Characters without white space; more from a manager is refused, more from a person split.
    pub longest_text: usize,
    /// Dialogs are watched, by the Bot API.
    pub dialogs: bool,
    /// By the name of the messenger's connection.
    pub channels: BTreeMap<String, Channel>,
}

/// One messenger in the CRM's chats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub site: String,
    pub name: String,
    pub kind: Option<String>,
    pub order_method: Option<String>,
    pub order_type: Option<String>,
}

/// Reads them; `None`: there are none, or problems leave nothing to work with.
pub fn read(
    connection: &str,
    section: &mut Section,
    hook_secret: Option<&SecretString>,
) -> Option<Chats> {
    let channels = channels(section);
    let wanted = section.flag("chats", !channels.is_empty());
    let public = public(section, wanted);
    let module = module(connection, section);
    let rate = rate(section);
    let longest_text = longest_text(section);
    let dialogs = section.flag("dialogs", true);
    if !wanted {
        return None;
    }
    if channels.is_empty() {
        let problem = Problem::error("is on, but no messenger has a channel");
        let mend =
            format!("write [connections.{connection}.channels.MESSENGER] with site and name");
        section.problem("chats", problem.mend(mend));
    }
    if section.text("name").is_none_or(|title| title == connection)
        && let Some(problem) = untold(connection)
    {
        section.problem("name", problem);
    }
    if hook_secret.is_none_or(|secret| secret.expose_secret().is_empty()) {
        let problem = Problem::error("chats need a hook: the CRM posts its messages there");
        section.problem("chats", problem.mend("write hook_secret = \"env:…\""));
    }
    Some(Chats {
        public: public?,
        module: module?,
        requests_per_second: rate?,
        longest_text,
        dialogs,
        channels,
    })
}

fn channels(section: &mut Section) -> BTreeMap<String, Channel> {
    let mut found = BTreeMap::new();
    for (name, mut table) in section.tables("channels") {
        let channel = Channel {
            site: table.required_text("site", "the store of the channel"),
            name: table.required_text("name", "what managers see as the name of the channel"),
            kind: kind(&mut table),
            order_method: table.text("order_method"),
            order_type: table.text("order_type"),
        };
        if channel.name.chars().count() > LONGEST_NAME {
            let problem = Problem::error("is longer than the CRM's 100 characters");
            table.problem("name", problem.mend("write a shorter one"));
        }
        if name.len() > LONGEST_ID {
            let problem =
                Problem::error("belongs to a connection whose name is too long for a chat");
            table.problem("site", problem.mend("give the messenger's connection a shorter name"));
        }
        let whole = !channel.site.is_empty() && !channel.name.is_empty();
        if whole {
            found.insert(name, channel);
        }
        section.close(table);
    }
    found
}

fn kind(table: &mut Section) -> Option<String> {
    let kind = table.choice("type", TYPES, "");
    (!kind.is_empty()).then_some(kind)
}

fn public(section: &mut Section, wanted: bool) -> Option<String> {
    let Some(text) = section.text("public") else {
        if wanted {
            let problem = Problem::error("is missing: where the CRM reaches our hooks");
            section
                .problem("public", problem.mend("write public = \"https://leadlink.example.com\""));
        }
        return None;
    };
    match http::base_url(&text) {
        Ok(url) => Some(url),
        Err(why) => {
            let mend = "write it like `https://leadlink.example.com`";
            section.problem("public", Problem::error(why).mend(mend));
            None
        }
    }
}

/// The code of a module is that of its family with something behind it.
fn module(connection: &str, section: &mut Section) -> Option<String> {
    let code = section.text("module").unwrap_or_else(|| format!("{FAMILY}-{connection}"));
    let plain = |symbol: char| symbol.is_ascii_alphanumeric() || matches!(symbol, '-' | '_');
    if code.starts_with(FAMILY) && code.chars().all(plain) {
        return Some(code);
    }
    let problem =
        Problem::error(format!("must begin with `{FAMILY}` and hold letters, digits, - and _"));
    section.problem("module", problem.mend(format!("write module = \"{FAMILY}-{connection}\"")));
    None
}

fn rate(section: &mut Section) -> Option<f64> {
    let key = "chat_requests_per_second";
    let rate = section.number(key, DOCUMENTED_RATE);
    if rate > 0.0 {
        return Some(rate);
    }
    section.problem(key, Problem::error("must be above 0").mend("write 100"));
    None
}

fn longest_text(section: &mut Section) -> usize {
    let key = "longest_text";
    let Some(most) = section.integer(key) else { return LONGEST_TEXT };
    usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or_else(|| {
        section.problem(key, Problem::error("must be above 0").mend("write 2000"));
        LONGEST_TEXT
    })
}
