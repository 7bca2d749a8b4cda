//! Retention: what is old goes, what is needed stays, and what is gone does not act again. Invariant:
//! after each run the database is whole, to its foreign keys and its counts.
//!
//! `PROPTEST_CASES` sets how many stories are played.
#![cfg(test)]

use super::super::open;
use super::*;
use crate::domain::Link;
use proptest::prelude::*;
use std::collections::BTreeSet;

const ALL: [Kept; 11] = [
    Kept::Raw,
    Kept::Unreadable,
    Kept::Events,
    Kept::Links,
    Kept::Commands,
    Kept::Leads,
    Kept::Entities,
    Kept::Messages,
    Kept::MessageRows,
    Kept::Backfills,
    Kept::Acts,
];

/// Walks as the chore does, in windows so small that every walk has several.
async fn retired(db: &Db, kept: Kept, before: i64) -> Result<Rows, Error> {
    let (mut after, mut rows) = (0, Rows::new());
    loop {
        let window = db.store.old(kept, after, at(before), 3).await?;
        let free = db.store.free(kept, &window.ids, at(before)).await?;
        for (table, count) in db.store.delete(kept, free, at(before)).await?.rows {
            *rows.entry(table).or_default() += count;
        }
        let Some(next) = window.next else { return Ok(rows) };
        after = next;
    }
}

async fn all_retired(db: &Db, before: i64) -> Result<Rows, Error> {
    let mut rows = Rows::new();
    for kept in ALL {
        for (table, count) in retired(db, kept, before).await? {
            *rows.entry(table).or_default() += count;
        }
    }
    Ok(rows)
}

/// A judge as the head is one: an event that has no job of the flow gets one.
fn judge(lanes: Vec<String>, due: i64) -> Judge {
    Arc::new(move |event, states| {
        if !states.is_empty() {
            return Vec::new().into();
        }
        let lanes: Vec<&str> = lanes.iter().map(String::as_str).collect();
        vec![JobChange::New(draft("a", &event.key, &lanes, due))].into()
    })
}

/// A delivery of `event` under a dedupe key of its own comes and is routed at second `now`.
async fn arrives(db: &Db, event: &Event, now: i64, judge: Judge) -> Result<Routed, Error> {
    let n = db.number("select coalesce(max(id), 0) as n from raw").await?;
    let row = Raw { received: at(now), ..raw(&format!("{}#{n}@{now}", event.key)) };
    db.store.accept(vec![row], None).await?;
    let waiting = db.store.unrouted(1000, None).await?;
    let batch = waiting.iter().map(|raw| (raw.id, Reading::Events(vec![event.clone()]))).collect();
    db.store.route(batch, judge, at(now)).await
}

async fn comes(db: &Db, key: &str, now: i64) -> Result<Routed, Error> {
    arrives(db, &one(key), now, judge(vec![format!("shop|{key}")], now)).await
}

/// The one job that is due is decided, acts, and ends; the step makes a link.
async fn acts(db: &Db, now: i64) -> Tested {
    let (claimed, steps) = db.begun(&["create"], now).await?;
    let link = Link {
        from_kind: "event".to_owned(),
        from_connection: "calls".to_owned(),
        from_id: claimed.event.key.clone(),
        to_connection: "shop".to_owned(),
        to_kind: "order".to_owned(),
        to_id: "17".to_owned(),
        made: at(now),
    };
    let done = Finished { links: vec![link], ..finished(steps[0], StepState::Done) };
    let ended = db.store.finish(claimed.fence, done, end(JobState::Acted), at(now)).await?;
    assert_eq!(ended, Fenced::Yes(()));
    Ok(())
}

/// The file says of itself that it is whole, and the counts are those of the rows.
async fn whole(db: &Db) -> Tested {
    let of_the_file = [
        "select count(*) as n from pragma_foreign_key_check",
        "select count(*) as n from pragma_integrity_check where integrity_check <> 'ok'",
    ];
    for sql in of_the_file.into_iter().filter(|_| server().is_none()) {
        assert_eq!(db.number(sql).await?, 0, "{sql}");
    }
    for (sql, wrong) in [
        (
            "select count(*) as n from job_count c where jobs <> ( \
                select count(*) from job where job.state = c.state)",
            0,
        ),
        (
            "select count(*) as n from event_key k left join event e on e.id = k.event_id \
            where e.id is null",
            0,
        ),
    ] {
        assert_eq!(db.number(sql).await?, wrong, "{sql}");
    }
    Ok(())
}

async fn number_of(db: &Db, table: &str) -> Result<i64, Error> {
    let sql: &'static str = match table {
        "raw" => "select count(*) as n from raw",
        "event" => "select count(*) as n from event",
        "job" => "select count(*) as n from job",
        "link" => "select count(*) as n from link",
        "command" => "select count(*) as n from command",
        "attempt" => "select count(*) as n from attempt",
        "gone_key" => "select count(*) as n from gone_key",
        _ => "select -1 as n",
    };
    db.number(sql).await
}

#[tokio::test]
async fn raw_rows_go_when_they_are_old_and_read() -> Tested {
    let db = Db::new().await?;
    comes(&db, "call:1", 10).await?;
    acts(&db, 10).await?;
    comes(&db, "call:2", 20).await?;
    let row = Raw { received: at(5), ..raw("unreadable") };
    db.store.accept(vec![row, Raw { received: at(6), ..raw("new") }], None).await?;
    let waiting = db.store.unrouted(10, None).await?;
    let found = waiting.iter().find(|raw| raw.dedupe_key == "unreadable").ok_or("it waits")?;
    let batch = vec![(found.id, Reading::Unreadable("no JSON".to_owned()))];
    db.store.route(batch, judge(Vec::new(), 0), at(7)).await?;

    assert_eq!(retired(&db, Kept::Raw, 10).await?, Rows::new(), "as old as it may be");
    let rows = retired(&db, Kept::Raw, 11).await?;
    assert_eq!(rows, Rows::from([("raw", 1), ("raw_event", 1)]));
    let left = retired(&db, Kept::Raw, 1000).await?;
    assert_eq!(left, Rows::new(), "a job waits, a row is not routed, one is unreadable");
    let story = db.only_story("call:1").await?;
    assert_eq!((story.deliveries.len(), story.jobs.len()), (0, 1));

    assert_eq!(retired(&db, Kept::Unreadable, 5).await?, Rows::new());
    assert_eq!(retired(&db, Kept::Unreadable, 6).await?, Rows::from([("raw", 1)]));
    assert_eq!(db.store.counts(at(0)).await?.unreadable, 0);
    assert_eq!(db.store.unrouted(10, None).await?.len(), 1);
    // The bytes of a row that is gone come again: they are read anew, and nothing follows.
    let again = comes(&db, "call:1", 30).await?;
    assert_eq!((again.events, again.repeats, again.jobs), (0, 2, 0));
    whole(&db).await
}

#[tokio::test]
async fn an_old_event_goes_with_all_that_hangs_on_it_and_never_acts_again() -> Tested {
    let db = Db::new().await?;
    comes(&db, "call:1", 10).await?;
    acts(&db, 20).await?;
    assert_eq!(retired(&db, Kept::Events, 20).await?, Rows::new(), "its job ended just then");
    let rows = retired(&db, Kept::Events, 21).await?;
    let expected = [
        ("attempt", 1),
        ("decision", 1),
        ("event", 1),
        ("event_key", 1),
        ("job", 1),
        ("job_lane", 1),
        ("raw_event", 1),
        ("step", 1),
    ];
    assert_eq!(rows, Rows::from(expected));
    assert!(db.store.story("call:1").await?.is_empty());
    let ids = ["call:1".to_owned()];
    let links = db.store.links("shop", "order", "event", &ids).await?;
    assert_eq!(links.len(), 1, "the link stays");
    whole(&db).await?;

    let again = comes(&db, "call:1", 5000).await?;
    assert_eq!((again.events, again.repeats, again.jobs), (0, 1, 0));
    let other = comes(&db, "call:2", 5000).await?;
    assert_eq!((other.events, other.jobs), (1, 1));
    assert_eq!(retired(&db, Kept::Links, 20).await?, Rows::new());
    assert_eq!(retired(&db, Kept::Links, 21).await?, Rows::from([("link", 1)]));
    whole(&db).await
}

/// Without an id of its own a delivery is known by contact and second; with one only by that.
#[tokio::test]
async fn an_alias_of_a_deleted_event_tells_where_one_side_has_no_id() -> Tested {
    let db = Db::new().await?;
    let spoken = "call:79990000001:100".to_owned();
    let known = Event { aliases: vec![spoken.clone()], ..one("call:1") };
    arrives(&db, &known, 10, judge(Vec::new(), 10)).await?;
    acts(&db, 10).await?;
    retired(&db, Kept::Events, 11).await?;
    assert_eq!(number_of(&db, "gone_key").await?, 2);
    let bare = Event { provisional: true, ..one(&spoken) };
    assert_eq!(arrives(&db, &bare, 50, judge(Vec::new(), 50)).await?.jobs, 0);
    let twin = Event { aliases: vec![spoken], ..one("call:2") };
    assert_eq!(arrives(&db, &twin, 50, judge(Vec::new(), 50)).await?.jobs, 1, "another id");
    Ok(())
}

/// A hook without id, looked up in the journal, turns out to be a lead that is gone.
#[tokio::test]
async fn a_lead_that_grows_into_a_deleted_one_is_skipped() -> Tested {
    let db = Db::new().await?;
    comes(&db, "call:1", 10).await?;
    acts(&db, 10).await?;
    retired(&db, Kept::Events, 11).await?;
    let bare = Event { provisional: true, ..one("call:79990000001:100") };
    arrives(&db, &bare, 50, judge(Vec::new(), 50)).await?;
    let claimed = db.claim_one(50).await?;
    let fuller = Event { provisional: false, ..one("call:1") };
    let completed = db.store.complete(claimed.fence, &fuller, at(51)).await?;
    assert_eq!(completed, Fenced::Yes(false));
    assert_eq!(db.store.counts(at(51)).await?.skipped, 1);
    whole(&db).await
}

#[tokio::test]
async fn what_waits_for_a_person_or_an_answer_stays() -> Tested {
    let db = Db::new().await?;
    comes(&db, "call:1", 0).await?;
    let parked = db.claim_one(0).await?;
    db.store.park(parked.fence, "the CRM refuses it", at(0)).await?;
    comes(&db, "call:2", 0).await?;
    let (claimed, steps) = db.begun(&["create"], 0).await?;
    let unknown = finished(steps[0], StepState::Unknown);
    let again = Next::Again { due: at(5000), why: "it may be there".to_owned() };
    db.store.finish(claimed.fence, unknown, again, at(0)).await?;
    comes(&db, "call:3", 0).await?;
    let deciding = db.claim_one(0).await?;
    assert_eq!(all_retired(&db, 1_000_000).await?, Rows::new());
    for key in ["call:1", "call:2", "call:3"] {
        assert_eq!(db.only_story(key).await?.deliveries.len(), 1, "{key}");
    }
    let begun = db.store.begin(deciding.fence, act(&["create"], &[]), at(6)).await?;
    assert!(matches!(begun, Fenced::Yes(Begun::Started(_))), "its lease still holds");
    whole(&db).await
}

/// The event whose job covers another one stays as long as that one does.
#[tokio::test]
async fn events_of_one_job_go_together_in_time() -> Tested {
    let db = Db::new().await?;
    let joined: Judge = Arc::new(|_, states| match states {
        [] => vec![JobChange::New(draft("a", "order:1", &[], 0))].into(),
        _ => Vec::new().into(),
    });
    arrives(&db, &one("change:1"), 0, Arc::clone(&joined)).await?;
    arrives(&db, &one("change:2"), 0, Arc::clone(&joined)).await?;
    acts(&db, 1).await?;
    // The second one grew fuller later.
    let fuller = Event { aliases: vec!["change:two".to_owned()], ..one("change:2") };
    arrives(&db, &fuller, 50, Arc::clone(&joined)).await?;
    assert_eq!(retired(&db, Kept::Events, 40).await?, Rows::new());
    let mut events = 0;
    for _ in 0..2 {
        events += retired(&db, Kept::Events, 51).await?.get("event").copied().unwrap_or_default();
    }
    assert_eq!(events, 2, "the second night at the latest");
    for key in ["change:1", "change:2", "change:two"] {
        assert_eq!(arrives(&db, &one(key), 90, Arc::clone(&joined)).await?.jobs, 0, "{key}");
    }
    whole(&db).await
}

#[tokio::test]
async fn two_events_that_turned_out_to_be_one_go_as_one() -> Tested {
    let db = Db::new().await?;
    let bare = Event { provisional: true, ..one("call:79990000001:1") };
    arrives(&db, &bare, 0, judge(Vec::new(), 0)).await?;
    arrives(&db, &one("call:1"), 0, judge(Vec::new(), 0)).await?;
    let both = Event { aliases: vec![bare.key.clone()], ..one("call:1") };
    arrives(&db, &both, 1, judge(Vec::new(), 0)).await?;
    acts(&db, 2).await?;
    let rows = retired(&db, Kept::Events, 3).await?;
    assert_eq!((rows["event"], rows["event_key"]), (2, 2), "{rows:?}");
    assert_eq!(number_of(&db, "event").await?, 0);
    for event in [bare, both] {
        assert_eq!(arrives(&db, &event, 90, judge(Vec::new(), 90)).await?.jobs, 0);
    }
    whole(&db).await
}

#[tokio::test]
async fn commands_go_when_they_were_taken_and_processes_when_they_are_not_seen() -> Tested {
    let db = Db::new().await?;
    let taken = db.store.leave_command("poll", &json!({}), at(0)).await?;
    assert_eq!(
        db.store.take_command(|_| true, at(10)).await?.map(|command| command.id),
        Some(taken)
    );
    db.store.leave_command("poll", &json!({}), at(1)).await?;
    assert_eq!(retired(&db, Kept::Commands, 10).await?, Rows::new());
    assert_eq!(retired(&db, Kept::Commands, 11).await?, Rows::from([("command", 1)]));
    let newest = db.store.call_all("reload", at(2)).await?;
    assert_eq!(retired(&db, Kept::Commands, 11).await?, Rows::new());
    assert_eq!(db.store.last_command().await?, newest, "ids of calls must not begin anew");
    assert!(
        db.store.take_command(|_| true, at(12)).await?.is_some(),
        "the one that nobody took is there"
    );

    db.store
        .write(|db| {
            Box::pin(async move {
                let insert = |sql| Statement::new("test", sql);
                let replica = "insert into replica (owner, version, listen, connections, heard, \
                    started, seen, loaded) \
                    values ($1, '1', 'x', '[]', 0, 0, $2, 0)";
                let state = "insert into connection_state (connection, state, since, seen) \
                    values ($1, 'ready', 0, $2)";
                for (name, seen) in [("old", at(0)), ("new", at(10))] {
                    db.execute(insert(replica), args![name, seen]).await?;
                    db.execute(insert(state), args![name, seen]).await?;
                }
                Ok(())
            })
        })
        .await?;
    assert_eq!(db.store.unseen(at(10)).await?, 2);
    let rows = db.store.delete_unseen(at(10)).await?.rows;
    assert_eq!(rows, Rows::from([("connection_state", 1), ("replica", 1)]));
    Ok(())
}

/// Deleting two thousand leads with two kilobytes each leaves a file that has shrunk.
#[tokio::test]
async fn the_file_shrinks() -> Tested {
    if server().is_some() {
        return Ok(());
    }
    let db = Db::new().await?;
    let rows = (0..2000).map(|n| Raw { body: vec![b'x'; 2048], ..raw(&format!("call:{n}")) });
    for chunk in rows.collect::<Vec<_>>().chunks(500) {
        db.store.accept(chunk.to_vec(), None).await?;
        let waiting = db.store.unrouted(500, None).await?;
        let batch = waiting.iter().map(|raw| (raw.id, Reading::Events(vec![one(&raw.dedupe_key)])));
        db.store.route(batch.collect(), Arc::new(|_, _| Vec::new().into()), at(0)).await?;
    }
    let full = db.store.space().await?;
    assert!(full.can_shrink && full.bytes > 4_000_000, "{full:?}");
    all_retired(&db, 10).await?;
    let mut left = db.store.space().await?;
    assert!(left.free > 3_000_000, "{left:?}");
    while left.free > 0 {
        let next = db.store.shrink().await?;
        assert!(next.bytes < left.bytes, "{next:?} after {left:?}");
        assert!(left.bytes - next.bytes <= 80 * 4096, "{next:?} after {left:?}");
        left = next;
    }
    db.store.close().await;
    let on_disk = std::fs::metadata(db.folder.path().join("data/leadlink.db"))?.len();
    assert!(on_disk < full.bytes / 4 && on_disk == left.bytes, "{on_disk} of {full:?}");
    Ok(())
}

/// A file of an older version keeps its free pages until it is compacted once.
#[tokio::test]
async fn an_older_file_is_compacted_once() -> Tested {
    if server().is_some() {
        return Ok(());
    }
    let db = Db::new().await?;
    db.store.close().await;
    let (mut connection, lock) = open::alone(&url(&db.folder)).await?;
    let run = |sql| Statement::new("test", sql);
    for sql in ["pragma auto_vacuum = none", "vacuum"] {
        connection.fetch(run(sql), args![]).await?;
    }
    connection.close().await?;
    drop(lock);
    let db = db.reopened(at(0)).await?;
    for n in 0..50 {
        let row = Raw { body: vec![b'x'; 20_000], ..raw(&format!("unreadable:{n}")) };
        db.store.accept(vec![row], None).await?;
    }
    let waiting = db.store.unrouted(100, None).await?;
    let batch = waiting.iter().map(|raw| (raw.id, Reading::Unreadable("no".to_owned()))).collect();
    db.store.route(batch, judge(Vec::new(), 0), at(0)).await?;
    retired(&db, Kept::Unreadable, 10).await?;
    let stuck = db.store.space().await?;
    assert!(!stuck.can_shrink && stuck.free > 900_000, "{stuck:?}");
    let owned = Store::compact(&url(&db.folder)).await;
    assert!(matches!(owned, Err(Error::Owned(_))), "{owned:?}");
    db.store.close().await;
    let (before, after) = Store::compact(&url(&db.folder)).await?;
    assert!(before.free > 900_000 && after.free == 0 && after.can_shrink, "{before:?} {after:?}");
    let db = db.reopened(at(0)).await?;
    assert!(db.store.space().await?.can_shrink);
    whole(&db).await
}

#[tokio::test]
async fn old_leads_go_whenever_they_came_and_what_is_covered_begins_with_those_that_stay() -> Tested
{
    use crate::domain::{Covered, Seen};
    let db = Db::new().await?;
    let lead = |kind: &str, n: i64, second: i64| crate::domain::Lead {
        connection: "calls".to_owned(),
        kind: kind.to_owned(),
        id: n.to_string(),
        at: at(second),
        contacts: vec!["phone:everybody".to_owned(), format!("phone:{n}")],
        source: None,
        medium: None,
        campaign: None,
        seen: Seen::HOOK,
    };
    let covered = |kind: &str, until| Covered {
        connection: "calls".to_owned(),
        kind: kind.to_owned(),
        from: at(0),
        until: at(until),
    };
    // Young ones first; then a backfill brings old ones, some of one moment, fewer than a window.
    let young = (0..5).map(|n| lead("call", n, 100 + n)).collect();
    db.store.keep_leads(young, Some(covered("call", 200))).await?;
    let old =
        (5..20).map(|n| lead(if n % 2 == 0 { "call" } else { "request" }, n, n / 2)).collect();
    db.store.keep_leads(old, Some(covered("request", 50))).await?;
    let windows = retired(&db, Kept::Leads, 100).await?;
    assert_eq!(windows, Rows::from([("lead", 15), ("lead_contact", 30)]));
    assert_eq!(db.number("select count(*) as n from lead_contact").await?, 10);
    assert_eq!(db.store.covered("calls", "call").await?, Some((at(100), at(200))));
    assert_eq!(db.store.covered("calls", "request").await?, None);
    assert_eq!(retired(&db, Kept::Leads, 100).await?, Rows::new());
    // More of one moment than a window: some nights.
    let moment = (30..38).map(|n| lead("chat", n, 50)).collect();
    db.store.keep_leads(moment, None).await?;
    assert_eq!(retired(&db, Kept::Leads, 100).await?["lead"], 3);
    assert_eq!(retired(&db, Kept::Leads, 100).await?["lead"], 3);
    assert_eq!(retired(&db, Kept::Leads, 101).await?["lead"], 3);
    assert_eq!(db.number("select count(*) as n from lead").await?, 4);
    whole(&db).await
}

#[tokio::test]
async fn memories_and_ended_backfills_go_and_those_that_run_stay() -> Tested {
    let db = Db::new().await?;
    let memory_of = |kind: &str, id: &str, second| crate::domain::Kept {
        connection: "calls".to_owned(),
        kind: kind.to_owned(),
        id: id.to_owned(),
        fields: Map::new(),
        at: at(second),
    };
    let memory = |id: &str, second| memory_of("deal", id, second);
    let memories = vec![memory("1", 99), memory("2", 1), memory("3", 1), memory("4", 1)];
    db.store.keep_entities(memories).await?;
    db.store.keep_entities(vec![memory("3", 100)]).await?;
    // What is remembered of conversations has an age of its own.
    let talk = ["message", "conversation", "mark"];
    let talk = talk.iter().flat_map(|kind| [memory_of(kind, "1", 1), memory_of(kind, "2", 60)]);
    db.store.keep_entities(talk.collect()).await?;
    assert_eq!(retired(&db, Kept::Entities, 50).await?["entity"], 2);
    assert_eq!(retired(&db, Kept::Messages, 50).await?["entity"], 3);
    assert_eq!(retired(&db, Kept::Messages, 50).await?, Rows::new());
    assert!(db.store.entity(&["calls".to_owned()], "deal", "3").await?.is_some());
    let day = jiff::civil::date(2026, 1, 1);
    let runs = db.store.begin_backfill("leads", "calls", (day, day), at(1)).await?;
    let ended = db.store.begin_backfill("deals", "calls", (day, day), at(1)).await?;
    db.store.stop_backfill(ended.id, "enough", at(2)).await?;
    assert_eq!(retired(&db, Kept::Backfills, 50).await?["backfill"], 1);
    assert!(db.store.backfill(runs.id).await?.is_some());
    assert_eq!(db.store.backfill(ended.id).await?, None);
    Ok(())
}

/// What becomes of a lead in a random story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It fills the journal and no flow wants it.
    Unwanted,
    Waits,
    Decides,
    Skips,
    Acts,
    Parks,
    /// Its step may have happened.
    Unknown,
}

impl Fate {
    fn is_needed(self) -> bool {
        matches!(self, Self::Waits | Self::Decides | Self::Parks | Self::Unknown)
    }
}

#[derive(Debug, Clone)]
struct Lead {
    fate: Fate,
    /// When it comes.
    comes: i64,
    /// How often it is delivered.
    deliveries: usize,
    /// It is merged into the job of the lead before it, if that one still waits.
    joins: bool,
}

fn leads() -> impl Strategy<Value = Vec<Lead>> {
    let fate = prop_oneof![
        1 => Just(Fate::Unwanted), 2 => Just(Fate::Waits), 1 => Just(Fate::Decides),
        3 => Just(Fate::Skips), 5 => Just(Fate::Acts), 1 => Just(Fate::Parks),
        1 => Just(Fate::Unknown),
    ];
    let lead = (fate, 0..100i64, 1..4usize, prop::bool::weighted(0.3))
        .prop_map(|(fate, comes, deliveries, joins)| Lead { fate, comes, deliveries, joins });
    prop::collection::vec(lead, 1..14).prop_map(|mut leads| {
        leads.sort_by_key(|lead| lead.comes);
        leads
    })
}

/// Lives all leads; answers their events with the fates that their jobs had.
async fn lived(db: &Db, leads: &[Lead]) -> Result<Vec<(Event, Fate)>, Box<dyn std::error::Error>> {
    let mut events: Vec<(Event, Fate)> = Vec::new();
    let mut n = 0;
    while n < leads.len() {
        let lead = &leads[n];
        let members = 1 + leads[n + 1..].iter().take_while(|next| next.joins).count();
        let merge = format!("merge:{n}");
        for (member, joined) in leads[n..n + members].iter().enumerate() {
            let event = one(&format!("call:{}", n + member));
            for _ in 0..joined.deliveries {
                let (merge, unwanted) = (merge.clone(), lead.fate == Fate::Unwanted);
                let wants: Judge = Arc::new(move |_, states| match states {
                    [] if !unwanted => {
                        vec![JobChange::New(draft("a", &merge, &[&merge], 0))].into()
                    }
                    _ => Vec::new().into(),
                });
                arrives(db, &event, joined.comes, wants).await?;
            }
            events.push((event, lead.fate));
        }
        let now = leads[n + members - 1].comes;
        if lead.fate != Fate::Unwanted {
            fated(db, lead.fate, now).await?;
        }
        n += members;
    }
    Ok(events)
}

/// The job of the lead that came last is claimed and meets its fate.
async fn fated(db: &Db, fate: Fate, now: i64) -> Tested {
    let later = |job: &Claimed| (job.fence, at(1_000_000));
    let claimed = db.claim_one(now).await?;
    match fate {
        Fate::Unwanted | Fate::Decides => {}
        Fate::Waits => {
            let (fence, due) = later(&claimed);
            db.store.put_off(fence, due, "not yet", false, at(now)).await?;
        }
        Fate::Skips => {
            db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(now)).await?;
        }
        Fate::Parks => {
            db.store.park(claimed.fence, "refused", at(now)).await?;
        }
        Fate::Acts | Fate::Unknown => {
            let begun = db.store.begin(claimed.fence, act(&["create"], &[]), at(now)).await?;
            let Fenced::Yes(Begun::Started(steps)) = begun else { return Err("no plan".into()) };
            let (state, next) = if fate == Fate::Acts {
                (StepState::Done, end(JobState::Acted))
            } else {
                let (_, due) = later(&claimed);
                (StepState::Unknown, Next::Again { due, why: "look".to_owned() })
            };
            db.store.finish(claimed.fence, finished(steps[0], state), next, at(now)).await?;
        }
    }
    Ok(())
}

async fn story_of_retention(leads: Vec<Lead>, nights: Vec<i64>) -> Tested {
    let db = Db::new().await?;
    let events = lived(&db, &leads).await?;
    let waiting = db.store.counts(at(0)).await?.waiting;
    for night in &nights {
        all_retired(&db, *night).await?;
        whole(&db).await?;
    }
    let last = nights.iter().copied().max().unwrap_or_default();
    for (n, (event, fate)) in events.iter().enumerate() {
        let stories = db.store.story(&event.key).await?;
        if fate.is_needed() {
            assert_eq!(stories.len(), 1, "{fate:?} {}", event.key);
            let story = &stories[0];
            assert_eq!(story.deliveries.len(), leads[n].deliveries, "{}", event.key);
            assert_eq!(story.jobs.len(), 1, "{}", event.key);
            let decided = usize::from(*fate == Fate::Unknown);
            assert_eq!(story.jobs[0].decisions.len(), decided);
        } else if leads[n].comes >= last {
            assert_eq!(stories.len(), 1, "young: {}", event.key);
        }
    }
    // What is delivered again acts no second time, whether it is gone or not.
    for (event, fate) in events.iter().filter(|(_, fate)| *fate != Fate::Unwanted) {
        let again = arrives(&db, event, 500, judge(Vec::new(), 500)).await?;
        assert_eq!((again.jobs, again.events), (0, 0), "{fate:?} {}", event.key);
    }
    // What waited is claimed in its time, with its done and unknown steps.
    let mut claimed = db.claim(1000, 1_000_000).await?;
    assert_eq!(claimed.len() as u64, waiting);
    let keys: BTreeSet<i64> = claimed.iter().map(|job| job.fence.job).collect();
    assert_eq!(keys.len() as u64, waiting);
    for job in claimed.drain(..) {
        let begun = db.store.begin(job.fence, decided(Verdict::Skip, &[]), at(1_000_001)).await?;
        assert_eq!(begun, Fenced::Yes(Begun::Ended));
    }
    whole(&db).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_is_needed_stays_and_what_is_gone_acts_no_more(
        leads in leads(),
        nights in prop::collection::vec(0..120i64, 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let played = runtime.map(|runtime| runtime.block_on(story_of_retention(leads, nights)));
        prop_assert!(matches!(played, Ok(Ok(()))), "{played:?}");
    }
}
