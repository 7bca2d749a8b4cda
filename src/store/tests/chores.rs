//! Chores in the store. Invariant: one run for each time at which a chore was due.
#![cfg(test)]

use super::*;

const NAME: &str = "retention";
const HELD: Duration = Duration::from_secs(60);

async fn claim(db: &Db, owner: &str, due: i64, now: i64) -> Result<bool, Error> {
    db.store.claim_chore(NAME, owner, at(due), (HELD, at(now))).await
}

#[tokio::test]
async fn a_new_chore_counts_as_run() -> Tested {
    let db = Db::new().await?;
    db.store.register_chore(NAME, at(100)).await?;
    db.store.register_chore(NAME, at(900)).await?;
    let known = db.store.chores().await?;
    assert_eq!((known.len(), known[0].last_run), (1, at(100)));
    assert!(!claim(&db, "one", 100, 100).await?, "it was due when it was first known");
    assert!(claim(&db, "one", 200, 200).await?);
    Ok(())
}

#[tokio::test]
async fn of_two_processes_one_runs_it_once() -> Tested {
    let db = Db::new().await?;
    db.store.register_chore(NAME, at(0)).await?;
    assert!(claim(&db, "one", 100, 101).await?);
    assert!(!claim(&db, "two", 100, 102).await?, "it is under way");
    let report = json!({ "rows": { "raw": 7 } });
    assert!(!db.store.finish_chore(NAME, "two", at(100), &report).await?, "it is not theirs");
    assert!(db.store.finish_chore(NAME, "one", at(100), &report).await?);
    assert!(!claim(&db, "two", 100, 110).await?, "that time was served");
    let row = db.store.chore(NAME).await?.ok_or("no chore")?;
    assert_eq!((row.last_run, row.owner, row.report), (at(100), None, Some(report)));
    assert!(claim(&db, "two", 200, 200).await?, "the next night");
    Ok(())
}

#[tokio::test]
async fn who_dies_in_it_is_followed_and_who_wakes_late_has_lost_it() -> Tested {
    let db = Db::new().await?;
    db.store.register_chore(NAME, at(0)).await?;
    assert!(claim(&db, "one", 100, 100).await?);
    assert!(db.store.renew_chore(NAME, "one", HELD, at(140)).await?);
    assert!(!claim(&db, "two", 100, 199).await?, "the lease was lengthened");
    assert!(claim(&db, "two", 100, 201).await?);
    assert!(!db.store.renew_chore(NAME, "one", HELD, at(202)).await?);
    db.store.release_chore(NAME, "one").await?;
    assert!(db.store.renew_chore(NAME, "two", HELD, at(203)).await?, "not theirs to let go");
    db.store.release_chore(NAME, "two").await?;
    assert!(claim(&db, "one", 100, 204).await?, "what broke off is taken up at once");
    Ok(())
}

#[tokio::test]
async fn a_person_may_ask_for_another_run() -> Tested {
    let db = Db::new().await?;
    db.store.register_chore(NAME, at(100)).await?;
    db.store.ask_for_chore(NAME, at(90)).await?;
    assert!(claim(&db, "one", 90, 120).await?);
    Ok(())
}
