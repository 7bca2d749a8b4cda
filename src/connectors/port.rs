//! What every connector can be asked. Invariant: a connector judges what a far side's answer means
//! (status *and* body) and never touches the store; parsing is pure and never panics on garbage.

use super::block::Block;
use super::files::{FileRef, NoFile};
use super::http::FileStream;
use crate::diagnosis::Problem;
use crate::domain::{
    Answer, Covered, Delay, Effect, Event, Lead, Look, Offer, Outcome, Query, Raw, Uses,
};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::time::Duration;

pub use super::trigger::{Trigger, YOUR_HOST};

/// One configured account of one kind of far side.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What it can do.
    fn offer(&self) -> &'static Offer;

    /// Is this the secret of the connection's door? Compared in constant time. `false` also where
    /// the connection has no door.
    fn admits(&self, secret: &str) -> bool;

    /// The dedupe key of a delivery at the door: equal for a repeat of the same delivery. Where the
    /// far side may say the same twice and mean it, the time of its arrival tells the two apart.
    fn dedupe_key(&self, content_type: &str, body: &[u8], received: Timestamp) -> String;

    /// What a stored delivery or polled record says. Pure.
    ///
    /// # Errors
    /// Why it cannot be read; the row is kept as `unreadable` with this text.
    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable>;

    /// Do these headers and this body come from the far side, as far as it says so (a secret header, a
    /// signature)? Compared in constant time; asked after [`Connector::admits`].
    fn vouched(&self, headers: &[(String, String)], body: &[u8]) -> bool {
        let _ = (headers, body);
        true
    }

    /// What the far side wants to read in answer to a delivery that is kept; none: nothing special.
    /// Pure.
    fn reply(&self, content_type: &str, body: &[u8]) -> Option<Value> {
        let _ = (content_type, body);
        None
    }

    /// Opens a file that an event of this connection named.
    ///
    /// # Errors
    /// Why there is none, or none now.
    async fn open(&self, file: &FileRef) -> Result<FileStream, NoFile> {
        let _ = file;
        Err(NoFile::Never("it has no files".to_owned()))
    }

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

    /// Does the far side hold its answer back until there is something to tell (a long poll)? Such a
    /// feed is read again as soon as it has answered, `every` after the last reading began at the
    /// earliest, and a reading is broken off when the process stops.
    fn waits(&self, feed: &str) -> bool {
        let _ = feed;
        false
    }

    /// The feed that is to be read at once when this came in at the door: what came is a wake-up
    /// call, the truth is in the feed.
    fn wakes(&self, raw: &Raw) -> Option<&'static str> {
        let _ = raw;
        None
    }

    /// Looks into the journal of leads of this noun, from `since` on, for what no webhook brought:
    /// all of its pages.
    ///
    /// # Errors
    /// Why not now.
    async fn recent(
        &self,
        noun: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Raw>, Delay> {
        let _ = (noun, since, now);
        Ok(Vec::new())
    }

    /// A page of the journal of leads of this noun on one day of the account's zone.
    ///
    /// # Errors
    /// Why not now.
    async fn leads(&self, noun: &str, day: Date, page: u32) -> Result<LeadPage, Delay> {
        let _ = (noun, day, page);
        Ok(LeadPage::default())
    }

    /// A page of all things of a kind (`order`, `deal`) that were made on one day of the account's
    /// zone. A page that is read here answers questions after its rows for a while (see
    /// [`Query::since`]), so that what is listed need not be read one by one.
    ///
    /// # Errors
    /// Why not now.
    async fn listed(
        &self,
        kind: &str,
        day: Date,
        page: u32,
        now: Timestamp,
    ) -> Result<ListedPage, Delay> {
        let _ = (kind, day, page, now);
        Err(Delay::setup(format!("there is no list of `{kind}`")))
    }

    /// The id by which others name this account (Calltouch's site id): chooses among the connections
    /// of one role.
    fn account(&self) -> Option<String> {
        None
    }

    /// The zone of the account's days, as far as it is known without asking.
    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }

    /// Requests that it may send in one day, if the far side has such a budget.
    fn requests_per_day(&self) -> Option<u64> {
        None
    }

    /// Requests that it has sent today (in its zone), as far as this process knows.
    fn requests_today(&self, now: Timestamp) -> u64 {
        let _ = now;
        0
    }

    /// So many were sent today, by processes before this one too.
    fn recall_requests(&self, sent: u64, now: Timestamp) {
        let _ = (sent, now);
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

    /// May an effect that nobody repeats be looked for after an unknown outcome? One that is found is
    /// done; one that is not waits for a person all the same.
    fn looks(&self, effect: &Effect) -> bool {
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

    /// What a person enters over there so that its triggers call our door. The door is reached at
    /// `public`, else where the settings say, else at [`YOUR_HOST`].
    ///
    /// # Errors
    /// Why nothing can be entered, with the mend.
    fn trigger(&self, public: Option<&str>) -> Result<Trigger, String> {
        let _ = public;
        Err("it has no triggers that could call us".to_owned())
    }

    /// The block that it shows in pages of its far side; it has no hook then.
    fn block(&self) -> Option<&dyn Block> {
        None
    }

    /// The root of the pages that people open over there, without a trailing slash.
    fn home(&self) -> Option<&str> {
        None
    }

    /// Is this the key with which we ask? Compared in constant time.
    fn is_key(&self, given: &str) -> bool {
        let _ = given;
        false
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
    /// With the last page: of which time the journal of leads is known to its end now.
    pub covered: Option<Covered>,
}

/// A page of a journal of leads.
#[derive(Debug, Default)]
pub struct LeadPage {
    /// Those that are over and have contacts and an id.
    pub leads: Vec<Lead>,
    pub more: bool,
}

/// A page of things of one kind.
#[derive(Debug, Default)]
pub struct ListedPage {
    pub rows: Vec<Listed>,
    pub more: bool,
    /// How many there are on that day, where the far side says so.
    pub total: Option<u64>,
}

/// One thing of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub id: String,
    pub made: Timestamp,
    /// In the shape of the offer's query for it, as far as the list tells.
    pub fields: Value,
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
