//! What `why` finds, by whatever a person types. Invariant: see `store::stories`.
#![cfg(test)]

use super::*;
use crate::domain::Link;

async fn told() -> Result<Db, Box<dyn std::error::Error>> {
    let db = Db::new().await?;
    let lanes = ["shop|phone:+79990000001", "shop|email:user@example.test"];
    db.job("a", "call:900000001", &lanes, 0).await?;
    let (claimed, steps) = db.begun(&["create"], 0).await?;
    let link = |kind: &str, id: &str| Link {
        from_kind: "event".to_owned(),
        from_connection: "calls".to_owned(),
        from_id: "call:900000001".to_owned(),
        to_connection: "shop".to_owned(),
        to_kind: kind.to_owned(),
        to_id: id.to_owned(),
        made: at(1),
    };
    let links = vec![link("order", "17"), link("customer", "5")];
    let done = Finished { links, ..finished(steps[0], StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(1)).await?;
    db.job("a", "request:44", &lanes[..1], 0).await?;
    db.job("a", "change:3", &["calls|order:12345"], 90).await?;
    Ok(db)
}

#[tokio::test]
async fn a_lead_is_found_by_everything_that_names_it() -> Tested {
    let db = told().await?;
    for (query, keys) in [
        ("call:900000001", vec!["call:900000001"]),
        (" 900000001 ", vec!["call:900000001"]),
        ("44", vec!["request:44"]),
        ("order:17", vec!["call:900000001"]),
        ("17", vec!["call:900000001"]),
        ("order:12345", vec!["change:3"]),
        ("customer:5", vec!["call:900000001"]),
        ("customer:17", vec![]),
        ("8 (999) 000-00-01", vec!["request:44", "call:900000001"]),
        ("phone:+79990000001", vec!["request:44", "call:900000001"]),
        ("User@Example.test", vec!["call:900000001"]),
        ("79990000002", vec![]),
        ("", vec![]),
        ("%", vec![]),
    ] {
        let stories = db.store.story(query).await?;
        let found: Vec<_> = stories.iter().map(|story| story.event.key.as_str()).collect();
        assert_eq!(found, keys, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn stories_are_bounded_and_newest_first() -> Tested {
    let db = Db::new().await?;
    let judge: Judge = Arc::new(|event, _| {
        vec![JobChange::New(draft("a", &event.key, &["phone:+79990000001"], 0))].into()
    });
    let events: Vec<Event> = (0..60).map(|n| one(&format!("call:{n}"))).collect();
    db.store.accept(vec![raw("all")], None).await?;
    let id = db.store.unrouted(1, None).await?[0].id;
    db.store.route(vec![(id, Reading::Events(events))], judge, at(0)).await?;
    let stories = db.store.story("89990000001").await?;
    assert_eq!(stories.len(), 50);
    assert_eq!(
        (stories[0].event.key.as_str(), stories[49].event.key.as_str()),
        ("call:59", "call:10")
    );
    Ok(())
}

#[tokio::test]
async fn counts_tell_states_and_the_oldest_due() -> Tested {
    let db = told().await?;
    db.job("a", "call:2", &[], 50).await?;
    db.store.accept(vec![raw("new")], None).await?;
    let counts = db.store.counts(at(60)).await?;
    assert_eq!((counts.unrouted, counts.waiting, counts.acted), (1, 3, 1));
    assert_eq!(counts.oldest_due, Some(at(0)));
    let claimed = db.claim(1, 60).await?;
    db.store.begin(claimed[0].fence, decided(Verdict::Skip, &[]), at(60)).await?;
    let counts = db.store.counts(at(49)).await?;
    assert_eq!((counts.skipped, counts.oldest_due), (1, None));
    Ok(())
}

/// An order with its deal: two changes, one of which waits; the deal was written.
async fn deal() -> Result<Db, Box<dyn std::error::Error>> {
    let db = Db::new().await?;
    let lane = ["calls|order:123"];
    db.job("order-to-deal", "change:1", &lane, 0).await?;
    let (claimed, steps) = db.begun(&["create"], 0).await?;
    let fields = json!({ "orderName": "100%_A", "status": "new" });
    let kept = crate::domain::Kept {
        connection: "calls".to_owned(),
        kind: "deal".to_owned(),
        id: "123".to_owned(),
        fields: fields.as_object().cloned().unwrap_or_default(),
        at: at(1),
    };
    let done = Finished { kept: Some(kept), ..finished(steps[0], StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(1)).await?;
    db.job("deal-update", "change:2", &lane, 90).await?;
    db.job("deal-update", "change:3", &["calls|order:124"], 90).await?;
    Ok(db)
}

#[tokio::test]
async fn an_order_is_found_by_its_id_its_number_and_its_deal() -> Tested {
    let db = deal().await?;
    let both = vec!["change:2", "change:1"];
    for (query, keys) in [
        ("order:123", both.clone()),
        ("deal:123", both.clone()),
        ("123", both.clone()),
        ("100%_A", both),
        ("100xxA", vec![]),
        ("100%", vec![]),
        ("new", vec![]),
        ("customer:123", vec![]),
        ("order:124", vec!["change:3"]),
    ] {
        let stories = db.store.story(query).await?;
        let found: Vec<_> = stories.iter().map(|story| story.event.key.as_str()).collect();
        assert_eq!(found, keys, "{query}");
    }
    let stories = db.store.story("order:123").await?;
    for story in &stories {
        let things: Vec<_> =
            story.things.iter().map(|thing| (&*thing.kind, &*thing.id, thing.made)).collect();
        assert_eq!(things, [("deal", "123", at(1))], "{}", story.event.key);
    }
    assert!(db.store.story("order:124").await?[0].things.is_empty());
    Ok(())
}
