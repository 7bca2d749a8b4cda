//! Work that is of no use after its time. Invariant: a request of it that has not left by then never
//! leaves; one that has left is not broken off.

use std::time::{Duration, Instant};

tokio::task_local! {
    static UNTIL: Instant;
}

/// Does the work; requests that it makes and that wait for their turn longer than that are not sent.
/// A task that the work spawns is not of it.
pub async fn no_later_than<F: Future>(span: Duration, work: F) -> F::Output {
    // Longer than a day nobody waits, and an `Instant` has an end.
    let span = span.min(Duration::from_secs(24 * 3600));
    UNTIL.scope(Instant::now() + span, work).await
}

/// When the time of this work is over.
pub(super) fn until() -> Option<Instant> {
    UNTIL.try_with(|until| *until).ok()
}

/// Will the time of this work be over by then?
pub fn is_over_by(when: Instant) -> bool {
    until().is_some_and(|until| until < when)
}
