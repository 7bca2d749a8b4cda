//! What a connector can do, as data: the events it reports, the questions it answers, the
//! operations it performs. Invariant: flows are checked against offers, so a path that no offer
//! names cannot reach a running flow.

/// Everything a connector offers; a constant of its folder.
#[derive(Debug)]
pub struct Offer {
    /// Name of the connector, as in `connector = "…"`.
    pub connector: &'static str,
    pub events: &'static [EventOffer],
    pub queries: &'static [QueryOffer],
    pub operations: &'static [OperationOffer],
    /// It is a messenger: people write to us there, and we to them.
    pub messenger: Option<MessengerOffer>,
}

/// What a messenger carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessengerOffer {
    /// `telegram`, `whatsapp`, `custom`: as the CRM's chats name kinds of channels.
    pub kind: &'static str,
    /// Characters that one text may have.
    pub text: u32,
    /// Characters that the caption of a file may have.
    pub caption: u32,
    /// It passes files on.
    pub files: bool,
    /// What was sent can be changed, and taken back.
    pub edits: bool,
    pub deletes: bool,
    /// It tells that a message was delivered, and that it was read.
    pub delivered: bool,
    pub read: bool,
    /// We may write first to a phone number.
    pub by_phone: bool,
}

#[derive(Debug)]
pub struct EventOffer {
    pub kind: &'static str,
    pub about: &'static str,
    pub fields: &'static [Field],
    /// It is a lead: kept in the journal of leads, so that orders can be linked to it.
    pub lead: Option<LeadOffer>,
    /// It may tell that a foreign thing is gone.
    pub fate: Option<FateOffer>,
    /// What it tells of foreign things is remembered (see [`From::Memory`]).
    pub keeps: &'static [KeepOffer],
}

/// Which fields of an event are remembered of a foreign thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepOffer {
    /// `conversation`, `message`.
    pub entity: &'static str,
    /// The field with its id; nothing is kept where it is empty.
    pub id: &'static str,
    /// Fields that are not empty are laid over what is known, under these names.
    pub fields: &'static [(&'static str, &'static str)],
}

/// Which fields of an event make it a lead. Its noun and id are those of the event's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadOffer {
    /// The field with its time; where that is empty, its registration counts.
    pub at: &'static str,
    /// The fields with the client's contacts.
    pub contacts: &'static [&'static str],
    /// The far side has a journal of them that can be read day by day.
    pub journal: bool,
}

/// Which fields of an event tell that a foreign thing is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FateOffer {
    /// `order`.
    pub entity: &'static str,
    /// The field with its id.
    pub id: &'static str,
    /// The flag that says it.
    pub gone: &'static str,
    /// The field with the id of what it was merged into.
    pub became: &'static str,
}

/// Where the answer to a question comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    FarSide,
    /// What we remember of an entity of this kind; the input `id` names it. Every connection of the
    /// role is looked at; the answer's `account` says whose it is.
    Memory(&'static str),
    /// The journal of leads.
    Leads,
}

#[derive(Debug)]
pub struct QueryOffer {
    pub name: &'static str,
    pub about: &'static str,
    pub input: &'static [Input],
    /// Shape of the fact; an absent fact is none.
    pub output: &'static [Field],
    /// Kind of the entity whose links are handed to the query as `known`: from the input's contacts,
    /// or from the owner.
    pub known: Option<&'static str>,
    /// The input that names the entity's owner (`customer` of orders).
    pub owner: Option<&'static str>,
    pub from: From,
}

#[derive(Debug)]
pub struct OperationOffer {
    pub name: &'static str,
    pub about: &'static str,
    pub input: &'static [Input],
    pub output: &'static [Field],
    pub repeat: Repeat,
    /// The entity that the operation writes; its id is `output.id`. The step that did it links the
    /// event to it, and the contacts of the input (`phone`, `phones`, `email`) where it is new.
    pub entity: Option<&'static str>,
    /// The input that names the entity's owner; the step that did it links the owner to it.
    pub owner: Option<&'static str>,
    /// True when the operation makes a new entity.
    pub makes: bool,
    /// Inputs and outputs that are remembered of the entity (see [`From::Memory`]).
    pub keeps: &'static [&'static str],
    /// The input that marks what the effect is for. The mark is remembered (as an entity `mark`) when
    /// the step begins, whatever becomes of it: of two effects with one mark the second can be left out
    /// even where nobody knows whether the first happened.
    pub mark: Option<&'static str>,
    /// Inputs that name leads of the same connection, with their nouns: the step that did it links
    /// these leads to the entity.
    pub leads: &'static [(&'static str, &'static str)],
    /// How many effects of it one request may carry.
    pub batch: u32,
}

/// May an operation be repeated after an unknown outcome?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Repeat freely.
    Safe,
    /// Look before repeating; after the looks at 5 s and 30 s find nothing, repeat.
    Check,
    /// Nobody repeats it but a person.
    Once,
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub about: &'static str,
    /// The far side's list whose codes the values are (`statuses`); of an open table: whose codes its
    /// keys are. The connector's `drift` knows the lists.
    pub codes: Option<&'static str>,
}

#[derive(Debug)]
pub struct Input {
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
    pub about: &'static str,
    /// As of [`Field`].
    pub codes: Option<&'static str>,
}

impl Field {
    /// The same, its values being codes of this list of the far side.
    pub const fn of(self, list: &'static str) -> Self {
        Self { codes: Some(list), ..self }
    }
}

impl Input {
    /// The same, its values being codes of this list of the far side.
    pub const fn of(self, list: &'static str) -> Self {
        Self { codes: Some(list), ..self }
    }
}

/// How much an input is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Must,
    /// At least one of the inputs so marked; a query with none of them is not asked.
    OneOf,
    May,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    Number,
    Flag,
    /// A decimal as text, e.g. `"1290.50"`.
    Money,
    /// As typed; compared by its canonical key.
    Phone,
    Email,
    /// RFC 3339, UTC.
    Time,
    Record(&'static [Field]),
    List(&'static Kind),
    /// A table with any keys, all values of one kind (`customFields`).
    Open(&'static Kind),
    /// Anything at all.
    Any,
}

impl Offer {
    pub fn event(&self, kind: &str) -> Option<&'static EventOffer> {
        self.events.iter().find(|offer| offer.kind == kind)
    }
    pub fn query(&self, name: &str) -> Option<&'static QueryOffer> {
        self.queries.iter().find(|offer| offer.name == name)
    }
    pub fn operation(&self, name: &str) -> Option<&'static OperationOffer> {
        self.operations.iter().find(|offer| offer.name == name)
    }

    /// Do both use the same words, so that one flow serves either? A connector that shares its words
    /// with others (messengers do) may be bound to one role beside them.
    pub fn speaks_as(&self, other: &Self) -> bool {
        let named = |fields: &[Field]| fields.iter().map(|field| field.name).collect::<Vec<_>>();
        let given = |inputs: &[Input]| inputs.iter().map(|input| input.name).collect::<Vec<_>>();
        let words = |offer: &Self| {
            let events = offer.events.iter().map(|event| (event.kind, named(event.fields)));
            let queries = offer.queries.iter();
            let queries =
                queries.map(|query| (query.name, given(query.input), named(query.output)));
            let operations = offer.operations.iter();
            let operations = operations.map(|op| (op.name, given(op.input), named(op.output)));
            (
                events.collect::<Vec<_>>(),
                queries.collect::<Vec<_>>(),
                operations.collect::<Vec<_>>(),
            )
        };
        self.connector == other.connector || words(self) == words(other)
    }
}

impl EventOffer {
    /// What most events are: no leads, and silent on what is gone.
    pub const BASE: Self =
        Self { kind: "", about: "", fields: &[], lead: None, fate: None, keeps: &[] };
}

impl QueryOffer {
    /// What most questions are: asked of the far side, without help of our links.
    pub const BASE: Self = Self {
        name: "",
        about: "",
        input: &[],
        output: &[],
        known: None,
        owner: None,
        from: From::FarSide,
    };
}

impl OperationOffer {
    /// What most operations are: looked for before they are repeated, one a request.
    pub const BASE: Self = Self {
        name: "",
        about: "",
        input: &[],
        output: &[],
        repeat: Repeat::Check,
        entity: None,
        owner: None,
        makes: false,
        keeps: &[],
        mark: None,
        leads: &[],
        batch: 1,
    };
}
