//! The account's users. Invariant: read only where an effect or an order names a manager, at most
//! every 10 minutes and once more for one that is not among them; a key that may not read users
//! leaves the judgement to the CRM, and managers without a name.

use super::client::{Client, List, Stop};
use super::wire;
use crate::domain::{Delay, Whose};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
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
    /// By id; `None`: the key may not read them.
    users: Option<BTreeMap<i64, User>>,
}

#[derive(Debug, Clone)]
struct User {
    active: bool,
    name: Option<String>,
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
        let active = |user: Option<&User>| user.is_some_and(|user| user.active);
        self.ask(client, id, now, active).await
    }

    /// The full name of a user, active or not; `None` where nobody here knows it.
    ///
    /// # Errors
    /// Why the list cannot be read now.
    pub async fn name(
        &self,
        client: &Client,
        id: i64,
        now: Timestamp,
    ) -> Result<Option<String>, Delay> {
        let name = |user: Option<&User>| user.and_then(|user| user.name.clone());
        Ok(self.ask(client, id, now, name).await?.flatten())
    }

    /// What `tell` says of a user, if the key may read them. An active one that is known is not read
    /// again; whoever is not, may have been made since.
    async fn ask<T>(
        &self,
        client: &Client,
        id: i64,
        now: Timestamp,
        tell: impl Fn(Option<&User>) -> T + Send,
    ) -> Result<Option<T>, Delay> {
        let mut held = self.0.lock().await;
        let serves = held.as_ref().is_some_and(|held| {
            let users = held.users.as_ref();
            let known = users.is_none_or(|users| users.get(&id).is_some_and(|user| user.active));
            now.duration_since(held.read) < if known { REFRESH } else { AGAIN }
        });
        if !serves {
            *held = Some(Held { read: now, users: read(client).await? });
        }
        let users = held.as_ref().and_then(|held| held.users.as_ref());
        Ok(users.map(|users| tell(users.get(&id))))
    }
}

async fn read(client: &Client) -> Result<Option<BTreeMap<i64, User>>, Delay> {
    let list = List { template: "/api/v5/users", rows: "users", filter: &[], most_pages: PAGES };
    match client.all(&list).await {
        Ok(rows) => Ok(Some(rows.iter().filter_map(user).collect())),
        Err(Stop::Later(delay)) if delay.whose == Whose::Access => Ok(None),
        Err(stop) => Err(stop.delay("the users")),
    }
}

fn user(row: &Value) -> Option<(i64, User)> {
    let active = row.get("active").is_none_or(|active| active != false);
    Some((wire::number(row.get("id"))?, User { active, name: full_name(row) }))
}

/// Last name, first name, patronymic.
pub fn full_name(row: &Value) -> Option<String> {
    let names = ["lastName", "firstName", "patronymic"];
    let names = names.iter().filter_map(|key| wire::text(row.get(*key)));
    let name = names.map(|name| name.trim().to_owned()).collect::<Vec<_>>().join(" ");
    Some(name).filter(|name| !name.is_empty())
}
