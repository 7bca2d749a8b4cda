//! What `leadlink status` and the first page tell, as data. Invariant: pure; made of one snapshot of the
//! store and of what config and flow files say; `ok` is false where anything needs a person.

use crate::connectors::Connector;
use crate::desk::needs::groups::{Group, still_open, waiting};
use crate::mapping::Bound;
use crate::pipeline::switches;
use crate::rules::Book;
use crate::store::status::{ChoreRow, FlowCounts, House};
use crate::store::{Replica, Switch};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A process that gave no sign of life for so long runs no more.
const ALIVE: SignedDuration = SignedDuration::from_secs(45);

#[derive(Debug, Serialize)]
pub struct Report {
    pub ok: bool,
    pub at: Timestamp,
    /// The clock that processes sign by.
    pub sign_clock: Timestamp,
    pub running: bool,
    /// The last sign of life of any process.
    pub last_sign: Option<Timestamp>,
    /// Those that gave a sign of life just now.
    pub processes: Vec<Replica>,
    pub connections: Vec<Connection>,
    pub flows: Vec<Flow>,
    /// Jobs by state.
    pub jobs: BTreeMap<&'static str, u64>,
    /// Deliveries that are not routed yet.
    pub unrouted: u64,
    /// Seconds since the oldest due job was due.
    pub lag_seconds: i64,
    /// What waits for a person, grouped by reason.
    pub person: Vec<Group>,
    /// Steps of unknown outcome that are looked for.
    pub looked_for: u64,
    pub chores: Vec<ChoreRow>,
}

#[derive(Debug, Serialize)]
pub struct Connection {
    pub name: String,
    pub connector: &'static str,
    /// `setting up`, `ready`, `paused`; `None`: no daemon has run with it yet.
    pub state: Option<String>,
    pub why: Option<String>,
    pub since: Option<Timestamp>,
    /// The last proper answer.
    pub answered: Option<Timestamp>,
    pub owner: Option<String>,
    pub feeds: Vec<Feed>,
    /// When it was last compared with the flows.
    pub looked: Option<Timestamp>,
    /// As `check --json` has them.
    pub drift: Vec<Value>,
}

#[derive(Debug, Serialize)]
pub struct Feed {
    pub name: String,
    /// When it was last read to its end.
    pub read: Timestamp,
}

#[derive(Debug, Serialize)]
pub struct Flow {
    pub name: String,
    /// `running`, `stopped`, `off`.
    pub state: &'static str,
    pub why: Option<String>,
    #[serde(flatten)]
    pub counts: FlowCounts,
}

/// The clock that processes sign by: the database's where several share it, else the daemon's own.
pub fn sign_clock(house: &House, shared: bool, now: Timestamp) -> Timestamp {
    match house.lease_clock.filter(|_| shared) {
        Some(clock) => clock,
        None => house.processes.iter().map(|process| process.seen).fold(now, Timestamp::max),
    }
}

/// Has any process shown itself just now?
pub fn shows_life(house: &House, clock: Timestamp) -> bool {
    house.processes.iter().any(|process| is_alive(process, clock))
}

pub fn is_alive(process: &Replica, clock: Timestamp) -> bool {
    clock.duration_since(process.seen) < ALIVE
}

/// What config and flow files say.
#[derive(Clone, Copy)]
pub struct Sheet<'a> {
    pub book: &'a Book,
    /// Instances with a role that is bound to nothing.
    pub off: &'a [Bound],
    pub connectors: &'a BTreeMap<String, Arc<dyn Connector>>,
    /// Flow → does it run, as config has it?
    pub configured: &'a BTreeMap<String, bool>,
}

impl Report {
    /// `clock`: what the processes signed by.
    pub fn new(
        sheet: Sheet<'_>,
        mut house: House,
        running: bool,
        (now, clock): (Timestamp, Timestamp),
    ) -> Self {
        let connections: Vec<Connection> = sheet
            .connectors
            .iter()
            .map(|(name, held)| connection(name, held.offer().connector, &house))
            .collect();
        let person = waiting(&house);
        let looked_for = house.unknown.iter().filter(|step| still_open(step.state)).count();
        let last_sign = house.processes.iter().map(|process| process.seen).max();
        // One that was killed leaves its row behind.
        house.processes.retain(|process| is_alive(process, clock));
        let refused = house.processes.iter().any(|process| process.trouble.is_some());
        let well = |held: &Connection| {
            held.state.as_deref().is_none_or(|state| state == "ready") && held.drift.is_empty()
        };
        let lag = house.oldest_due.map_or(0, |due| now.duration_since(due).as_secs().max(0));
        Self {
            ok: running && !refused && person.is_empty() && connections.iter().all(well),
            at: now,
            sign_clock: clock,
            running,
            last_sign,
            flows: flows(sheet, &house),
            connections,
            person,
            looked_for: looked_for.try_into().unwrap_or(u64::MAX),
            lag_seconds: lag,
            unrouted: house.unrouted,
            jobs: house.jobs,
            chores: house.chores,
            processes: house.processes,
        }
    }
}

fn connection(name: &str, connector: &'static str, house: &House) -> Connection {
    let state = house.states.iter().find(|state| state.connection == name);
    let drift = house.drift.iter().find(|drift| drift.connection == name);
    let feeds = house.cursors.iter().filter(|(connection, ..)| connection == name);
    Connection {
        name: name.to_owned(),
        connector,
        state: state.map(|state| state.state.clone()),
        why: state.and_then(|state| state.why.clone()),
        since: state.map(|state| state.since),
        answered: state.and_then(|state| state.answered),
        owner: house.owners.get(name).cloned(),
        feeds: feeds.map(|(_, feed, read)| Feed { name: feed.clone(), read: *read }).collect(),
        looked: drift.map(|drift| drift.looked),
        drift: drift.map(|drift| drift.problems.clone()).unwrap_or_default(),
    }
}

fn flows(sheet: Sheet<'_>, house: &House) -> Vec<Flow> {
    let counts = |name: &str| house.flows.get(name).copied().unwrap_or_default();
    let bound = sheet.book.flows().iter().map(|bound| {
        let configured = sheet.configured.get(&bound.name).copied().unwrap_or_default();
        let held = house.switches.get(&bound.name).filter(|held| held.holds(configured));
        let running = switches::running(sheet.configured, &house.switches, &bound.name);
        let unsaid = || format!("config has no `running = true` in [flows.{}]", bound.name);
        Flow {
            name: bound.name.clone(),
            state: if running { "running" } else { "stopped" },
            why: held.map(by_whom).or_else(|| (!running).then(unsaid)),
            counts: counts(&bound.name),
        }
    });
    let off = sheet.off.iter().map(|bound| Flow {
        name: bound.name.clone(),
        state: "off",
        why: Some(format!("no connection is bound to {}", roles(&bound.unbound()))),
        counts: counts(&bound.name),
    });
    let mut flows: Vec<Flow> = bound.chain(off).collect();
    let known: Vec<String> = flows.iter().map(|flow| flow.name.clone()).collect();
    let gone = house.flows.iter().filter(|(name, _)| !known.contains(name));
    flows.extend(gone.map(|(name, counts)| Flow {
        name: name.clone(),
        state: "off",
        why: Some("there is no such flow any more".to_owned()),
        counts: *counts,
    }));
    flows.sort_by(|a, b| a.name.cmp(&b.name));
    flows
}

/// `stopped by anna at 2026-11-20T10:00:00Z: the CRM is being moved`
pub fn by_whom(held: &Switch) -> String {
    let word = if held.running { "started" } else { "stopped" };
    let why = held.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{word} by {} at {:.0}{why}", held.who, held.at)
}

fn roles(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let noun = if quoted.len() == 1 { "the role" } else { "the roles" };
    format!("{noun} {}", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_is_a_sign_of_just_now() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut house = House::default();
        assert!(!shows_life(&house, at(100)));
        house.processes = vec![Replica {
            owner: "a".to_owned(),
            version: "0.1.0".to_owned(),
            listen: "127.0.0.1:8080".to_owned(),
            started: at(0),
            seen: at(100),
            loaded: at(0),
            heard: 0,
            trouble: None,
        }];
        assert!(shows_life(&house, at(140)));
        assert!(!shows_life(&house, at(150)));
        // The clock of a file's one process may be ahead of ours; that of a server is its own.
        house.lease_clock = Some(at(150));
        assert_eq!(
            (sign_clock(&house, true, at(7)), sign_clock(&house, false, at(7))),
            (at(150), at(100))
        );
    }
}
