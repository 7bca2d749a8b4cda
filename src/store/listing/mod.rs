//! The journals that people page through: leads, deals, messages. Invariant: a page goes on by key,
//! never by offset, so that each row comes once whatever is written meanwhile; a filter or a search
//! costs a few looks into an index, however much is kept.

pub(super) mod deals;
pub(super) mod lead_rows;
pub(super) mod leads;
pub(super) mod messages;
pub(super) mod values;

pub use deals::{DealFilter, DealLead, DealRow, LanesOfDeals};
pub use leads::{LeadFilter, LeadOrder, LeadRow};
pub use messages::{MessageFilter, MessageRow};

use super::Error;
use super::sql::{Connection, Row, Statement, Value, args};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub at: Timestamp,
    pub id: i64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.as_millisecond(), self.id)
    }
}

/// It is no mark: milliseconds, a hyphen, a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of a page: MS-ID is meant")]
pub struct NoMark;

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let (ms, id) = text.rsplit_once('-').ok_or(NoMark)?;
        let at = ms.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Self { at: at.ok_or(NoMark)?, id: id.parse().map_err(|_| NoMark)? })
    }
}

/// Which rows of a journal, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    pub from: Timestamp,
    /// Not included.
    pub until: Timestamp,
    /// Go on after this row.
    pub after: Option<Mark>,
    pub most: u32,
}

/// A page, and where to go on; none: that was the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    pub next: Option<Mark>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}

/// Which journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Journal {
    Leads,
    Deals,
    Messages,
}

/// What a journal can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    Connection,
    Kind,
    Source,
    Medium,
    Campaign,
    Outcome,
    Status,
    Manager,
    Funnel,
    Direction,
    State,
}

/// PostgreSQL believes at times that it is faster to find all rows of a span and to sort them than to
/// walk through an index that has them in order; of a page that is never so.
const BY_INDEX: &str = "set local enable_sort = off; set local enable_bitmapscan = off";
/// Of what is looked for by a key it is.
const FREELY: &str = "set local enable_sort = on; set local enable_bitmapscan = on";

/// Arguments that every statement of a page begins with.
const FIXED: usize = 5;

/// A page of a whole journal, or of one filter: a walk through the index that has them in order. A
/// search is none; its few rows are found by their key and sorted.
async fn walk(
    db: &mut Connection,
    statement: Statement,
    args: Vec<Value>,
) -> Result<Vec<Row>, Error> {
    if !db.is_shared() {
        return db.fetch(statement, args).await;
    }
    db.run("the database", BY_INDEX).await?;
    let rows = db.fetch(statement, args).await?;
    db.run("the database", FREELY).await?;
    Ok(rows)
}

impl Slice {
    /// From, until, the mark, and how many rows: one more than is shown, to know whether there is more.
    /// A search is bound by no span.
    fn args(&self, whole: bool) -> Vec<Value> {
        let (from, until) =
            if whole { (Timestamp::MIN, Timestamp::MAX) } else { (self.from, self.until) };
        let mark = self.after.unwrap_or(Mark { at: Timestamp::MAX, id: i64::MAX });
        args![from, until, mark.at, mark.id, self.most.saturating_add(1)]
    }
}

/// Rows that several looks into the database found, each newest first; one that was found twice is
/// there once.
struct Found(BTreeMap<(std::cmp::Reverse<Timestamp>, std::cmp::Reverse<i64>), Row>);

impl Found {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn add(&mut self, rows: Vec<Row>) -> Result<(), Error> {
        for row in rows {
            let key = (std::cmp::Reverse(row.time("at")?), std::cmp::Reverse(row.int("id")?));
            self.0.insert(key, row);
        }
        Ok(())
    }

    /// The newest of them, and where to go on.
    fn cut(self, slice: &Slice) -> Result<(Vec<Row>, Option<Mark>), Error> {
        let most = usize::try_from(slice.most).unwrap_or(usize::MAX);
        let more = self.0.len() > most;
        let rows: Vec<Row> = self.0.into_values().take(most).collect();
        let last = rows.last().filter(|_| more);
        let mark = |row: &Row| Ok(Mark { at: row.time("at")?, id: row.int("id")? });
        let next = last.map(mark).transpose()?;
        Ok((rows, next))
    }
}

/// A text that nobody told is none.
fn told(row: &Row, column: &str) -> Result<Option<String>, Error> {
    Ok(row.opt_text(column)?.filter(|text| !text.is_empty()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let at = Timestamp::from_millisecond(1_780_000_000_123).unwrap_or_default();
        for mark in [Mark { at, id: 7 }, Mark { at: Timestamp::UNIX_EPOCH, id: 0 }] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for wrong in ["", "7", "a-7", "7-a", "99999999999999999999-1", "1.5-1"] {
            assert_eq!(wrong.parse::<Mark>(), Err(NoMark), "{wrong}");
        }
    }
}
