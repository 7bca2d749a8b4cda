//! Routing: one fact is one event, whatever it arrives as. Invariant: see `store::route`.
#![cfg(test)]

use super::*;
use std::sync::Mutex;

/// What a judge was shown.
type Seen = (Event, Vec<(String, JobState)>);

fn with(mut event: Event, name: &str, value: &str) -> Event {
    event.fields.insert(name.to_owned(), json!(value));
    event
}

fn alias(mut event: Event, alias: &str) -> Event {
    event.aliases.push(alias.to_owned());
    event
}

fn provisional(key: &str) -> Event {
    Event { provisional: true, ..one(key) }
}

#[tokio::test]
async fn a_new_event_makes_the_jobs_that_the_judge_wants() -> Tested {
    let db = Db::new().await?;
    let changes = vec![
        JobChange::New(draft("a", "call:1", &["x"], 60)),
        JobChange::New(draft("b", "call:1", &[], 5)),
    ];
    let routed = db.routed(&one("call:1"), changes).await?;
    assert_eq!(routed, Routed { events: 1, repeats: 0, jobs: 2, unreadable: 0 });
    assert!(db.store.unrouted(10, None).await?.is_empty());
    assert_eq!(db.store.next_due(&[]).await?, Some(at(5)));
    assert_eq!(db.store.next_due(&["b".to_owned()]).await?, Some(at(60)));
    Ok(())
}

#[tokio::test]
async fn a_second_arrival_fills_and_tells_the_judge_what_there_is() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 60).await?;
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let judge: Judge = {
        let seen = Arc::clone(&seen);
        Arc::new(move |event, jobs| {
            if let Ok(mut seen) = seen.lock() {
                seen.push((event.clone(), jobs.to_vec()));
            }
            vec![JobChange::Update(draft("a", "call:1", &["x", "y"], 30))].into()
        })
    };
    let fuller = with(one("call:1"), "email", "user@example.test");
    let routed = db.routed_by(&fuller, judge).await?;
    assert_eq!(routed, Routed { events: 0, repeats: 1, jobs: 0, unreadable: 0 });
    {
        let seen = seen.lock().map_err(|_| "poisoned")?;
        assert_eq!(seen[0].0.fields["phone"], json!("79990000001"));
        assert_eq!(seen[0].0.fields["email"], json!("user@example.test"));
        assert_eq!(seen[0].1, vec![("a".to_owned(), JobState::Waiting)]);
    }
    let story = db.only_story("call:1").await?;
    assert_eq!(story.deliveries.len(), 2);
    assert_eq!((story.jobs[0].due, story.jobs[0].lanes.len()), (at(30), 2));
    Ok(())
}

#[tokio::test]
async fn a_hook_registers_a_lead_that_a_journal_brought_as_old() -> Tested {
    let db = Db::new().await?;
    // As the rules have it: what was registered before the first start makes no job.
    let judge: Judge = Arc::new(|event, jobs| {
        let counts = event.registered >= at(100) && jobs.is_empty();
        let draft = JobDraft { registered: event.registered, ..draft("a", &event.key, &[], 160) };
        if counts { vec![JobChange::New(draft)].into() } else { Vec::new().into() }
    });
    let arrival = |second| Event { registered: at(second), ..one("call:1") };
    assert_eq!(db.routed_by(&arrival(99), Arc::clone(&judge)).await?.jobs, 0);
    assert_eq!(db.routed_by(&arrival(101), Arc::clone(&judge)).await?.jobs, 1);
    assert_eq!(db.routed_by(&arrival(102), judge).await?.jobs, 0);
    let story = db.only_story("call:1").await?;
    assert_eq!(story.jobs[0].registered, at(101));
    assert_eq!(story.event.registered, at(99));
    Ok(())
}

#[tokio::test]
async fn a_started_job_is_not_touched_by_an_update() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 1).await?;
    let claimed = db.claim_one(1).await?;
    let update = vec![JobChange::Update(draft("a", "call:1", &["other"], 0))];
    db.routed(&one("call:1"), update.clone()).await?;
    db.store.put_off(claimed.fence, at(50), "later", true, at(1)).await?;
    db.routed(&one("call:1"), update).await?;
    let story = db.only_story("call:1").await?;
    assert_eq!(story.jobs[0].due, at(50));
    assert_eq!(story.jobs[0].lanes, vec!["x".to_owned()]);
    Ok(())
}

#[tokio::test]
async fn a_merge_key_holds_among_jobs_that_were_not_started() -> Tested {
    let db = Db::new().await?;
    let job = |due| vec![JobChange::New(draft("a", "order:7", &["x"], due))];
    assert_eq!(db.routed(&one("change:1"), job(60)).await?.jobs, 1);
    assert_eq!(db.routed(&one("change:2"), job(50)).await?.jobs, 0, "covered by the first");
    let story = db.only_story("change:2").await?;
    assert_eq!(story.jobs[0].due, at(50));
    let first = db.claim_one(60).await?;
    assert_eq!(db.routed(&one("change:3"), job(60)).await?.jobs, 1, "the first one was started");
    db.store.put_off(first.fence, at(61), "later", true, at(60)).await?;
    assert_eq!(db.number("select count(*) as n from job where state = 'waiting'").await?, 2);
    Ok(())
}

#[tokio::test]
async fn an_unreadable_row_keeps_its_reason_and_a_row_is_routed_once() -> Tested {
    let db = Db::new().await?;
    db.store.accept(vec![raw("bad"), raw("good")], None).await?;
    let rows = db.store.unrouted(10, None).await?;
    let batch = || {
        vec![
            (rows[0].id, Reading::Unreadable("not JSON".to_owned())),
            (rows[1].id, Reading::Events(vec![one("call:1"), one("call:2")])),
        ]
    };
    let judge: Judge =
        Arc::new(|event, _| vec![JobChange::New(draft("a", &event.key, &[], 0))].into());
    let routed = db.store.route(batch(), Arc::clone(&judge), at(0)).await?;
    assert_eq!(routed, Routed { events: 2, repeats: 0, jobs: 2, unreadable: 1 });
    assert_eq!(db.store.route(batch(), judge, at(1)).await?, Routed::default());
    let told = "select count(*) as n from raw where state = 'unreadable' and why = 'not JSON'";
    assert_eq!(db.number(told).await?, 1);
    assert_eq!(db.store.counts(at(0)).await?.unreadable, 1);
    Ok(())
}

#[tokio::test]
async fn a_real_key_replaces_a_provisional_one_and_both_stay_known() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &[], 60).await?;
    db.routed(&provisional("hook:p+t"), vec![]).await?;
    let routed = db.routed(&alias(one("call:2"), "hook:p+t"), vec![]).await?;
    assert_eq!((routed.events, routed.repeats), (0, 1));
    let story = db.only_story("hook:p+t").await?;
    assert_eq!(story.event.key, "call:2");
    assert!(!story.event.provisional);
    Ok(())
}

#[tokio::test]
async fn rows_of_one_batch_follow_the_event_that_stays() -> Tested {
    let db = Db::new().await?;
    db.store.accept(vec![raw("1"), raw("2"), raw("3")], None).await?;
    let arrivals =
        [provisional("hook:p+t"), one("call:2"), alias(one("call:2"), "hook:p+t")].map(|a| vec![a]);
    let rows = db.store.unrouted(10, None).await?;
    let batch = rows.iter().zip(arrivals).map(|(raw, events)| (raw.id, Reading::Events(events)));
    let routed = db.store.route(batch.collect(), Arc::new(|_, _| Vec::new().into()), at(0)).await?;
    assert_eq!((routed.events, routed.repeats), (2, 1));
    assert_eq!(db.only_story("call:2").await?.deliveries.len(), 3);
    Ok(())
}

#[tokio::test]
async fn two_events_that_are_one_become_the_one_that_went_further() -> Tested {
    let db = Db::new().await?;
    let waits = vec![JobChange::New(draft("a", "hook:p+t", &["x"], 60))];
    db.routed(&provisional("hook:p+t"), waits).await?;
    db.job("a", "call:2", &["x"], 1).await?;
    let claimed = db.claim_one(1).await?;
    assert_eq!(claimed.event.key, "call:2");
    db.routed(&alias(one("call:2"), "hook:p+t"), vec![]).await?;
    let story = db.only_story("hook:p+t").await?;
    assert_eq!(story.event.key, "call:2");
    assert_eq!(story.deliveries.len(), 3);
    let states: Vec<_> =
        story.jobs.iter().map(|job| (job.state, job.why.as_deref().unwrap_or(""))).collect();
    let same = "the same lead as call:2";
    assert_eq!(states, vec![(JobState::Skipped, same), (JobState::Deciding, "")]);
    assert_eq!(db.store.next_due(&[]).await?, None);
    Ok(())
}

#[tokio::test]
async fn of_two_equal_events_the_older_stays_and_keeps_jobs_of_other_flows() -> Tested {
    let db = Db::new().await?;
    let waits = vec![JobChange::New(draft("a", "hook:1", &[], 60))];
    db.routed(&provisional("hook:1"), waits).await?;
    db.job("b", "call:2", &[], 60).await?;
    db.routed(&alias(one("call:2"), "hook:1"), vec![]).await?;
    let story = db.only_story("hook:1").await?;
    assert_eq!((story.event.key.as_str(), story.event.provisional), ("call:2", false));
    let jobs: Vec<_> = story.jobs.iter().map(|job| (job.flow.as_str(), job.state)).collect();
    assert_eq!(jobs, vec![("a", JobState::Waiting), ("b", JobState::Waiting)]);
    Ok(())
}

#[tokio::test]
async fn an_alias_does_not_unite_leads_that_have_ids_of_their_own() -> Tested {
    let db = Db::new().await?;
    // A form that was sent twice in one second: one phone, one second, two ids.
    db.routed(&alias(one("request:1"), "request:~p@t"), vec![]).await?;
    db.routed(&alias(one("request:2"), "request:~p@t"), vec![]).await?;
    assert_eq!(db.only_story("request:1").await?.deliveries.len(), 1);
    assert_eq!(db.only_story("request:2").await?.deliveries.len(), 1);
    Ok(())
}

#[tokio::test]
async fn completing_replaces_the_event_or_ends_the_job_as_the_same_lead() -> Tested {
    let db = Db::new().await?;
    let job = |key: &str| vec![JobChange::New(draft("a", key, &["x"], 1))];
    db.routed(&provisional("hook:1"), job("hook:1")).await?;
    let claimed = db.claim_one(1).await?;
    let fuller = with(one("call:1"), "email", "user@example.test");
    assert_eq!(db.store.complete(claimed.fence, &fuller, at(1)).await?, Fenced::Yes(true));
    let story = db.only_story("hook:1").await?;
    assert_eq!((story.event.key.as_str(), story.event.aliases.len()), ("call:1", 1));
    db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(1)).await?;

    db.routed(&provisional("hook:2"), job("hook:2")).await?;
    let claimed = db.claim_one(2).await?;
    assert_eq!(db.store.complete(claimed.fence, &fuller, at(2)).await?, Fenced::Yes(false));
    let story = db.only_story("hook:2").await?;
    assert_eq!(story.event.key, "call:1");
    let last = story.jobs.last().ok_or("a job")?;
    assert_eq!(last.why.as_deref(), Some("the same lead as call:1"));
    assert_eq!(db.number("select count(*) as n from lane_hold").await?, 0);
    assert_eq!(db.store.complete(claimed.fence, &fuller, at(2)).await?, Fenced::Lost);
    Ok(())
}

#[tokio::test]
async fn completing_adopts_an_event_that_has_no_such_job() -> Tested {
    let db = Db::new().await?;
    db.routed(&one("call:1"), vec![]).await?;
    db.job("a", "hook:1", &["x"], 1).await?;
    let claimed = db.claim_one(1).await?;
    assert_eq!(db.store.complete(claimed.fence, &one("call:1"), at(1)).await?, Fenced::Yes(true));
    let story = db.only_story("call:1").await?;
    assert_eq!(story.jobs.len(), 1);
    assert_eq!(story.jobs[0].state, JobState::Deciding);
    Ok(())
}
