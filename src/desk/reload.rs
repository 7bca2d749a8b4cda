//! Config and flow files are read anew, by every process. Invariant: a bad set changes nothing; each
//! process tells for itself whether it took it up.

use super::audit::Note;
use super::{Actor, Desk, Error, Right};
use crate::pipeline::call::{self, Heard};
use crate::pipeline::obey::RELOAD;
use crate::store::Replica;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A process looks for calls twice a second and shows itself at once when it has heard one.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reloaded {
    /// Every process took it up.
    pub ok: bool,
    pub processes: Vec<ReloadedProcess>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReloadedProcess {
    pub name: String,
    /// Why it refused and runs on as it did.
    pub trouble: Option<String>,
}

impl Desk {
    /// Has every process read config and flow files anew.
    ///
    /// # Errors
    /// The actor may not; a process does not hear; the store's.
    pub async fn reload(&self, actor: &Actor) -> Result<Reloaded, Error> {
        let written = Note::done("reload", "house");
        let desk = self.clone();
        self.act(actor, Right::Act, written, async move { desk.called().await }).await
    }

    async fn called(&self) -> Result<Reloaded, Error> {
        let (store, clock) = (&self.pipeline.store, &self.pipeline.clock);
        match call::all(store, RELOAD, clock, PATIENCE).await? {
            Heard::All(live) => Ok(told(live)),
            Heard::Not(silent) => {
                Err(Error::Conflict(format!("not heard yet by {}", silent.join(", "))))
            }
        }
    }
}

fn told(live: Vec<Replica>) -> Reloaded {
    let process =
        |replica: Replica| ReloadedProcess { name: replica.owner, trouble: replica.trouble };
    Reloaded {
        ok: live.iter().all(|replica| replica.trouble.is_none()),
        processes: live.into_iter().map(process).collect(),
    }
}
