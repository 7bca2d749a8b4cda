//! Killed at a commit: what was answered is there, what was not is there whole or not at all.
//! Invariant: the child is this test binary itself, stopped by `LEADLINK_STOP_AT`.
#![cfg(all(test, feature = "testing"))]

use super::*;
use std::process::{Command as Process, Stdio};
use std::time::Instant;

const DATABASE: &str = "LEADLINK_TEST_DATABASE";
const ANSWERED: &str = "LEADLINK_TEST_ANSWERED";

/// The child's part: accepts and performs, and notes each answer that it got.
#[tokio::test]
async fn child() -> Tested {
    let (Ok(url), Ok(answered)) = (std::env::var(DATABASE), std::env::var(ANSWERED)) else {
        return Ok(());
    };
    let store = Store::open(&url, at(0)).await?;
    let judge: Judge =
        Arc::new(|event, _| vec![JobChange::New(draft("a", &event.key, &["x"], 0))].into());
    let mut told = String::new();
    let mut tell = |what: &str| {
        told.push_str(what);
        told.push('\n');
        std::fs::write(&answered, &told)
    };
    store.accept(vec![raw("k1"), raw("k2")], None).await?;
    tell("accepted")?;
    let rows = store.unrouted(9, None).await?;
    let batch = rows.iter().map(|raw| (raw.id, Reading::Events(vec![one(&raw.dedupe_key)])));
    store.route(batch.collect(), judge, at(0)).await?;
    tell("routed")?;
    let claimed = store.claim(&ME, 1, &[], at(0)).await?.pop().ok_or("no job")?;
    tell("claimed")?;
    let begun = store.begin(claimed.fence, act(&["create"], &[]), at(0)).await?;
    let Fenced::Yes(Begun::Started(steps)) = begun else { return Err("not started".into()) };
    tell("begun")?;
    let done = finished(steps[0], StepState::Done);
    store.finish(claimed.fence, done, end(JobState::Acted), at(0)).await?;
    tell("finished")?;
    Ok(())
}

/// Starts the child, waits until it stops at `place`, kills it; answers what it was told.
async fn killed_at(
    place: &str,
    db: &tempfile::TempDir,
) -> Result<String, Box<dyn std::error::Error>> {
    let (stopped, answered) = (db.path().join("stopped"), db.path().join("answered"));
    let url = made(db).await?;
    let mut child = Process::new(std::env::current_exe()?)
        .args(["--exact", "store::tests::stops::child"])
        .env(DATABASE, url)
        .env(ANSWERED, &answered)
        .env("LEADLINK_STOP_AT", place)
        .env("LEADLINK_STOP_FILE", &stopped)
        .stdout(Stdio::null())
        .spawn()?;
    let begun = Instant::now();
    while !stopped.exists() && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill()?;
    child.wait()?;
    assert!(stopped.exists(), "it never came to {place}");
    Ok(std::fs::read_to_string(answered).unwrap_or_default())
}

#[tokio::test]
async fn every_commit_is_all_or_nothing() -> Tested {
    let parts = ["accepted", "routed", "claimed", "begun", "finished"];
    for commit in 1..=5 {
        for place in ["before", "after"] {
            let folder = tempfile::tempdir()?;
            let told = killed_at(&format!("{place}:{commit}"), &folder).await?;
            assert_eq!(told.lines().collect::<Vec<_>>(), parts[..commit - 1], "{place}:{commit}");
            let store = opened(&url(&folder), at(100)).await?;
            let db = Db { folder, store };
            let kept = if place == "after" { commit } else { commit - 1 };
            let sees = |least: usize, n: i64| if kept >= least { n } else { 0 };
            assert_eq!(db.number("select count(*) as n from raw").await?, sees(1, 2));
            assert_eq!(db.number("select count(*) as n from job").await?, sees(2, 2));
            assert_eq!(db.number("select count(*) as n from step").await?, sees(4, 1));
            let unknown = db.store.counts(at(100)).await?.unknown_steps;
            assert_eq!(unknown, u64::from(kept == 4), "a running step is unknown");
            let next = db.claim(9, 100).await?;
            assert_eq!(next.len(), usize::from(kept >= 2));
            if let Some(next) = next.first() {
                let first = if kept >= 5 { "k2" } else { "k1" };
                assert_eq!(next.event.key, first, "the order of the lane is kept");
            }
        }
    }
    Ok(())
}
