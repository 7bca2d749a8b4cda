//! Accepting: kept once, answered when durable. Invariant: see `store::inbox`.
#![cfg(test)]

use super::*;

#[tokio::test]
async fn a_row_is_kept_once_with_its_bytes() -> Tested {
    let db = Db::new().await?;
    let mut odd = raw("a");
    odd.body = vec![0, 159, 146, 150];
    let first = db.store.accept(vec![odd.clone(), raw("a"), raw("b")], None).await?;
    assert_eq!(first, Accepted { new: 2, duplicate: 1 }, "one of them twice in one batch");
    let again = db.store.accept(vec![raw("b")], None).await?;
    assert_eq!(again, Accepted { new: 0, duplicate: 1 });
    let mut elsewhere = raw("b");
    elsewhere.connection = "other".to_owned();
    assert_eq!(db.store.accept(vec![elsewhere], None).await?.new, 1, "keys are the connection's");

    let rows = db.store.unrouted(10, None).await?;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0], Raw { id: rows[0].id, ..odd });
    assert_eq!(db.store.unrouted(2, None).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn an_empty_body_and_many_rows_in_one_batch() -> Tested {
    let db = Db::new().await?;
    let mut rows: Vec<Raw> = (0..50).map(|n| raw(&format!("k{}", n % 40))).collect();
    rows[0].body = Vec::new();
    assert_eq!(db.store.accept(rows, None).await?, Accepted { new: 40, duplicate: 10 });
    assert!(db.store.unrouted(1, None).await?[0].body.is_empty());
    assert_eq!(db.store.accept(Vec::new(), None).await?, Accepted::default());
    Ok(())
}

#[tokio::test]
async fn a_cursor_moves_with_its_rows_even_with_none() -> Tested {
    let db = Db::new().await?;
    let moved = |to: i64| CursorMove {
        connection: "calls".to_owned(),
        feed: "requests".to_owned(),
        to: json!({ "id": to }),
        at: at(to),
    };
    assert_eq!(db.store.cursor("calls", "requests").await?, None);
    db.store.accept(vec![raw("a")], Some(moved(1))).await?;
    db.store.accept(Vec::new(), Some(moved(2))).await?;
    assert_eq!(db.store.cursor("calls", "requests").await?, Some(json!({ "id": 2 })));
    assert_eq!(db.store.cursor("calls", "calls").await?, None);
    let cursors = db.store.counts(at(9)).await?.cursors;
    assert_eq!(cursors, vec![("calls".to_owned(), "requests".to_owned(), at(2))]);
    Ok(())
}

#[tokio::test]
async fn callers_at_once_share_commits_and_each_hears_its_own_count() -> Tested {
    let db = Db::new().await?;
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let store = db.store.clone();
            // Neighbours bring the same key.
            tokio::spawn(
                async move { store.accept(vec![raw(&format!("k{}", caller / 2))], None).await },
            )
        })
        .collect();
    let mut counts = Accepted::default();
    for caller in callers {
        let accepted = caller.await??;
        counts.new += accepted.new;
        counts.duplicate += accepted.duplicate;
    }
    assert_eq!(counts, Accepted { new: 32, duplicate: 32 });
    assert_eq!(db.number("select count(*) as n from raw").await?, 32);
    Ok(())
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() -> Tested {
    let db = Db::new().await?;
    for n in 0..20 {
        let store = db.store.clone();
        let caller =
            tokio::spawn(async move { store.accept(vec![raw(&format!("gone{n}"))], None).await });
        tokio::task::yield_now().await;
        caller.abort();
        let asked = db.store.clone();
        let task = tokio::spawn(async move { asked.ping(at(n)).await });
        tokio::task::yield_now().await;
        task.abort();
    }
    assert_eq!(db.store.accept(vec![raw("stays")], None).await?.new, 1);
    Ok(())
}

#[tokio::test]
async fn what_was_accepted_is_there_after_reopening() -> Tested {
    let db = Db::new().await?;
    db.store.accept(vec![raw("a")], None).await?;
    let db = db.reopened(at(1)).await?;
    assert_eq!(db.store.unrouted(10, None).await?.len(), 1);
    assert_eq!(db.store.accept(vec![raw("a")], None).await?.duplicate, 1);
    Ok(())
}
