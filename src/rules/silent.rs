//! Why a flow that listens to an event has made no job of it, for people. Invariant: pure; the same
//! words that routing goes by.

use super::{Book, Knowledge, guard};
use crate::domain::Event;
use jiff::Timestamp;

/// Flows of this kind of event and connection that are not among `made`, with the reason as of now.
pub fn silent(
    book: &Book,
    event: &Event,
    first_start: Option<Timestamp>,
    made: &[&str],
    now: Timestamp,
) -> Vec<(String, String)> {
    let knowledge = Knowledge::of(book, event, now);
    let listens = book.flows().iter().filter(|bound| {
        let on = &bound.flow.on;
        on.event == event.kind && bound.connections(&on.role).contains(&event.connection)
    });
    let others = listens.filter(|bound| !made.contains(&bound.name.as_str()));
    let told = others.map(|bound| {
        let before =
            |start: &Timestamp| !event.asked && event.registered.as_second() < start.as_second();
        let when = bound.flow.on.when.as_ref().map(|when| when.text.clone()).unwrap_or_default();
        let why = if !bound.running {
            "it is stopped".to_owned()
        } else if let Some(start) = first_start.filter(before) {
            format!("it was registered before the connection was first started, {start:.0}")
        } else if !guard::wanted(bound, &knowledge).unwrap_or(true) {
            format!("its `on.when` does not hold: {when}")
        } else {
            "it did not run when this came, or another event of the same keys was first".to_owned()
        };
        (bound.name.clone(), why)
    });
    told.collect()
}
