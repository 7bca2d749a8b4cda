//! The verdict over a run of lives. Invariant: it reads the sandbox's ledger for what was written,
//! and the daemon's stories only for what became of each lead.

use super::leads::{Person, Standing, field, key};
use crate::support::House;
use leadlink::sandbox::calltouch::lead::Lead;
use leadlink::sandbox::ledger::{Ledger, OrderEntry};
use leadlink::store::{JobState, Story};
use std::collections::{BTreeMap, BTreeSet};

/// A lead that somebody told the daemon of: by a hook until it was acknowledged, or by a journal.
pub struct Told {
    pub lead: Lead,
    pub person: usize,
    pub journal: bool,
    pub copies: u32,
}

/// What went wrong, and the lead whose story tells of it.
struct Complaint {
    what: String,
    lead: Option<String>,
}

/// A run that has ended.
pub struct Run<'a> {
    pub house: &'a House,
    pub people: &'a [Person],
    pub told: &'a [Told],
    pub seed: u64,
}

pub async fn judge(lives: &Run<'_>) {
    let ledger = lives.house.sandbox.ledger();
    let mut complaints: Vec<Complaint> = ledger
        .duplicates()
        .iter()
        .map(|twice| Complaint { what: format!("doubled: {twice:?}"), lead: None })
        .collect();
    for (number, person) in lives.people.iter().enumerate() {
        let leads: Vec<&Told> = lives.told.iter().filter(|told| told.person == number).collect();
        if let Err(what) = person_is_right(&ledger, person, &leads) {
            let lead = leads.first().map(|told| key(&told.lead));
            complaints.push(Complaint { what: format!("{what} of {person:?}"), lead });
        }
    }
    let store = lives.house.store().await;
    let mut results: BTreeMap<String, usize> = BTreeMap::new();
    for told in lives.told {
        let stories = store.story(&key(&told.lead)).await.expect("the store answers");
        count(&stories, &mut results);
        if let Err(what) = lead_is_decided(&stories) {
            let what =
                format!("{what}: {:?}, {} hooks, journal {}", told.lead, told.copies, told.journal);
            complaints.push(Complaint { what, lead: Some(key(&told.lead)) });
        }
    }
    println!("attempts of steps: {results:?}");
    lives.house.assert_replays_the_same();
    let counts = lives.house.counts().await;
    if counts.stuck + counts.unknown_steps + counts.unreadable > 0 {
        complaints.push(Complaint { what: format!("left over: {counts:?}"), lead: None });
    }
    if !complaints.is_empty() {
        panic!("{}", told_whole(lives, &complaints));
    }
}

/// Exactly the writes that the rules give to this person.
fn person_is_right(ledger: &Ledger, person: &Person, leads: &[&Told]) -> Result<(), String> {
    let customers = customers(ledger, person);
    let orders: Vec<&OrderEntry> = ledger
        .orders
        .iter()
        .filter(|order| order.customer.is_some_and(|owner| customers.contains(&owner)))
        .collect();
    let made: Vec<&&OrderEntry> =
        orders.iter().filter(|order| Some(order.id) != person.order).collect();
    let before = orders.iter().find(|order| Some(order.id) == person.order);
    let seeded = usize::from(person.customer.is_some());
    let wants = |makes: usize, edits: usize| if leads.is_empty() { (0, 0) } else { (makes, edits) };
    let (new_orders, edits) = match person.standing {
        Standing::Unknown | Standing::NoOrder | Standing::Closed => wants(1, 0),
        Standing::Open => wants(0, 1),
        Standing::Marked => (0, 0),
    };
    let new_customers = usize::from(person.standing == Standing::Unknown && !leads.is_empty());
    if customers.len() != seeded + new_customers {
        return Err(format!("customers {customers:?} instead of {}", seeded + new_customers));
    }
    if made.len() != new_orders || made.iter().any(|order| order.api_writes() != 1) {
        return Err(format!("orders made {made:?} instead of {new_orders}"));
    }
    if before.map_or(0, |order| order.edits()) != edits {
        return Err(format!("edits of {before:?} instead of {edits}"));
    }
    let marked = made.first().copied().or(before.filter(|_| edits > 0));
    match marked {
        Some(order) if !is_marked_by_one(order, leads) => Err(format!("the mark of {order:?}")),
        _ => Ok(()),
    }
}

fn customers(ledger: &Ledger, person: &Person) -> BTreeSet<u64> {
    let digits = |phone: &String| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    let national = person.phone.get(1..).unwrap_or_default();
    let same = |phone: &String| !national.is_empty() && digits(phone).ends_with(national);
    let rows = ledger.customers.iter().filter(|row| {
        row.phones.iter().any(same)
            || (national.is_empty() && row.email.eq_ignore_ascii_case(&person.email))
    });
    rows.map(|row| row.id).collect()
}

/// The order carries the id of exactly one lead, and it is one of this person's.
fn is_marked_by_one(order: &OrderEntry, leads: &[&Told]) -> bool {
    let marks = ["calltouch_call_id", "calltouch_request_id", "calltouch_chat_id"];
    let filled: Vec<(&str, &str)> = marks
        .into_iter()
        .filter_map(|mark| Some((mark, order.custom_fields.get(mark)?.as_str()?)))
        .collect();
    let [(mark, id)] = filled.as_slice() else { return false };
    leads.iter().any(|told| field(told.lead.kind) == *mark && told.lead.id.to_string() == *id)
}

/// The daemon knows the lead, as one, and has decided it.
fn lead_is_decided(stories: &[Story]) -> Result<(), String> {
    let [story] = stories else { return Err(format!("{} stories", stories.len())) };
    let states: Vec<JobState> = story.jobs.iter().map(|job| job.state).collect();
    if states.iter().any(|state| matches!(state, JobState::Acted | JobState::Skipped))
        && states.iter().all(|state| state.ended() && *state != JobState::Stuck)
    {
        return Ok(());
    }
    Err(format!("lost or stuck: jobs {states:?}"))
}

/// How the attempts of steps ended.
fn count(stories: &[Story], results: &mut BTreeMap<String, usize>) {
    let jobs = stories.iter().flat_map(|story| &story.jobs);
    let steps = jobs.flat_map(|job| &job.decisions).flat_map(|decision| &decision.steps);
    for attempt in steps.flat_map(|step| &step.attempts) {
        let result = attempt.result.clone().unwrap_or_else(|| "running".to_owned());
        *results.entry(result).or_default() += 1;
    }
}

fn told_whole(lives: &Run<'_>, complaints: &[Complaint]) -> String {
    let mut text = format!("LEADLINK_SEED={}: {} wrong\n", lives.seed, complaints.len());
    for complaint in complaints.iter().take(10) {
        text.push_str(&format!("- {}\n", complaint.what));
    }
    for lead in complaints.iter().filter_map(|complaint| complaint.lead.as_deref()).take(2) {
        let why = lives.house.command(&["why", lead]);
        text.push_str(&format!("\nwhy {lead}\n{}", String::from_utf8_lossy(&why.stdout)));
    }
    text.push_str(&format!("\n{}", lives.house.log()));
    text
}
