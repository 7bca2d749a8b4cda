//! What `status` tells, as data. Invariant: pure; made of one snapshot of the store and of what config
//! and flow files say; `ok` is false where anything needs a person.

use crate::app::App;
use crate::app::bind::unbound;
use crate::pipeline::resolve;
use crate::store::Replica;
use crate::store::status::{ChoreRow, FlowCounts, House, SHOWN, UnknownStep};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A process that gave no sign of life for so long runs no more.
const ALIVE: SignedDuration = SignedDuration::from_secs(45);
/// So many ids stand for all of their group.
const EXAMPLES: usize = 5;

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

/// What waits for a person for one reason.
#[derive(Debug, PartialEq, Serialize)]
pub struct Group {
    /// `job`, `delivery`, `step`.
    pub what: &'static str,
    /// Of which flow, or from which connection.
    pub of: String,
    /// As the newest of them has it.
    pub why: String,
    pub count: u64,
    /// True where there may be more than were counted.
    pub more: bool,
    /// The newest few.
    pub ids: Vec<i64>,
    /// What to type next, for the newest.
    pub commands: Vec<String>,
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

fn is_alive(process: &Replica, clock: Timestamp) -> bool {
    clock.duration_since(process.seen) < ALIVE
}

impl Report {
    /// `clock`: what the processes signed by.
    pub fn new(
        app: &App,
        mut house: House,
        running: bool,
        (now, clock): (Timestamp, Timestamp),
    ) -> Self {
        let connections: Vec<Connection> = app
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
            flows: flows(app, &house),
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

fn flows(app: &App, house: &House) -> Vec<Flow> {
    let counts = |name: &str| house.flows.get(name).copied().unwrap_or_default();
    let bound = app.book.flows().iter().map(|bound| {
        let why = format!("config has no `running = true` in [flows.{}]", bound.name);
        Flow {
            name: bound.name.clone(),
            state: if bound.running { "running" } else { "stopped" },
            why: (!bound.running).then_some(why),
            counts: counts(&bound.name),
        }
    });
    let off = app.off.iter().map(|bound| Flow {
        name: bound.name.clone(),
        state: "off",
        why: Some(format!("no connection is bound to {}", roles(&unbound(bound)))),
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

fn roles(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let noun = if quoted.len() == 1 { "the role" } else { "the roles" };
    format!("{noun} {}", quoted.join(", "))
}

fn still_open(state: &str) -> bool {
    state == "waiting" || state == "deciding"
}

/// Everything that waits for a person, most of one reason first.
fn waiting(house: &House) -> Vec<Group> {
    let mut groups: BTreeMap<(&str, &str, String), Group> = BTreeMap::new();
    let cut = house.stuck.len() >= SHOWN;
    for job in &house.stuck {
        let why = job.why.as_deref().unwrap_or("no reason was kept");
        let commands = || {
            let mut commands = vec![format!("leadlink why {}", job.event)];
            commands.extend(choices(house, job.id, why));
            commands
        };
        add(&mut groups, ("job", &job.flow, why), job.id, cut, commands);
    }
    let cut = house.unreadable.len() >= SHOWN;
    for raw in &house.unreadable {
        let why = raw.why.as_deref().unwrap_or("no reason was kept");
        let commands =
            || vec![format!("leadlink retry --unreadable --connection {}", raw.connection)];
        add(&mut groups, ("delivery", &raw.connection, why), raw.id, cut, commands);
    }
    for step in house.unknown.iter().filter(|step| step.state != "stuck" && !still_open(step.state))
    {
        let why = format!("nobody knows whether {} of step {} happened", step.operation, step.name);
        let commands = || vec![format!("leadlink retry {}", step.job)];
        add(&mut groups, ("step", &step.flow, &why), step.job, false, commands);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.ids.cmp(&a.ids)));
    groups
}

/// What a person may type about a parked job: of a step that only a person knows about, both words.
fn choices(house: &House, job: i64, why: &str) -> Vec<String> {
    let of_job = |step: &&UnknownStep| step.job == job && why.contains(&step.name);
    match house.unknown.iter().find(of_job).filter(|_| why.ends_with(resolve::ASKS)) {
        Some(step) => resolve::words(job, &step.name).to_vec(),
        None => vec![format!("leadlink retry {job}")],
    }
}

fn add<'a>(
    groups: &mut BTreeMap<(&'a str, &'a str, String), Group>,
    (what, of, why): (&'static str, &'a str, &str),
    id: i64,
    more: bool,
    commands: impl FnOnce() -> Vec<String>,
) {
    let group = groups.entry((what, of, alike(why))).or_insert_with(|| Group {
        what,
        of: of.to_owned(),
        why: why.to_owned(),
        count: 0,
        more,
        ids: Vec::new(),
        commands: commands(),
    });
    group.count += 1;
    if group.ids.len() < EXAMPLES {
        group.ids.push(id);
    }
}

/// Reasons that differ only in numbers are one reason.
fn alike(why: &str) -> String {
    let mut plain = String::new();
    for letter in why.chars() {
        match letter {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::status::{StuckJob, UnknownStep, UnreadableRow};

    fn stuck(id: i64, why: &str) -> StuckJob {
        StuckJob {
            id,
            flow: "call-to-order".to_owned(),
            why: Some(why.to_owned()),
            changed: Timestamp::UNIX_EPOCH,
            event: format!("call:{id}"),
            connection: "calls".to_owned(),
        }
    }

    #[test]
    fn what_waits_is_grouped_by_reason_whatever_the_numbers_in_it() {
        let step = |state: &'static str| UnknownStep {
            name: "create".to_owned(),
            connection: "shop".to_owned(),
            operation: "order.create".to_owned(),
            started: None,
            job: 9,
            flow: "call-to-order".to_owned(),
            state,
        };
        let house = House {
            stuck: vec![
                stuck(17, "managerId: no user 12"),
                stuck(16, "another"),
                stuck(15, "managerId: no user 3"),
            ],
            unreadable: vec![UnreadableRow {
                id: 4,
                connection: "calls".to_owned(),
                channel: "hook".to_owned(),
                received: Timestamp::UNIX_EPOCH,
                why: None,
            }],
            // Of these one is looked for, one is told with its job.
            unknown: vec![step("waiting"), step("stuck"), step("acted")],
            ..House::default()
        };
        let groups = waiting(&house);
        assert_eq!((groups[0].count, groups[0].ids.as_slice()), (2, [17, 15].as_slice()));
        assert_eq!(groups[0].why, "managerId: no user 12");
        assert_eq!(groups[0].commands, ["leadlink why call:17", "leadlink retry 17"]);
        let delivery = groups.iter().find(|group| group.what == "delivery");
        let words = delivery.map(|group| group.commands.join(" "));
        assert_eq!(words.as_deref(), Some("leadlink retry --unreadable --connection calls"));
        let rest: Vec<_> = groups[1..].iter().map(|group| (group.what, group.count)).collect();
        assert_eq!(rest, [("job", 1), ("step", 1), ("delivery", 1)]);
    }

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
