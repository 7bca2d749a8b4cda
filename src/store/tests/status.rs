//! What `status` reads. Invariant: counts by flow are those of the jobs, and no job is walked for them.
#![cfg(test)]

use super::*;
use crate::store::DriftRow;
use crate::store::status::ConnectionRow;

#[tokio::test]
async fn a_house_is_told_whole() -> Tested {
    let db = Db::new().await?;
    for (event, due) in [("call:1", 10), ("call:2", 10), ("call:3", 20), ("call:4", 500)] {
        db.job("a", event, &[], due).await?;
    }
    db.job("b", "call:5", &[], 900).await?;
    // One is stuck, one is under way, one waits to be tried again.
    let mut claimed = db.claim(3, 30).await?;
    let (first, second) = (claimed.remove(0), claimed.remove(0));
    db.store.park(first.fence, "no manager 12", at(31)).await?;
    db.store.put_off(second.fence, at(400), "HTTP 502", true, at(31)).await?;
    let flows = ["a".to_owned(), "b".to_owned(), "none".to_owned()];
    let (house, now) = db.store.house(&flows, at(450)).await?;
    assert_eq!(now, at(450));
    let a = house.flows["a"];
    assert_eq!((a.waiting, a.due, a.deciding, a.stuck), (2, 1, 1, 1), "{:?}", house.flows);
    assert_eq!((house.flows["b"].waiting, house.flows["none"].waiting), (1, 0));
    assert_eq!(house.jobs["waiting"], 3);
    assert_eq!(house.oldest_due, Some(at(20)));
    let stuck = &house.stuck[0];
    assert_eq!(
        (house.stuck.len(), stuck.id, stuck.why.as_deref()),
        (1, first.fence.job, Some("no manager 12"))
    );
    assert!(stuck.event.starts_with("call:"), "{}", stuck.event);
    Ok(())
}

#[tokio::test]
async fn states_and_looks_are_replaced_whole() -> Tested {
    let db = Db::new().await?;
    let row = |state: &str, why: Option<&str>, answered: Option<i64>, seen: i64| ConnectionRow {
        connection: "shop".to_owned(),
        state: state.to_owned(),
        why: why.map(str::to_owned),
        since: at(1),
        answered: answered.map(at),
        seen: at(seen),
    };
    db.store.keep_states(vec![row("ready", None, Some(5), 6)]).await?;
    db.store.keep_states(vec![row("paused", Some("HTTP 502"), None, 700)]).await?;
    let (house, now) = db.store.house(&[], at(10)).await?;
    // A start forgets when it was answered last; the row does not. The daemon's clock counts.
    assert_eq!(house.states, [row("paused", Some("HTTP 502"), Some(5), 700)]);
    assert_eq!(now, at(700));

    assert_eq!(db.store.drift("shop").await?, None);
    let mut look = DriftRow {
        connection: "shop".to_owned(),
        looked: at(1),
        problems: vec![json!({ "title": "gone" })],
        seen: json!({ "stores": ["main"] }),
    };
    db.store.keep_drift(&look).await?;
    look.problems.clear();
    db.store.keep_drift(&look).await?;
    assert_eq!(db.store.drift("shop").await?, Some(look.clone()));
    assert_eq!(db.store.house(&[], at(10)).await?.0.drift, [look]);
    Ok(())
}
