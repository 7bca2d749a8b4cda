//! What a page of leads tells beside the leads themselves: contacts, names, what was decided and why,
//! what became of them. Invariant: some statements for a whole page, whatever is on it.

use super::leads::{Journal, LeadOrder, LeadRow};
use super::told;
use crate::domain::{Decision, JobState};
use crate::store::Error;
use crate::store::sql::{Connection, Row, args, list, statements};
use serde_json::{Map, Value};
use std::collections::HashMap;

statements! {
    CONTACTS = "lead_contact", "select lead, contact from lead_contact \
        where lead in (select value from json_each($1)) order by contact desc";
    EVENTS = "event_key", "select k.connection, k.key, k.event_id, e.fields \
        from event_key k join event e on e.id = k.event_id \
        where k.key in (select value from json_each($1))";
    JOBS = "job", "select j.event_id, j.id, j.state, j.why from job j \
            where j.event_id in (select value from json_each($1)) \
        union all select m.event_id, j.id, j.state, j.why from job_event m \
            join job j on j.id = m.job_id where m.event_id in (select value from json_each($1))";
    DECISIONS = "decision", "select job_id, decision from decision \
        where job_id in (select value from json_each($1)) order by id";
    LINKS = "link", "select from_connection, from_id, to_connection, to_kind, to_id from link \
        where from_kind = 'event' and to_kind in ('order', 'deal', 'customer') \
        and from_connection in (select value from json_each($1)) \
        and from_id in (select value from json_each($2)) order by made, id";
    NUMBERS = "deal", "select deal_id, number from deal \
        where number <> '' and deal_id in (select value from json_each($1))";
}

/// Reasons that stand in a line of the list; its story has all.
const REASONS: usize = 3;

/// Where a lead's event is: connection and key.
type Key = (String, String);

/// The rows with all that is told of them.
pub(super) async fn filled(
    db: &mut Connection,
    journals: &[Journal],
    rows: &[Row],
) -> Result<Vec<LeadRow>, Error> {
    let mut leads = rows.iter().map(|row| lead(journals, row)).collect::<Result<Vec<_>, _>>()?;
    if leads.is_empty() {
        return Ok(leads);
    }
    contacts(db, &mut leads).await?;
    let places: HashMap<Key, usize> = leads.iter().enumerate().map(|(n, l)| (key(l), n)).collect();
    let keys: Vec<&str> = places.keys().map(|(_, key)| key.as_str()).collect();
    let mut events = HashMap::new();
    for row in db.fetch(EVENTS, args![list(&keys)]).await? {
        let at = (row.owned("connection")?, row.owned("key")?);
        let Some(place) = places.get(&at) else { continue };
        let fields: Map<String, Value> = row.json("fields")?;
        let name = fields.get("name").and_then(Value::as_str).map(str::trim);
        leads[*place].name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        leads[*place].event = Some(at.1);
        events.insert(row.int("event_id")?, *place);
    }
    reasons(db, &mut leads, &events).await?;
    orders(db, &mut leads, &places).await?;
    Ok(leads)
}

fn lead(journals: &[Journal], row: &Row) -> Result<LeadRow, Error> {
    let number = row.int("journal")?;
    let journal = journals.iter().find(|journal| journal.id == number);
    let journal = journal.ok_or_else(|| row.damaged("journal", "no such journal"))?;
    Ok(LeadRow {
        row: row.int("id")?,
        connection: journal.connection.clone(),
        kind: journal.kind.clone(),
        id: row.owned("lead_id")?,
        at: row.time("at")?,
        contacts: Vec::new(),
        name: None,
        source: told(row, "source")?,
        medium: told(row, "medium")?,
        campaign: told(row, "campaign")?,
        event: None,
        outcome: Some(row.owned("outcome")?).filter(|outcome| outcome != "none"),
        why: None,
        orders: Vec::new(),
    })
}

fn key(lead: &LeadRow) -> Key {
    (lead.connection.clone(), format!("{}:{}", lead.kind, lead.id))
}

async fn contacts(db: &mut Connection, leads: &mut [LeadRow]) -> Result<(), Error> {
    let ids: Vec<i64> = leads.iter().map(|lead| lead.row).collect();
    let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(n, id)| (*id, n)).collect();
    for row in db.fetch(CONTACTS, args![list(&ids)]).await? {
        if let Some(place) = places.get(&row.int("lead")?) {
            leads[*place].contacts.push(row.owned("contact")?);
        }
    }
    Ok(())
}

/// A job of a lead's event, as far as its reasons are asked for.
struct Job {
    id: i64,
    state: JobState,
    why: Option<String>,
}

/// Of each lead the job that tells most, and why it waits, was skipped or is stuck.
async fn reasons(
    db: &mut Connection,
    leads: &mut [LeadRow],
    events: &HashMap<i64, usize>,
) -> Result<(), Error> {
    let ids: Vec<i64> = events.keys().copied().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut telling: HashMap<usize, Job> = HashMap::new();
    for row in db.fetch(JOBS, args![list(&ids)]).await? {
        let Some(place) = events.get(&row.int("event_id")?) else { continue };
        let why = told(&row, "why")?;
        let job = Job { id: row.int("id")?, state: row.job_state("state")?, why };
        let held = telling.get(place);
        if held.is_none_or(|held| (rank(job.state), -job.id) < (rank(held.state), -held.id)) {
            telling.insert(*place, job);
        }
    }
    let skipped = telling.values().filter(|job| job.why.is_none() && rank(job.state) > ACTED);
    let skipped: Vec<i64> = skipped.map(|job| job.id).collect();
    let mut decided: HashMap<i64, String> = HashMap::new();
    if !skipped.is_empty() {
        for row in db.fetch(DECISIONS, args![list(&skipped)]).await? {
            let decision: Decision = row.json("decision")?;
            let reasons = decision.reasons.iter().take(REASONS).map(ToString::to_string);
            decided.insert(row.int("job_id")?, reasons.collect::<Vec<_>>().join("; "));
        }
    }
    for (place, job) in telling {
        if job.state == JobState::Deciding {
            leads[place].outcome = Some(job.state.word().to_owned());
        }
        leads[place].why = job.why.or_else(|| decided.remove(&job.id));
    }
    Ok(())
}

const ACTED: u8 = 2;

/// As the view `lead_outcome` has it.
fn rank(state: JobState) -> u8 {
    match state {
        JobState::Stuck => 0,
        JobState::Waiting | JobState::Deciding => 1,
        JobState::Acted => ACTED,
        JobState::Incomplete => 3,
        JobState::Skipped => 4,
    }
}

async fn orders(
    db: &mut Connection,
    leads: &mut [LeadRow],
    places: &HashMap<Key, usize>,
) -> Result<(), Error> {
    let (connections, keys): (Vec<&str>, Vec<&str>) =
        places.keys().map(|(connection, key)| (connection.as_str(), key.as_str())).unzip();
    for row in db.fetch(LINKS, args![list(&connections), list(&keys)]).await? {
        let at = (row.owned("from_connection")?, row.owned("from_id")?);
        let Some(place) = places.get(&at) else { continue };
        leads[*place].orders.push(LeadOrder {
            connection: row.owned("to_connection")?,
            kind: row.owned("to_kind")?,
            id: row.owned("to_id")?,
            number: None,
        });
    }
    let things = leads.iter().flat_map(|lead| &lead.orders);
    let ids: Vec<String> = things.filter(|t| t.kind != "customer").map(|t| t.id.clone()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    // An order and its deal share id and number; ids of two shops may meet.
    let mut numbers: HashMap<String, Option<String>> = HashMap::new();
    for row in db.fetch(NUMBERS, args![list(&ids)]).await? {
        let number = row.owned("number")?;
        let held = numbers.entry(row.owned("deal_id")?).or_insert_with(|| Some(number.clone()));
        *held = held.take().filter(|held| *held == number);
    }
    for thing in leads.iter_mut().flat_map(|lead| &mut lead.orders) {
        if thing.kind != "customer" {
            thing.number = numbers.get(&thing.id).cloned().flatten();
        }
    }
    Ok(())
}
