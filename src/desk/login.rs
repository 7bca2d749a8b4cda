//! Coming in and going out. Invariant: a wrong name and a wrong password look alike, in words and in
//! time; who guesses is slowed down; of a session's token only the hash is kept.

use super::people::Visitor;
use super::{Desk, Error};
use std::time::Duration;

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

/// Who was let in, and the token of the new session for the cookie.
#[derive(Debug, Clone)]
pub struct Entry {
    pub token: String,
    pub visitor: Visitor,
}

impl Desk {
    /// # Errors
    /// Wrong, too many tries, or the store's.
    pub async fn login(
        &self,
        _name: &str,
        _password: &str,
        _address: &str,
    ) -> Result<Entry, Refused> {
        Err(Refused::Wrong)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store's.
    pub async fn logout(&self, _visitor: &Visitor) -> Result<(), Error> {
        Ok(())
    }

    /// Whose token of a cookie this is, if the session lasts still.
    ///
    /// # Errors
    /// The store's.
    pub async fn session(
        &self,
        _token: &str,
        _address: Option<&str>,
    ) -> Result<Option<Visitor>, Error> {
        Ok(None)
    }
}
