//! Tokens of the API. Invariant: a token is shown once, when it is made; after that only its hash is
//! known; it may what its scopes say, until it ends or is revoked.

use super::{Actor, Desk, Error};

impl Desk {
    /// Whose bearer token this is, if it holds still.
    ///
    /// # Errors
    /// The store's.
    pub async fn bearer(
        &self,
        _token: &str,
        _address: Option<&str>,
    ) -> Result<Option<Actor>, Error> {
        Ok(None)
    }
}
