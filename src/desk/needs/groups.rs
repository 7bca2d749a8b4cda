//! What waits for a person, by reason. Invariant: pure; reasons that differ only in numbers are one.

use super::{NeedGroup, NeedKind};
use crate::desk::acts::Act;
use crate::desk::overview::report::Report;
use crate::pipeline::resolve;
use crate::store::status::{House, SHOWN, UnknownStep};
use serde::Serialize;
use std::collections::BTreeMap;

/// So many ids stand for all of their group.
const EXAMPLES: usize = 5;

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

pub fn still_open(state: &str) -> bool {
    state == "waiting" || state == "deciding"
}

/// Everything that waits for a person, most of one reason first.
pub fn waiting(house: &House) -> Vec<Group> {
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
pub fn alike(why: &str) -> String {
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

/// The same for people who look, with what has no number: connections, drift, refused reloads.
pub fn shown(house: &House, report: &Report) -> Vec<NeedGroup> {
    let mut groups: Vec<NeedGroup> = report.person.iter().map(|group| held(house, group)).collect();
    for held in &report.connections {
        let state = held.state.as_deref().filter(|state| *state != "ready");
        groups.extend(state.map(|state| {
            let why = held.why.clone().unwrap_or_else(|| state.to_owned());
            plain(NeedKind::Connection, &held.name, why, 1)
        }));
        if let Some(first) = held.drift.first() {
            let title = first.get("title").and_then(serde_json::Value::as_str);
            let count = held.drift.len().try_into().unwrap_or(u64::MAX);
            let why = title.unwrap_or_default().to_owned();
            groups.push(plain(NeedKind::Drift, &held.name, why, count));
        }
    }
    let refused = report.processes.iter();
    groups.extend(refused.filter_map(|process| {
        let why = process.trouble.clone()?;
        Some(plain(NeedKind::Reload, &process.owner, why, 1))
    }));
    groups
}

fn plain(kind: NeedKind, of: &str, why: String, count: u64) -> NeedGroup {
    NeedGroup {
        kind,
        of: of.to_owned(),
        reason: alike(&why),
        why,
        count,
        more: false,
        ids: Vec::new(),
        acts: Vec::new(),
        commands: Vec::new(),
    }
}

fn held(house: &House, group: &Group) -> NeedGroup {
    let asks = group.why.ends_with(resolve::ASKS);
    let (kind, acts) = match group.what {
        "delivery" => (NeedKind::Delivery, vec![Act::Reread, Act::Dismiss]),
        "job" if asks => (NeedKind::Unknown, vec![Act::Skip]),
        "job" => (NeedKind::Job, vec![Act::Retry, Act::Skip]),
        _ => (NeedKind::Unknown, Vec::new()),
    };
    // What was read of them stops somewhere.
    let more = group.more || (group.what == "delivery" && house.unreadable_all > SHOWN as u64);
    NeedGroup {
        kind,
        of: group.of.clone(),
        reason: alike(&group.why),
        why: group.why.clone(),
        count: group.count,
        more,
        ids: group.ids.clone(),
        acts,
        commands: group.commands.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::status::{StuckJob, UnknownStep, UnreadableRow};
    use jiff::Timestamp;

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
}
