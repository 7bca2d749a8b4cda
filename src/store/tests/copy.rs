//! A SQLite store copied into PostgreSQL. Invariant: what was there is there, and work goes on.
#![cfg(test)]

use super::*;

/// A file with a bit of everything, and the URL of an empty database beside it.
async fn filled() -> Result<Option<(tempfile::TempDir, Store, String)>, Box<dyn std::error::Error>>
{
    if server().is_none() {
        println!("LEADLINK_TEST_POSTGRES is not set: nothing is copied");
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let to = made(&folder).await?;
    let from = format!("sqlite:{}", folder.path().join("data/leadlink.db").display());
    let store = Store::open(&from, at(0)).await?;
    let db = Db { folder, store };
    db.job("a", "call:1", &["shop|79990000001"], 0).await?;
    let (claimed, steps) = db.begun(&["create", "mark"], 0).await?;
    let link = crate::domain::Link {
        from_kind: "event".to_owned(),
        from_connection: "calls".to_owned(),
        from_id: "call:1".to_owned(),
        to_connection: "shop".to_owned(),
        to_kind: "order".to_owned(),
        to_id: "17".to_owned(),
        made: at(1),
    };
    let done = Finished { links: vec![link], ..finished(steps[0], StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(1)).await?;
    for n in 2..1203 {
        let lane = format!("shop|7999{n:07}");
        db.job("a", &format!("call:{n}"), &[&lane, "shop|everybody"], n).await?;
    }
    db.store.accept(vec![Raw { body: Vec::new(), ..raw("empty") }], None).await?;
    let odd =
        Raw { body: vec![0, 255, 7], dedupe_key: "a\0b \u{1F980} \"'".to_owned(), ..raw("odd") };
    let cursor = CursorMove {
        connection: "calls".to_owned(),
        feed: "journal".to_owned(),
        to: json!({ "day": "2026-11-20" }),
        at: at(3),
    };
    db.store.accept(vec![odd], Some(cursor)).await?;
    db.store.first_start("calls", at(0)).await?;
    let lead = |n: i64| crate::domain::Lead {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        id: n.to_string(),
        at: at(n),
        contacts: vec!["phone:+79990000001".to_owned(), format!("phone:+7{n}")],
        source: (n % 2 == 0).then(|| "yandex \u{1F980}".to_owned()),
        medium: None,
        campaign: None,
        seen: crate::domain::Seen::HOOK,
    };
    let covered = crate::domain::Covered {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        from: at(0),
        until: at(2000),
    };
    db.store.keep_leads((0..1200).map(lead).collect(), Some(covered)).await?;
    let deal = crate::domain::Kept {
        connection: "calls".to_owned(),
        kind: "deal".to_owned(),
        id: "17".to_owned(),
        fields: input(&json!({ "status": "new" })),
        at: at(4),
    };
    db.store.keep_entities(vec![deal]).await?;
    let day = jiff::civil::date(2026, 11, 20);
    db.store.begin_backfill("leads", "calls", (day, day), at(4)).await?;
    let Db { folder, store } = db;
    Ok(Some((folder, store, to)))
}

#[tokio::test]
async fn everything_is_copied_and_work_goes_on() -> Tested {
    let Some((folder, from, url)) = filled().await? else { return Ok(()) };
    let mut told = Vec::new();
    let rows = from
        .copy_to(&url, at(5), |copied| told.push((copied.table.to_owned(), copied.rows, copied.of)))
        .await?;
    assert!(rows > 6_000, "{rows}");
    assert!(told.contains(&("event".to_owned(), 1000, 1202)), "{told:?}");
    assert!(told.contains(&("event".to_owned(), 1202, 1202)));
    let to = Store::open(&url, at(5)).await?;
    for word in ["call:1", "call:700", "order:17"] {
        let (before, after) = (from.story(word).await?, to.story(word).await?);
        assert_eq!(before.len(), 1, "{word}");
        assert_eq!(serde_json::to_value(before)?, serde_json::to_value(after)?, "{word}");
    }
    let counts = to.counts(at(5)).await?;
    assert_eq!(counts, from.counts(at(5)).await?);
    assert_eq!((counts.acted, counts.waiting), (1, 1201));
    assert_eq!(to.cursor("calls", "journal").await?, Some(json!({ "day": "2026-11-20" })));
    assert_eq!(to.first_start("calls", at(99)).await?, at(0));
    let (before, after) = (from.unrouted(9, None).await?, to.unrouted(9, None).await?);
    let bodies = |rows: &[Raw]| rows.iter().map(|raw| raw.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&before), bodies(&after));
    assert_eq!(bodies(&after), [vec![], vec![0, 255, 7]]);

    let search = LeadSearch {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        contacts: vec!["phone:+79990000001".to_owned()],
        from: at(100),
        to: at(1000),
        at: at(700),
        most: 9,
    };
    let found = to.leads(&search).await?;
    assert_eq!((found.inside.len(), found.covered), (18, Some((at(0), at(2000)))));
    assert_eq!(found, from.leads(&search).await?);
    let of = ["calls".to_owned()];
    assert_eq!(to.entity(&of, "deal", "17").await?, from.entity(&of, "deal", "17").await?);
    assert_eq!(to.backfills(true).await?, from.backfills(true).await?);

    // New rows have ids of their own, and the order of the lane is kept.
    let db = Db { folder, store: to };
    let days = (jiff::civil::date(2026, 1, 1), jiff::civil::date(2026, 1, 2));
    assert_eq!(db.store.begin_backfill("deals", "calls", days, at(5)).await?.id, 2);
    let late = crate::domain::Lead {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        id: "late".to_owned(),
        at: at(700),
        contacts: vec!["phone:+79990000001".to_owned()],
        source: None,
        medium: None,
        campaign: None,
        seen: crate::domain::Seen::HOOK,
    };
    db.store.keep_leads(vec![late], None).await?;
    assert!(db.store.leads(&search).await?.inside.iter().any(|lead| lead.id == "late"));
    db.job("a", "call:new", &["shop|everybody"], 0).await?;
    let claimed = db.claim(10, 5000).await?;
    assert_eq!(claimed.iter().map(|job| job.event.key.as_str()).collect::<Vec<_>>(), ["call:new"]);
    Ok(())
}

#[tokio::test]
async fn only_an_empty_database_is_copied_to_and_only_a_whole_copy_stays() -> Tested {
    let Some((folder, from, url)) = filled().await? else { return Ok(()) };
    let db = Db { folder, store: Store::open(&url, at(0)).await? };
    db.store.accept(vec![raw("there before")], None).await?;
    let refused = from.copy_to(&url, at(5), |_| {}).await;
    let Err(Error::Open(why)) = refused else { return Err(format!("{refused:?}").into()) };
    assert!(why.contains("already holds"), "{why}");
    assert_eq!(db.number("select count(*) as n from raw").await?, 1);
    let elsewhere = from.copy_to("sqlite:other.db", at(5), |_| {}).await;
    assert!(matches!(elsewhere, Err(Error::Url(_))), "{elsewhere:?}");
    Ok(())
}
