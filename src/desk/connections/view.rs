//! What is shown of connections. Invariant: plain data without secrets, but for the address of a hook,
//! which who may act needs to paste.

use crate::desk::flows::ProblemView;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How a connection does.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConnectionRow {
    pub name: String,
    /// What people call it.
    pub title: String,
    pub connector: String,
    /// `setting up`, `ready`, `paused`; none: no daemon has run with it yet.
    pub state: Option<String>,
    /// In plain words.
    pub why: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The last proper answer.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub answered: Option<Timestamp>,
    pub feeds: Vec<FeedView>,
    /// Requests of today, as far as its owner knows.
    pub requests_today: Option<u64>,
    /// The most that it may send in a day.
    pub requests_limit: Option<u64>,
    /// Which process polls it and writes to it.
    pub owner: Option<String>,
    /// Roles that it is bound to.
    pub roles: Vec<String>,
    /// Jobs that wait, of flows that ask or write there.
    pub waiting: u64,
    /// Attempts of the last day that failed.
    pub failed: u64,
    /// Why the newest of them did.
    pub error: Option<String>,
    pub drift: Vec<ProblemView>,
    /// When it was last compared with the flows.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub looked: Option<Timestamp>,
    /// Nothing is wrong with it.
    pub well: bool,
}

/// Something that is polled.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedView {
    pub name: String,
    pub every_seconds: u64,
    /// When it was last read to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub read: Option<Timestamp>,
    /// Seconds since then.
    pub age_seconds: Option<i64>,
    /// It is older than three turns.
    pub late: bool,
}

/// One connection, whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConnectionPage {
    #[serde(flatten)]
    pub row: ConnectionRow,
    pub settings: Vec<ConnectionSetting>,
    /// What to enter at the far side; none: nothing calls us from there.
    pub hook: Option<HookView>,
    /// The same, for a far side that has a form for it.
    pub trigger: Option<TriggerView>,
    /// Requests in one second that it may send.
    pub pace: f64,
    /// The newest first.
    pub errors: Vec<ErrorRow>,
    /// Flows that use it.
    pub flows: Vec<String>,
    /// Lists of live codes; `list` reads one.
    pub lists: Vec<ListView>,
    pub offer: OfferView,
}

/// A setting as it was configured.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConnectionSetting {
    pub key: String,
    /// In one line; of secrets `env:NAME`, `file:PATH` or stars.
    pub value: String,
    pub secret: bool,
    /// `config/leadlink.toml:12`, or the variable that set it; none: the default.
    pub place: Option<String>,
    /// What the key is for.
    pub about: String,
    /// Nobody wrote it: it is the default.
    pub default: bool,
}

/// The address of our door.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HookView {
    /// With the secret where the person may act, else `…` in its place.
    pub address: String,
    /// The secret stands in it.
    pub whole: bool,
    /// Our own address is not told yet: set `[console] public`.
    pub unknown_host: bool,
}

/// What is entered over there, from top to bottom.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TriggerView {
    pub place: String,
    pub entries: Vec<TriggerEntry>,
    /// What a person does to see it work.
    pub try_it: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TriggerEntry {
    pub name: String,
    pub value: String,
}

/// An attempt that failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorRow {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub job: i64,
    pub flow: String,
    pub step: String,
    pub operation: String,
    /// `later`, `refused`, `unknown`.
    pub result: String,
    pub why: Option<String>,
    /// Names the story in addresses.
    pub story: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ListView {
    pub name: String,
    pub about: String,
}

/// A list as the far side has it now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ListPage {
    pub connection: String,
    pub name: String,
    pub about: String,
    /// The first column is what a flow writes.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    #[schema(value_type = String, format = DateTime)]
    pub read: Timestamp,
}

/// Everything that a flow may use of it.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct OfferView {
    pub events: Vec<OfferedEvent>,
    pub queries: Vec<OfferedQuery>,
    pub operations: Vec<OfferedOperation>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OfferedEvent {
    pub kind: String,
    pub about: String,
    /// What a flow writes: `on = { from = "calls", event = "call.finished" }`.
    pub write: String,
    pub fields: Vec<OfferedField>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OfferedQuery {
    pub name: String,
    pub about: String,
    pub write: String,
    pub input: Vec<OfferedField>,
    pub output: Vec<OfferedField>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OfferedOperation {
    pub name: String,
    pub about: String,
    pub write: String,
    /// `safe`, `check`, `once`, and what that means.
    pub repeat: String,
    pub repeat_about: String,
    pub input: Vec<OfferedField>,
    pub output: Vec<OfferedField>,
}

/// A field of an event, a fact or an input; those inside a table follow it, by their full path.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OfferedField {
    /// As a flow writes it: `event.phone`, `facts.NAME.id`; of inputs `phones`.
    pub path: String,
    /// `text`, `number`, `list of phone` …
    pub kind: String,
    /// Of inputs: `must`, `one of`, `may`; of others empty.
    pub need: String,
    pub about: String,
    /// The list of live codes that its values are.
    pub list: Option<String>,
}
