//! What a connector owes whose far side shows a block of ours in its own page: reading what the page
//! asks for, and showing what was found. Invariant: both are pure; who is found, and within which
//! time, is the pipeline's matter.

use super::port::Connector;
use crate::diagnosis::{Problem, suggest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The question that is asked of the connection whose people a block shows. Its inputs are `phones`,
/// `emails` and `orders` (how many of each); its output is `people`, each with their orders.
pub const QUESTION: &str = "buyers";
/// The key of the settings that names that connection.
pub const SOURCE: &str = "crm";

/// A block in a page of a far side.
pub trait Block: Send + Sync {
    /// Whose block it is: the word in its address, `/blocks/{side}/{connection}`.
    fn side(&self) -> &'static str;

    /// The connection whose people it shows.
    fn source(&self) -> &str;

    /// The page is answered within so long, whatever has been found by then.
    fn patience(&self) -> Duration;

    /// What the page wants. Pure; never panics on garbage.
    fn read(&self, content_type: &str, body: &[u8], source: &dyn Connector) -> Wish;

    /// The answer's body.
    fn show(&self, seen: &Seen, source: &dyn Connector) -> Value;
}

/// What a page wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Not our secret, or none.
    Stranger,
    /// There is nothing to search for.
    Told(Seen),
    Search(Search),
}

/// Who is searched for: canonical contacts, sorted, so that equal searches are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Search {
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    /// Orders of each person that are shown.
    pub orders: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// As [`QUESTION`] has them, and by what they were found: `phone`, `email`.
    People {
        by: &'static str,
        people: Arc<Vec<Value>>,
    },
    Nobody,
    /// The page named no phone and no e-mail.
    NoContacts,
    /// The block is switched off.
    Off,
    /// The page is of another account, or does not say of which.
    Elsewhere,
    Unreadable,
    /// Not in time: the search goes on, and a refresh will show what it finds.
    Late,
    /// The connection is paused.
    Paused,
    /// The far side did not answer, or not so that it could be read.
    Failed,
}

impl Seen {
    /// For metrics and templates.
    pub fn word(&self) -> &'static str {
        match self {
            Self::People { .. } => "people",
            Self::Nobody => "nobody",
            Self::NoContacts => "no_contacts",
            Self::Off => "off",
            Self::Elsewhere => "elsewhere",
            Self::Unreadable => "unreadable",
            Self::Late => "late",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// Why nobody can answer for this block; `None`: somebody can.
pub fn unserved(
    block: &dyn Block,
    connectors: &BTreeMap<String, Arc<dyn Connector>>,
) -> Option<Problem> {
    let source = block.source();
    let serves = |held: &Arc<dyn Connector>| held.offer().query(QUESTION).is_some();
    let known: Vec<&str> =
        connectors.iter().filter(|(_, held)| serves(held)).map(|(name, _)| name.as_str()).collect();
    if known.contains(&source) {
        return None;
    }
    let title = match connectors.contains_key(source) {
        true => format!("`{source}` has no customers and orders to show"),
        false => format!("there is no connection `{source}`"),
    };
    Some(Problem::error(title).mend(suggest(source, &known)))
}
