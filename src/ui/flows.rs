//! Flows: their list, one of them whole, starting, stopping and trying. Invariant: a trial is asked for
//! by a form and writes nothing; what is shown of a source is text in marked pieces.

use super::frame::Frame;
use super::trouble;
use super::values::{Fields, part};
use crate::desk::acts::Act;
use crate::desk::flows::{FlowPage, FlowRow, SourceLine, SourcePart, Trial};
use crate::desk::{Actor, Desk, Error};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

/// Decisions that a text is weighed against.
const TRIED: u32 = 100;

#[derive(Template)]
#[template(path = "flows.html", config = "src/ui/askama.toml")]
struct All<'a> {
    frame: &'a Frame,
    rows: &'a [FlowRow],
}

#[derive(Template)]
#[template(path = "flow.html", config = "src/ui/askama.toml")]
struct One<'a> {
    frame: &'a Frame,
    page: &'a FlowPage,
    row: &'a FlowRow,
    text: String,
}

#[derive(Template)]
#[template(path = "trial.html", config = "src/ui/askama.toml")]
struct Tried<'a> {
    frame: &'a Frame,
    trial: &'a Trial,
    name: &'a str,
    text: String,
}

impl Tried<'_> {
    fn errors(&self) -> bool {
        self.trial.problems.iter().any(|problem| problem.severity == "error")
    }
}

impl FlowRow {
    fn can(&self, act: Act) -> bool {
        self.acts.contains(&act)
    }
}

/// The text of a source, as it is typed into a field.
pub fn text(lines: &[SourceLine]) -> String {
    let lines = lines
        .iter()
        .map(|line| line.parts.iter().map(|part| part.text.as_str()).collect::<String>());
    lines.collect::<Vec<String>>().join("\n")
}

/// The classes of a piece: only words that we know reach the page.
pub fn class(part: &SourcePart) -> String {
    const KNOWN: [&str; 14] = [
        "comment", "table", "key", "string", "number", "flag", "mark", "brace", "name", "word",
        "filter", "text", "figure", "sign",
    ];
    let known = KNOWN.into_iter().find(|class| *class == part.class);
    let known = known.map(|class| format!("t-{class}")).unwrap_or_default();
    if part.problem.is_some() { format!("{known} wrong") } else { known }
}

/// `GET /flows`.
pub async fn all(State(desk): State<Desk>, frame: Frame) -> Response {
    match desk.flows().await {
        Ok(rows) => trouble::page(&All { frame: &frame, rows: &rows }),
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `GET /flows/{name}`.
pub async fn one(State(desk): State<Desk>, frame: Frame, Path(name): Path<String>) -> Response {
    match desk.flow(&name).await {
        Ok(page) => {
            let text = text(&page.source);
            trouble::page(&One { frame: &frame, row: &page.row, page: &page, text })
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `POST /flows/{name}/start`.
pub async fn start(
    State(desk): State<Desk>,
    actor: Extension<Actor>,
    frame: Frame,
    Path(name): Path<String>,
    body: String,
) -> Response {
    switch((desk, actor.0), frame, (&name, true), &body).await
}

/// `POST /flows/{name}/stop`.
pub async fn stop(
    State(desk): State<Desk>,
    actor: Extension<Actor>,
    frame: Frame,
    Path(name): Path<String>,
    body: String,
) -> Response {
    switch((desk, actor.0), frame, (&name, false), &body).await
}

async fn switch(
    (desk, actor): (Desk, Actor),
    frame: Frame,
    (name, running): (&str, bool),
    body: &str,
) -> Response {
    let fields = Fields::of(body);
    match desk.switch(&actor, name, running, fields.get("why")).await {
        Ok(_) => Redirect::to(&format!("/flows/{}?done=1", part(name))).into_response(),
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `POST /flows/{name}/try`.
pub async fn attempt(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    frame: Frame,
    Path(name): Path<String>,
    body: String,
) -> Response {
    let fields = Fields::of(&body);
    // A browser sends the lines of a field with \r\n.
    let text = fields.raw("text").map(|text| text.replace("\r\n", "\n"));
    let tried: Result<Trial, Error> = desk.try_flow(&actor, &name, text.as_deref(), TRIED).await;
    match tried {
        Ok(trial) => {
            let text = text.unwrap_or_else(|| self::text(&trial.source));
            trouble::page(&Tried { frame: &frame, trial: &trial, name: &name, text })
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

#[cfg(test)]
pub(super) fn list_text(frame: &Frame, rows: &[FlowRow]) -> String {
    All { frame, rows }.render().expect("a page")
}

#[cfg(test)]
pub(super) fn text_of(frame: &Frame, page: &FlowPage) -> String {
    One { frame, page, row: &page.row, text: text(&page.source) }.render().expect("a page")
}

#[cfg(test)]
pub(super) fn trial_text(frame: &Frame, trial: &Trial) -> String {
    Tried { frame, trial, name: &trial.flow, text: text(&trial.source) }.render().expect("a page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_put_together_again_and_its_classes_are_ours() {
        let part = |class: &str, text: &str| SourcePart {
            class: class.into(),
            text: text.into(),
            problem: None,
        };
        let line = |number, parts| SourceLine { number, parts, problems: Vec::new() };
        let source = [
            line(1, vec![part("key", "a"), part("plain", " = ")]),
            line(2, vec![part("string", "\"b\"")]),
        ];
        assert_eq!(text(&source), "a = \n\"b\"");
        assert_eq!(class(&part("key", "a")), "t-key");
        assert_eq!(class(&part("x\" onload", "a")), "");
        let wrong = SourcePart { problem: Some(0), ..part("string", "x") };
        assert_eq!(class(&wrong), "t-string wrong");
    }
}
