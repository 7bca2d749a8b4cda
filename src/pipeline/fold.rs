//! Folds what was counted since the last time into the hourly counts. Invariant: a hand without a head:
//! what is not folded is read all the same, so nothing depends on when this runs, or whether.

use super::Pipeline;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often; between two folds some hundred rows are added, thousands in a rush.
const EVERY: Duration = Duration::from_secs(10);
/// Between two folds of a rush: others write too.
const REST: Duration = Duration::from_millis(50);

/// Folds until `stop`. Several processes may do so: in the store they follow one another.
pub async fn forever(pipeline: Pipeline, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match pipeline.store.fold_tallies().await {
            Ok(true) => REST,
            Ok(false) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "counts were not folded; it is tried again");
                EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
