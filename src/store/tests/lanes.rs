//! Lanes, case by case; `model` goes through what nobody thought of. Invariant: never two holders,
//! due order in each lane, nobody starves.
#![cfg(test)]

use super::*;

#[tokio::test]
async fn jobs_of_a_lane_follow_each_other_and_other_lanes_run_beside() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x", "y"], 3).await?;
    db.job("b", "call:2", &["x"], 1).await?;
    db.job("a", "call:3", &["y"], 4).await?;
    db.job("a", "call:4", &["z"], 4).await?;
    db.job("a", "call:5", &["x"], 99).await?;
    let first = db.claim(9, 10).await?;
    let keys: Vec<_> = first.iter().map(|claimed| claimed.event.key.as_str()).collect();
    assert_eq!(keys, ["call:2", "call:4"], "call:3 waits behind call:1, which waits for call:2");
    let skip = || decided(Verdict::Skip, &[]);
    db.store.begin(first[0].fence, skip(), at(10)).await?;
    let second = db.claim_one(10).await?;
    assert_eq!(second.event.key, "call:1");
    assert_eq!(db.store.next_due(&[]).await?, None, "call:3 and call:5 wait for lanes");
    db.store.begin(second.fence, skip(), at(10)).await?;
    assert_eq!(db.store.next_due(&[]).await?, Some(at(4)));
    assert_eq!(db.claim_one(10).await?.event.key, "call:3");
    Ok(())
}

#[tokio::test]
async fn equal_times_go_by_registration() -> Tested {
    let db = Db::new().await?;
    for (key, registered) in [("call:1", 5), ("call:2", 2), ("call:3", 2)] {
        let draft = JobDraft { registered: at(registered), ..draft("a", key, &["x"], 10) };
        db.routed(&one(key), vec![JobChange::New(draft)]).await?;
    }
    for key in ["call:2", "call:3", "call:1"] {
        let claimed = db.claim_one(10).await?;
        assert_eq!(claimed.event.key, key);
        db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(10)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn closed_flows_wait_and_others_do_not() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 1).await?;
    db.job("b", "call:2", &["y"], 2).await?;
    let closed = ["a".to_owned(), "elsewhere".to_owned()];
    assert_eq!(db.store.next_due(&closed).await?, Some(at(2)));
    let claimed = db.store.claim(&ME, 9, &closed, at(5)).await?;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].flow, "b");
    assert_eq!(db.store.next_due(&closed).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_hot_lane_does_not_hide_the_others() -> Tested {
    let db = Db::new().await?;
    let judge: Judge = Arc::new(|event, _| {
        let lane = if event.key == "call:calm" { "calm" } else { "hot" };
        let due = if event.key == "call:calm" { 9 } else { 1 };
        vec![JobChange::New(draft("a", &event.key, &[lane], due))].into()
    });
    let mut events: Vec<Event> = (0..1500).map(|n| one(&format!("call:{n}"))).collect();
    events.push(one("call:calm"));
    db.store.accept(vec![raw("all")], None).await?;
    let id = db.store.unrouted(1, None).await?[0].id;
    db.store.route(vec![(id, Reading::Events(events))], judge, at(0)).await?;
    let claimed = db.claim(2, 10).await?;
    let keys: Vec<_> = claimed.iter().map(|claimed| claimed.event.key.as_str()).collect();
    assert_eq!(keys, ["call:0", "call:calm"]);
    assert_eq!(
        db.number("select count(*) as n from job where ready = 0 and state = 'waiting'").await?,
        1499
    );
    db.store.begin(claimed[0].fence, decided(Verdict::Skip, &[]), at(10)).await?;
    assert_eq!(db.claim_one(10).await?.event.key, "call:1");
    Ok(())
}

#[tokio::test]
async fn a_busy_extra_lane_sends_back_without_storing_and_in_its_old_place() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 1).await?;
    db.job("a", "call:2", &["y"], 2).await?;
    db.job("a", "call:3", &["y"], 3).await?;
    let both = db.claim(9, 5).await?;
    assert_eq!(both.len(), 2);
    let busy = db.store.begin(both[1].fence, act(&["create"], &["x"]), at(5)).await?;
    assert_eq!(busy, Fenced::Yes(Begun::LaneBusy));
    assert_eq!(db.number("select count(*) as n from decision").await?, 0);
    assert!(db.claim(9, 6).await?.is_empty(), "call:3 stays behind call:2");
    assert_eq!(db.store.next_due(&[]).await?, None, "nothing to spin on");
    db.store.begin(both[0].fence, decided(Verdict::Skip, &[]), at(7)).await?;
    let second = db.claim_one(7).await?;
    assert_eq!((second.event.key.as_str(), second.due), ("call:2", at(2)));
    let begun = db.store.begin(second.fence, act(&["create"], &["x", "z"]), at(7)).await?;
    assert!(matches!(begun, Fenced::Yes(Begun::Started(_))), "{begun:?}");
    assert_eq!(db.number("select count(*) as n from lane_hold").await?, 3);
    Ok(())
}

#[tokio::test]
async fn facts_that_are_older_than_a_write_in_the_lane_are_read_anew() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["phone"], 1).await?;
    db.job("a", "call:2", &["email"], 1).await?;
    let both = db.claim(9, 5).await?;
    assert_eq!(both.len(), 2);
    // Both read the facts of one customer; the first one writes and lets go.
    let begun = db.store.begin(both[0].fence, act(&["edit"], &["customer"]), at(6)).await?;
    let Fenced::Yes(Begun::Started(ids)) = begun else { return Err("not started".into()) };
    let done = finished(ids[0], StepState::Done);
    db.store.finish(both[0].fence, done, end(JobState::Acted), at(7)).await?;
    let begun = db.store.begin(both[1].fence, act(&["edit"], &["customer"]), at(8)).await?;
    assert_eq!(begun, Fenced::Yes(Begun::LaneBusy));
    assert_eq!(db.number("select count(*) as n from decision").await?, 1);
    // Claimed anew it holds the lane while it reads.
    let again = db.claim_one(8).await?;
    assert_eq!(again.event.key, "call:2");
    let begun = db.store.begin(again.fence, act(&["edit"], &["customer"]), at(8)).await?;
    assert!(matches!(begun, Fenced::Yes(Begun::Started(_))), "{begun:?}");
    Ok(())
}

#[tokio::test]
async fn a_job_taken_back_without_lanes_stands_in_those_learnt_since() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    db.job("a", "call:2", &[], 0).await?;
    let both = db.claim(9, 0).await?;
    assert_eq!(both.len(), 2);
    let fence = both[1].fence;
    db.store.give_back(fence, at(3), "a defect", at(1)).await?;
    let fuller = vec![JobChange::Update(draft("a", "call:2", &["x"], 2))];
    db.routed(&one("call:2"), fuller).await?;
    assert!(db.claim(9, 9).await?.is_empty(), "its person is being worked on");
    db.store.begin(both[0].fence, decided(Verdict::Skip, &[]), at(9)).await?;
    let again = db.claim_one(9).await?;
    assert_eq!((again.event.key.as_str(), again.due), ("call:2", at(3)), "its time is kept");

    // With lanes of its own it keeps them, and no others: what it began may have happened.
    db.store.give_back(again.fence, at(10), "a defect", at(9)).await?;
    let other = vec![JobChange::Update(draft("a", "call:2", &["y"], 2))];
    db.routed(&one("call:2"), other).await?;
    assert_eq!(db.only_story("call:2").await?.jobs[0].lanes, ["x"]);
    Ok(())
}
