//! What a version kept that had no journals is in them. Invariant: migration 9 takes over all of it.
#![cfg(test)]

use super::*;
use crate::store::open::migrator;
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection as _, Executor, PgConnection};

/// The version before the journals.
const BEFORE: i64 = 8;

/// Leads, a job of one of them, deals, and messages, in words of both databases.
const KEPT: &str = r#"
insert into lead_journal (id, connection, kind) values (1, 'calls', 'call'), (2, 'calls', 'request');
insert into lead (id, journal, lead_id, at, seen, source, medium, campaign) values
    (1, 1, '9', 1780000000000, 1, 'yandex', 'cpc', null),
    (2, 1, '10', 1780000100000, 1, null, null, null),
    (3, 2, '9', 1780003700000, 1, 'google', null, null);
insert into event (id, connection, kind, key, aliases, provisional, registered, fields, first_seen, changed) values
    (1, 'calls', 'call.finished', 'call:9', '[]', 0, 1780000000000, '{}', 1780000000000, 1780000000000),
    (2, 'chat', 'message.received', 'message:a', '[]', 0, 1780000000000,
        '{"id": "a", "chat": "501", "phone": "79990000001", "text": "ok", "files": [{}]}', 1780000000000, 1780000000000),
    (3, 'chat', 'message.received', 'message:b', '[]', 0, 1780000050000,
        '{"id": "b", "chat": "501", "own": true, "text": "echo"}', 1780000050000, 1780000050000),
    (4, 'shop', 'message.sent', 'message:45', '[]', 0, 1780000000000, '{}', 1780000000000, 1780000000000);
insert into event_key (connection, key, tail, event_id) values
    ('calls', 'call:9', '9', 1), ('chat', 'message:a', 'a', 2), ('shop', 'message:45', '45', 4);
insert into job (id, flow, event_id, merge_key, registered, due, state, ready, created, changed) values
    (1, 'call-to-order', 1, 'call:9', 1780000000000, 1780000060000, 'acted', 0, 1780000000000, 1780000070000),
    (2, 'crm-to-message', 4, 'message:45', 1780000000000, 1780000000000, 'acted', 0, 1780000000000, 1780000000000);
insert into decision (id, job_id, epoch, event, facts, flow_hash, decision, created) values
    (1, 2, 1, '{}', '{}', 'h', '{}', 1780000000000);
insert into step (id, decision_id, job_id, position, name, connection, operation, input, key, state, output, created) values
    (1, 1, 2, 0, 'send', 'chat', 'message.send', '{"chat": "501", "text": "ready"}', 'k', 'done', '{"id": "b"}', 1780000040000),
    (2, 1, 2, 1, 'send', 'chat', 'message.send', '{"phone": "+79990000001", "text": "more"}', 'k', 'refused', null, 1780000041000);
insert into entity (id, connection, kind, entity_id, fields, number, made, changed) values
    (1, 'calls', 'deal', '7', '{"orderName": "7A", "status": "new", "revenue": "1290.50", "call": "9"}', '7A', 1780000000000, 1780000001000),
    (2, 'calls', 'deal', '8', '{"status": "paid", "revenue": 100, "source": "Лид не найден", "campaign": "Лид не найден"}', null, 1780000000000, 1780000001000),
    (3, 'calls', 'deal', '9', '{"revenue": "much"}', null, 1780090000000, 1780090000000),
    (4, 'shop', 'order', '7', '{}', null, 1780000000000, 1780000000000),
    (5, 'chat', 'message', 'b', '{"state": "read"}', null, 1780000000000, 1780000000000);
"#;

/// There the rows' numbers were told, not drawn.
const NUMBERS: &str = "select setval(pg_get_serial_sequence('lead', 'id'), 100), \
    setval(pg_get_serial_sequence('entity', 'id'), 100)";

async fn older(folder: &tempfile::TempDir) -> Tested {
    let url = made(folder).await?;
    let until = |all: &Migrator| {
        let before = all.iter().filter(|migration| migration.version <= BEFORE);
        Migrator::with_migrations(before.cloned().collect())
    };
    if server().is_some() {
        let mut connection = PgConnection::connect(&url).await?;
        until(&migrator(|(.., words)| words)).run_direct(None, &mut connection, false).await?;
        connection.execute(sqlx::raw_sql(KEPT)).await?;
        connection.execute(sqlx::raw_sql(NUMBERS)).await?;
        return Ok(connection.close().await?);
    }
    std::fs::create_dir_all(folder.path().join("data"))?;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("data/leadlink.db"))
        .create_if_missing(true);
    let mut connection = options.connect().await?;
    until(&migrator(|(_, _, words, _)| words)).run_direct(None, &mut connection, false).await?;
    connection.execute(sqlx::raw_sql(KEPT)).await?;
    Ok(connection.close().await?)
}

#[tokio::test]
async fn what_was_there_before_the_journals_is_in_them() -> Tested {
    let folder = tempfile::tempdir()?;
    older(&folder).await?;
    let store = Store::open(&url(&folder), at(0)).await?;
    let db = Db { folder, store };
    let all = Slice { from: at(-9_999), until: at(999_999), after: None, most: 10 };
    let leads = db.store.listed_leads(&LeadFilter::default(), &all).await?.rows;
    let told: Vec<_> = leads
        .iter()
        .map(|lead| (lead.kind.as_str(), lead.id.as_str(), lead.outcome.as_deref()))
        .collect();
    assert_eq!(told, [("request", "9", None), ("call", "10", None), ("call", "9", Some("acted"))]);
    let deals = db.store.listed_deals(&DealFilter::default(), &all).await?.rows;
    let told: Vec<_> = deals
        .iter()
        .map(|deal| {
            (deal.id.as_str(), deal.number.as_deref(), deal.source.as_deref(), deal.lead.is_some())
        })
        .collect();
    let wanted = [
        ("9", None, None, false),
        ("8", None, Some("Лид не найден"), false),
        ("7", Some("7A"), Some("yandex"), true),
    ];
    assert_eq!(told, wanted);
    assert_eq!(deals[2].revenue.as_deref(), Some("1290.50"));
    let messages = db.store.listed_messages(&MessageFilter::default(), &all).await?.rows;
    let told: Vec<_> = messages
        .iter()
        .map(|m| (m.direction.as_str(), m.state.as_str(), m.text.as_deref(), m.contact.is_some()))
        .collect();
    let wanted = [
        ("out", "refused", Some("more"), true),
        ("out", "read", Some("ready"), false),
        ("in", "received", Some("ok"), true),
    ];
    assert_eq!(told, wanted);
    super::tallies::agrees(&db).await?;
    // What is written from now on is counted on top.
    let paid = super::listing::deal("7", 5_000, &json!({ "revenue": "2000" }));
    db.store.keep_entities(vec![paid]).await?;
    db.store.keep_leads(vec![super::listing::lead("11", 9, None)], None).await?;
    super::tallies::agrees(&db).await?;
    while db.store.fold_tallies().await? {}
    super::tallies::agrees(&db).await
}
