//! What people see and do, the same for the pages and the API: who they are, what they may, journals,
//! stories, acts. Invariant: nothing is done without an [`Actor`] who may do it, and every act leaves
//! a row in the audit log; what is shown is plain data, no HTML and no HTTP.

pub mod acts;
pub mod address;
pub mod audit;
pub mod charts;
pub mod connections;
pub mod flows;
pub mod hub;
pub mod journals;
pub mod login;
pub mod names;
pub mod needs;
pub mod overview;
pub mod papers;
pub mod password;
pub mod people;
pub mod reload;
pub mod rights;
pub mod routes;
pub mod story;
pub mod tokens;

use crate::config::Console;
use crate::pipeline::Pipeline;
use arc_swap::ArcSwap;
use std::sync::Arc;

pub use audit::Note;
pub use hub::{Hub, Topic};
pub use papers::Papers;
pub use people::{Person, Visitor};
pub use rights::{Actor, Door, Right, Role};

/// Everything that pages and API need. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub pipeline: Pipeline,
    /// `[console]` as it was read last.
    pub console: Arc<ArcSwap<Console>>,
    /// What else was read with it.
    pub papers: Arc<ArcSwap<Papers>>,
    /// Who looks at what right now.
    pub hub: Arc<Hub>,
    /// Names beside codes.
    pub names: Arc<names::Names>,
}

impl Desk {
    pub fn new(pipeline: Pipeline, console: Console) -> Self {
        let console = Arc::new(ArcSwap::from_pointee(console));
        Self {
            pipeline,
            console,
            papers: Arc::default(),
            hub: Arc::default(),
            names: Arc::default(),
        }
    }

    /// From now on this is what config and flow files say.
    pub fn adopt(&self, console: Console, papers: Papers) {
        self.console.store(Arc::new(console));
        self.papers.store(Arc::new(papers));
    }
}

/// Why something was not shown or not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there is no {0}")]
    NotFound(String),
    /// The person may not.
    #[error("{0} is not allowed to do that")]
    Forbidden(String),
    /// What was asked for makes no sense; all that is wrong with it: field, why.
    #[error("{}", told(.0))]
    Invalid(Vec<(String, String)>),
    /// It makes sense, but not now: the job is being decided, the flow is stopped.
    #[error("{0}")]
    Conflict(String),
    /// The far side did not answer.
    #[error("{0}")]
    FarSide(String),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

fn told(wrong: &[(String, String)]) -> String {
    let lines: Vec<String> = wrong.iter().map(|(field, why)| format!("{field}: {why}")).collect();
    lines.join("; ")
}
