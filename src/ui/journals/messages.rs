//! The journal of messages. Invariant: see `journals`.

use super::cells::{Cell, Column, Row};
use super::csv;
use super::leads::GULP;
use super::page::{Asked, Choice, Sheet};
use crate::desk::journals::{MessageView, Named, Query};
use crate::desk::{Desk, Error};
use crate::store::listing::{Column as Listed, Journal, MessageFilter};
use crate::ui::signs::{self, Sign};
use crate::ui::values;
use crate::ui::words::{Journals, States, Words};
use axum::extract::State;
use axum::response::Response;

fn columns(w: &Journals) -> Vec<Column> {
    vec![
        Column::new("at", w.at),
        Column::new("direction", w.direction),
        Column::new("contact", w.contact),
        Column::new("text", w.text),
        Column::new("files", w.files).numeric(),
        Column::new("state", w.state),
        Column::new("connection", w.connection),
        Column::new("person", w.person).rare(),
    ]
}

fn direction(w: &States, word: &str) -> Sign {
    match word {
        "in" => Sign { class: "", icon: "in", word: w.into.to_owned() },
        "out" => Sign { class: "", icon: "send", word: w.out.to_owned() },
        other => Sign { class: "", icon: "dot", word: other.to_owned() },
    }
}

fn row(message: MessageView, w: &'static Words) -> Row {
    let sign = signs::message(&w.states, &message.state);
    let cells = vec![
        Cell::At(message.at),
        Cell::State { sign: direction(&w.states, &message.direction), why: None },
        Cell::text(message.contact.or_else(|| message.person.clone())),
        message.text.filter(|text| !text.is_empty()).map_or(Cell::Nothing, Cell::Long),
        if message.files > 0 { Cell::Count(message.files.into()) } else { Cell::Nothing },
        Cell::State { sign, why: message.why },
        Cell::Text(message.connection),
        Cell::text(message.person),
    ];
    let open = message.event.as_deref().map(values::story);
    Row { key: format!("message-{}", message.row), open, cells }
}

fn query(asked: &Asked) -> Query<MessageFilter> {
    let filter = MessageFilter {
        connection: asked.chosen("connection"),
        direction: asked.chosen("direction"),
        state: asked.chosen("state"),
        search: asked.chosen("q"),
    };
    let (from, until) = (Some(asked.days.from), asked.days.until);
    Query { filter, from, until, after: asked.after, most: None }
}

/// `GET /messages`.
pub async fn messages(State(desk): State<Desk>, asked: Asked) -> Response {
    if let Some(answer) = asked.columns_chosen("messages") {
        return answer;
    }
    let read = read(&desk, &asked).await;
    asked.page(read)
}

async fn read(desk: &Desk, asked: &Asked) -> Result<Sheet, Error> {
    let w = asked.frame.w;
    let page = desk.messages(&query(asked)).await?;
    Ok(Sheet {
        name: "messages",
        title: w.shell.messages,
        lead: w.journals.messages_lead,
        columns: columns(&w.journals),
        choices: choices(desk, asked).await,
        rows: page.rows.into_iter().map(|message| row(message, w)).collect(),
        next: page.next,
        revenue: Vec::new(),
    })
}

async fn choices(desk: &Desk, asked: &Asked) -> Vec<Choice> {
    let w = asked.frame.w;
    let j = &w.journals;
    let of = |column| (Journal::Messages, column);
    let way = |named: &Named| direction(&w.states, &named.code).word;
    let state = |named: &Named| signs::message(&w.states, &named.code).word;
    let as_is = |named: &Named| named.shown().to_owned();
    vec![
        asked.choice(desk, of(Listed::Direction), ("direction", j.direction), way).await,
        asked.choice(desk, of(Listed::State), ("state", j.state), state).await,
        asked.choice(desk, of(Listed::Connection), ("connection", j.connection), as_is).await,
    ]
}

/// `GET /messages.csv`: the whole filtered span.
pub async fn messages_csv(State(desk): State<Desk>, asked: Asked) -> Response {
    let (w, times) = (asked.frame.w, asked.frame.times.clone());
    let query = Query { after: None, most: Some(GULP), ..query(&asked) };
    csv::stream("messages", &columns(&w.journals), times, move |after| {
        let (desk, query) = (desk.clone(), Query { after, ..query.clone() });
        async move {
            let page = desk.messages(&query).await?;
            let next = page.next.and_then(|next| next.parse().ok());
            Ok((page.rows.into_iter().map(|message| row(message, w)).collect(), next))
        }
    })
}
