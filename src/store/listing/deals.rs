//! The journal of deals as people page through it. Invariant: a row shows what we wrote last, never
//! what the far side may have made of it.

use super::{Found, Listed, Slice, leads, told, walk};
use crate::domain::contact::contact_key;
use crate::store::sql::{Connection, Row, Value, args, list, statements};
use crate::store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A page of deals by what leads to them, newest first. From $6 on: what else they are filtered by.
macro_rules! deals {
    ($from:literal) => {
        concat!(
            "select d.id, d.connection, d.deal_id, d.number, d.at, d.status, d.revenue, d.currency, \
                d.manager, d.funnel, d.source, d.medium, d.campaign, d.lead_kind, d.lead_id, d.changed \
            from deal d where ",
            $from,
            " d.at >= $1 and d.at < $2 and (d.at, d.id) < ($3, $4) \
            and (cast($6 as text) is null or d.connection = $6) \
            and (cast($7 as text) is null or d.status = $7) \
            and (cast($8 as text) is null or d.source = $8) \
            and (cast($9 as text) is null or d.medium = $9) \
            and (cast($10 as text) is null or d.campaign = $10) \
            and (cast($11 as text) is null or d.manager = $11) \
            and (cast($12 as text) is null or d.funnel = $12) \
            and (cast($13 as bigint) is null or d.linked = $13) \
            order by d.at desc, d.id desc limit $5"
        )
    };
}

statements! {
    ALL_DEALS = "deal", deals!("");
    OF_CONNECTION = "deal", deals!("d.connection = $14 and ");
    OF_STATUS = "deal", deals!("d.status = $14 and ");
    OF_SOURCE = "deal", deals!("d.source = $14 and ");
    OF_MEDIUM = "deal", deals!("d.medium = $14 and ");
    OF_CAMPAIGN = "deal", deals!("d.campaign = $14 and ");
    OF_MANAGER = "deal", deals!("d.manager = $14 and ");
    OF_FUNNEL = "deal", deals!("d.funnel = $14 and ");
    OF_LINKED = "deal", deals!("d.linked = $14 and ");
    OF_NAMES = "deal", deals!("d.id in (select n.id from deal n where n.deal_id = $14 \
        union select n.id from deal n where n.number <> '' and n.number = $15) and ");
    OF_LEADS = "deal", deals!("d.id in (select n.id from deal n where n.lead_id <> '' \
        and n.lead_id = $14 \
        and (cast($15 as text) is null or n.lead_kind = $15)) and ");
    // Ids of leads are those of their journal: another site, or a request, may have the same.
    OF_CONTACT = "deal", deals!("d.id in (select n.id from (select m.lead from lead_contact m \
            where m.contact = $14 and m.journal in (select id from lead_journal) \
            order by m.at desc limit 1000) as held \
        join lead l on l.id = held.lead join lead_journal j on j.id = l.journal \
        join deal n on n.lead_id = l.lead_id and n.lead_id <> '' and n.lead_kind = j.kind \
            and n.connection = j.connection) and ");
    LEADS = "lead", "select l.journal, l.lead_id, l.at from lead l \
        where l.journal in (select value from json_each($1)) \
        and l.lead_id in (select value from json_each($2))";
    DUE = "job_lane", "select lane, min(due) as due from job_lane \
        where due is not null and lane in (select value from json_each($1)) group by lane";
    ENDS = "entity", "select l.to_connection, l.to_id, e.gone, e.became from link l \
        join entity e on e.connection = l.from_connection and e.kind = 'order' \
            and e.entity_id = l.from_id \
        where l.to_id in (select value from json_each($1)) and l.to_kind = 'deal' \
            and l.from_kind = 'order' and e.gone is not null";
}

/// Which deals; none: all. `search` is what a person typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DealFilter {
    pub connection: Option<String>,
    pub status: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub manager: Option<String>,
    pub funnel: Option<String>,
    /// Only those that were made with a lead, or without one.
    pub linked: Option<bool>,
    /// A number, an id, `call:9` of its lead, a phone or an e-mail of its lead: exact, whatever the span.
    pub search: Option<String>,
}

/// Connection → the connections in whose lanes its deals stand beside its own: a flow that writes to
/// several has one lane for all, under the first of them.
pub type LanesOfDeals = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DealRow {
    pub row: i64,
    pub connection: String,
    pub id: String,
    /// What people call it.
    pub number: Option<String>,
    /// When the order was made; where that is not known, when we made the deal.
    pub at: Timestamp,
    pub status: Option<String>,
    /// Decimal text.
    pub revenue: Option<String>,
    pub currency: Option<String>,
    pub manager: Option<String>,
    pub funnel: Option<String>,
    /// Of its lead; without one what the deal itself was given.
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub lead: Option<DealLead>,
    /// When we wrote it last.
    pub changed: Timestamp,
    /// When its next update is due.
    pub due: Option<Timestamp>,
    /// When its order was deleted or merged over there.
    pub gone: Option<Timestamp>,
    /// The id of what it was merged into.
    pub became: Option<String>,
}

/// The lead that a deal is linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DealLead {
    pub kind: String,
    pub id: String,
    /// None: our journal of leads does not have it.
    pub at: Option<Timestamp>,
}

impl Store {
    /// Deals, newest first.
    pub async fn listed_deals(
        &self,
        filter: &DealFilter,
        slice: &Slice,
    ) -> Result<Listed<DealRow>, Error> {
        self.listed_deals_in(filter, slice, &LanesOfDeals::new()).await
    }

    /// The same, with the updates that are due in lanes of other connections.
    pub async fn listed_deals_in(
        &self,
        filter: &DealFilter,
        slice: &Slice,
        lanes: &LanesOfDeals,
    ) -> Result<Listed<DealRow>, Error> {
        let mut db = self.snapshot().await?;
        let mut found = Found::new();
        match filter.search.as_deref().map(str::trim) {
            Some(typed) if !typed.is_empty() => {
                search(&mut db, &mut found, (filter, slice), typed).await?;
            }
            _ => list_by(&mut db, &mut found, (filter, slice)).await?,
        }
        let (rows, next) = found.cut(slice)?;
        Ok(Listed { rows: filled(&mut db, &rows, lanes).await?, next })
    }
}

fn args_of(filter: &DealFilter, slice: &Slice, whole: bool, more: Vec<Value>) -> Vec<Value> {
    let mut args = slice.args(whole);
    args.extend(args![
        filter.connection.as_ref(),
        filter.status.as_ref(),
        filter.source.as_ref(),
        filter.medium.as_ref(),
        filter.campaign.as_ref(),
        filter.manager.as_ref(),
        filter.funnel.as_ref(),
        filter.linked,
    ]);
    args.extend(more);
    args
}

/// By the filter that leaves the fewest, as a rule; the others are looked at row by row.
async fn list_by(
    db: &mut Connection,
    found: &mut Found,
    (filter, slice): (&DealFilter, &Slice),
) -> Result<(), Error> {
    let one = [
        (OF_CAMPAIGN, &filter.campaign),
        (OF_SOURCE, &filter.source),
        (OF_MANAGER, &filter.manager),
        (OF_STATUS, &filter.status),
        (OF_FUNNEL, &filter.funnel),
        (OF_MEDIUM, &filter.medium),
        (OF_CONNECTION, &filter.connection),
    ];
    let chosen = one.into_iter().find_map(|(sql, value)| Some((sql, args![value.as_ref()?])));
    let linked = filter.linked.map(|linked| (OF_LINKED, args![linked]));
    let (statement, more) = chosen.or(linked).unwrap_or((ALL_DEALS, Vec::new()));
    found.add(walk(db, statement, args_of(filter, slice, false, more)).await?)
}

async fn search(
    db: &mut Connection,
    found: &mut Found,
    (filter, slice): (&DealFilter, &Slice),
    typed: &str,
) -> Result<(), Error> {
    let args = |more| args_of(filter, slice, true, more);
    let (kind, id) = typed.split_once(':').map_or((None, typed), |(k, id)| (Some(k), id));
    if matches!(kind, None | Some("order" | "deal")) {
        let number = if kind.is_none() { id.trim_start_matches(['#', '№']) } else { "" };
        found.add(db.fetch(OF_NAMES, args(args![id, number])).await?)?;
    }
    if !matches!(kind, Some("order" | "deal" | "phone" | "email")) {
        found.add(db.fetch(OF_LEADS, args(args![id, kind])).await?)?;
    }
    if let Some(contact) = contact_key(id) {
        found.add(db.fetch(OF_CONTACT, args(args![contact])).await?)?;
    }
    Ok(())
}

/// The rows with all that is told of them.
async fn filled(
    db: &mut Connection,
    rows: &[Row],
    shared: &LanesOfDeals,
) -> Result<Vec<DealRow>, Error> {
    let mut deals = rows.iter().map(deal).collect::<Result<Vec<_>, _>>()?;
    if deals.is_empty() {
        return Ok(deals);
    }
    let linked = deals.iter().filter_map(|deal| Some(deal.lead.as_ref()?.id.as_str()));
    let linked: Vec<&str> = linked.collect();
    let journals = leads::journals(db).await?;
    let numbers: Vec<i64> = journals.iter().map(|journal| journal.id).collect();
    let mut began: HashMap<(i64, String), Timestamp> = HashMap::new();
    for row in db.fetch(LEADS, args![list(&numbers), list(&linked)]).await? {
        began.insert((row.int("journal")?, row.owned("lead_id")?), row.time("at")?);
    }
    let lanes = |deal: &DealRow| {
        let others = shared.get(&deal.connection).into_iter().flatten();
        let all = others.chain([&deal.connection]);
        all.map(|owner| format!("{owner}|order:{}", deal.id)).collect::<BTreeSet<_>>()
    };
    let lanes: Vec<BTreeSet<String>> = deals.iter().map(lanes).collect();
    let all: Vec<&str> = lanes.iter().flatten().map(String::as_str).collect();
    let mut due: HashMap<String, Timestamp> = HashMap::new();
    for row in db.fetch(DUE, args![list(&all)]).await? {
        due.insert(row.owned("lane")?, row.time("due")?);
    }
    let ids: Vec<&str> = deals.iter().map(|deal| deal.id.as_str()).collect();
    let mut ends: HashMap<(String, String), (Option<Timestamp>, Option<String>)> = HashMap::new();
    for row in db.fetch(ENDS, args![list(&ids)]).await? {
        let key = (row.owned("to_connection")?, row.owned("to_id")?);
        ends.insert(key, (row.opt_time("gone")?, told(&row, "became")?));
    }
    for (deal, lanes) in deals.iter_mut().zip(&lanes) {
        deal.due = lanes.iter().filter_map(|lane| due.get(lane).copied()).min();
        if let Some(lead) = &mut deal.lead {
            let of = |j: &&leads::Journal| j.connection == deal.connection && j.kind == lead.kind;
            let journal = journals.iter().find(of);
            lead.at = journal.and_then(|j| began.get(&(j.id, lead.id.clone())).copied());
        }
        let end = ends.remove(&(deal.connection.clone(), deal.id.clone()));
        (deal.gone, deal.became) = end.unwrap_or_default();
    }
    Ok(deals)
}

fn deal(row: &Row) -> Result<DealRow, Error> {
    let lead = told(row, "lead_id")?;
    let lead = lead.map(|id| Ok(DealLead { kind: row.owned("lead_kind")?, id, at: None }));
    Ok(DealRow {
        row: row.int("id")?,
        connection: row.owned("connection")?,
        id: row.owned("deal_id")?,
        number: told(row, "number")?,
        at: row.time("at")?,
        status: told(row, "status")?,
        revenue: told(row, "revenue")?,
        currency: told(row, "currency")?,
        manager: told(row, "manager")?,
        funnel: told(row, "funnel")?,
        source: told(row, "source")?,
        medium: told(row, "medium")?,
        campaign: told(row, "campaign")?,
        lead: lead.transpose()?,
        changed: row.time("changed")?,
        due: None,
        gone: None,
        became: None,
    })
}
