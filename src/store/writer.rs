//! A writer: takes everything that waits, commits it together, then answers. Invariant: nobody is
//! told that a write is done before the commit that holds it; a member that fails is rolled back
//! alone; when the commit fails, every member hears of it. On SQLite nothing was written then; where
//! a connection to PostgreSQL broke at the commit nobody knows, and callers count on neither.
//!
//! SQLite has one writer, for the file has. On PostgreSQL a process has two: accepts have their own,
//! so that no delivery waits for the turn that writers of jobs take (`home`).

use super::home::Home;
use super::inbox;
use super::sql::{Connection, args, statements};
use super::{Accepted, CursorMove, Error};
use crate::domain::Raw;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

statements! {
    COMMIT = "the database", "commit";
    ROLLBACK = "the database", "rollback";
    MARK = "the database", "savepoint member";
    KEEP = "the database", "release savepoint member";
    UNDO = "the database", "rollback to savepoint member";
}

/// Rows of one group; more would make the first caller wait for the last one's rows.
const GROUP_ROWS: usize = 1024;
/// Tasks of one group.
const GROUP_TASKS: usize = 64;
/// While accepts are in the group, tasks get so long of it; at least one runs in any case.
const TASKS_SHARE: Duration = Duration::from_millis(5);
/// How long a group waits to become as large as the one before it.
const GATHER: Duration = Duration::from_millis(1);
/// The log is moved into the file after so many rows and tasks, each about a page …
const CHECKPOINT_AFTER: usize = 2000;
/// … or when nothing was asked for so long.
const IDLE: Duration = Duration::from_millis(300);

/// Rows for the inbox, and who waits to hear that they are in.
pub(super) struct Accept {
    pub rows: Vec<Raw>,
    pub cursor: Option<CursorMove>,
    pub answer: oneshot::Sender<Result<Accepted, Error>>,
}

/// Any other write. It is handed an error where there is no transaction to write in.
pub(super) type Task =
    Box<dyn for<'a> FnOnce(Result<&'a mut Connection, Error>) -> BoxFuture<'a, Ran> + Send>;

/// A task that ran: is its work to be kept, and how does its caller hear of the commit?
pub(super) struct Ran {
    pub kept: bool,
    /// Rows beyond the one that every task counts as, towards the next checkpoint.
    pub weight: usize,
    pub settle: Settle,
}

type Settle = Box<dyn FnOnce(Result<(), Error>) + Send>;

pub(super) struct Writer {
    connection: Connection,
    home: Home,
    /// The connection is in no known state and must be made anew.
    broken: bool,
    accepts: mpsc::Receiver<Accept>,
    tasks: mpsc::Receiver<Task>,
    closing: CancellationToken,
    closed: bool,
    /// Tasks taken from the channel, not run yet.
    waiting: VecDeque<Task>,
    last_group: usize,
    since_checkpoint: usize,
}

impl Writer {
    pub fn new(
        connection: Connection,
        home: Home,
        accepts: mpsc::Receiver<Accept>,
        tasks: mpsc::Receiver<Task>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            connection,
            home,
            broken: false,
            accepts,
            tasks,
            closing,
            closed: false,
            waiting: VecDeque::new(),
            last_group: 0,
            since_checkpoint: 0,
        }
    }
}

/// Runs until the store is closed or nobody holds it any more.
pub(super) async fn run(mut writer: Writer, ended: watch::Sender<usize>) {
    let mut accepts = Vec::new();
    while writer.wait(&mut accepts).await {
        writer.gather(&mut accepts).await;
        writer.group(std::mem::take(&mut accepts)).await;
        if writer.since_checkpoint >= CHECKPOINT_AFTER {
            writer.checkpoint().await;
        }
    }
    writer.home.leave(writer.connection).await;
    ended.send_modify(|running| *running -= 1);
}

impl Writer {
    /// Waits for the first request of a group; false when there will be none.
    async fn wait(&mut self, accepts: &mut Vec<Accept>) -> bool {
        let mut more_accepts = true;
        let mut more_tasks = true;
        loop {
            if !self.waiting.is_empty() {
                return true;
            }
            if !more_accepts && !more_tasks {
                return false;
            }
            let closing = self.closing.clone();
            tokio::select! {
                biased;
                accept = self.accepts.recv(), if more_accepts => match accept {
                    Some(accept) => { accepts.push(accept); return true; }
                    None => more_accepts = false,
                },
                task = self.tasks.recv(), if more_tasks => match task {
                    Some(task) => self.waiting.push_back(task),
                    None => more_tasks = false,
                },
                () = closing.cancelled(), if !self.closed => {
                    // What is queued is still done; nothing new comes in.
                    self.closed = true;
                    self.accepts.close();
                    self.tasks.close();
                }
                () = tokio::time::sleep(IDLE), if self.since_checkpoint > 0 => {
                    self.checkpoint().await;
                }
            }
        }
    }

    /// Takes what waits. Under load (the last group had several members) it waits a moment for as
    /// many again, since their callers were all answered at once and will be back.
    async fn gather(&mut self, accepts: &mut Vec<Accept>) {
        let until = tokio::time::Instant::now() + GATHER;
        let mut rows: usize = accepts.iter().map(|accept| accept.rows.len()).sum();
        loop {
            while rows < GROUP_ROWS {
                let Ok(accept) = self.accepts.try_recv() else { break };
                rows += accept.rows.len();
                accepts.push(accept);
            }
            while self.waiting.len() < GROUP_TASKS {
                let Ok(task) = self.tasks.try_recv() else { break };
                self.waiting.push_back(task);
            }
            let size = accepts.len() + self.waiting.len();
            if size >= self.last_group || rows >= GROUP_ROWS {
                return;
            }
            let (accepts_in, tasks_in) = (&mut self.accepts, &mut self.tasks);
            tokio::select! {
                biased;
                Some(accept) = accepts_in.recv() => {
                    rows += accept.rows.len();
                    accepts.push(accept);
                }
                Some(task) = tasks_in.recv() => self.waiting.push_back(task),
                () = tokio::time::sleep_until(until) => return,
                else => return,
            }
        }
    }

    /// One transaction for all.
    async fn group(&mut self, accepts: Vec<Accept>) {
        if let Err(error) = self.home.begin(&mut self.connection, self.broken).await {
            return self.refuse(accepts, unwritten(&error)).await;
        }
        self.broken = false;
        let mut settles = Vec::with_capacity(accepts.len() + self.waiting.len());
        let rows: usize = accepts.iter().map(|accept| accept.rows.len()).sum();
        let longest = self.home.longest();
        let written = async {
            self.run_members(accepts, &mut settles).await?;
            self.commit().await
        };
        let committed = match tokio::time::timeout(longest, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                // It fails where the database rolled back by itself, and where it is out of reach.
                self.broken = self.connection.execute(ROLLBACK, args![]).await.is_err();
                Err(error)
            }
            Err(_) => {
                self.broken = true;
                Err(Error::Unavailable("the database does not answer".to_owned()))
            }
        };
        self.last_group = settles.len();
        self.since_checkpoint += rows + settles.len();
        let committed = committed.map_err(|error| unwritten(&error));
        for settle in settles {
            settle(committed.clone());
        }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        let count = stop::before_commit().await;
        self.connection.execute(COMMIT, args![]).await?;
        stop::after_commit(count).await;
        Ok(())
    }

    /// Everybody hears that there is no writing now.
    async fn refuse(&mut self, accepts: Vec<Accept>, error: Error) {
        for accept in accepts {
            let _gone = accept.answer.send(Err(error.clone()));
        }
        for task in std::mem::take(&mut self.waiting) {
            (task(Err(error.clone())).await.settle)(Ok(()));
        }
    }

    /// Runs accepts, then tasks. An error means that the whole transaction is lost.
    async fn run_members(
        &mut self,
        accepts: Vec<Accept>,
        settles: &mut Vec<Settle>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let loaded = !accepts.is_empty();
        self.run_accepts(accepts, settles).await?;
        for done in 0..GROUP_TASKS {
            if loaded && done > 0 && begun.elapsed() > TASKS_SHARE {
                break;
            }
            let Some(task) = self.waiting.pop_front() else { break };
            self.connection.execute(MARK, args![]).await?;
            let ran = AssertUnwindSafe(task(Ok(&mut self.connection))).catch_unwind().await;
            // A panic is a defect of the task; its caller hears that its answer was dropped.
            let kept = ran.as_ref().is_ok_and(|ran| ran.kept);
            if let Ok(ran) = ran {
                self.since_checkpoint += ran.weight;
                settles.push(ran.settle);
            }
            self.end_member(kept).await?;
        }
        Ok(())
    }

    /// All accepts in few statements; where that fails, one by one, so that each hears of its own.
    async fn run_accepts(
        &mut self,
        accepts: Vec<Accept>,
        settles: &mut Vec<Settle>,
    ) -> Result<(), Error> {
        if accepts.is_empty() {
            return Ok(());
        }
        self.connection.execute(MARK, args![]).await?;
        let together = inbox::store(&mut self.connection, &accepts).await;
        self.end_member(together.is_ok()).await?;
        if let Ok(counts) = together {
            if counts.iter().any(|count| count.new > 0) {
                self.connection.tell(super::ARRIVED).await?;
            }
            settles.extend(
                accepts.into_iter().zip(counts).map(|(accept, count)| settle(accept, Ok(count))),
            );
            return Ok(());
        }
        for accept in accepts {
            self.connection.execute(MARK, args![]).await?;
            let alone = inbox::store(&mut self.connection, std::slice::from_ref(&accept)).await;
            self.end_member(alone.is_ok()).await?;
            let count = alone.map(|counts| counts.first().copied().unwrap_or_default());
            settles.push(settle(accept, count));
        }
        Ok(())
    }

    async fn end_member(&mut self, kept: bool) -> Result<(), Error> {
        if !kept && self.connection.execute(UNDO, args![]).await.is_err() {
            // After a full disk or an I/O error SQLite may have rolled back everything by itself.
            let why = "the database gave the transaction up: full disk or I/O error";
            return Err(Error::Unavailable(why.to_owned()));
        }
        self.connection.execute(KEEP, args![]).await.map(drop)
    }

    async fn checkpoint(&mut self) {
        self.since_checkpoint = 0;
        self.home.checkpoint(&mut self.connection).await;
    }
}

fn settle(accept: Accept, count: Result<Accepted, Error>) -> Settle {
    Box::new(move |committed| {
        let _gone = accept.answer.send(count.and_then(|count| committed.map(|()| count)));
    })
}

fn unwritten(error: &Error) -> Error {
    match error {
        Error::Unavailable(why) => Error::Unavailable(why.clone()),
        other => Error::Unavailable(other.to_string()),
    }
}

/// Where a test stops the process: before or after a chosen commit.
#[cfg(feature = "testing")]
mod stop {
    use std::sync::atomic::{AtomicU64, Ordering};

    static COMMITS: AtomicU64 = AtomicU64::new(0);

    /// The number of the commit.
    pub(super) async fn before_commit() -> u64 {
        let count = COMMITS.fetch_add(1, Ordering::AcqRel) + 1;
        stop_at("before", count).await;
        count
    }

    pub(super) async fn after_commit(count: u64) {
        stop_at("after", count).await;
    }

    /// Writes the file that the harness waits for, then parks for ever: the harness kills us.
    async fn stop_at(place: &str, count: u64) {
        let asked = std::env::var("LEADLINK_STOP_AT").unwrap_or_default();
        if asked != format!("{place}:{count}") {
            return;
        }
        if let Some(file) = std::env::var_os("LEADLINK_STOP_FILE") {
            let _unseen = std::fs::write(file, &asked);
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(not(feature = "testing"))]
mod stop {
    pub(super) async fn before_commit() {}
    pub(super) async fn after_commit((): ()) {}
}
