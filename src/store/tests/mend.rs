//! What a person mends. Invariant: see `store::mend`; whatever is mended, the lanes and the merge
//! keys stay right.
#![cfg(test)]

use super::*;
use crate::domain::Link;

fn lanes_of(lanes: &'static [&'static str]) -> LanesOf {
    Arc::new(move |_, _| Some(lanes.iter().map(|lane| (*lane).to_owned()).collect()))
}

/// A job of one step that was refused.
async fn stuck(
    db: &Db,
    event: &str,
    lanes: &[&str],
    due: i64,
) -> Result<i64, Box<dyn std::error::Error>> {
    db.job("a", event, lanes, due).await?;
    let (claimed, steps) = db.begun(&["create"], due).await?;
    let refused = finished(steps[0], StepState::Refused);
    let parked = Next::End { state: JobState::Stuck, why: Some("refused".to_owned()) };
    db.store.finish(claimed.fence, refused, parked, at(due)).await?;
    Ok(claimed.fence.job)
}

/// A job whose step may have happened, parked for a person.
async fn doubtful(db: &Db) -> Result<i64, Box<dyn std::error::Error>> {
    db.job("a", "call:1", &["x"], 0).await?;
    let (claimed, steps) = db.begun(&["create"], 0).await?;
    let again = Next::Again { due: at(5), why: "lost".to_owned() };
    db.store.finish(claimed.fence, finished(steps[0], StepState::Unknown), again, at(0)).await?;
    let claimed = db.claim_one(5).await?;
    assert_eq!(claimed.steps.len(), 1);
    db.store.park(claimed.fence, "a person must say", at(5)).await?;
    Ok(claimed.fence.job)
}

#[tokio::test]
async fn a_retried_job_waits_with_its_tries_gone_and_its_first_try_kept() -> Tested {
    let db = Db::new().await?;
    let job = stuck(&db, "call:1", &["x"], 0).await?;
    assert_eq!(db.store.parked(0, 10).await?.len(), 1);
    let why = Hand { who: Some("anna".to_owned()), why: Some("mended".to_owned()) };
    assert_eq!(db.store.retry(job, vec![], why, at(900)).await?, Mended::Waits(job));
    assert!(db.store.parked(0, 10).await?.is_empty());
    let story = &db.only_story("call:1").await?.jobs[0];
    assert_eq!((story.state, story.tries, story.due), (JobState::Waiting, 0, at(900)));
    let told = story.why.clone().unwrap_or_default();
    assert!(told.starts_with("retried by a person at 20") && told.ends_with("Z: mended"), "{told}");
    let who: Vec<_> = story.mends.iter().map(|mend| mend.who.as_deref()).collect();
    assert_eq!(who, [Some("anna")]);
    // A second word comes too late.
    assert_eq!(
        db.store.retry(job, vec![], Hand::default(), at(901)).await?,
        Mended::Is(JobState::Waiting)
    );
    assert_eq!(db.store.retry(77, vec![], Hand::default(), at(901)).await?, Mended::NoJob);
    // The refused step is planned anew, and its age is that of its first try.
    let claimed = db.claim_one(900).await?;
    // What was refused is shown to who decides: another step may deal with it.
    assert!(claimed.steps.iter().all(|step| step.state == StepState::Refused));
    assert_eq!(claimed.first_tried, Some(at(0)));
    Ok(())
}

#[tokio::test]
async fn a_retried_job_stands_in_its_lanes_again() -> Tested {
    let db = Db::new().await?;
    let first = stuck(&db, "call:1", &["x", "y"], 0).await?;
    // Another of that person runs; a third one waits before the retried one, and one behind it.
    db.job("a", "call:2", &["x"], 10).await?;
    let running = db.claim_one(10).await?;
    db.job("a", "call:3", &["y"], 15).await?;
    db.store.retry(first, vec![], Hand::default(), at(20)).await?;
    db.job("a", "call:4", &["y"], 25).await?;
    // The lane x is held, so the retried one waits; y goes to the one that was due before it.
    let third = db.claim_one(30).await?;
    assert_eq!(third.event.key, "call:3");
    assert!(db.claim(10, 30).await?.is_empty());
    db.store.begin(third.fence, decided(Verdict::Skip, &[]), at(30)).await?;
    assert!(db.claim(10, 30).await?.is_empty(), "x is held, and call:4 stands behind the retried");
    db.store.begin(running.fence, decided(Verdict::Skip, &[]), at(31)).await?;
    let retried = db.claim_one(31).await?;
    assert_eq!(retried.fence.job, first);
    assert!(retried.fence.epoch > 1);
    db.store.begin(retried.fence, decided(Verdict::Skip, &[]), at(32)).await?;
    assert_eq!(db.claim_one(32).await?.event.key, "call:4");
    assert_eq!(db.number("select count(*) as n from lane_hold").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_waiting_job_that_was_retried_merges_with_nobody() -> Tested {
    let db = Db::new().await?;
    let job = stuck(&db, "call:1", &["x"], 0).await?;
    db.store.retry(job, vec![], Hand::default(), at(1)).await?;
    // Another event under the same merge key makes a job of its own: ours was started.
    let change = JobChange::New(draft("a", "call:1", &["x"], 2));
    let routed = db.routed(&one("call:9"), vec![change]).await?;
    assert_eq!(routed.jobs, 1);
    assert_eq!(db.number("select count(*) as n from job where state = 'waiting'").await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_step_that_arrived_is_done_with_its_links() -> Tested {
    let db = Db::new().await?;
    let job = doubtful(&db).await?;
    let (event, steps) = db.store.doubtful(job).await?;
    assert_eq!((event.key.as_str(), steps.len()), ("call:1", 1));
    let link = Link {
        from_kind: "event".to_owned(),
        from_connection: "calls".to_owned(),
        from_id: "call:1".to_owned(),
        to_connection: "shop".to_owned(),
        to_kind: "order".to_owned(),
        to_id: "17".to_owned(),
        made: at(9),
    };
    let arrived =
        || Word::Arrived { output: json!({ "id": 17 }), links: vec![link.clone()], kept: None };
    // A word on a step that is not in doubt changes nothing.
    let words = vec![("create".to_owned(), arrived()), ("note".to_owned(), Word::Again)];
    let refused = db.store.retry(job, words, Hand::default(), at(9)).await?;
    assert_eq!(refused, Mended::NoStep("note".to_owned()));
    assert_eq!(db.number("select count(*) as n from step where state = 'unknown'").await?, 1);
    let words = vec![("create".to_owned(), arrived())];
    assert_eq!(db.store.retry(job, words, Hand::default(), at(9)).await?, Mended::Waits(job));
    let claimed = db.claim_one(9).await?;
    assert_eq!(claimed.steps[0].state, StepState::Done);
    assert_eq!(claimed.steps[0].output, Some(json!({ "id": 17 })));
    let story = db.only_story("order:17").await?;
    let what: Vec<_> = story.jobs[0].mends.iter().map(|mend| mend.what.as_str()).collect();
    assert_eq!(what, ["arrived", "retried"]);
    Ok(())
}

#[tokio::test]
async fn a_step_that_did_not_happen_is_planned_again() -> Tested {
    let db = Db::new().await?;
    let job = doubtful(&db).await?;
    let words = vec![("create".to_owned(), Word::Again)];
    assert_eq!(db.store.retry(job, words, Hand::default(), at(9)).await?, Mended::Waits(job));
    let claimed = db.claim_one(9).await?;
    assert!(claimed.steps.is_empty(), "{:?}", claimed.steps);
    let again = db.store.begin(claimed.fence, act(&["create"], &[]), at(9)).await?;
    assert!(matches!(again, Fenced::Yes(Begun::Started(_))));
    assert_eq!(db.store.counts(at(9)).await?.unknown_steps, 0);
    Ok(())
}

#[tokio::test]
async fn an_event_is_decided_anew_beside_no_other_job_of_its_flow() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    let claimed = db.claim_one(3).await?;
    let job = claimed.fence.job;
    let anew = |now| db.store.decide_anew(job, lanes_of(&["x"]), Hand::default(), at(now));
    assert_eq!(anew(4).await?, Mended::Is(JobState::Deciding));
    db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(4)).await?;
    let Mended::Waits(new) = anew(900).await? else { return Err("no new job".into()) };
    assert_ne!(new, job);
    assert_eq!(anew(901).await?, Mended::Beside(new, JobState::Waiting));
    // It takes its turn in its lane, and is as old as the first was when it was decided.
    db.job("a", "call:2", &["x"], 899).await?;
    let before = db.claim_one(902).await?;
    assert_eq!(before.event.key, "call:2");
    db.store.begin(before.fence, decided(Verdict::Skip, &[]), at(902)).await?;
    let claimed = db.claim_one(902).await?;
    assert_eq!((claimed.fence.job, claimed.first_tried), (new, Some(at(3))));
    db.store.park(claimed.fence, "refused", at(902)).await?;
    assert_eq!(anew(903).await?, Mended::Beside(new, JobState::Stuck));
    let nobody: LanesOf = Arc::new(|_, _| None);
    assert_eq!(db.store.decide_anew(77, nobody, Hand::default(), at(9)).await?, Mended::NoJob);
    Ok(())
}

#[tokio::test]
async fn unreadable_rows_are_new_again_once() -> Tested {
    let db = Db::new().await?;
    let rows: Vec<Raw> = (0..1203)
        .map(|n| Raw {
            connection: if n < 3 { "chats".to_owned() } else { "calls".to_owned() },
            ..raw(&format!("row {n}"))
        })
        .collect();
    db.store.accept(rows, None).await?;
    let unread = db.store.unrouted(2000, None).await?;
    let batch = unread.iter().map(|raw| (raw.id, Reading::Unreadable("garbage".to_owned())));
    let judge: Judge = Arc::new(|_, _| Vec::new().into());
    db.store.route(batch.collect(), judge, at(0)).await?;
    assert_eq!(db.store.counts(at(0)).await?.unreadable, 1203);
    assert_eq!(db.store.reread(Some("chats")).await?, 3);
    assert_eq!(db.store.reread(None).await?, 1200);
    assert_eq!(db.store.reread(None).await?, 0);
    let counts = db.store.counts(at(0)).await?;
    assert_eq!((counts.unreadable, counts.unrouted), (0, 1203));
    assert_eq!(db.number("select count(*) as n from raw where why is not null").await?, 0);
    Ok(())
}

fn span(every: bool) -> Span {
    Span { since: at(0), until: at(10_000), flows: Vec::new(), every }
}

async fn ids(db: &Db, span: &Span, limit: u32) -> Result<Vec<i64>, Error> {
    let (mut all, mut mark) = (Vec::new(), span.start());
    loop {
        let (page, next) = db.store.recorded(span, mark, limit).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.iter().map(|one| one.id));
        mark = next;
    }
}

fn decided_at(second: i64, decision: NewDecision) -> NewDecision {
    NewDecision { at: at(second), ..decision }
}

#[tokio::test]
async fn what_was_decided_is_read_in_pages_as_it_was() -> Tested {
    let db = Db::new().await?;
    // Three jobs in one second, decided in another order than they came.
    for n in 0..3 {
        db.job(if n == 2 { "b" } else { "a" }, &format!("call:{n}"), &[], 0).await?;
    }
    let mut claimed = db.claim(10, 0).await?;
    claimed.reverse();
    for claimed in claimed {
        let skip = decided_at(1, decided(Verdict::Skip, &[]));
        db.store.begin(claimed.fence, skip, at(1)).await?;
    }
    for limit in [1, 2, 3, 10] {
        assert_eq!(ids(&db, &span(false), limit).await?, [1, 2, 3], "{limit}");
    }
    let only = Span { flows: vec!["b".to_owned()], ..span(false) };
    assert_eq!(ids(&db, &only, 10).await?, [1]);
    for (since, until, found) in [(1, 2, 3), (0, 1, 0), (2, 9, 0)] {
        let span = Span { since: at(since), until: at(until), ..span(false) };
        assert_eq!(ids(&db, &span, 2).await?.len(), found, "{since}..{until}");
    }
    let (page, _) = db.store.recorded(&span(false), span(false).start(), 1).await?;
    let first = &page[0];
    assert_eq!((first.event.key.as_str(), first.flow.as_str(), first.last), ("call:2", "b", true));
    assert_eq!(first.facts["customer"], json!({ "id": 1 }));
    assert_eq!((first.at, first.asked.as_ref().map(BTreeMap::len)), (at(1), Some(0)));
    assert_eq!(db.store.recorded_count(&span(false)).await?, 3);
    assert!(db.store.flow_known("b").await? && !db.store.flow_known("c").await?);
    let calls = ["calls".to_owned()];
    assert_eq!(db.store.events_of("call.finished", &calls, &span(false)).await?, 3);
    assert_eq!(db.store.events_of("call.started", &calls, &span(false)).await?, 0);
    Ok(())
}

#[tokio::test]
async fn of_several_decisions_those_count_that_did_something_and_the_last() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &[], 0).await?;
    // The customer is made, then the far side says later; twice nothing comes of it; then all is done.
    for (second, plan) in [(0, &["customer", "create"][..]), (10, &["create"]), (20, &["create"])] {
        let claimed = db.claim_one(second).await?;
        let decision = decided_at(second, act(plan, &[]));
        let begun = db.store.begin(claimed.fence, decision, at(second)).await?;
        let Fenced::Yes(Begun::Started(steps)) = begun else { return Err("not started".into()) };
        let mut at_step = steps[0];
        if plan.len() > 1 {
            let next = Next::Start { step: steps[1], input: input(&json!(1)) };
            let done = finished(steps[0], StepState::Done);
            db.store.finish(claimed.fence, done, next, at(second)).await?;
            at_step = steps[1];
        }
        let (state, next) = match second {
            20 => (StepState::Done, end(JobState::Acted)),
            _ => {
                (StepState::Waiting, Next::Again { due: at(second + 10), why: "later".to_owned() })
            }
        };
        db.store.finish(claimed.fence, finished(at_step, state), next, at(second)).await?;
    }
    assert_eq!(ids(&db, &span(false), 1).await?, [1, 3]);
    assert_eq!(ids(&db, &span(true), 1).await?, [1, 2, 3]);
    let (page, _) = db.store.recorded(&span(true), span(true).start(), 10).await?;
    let done: Vec<usize> = page.iter().map(|one| one.done.len()).collect();
    assert_eq!(done, [0, 1, 1]);
    assert_eq!(page[2].done["customer"], json!({ "id": 17 }));
    assert_eq!(page.iter().map(|one| one.last).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(page[0].first_tried, Some(at(0)));
    // A newer job of the flow and event is what counts, once there is one.
    let job = page[0].job;
    db.store.decide_anew(job, lanes_of(&[]), Hand::default(), at(30)).await?;
    assert!(ids(&db, &span(false), 1).await?.is_empty());
    let claimed = db.claim_one(30).await?;
    let skip = decided_at(30, decided(Verdict::Skip, &[]));
    db.store.begin(claimed.fence, skip, at(30)).await?;
    assert_eq!(ids(&db, &span(false), 1).await?, [4]);
    Ok(())
}

#[tokio::test]
async fn the_event_is_kept_as_it_was_decided_about() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &[], 0).await?;
    let claimed = db.claim_one(0).await?;
    // Another delivery fills it while it is being decided.
    let mut fuller = one("call:1");
    fuller.fields.insert("name".to_owned(), json!("Иван"));
    db.routed(&fuller, Vec::new()).await?;
    db.store.begin(claimed.fence, decided_at(1, decided(Verdict::Skip, &[])), at(1)).await?;
    let (page, _) = db.store.recorded(&span(false), span(false).start(), 1).await?;
    assert_eq!(page[0].event.fields, one("call:1").fields);
    Ok(())
}
