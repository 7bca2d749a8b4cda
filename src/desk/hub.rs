//! Who looks at a page hears when something of it changed. Invariant: a word only saves waiting: it
//! may be one too many, and whoever misses one hears by the slow look; never more than two a second
//! of a topic.

use futures_util::Stream;
use std::fmt;
use std::str::FromStr;

/// What may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    Overview,
    Leads,
    Deals,
    Messages,
    Needs,
    Flows,
    Connections,
    /// By the event's key.
    Story(String),
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overview => f.write_str("overview"),
            Self::Leads => f.write_str("leads"),
            Self::Deals => f.write_str("deals"),
            Self::Messages => f.write_str("messages"),
            Self::Needs => f.write_str("needs"),
            Self::Flows => f.write_str("flows"),
            Self::Connections => f.write_str("connections"),
            Self::Story(key) => write!(f, "story:{key}"),
        }
    }
}

impl FromStr for Topic {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "overview" => Self::Overview,
            "leads" => Self::Leads,
            "deals" => Self::Deals,
            "messages" => Self::Messages,
            "needs" => Self::Needs,
            "flows" => Self::Flows,
            "connections" => Self::Connections,
            other => match other.strip_prefix("story:") {
                Some(key) if !key.is_empty() => Self::Story(key.to_owned()),
                _ => return Err(()),
            },
        })
    }
}

/// One of each process.
#[derive(Debug, Default)]
pub struct Hub {}

impl Hub {
    /// A word each time that something of these topics changed.
    pub fn listen(&self, _topics: Vec<Topic>) -> impl Stream<Item = Topic> + Send + 'static {
        futures_util::stream::pending()
    }
}
