//! Backfills. Invariant: what was read and where it goes on are one; what was stopped keeps nothing.
#![cfg(test)]

use super::*;
use crate::domain::{Covered, Lead, Seen};
use jiff::civil::date;

fn lead(id: &str, second: i64) -> Lead {
    Lead {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        id: id.to_owned(),
        at: at(second),
        contacts: vec!["phone:1".to_owned()],
        source: None,
        medium: None,
        campaign: None,
        seen: Seen::BACKFILL,
    }
}

fn page(n: u64) -> Progress {
    Progress {
        position: json!({ "page": n }),
        done: n * 2,
        total: Some(10),
        requests: n,
        rows: vec![raw(&format!("listed:{n}")), raw("listed:twice")],
        leads: vec![lead(&n.to_string(), 5), lead("twice", 6)],
        covered: Some(Covered {
            connection: "calls".to_owned(),
            kind: "call".to_owned(),
            from: at(0),
            until: at(10),
        }),
        ended: None,
    }
}

async fn rows(db: &Db) -> Result<(i64, i64), Error> {
    let raws = db.number("select count(*) as n from raw").await?;
    Ok((raws, db.number("select count(*) as n from lead").await?))
}

#[tokio::test]
async fn a_page_is_kept_with_its_place_and_once() -> Tested {
    let db = Db::new().await?;
    let days = (date(2026, 1, 1), date(2026, 2, 28));
    let begun = db.store.begin_backfill("leads", "calls", days, at(0)).await?;
    assert_eq!((begun.first, begun.last, begun.state), (days.0, days.1, BackfillState::Running));
    assert_eq!((begun.position.clone(), begun.done, begun.total), (Value::Null, 0, None));
    // One runs; whoever wants other days is told of it. Other sorts and connections have their own.
    let other = (date(2025, 1, 1), date(2025, 2, 1));
    assert_eq!(db.store.begin_backfill("leads", "calls", other, at(1)).await?, begun);
    let deals = db.store.begin_backfill("deals", "calls", other, at(1)).await?;
    let elsewhere = db.store.begin_backfill("leads", "shop", other, at(1)).await?;
    assert_eq!(db.store.backfills(true).await?, [elsewhere, deals, begun.clone()]);

    for n in [1, 2, 2] {
        assert!(db.store.progress_backfill(begun.id, page(n), at(3)).await?);
    }
    assert_eq!(rows(&db).await?, (3, 3));
    assert_eq!(db.store.unrouted(9, None).await?.len(), 3);
    assert_eq!(db.store.covered("calls", "call").await?, Some((at(0), at(10))));
    let known = db.store.backfill(begun.id).await?.ok_or("it is there")?;
    assert_eq!((known.position, known.done, known.total), (json!({ "page": 2 }), 4, Some(10)));
    assert_eq!((known.requests, known.created, known.changed), (2, at(0), at(3)));
    let db = db.reopened(at(4)).await?;
    let last = Progress { ended: Some((BackfillState::Done, None)), ..page(3) };
    assert!(db.store.progress_backfill(begun.id, last, at(5)).await?);
    assert!(!db.store.progress_backfill(begun.id, page(4), at(6)).await?);
    assert_eq!(rows(&db).await?, (4, 4));
    assert_eq!(db.store.backfill(begun.id).await?.ok_or("there")?.state, BackfillState::Done);
    // Done is done: it is not gone on with, and the next one begins from its start.
    let same = db.store.resume_backfill(begun.id, at(7)).await?;
    assert_eq!(same.state, BackfillState::Done);
    let next = db.store.begin_backfill("leads", "calls", days, at(8)).await?;
    assert!(next.id > begun.id && next.position.is_null());
    assert_eq!(db.store.backfills(false).await?.len(), 4);
    assert_eq!(db.store.backfill(99).await?, None);
    Ok(())
}

#[tokio::test]
async fn what_is_stopped_keeps_nothing_more_until_it_is_gone_on_with() -> Tested {
    let db = Db::new().await?;
    let days = (date(2026, 1, 1), date(2026, 1, 2));
    let first = db.store.begin_backfill("deals", "calls", days, at(0)).await?;
    assert!(db.store.progress_backfill(first.id, page(1), at(1)).await?);
    assert!(db.store.stop_backfill(first.id, "a person", at(2)).await?);
    assert!(!db.store.stop_backfill(first.id, "another", at(3)).await?);
    assert!(!db.store.progress_backfill(first.id, page(2), at(3)).await?);
    assert_eq!(rows(&db).await?, (2, 2));
    let stopped = db.store.backfill(first.id).await?.ok_or("there")?;
    assert_eq!((stopped.state, stopped.why.as_deref()), (BackfillState::Stopped, Some("a person")));
    // While another one runs it cannot run beside it.
    let second = db.store.begin_backfill("deals", "calls", days, at(4)).await?;
    assert_eq!(db.store.resume_backfill(first.id, at(5)).await?.state, BackfillState::Stopped);
    let failed = Some((BackfillState::Failed, Some("refused".to_owned())));
    let failed = Progress { ended: failed, ..Progress::default() };
    assert!(db.store.progress_backfill(second.id, failed, at(6)).await?);
    let on = db.store.resume_backfill(first.id, at(7)).await?;
    assert_eq!((on.state, on.why, on.position), (BackfillState::Running, None, json!({"page": 1})));
    assert!(db.store.progress_backfill(first.id, page(2), at(8)).await?);
    Ok(())
}
