//! The journal of leads, found by contact. Invariant: see `store::leads` and `store::journals`.
#![cfg(test)]

use super::*;
use crate::domain::{Covered, Lead, Seen};

fn lead(id: &str, second: i64, contacts: &[&str]) -> Lead {
    Lead {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        id: id.to_owned(),
        at: at(second),
        contacts: contacts.iter().map(|contact| (*contact).to_owned()).collect(),
        source: None,
        medium: None,
        campaign: None,
        seen: Seen::JOURNAL,
    }
}

fn search(contacts: &[&str], from: i64, to: i64, near: i64) -> LeadSearch {
    LeadSearch {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        contacts: contacts.iter().map(|contact| (*contact).to_owned()).collect(),
        from: at(from),
        to: at(to),
        at: at(near),
        most: 3,
    }
}

fn ids(found: &[Candidate]) -> Vec<&str> {
    found.iter().map(|lead| lead.id.as_str()).collect()
}

fn covered(from: i64, until: i64) -> Covered {
    let (connection, kind) = ("calls".to_owned(), "call".to_owned());
    Covered { connection, kind, from: at(from), until: at(until) }
}

async fn whole(db: &Db) -> Tested {
    let wrong = "select count(*) as n from lead_contact c left join lead l on l.id = c.lead \
        where l.id is null or l.at <> c.at or l.journal <> c.journal";
    assert_eq!(db.number(wrong).await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_ends_of_a_window_are_within_it_and_the_nearest_outside_are_told() -> Tested {
    let db = Db::new().await?;
    let leads = [("a", 9), ("b", 10), ("c", 15), ("d", 20), ("e", 21), ("f", 8), ("g", 30)];
    db.store.keep_leads(leads.map(|(id, s)| lead(id, s, &["phone:1"])).to_vec(), None).await?;
    let found = db.store.leads(&search(&["phone:1"], 10, 20, 18)).await?;
    assert_eq!(ids(&found.inside), ["b", "c", "d"]);
    let outside = |found: &LeadsFound| {
        (found.before.as_ref().map(|l| l.id.clone()), found.after.as_ref().map(|l| l.id.clone()))
    };
    assert_eq!(outside(&found), (Some("a".to_owned()), Some("e".to_owned())));
    assert_eq!(found.covered, None);
    // One moment is a window too, and a time beyond the window still orders it.
    let found = db.store.leads(&search(&["phone:1"], 15, 15, 15)).await?;
    assert_eq!(ids(&found.inside), ["c"]);
    for near in [0, 9, 21, 99] {
        let found = db.store.leads(&search(&["phone:1"], 10, 20, near)).await?;
        assert_eq!(ids(&found.inside), ["b", "c", "d"], "near {near}");
        assert_eq!(outside(&found), (Some("a".to_owned()), Some("e".to_owned())), "near {near}");
    }
    let found = db.store.leads(&search(&["phone:1"], 22, 29, 25)).await?;
    assert_eq!((found.inside.len(), outside(&found)), (0, (Some("e".into()), Some("g".into()))));
    // Others are nobody's business.
    for nothing in [
        search(&["phone:2"], 0, 99, 50),
        search(&[], 0, 99, 50),
        search(&["phone:1"], 20, 10, 15),
        LeadSearch { kind: "request".to_owned(), ..search(&["phone:1"], 0, 99, 50) },
        LeadSearch { connection: "other".to_owned(), ..search(&["phone:1"], 0, 99, 50) },
    ] {
        assert_eq!(db.store.leads(&nothing).await?, LeadsFound::default(), "{nothing:?}");
    }
    Ok(())
}

#[tokio::test]
async fn of_many_leads_the_nearest_of_each_side_are_told_and_of_two_contacts_the_first() -> Tested {
    let db = Db::new().await?;
    let mut all: Vec<Lead> =
        (0..100).map(|n| lead(&format!("{n:03}"), n * 10, &["phone:1"])).collect();
    all.push(lead("both", 505, &["email:a", "phone:1"]));
    all.push(lead("mail", 512, &["email:a"]));
    db.store.keep_leads(all, None).await?;
    let found = db.store.leads(&search(&["phone:1"], 0, 2000, 500)).await?;
    assert_eq!(ids(&found.inside), ["048", "049", "050", "both", "051", "052"]);
    let found = db.store.leads(&search(&["email:a", "phone:1"], 0, 2000, 500)).await?;
    assert_eq!(ids(&found.inside), ["048", "049", "050", "both", "051", "mail"]);
    assert_eq!(found.inside[3].contact, "email:a");
    let found = db.store.leads(&search(&["phone:1", "email:a"], 100, 109, 105)).await?;
    assert_eq!(ids(&found.inside), ["010"]);
    assert_eq!(found.before.map(|lead| lead.id).as_deref(), Some("009"));
    assert_eq!(found.after.map(|lead| lead.id).as_deref(), Some("011"));
    Ok(())
}

#[tokio::test]
async fn a_lead_that_comes_again_loses_nothing_and_may_move() -> Tested {
    let db = Db::new().await?;
    let with = |text: &str| Some(text.to_owned());
    let first = Lead { source: with("yandex"), ..lead("1", 10, &["phone:1"]) };
    let again = Lead {
        source: with("google"),
        medium: with("cpc"),
        seen: Seen::HOOK,
        ..lead("1", 12, &["email:a", "phone:1"])
    };
    let third = Lead { medium: None, seen: Seen::BACKFILL, ..lead("1", 12, &[]) };
    db.store.keep_leads(vec![first, again.clone()], None).await?;
    for _ in 0..2 {
        db.store
            .keep_leads(vec![again.clone(), third.clone(), lead("2", 5, &["phone:1"])], None)
            .await?;
        whole(&db).await?;
    }
    let found = db.store.leads(&search(&["email:a", "phone:1"], 0, 99, 10)).await?;
    assert_eq!(ids(&found.inside), ["2", "1"]);
    let one = &found.inside[1];
    assert_eq!(
        (one.at, one.source.as_deref(), one.medium.as_deref()),
        (at(12), Some("yandex"), Some("cpc"))
    );
    assert_eq!(db.number("select seen as n from lead where lead_id = '1'").await?, 7);
    assert_eq!(db.number("select count(*) as n from lead_contact").await?, 3);
    // Moved back by one that comes alone.
    db.store.keep_leads(vec![lead("1", 3, &["phone:2"])], None).await?;
    whole(&db).await?;
    let found = db.store.leads(&search(&["phone:2"], 0, 99, 10)).await?;
    assert_eq!((ids(&found.inside), found.inside[0].at), (vec!["1"], at(3)));
    assert!(ids(&db.store.leads(&search(&["email:a"], 4, 99, 10)).await?.inside).is_empty());
    let odd = Lead { campaign: with("a\0\"'\\ \u{1F980}"), ..lead("o\0dd", 4, &["email:\0"]) };
    db.store.keep_leads(vec![odd.clone(), odd], None).await?;
    assert_eq!(db.number("select count(*) as n from lead").await?, 3);
    Ok(())
}

#[tokio::test]
async fn ways_are_counted() -> Tested {
    let db = Db::new().await?;
    let seen = |id: &str, second, seen| Lead { seen, ..lead(id, second, &[]) };
    let leads = vec![
        seen("1", 0, Seen::HOOK),
        seen("2", 1, Seen::HOOK),
        seen("2", 1, Seen::JOURNAL),
        seen("3", 2, Seen::JOURNAL),
        seen("4", 3, Seen::BACKFILL),
        seen("5", 10, Seen::HOOK),
    ];
    db.store.keep_leads(leads, None).await?;
    let counts = db.store.lead_counts("calls", "call", (at(0), at(10))).await?;
    assert_eq!(counts, LeadCounts { all: 4, hooked: 2, polled_only: 1 });
    let none = db.store.lead_counts("calls", "chat", (at(0), at(10))).await?;
    assert_eq!(none, LeadCounts::default());
    Ok(())
}

#[tokio::test]
async fn what_is_covered_grows_by_what_touches_it() -> Tested {
    let db = Db::new().await?;
    for (from, until, then) in [
        (100, 200, (100, 200)),
        (150, 180, (100, 200)),
        (200, 220, (100, 220)),
        (90, 100, (90, 220)),
        (50, 89, (90, 220)),
        (80, 230, (80, 230)),
        (231, 231, (80, 230)),
        (231, 240, (231, 240)),
        (80, 230, (231, 240)),
        (0, 231, (0, 240)),
    ] {
        db.store.keep_leads(Vec::new(), Some(covered(from, until))).await?;
        let known = db.store.covered("calls", "call").await?;
        assert_eq!(known, Some((at(then.0), at(then.1))), "after {from}..{until}");
    }
    assert_eq!(db.store.leads(&search(&["x"], 0, 9, 5)).await?.covered, Some((at(0), at(240))));
    assert_eq!(db.store.covered("calls", "request").await?, None);
    Ok(())
}

#[tokio::test]
async fn routing_keeps_leads_by_the_way_they_came() -> Tested {
    let db = Db::new().await?;
    let judge: Judge = Arc::new(|event, _| {
        let seconds = event.registered.as_second() - at(0).as_second();
        let mut kept = lead(event.key.trim_start_matches("call:"), seconds, &["phone:1"]);
        kept.seen = Seen::default();
        kept.source = event.fields.get("source").and_then(|v| v.as_str()).map(str::to_owned);
        Judged { lead: Some(kept), ..Judged::default() }
    });
    let mut event = one("call:1");
    db.routed_by(&event, Arc::clone(&judge)).await?;
    assert_eq!(db.number("select seen as n from lead").await?, 1);
    event.fields.insert("source".to_owned(), json!("yandex"));
    let polled = Raw { channel: "calls".to_owned(), ..raw("polled") };
    db.store.accept(vec![polled, raw("other")], None).await?;
    let mut rows = db.store.unrouted(9, None).await?;
    rows.sort_by_key(|raw| raw.channel.clone());
    let batch = || {
        vec![
            (rows[0].id, Reading::Events(vec![event.clone(), one("call:2")])),
            (rows[1].id, Reading::Events(vec![one("call:3")])),
        ]
    };
    db.store.route(batch(), Arc::clone(&judge), at(1)).await?;
    db.store.route(batch(), judge, at(1)).await?;
    let seen = |id: &str| match id {
        "1" => "select seen as n from lead where lead_id = '1'",
        "2" => "select seen as n from lead where lead_id = '2'",
        _ => "select seen as n from lead where lead_id = '3'",
    };
    for (id, expected) in [("1", 3), ("2", 2), ("3", 1)] {
        assert_eq!(db.number(seen(id)).await?, expected, "{id}");
    }
    let found = db.store.leads(&search(&["phone:1"], 0, 0, 0)).await?;
    assert_eq!(ids(&found.inside), ["1", "2", "3"]);
    assert_eq!(found.inside[0].source.as_deref(), Some("yandex"));
    Ok(())
}
