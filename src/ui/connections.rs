//! Connections: how they do, what is set, what a flow may use. Invariant: only the page of a list asks
//! a far side, so that all others answer at once.

use super::frame::Frame;
use super::signs::{self, Sign};
use super::trouble;
use super::values::part;
use crate::desk::connections::{ConnectionPage, ConnectionRow, ListPage};
use crate::desk::{Actor, Desk};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

#[derive(Template)]
#[template(path = "connections.html", config = "src/ui/askama.toml")]
struct All<'a> {
    frame: &'a Frame,
    rows: &'a [ConnectionRow],
}

#[derive(Template)]
#[template(path = "connection.html", config = "src/ui/askama.toml")]
struct One<'a> {
    frame: &'a Frame,
    page: &'a ConnectionPage,
    row: &'a ConnectionRow,
    sign: Sign,
}

#[derive(Template)]
#[template(path = "list.html", config = "src/ui/askama.toml")]
struct Codes<'a> {
    frame: &'a Frame,
    list: &'a ListPage,
}

/// `GET /connections`.
pub async fn all(State(desk): State<Desk>, frame: Frame) -> Response {
    match desk.connections().await {
        Ok(rows) => trouble::page(&All { frame: &frame, rows: &rows }),
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `GET /connections/{name}`.
pub async fn one(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    frame: Frame,
    Path(name): Path<String>,
) -> Response {
    match desk.connection(&actor, &name).await {
        Ok(page) => {
            let row = &page.row;
            let sign = signs::connection(&frame.w.states, row.state.as_deref(), &row.well);
            trouble::page(&One { frame: &frame, row, page: &page, sign })
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

#[cfg(test)]
pub(super) fn list_text(frame: &Frame, rows: &[ConnectionRow]) -> String {
    All { frame, rows }.render().expect("a page")
}

#[cfg(test)]
pub(super) fn text(frame: &Frame, page: &ConnectionPage) -> String {
    let row = &page.row;
    let sign = signs::connection(&frame.w.states, row.state.as_deref(), &row.well);
    One { frame, page, row, sign }.render().expect("a page")
}

/// `GET /connections/{name}/lists/{list}`: as the far side has it now.
pub async fn list(
    State(desk): State<Desk>,
    frame: Frame,
    Path((name, list)): Path<(String, String)>,
) -> Response {
    match desk.list(&name, &list).await {
        Ok(list) => trouble::page(&Codes { frame: &frame, list: &list }),
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `POST /connections/{name}/poll`.
pub async fn poll(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    frame: Frame,
    Path(name): Path<String>,
) -> Response {
    match desk.poll(&actor, &name).await {
        Ok(done) => {
            let to = format!("/connections/{}?done={}", part(&name), done.rows);
            Redirect::to(&to).into_response()
        }
        Err(error) => trouble::of(&frame, &error),
    }
}
