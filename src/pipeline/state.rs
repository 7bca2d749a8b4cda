//! Writes how connections do, for `leadlink status`. Invariant: written when it changes, else every
//! half minute; never by a process that does not own the connection.

use super::Pipeline;
use crate::store::Error;
use crate::store::status::ConnectionRow;

/// One round.
///
/// # Errors
/// The store's; a later round writes it.
pub async fn keep(pipeline: &Pipeline) -> Result<(), Error> {
    let now = pipeline.clock.now();
    let news = pipeline.gates.news(&pipeline.owners.all(), now);
    if news.is_empty() {
        return Ok(());
    }
    let rows = news.into_iter().map(|condition| ConnectionRow {
        connection: condition.connection,
        state: condition.state.to_owned(),
        why: condition.why,
        since: condition.since,
        answered: condition.answered,
        seen: now,
    });
    let kept = pipeline.store.keep_states(rows.collect()).await;
    if kept.is_err() {
        pipeline.gates.unheard();
    }
    kept
}
