//! The one writer: takes everything that waits, commits it together, then answers. Invariant:
//! nobody is told that a write is done before the commit that holds it; a member that fails is
//! rolled back alone; when the commit fails, every member hears that nothing was written.

use super::inbox;
use super::sql::{Connection, args, statements};
use super::{Accepted, CursorMove, Error};
use crate::domain::Raw;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

statements! {
    BEGIN = "the file", "begin immediate";
    COMMIT = "the file", "commit";
    ROLLBACK = "the file", "rollback";
    MARK = "the file", "savepoint member";
    KEEP = "the file", "release member";
    UNDO = "the file", "rollback to member";
    CHECKPOINT = "the file", "pragma wal_checkpoint(passive)";
    EMPTY_LOG = "the file", "pragma wal_checkpoint(truncate)";
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
    /// Held for as long as this writer lives; `None` beside the owner, who also checkpoints.
    lock: Option<File>,
    accepts: mpsc::Receiver<Accept>,
    tasks: mpsc::Receiver<Task>,
    closing: CancellationToken,
    /// Tasks taken from the channel, not run yet.
    waiting: VecDeque<Task>,
    last_group: usize,
    since_checkpoint: usize,
}

impl Writer {
    pub fn new(
        connection: Connection,
        lock: Option<File>,
        accepts: mpsc::Receiver<Accept>,
        tasks: mpsc::Receiver<Task>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            connection,
            lock,
            accepts,
            tasks,
            closing,
            waiting: VecDeque::new(),
            last_group: 0,
            since_checkpoint: 0,
        }
    }
}

/// Runs until the store is closed or nobody holds it any more.
pub(super) async fn run(mut writer: Writer, ended: watch::Sender<bool>) {
    let mut accepts = Vec::new();
    while writer.wait(&mut accepts).await {
        writer.gather(&mut accepts).await;
        writer.group(std::mem::take(&mut accepts)).await;
        if writer.since_checkpoint >= CHECKPOINT_AFTER {
            writer.checkpoint().await;
        }
    }
    if writer.lock.is_some() {
        // Failing leaves the log to the next opening, which reads it; nothing is lost.
        let _left = writer.connection.fetch(EMPTY_LOG, args![]).await;
    }
    let _left = writer.connection.close().await;
    drop(writer.lock);
    ended.send_replace(true);
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
                () = closing.cancelled(), if !self.accepts.is_closed() => {
                    // What is queued is still done; nothing new comes in.
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
        if let Err(error) = self.connection.execute(BEGIN, args![]).await {
            return self.refuse(accepts, unwritten(&error)).await;
        }
        let mut settles = Vec::with_capacity(accepts.len() + self.waiting.len());
        let rows: usize = accepts.iter().map(|accept| accept.rows.len()).sum();
        let ran = self.run_members(accepts, &mut settles).await;
        self.last_group = settles.len();
        self.since_checkpoint += rows + settles.len();
        let committed = match ran {
            Ok(()) => self.commit().await,
            Err(error) => Err(error),
        };
        if committed.is_err() {
            // It fails where the database rolled back by itself.
            let _none = self.connection.execute(ROLLBACK, args![]).await;
        }
        let committed = committed.map_err(|error| unwritten(&error));
        for settle in settles {
            settle(committed.clone());
        }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        stop::before_commit().await;
        self.connection.execute(COMMIT, args![]).await?;
        stop::after_commit().await;
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

    /// Moves the log into the file as far as readers allow. The owner's chore.
    async fn checkpoint(&mut self) {
        self.since_checkpoint = 0;
        if self.lock.is_some() {
            // What cannot be moved now is moved next time.
            let _later = self.connection.fetch(CHECKPOINT, args![]).await;
        }
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

    pub(super) async fn before_commit() {
        let count = COMMITS.fetch_add(1, Ordering::AcqRel) + 1;
        stop_at("before", count).await;
    }

    pub(super) async fn after_commit() {
        stop_at("after", COMMITS.load(Ordering::Acquire)).await;
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
    pub(super) async fn after_commit() {}
}
