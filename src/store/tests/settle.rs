//! Jobs that settle: every event that joins starts the delay anew. Invariant: whatever the order in
//! which events come and come again, the job is due a delay after the last of them, and a settling
//! time after the first of them at the latest.
#![cfg(test)]

use super::*;
use jiff::SignedDuration;
use proptest::prelude::*;

const DELAY: i64 = 30;
const SETTLE: i64 = 120;

fn change(registered: i64) -> JobDraft {
    JobDraft {
        registered: at(registered),
        settle: Some(SignedDuration::from_secs(SETTLE)),
        ..draft("a", "order:7", &["shop|order:7"], registered + DELAY)
    }
}

async fn comes(db: &Db, n: usize, registered: i64, known: bool) -> Tested {
    let draft = change(registered);
    let change = if known { JobChange::Update(draft) } else { JobChange::New(draft) };
    db.routed(&one(&format!("change:{n}")), vec![change]).await?;
    Ok(())
}

async fn due(db: &Db) -> Result<i64, Error> {
    let lanes = "select count(*) as n from job j join job_lane l on l.job_id = j.id \
        where l.due <> j.due or l.registered <> j.registered";
    assert_eq!(db.number(lanes).await?, 0, "lanes stand where their job does");
    assert_eq!(db.number("select count(*) as n from job").await?, 1);
    Ok((db.number("select due as n from job").await? - at(0).as_millisecond()) / 1000)
}

#[tokio::test]
async fn the_delay_starts_anew_and_ends_in_time() -> Tested {
    let db = Db::new().await?;
    for (n, (registered, then)) in
        [(0, 30), (20, 50), (10, 50), (100, 120), (119, 120)].into_iter().enumerate()
    {
        comes(&db, n, registered, false).await?;
        assert_eq!(due(&db).await?, then, "after the change at {registered}");
    }
    // One that comes again, by another way, says nothing new.
    for (n, registered) in [(0, 0), (2, 10)] {
        comes(&db, n, registered, true).await?;
        assert_eq!(due(&db).await?, 120);
    }
    // Once it was started, the next change has a job of its own.
    let first = db.claim_one(120).await?;
    db.routed(&one("change:9"), vec![JobChange::New(change(121))]).await?;
    assert_eq!(db.number("select count(*) as n from job").await?, 2);
    db.store.begin(first.fence, decided(Verdict::Skip, &[]), at(120)).await?;
    assert!(db.claim(9, 150).await?.is_empty());
    assert_eq!(db.claim_one(151).await?.event.key, "change:9");
    Ok(())
}

#[tokio::test]
async fn what_a_person_asks_for_does_not_wait_for_it() -> Tested {
    let db = Db::new().await?;
    comes(&db, 0, 10, false).await?;
    let asked = Event { asked: true, ..one("listed:1:7") };
    let now = JobDraft { settle: None, due: at(15), ..change(15) };
    assert_eq!(db.store.asked_under_way(at(100)).await?, 0);
    db.routed(&asked, vec![JobChange::New(now)]).await?;
    assert_eq!((due(&db).await?, db.store.asked_under_way(at(100)).await?), (15, 1));
    let claimed = db.claim_one(15).await?;
    assert_eq!(db.store.asked_under_way(at(100)).await?, 1);
    db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(15)).await?;
    assert_eq!(db.store.asked_under_way(at(100)).await?, 0);
    // A job of its own, and one that a person wants anew.
    let asked = Event { asked: true, ..one("listed:2:8") };
    db.routed(&asked, vec![JobChange::New(draft("a", "order:8", &[], 20))]).await?;
    assert_eq!(db.store.asked_under_way(at(100)).await?, 1);
    let claimed = db.claim_one(20).await?;
    db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(20)).await?;
    let lanes: LanesOf = Arc::new(|_, _| Some(Vec::new()));
    db.store.decide_anew(claimed.fence.job, lanes, Hand::default(), at(21)).await?;
    assert_eq!(db.store.asked_under_way(at(100)).await?, 1);
    // Put off because the thing itself changed a moment ago: it waits as for any event.
    let claimed = db.claim_one(21).await?;
    db.store.put_off(claimed.fence, at(200), "it changed lately", false, at(22)).await?;
    assert_eq!(db.store.asked_under_way(at(100)).await?, 0);
    assert_eq!(db.store.asked_under_way(at(201)).await?, 1);
    let claimed = db.claim_one(200).await?;
    db.store.put_off(claimed.fence, at(900), "no answer", true, at(201)).await?;
    assert_eq!(db.store.asked_under_way(at(300)).await?, 1, "trouble is waited out");
    Ok(())
}

async fn story(changes: Vec<(i64, bool)>) -> Tested {
    let db = Db::new().await?;
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for (n, (registered, again)) in changes.iter().enumerate() {
        comes(&db, n, *registered, false).await?;
        (first, last) = (first.min(*registered), last.max(*registered));
        if *again {
            let (known, _) = changes[n / 2];
            comes(&db, n / 2, known, true).await?;
        }
        assert_eq!(due(&db).await?, (last + DELAY).min(first + SETTLE), "{:?}", &changes[..=n]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_order_of_arrival_does_not_matter(
        changes in prop::collection::vec((0..300i64, any::<bool>()), 1..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let played = runtime.block_on(story(changes));
        prop_assert!(played.is_ok(), "{:?}", played.map_err(|error| error.to_string()));
    }
}
