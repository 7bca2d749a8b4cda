//! Flows that a person started or stopped. Invariant: a flow has one switch at most; it holds until the
//! configured value changes, and every process is called when there is another.

use super::sql::{Connection, Row, args, statements};
use super::{Error, Store, commands};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

statements! {
    EVERY = "flow_switch", "select flow, running, configured, who, why, at from flow_switch";
    PUT = "flow_switch", "insert into flow_switch (flow, running, configured, who, why, at) \
            values ($1, $2, $3, $4, $5, $6) \
        on conflict (flow) do update set running = excluded.running, \
            configured = excluded.configured, who = excluded.who, why = excluded.why, \
            at = excluded.at";
    // One that was switched after this process read its files is the matter of who read them since.
    LAPSE = "flow_switch", "delete from flow_switch \
        where flow = $1 and configured <> $2 and at <= $3";
}

/// A person's hand on a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switch {
    pub flow: String,
    pub running: bool,
    /// What config said then.
    pub configured: bool,
    pub who: String,
    pub why: Option<String>,
    pub at: Timestamp,
}

impl Switch {
    /// Does it still hold, where config says this now?
    pub fn holds(&self, configured: bool) -> bool {
        self.configured == configured
    }
}

impl Store {
    /// All switches, by flow.
    pub async fn switches(&self) -> Result<BTreeMap<String, Switch>, Error> {
        all(&mut self.reader().await?).await
    }

    /// Keeps a switch in the place of the one before, and calls all processes by `call`.
    pub async fn put_switch(&self, switch: Switch, call: &'static str) -> Result<(), Error> {
        self.write(move |db| {
            Box::pin(async move {
                let Switch { flow, running, configured, who, why, at } = &switch;
                let args = args![flow, *running, *configured, who, why.as_ref(), *at];
                db.execute(PUT, args).await?;
                commands::call(db, call, *at).await.map(drop)
            })
        })
        .await
    }

    /// The configured value is this, as of files that were read at `loaded`: a switch against another
    /// value has ended.
    pub async fn lapse_switch(
        &self,
        flow: &str,
        configured: bool,
        loaded: Timestamp,
    ) -> Result<(), Error> {
        let flow = flow.to_owned();
        self.write(move |db| {
            Box::pin(
                async move { db.execute(LAPSE, args![&flow, configured, loaded]).await.map(drop) },
            )
        })
        .await
    }
}

pub(super) async fn all(db: &mut Connection) -> Result<BTreeMap<String, Switch>, Error> {
    let rows = db.fetch(EVERY, args![]).await?;
    rows.iter().map(|row| switch(row).map(|held| (held.flow.clone(), held))).collect()
}

fn switch(row: &Row) -> Result<Switch, Error> {
    Ok(Switch {
        flow: row.owned("flow")?,
        running: row.flag("running")?,
        configured: row.flag("configured")?,
        who: row.owned("who")?,
        why: row.opt_text("why")?.map(str::to_owned),
        at: row.time("at")?,
    })
}
