//! The journal of deals, with what they brought by source and campaign. Invariant: see `journals`.

use super::cells::{Cell, Column, Row};
use super::csv;
use super::leads::GULP;
use super::page::{Asked, Choice, Sheet};
use crate::desk::charts::RevenueBy;
use crate::desk::journals::{DealView, Named, Query};
use crate::desk::{Desk, Error};
use crate::store::listing::{Column as Listed, DealFilter, Journal};
use crate::ui::charts::{Revenue, revenue};
use crate::ui::signs::{self, Sign};
use crate::ui::values;
use crate::ui::words::{Journals, Words};
use axum::extract::State;
use axum::response::Response;

/// What charts of money cannot be filtered by.
const NARROW: [&str; 8] =
    ["q", "status", "source", "medium", "campaign", "manager", "funnel", "linked"];

pub(super) fn columns(w: &Journals) -> Vec<Column> {
    vec![
        Column::new("number", w.number),
        Column::new("at", w.ordered),
        Column::new("status", w.status),
        Column::new("revenue", w.revenue).numeric(),
        Column::new("source", w.source),
        Column::new("medium", w.medium),
        Column::new("campaign", w.campaign),
        Column::new("manager", w.manager),
        Column::new("funnel", w.funnel),
        Column::new("lead", w.lead),
        Column::new("due", w.due),
        Column::new("currency", w.currency).rare(),
        Column::new("changed", w.changed).rare(),
        Column::new("id", w.id).rare(),
        Column::new("connection", w.connection).rare(),
    ]
}

pub(super) fn row(deal: DealView, w: &'static Words) -> Row {
    let number = deal.number.clone().unwrap_or_else(|| deal.id.clone());
    let gone = match (&deal.became, deal.gone) {
        (Some(other), _) => Some(format!("{} {other}", w.journals.merged)),
        (None, Some(_)) => Some(w.journals.gone.to_owned()),
        (None, None) => None,
    };
    let number = match gone {
        Some(gone) => Cell::Lines(vec![number, gone]),
        None => Cell::Text(number),
    };
    let currency = deal.currency.unwrap_or_default();
    let revenue = deal.revenue.filter(|amount| !amount.is_empty());
    let lead = match deal.lead {
        Some(lead) => {
            let text = format!("{} {}", signs::kind(&w.states, &lead.kind), lead.id);
            Cell::Links(vec![(Some(values::story(&lead.event)), text)])
        }
        None => {
            let word = w.journals.linked_no.to_owned();
            Cell::State { sign: Sign { class: "", icon: "skip", word }, why: None }
        }
    };
    let cells = vec![
        number,
        Cell::At(deal.at),
        Cell::named(deal.status),
        revenue.map_or(Cell::Nothing, |amount| Cell::Money { amount, currency: currency.clone() }),
        Cell::text(deal.source),
        Cell::text(deal.medium),
        Cell::text(deal.campaign),
        Cell::named(deal.manager),
        Cell::named(deal.funnel),
        lead,
        deal.due.map_or(Cell::Nothing, Cell::Due),
        Cell::text(Some(currency.clone())),
        Cell::At(deal.changed),
        Cell::Text(deal.id),
        Cell::Text(deal.connection),
    ];
    let open = Some(format!("/find?q={}", values::part(&deal.story)));
    Row { key: format!("deal-{}", deal.row), open, cells }
}

fn query(asked: &Asked) -> Query<DealFilter> {
    let linked = match asked.fields.get("linked") {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    };
    let filter = DealFilter {
        connection: asked.chosen("connection"),
        status: asked.chosen("status"),
        source: asked.chosen("source"),
        medium: asked.chosen("medium"),
        campaign: asked.chosen("campaign"),
        manager: asked.chosen("manager"),
        funnel: asked.chosen("funnel"),
        search: asked.chosen("q"),
        linked,
    };
    let (from, until) = (Some(asked.days.from), asked.days.until);
    Query { filter, from, until, after: asked.after, most: None }
}

/// `GET /deals`.
pub async fn deals(State(desk): State<Desk>, asked: Asked) -> Response {
    if let Some(answer) = asked.columns_chosen("deals") {
        return answer;
    }
    let read = read(&desk, &asked).await;
    asked.page(read)
}

async fn read(desk: &Desk, asked: &Asked) -> Result<Sheet, Error> {
    let w = asked.frame.w;
    let page = desk.deals(&query(asked)).await?;
    Ok(Sheet {
        name: "deals",
        title: w.shell.deals,
        lead: w.journals.deals_lead,
        columns: columns(&w.journals),
        choices: choices(desk, asked).await,
        rows: page.rows.into_iter().map(|deal| row(deal, w)).collect(),
        next: page.next,
        revenue: drawn(desk, asked).await?,
    })
}

/// Money of the days that are shown, where the beginning is looked at.
async fn drawn(desk: &Desk, asked: &Asked) -> Result<Vec<Revenue>, Error> {
    // They know days and connections; of what else is filtered they would tell too much.
    let filtered = NARROW.iter().any(|name| asked.fields.get(name).is_some());
    if asked.after.is_some() || filtered {
        return Ok(Vec::new());
    }
    let (w, now) = (&asked.frame.w.journals, asked.frame.now());
    let span = (asked.days.from, asked.days.until.unwrap_or(now));
    let connection = asked.fields.get("connection");
    let mut out = Vec::new();
    for (by, title, none) in [
        (RevenueBy::Source, w.by_source, w.no_source),
        (RevenueBy::Campaign, w.by_campaign, w.no_campaign),
    ] {
        let read = desk.revenue_charts(span, by, connection).await?;
        out.push(revenue(&read, (title, none), &asked.frame));
    }
    Ok(out)
}

async fn choices(desk: &Desk, asked: &Asked) -> Vec<Choice> {
    let j = &asked.frame.w.journals;
    let as_is = |named: &Named| named.shown().to_owned();
    let of = |column| (Journal::Deals, column);
    let linked = Choice {
        name: "linked",
        label: j.linked,
        values: vec![("yes".into(), j.linked_yes.into()), ("no".into(), j.linked_no.into())],
        chosen: asked.chosen("linked").unwrap_or_default(),
        rare: false,
    };
    let rare = |choice: Choice| Choice { rare: true, ..choice };
    vec![
        asked.choice(desk, of(Listed::Status), ("status", j.status), as_is).await,
        asked.choice(desk, of(Listed::Source), ("source", j.source), as_is).await,
        linked,
        rare(asked.choice(desk, of(Listed::Medium), ("medium", j.medium), as_is).await),
        rare(asked.choice(desk, of(Listed::Campaign), ("campaign", j.campaign), as_is).await),
        rare(asked.choice(desk, of(Listed::Manager), ("manager", j.manager), as_is).await),
        rare(asked.choice(desk, of(Listed::Funnel), ("funnel", j.funnel), as_is).await),
        rare(asked.choice(desk, of(Listed::Connection), ("connection", j.connection), as_is).await),
    ]
}

/// `GET /deals.csv`: the whole filtered span.
pub async fn deals_csv(State(desk): State<Desk>, asked: Asked) -> Response {
    let (w, times) = (asked.frame.w, asked.frame.times.clone());
    let query = Query { after: None, most: Some(GULP), ..query(&asked) };
    csv::stream("deals", &columns(&w.journals), times, move |after| {
        let (desk, query) = (desk.clone(), Query { after, ..query.clone() });
        async move {
            let page = desk.deals(&query).await?;
            let next = page.next.and_then(|next| next.parse().ok());
            Ok((page.rows.into_iter().map(|deal| row(deal, w)).collect(), next))
        }
    })
}
