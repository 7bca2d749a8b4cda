//! Events that retention deleted. Invariant: the key of an event holds for ever, also of one that is
//! gone: what is delivered again under it is no new lead.

use super::Error;
use super::sql::{Connection, args, list, plain, statements};
use crate::domain::Event;
use sha2::{Digest, Sha256};

statements! {
    KEYS = "event_key", "select k.connection, k.key, e.provisional \
        from event_key k join event e on e.id = k.event_id \
        where k.event_id in (select value from json_each($1))";
    REMEMBER = "gone_key", "insert into gone_key (hash, provisional) values ($1, $2) \
        on conflict (hash) do nothing";
    KNOWN = "gone_key", "select hash from gone_key \
        where hash in (select value from json_each($1)) \
        and (hash = $2 or $3 = 1 or provisional = 1) limit 1";
}

/// Remembers the keys of events that are about to be deleted.
pub(super) async fn remember(connection: &mut Connection, events: &[i64]) -> Result<(), Error> {
    for row in connection.fetch(KEYS, args![list(events)]).await? {
        let hash = hash(row.text("connection")?, row.text("key")?);
        connection.execute(REMEMBER, args![hash, row.flag("provisional")?]).await?;
    }
    Ok(())
}

/// Is this an event that was deleted? As with events that are there, an alias tells only where one
/// side has no id of its own.
pub(super) async fn known(connection: &mut Connection, event: &Event) -> Result<bool, Error> {
    let hashes: Vec<i64> = event.keys().map(|key| hash(&event.connection, key)).collect();
    let own = hash(&event.connection, &event.key);
    let found = connection.fetch_one(KNOWN, args![list(&hashes), own, event.provisional]).await?;
    Ok(found.is_some())
}

fn hash(connection: &str, key: &str) -> i64 {
    // As PostgreSQL keeps it.
    let key = plain(key);
    let digest = Sha256::new().chain_update(connection).chain_update([0]).chain_update(key);
    let digest = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
