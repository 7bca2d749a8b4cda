//! Leases and fences: a job that was taken back is nobody's who held it. Invariant: `store::jobs`.
#![cfg(test)]

use super::*;

#[tokio::test]
async fn every_write_of_a_lost_job_is_refused() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    let (claimed, steps) = db.begun(&["create", "mark"], 0).await?;
    assert_eq!(db.store.sweep(at(14)).await?, 0, "the lease still runs");
    let jobs = [claimed.fence.job];
    db.store.renew("me", &jobs, LEASE, at(10)).await?;
    db.store.renew("somebody else", &jobs, LEASE, at(1000)).await?;
    db.store.renew("me", &[claimed.fence.job + 1], LEASE, at(1000)).await?;
    assert_eq!(db.store.sweep(at(16)).await?, 0, "it was renewed");
    assert_eq!(db.store.sweep(at(26)).await?, 1);

    let fence = claimed.fence;
    let lost = Fenced::Lost;
    let done = finished(steps[0], StepState::Done);
    assert_eq!(db.store.finish(fence, done, end(JobState::Acted), at(27)).await?, lost);
    assert_eq!(db.store.put_off(fence, at(30), "late", true, at(27)).await?, lost);
    assert_eq!(db.store.begin(fence, act(&["x"], &[]), at(27)).await?, Fenced::Lost);
    let absent = Resolution::Absent { last: true };
    assert_eq!(db.store.resolve(fence, steps[0], absent, at(27)).await?, lost);
    assert_eq!(db.store.complete(fence, &one("call:9"), at(27)).await?, Fenced::Lost);

    let again = db.claim_one(27).await?;
    assert_eq!(again.fence, Fence { job: fence.job, epoch: fence.epoch + 1 });
    assert_eq!(again.tries, 0);
    assert_eq!(again.steps.len(), 1, "the dropped step is not told");
    assert_eq!((again.steps[0].state, again.steps[0].started), (StepState::Unknown, Some(at(0))));
    Ok(())
}

#[tokio::test]
async fn opening_takes_back_what_a_dead_process_held() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    db.job("a", "call:2", &["x"], 1).await?;
    let (before, _) = db.begun(&["create"], 0).await?;
    let db = db.reopened(at(100)).await?;
    let again = db.claim_one(100).await?;
    assert_eq!(again.event.key, "call:1", "it kept its lane");
    assert_eq!(again.fence.epoch, before.fence.epoch + 1);
    assert_eq!(again.steps[0].state, StepState::Unknown);
    let story = db.only_story("call:1").await?;
    let attempt = &story.jobs[0].decisions[0].steps[0].attempts[0];
    assert_eq!(attempt.result.as_deref(), Some("unknown"));
    assert_eq!(attempt.why.as_deref(), Some("the process ended"));
    assert_eq!(db.store.counts(at(100)).await?.unknown_steps, 1);
    Ok(())
}

#[tokio::test]
async fn putting_off_counts_tries_and_keeps_lanes_only_of_the_tried() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    db.job("a", "call:2", &["x"], 1).await?;
    let first = db.claim_one(5).await?;
    assert_eq!((first.tries, first.first_tried), (0, None));
    db.store.put_off(first.fence, at(50), "the shop does not answer", false, at(5)).await?;
    let second = db.claim_one(6).await?;
    assert_eq!(second.event.key, "call:2", "an untried job lets go");
    db.store.put_off(second.fence, at(40), "later", true, at(6)).await?;
    assert!(db.claim(10, 39).await?.is_empty());
    let both = db.claim(10, 51).await?;
    assert_eq!(both.len(), 1, "the other one waits for the lane");
    assert_eq!((both[0].tries, both[0].first_tried), (1, Some(at(6))));
    db.store.put_off(both[0].fence, at(60), "later", false, at(51)).await?;
    assert_eq!(db.claim(10, 55).await?.len(), 0, "a tried job keeps its lane");
    let third = db.claim_one(61).await?;
    assert_eq!((third.tries, third.event.key.as_str()), (1, "call:2"));
    Ok(())
}

#[tokio::test]
async fn an_uncounted_first_wait_is_told_with_its_reason() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    let claimed = db.claim_one(0).await?;
    db.store.put_off(claimed.fence, at(5), "the shop does not answer", false, at(0)).await?;
    let story = db.only_story("call:1").await?;
    assert_eq!(story.jobs[0].why.as_deref(), Some("the shop does not answer"));
    assert_eq!(story.jobs[0].tries, 0);
    assert_eq!(db.number("select count(*) as n from lane_hold").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_job_that_broke_off_is_given_back_with_its_running_step_unknown() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    let (claimed, _) = db.begun(&["customer", "create"], 0).await?;
    let given = db.store.give_back(claimed.fence, at(30), "a defect", at(1)).await?;
    assert_eq!(given, Fenced::Yes(()));
    assert!(db.claim(29, 8).await?.is_empty());
    let again = db.claim_one(30).await?;
    let known: Vec<_> = again.steps.iter().map(|step| (step.name.as_str(), step.state)).collect();
    assert_eq!(known, vec![("customer", StepState::Unknown)]);
    assert_eq!(db.store.give_back(claimed.fence, at(60), "late", at(31)).await?, Fenced::Lost);
    Ok(())
}
