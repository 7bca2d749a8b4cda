//! Work that may wait: what a person asked for in bulk. Invariant: the mark belongs to a task's work,
//! so whatever asks the far side within it needs to know nothing of it.

tokio::task_local! {
    static BACKGROUND: ();
}

/// Does the work; the requests that it makes take at most half of their group's rate, so that the
/// live ones keep the other half. A task that the work spawns is not of it.
pub async fn in_background<F: Future>(work: F) -> F::Output {
    BACKGROUND.scope((), work).await
}

/// Is this such work?
pub fn is_background() -> bool {
    BACKGROUND.try_with(|()| ()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_mark_is_of_the_work_alone() {
        assert!(!is_background());
        in_background(async {
            assert!(is_background());
            tokio::task::yield_now().await;
            assert!(is_background());
            assert!(!tokio::spawn(async { is_background() }).await.unwrap());
        })
        .await;
        assert!(!is_background());
    }
}
