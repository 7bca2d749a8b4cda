//! The journal of leads. Invariant: see `journals`.

use super::cells::{Cell, Column, Row};
use super::csv;
use super::page::{Asked, Choice, Sheet};
use crate::desk::journals::{LeadView, Named, Query, ThingView};
use crate::desk::{Desk, Error};
use crate::store::listing::{Column as Listed, Journal, LeadFilter};
use crate::ui::words::{Journals, Words};
use crate::ui::{signs, values};
use axum::extract::State;
use axum::response::Response;

/// Rows that are read for a file at a time.
pub(super) const GULP: u32 = 1000;

pub(super) fn columns(w: &Journals) -> Vec<Column> {
    vec![
        Column::new("at", w.at),
        Column::new("kind", w.kind),
        Column::new("contacts", w.contacts),
        Column::new("name", w.name),
        Column::new("source", w.source),
        Column::new("medium", w.medium),
        Column::new("campaign", w.campaign),
        Column::new("outcome", w.outcome),
        Column::new("orders", w.orders),
        Column::new("id", w.id).rare(),
        Column::new("connection", w.connection).rare(),
    ]
}

pub(super) fn row(lead: LeadView, w: &'static Words) -> Row {
    let open =
        lead.event.as_ref().map(|event| values::story(&format!("{}~{event}", lead.connection)));
    let sign = signs::job(&w.states, lead.outcome.as_deref().unwrap_or("none"));
    let cells = vec![
        Cell::At(lead.at),
        Cell::Text(signs::kind(&w.states, &lead.kind).to_owned()),
        Cell::Lines(lead.phones.into_iter().chain(lead.emails).collect()),
        Cell::text(lead.name),
        Cell::text(lead.source),
        Cell::text(lead.medium),
        Cell::text(lead.campaign),
        Cell::State { sign, why: lead.why },
        Cell::links(lead.orders.iter().map(|thing| became(thing, w)).collect()),
        Cell::Text(lead.id),
        Cell::Text(lead.connection),
    ];
    Row { key: format!("lead-{}", lead.row), open, cells }
}

/// What a lead became, found by its kind and id.
fn became(thing: &ThingView, w: &'static Words) -> (Option<String>, String) {
    let number = thing.number.as_deref().unwrap_or(&thing.id);
    let text = format!("{} {number}", signs::kind(&w.states, &thing.kind));
    (Some(format!("/find?q={}", values::part(&format!("{}:{}", thing.kind, thing.id)))), text)
}

fn filter(asked: &Asked) -> LeadFilter {
    LeadFilter {
        connection: asked.chosen("connection"),
        kind: asked.chosen("kind"),
        source: asked.chosen("source"),
        medium: asked.chosen("medium"),
        campaign: asked.chosen("campaign"),
        outcome: asked.chosen("outcome"),
        search: asked.chosen("q"),
    }
}

fn query(asked: &Asked) -> Query<LeadFilter> {
    let days = &asked.days;
    let (from, until) = (Some(days.from), days.until);
    Query { filter: filter(asked), from, until, after: asked.after, most: None }
}

/// `GET /leads`.
pub async fn leads(State(desk): State<Desk>, asked: Asked) -> Response {
    if let Some(answer) = asked.columns_chosen("leads") {
        return answer;
    }
    let read = read(&desk, &asked).await;
    asked.page(read)
}

async fn read(desk: &Desk, asked: &Asked) -> Result<Sheet, Error> {
    let w = asked.frame.w;
    let page = desk.leads(&query(asked)).await?;
    Ok(Sheet {
        name: "leads",
        title: w.shell.leads,
        lead: w.journals.leads_lead,
        columns: columns(&w.journals),
        choices: choices(desk, asked).await,
        rows: page.rows.into_iter().map(|lead| row(lead, w)).collect(),
        next: page.next,
        revenue: Vec::new(),
    })
}

async fn choices(desk: &Desk, asked: &Asked) -> Vec<Choice> {
    let w = asked.frame.w;
    let as_is = |named: &Named| named.shown().to_owned();
    let kind = |named: &Named| signs::kind(&w.states, &named.code).to_owned();
    let outcome = |named: &Named| signs::job(&w.states, &named.code).word;
    let of = |column| (Journal::Leads, column);
    let j = &w.journals;
    vec![
        asked.choice(desk, of(Listed::Kind), ("kind", j.kind), kind).await,
        asked.choice(desk, of(Listed::Outcome), ("outcome", j.outcome), outcome).await,
        asked.choice(desk, of(Listed::Source), ("source", j.source), as_is).await,
        Choice {
            rare: true,
            ..asked.choice(desk, of(Listed::Medium), ("medium", j.medium), as_is).await
        },
        Choice {
            rare: true,
            ..asked.choice(desk, of(Listed::Campaign), ("campaign", j.campaign), as_is).await
        },
        Choice {
            rare: true,
            ..asked.choice(desk, of(Listed::Connection), ("connection", j.connection), as_is).await
        },
    ]
}

/// `GET /leads.csv`: the whole filtered span.
pub async fn leads_csv(State(desk): State<Desk>, asked: Asked) -> Response {
    let (w, times) = (asked.frame.w, asked.frame.times.clone());
    let query = Query { after: None, most: Some(GULP), ..query(&asked) };
    csv::stream("leads", &columns(&w.journals), times, move |after| {
        let (desk, query) = (desk.clone(), Query { after, ..query.clone() });
        async move {
            let page = desk.leads(&query).await?;
            let next = page.next.and_then(|next| next.parse().ok());
            Ok((page.rows.into_iter().map(|lead| row(lead, w)).collect(), next))
        }
    })
}
