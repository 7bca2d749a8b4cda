//! What every connector can be asked. Invariant: a connector judges what a far side's answer means
//! (status *and* body) and never touches the store; parsing is pure and never panics on garbage.

use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw, Uses};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// One configured account of one kind of far side.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What it can do.
    fn offer(&self) -> &'static Offer;

    /// Is this the secret of the connection's door? Compared in constant time. `false` also where
    /// the connection has no door.
    fn admits(&self, secret: &str) -> bool;

    /// The dedupe key of a delivery at the door: equal for a repeat of the same delivery.
    fn dedupe_key(&self, content_type: &str, body: &[u8]) -> String;

    /// What a stored delivery or polled record says. Pure.
    ///
    /// # Errors
    /// Why it cannot be read; the row is kept as `unreadable` with this text.
    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable>;

    /// What it polls.
    fn feeds(&self) -> Vec<Feed> {
        Vec::new()
    }

    /// Reads the next page of a feed.
    ///
    /// # Errors
    /// Why not now; the cursor stays where it is.
    async fn poll(&self, poll: &Poll<'_>) -> Result<Page, Delay> {
        let _ = poll;
        Ok(Page::default())
    }

    /// Looks up what a delivery left out (an id, contacts).
    ///
    /// # Errors
    /// Why not now.
    async fn complete(&self, event: &Event, now: Timestamp) -> Result<Completion, Delay> {
        let _ = (event, now);
        Ok(Completion::Never)
    }

    /// Answers a question.
    async fn ask(&self, query: &Query, now: Timestamp) -> Answer;

    /// Performs an effect whose holes are filled.
    async fn perform(&self, effect: &Effect, now: Timestamp) -> Outcome;

    /// After an unknown outcome: has this effect, begun at `since`, happened?
    async fn look(&self, effect: &Effect, since: Timestamp, now: Timestamp) -> Look;

    /// Does the far side itself refuse a second one of this effect (by our key), or does a repeat
    /// change nothing? Then one look that finds nothing is enough to repeat it.
    fn guarded(&self, effect: &Effect) -> bool {
        let _ = effect;
        false
    }

    /// The request that `perform` would send, for `explain`; holes are shown as they are.
    fn preview(&self, effect: &Effect) -> Preview;

    /// Tests address, credentials, scopes and set-up without side effects.
    async fn check(&self) -> Vec<Problem>;

    /// Compares what the flows use of it with what the far side has now: few requests, no side
    /// effects. Errors among the problems are what a running flow's write would fail of; each names
    /// flow, field, code and the mend.
    ///
    /// # Errors
    /// Why the far side could not be asked; nothing is told then.
    async fn drift(&self, glance: &Glance<'_>) -> Result<Sight, Delay> {
        let _ = glance;
        Ok(Sight::default())
    }

    /// The cheapest request that shows whether the far side answers us again.
    ///
    /// # Errors
    /// Why not.
    async fn probe(&self) -> Result<(), Delay>;

    /// Creates what the flows need over there (custom fields); repeatable. One line per thing.
    ///
    /// # Errors
    /// Why it could not be done.
    async fn setup(&self) -> Result<Vec<String>, Delay> {
        Ok(Vec::new())
    }

    /// The lists of codes and names that an author of flows may ask for.
    fn lists(&self) -> &'static [ListOffer] {
        &[]
    }

    /// Reads one of its lists from the far side, in the order in which people know it there.
    ///
    /// # Errors
    /// Why it cannot be read now.
    async fn list(&self, name: &str) -> Result<Listing, Delay> {
        Err(Delay::setup(format!("there is no list `{name}`")))
    }

    /// Connections of one group share a rate limit, and thus have one owner; see
    /// [`super::http::Client::limit_group`].
    fn limit_group(&self) -> &str;

    /// Requests per second that it may send; bounds how many decisions are worth having under way.
    fn pace(&self) -> f64;
}

/// A list that a connector can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOffer {
    /// A plural noun: `statuses`.
    pub name: &'static str,
    pub about: &'static str,
}

/// A list as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Names of the columns; the first is what a flow writes.
    pub columns: &'static [&'static str],
    /// One value for each column; none where the far side says nothing.
    pub rows: Vec<Vec<Value>>,
}

/// What a look for the missing parts of an event found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// The event with what was found; boxed, since it is far larger than the other answers.
    Fuller(Box<Event>),
    /// Nothing yet; the far side's journal may show it later.
    NotYet,
    /// The far side has nothing more to tell of it.
    Never,
}

/// Why a delivery cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// One thing that is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// `calls`, `requests`; also the `channel` of its raw rows.
    pub name: &'static str,
    pub every: Duration,
}

/// A request for the next page.
#[derive(Debug)]
pub struct Poll<'a> {
    pub feed: &'a str,
    /// As the last page left it; `None` at the first poll of the connection's life.
    pub cursor: Option<&'a Value>,
    /// When this connection was first started.
    pub first_start: Timestamp,
    pub now: Timestamp,
}

/// What a poll brought. Rows and cursor are stored in one transaction.
#[derive(Debug, Default)]
pub struct Page {
    pub rows: Vec<Raw>,
    /// `None` leaves the cursor where it was.
    pub cursor: Option<Value>,
    /// True when there is more to read at once.
    pub more: bool,
}

/// What a look for drift is given.
#[derive(Debug)]
pub struct Glance<'a> {
    pub uses: &'a Uses,
    /// What the last look saw; `None` at the first look of the connection's life.
    pub before: Option<&'a Value>,
    pub now: Timestamp,
}

/// What a look for drift found.
#[derive(Debug, Default)]
pub struct Sight {
    pub problems: Vec<Problem>,
    /// What the next look compares with.
    pub seen: Value,
}

/// A request as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub method: &'static str,
    /// Path without secrets.
    pub path: String,
    /// Decoded form fields or query, in order.
    pub fields: Vec<(String, String)>,
}
