//! The journal of leads: calls, requests and chats of the last year, found by contact. Invariant: a
//! lead is one row however often it comes; what is said to be covered was read to its end and is in.

use super::sql::{Row, args, list, statements};
use super::{Error, Store, journals};
use crate::domain::{Covered, Lead};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

statements! {
    JOURNAL = "lead_journal", "select id, since, until from lead_journal \
        where connection = $1 and kind = $2";
    // The journal itself; then of each contact four looks into one index: the nearest at or before
    // the time and the nearest after it within the span, the last before the span, the first after
    // it. One question, for each costs a way to the server and back. PostgreSQL plans it once, where
    // it does not see how many contacts there are (the inner select): planning takes longer than
    // finding.
    SEARCH = "lead_contact", "select 3 as part, null as contact, null as lead_id, since as at, \
            until, null as source, null as medium, null as campaign from lead_journal \
            where connection = $1 and kind = $2 \
        union all select 0, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from json_each($3) c join lead l on l.id in ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at >= $4 and m.at <= $5 order by m.at desc, m.lead desc limit $8) \
        union all select 0, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from json_each($3) c join lead l on l.id in ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at > $6 and m.at <= $7 order by m.at, m.lead limit $8) \
        union all select 1, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from json_each($3) c join lead l on l.id in ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at < $4 order by m.at desc, m.lead desc limit 1) \
        union all select 2, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from json_each($3) c join lead l on l.id in ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at > $7 order by m.at, m.lead limit 1)",
        postgres: "select 3::bigint as part, null::text as contact, null::text as lead_id, since as at, \
            until, null::text as source, null::text as medium, null::text as campaign \
            from lead_journal where connection = $1 and kind = $2 \
        union all select 0, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from unnest((select $3::text[])) as c (value) cross join lateral ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at >= $4 and m.at <= $5 order by m.at desc, m.lead desc limit $8) n \
            join lead l on l.id = n.lead \
        union all select 0, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from unnest((select $3::text[])) as c (value) cross join lateral ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at > $6 and m.at <= $7 order by m.at, m.lead limit $8) n \
            join lead l on l.id = n.lead \
        union all select 1, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from unnest((select $3::text[])) as c (value) cross join lateral ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at < $4 order by m.at desc, m.lead desc limit 1) n \
            join lead l on l.id = n.lead \
        union all select 2, c.value, l.lead_id, l.at, null, l.source, l.medium, l.campaign \
            from unnest((select $3::text[])) as c (value) cross join lateral ( \
            select m.lead from lead_contact m where m.contact = c.value and m.journal = \
                (select id from lead_journal where connection = $1 and kind = $2) \
                and m.at > $7 order by m.at, m.lead limit 1) n \
            join lead l on l.id = n.lead";
    COUNTS = "lead", "select count(*) as n, count(*) filter (where seen & 1 = 1) as hooked, \
        count(*) filter (where seen & 3 = 2) as polled from lead \
        where at >= $2 and at < $3 and journal = $1";
}

/// Whose leads are looked for, and when.
#[derive(Debug, Clone)]
pub struct LeadSearch {
    pub connection: String,
    /// `call`, `request`, `chat`.
    pub kind: String,
    /// Contact keys.
    pub contacts: Vec<String>,
    /// Both included.
    pub from: Timestamp,
    pub to: Timestamp,
    /// The nearest to this are wanted.
    pub at: Timestamp,
    /// How many before and how many after it.
    pub most: u32,
}

/// A lead that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: String,
    pub at: Timestamp,
    /// The contact key that matched; of several the first that was asked for.
    pub contact: String,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadsFound {
    /// Within the span, by time; a lead that several contacts match is there once.
    pub inside: Vec<Candidate>,
    /// The nearest before the span, and the nearest after it.
    pub before: Option<Candidate>,
    pub after: Option<Candidate>,
    /// Of which time the journal is known to its end; `None`: of none.
    pub covered: Option<(Timestamp, Timestamp)>,
}

/// How many leads came by which ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeadCounts {
    pub all: u64,
    /// A webhook brought them.
    pub hooked: u64,
    /// No webhook did, the journal showed them.
    pub polled_only: u64,
}

impl Store {
    /// Looks for leads.
    pub async fn leads(&self, search: &LeadSearch) -> Result<LeadsFound, Error> {
        let contacts: &[String] = if search.from <= search.to { &search.contacts } else { &[] };
        let before = search.from.saturating_sub(SignedDuration::from_millis(1));
        let args = args![
            &search.connection,
            &search.kind,
            list(contacts),
            search.from,
            search.at.min(search.to),
            search.at.max(before.unwrap_or(Timestamp::MIN)),
            search.to,
            search.most,
        ];
        let mut found = LeadsFound::default();
        let mut inside = HashMap::new();
        for row in self.reader().await?.fetch(SEARCH, args).await? {
            match row.int("part")? {
                0 => take(&mut inside, search, candidate(&row)?),
                1 => nearer(&mut found.before, search, candidate(&row)?),
                2 => nearer(&mut found.after, search, candidate(&row)?),
                _ => found.covered = row.opt_time("at")?.zip(row.opt_time("until")?),
            }
        }
        found.inside = nearest(inside.into_values().collect(), search);
        Ok(found)
    }

    /// Keeps leads: new ones, and what is new of known ones; then that this stretch is covered. A
    /// stretch that does not touch the one that is known replaces it only if it is later.
    pub async fn keep_leads(
        &self,
        leads: Vec<Lead>,
        covered: Option<Covered>,
    ) -> Result<(), Error> {
        if leads.is_empty() && covered.is_none() {
            return Ok(());
        }
        self.write_weighing(leads.len().saturating_mul(4), move |db| {
            Box::pin(async move {
                journals::keep(db, &leads).await?;
                journals::cover(db, covered.as_ref()).await
            })
        })
        .await
    }

    /// Of which time this journal is known to its end.
    pub async fn covered(
        &self,
        connection: &str,
        kind: &str,
    ) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        let found = self.reader().await?.fetch_one(JOURNAL, args![connection, kind]).await?;
        found.as_ref().map_or(Ok(None), span)
    }

    /// Counts the leads of a stretch of time; its end is not included.
    pub async fn lead_counts(
        &self,
        connection: &str,
        kind: &str,
        span: (Timestamp, Timestamp),
    ) -> Result<LeadCounts, Error> {
        let mut db = self.reader().await?;
        let journal = db.fetch_one(JOURNAL, args![connection, kind]).await?;
        let Some(journal) = journal else { return Ok(LeadCounts::default()) };
        let row = db.fetch_row(COUNTS, args![journal.int("id")?, span.0, span.1]).await?;
        Ok(LeadCounts {
            all: row.count("n")?,
            hooked: row.count("hooked")?,
            polled_only: row.count("polled")?,
        })
    }
}

/// A lead that several contacts match stays under the first of them.
fn take(inside: &mut HashMap<String, Candidate>, search: &LeadSearch, lead: Candidate) {
    let known = inside.get(&lead.id);
    if known.is_none_or(|known| place(search, &lead) < place(search, known)) {
        inside.insert(lead.id.clone(), lead);
    }
}

fn place(search: &LeadSearch, lead: &Candidate) -> Option<usize> {
    search.contacts.iter().position(|contact| *contact == lead.contact)
}

fn nearer(held: &mut Option<Candidate>, search: &LeadSearch, lead: Candidate) {
    let rank = |lead: &Candidate| {
        (lead.at.duration_since(search.at).abs(), place(search, lead), lead.id.clone())
    };
    if held.as_ref().is_none_or(|held| rank(&lead) < rank(held)) {
        *held = Some(lead);
    }
}

/// By time; of each side so many as are wanted, whatever their contact.
fn nearest(mut all: Vec<Candidate>, search: &LeadSearch) -> Vec<Candidate> {
    all.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let most = usize::try_from(search.most).unwrap_or(usize::MAX);
    let after = all.partition_point(|lead| lead.at <= search.at);
    all.truncate(after.saturating_add(most));
    all.drain(..after.saturating_sub(most));
    all
}

fn candidate(row: &Row) -> Result<Candidate, Error> {
    let text = |column| Ok::<_, Error>(row.opt_text(column)?.map(str::to_owned));
    Ok(Candidate {
        id: row.owned("lead_id")?,
        at: row.time("at")?,
        contact: row.owned("contact")?,
        source: text("source")?,
        medium: text("medium")?,
        campaign: text("campaign")?,
    })
}

fn span(row: &Row) -> Result<Option<(Timestamp, Timestamp)>, Error> {
    Ok(row.opt_time("since")?.zip(row.opt_time("until")?))
}
