//! Locked files, full disks, second owners, failing members. Invariant: nothing is reported as done
//! that is not kept, and when the trouble is over the store works on.
#![cfg(test)]

use super::*;
use sqlx::{Connection as _, Executor};

#[tokio::test]
async fn a_second_owner_is_refused_and_a_reader_beside_is_not() -> Tested {
    if server().is_some() {
        // Of a file.
        return Ok(());
    }
    let db = Db::new().await?;
    let second = Store::open(&url(&db.folder), at(0)).await;
    let Err(Error::Owned(file)) = second.map(drop) else { return Err("a second owner".into()) };
    assert!(file.ends_with("leadlink.db"), "{file}");

    let beside = Store::open_beside(&url(&db.folder)).await?;
    db.job("a", "call:1", &[], 0).await?;
    assert_eq!(beside.story("call:1").await?.len(), 1);
    let left = beside.leave_command("poll", &json!({ "connection": "calls" }), at(1)).await?;
    let taken = db.store.take_command(|_| true, at(2)).await?.ok_or("a command")?;
    assert_eq!((taken.id, taken.kind.as_str()), (left, "poll"));
    assert_eq!(taken.body, json!({ "connection": "calls" }));
    assert!(db.store.take_command(|_| true, at(2)).await?.is_none(), "taken once");
    assert_eq!(beside.command_answer(left).await?, None);
    db.store.answer_command(left, &json!({ "new": 3 }), at(3)).await?;
    assert_eq!(beside.command_answer(left).await?, Some(json!({ "new": 3 })));
    beside.close().await;
    db.store.ping(at(4)).await?;

    db.store.close().await;
    assert!(matches!(db.store.ping(at(5)).await, Err(Error::Unavailable(_))));
    assert!(matches!(db.store.accept(vec![raw("a")], None).await, Err(Error::Unavailable(_))));
    Store::open(&url(&db.folder), at(6)).await?.ping(at(6)).await?;
    Ok(())
}

#[tokio::test]
async fn urls_that_are_not_ours() -> Tested {
    for (url, told) in [
        (
            "postgres://user:hidden@db:port/leads",
            "the address in [store] url (write postgres://USER:PASSWORD@HOST/DATABASE)",
        ),
        ("mysql://user:hidden@db/leads", "mysql:"),
        ("sqlite:", "sqlite:"),
    ] {
        let Err(Error::Url(why)) = Store::open(url, at(0)).await.map(drop) else {
            return Err(format!("{url} was opened").into());
        };
        assert_eq!(why, told);
    }
    let folder = tempfile::tempdir()?;
    let nothing = Store::open_beside(&url(&folder)).await.map(drop);
    assert!(matches!(nothing, Err(Error::Empty(_) | Error::Open(_))), "{nothing:?}");
    Ok(())
}

#[tokio::test]
async fn a_file_of_another_version_is_refused() -> Tested {
    if server().is_some() {
        // Of a file.
        return Ok(());
    }
    let db = Db::new().await?;
    db.store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(db.folder.path().join("data/leadlink.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options).await?;
    other
        .execute(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
             values (99, 'from the future', 1, x'00', 0)",
        )
        .await?;
    other.close().await?;
    let opened = Store::open(&url(&db.folder), at(0)).await.map(drop);
    assert!(matches!(opened, Err(Error::Version(_))), "{opened:?}");
    let beside = Store::open_beside(&url(&db.folder)).await.map(drop);
    assert!(matches!(beside, Err(Error::Version(_))), "{beside:?}");
    Ok(())
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_to_this_one() -> Tested {
    if server().is_some() {
        // Of a file.
        return Ok(());
    }
    let db = Db::new().await?;
    db.job("a", "call:1", &[], 0).await?;
    db.job("a", "call:2", &[], 0).await?;
    let claimed = db.claim(1, 0).await?;
    db.store.begin(claimed[0].fence, decided(Verdict::Skip, &[]), at(0)).await?;
    db.store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(db.folder.path().join("data/leadlink.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options).await?;
    other
        .execute(
            "drop trigger job_count_in; drop trigger job_count_moved; drop trigger job_count_out; \
             drop table job_count; delete from _sqlx_migrations where version = 2",
        )
        .await?;
    other.close().await?;
    let db = db.reopened(at(0)).await?;
    db.job("a", "call:3", &[], 0).await?;
    let counts = db.store.counts(at(0)).await?;
    assert_eq!((counts.waiting, counts.skipped, counts.acted), (2, 1, 0));
    Ok(())
}

#[tokio::test]
async fn a_locked_database_takes_nothing_and_loses_nothing() -> Tested {
    if server().is_some() {
        // Of a file.
        return Ok(());
    }
    let db = Db::new().await?;
    db.store.accept(vec![raw("before")], None).await?;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(db.folder.path().join("data/leadlink.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options).await?;
    other.execute("begin immediate").await?;
    let (accepted, pinged) =
        tokio::join!(db.store.accept(vec![raw("during")], None), db.store.ping(at(1)));
    assert!(matches!(accepted, Err(Error::Unavailable(_))), "{accepted:?}");
    assert!(matches!(pinged, Err(Error::Unavailable(_))), "{pinged:?}");
    assert_eq!(db.store.unrouted(10, None).await?.len(), 1, "reading goes on");
    other.execute("rollback").await?;
    assert_eq!(db.store.accept(vec![raw("during")], None).await?.new, 1);
    db.store.ping(at(2)).await?;
    Ok(())
}

async fn limit_pages(db: &Db, sql: &'static str) -> Result<(), Error> {
    let limit = Statement::new("test", sql);
    db.store
        .write(move |db| Box::pin(async move { db.fetch(limit, args![]).await.map(drop) }))
        .await
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_works_when_there_is_room() -> Tested {
    if server().is_some() {
        // Of a file.
        return Ok(());
    }
    let db = Db::new().await?;
    db.store.accept(vec![raw("before")], None).await?;
    limit_pages(&db, "pragma max_page_count = 1").await?;
    let big = |key: &str| Raw { body: vec![7; 300_000], ..raw(key) };
    let (first, second) =
        tokio::join!(db.store.accept(vec![big("a")], None), db.store.accept(vec![big("b")], None));
    assert!(matches!(first, Err(Error::Unavailable(_))), "{first:?}");
    assert!(matches!(second, Err(Error::Unavailable(_))), "{second:?}");
    limit_pages(&db, "pragma max_page_count = 1000000").await?;
    assert_eq!(db.store.unrouted(10, None).await?.len(), 1);
    assert_eq!(db.store.accept(vec![big("a"), big("b")], None).await?.new, 2);
    Ok(())
}

#[tokio::test]
async fn a_failing_member_of_a_group_fails_alone() -> Tested {
    let db = Db::new().await?;
    let keep =
        Statement::new("test", "insert into connection_start (connection, started) values ($1, 1)");
    let store = &db.store;
    let failing = store.write(move |db| {
        Box::pin(async move {
            db.execute(keep, args!["undone"]).await?;
            db.execute(keep, args!["undone"]).await.map(drop)
        })
    });
    let panicking = store.write::<(), _>(move |db| {
        Box::pin(async move {
            db.execute(keep, args!["undone too"]).await?;
            panic!("a defect of a judge")
        })
    });
    let fine = store
        .write(move |db| Box::pin(async move { db.execute(keep, args!["kept"]).await.map(drop) }));
    let accept = store.accept(vec![raw("a")], None);
    let (failing, panicking, fine, accepted) = tokio::join!(failing, panicking, fine, accept);
    assert!(matches!(failing, Err(Error::Damaged { table: "test", .. })), "{failing:?}");
    assert!(matches!(panicking, Err(Error::Unavailable(_))), "{panicking:?}");
    fine?;
    assert_eq!(accepted?.new, 1);
    assert_eq!(db.number("select count(*) as n from connection_start").await?, 1);
    assert_eq!(db.store.first_start("kept", at(9)).await?.as_millisecond(), 1);
    assert_eq!(db.store.first_start("calls", at(9)).await?, at(9));
    assert_eq!(db.store.first_start("calls", at(10)).await?, at(9));
    Ok(())
}

#[tokio::test]
async fn a_failed_commit_is_told_to_every_member() -> Tested {
    if server().is_some() {
        // Of a file.
        return Ok(());
    }
    let db = Db::new().await?;
    // A deferred foreign key fails at the commit, as a full disk may.
    let defer = Statement::new("test", "pragma defer_foreign_keys = on");
    let orphan = Statement::new("test", "insert into raw_event (raw_id, event_id) values (77, 77)");
    let store = &db.store;
    let spoiling = store.write(move |db| {
        Box::pin(async move {
            db.fetch(defer, args![]).await?;
            db.execute(orphan, args![]).await.map(drop)
        })
    });
    let (spoiling, accepted) = tokio::join!(spoiling, store.accept(vec![raw("a")], None));
    assert!(matches!(spoiling, Err(Error::Unavailable(_))), "{spoiling:?}");
    // It shared the commit, or it had one of its own; what it was told is true either way.
    let kept = db.number("select count(*) as n from raw").await?;
    assert_eq!(accepted.is_ok(), kept == 1, "{accepted:?}, {kept} kept");
    assert_eq!(db.number("select count(*) as n from raw_event").await?, 0);
    store.ping(at(1)).await?;
    Ok(())
}

#[tokio::test]
async fn a_row_that_does_not_read_back_is_reported_as_damaged() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 0).await?;
    let spoil = Statement::new("event", "update event set fields = 'not JSON'");
    db.store.write(move |db| Box::pin(async move { db.execute(spoil, args![]).await })).await?;
    let told = db.store.story("call:1").await;
    let Err(Error::Damaged { table, why }) = told.map(drop) else { return Err("read".into()) };
    assert_eq!(table, "event");
    assert!(why.starts_with("fields: "), "{why}");
    let claimed = db.claim(1, 0).await;
    assert!(matches!(claimed, Err(Error::Damaged { .. })));
    Ok(())
}
