//! Tokens of the API. Invariant: a token is shown once, when it is made; after that only its hash is
//! known; it may what its scopes say, until it ends or is revoked.

use super::audit::Note;
use super::people::Register;
use super::{Actor, Desk, Door, Error, Right, password};
use crate::store::{NewToken, TokenRow};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// So that people and scanners know one when they see it.
const PREFIX: &str = "ll_";

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Token {
    pub id: i64,
    /// What it is for.
    pub name: String,
    pub scopes: Vec<Right>,
    /// Who made it.
    pub maker: String,
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked: Option<Timestamp>,
}

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub name: String,
    pub scopes: Vec<Right>,
    pub until: Option<Timestamp>,
}

fn token(row: TokenRow) -> Token {
    let TokenRow { id, name, scopes, maker, created, until, used, revoked } = row;
    let scopes = scopes.iter().filter_map(|scope| Right::of(scope)).collect();
    Token { id, name, scopes, maker, created, until, used, revoked }
}

impl Desk {
    /// Whose bearer token this is, if it holds still.
    ///
    /// # Errors
    /// The store's.
    pub async fn bearer(&self, token: &str, address: Option<&str>) -> Result<Option<Actor>, Error> {
        if !token.starts_with(PREFIX) || token.len() != PREFIX.len() + 64 {
            return Ok(None);
        }
        let (store, now) = (&self.pipeline.store, self.pipeline.clock.now());
        let Some(row) = store.token(&password::digest(token), now).await? else { return Ok(None) };
        let fresh = row.used.is_some_and(|used| now.duration_since(used) < super::login::SEEN);
        if !fresh && let Err(error) = store.use_token(row.id, now).await {
            tracing::warn!(%error, "that a token was used could not be written down");
        }
        Ok(Some(Actor {
            name: format!("token:{}", row.name),
            door: Door::Api,
            rights: row.scopes.iter().filter_map(|scope| Right::of(scope)).collect(),
            address: address.map(str::to_owned),
        }))
    }
}

impl Register {
    /// # Errors
    /// The actor may not, or the store's.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.actor.must(Right::Manage)?;
        Ok(self.store.tokens().await?.into_iter().map(token).collect())
    }

    /// Makes a token and answers it, for the only time.
    ///
    /// # Errors
    /// The actor may not, what is wrong with the wish, or the store's.
    pub async fn make_token(&self, wish: &Wish) -> Result<String, Error> {
        let (name, until) = (wish.name.trim().to_owned(), wish.until);
        let mut scopes = wish.scopes.clone();
        scopes.sort();
        scopes.dedup();
        let words: Vec<String> = scopes.iter().map(|scope| scope.word().to_owned()).collect();
        let note =
            Note::done("token.make", format!("token:{name}")).with(json!({ "scopes": &words }));
        let register = self.clone();
        let work = async move {
            let now = register.clock.now();
            let mut wrong = Vec::new();
            if name.is_empty() || name.chars().count() > 64 {
                wrong.push(("name".to_owned(), "1 to 64 characters".to_owned()));
            }
            if scopes.is_empty() {
                wrong.push(("scopes".to_owned(), "one of read, act, manage at least".to_owned()));
            }
            if until.is_some_and(|until| until <= now) {
                wrong.push(("until".to_owned(), "a time to come".to_owned()));
            }
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let secret = format!("{PREFIX}{}", password::random()?);
            let new = NewToken {
                name,
                hash: password::digest(&secret),
                scopes: words,
                maker: register.actor.name,
                until,
            };
            register.store.make_token(new, now).await?;
            Ok(secret)
        };
        self.noted(note, work).await
    }

    /// # Errors
    /// The actor may not, there is no such token that holds, or the store's.
    pub async fn revoke(&self, id: i64) -> Result<(), Error> {
        let register = self.clone();
        let work = async move {
            match register.store.revoke_token(id, register.clock.now()).await? {
                Some(_) => Ok(()),
                None => Err(Error::NotFound(format!("token {id} that is not revoked"))),
            }
        };
        self.noted(Note::done("token.revoke", format!("token:{id}")), work).await
    }
}
