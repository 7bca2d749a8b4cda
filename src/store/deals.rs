//! Deals, flat, for the journal that people look through. Invariant: a row stands for an entity of
//! the kind `deal`, and is written in the transaction that keeps it; it has the marks of its lead, as
//! far as the journal of leads knows them, else those that the deal itself was given.

use super::Error;
use super::sql::{Connection, args, list, plain, statements};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value};

statements! {
    MARKS = "lead", "select l.source, l.medium, l.campaign from lead_journal j \
        join lead l on l.journal = j.id and l.lead_id = $3 \
        where j.connection = $1 and j.kind = $2";
    KEEP = "deal", "insert into deal (id, connection, deal_id, number, at, status, revenue, minor, \
            currency, manager, funnel, source, medium, campaign, lead_kind, lead_id, linked, changed) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
        on conflict (id) do update set number = excluded.number, at = excluded.at, \
            status = excluded.status, revenue = excluded.revenue, minor = excluded.minor, \
            currency = excluded.currency, manager = excluded.manager, funnel = excluded.funnel, \
            source = excluded.source, medium = excluded.medium, campaign = excluded.campaign, \
            lead_kind = excluded.lead_kind, lead_id = excluded.lead_id, linked = excluded.linked, \
            changed = excluded.changed";
    MARK = "deal", "update deal set source = coalesce(l.source, deal.source), \
            medium = coalesce(l.medium, deal.medium), \
            campaign = coalesce(l.campaign, deal.campaign) \
        from lead l where l.journal = $1 and l.lead_id = deal.lead_id \
            and deal.connection = $2 and deal.lead_kind = $3 and deal.lead_id <> '' \
            and deal.lead_id in (select value from json_each($4)) \
            and (coalesce(l.source, deal.source) <> deal.source \
                or coalesce(l.medium, deal.medium) <> deal.medium \
                or coalesce(l.campaign, deal.campaign) <> deal.campaign)";
}

pub(super) const DEAL: &str = "deal";
/// The fields that name a lead, and its noun; the first that is told counts, as where it is linked.
const LEADS: [&str; 3] = ["call", "request", "chat"];

/// An entity of the kind `deal`, as it is kept now.
pub(super) struct Deal<'a> {
    pub row: i64,
    pub connection: &'a str,
    pub id: &'a str,
    pub number: Option<&'a str>,
    pub fields: &'a Map<String, Value>,
    pub made: Timestamp,
    pub changed: Timestamp,
}

/// The deal's row, new or as it is now.
pub(super) async fn keep(db: &mut Connection, deal: &Deal<'_>) -> Result<(), Error> {
    let text = |name: &str| deal.fields.get(name).and_then(text_of).unwrap_or_default();
    let named = LEADS.iter().map(|noun| (*noun, text(noun))).find(|(_, id)| !id.is_empty());
    let (kind, lead) = named.unwrap_or_default();
    let mut marks = ["source", "medium", "campaign"].map(|mark| (mark, text(mark)));
    if !lead.is_empty()
        && let Some(row) = db.fetch_one(MARKS, args![deal.connection, kind, &lead]).await?
    {
        for (name, held) in &mut marks {
            if let Some(mark) = row.opt_text(name)? {
                mark.clone_into(held);
            }
        }
    }
    let [source, medium, campaign] = marks.map(|(_, mark)| mark);
    let made = text("orderDate").parse().unwrap_or(deal.made);
    let (revenue, minor) = money(&text("revenue"));
    let args = args![
        deal.row,
        deal.connection,
        deal.id,
        deal.number.map(plain).unwrap_or_default(),
        made,
        text("status"),
        revenue,
        minor,
        text("currency"),
        text("manager"),
        text("funnel"),
        source,
        medium,
        campaign,
        kind,
        &lead,
        !lead.is_empty(),
        deal.changed,
    ];
    db.execute(KEEP, args).await.map(drop)
}

/// Leads came, or learnt their marks: the deals that are linked to them have them too.
pub(super) async fn mark(
    db: &mut Connection,
    journal: (i64, &str, &str),
    leads: &[&str],
) -> Result<(), Error> {
    let (row, connection, kind) = journal;
    db.execute(MARK, args![row, connection, kind, list(leads)]).await.map(drop)
}

/// Decimal text and hundredths; what is no sum of money is none.
fn money(text: &str) -> (String, i64) {
    let Ok(sum) = text.parse::<Decimal>() else { return (String::new(), 0) };
    let minor = sum.checked_mul(Decimal::ONE_HUNDRED).and_then(|sum| sum.round().to_i64());
    minor.map_or_else(Default::default, |minor| (sum.to_string(), minor))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(plain(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
