//! THE LIST of connectors, and what each owes its users. Invariant: adding a connector is one
//! folder and one entry here; nothing above this room knows a far side by name.
//!
//! The standard that every connector keeps (held by `tests/connectors.rs` over the list): its name
//! is a noun; its settings are read to the last key, so an unknown one is a problem; secrets are
//! hidden in `Debug`; `check` tests the credentials without side effects; every operation has a
//! repeat class; parsing never panics on garbage; money is decimal; times carry a zone; a rate
//! limit and a time-out are set; its README says where the far side's documentation is and what it
//! gets wrong.

pub mod block;
pub mod calltouch;
pub mod chatapi;
pub mod coalesce;
pub mod door;
pub mod files;
pub mod http;
pub mod messages;
pub mod messengers;
pub mod port;
pub mod retailcrm;
pub mod settings;
pub mod telegram;
pub mod trigger;
pub mod usedesk;
pub mod webhook;

pub use port::Connector;

use crate::config::keys::Key;
use crate::config::{Connection, Section, untold};
use crate::diagnosis::{Problem, suggest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the connectors of one process share.
#[derive(Clone, Default)]
pub struct Shared {
    /// One rate bucket for each far-side host.
    pub limits: http::Limits,
    /// Which connection a Calltouch site belongs to.
    pub sites: calltouch::Sites,
    /// Who can open files.
    pub files: files::Files,
    /// The messengers that there are, as their connectors told when they were made.
    pub messengers: messengers::Messengers,
}

impl Shared {
    /// What the connectors of the next configuration share: the rate buckets go on.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { limits: self.limits.next(), ..Self::default() }
    }
}

/// Makes a connection's connector from its settings; `None` where they do not suffice (the section
/// then holds the problems).
pub type Build = fn(&str, &mut Section, &Shared) -> Option<Arc<dyn Connector>>;

/// THE LIST: the name in `connector = "…"`, the maker, the keys that its settings may have.
pub const LIST: &[(&str, Build, &[Key])] = &[
    (
        "calltouch",
        |name, section, shared| calltouch::build(name, section, &shared.limits, &shared.sites),
        calltouch::KEYS,
    ),
    (
        "chatapi",
        |name, section, shared| chatapi::build(name, section, &shared.limits, &shared.files),
        chatapi::KEYS,
    ),
    (
        "retailcrm",
        |name, section, shared| {
            retailcrm::build(name, section, &shared.limits, &shared.files, &shared.messengers)
        },
        retailcrm::KEYS,
    ),
    (
        "telegram",
        |name, section, shared| telegram::build(name, section, &shared.limits, &shared.files),
        telegram::KEYS,
    ),
    ("usedesk", |name, section, _| usedesk::build(name, section), usedesk::KEYS),
    (
        "webhook",
        |name, section, shared| webhook::build(name, section, &shared.limits),
        webhook::KEYS,
    ),
];

/// The connectors of a configuration, and everything that is wrong with their settings.
#[derive(Default)]
pub struct Built {
    pub connectors: BTreeMap<String, Arc<dyn Connector>>,
    pub problems: Vec<Problem>,
}

/// Makes every connection's connector.
pub fn build(connections: Vec<Connection>, shared: &Shared) -> Built {
    let mut built = Built::default();
    let mut sections = Vec::new();
    for Connection { name, title, connector, mut section } in connections {
        let Some((_, build, _)) = LIST.iter().find(|(known, ..)| *known == connector) else {
            let known: Vec<&str> = LIST.iter().map(|(known, ..)| *known).collect();
            let title = format!("there is no connector `{connector}`");
            section.problem("connector", Problem::error(title).mend(suggest(&connector, &known)));
            built.problems.extend(
                section.finish().into_iter().filter(|p| !p.title.contains("there is no such key")),
            );
            continue;
        };
        if let Some(connector) = build(&name, &mut section, shared) {
            // Managers and the persons that they write to know a messenger by its name (ID-6); a short
            // one that was written is told of already.
            if title == name && connector.offer().messenger.is_some() {
                untold(&title).into_iter().for_each(|problem| section.problem("name", problem));
            }
            built.connectors.insert(name.clone(), connector);
        }
        sections.push((name, section));
    }
    // Some lean on others, which are known now.
    for (name, mut section) in sections {
        let block = built.connectors.get(&name).and_then(|connector| connector.block());
        let unserved = block.and_then(|block| block::unserved(block, &built.connectors));
        unserved.into_iter().for_each(|problem| section.problem(block::SOURCE, problem));
        built.problems.extend(section.finish());
    }
    shared.files.tell(&built.connectors);
    shared.messengers.tell(&built.connectors);
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_know_a_messenger_by_five_characters_or_more() {
        let of = |name: &str, title: &str| {
            let section = Section::from_toml(name, "token = \"123456:abc\"\nname = \"…\"\n");
            let connector = "telegram".to_owned();
            let connection =
                Connection { name: name.to_owned(), title: title.to_owned(), connector, section };
            let problems = build(vec![connection], &Shared::default()).problems;
            problems.iter().filter(|found| found.title.contains("too short")).count()
        };
        assert_eq!((of("bots", "bots"), of("бот-1", "бот-1")), (1, 0));
        // A title that was written is judged where it is read.
        assert_eq!(of("bot", "Our bot"), 0);
    }
}
