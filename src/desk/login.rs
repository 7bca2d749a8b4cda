//! Coming in and going out. Invariant: a wrong name and a wrong password look alike, in words and in
//! time; who guesses is slowed down; of a session's token only the hash is kept, and a login always
//! begins a new one.

use super::audit::{self, Note};
use super::people::{Person, Visitor, person, plain};
use super::{Actor, Desk, Door, Error, password};
use crate::store::{Counted, NewSession, PersonRow, Try};
use jiff::{SignedDuration, Timestamp};
use std::net::IpAddr;
use std::time::Duration;

/// However much it is used, a session ends after this.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// That a session or a token was used is written down so often at most.
pub(super) const SEEN: SignedDuration = SignedDuration::from_secs(60);
/// A failure counts so long.
pub const COUNTS: SignedDuration = SignedDuration::from_hours(24);
/// Wrong passwords for one name from one address before the next try has to wait.
const FREE_BY_NAME: u64 = 5;
/// The same from one address, behind which a whole office may sit.
const FREE_BY_ADDRESS: u64 = 40;
/// The same for one name from anywhere: many, or a stranger could keep somebody out.
const FREE_FROM_ANYWHERE: u64 = 200;
/// The first pause; each failure more doubles it.
const FIRST: SignedDuration = SignedDuration::from_secs(15);
const MOST: SignedDuration = SignedDuration::from_mins(15);

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the name or the password is wrong")]
    Wrong,
    /// After too many failures: when the next try counts.
    #[error("too many tries; the next one counts in {} s", .0.as_secs())]
    TooMany(Duration),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<crate::store::Error> for Refused {
    fn from(error: crate::store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Who was let in, and the token of the new session for the cookie.
#[derive(Clone)]
pub struct Entry {
    pub token: String,
    pub visitor: Visitor,
}

fn pause(failures: u64, free: u64) -> SignedDuration {
    match failures.checked_sub(free) {
        None => SignedDuration::ZERO,
        Some(more) => (FIRST * 2_i32.pow(u32::try_from(more.min(8)).unwrap_or(8))).min(MOST),
    }
}

fn pause_by_name(failures: u64) -> SignedDuration {
    pause(failures, FREE_BY_NAME)
}

fn pause_by_address(failures: u64) -> SignedDuration {
    pause(failures, FREE_BY_ADDRESS)
}

fn pause_from_anywhere(failures: u64) -> SignedDuration {
    pause(failures, FREE_FROM_ANYWHERE)
}

/// Names and addresses are counted by their hashes. What is counted of a name begins with its own.
pub(super) fn key_of_name(name: &str) -> String {
    password::digest(&format!("name:{name}"))
}

/// What one household or one office has: of IPv6 the network, whose addresses are without number.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

fn rows_of(name: &str, address: &str) -> Vec<Counted> {
    let address = password::digest(&format!("address:{}", network(address)));
    let name = key_of_name(name);
    vec![
        Counted { key: format!("{name}:{address}"), pause: pause_by_name },
        Counted { key: name, pause: pause_from_anywhere },
        Counted { key: address, pause: pause_by_address },
    ]
}

impl Desk {
    /// # Errors
    /// Wrong, too many tries, or the store's.
    pub async fn login(&self, name: &str, password: &str, address: &str) -> Result<Entry, Refused> {
        let name = plain(name);
        let proved = self.prove(&name, password, address).await;
        let row = match proved {
            Ok(row) => row,
            Err(refused) => {
                if refused == Refused::Wrong {
                    // What was typed as a name may be a password.
                    let known = self.pipeline.store.person(&name).await?.is_some();
                    let name = if known { name } else { "unknown".to_owned() };
                    let who = stranger(&name, address);
                    let note = Note::done("login", format!("person:{name}")).refused(&refused);
                    audit::note(self, &who, note).await;
                }
                return Err(refused);
            }
        };
        let (token, now) = (password::random()?, self.pipeline.clock.now());
        let new = NewSession {
            hash: password::digest(&token),
            person: row.id,
            password: row.password.clone(),
            address: address.to_owned(),
            until: now.saturating_add(LONGEST).unwrap_or(Timestamp::MAX),
        };
        if !self.pipeline.store.begin_session(new, now).await? {
            return Err(Refused::Wrong);
        }
        let Some(person) = person(row) else { return Err(Refused::Wrong) };
        let visitor = visitor(&token, person, Some(address));
        let note = Note::done("login", format!("person:{name}"));
        audit::note(self, &visitor.actor, note).await;
        Ok(Entry { token, visitor })
    }

    /// Whose password this is; every try is counted before it is looked at.
    pub(super) async fn prove(
        &self,
        name: &str,
        password: &str,
        address: &str,
    ) -> Result<PersonRow, Refused> {
        let (store, now) = (&self.pipeline.store, self.pipeline.clock.now());
        let since = now.saturating_sub(COUNTS).unwrap_or(Timestamp::MIN);
        let tried = match store.try_login(rows_of(name, address), since, now).await? {
            Try::Yes(tried) => tried,
            Try::Not { before } => {
                let left = Duration::try_from(before.duration_since(now)).unwrap_or_default();
                return Err(Refused::TooMany(left.max(Duration::from_secs(1))));
            }
        };
        let looked = self.right_one(name, password).await;
        // Only a wrong password is a failure: neither one that could not be looked at.
        let row = match looked {
            Ok(None) => return Err(Refused::Wrong),
            Ok(Some(row)) => row,
            Err(error) => {
                store.forgive(tried, Vec::new()).await?;
                return Err(error.into());
            }
        };
        store.forgive(tried, vec![key_of_name(name)]).await?;
        Ok(row)
    }

    /// The person of this name, if it is the password and they may come in.
    async fn right_one(&self, name: &str, password: &str) -> Result<Option<PersonRow>, Error> {
        let found = self.pipeline.store.person(name).await?;
        let hash = found.as_ref().map(|row| row.password.as_str());
        let is_right = password::is_right(password, hash).await?;
        Ok(found.filter(|row| is_right && row.closed.is_none()))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store's.
    pub async fn logout(&self, visitor: &Visitor) -> Result<(), Error> {
        self.pipeline.store.end_session(&visitor.session).await?;
        let note = Note::done("logout", format!("person:{}", visitor.person.name));
        audit::note(self, &visitor.actor, note).await;
        Ok(())
    }

    /// Ends all sessions of a person, this one too.
    ///
    /// # Errors
    /// The store's.
    pub async fn logout_everywhere(&self, visitor: &Visitor) -> Result<(), Error> {
        self.pipeline.store.end_sessions(visitor.person.id).await?;
        let note = Note::done("logout.all", format!("person:{}", visitor.person.name));
        audit::note(self, &visitor.actor, note).await;
        Ok(())
    }

    /// Whose token of a cookie this is, if the session lasts still. `acts`: it is a person who asks,
    /// and not a page that looks by itself, which would keep the session for ever.
    ///
    /// # Errors
    /// The store's.
    pub async fn session(
        &self,
        token: &str,
        address: Option<&str>,
        acts: bool,
    ) -> Result<Option<Visitor>, Error> {
        if token.len() != 64 {
            return Ok(None);
        }
        let (store, now) = (&self.pipeline.store, self.pipeline.clock.now());
        let idle = SignedDuration::try_from(self.console.load().session);
        let since = now.saturating_sub(idle.unwrap_or(LONGEST)).unwrap_or(Timestamp::MIN);
        let hash = password::digest(token);
        let Some(session) = store.session(&hash, since, now).await? else { return Ok(None) };
        if acts
            && now.duration_since(session.seen) >= SEEN
            && let Err(error) = store.see_session(&hash, now).await
        {
            tracing::warn!(%error, "that a session was used could not be written down");
        }
        Ok(person(session.person).map(|person| visitor(token, person, address)))
    }
}

fn stranger(name: &str, address: &str) -> Actor {
    let address = Some(address.to_owned());
    Actor { name: name.to_owned(), door: Door::Console, rights: Vec::new(), address }
}

fn visitor(token: &str, person: Person, address: Option<&str>) -> Visitor {
    let actor = Actor {
        name: person.name.clone(),
        door: Door::Console,
        rights: person.role.rights(),
        address: address.map(str::to_owned),
    };
    Visitor {
        person,
        actor,
        csrf: password::digest(&format!("csrf:{token}")),
        session: password::digest(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        let seconds: Vec<i64> = [0, 4, 5, 6, 7, 10, 11, 12, 100, u64::MAX]
            .into_iter()
            .map(|failures| pause_by_name(failures).as_secs())
            .collect();
        assert_eq!(seconds, [0, 0, 15, 30, 60, 480, 900, 900, 900, 900]);
        assert_eq!(pause_by_address(39).as_secs(), 0);
        assert_eq!(pause_by_address(40).as_secs(), 15);
        assert_eq!(pause_from_anywhere(199).as_secs(), 0);
        assert_eq!(pause_from_anywhere(200).as_secs(), 15);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:3::1"), network("2001:db8:1:2::1"));
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
    }

    #[test]
    fn what_forms_send_back_does_not_tell_the_token() {
        let person = Person {
            id: 1,
            name: "anna".into(),
            role: super::super::Role::Admin,
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
            closed: None,
        };
        let visitor = visitor("token", person, None);
        assert!(visitor.csrf != visitor.session && !visitor.csrf.contains("token"));
        assert_eq!(visitor.actor.rights.len(), 3);
    }
}
