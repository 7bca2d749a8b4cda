//! What is remembered of foreign things, and where links lead when they are gone. Invariant: see
//! `store::entities`.
#![cfg(test)]

use super::*;
use crate::domain::{Entity, Fate, Kept, Link};

fn told(id: &str, second: i64, fields: &Value) -> Kept {
    Kept {
        connection: "calls".to_owned(),
        kind: "deal".to_owned(),
        id: id.to_owned(),
        fields: fields.as_object().cloned().unwrap_or_default(),
        at: at(second),
    }
}

async fn deal(db: &Db, id: &str) -> Result<Option<Entity>, Error> {
    db.store.entity(&["other".to_owned(), "calls".to_owned()], "deal", id).await
}

fn fields(entity: Option<Entity>) -> Value {
    entity.map_or(Value::Null, |entity| Value::Object(entity.fields))
}

#[tokio::test]
async fn an_outcome_keeps_its_entity_and_a_lost_fence_keeps_nothing() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    let (claimed, steps) = db.begun(&["create", "update"], 1).await?;
    let done = |kept| Finished { kept: Some(kept), ..finished(steps[0], StepState::Done) };
    let stale = Fence { epoch: claimed.fence.epoch + 1, ..claimed.fence };
    let kept = told("7", 2, &json!({ "status": "new", "revenue": "10.50", "call": "1" }));
    let next = || Next::Start { step: steps[1], input: Map::new() };
    let lost = db.store.finish(stale, done(kept.clone()), next(), at(2)).await?;
    assert_eq!((lost, deal(&db, "7").await?), (Fenced::Lost, None));
    // The transaction that fails keeps nothing either: the second step cannot start twice.
    let twice = Next::Start { step: steps[0], input: Map::new() };
    assert!(db.store.finish(claimed.fence, done(kept.clone()), twice, at(2)).await.is_err());
    assert_eq!(deal(&db, "7").await?, None);
    db.store.finish(claimed.fence, done(kept), next(), at(2)).await?;
    let known = deal(&db, "7").await?.ok_or("it is kept")?;
    assert_eq!((known.made, known.changed, known.gone), (at(2), at(2), None));
    // What a look finds is kept too, laid over what is known.
    let unknown = finished(steps[1], StepState::Unknown);
    let again = Next::Again { due: at(3), why: "look".to_owned() };
    db.store.finish(claimed.fence, unknown, again, at(3)).await?;
    let claimed = db.claim_one(3).await?;
    let kept = told("7", 4, &json!({ "status": "paid", "id": 5 }));
    let found =
        Resolution::Done { output: json!({}), links: Vec::new(), kept: Some(Box::new(kept)) };
    db.store.resolve(claimed.fence, steps[1], found, at(4)).await?;
    let known = deal(&db, "7").await?.ok_or("it is kept")?;
    assert_eq!((known.made, known.changed), (at(2), at(4)));
    let all = json!({ "status": "paid", "revenue": "10.50", "call": "1", "id": 5 });
    assert_eq!(Value::Object(known.fields), all);
    Ok(())
}

#[tokio::test]
async fn what_was_read_back_corrects_only_what_is_older() -> Tested {
    let db = Db::new().await?;
    db.store.keep_entities(vec![told("7", 10, &json!({ "status": "new", "sum": 1 }))]).await?;
    db.store.keep_entities(vec![told("7", 9, &json!({ "status": "old" }))]).await?;
    assert_eq!(fields(deal(&db, "7").await?), json!({ "status": "new", "sum": 1 }));
    db.store.keep_entities(vec![told("7", 11, &json!({ "status": "paid" }))]).await?;
    db.store.keep_entities(vec![told("8", 11, &json!({})), told("9", 1, &json!({}))]).await?;
    assert_eq!(fields(deal(&db, "7").await?), json!({ "status": "paid", "sum": 1 }));
    // Of several connections the first that knows it.
    let other =
        Kept { connection: "other".to_owned(), ..told("7", 12, &json!({ "who": "other" })) };
    db.store.keep_entities(vec![other]).await?;
    assert_eq!(fields(deal(&db, "7").await?), json!({ "who": "other" }));
    let ids = ["9", "none", "7"].map(str::to_owned);
    let mut several = db.store.entities("calls", "deal", &ids).await?;
    several.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(several.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["7", "9"]);
    assert!(db.store.entities("calls", "order", &ids).await?.is_empty());
    assert_eq!(db.store.entity(&[], "deal", "7").await?, None);
    Ok(())
}

fn gone(id: &str, became: Option<&str>, second: i64) -> Fate {
    Fate {
        connection: "shop".to_owned(),
        kind: "order".to_owned(),
        id: id.to_owned(),
        became: became.map(str::to_owned),
        at: at(second),
    }
}

async fn fated(db: &Db, fate: Fate) -> Tested {
    let key = format!("change:{}:{}", fate.id, fate.at);
    let judge: Judge =
        Arc::new(move |_, _| Judged { fate: Some(fate.clone()), ..Judged::default() });
    db.routed_by(&one(&key), Arc::clone(&judge)).await?;
    // However often it is told.
    db.routed_by(&one(&key), judge).await?;
    Ok(())
}

/// Orders that a lead leads to, in the order of their ids.
async fn orders_of(db: &Db, call: &str) -> Result<Vec<String>, Error> {
    let links = db.store.links("shop", "order", "event", &[call.to_owned()]).await?;
    let mut ids: Vec<String> = links.into_iter().map(|link| link.to_id).collect();
    ids.sort();
    Ok(ids)
}

#[tokio::test]
async fn who_led_to_a_merged_order_leads_to_its_survivor() -> Tested {
    let db = Db::new().await?;
    for (n, order) in [(1, "11"), (2, "12"), (3, "13")] {
        db.job("a", &format!("call:{n}"), &["x"], n).await?;
        let (claimed, steps) = db.begun(&["create"], n).await?;
        let link = Link {
            from_kind: "event".to_owned(),
            from_connection: "calls".to_owned(),
            from_id: format!("call:{n}"),
            to_connection: "shop".to_owned(),
            to_kind: "order".to_owned(),
            to_id: order.to_owned(),
            made: at(n),
        };
        let done = Finished { links: vec![link], ..finished(steps[0], StepState::Done) };
        db.store.finish(claimed.fence, done, end(JobState::Acted), at(n)).await?;
    }
    // 12 → 13 is told before 11 → 12: who led to 11 leads to 13 nevertheless.
    fated(&db, gone("12", Some("13"), 10)).await?;
    assert_eq!(orders_of(&db, "call:2").await?, ["12", "13"]);
    fated(&db, gone("11", Some("12"), 11)).await?;
    assert_eq!(orders_of(&db, "call:1").await?, ["11", "12", "13"]);
    assert_eq!(orders_of(&db, "call:3").await?, ["13"]);
    fated(&db, gone("13", None, 12)).await?;
    assert_eq!(orders_of(&db, "call:3").await?, ["13"]);
    let ends = db.store.gone_entities("shop", "order", at(11)).await?;
    let ends: Vec<_> = ends.iter().map(|e| (e.id.as_str(), e.gone, e.became.as_deref())).collect();
    assert_eq!(ends, [("11", Some(at(11)), Some("12")), ("13", Some(at(12)), None)]);
    // A ring of mergers, and one into itself, come to an end; what is gone stays gone.
    fated(&db, gone("13", Some("11"), 13)).await?;
    fated(&db, gone("14", Some("14"), 14)).await?;
    fated(&db, gone("11", None, 15)).await?;
    let known = db.store.entity(&["shop".to_owned()], "order", "11").await?.ok_or("known")?;
    assert_eq!((known.gone, known.became.as_deref()), (Some(at(11)), Some("12")));
    assert_eq!((known.made, known.changed), (at(11), at(11)));
    Ok(())
}
