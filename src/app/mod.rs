//! Wires everything, owns nothing. Invariant: what is wrong with config, connections and flows is
//! collected whole before anything runs.

pub mod bind;
#[cfg(feature = "testing")]
pub mod control;
pub mod doorway;
pub mod notify;
pub mod reload;
pub mod serve;

use crate::clock::Clock;
use crate::config::{self, Config, Console, Log, Reconcile, Retention, Server};
use crate::connectors::{self, Connector, Shared};
use crate::desk::Papers;
use crate::desk::papers::Account;
use crate::diagnosis::Problem;
use crate::mapping;
use crate::pipeline::{Pipeline, chores};
use crate::rules::Book;
use crate::store::{self, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that config and flow files say, read and checked.
pub struct App {
    pub server: Server,
    pub store_url: String,
    pub log: Log,
    pub retention: Retention,
    pub reconcile: Reconcile,
    pub console: Console,
    pub book: Book,
    /// Instances with a role that is bound to nothing.
    pub off: Vec<mapping::Bound>,
    pub connectors: BTreeMap<String, Arc<dyn Connector>>,
    /// What is shown of all this.
    pub papers: Papers,
    /// What the connectors share, and those of the next configuration after them.
    pub shared: Shared,
    /// The file that all this was read from.
    pub file: Option<PathBuf>,
}

/// What was read, as far as it could be, and everything that is wrong with it.
pub struct Read {
    pub app: Option<App>,
    pub problems: Vec<Problem>,
    /// Cases that passed.
    pub cases: usize,
}

/// Reads config, connections and flows from `file` and the environment.
pub fn read(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Read {
    let shared = Shared::default();
    let read = read_with(file, env, &shared);
    shared.limits.adopt();
    read
}

/// As [`read`], for connectors that follow others: see [`Shared::next`].
pub fn read_with(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    shared: &Shared,
) -> Read {
    let (config, mut problems) = config::load(file, env);
    let Some(config) = config else { return Read { app: None, problems, cases: 0 } };
    let mut read = assemble(config, shared);
    problems.append(&mut read.problems);
    let app = read.app.map(|app| App { file: file.map(Path::to_owned), ..app });
    Read { app, problems, ..read }
}

/// Makes the connectors, binds and checks the flows, runs their cases.
pub fn assemble(config: Config, shared: &Shared) -> Read {
    let Config {
        server,
        store_url,
        mappings_dir,
        roles,
        connections,
        flows,
        log,
        retention,
        reconcile,
        console,
        origins,
    } = config;
    let mut problems = Vec::new();
    let accounts_shown = connections.iter().map(account).collect();
    let built = connectors::build(connections, shared);
    problems.extend(built.problems);
    let loaded = mapping::load_all(&mappings_dir);
    problems.extend(loaded.problems);
    // With those that have errors, for everything that is wrong with them is told at once.
    let files = [loaded.flows, loaded.broken].concat();
    let bound = bind::bind(&files, &flows, &roles, &origins);
    problems.extend(bound.problems);
    let offers = built.connectors.iter().map(|(name, connector)| (name.clone(), connector.offer()));
    let accounts = built.connectors.iter();
    let accounts = accounts.filter_map(|(name, held)| Some((name.clone(), held.account()?)));
    let book = Book::new(bound.flows, offers.collect()).with_accounts(accounts.collect());
    let checked = bind::check(&book, &bound.off);
    problems.extend(checked.problems);
    let papers = Papers {
        mappings: mappings_dir,
        off: bound.off.clone(),
        flows,
        connections: accounts_shown,
    };
    let app = App {
        server,
        papers,
        off: bound.off,
        store_url,
        log,
        retention,
        reconcile,
        console,
        book,
        connectors: built.connectors,
        shared: shared.clone(),
        file: None,
    };
    Read { app: Some(app), problems, cases: checked.passed }
}

/// A connection as it is shown.
fn account(held: &config::Connection) -> (String, Account) {
    let listed = connectors::LIST.iter().find(|(name, ..)| *name == held.connector);
    let keys = listed.map_or(&[] as &[_], |(.., keys)| *keys);
    let account = Account {
        title: held.title.clone(),
        settings: held.section.shown(keys),
        hook_secret: held.section.held_secret("hook_secret"),
    };
    (held.name.clone(), account)
}

impl App {
    /// By what the chores are done.
    pub fn chores(&self) -> chores::Settings {
        let (retention, reconcile) = (self.retention.clone(), self.reconcile.clone());
        chores::Settings { retention, reconcile }
    }

    /// Opens the store as its owner and puts the pipeline together.
    ///
    /// # Errors
    /// The store's.
    pub async fn pipeline(self, clock: Clock) -> Result<Pipeline, store::Error> {
        let store = Store::open(&self.store_url, clock.now()).await?;
        let leave = self.shared.limits.leave();
        Ok(Pipeline::new(store, clock, self.book, self.connectors, leave))
    }
}
