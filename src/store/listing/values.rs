//! What the columns of the journals hold, for lists to choose from. Invariant: found by skipping through
//! an index from value to value, so that it costs as many looks as there are values, not rows.

use super::{Column, Journal};
use crate::store::sql::{Statement, args, statements};
use crate::store::{Error, Store};
use jiff::Timestamp;

/// Each value that has a row in the span, by an index that begins with the column and goes on with the time.
macro_rules! values {
    ($table:literal, $column:literal) => {
        concat!(
            "with recursive held (value) as ( \
            select (select ",
            $column,
            " from ",
            $table,
            " where ",
            $column,
            " > '' \
                order by ",
            $column,
            " limit 1) \
            union all \
            select (select ",
            $column,
            " from ",
            $table,
            " where ",
            $column,
            " > held.value \
                order by ",
            $column,
            " limit 1) from held where held.value is not null) \
            select value from held where value is not null \
                and exists (select 1 from ",
            $table,
            " t where t.",
            $column,
            " = held.value \
                    and t.at >= $1 and t.at < $2) limit 500"
        )
    };
}

statements! {
    JOURNALS = "lead_journal", "select connection, kind from lead_journal order by connection, kind";
    LEAD_SOURCE = "lead", values!("lead", "source");
    LEAD_MEDIUM = "lead", values!("lead", "medium");
    LEAD_CAMPAIGN = "lead", values!("lead", "campaign");
    DEAL_STATUS = "deal", values!("deal", "status");
    DEAL_SOURCE = "deal", values!("deal", "source");
    DEAL_MEDIUM = "deal", values!("deal", "medium");
    DEAL_CAMPAIGN = "deal", values!("deal", "campaign");
    DEAL_MANAGER = "deal", values!("deal", "manager");
    DEAL_FUNNEL = "deal", values!("deal", "funnel");
    DEAL_CONNECTION = "deal", values!("deal", "connection");
    MESSAGE_CONNECTION = "message", values!("message", "connection");
    MESSAGE_STATE = "message", values!("message", "state");
}

/// What was decided about leads, in the order of a list.
const OUTCOMES: [&str; 6] = ["waiting", "acted", "skipped", "incomplete", "stuck", "none"];

impl Store {
    /// What a column of a journal holds in this span, for a list to choose from; 500 at most.
    pub async fn known_values(
        &self,
        journal: Journal,
        column: Column,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<String>, Error> {
        let Some(statement) = statement(journal, column) else {
            return self.given(journal, column).await;
        };
        let rows = self.reader().await?.fetch(statement, args![from, until]).await?;
        rows.iter().map(|row| row.owned("value")).collect()
    }

    /// What is told without looking at rows.
    async fn given(&self, journal: Journal, column: Column) -> Result<Vec<String>, Error> {
        let name = match (journal, column) {
            (Journal::Leads, Column::Connection) => "connection",
            (Journal::Leads, Column::Kind) => "kind",
            (Journal::Leads, Column::Outcome) => {
                return Ok(OUTCOMES.map(str::to_owned).to_vec());
            }
            (Journal::Messages, Column::Direction) => {
                return Ok(["in", "out"].map(str::to_owned).to_vec());
            }
            _ => return Ok(Vec::new()),
        };
        let rows = self.reader().await?.fetch(JOURNALS, args![]).await?;
        let mut held: Vec<String> =
            rows.iter().map(|row| row.owned(name)).collect::<Result<_, _>>()?;
        held.sort();
        held.dedup();
        Ok(held)
    }
}

fn statement(journal: Journal, column: Column) -> Option<Statement> {
    Some(match (journal, column) {
        (Journal::Leads, Column::Source) => LEAD_SOURCE,
        (Journal::Leads, Column::Medium) => LEAD_MEDIUM,
        (Journal::Leads, Column::Campaign) => LEAD_CAMPAIGN,
        (Journal::Deals, Column::Status) => DEAL_STATUS,
        (Journal::Deals, Column::Source) => DEAL_SOURCE,
        (Journal::Deals, Column::Medium) => DEAL_MEDIUM,
        (Journal::Deals, Column::Campaign) => DEAL_CAMPAIGN,
        (Journal::Deals, Column::Manager) => DEAL_MANAGER,
        (Journal::Deals, Column::Funnel) => DEAL_FUNNEL,
        (Journal::Deals, Column::Connection) => DEAL_CONNECTION,
        (Journal::Messages, Column::Connection) => MESSAGE_CONNECTION,
        (Journal::Messages, Column::State) => MESSAGE_STATE,
        _ => return None,
    })
}
