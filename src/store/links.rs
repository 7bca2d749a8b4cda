//! Links: this lead is that order. Invariant: a link is written with the step that made it, once;
//! the first time that it was made stays.

use super::sql::{Connection, Row, args, list, statements};
use super::{Error, Store};
use crate::domain::Link;

statements! {
    INSERT = "link", "insert into link (to_connection, to_kind, from_kind, from_id, from_connection, \
        to_id, made, step_id) values ($1, $2, $3, $4, $5, $6, $7, $8) \
        on conflict (to_connection, to_kind, from_kind, from_id, from_connection, to_id) \
        do update set made = excluded.made";
    FROM = "link", "select from_kind, from_connection, from_id, to_connection, to_kind, to_id, made \
        from link where to_connection = $1 and to_kind = $2 and from_kind = $3 \
        and from_id in (select value from json_each($4)) order by made desc, id desc";
    LEAD_ON = "link", "insert into link (to_connection, to_kind, from_kind, from_id, \
            from_connection, to_id, made) \
        select to_connection, to_kind, from_kind, from_id, from_connection, $4, made from link \
        where to_connection = $1 and to_kind = $2 and to_id = $3 on conflict \
        (to_connection, to_kind, from_kind, from_id, from_connection, to_id) do nothing";
}

impl Store {
    /// Links to entities of one kind from any of these ids, newest first.
    pub async fn links(
        &self,
        to_connection: &str,
        to_kind: &str,
        from_kind: &str,
        from_ids: &[String],
    ) -> Result<Vec<Link>, Error> {
        if from_ids.is_empty() {
            return Ok(Vec::new());
        }
        let args = args![to_connection, to_kind, from_kind, list(from_ids)];
        let rows = self.reader().await?.fetch(FROM, args).await?;
        rows.iter().map(link).collect()
    }
}

/// Writes the links that a step made.
pub(super) async fn insert(
    connection: &mut Connection,
    step: i64,
    links: &[Link],
) -> Result<(), Error> {
    for link in links {
        let args = args![
            &link.to_connection,
            &link.to_kind,
            &link.from_kind,
            &link.from_id,
            &link.from_connection,
            &link.to_id,
            link.made,
            step,
        ];
        connection.execute(INSERT, args).await?;
    }
    Ok(())
}

/// What leads to a thing that is gone leads to its survivor too.
pub(super) async fn lead_on(
    connection: &mut Connection,
    (to_connection, to_kind): (&str, &str),
    gone: &str,
    survivor: &str,
) -> Result<(), Error> {
    connection.execute(LEAD_ON, args![to_connection, to_kind, gone, survivor]).await.map(drop)
}

pub(super) fn link(row: &Row) -> Result<Link, Error> {
    Ok(Link {
        from_kind: row.owned("from_kind")?,
        from_connection: row.owned("from_connection")?,
        from_id: row.owned("from_id")?,
        to_connection: row.owned("to_connection")?,
        to_kind: row.owned("to_kind")?,
        to_id: row.owned("to_id")?,
        made: row.time("made")?,
    })
}
