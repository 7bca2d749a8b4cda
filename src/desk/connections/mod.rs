//! Connections as people see them. Invariant: no secret is shown, but for the address of a hook to who
//! may act; lists are read from the far side each time.

mod view;

pub use view::*;

use super::{Actor, Desk, Error};

impl Desk {
    /// How all connections do, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn connections(&self) -> Result<Vec<ConnectionRow>, Error> {
        Ok(Vec::new())
    }

    /// One connection, whole.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub async fn connection(&self, actor: &Actor, name: &str) -> Result<ConnectionPage, Error> {
        let _ = actor;
        Err(Error::NotFound(format!("connection {name}")))
    }

    /// The live codes of a connection's list.
    ///
    /// # Errors
    /// There is none; the far side does not answer.
    pub async fn list(&self, connection: &str, list: &str) -> Result<ListPage, Error> {
        Err(Error::NotFound(format!("list {list} of {connection}")))
    }
}
