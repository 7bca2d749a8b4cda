//! The journal of leads as people page through it. Invariant: what a row tells beside the lead itself
//! is read for the rows of the page alone.

use super::{FIXED, Found, Listed, Slice, lead_rows, walk};
use crate::domain::contact::contact_key;
use crate::store::sql::{Connection, Row, Statement, Value, args, list, statements};
use crate::store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

/// A page of leads by what leads to them, newest first. From $6 on: what else they are filtered by.
macro_rules! leads {
    ($from:literal, $at:literal, $id:literal) => {
        concat!(
            "select l.id, l.journal, l.at, l.lead_id, l.source, l.medium, l.campaign, l.outcome from ",
            $from, $at, " >= $1 and ", $at, " < $2 and (", $at, ", ", $id, ") < ($3, $4) \
            and (cast($6 as text) is null or l.source = $6) \
            and (cast($7 as text) is null or l.medium = $7) \
            and (cast($8 as text) is null or l.campaign = $8) \
            and (cast($9 as text) is null or l.outcome = $9) \
            and +l.journal in (select value from json_each($10)) \
            order by ", $at, " desc, ", $id, " desc limit $5"
        )
    };
}

statements! {
    JOURNALS = "lead_journal", "select id, connection, kind from lead_journal order by id";
    ALL_LEADS = "lead", leads!("lead l where ", "l.at", "l.id");
    OF_JOURNAL = "lead", leads!("lead l where l.journal = $11 and ", "l.at", "l.id");
    OF_SOURCE = "lead", leads!("lead l where l.source = $11 and ", "l.at", "l.id");
    OF_MEDIUM = "lead", leads!("lead l where l.medium = $11 and ", "l.at", "l.id");
    OF_CAMPAIGN = "lead", leads!("lead l where l.campaign = $11 and ", "l.at", "l.id");
    OF_OUTCOME = "lead", leads!("lead l where l.outcome = $11 and ", "l.at", "l.id");
    OF_ID = "lead", leads!("lead l where l.journal = $11 and l.lead_id = $12 and ", "l.at", "l.id");
    OF_CONTACT = "lead", leads!("lead_contact m join lead l on l.id = m.lead \
        where m.journal = $11 and m.contact = $12 and ", "m.at", "m.lead");
    OF_ORDER = "deal", "select lead_kind, lead_id from deal \
        where lead_id <> '' and (deal_id = $1 or number <> '' and number = $2) limit 50";
}

/// Which leads; none: all. `search` is what a person typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadFilter {
    pub connection: Option<String>,
    /// `call`, `request`, `chat`.
    pub kind: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// waiting, deciding, acted, skipped, incomplete, stuck; `none`: the journal alone knows it.
    pub outcome: Option<String>,
    /// A phone in any mask, an e-mail, `call:9`, a bare id: exact, whatever the span.
    pub search: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadRow {
    pub row: i64,
    pub connection: String,
    pub kind: String,
    pub id: String,
    pub at: Timestamp,
    /// Canonical keys: `phone:+7…`, `email:…`.
    pub contacts: Vec<String>,
    pub name: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// Key of its event; none: only the journal showed it.
    pub event: Option<String>,
    /// waiting, deciding, acted, skipped, incomplete, stuck; none: nothing was decided about it.
    pub outcome: Option<String>,
    pub why: Option<String>,
    /// What came of it over there.
    pub orders: Vec<LeadOrder>,
}

/// A foreign thing that a lead became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadOrder {
    pub connection: String,
    /// `order`, `deal`, `customer`.
    pub kind: String,
    pub id: String,
    /// What people call it.
    pub number: Option<String>,
}

/// The journals of leads: their number, connection and kind.
pub(super) struct Journal {
    pub id: i64,
    pub connection: String,
    pub kind: String,
}

impl Store {
    /// Leads, newest first.
    pub async fn listed_leads(
        &self,
        filter: &LeadFilter,
        slice: &Slice,
    ) -> Result<Listed<LeadRow>, Error> {
        let mut db = self.snapshot().await?;
        let all = journals(&mut db).await?;
        let is = |wanted: &Option<String>, held: &str| wanted.as_ref().is_none_or(|w| w == held);
        let of = |journal: &&Journal| {
            is(&filter.connection, &journal.connection) && is(&filter.kind, &journal.kind)
        };
        let chosen: Vec<&Journal> = all.iter().filter(of).collect();
        let mut found = Found::new();
        let page = Page { filter, slice, journals: &chosen, narrowed: chosen.len() < all.len() };
        match filter.search.as_deref().map(str::trim) {
            Some(typed) if !typed.is_empty() => page.search(&mut db, &mut found, typed).await?,
            _ => page.list(&mut db, &mut found).await?,
        }
        let (rows, next) = found.cut(slice)?;
        Ok(Listed { rows: lead_rows::filled(&mut db, &all, &rows).await?, next })
    }
}

struct Page<'a> {
    filter: &'a LeadFilter,
    slice: &'a Slice,
    journals: &'a [&'a Journal],
    /// Not all journals are meant.
    narrowed: bool,
}

impl Page<'_> {
    fn args(&self, whole: bool, more: Vec<Value>) -> Vec<Value> {
        let LeadFilter { source, medium, campaign, outcome, .. } = self.filter;
        let journals: Vec<i64> = self.journals.iter().map(|journal| journal.id).collect();
        let mut args = self.slice.args(whole);
        debug_assert_eq!(args.len(), FIXED);
        args.extend(args![
            source.as_ref(),
            medium.as_ref(),
            campaign.as_ref(),
            outcome.as_deref().map(kept_as),
            list(&journals),
        ]);
        args.extend(more);
        args
    }

    /// By the filter that leaves the fewest, as a rule; the others are looked at row by row.
    async fn list(&self, db: &mut Connection, found: &mut Found) -> Result<(), Error> {
        let filter = self.filter;
        let one = [
            (OF_CAMPAIGN, filter.campaign.as_deref()),
            (OF_SOURCE, filter.source.as_deref()),
            (OF_OUTCOME, filter.outcome.as_deref().map(kept_as)),
            (OF_MEDIUM, filter.medium.as_deref()),
        ];
        if let Some((statement, value)) =
            one.into_iter().find_map(|(statement, value)| Some((statement, value?)))
        {
            return found.add(walk(db, statement, self.args(false, args![value])).await?);
        }
        if !self.narrowed {
            return found.add(walk(db, ALL_LEADS, self.args(false, Vec::new())).await?);
        }
        for journal in self.journals {
            let args = self.args(false, args![journal.id]);
            found.add(walk(db, OF_JOURNAL, args).await?)?;
        }
        Ok(())
    }

    async fn search(
        &self,
        db: &mut Connection,
        found: &mut Found,
        typed: &str,
    ) -> Result<(), Error> {
        let (kind, id) = typed.split_once(':').map_or((None, typed), |(k, id)| (Some(k), id));
        if let Some(contact) = contact_key(id) {
            self.look(db, found, OF_CONTACT, (None, &contact)).await?;
        }
        if !matches!(kind, Some("phone" | "email" | "order" | "deal")) {
            self.look(db, found, OF_ID, (kind, id)).await?;
        }
        if !matches!(kind, None | Some("order" | "deal")) {
            return Ok(());
        }
        // The number or id of an order: the lead that its deal is linked to.
        let number = kind.is_none().then(|| id.trim_start_matches(['#', '№']));
        for row in db.fetch(OF_ORDER, args![id, number.unwrap_or_default()]).await? {
            let lead = (Some(row.text("lead_kind")?), row.text("lead_id")?);
            self.look(db, found, OF_ID, lead).await?;
        }
        Ok(())
    }

    /// The same look into each journal, or into those of one kind.
    async fn look(
        &self,
        db: &mut Connection,
        found: &mut Found,
        statement: Statement,
        (kind, of): (Option<&str>, &str),
    ) -> Result<(), Error> {
        for journal in self.journals {
            if kind.is_none_or(|kind| kind == journal.kind) {
                let args = self.args(true, args![journal.id, of]);
                found.add(db.fetch(statement, args).await?)?;
            }
        }
        Ok(())
    }
}

/// While a job is being decided its lead waits.
fn kept_as(outcome: &str) -> &str {
    if outcome == "deciding" { "waiting" } else { outcome }
}

pub(super) async fn journals(db: &mut Connection) -> Result<Vec<Journal>, Error> {
    let rows = db.fetch(JOURNALS, args![]).await?;
    let journal = |row: &Row| {
        Ok(Journal {
            id: row.int("id")?,
            connection: row.owned("connection")?,
            kind: row.owned("kind")?,
        })
    };
    rows.iter().map(journal).collect()
}
