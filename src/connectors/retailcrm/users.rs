//! The account's users. Invariant: read only where an effect names a manager, at most every 10
//! minutes and once more for one that is not among them; a key that may not read users leaves the
//! judgement to the CRM.

use super::client::{Client, List, Stop};
use super::wire;
use crate::domain::{Delay, Whose};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::sync::Mutex;

const REFRESH: SignedDuration = SignedDuration::from_mins(10);
/// For one that is not among them the list is read anew, but not at every request.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);
const PAGES: usize = 50;

#[derive(Debug, Default)]
pub struct Users(Mutex<Option<Held>>);

#[derive(Debug)]
struct Held {
    read: Timestamp,
    /// Ids of active users; `None`: the key may not read them.
    active: Option<BTreeSet<i64>>,
}

impl Users {
    /// Is this an active user? `None`: nobody here can say.
    ///
    /// # Errors
    /// Why the list cannot be read now.
    pub async fn knows(
        &self,
        client: &Client,
        id: i64,
        now: Timestamp,
    ) -> Result<Option<bool>, Delay> {
        let mut held = self.0.lock().await;
        let serves = held.as_ref().is_some_and(|held| {
            let known = held.active.as_ref().is_none_or(|active| active.contains(&id));
            now.duration_since(held.read) < if known { REFRESH } else { AGAIN }
        });
        if !serves {
            *held = Some(Held { read: now, active: read(client).await? });
        }
        let active = held.as_ref().and_then(|held| held.active.as_ref());
        Ok(active.map(|active| active.contains(&id)))
    }
}

async fn read(client: &Client) -> Result<Option<BTreeSet<i64>>, Delay> {
    let list = List { template: "/api/v5/users", rows: "users", filter: &[], most_pages: PAGES };
    match client.all(&list).await {
        Ok(rows) => Ok(Some(rows.iter().filter_map(active).collect())),
        Err(Stop::Later(delay)) if delay.whose == Whose::Access => Ok(None),
        Err(stop) => Err(stop.delay("the users")),
    }
}

fn active(row: &Value) -> Option<i64> {
    let is = row.get("active").is_none_or(|active| active != false);
    wire::number(row.get("id")).filter(|_| is)
}
