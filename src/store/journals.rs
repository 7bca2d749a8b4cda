//! How leads get into their journals. Invariant: a lead that comes again loses nothing that it had;
//! its contacts stand at its time; a journal's covered stretch grows only by what is joined to it.

use super::sql::{Connection, Row, Value, args, list, plain, statements};
use super::{Error, deals, tallies};
use crate::domain::{Covered, Lead, Seen};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

statements! {
    OPEN = "lead_journal", "insert into lead_journal (connection, kind) values ($1, $2) \
        on conflict (connection, kind) do nothing";
    JOURNAL = "lead_journal", "select id, since, until from lead_journal \
        where connection = $1 and kind = $2";
    COVER = "lead_journal", "update lead_journal set since = $2, until = $3 where id = $1";
    KNOWN = "lead", "select id, lead_id, at, seen, source, medium, campaign from lead \
        where journal = $1 and lead_id in (select value from json_each($2))";
    INSERT = "lead", "insert into lead (journal, lead_id, at, seen, source, medium, campaign) \
        select $1, value->>'i', value->>'a', value->>'v', value->>'s', value->>'m', value->>'c' \
        from json_each($2) returning id, lead_id",
        postgres: "insert into lead (journal, lead_id, at, seen, source, medium, campaign) \
        select $1, r.i, r.a, r.v, r.s, r.m, r.c from json_to_recordset($2::json) \
            as r (i text, a bigint, v bigint, s text, m text, c text) returning id, lead_id";
    UPDATE = "lead", "update lead set at = r.value->>'a', seen = r.value->>'v', \
            source = r.value->>'s', medium = r.value->>'m', campaign = r.value->>'c' \
        from json_each($1) as r where lead.id = r.value->>'i'",
        postgres: "update lead set at = r.a, seen = r.v, source = r.s, medium = r.m, campaign = r.c \
        from json_to_recordset($1::json) \
            as r (i bigint, a bigint, v bigint, s text, m text, c text) where lead.id = r.i";
    MOVE = "lead_contact", "update lead_contact set \
            at = (select l.at from lead l where l.id = lead_contact.lead) \
        where lead in (select value from json_each($1))";
    CONTACTS = "lead_contact", "insert into lead_contact (contact, journal, at, lead) \
        select value->>'c', $1, value->>'a', value->>'l' from json_each($2) \
        where true on conflict (contact, journal, at, lead) do nothing",
        postgres: "insert into lead_contact (contact, journal, at, lead) \
        select r.c, $1, r.a, r.l from json_to_recordset($2::json) as r (c text, a bigint, l bigint) \
        on conflict (contact, journal, at, lead) do nothing";
    DECIDED = "event_key", "select tail from event_key where connection = $1 \
        and key in (select value from json_each($2))";
    OUTCOME = "lead", "update lead set outcome = \
            (select o.outcome from lead_outcome o where o.lead = lead.id) \
        where journal = $1 and lead_id in (select value from json_each($2))";
}

/// Leads of one statement.
const TOGETHER: usize = 1000;

/// Keeps leads, some statements for a thousand of them.
pub(super) async fn keep(connection: &mut Connection, leads: &[Lead]) -> Result<(), Error> {
    let mut journals: BTreeMap<(&str, &str), Vec<&Lead>> = BTreeMap::new();
    for lead in leads {
        journals.entry((&lead.connection, &lead.kind)).or_default().push(lead);
    }
    for ((name, kind), leads) in journals {
        let journal = journal(connection, name, kind).await?.int("id")?;
        for leads in leads.chunks(TOGETHER) {
            keep_some(connection, (journal, name, kind), leads).await?;
        }
    }
    Ok(())
}

/// A stretch that touches the known one widens it; one that does not replaces it if it is later.
pub(super) async fn cover(
    connection: &mut Connection,
    covered: Option<&Covered>,
) -> Result<(), Error> {
    let Some(covered) = covered.filter(|covered| covered.from < covered.until) else {
        return Ok(());
    };
    let row = journal(connection, &covered.connection, &covered.kind).await?;
    let known = row.opt_time("since")?.zip(row.opt_time("until")?);
    let (since, until) = match known {
        Some((since, until)) if covered.until < since => (since, until),
        Some((since, until)) if covered.from <= until => {
            (since.min(covered.from), until.max(covered.until))
        }
        Some(_) | None => (covered.from, covered.until),
    };
    if known == Some((since, until)) {
        return Ok(());
    }
    connection.execute(COVER, args![row.int("id")?, since, until]).await.map(drop)
}

/// The journal's row; a new one where there is none.
async fn journal(connection: &mut Connection, name: &str, kind: &str) -> Result<Row, Error> {
    if let Some(row) = connection.fetch_one(JOURNAL, args![name, kind]).await? {
        return Ok(row);
    }
    connection.execute(OPEN, args![name, kind]).await?;
    connection.fetch_row(JOURNAL, args![name, kind]).await
}

/// A lead as its row holds it, or shall.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    /// None: it is new.
    row: Option<i64>,
    id: String,
    at: Timestamp,
    seen: i64,
    source: Option<String>,
    medium: Option<String>,
    campaign: Option<String>,
    contacts: Vec<String>,
}

impl Held {
    /// JSON cannot tell PostgreSQL of a character zero.
    fn new(lead: &Lead) -> Self {
        let some =
            |held: &Option<String>| held.as_deref().filter(|held| !held.is_empty()).map(plain);
        Self {
            row: None,
            id: plain(&lead.id),
            // Rows hold no finer time.
            at: Timestamp::from_millisecond(lead.at.as_millisecond()).unwrap_or(lead.at),
            seen: bits(lead.seen),
            source: some(&lead.source),
            medium: some(&lead.medium),
            campaign: some(&lead.campaign),
            contacts: lead.contacts.iter().map(|contact| plain(contact)).collect(),
        }
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let text = |column| Ok::<_, Error>(row.opt_text(column)?.map(str::to_owned));
        Ok(Self {
            row: Some(row.int("id")?),
            id: row.owned("lead_id")?,
            at: row.time("at")?,
            seen: row.int("seen")?,
            source: text("source")?,
            medium: text("medium")?,
            campaign: text("campaign")?,
            contacts: Vec::new(),
        })
    }

    /// It came again: what is new of it.
    fn fill_from(&mut self, again: Self) {
        self.at = again.at;
        self.seen |= again.seen;
        for (mine, theirs) in [
            (&mut self.source, again.source),
            (&mut self.medium, again.medium),
            (&mut self.campaign, again.campaign),
        ] {
            if mine.is_none() {
                *mine = theirs;
            }
        }
        for contact in again.contacts {
            if !self.contacts.contains(&contact) {
                self.contacts.push(contact);
            }
        }
    }

    fn is_marked(&self) -> bool {
        self.source.is_some() || self.medium.is_some() || self.campaign.is_some()
    }

    fn json(&self) -> serde_json::Value {
        let (at, seen) = (self.at.as_millisecond(), self.seen);
        let (s, m, c) = (&self.source, &self.medium, &self.campaign);
        match self.row {
            Some(row) => json!({ "i": row, "a": at, "v": seen, "s": s, "m": m, "c": c }),
            None => json!({ "i": self.id, "a": at, "v": seen, "s": s, "m": m, "c": c }),
        }
    }
}

fn bits(seen: Seen) -> i64 {
    i64::from(seen.hook) | i64::from(seen.journal) << 1 | i64::from(seen.backfill) << 2
}

async fn keep_some(
    connection: &mut Connection,
    (journal, name, kind): (i64, &str, &str),
    leads: &[&Lead],
) -> Result<(), Error> {
    // A lead may come several times at once.
    let mut came: Vec<Held> = Vec::with_capacity(leads.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(leads.len());
    for lead in leads.iter().map(|lead| Held::new(lead)) {
        match places.get(&lead.id) {
            Some(place) => came[*place].fill_from(lead),
            None => {
                places.insert(lead.id.clone(), came.len());
                came.push(lead);
            }
        }
    }
    let mut tally = tallies::Leads::default();
    let (changed, moved) = meet(connection, journal, (&mut came, &places), &mut tally).await?;
    if !changed.is_empty() {
        let changed = changed.iter().map(|place| came[*place].json()).collect();
        connection.execute(UPDATE, args![rows(changed)]).await?;
    }
    if !moved.is_empty() {
        connection.execute(MOVE, args![list(&moved)]).await?;
    }
    let new: Vec<usize> = (0..came.len()).filter(|place| came[*place].row.is_none()).collect();
    if !new.is_empty() {
        let leads = new.iter().map(|place| came[*place].json()).collect();
        for row in connection.fetch(INSERT, args![journal, rows(leads)]).await? {
            if let Some(place) = places.get(row.text("lead_id")?) {
                came[*place].row = Some(row.int("id")?);
            }
        }
        new.iter().for_each(|place| tally.count(came[*place].at, 1));
        let ids: Vec<&str> = new.iter().map(|place| came[*place].id.as_str()).collect();
        decided(connection, (journal, name, kind), &ids).await?;
    }
    tally.add(connection, (name, kind)).await?;
    let marked = new.iter().chain(&changed).map(|place| &came[*place]).filter(|l| l.is_marked());
    let marked: Vec<&str> = marked.map(|lead| lead.id.as_str()).collect();
    if !marked.is_empty() {
        deals::mark(connection, (journal, name, kind), &marked).await?;
    }
    keep_contacts(connection, journal, &came).await
}

/// New leads whose events were there before them: what is decided about them by now.
async fn decided(
    connection: &mut Connection,
    (journal, name, kind): (i64, &str, &str),
    ids: &[&str],
) -> Result<(), Error> {
    let keys: Vec<String> = ids.iter().map(|id| format!("{kind}:{id}")).collect();
    let rows = connection.fetch(DECIDED, args![name, list(&keys)]).await?;
    let ids = rows.iter().map(|row| row.owned("tail")).collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Ok(());
    }
    connection.execute(OUTCOME, args![journal, list(&ids)]).await.map(drop)
}

async fn keep_contacts(
    connection: &mut Connection,
    journal: i64,
    came: &[Held],
) -> Result<(), Error> {
    let mut contacts: Vec<_> = came
        .iter()
        .flat_map(|lead| lead.contacts.iter().map(move |contact| (contact, lead.at, lead.row)))
        .collect();
    // Neighbours in the index go in together.
    contacts.sort();
    let contacts: Vec<_> = contacts
        .into_iter()
        .map(|(contact, at, row)| json!({ "c": contact, "a": at.as_millisecond(), "l": row }))
        .collect();
    if contacts.is_empty() {
        return Ok(());
    }
    connection.execute(CONTACTS, args![journal, rows(contacts)]).await.map(drop)
}

/// Leads that are known are filled by what came: the places of those that change, and the rows of
/// those whose time did.
async fn meet(
    connection: &mut Connection,
    journal: i64,
    (came, places): (&mut [Held], &HashMap<String, usize>),
    tally: &mut tallies::Leads,
) -> Result<(Vec<usize>, Vec<i64>), Error> {
    let ids: Vec<&str> = came.iter().map(|lead| lead.id.as_str()).collect();
    let (mut changed, mut moved) = (Vec::new(), Vec::new());
    for row in connection.fetch(KNOWN, args![journal, list(&ids)]).await? {
        let known = Held::read(&row)?;
        let Some(place) = places.get(&known.id) else { continue };
        let mut filled = known.clone();
        filled.fill_from(came[*place].clone());
        if filled.at != known.at {
            moved.extend(known.row);
            tally.count(known.at, -1);
            tally.count(filled.at, 1);
        }
        if (Held { contacts: Vec::new(), ..filled.clone() }) != known {
            changed.push(*place);
        }
        came[*place] = filled;
    }
    Ok((changed, moved))
}

fn rows(rows: Vec<serde_json::Value>) -> Value {
    Value::Text(serde_json::Value::Array(rows).to_string())
}
