//! Decisions and steps, transition by transition. Invariant: see `store::plans`.
#![cfg(test)]

use super::*;
use crate::domain::Link;

fn link(to: &str) -> Link {
    Link {
        from_kind: "event".to_owned(),
        from_connection: "calls".to_owned(),
        from_id: "call:1".to_owned(),
        to_connection: "shop".to_owned(),
        to_kind: "order".to_owned(),
        to_id: to.to_owned(),
        made: at(3),
    }
}

async fn with_job() -> Result<Db, Box<dyn std::error::Error>> {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    Ok(db)
}

#[tokio::test]
async fn a_plan_runs_step_by_step_to_its_end() -> Tested {
    let db = with_job().await?;
    let (claimed, steps) = db.begun(&["customer", "create", "mark"], 0).await?;
    let start = Next::Start { step: steps[1], input: input(&json!(17)) };
    let done = finished(steps[0], StepState::Done);
    assert_eq!(db.store.finish(claimed.fence, done, start, at(1)).await?, Fenced::Yes(()));
    let linked =
        Finished { links: vec![link("17"), link("17")], ..finished(steps[1], StepState::Done) };
    db.store.finish(claimed.fence, linked, end(JobState::Acted), at(2)).await?;

    let story = db.only_story("call:1").await?;
    let job = &story.jobs[0];
    assert_eq!(job.state, JobState::Acted);
    let decision = &job.decisions[0];
    assert_eq!((decision.at, decision.flow_hash.as_str()), (at(0), "abc"));
    assert_eq!(decision.facts, json!({ "customer": { "id": 1 } }));
    assert_eq!(decision.decision.reasons[0].to_string(), "update: marked");
    let states: Vec<_> = decision.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, vec![StepState::Done, StepState::Done, StepState::Skipped]);
    assert_eq!(
        decision.steps[0].effect.input,
        Map::from_iter([("of".to_owned(), json!("customer"))])
    );
    assert_eq!(decision.steps[1].effect.input, input(&json!(17)));
    assert_eq!(decision.steps[1].output, Some(json!({ "id": 17 })));
    let attempt = &decision.steps[1].attempts[0];
    assert_eq!(
        (attempt.started, attempt.ended, attempt.result.as_deref()),
        (at(1), Some(at(2)), Some("done"))
    );
    assert_eq!(story.links, vec![link("17")], "a link is written once");
    assert_eq!(db.number("select count(*) as n from lane_hold").await?, 0);
    assert_eq!(db.store.counts(at(9)).await?.acted, 1);
    Ok(())
}

#[tokio::test]
async fn decisions_without_steps_end_the_job() -> Tested {
    for (verdict, state) in [
        (Verdict::Skip, JobState::Skipped),
        (Verdict::Incomplete, JobState::Incomplete),
        (Verdict::Act(Plan::default()), JobState::Acted),
    ] {
        let db = with_job().await?;
        let claimed = db.claim_one(0).await?;
        let begun = db.store.begin(claimed.fence, decided(verdict, &["y"]), at(0)).await?;
        assert_eq!(begun, Fenced::Yes(Begun::Ended));
        let story = db.only_story("call:1").await?;
        assert_eq!((story.jobs[0].state, story.jobs[0].decisions.len()), (state, 1));
        assert_eq!(db.number("select count(*) as n from lane_hold").await?, 0);
        assert!(db.claim(1, 100).await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn later_drops_the_rest_and_decides_anew_with_the_lanes_kept() -> Tested {
    let db = with_job().await?;
    db.job("a", "call:2", &["x"], 1).await?;
    let (claimed, steps) = db.begun(&["customer", "create", "mark"], 0).await?;
    let start = Next::Start { step: steps[1], input: Map::new() };
    db.store.finish(claimed.fence, finished(steps[0], StepState::Done), start, at(0)).await?;
    let again = Next::Again { due: at(9), why: "503".to_owned() };
    let later = Finished { why: Some("503".to_owned()), ..finished(steps[1], StepState::Waiting) };
    db.store.finish(claimed.fence, later, again, at(2)).await?;

    assert_eq!(db.store.next_due(&[]).await?, Some(at(9)), "who waits for the lane does not count");
    assert!(db.claim(9, 8).await?.is_empty(), "the lane is held");
    let retried = db.claim_one(9).await?;
    assert_eq!((retried.tries, retried.first_tried), (1, Some(at(0))));
    let known: Vec<_> = retried.steps.iter().map(|step| (step.name.as_str(), step.state)).collect();
    assert_eq!(known, vec![("customer", StepState::Done)]);
    let story = db.only_story("call:1").await?;
    let steps = &story.jobs[0].decisions[0].steps;
    assert_eq!((steps[1].state, steps[2].state), (StepState::Skipped, StepState::Skipped));
    assert_eq!(steps[1].attempts[0].result.as_deref(), Some("later"));
    assert_eq!(steps[1].attempts[0].why.as_deref(), Some("503"));
    Ok(())
}

#[tokio::test]
async fn a_refused_step_parks_the_job_and_frees_the_lane() -> Tested {
    let db = with_job().await?;
    db.job("a", "call:2", &["x"], 1).await?;
    let (claimed, steps) = db.begun(&["create"], 1).await?;
    let refused =
        Finished { why: Some("no such site".to_owned()), ..finished(steps[0], StepState::Refused) };
    let stuck = Next::End { state: JobState::Stuck, why: Some("no such site".to_owned()) };
    db.store.finish(claimed.fence, refused, stuck, at(1)).await?;
    assert_eq!(db.claim_one(2).await?.event.key, "call:2");
    let story = db.only_story("call:1").await?;
    assert_eq!(story.jobs[0].why.as_deref(), Some("no such site"));
    assert_eq!(db.store.counts(at(2)).await?.stuck, 1);
    Ok(())
}

#[tokio::test]
async fn looks_after_an_unknown_outcome() -> Tested {
    let db = with_job().await?;
    let (claimed, steps) = db.begun(&["create"], 0).await?;
    let again = |due| Next::Again { due: at(due), why: "no answer".to_owned() };
    db.store.finish(claimed.fence, finished(steps[0], StepState::Unknown), again(5), at(0)).await?;

    let second = db.claim_one(5).await?;
    assert_eq!((second.steps[0].state, second.steps[0].looks), (StepState::Unknown, 0));
    let look = |last| Resolution::Absent { last };
    db.store.resolve(second.fence, steps[0], look(false), at(5)).await?;
    db.store.put_off(second.fence, at(30), "looks again", true, at(5)).await?;
    let third = db.claim_one(30).await?;
    assert_eq!(third.steps[0].looks, 1);
    db.store.resolve(third.fence, steps[0], look(true), at(30)).await?;
    let twice = db.store.resolve(third.fence, steps[0], look(true), at(30)).await;
    assert!(matches!(twice, Err(Error::Damaged { table: "step", .. })), "{twice:?}");
    let begun = db.store.begin(third.fence, act(&["create"], &[]), at(31)).await?;
    let Fenced::Yes(Begun::Started(ids)) = begun else { return Err("not started".into()) };
    db.store.finish(third.fence, finished(ids[0], StepState::Unknown), again(40), at(32)).await?;

    let fourth = db.claim_one(40).await?;
    assert_eq!(fourth.steps.len(), 1, "the absent one is not told");
    assert_eq!(fourth.steps[0].id, ids[0]);
    let found = Resolution::Done { output: json!({ "id": 9 }), links: vec![link("9")], kept: None };
    db.store.resolve(fourth.fence, ids[0], found, at(40)).await?;
    db.store.put_off(fourth.fence, at(41), "decides anew", false, at(40)).await?;
    let fifth = db.claim_one(41).await?;
    assert_eq!(fifth.steps[0].state, StepState::Done);
    assert_eq!(fifth.steps[0].output, Some(json!({ "id": 9 })));
    let story = db.only_story("order:9").await?;
    let results = |decision: usize| -> Vec<String> {
        let attempts = story.jobs[0].decisions[decision].steps[0].attempts.iter();
        attempts.filter_map(|attempt| attempt.result.clone()).collect()
    };
    assert_eq!(results(0), ["unknown", "look: absent", "look: absent"]);
    assert_eq!(results(1), ["unknown", "look: found"]);
    Ok(())
}

#[tokio::test]
async fn a_step_of_another_state_or_job_writes_nothing() -> Tested {
    let db = with_job().await?;
    db.job("a", "call:2", &["y"], 0).await?;
    let both = db.claim(2, 0).await?;
    let mut ids = Vec::new();
    for claimed in &both {
        let begun = db.store.begin(claimed.fence, act(&["create", "mark"], &[]), at(0)).await?;
        let Fenced::Yes(Begun::Started(steps)) = begun else { return Err("not started".into()) };
        ids.push(steps);
    }
    let fence = both[0].fence;
    let wrong = [
        (finished(ids[1][0], StepState::Done), end(JobState::Acted)),
        (finished(ids[0][1], StepState::Done), end(JobState::Acted)),
        (finished(ids[0][0], StepState::Running), end(JobState::Acted)),
        (finished(ids[0][0], StepState::Done), end(JobState::Waiting)),
        (finished(ids[0][0], StepState::Done), Next::Start { step: ids[1][1], input: Map::new() }),
    ];
    for (finished, next) in wrong {
        let told = db.store.finish(fence, finished.clone(), next.clone(), at(1)).await;
        assert!(matches!(told, Err(Error::Damaged { .. })), "{finished:?} {next:?} {told:?}");
    }
    assert_eq!(db.number("select count(*) as n from step where state = 'running'").await?, 2);
    Ok(())
}

#[tokio::test]
async fn links_are_found_newest_first() -> Tested {
    let db = with_job().await?;
    let (claimed, steps) = db.begun(&["create"], 0).await?;
    let newer = Link { made: at(8), ..link("18") };
    let links =
        vec![link("17"), newer.clone(), Link { to_kind: "customer".to_owned(), ..link("5") }];
    let done = Finished { links, ..finished(steps[0], StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(2)).await?;
    let ids = ["call:1".to_owned(), "call:7".to_owned()];
    let found = db.store.links("shop", "order", "event", &ids).await?;
    assert_eq!(found, vec![newer, link("17")]);
    assert!(db.store.links("shop", "order", "contact", &ids).await?.is_empty());
    assert!(db.store.links("shop", "order", "event", &[]).await?.is_empty());
    Ok(())
}
