//! What people did. Invariant: rows are only added, and deleted by nothing but retention.

use super::sql::{Row, args, statements};
use super::{Error, Store};
use jiff::Timestamp;
use serde_json::Value;

/// Some of the log by what leads to it, newest first.
macro_rules! acts {
    ($by:literal) => {
        concat!(
            "select id, at, who, door, act, about, outcome, detail, address from audit where ",
            $by,
            "id < $1 and ($2 = '' or who = $2) and ($3 = '' or act = $3) \
            and ($4 = '' or about = $4) order by id desc limit $5"
        )
    };
}

statements! {
    NOTE = "audit", "insert into audit (at, who, door, act, about, outcome, detail, address) \
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    ALL_ACTS = "audit", acts!("");
    OF_WHO = "audit", acts!("who = $2 and ");
    OF_ACT = "audit", acts!("act = $3 and ");
    OF_ABOUT = "audit", acts!("about = $4 and ");
}

/// An act, before it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAct {
    pub who: String,
    pub door: &'static str,
    pub act: String,
    pub about: String,
    pub outcome: String,
    pub detail: Value,
    pub address: Option<String>,
}

/// An act that was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct ActRow {
    pub id: i64,
    pub at: Timestamp,
    pub who: String,
    pub door: String,
    pub act: String,
    pub about: String,
    pub outcome: String,
    pub detail: Value,
    pub address: Option<String>,
}

/// Which acts are asked for; an empty text is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acts {
    pub who: String,
    pub act: String,
    pub about: String,
    /// Only those before this one.
    pub before: Option<i64>,
}

impl Store {
    pub async fn note(&self, act: NewAct, now: Timestamp) -> Result<(), Error> {
        let NewAct { who, door, act, about, outcome, detail, address } = act;
        let args = args![now, who, door, act, about, outcome, &detail, address];
        self.write(move |db| Box::pin(async move { db.execute(NOTE, args).await.map(drop) })).await
    }

    /// The newest first.
    pub async fn noted(&self, asked: &Acts, most: u32) -> Result<Vec<ActRow>, Error> {
        let before = asked.before.unwrap_or(i64::MAX);
        let args = args![before, &asked.who, &asked.act, &asked.about, most];
        // By what leaves the fewest, as a rule.
        let by = [(OF_ABOUT, &asked.about), (OF_WHO, &asked.who), (OF_ACT, &asked.act)];
        let chosen = by.into_iter().find(|(_, wanted)| !wanted.is_empty());
        let statement = chosen.map_or(ALL_ACTS, |(statement, _)| statement);
        self.reader().await?.fetch(statement, args).await?.iter().map(row).collect()
    }
}

fn row(row: &Row) -> Result<ActRow, Error> {
    Ok(ActRow {
        id: row.int("id")?,
        at: row.time("at")?,
        who: row.owned("who")?,
        door: row.owned("door")?,
        act: row.owned("act")?,
        about: row.owned("about")?,
        outcome: row.owned("outcome")?,
        detail: row.json("detail")?,
        address: row.opt_text("address")?.map(str::to_owned),
    })
}
