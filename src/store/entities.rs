//! What we remember of foreign things. Invariant: what an effect tells of its entity is kept in the
//! transaction that keeps the effect's outcome; what is gone stays.

use super::sql::{Connection, Row, args, json, list, statements};
use super::{Error, Store, deals, links, messages};
use crate::domain::{Entity, Fate, Kept};

statements! {
    FIND = "entity", "select connection, kind, entity_id, fields, made, changed, gone, became \
        from entity where connection in (select value from json_each($1)) and kind = $2 \
        and entity_id in (select value from json_each($3))";
    ABOUT = "entity", "select connection, kind, entity_id, fields, made, changed, gone, became \
        from entity where connection in (select value from json_each($1)) \
        and kind in (select value from json_each($2)) \
        and entity_id in (select value from json_each($3)) order by kind, entity_id, connection";
    NUMBERED = "entity", "select entity_id from entity where number = $1 \
        order by changed desc limit $2";
    KEEP = "entity", "insert into entity \
            (connection, kind, entity_id, fields, number, made, changed) \
        values ($1, $2, $3, $4, $5, $6, $6) on conflict (connection, kind, entity_id) \
        do update set fields = excluded.fields, number = excluded.number, \
            changed = excluded.changed returning id, made";
    FATE = "entity", "insert into entity \
            (connection, kind, entity_id, fields, made, changed, gone, became) \
        values ($1, $2, $3, '{}', $4, $4, $4, $5) on conflict (connection, kind, entity_id) \
        do update set gone = coalesce(entity.gone, excluded.gone), changed = excluded.changed, \
            became = coalesce(excluded.became, entity.became) \
        where entity.gone is null or excluded.became <> coalesce(entity.became, '')";
    GONE = "entity", "select connection, kind, entity_id, fields, made, changed, gone, became \
        from entity where connection = $1 and kind = $2 and gone >= $3 order by gone, entity_id";
}

/// Mergers that are followed from one thing; a ring of them ends here.
const CHAIN: usize = 16;
/// The field with what people call a thing.
const NUMBER: &str = "orderName";

impl Store {
    /// What is remembered of a thing, in the first of these connections that knows it.
    pub async fn entity(
        &self,
        connections: &[String],
        kind: &str,
        id: &str,
    ) -> Result<Option<Entity>, Error> {
        let found = find(&mut self.reader().await?, connections, kind, &[id.to_owned()]).await?;
        let place =
            |entity: &Entity| connections.iter().position(|name| *name == entity.connection);
        Ok(found.into_iter().min_by_key(place))
    }

    /// What is remembered of several things of one connection; those that are not known are missing.
    pub async fn entities(
        &self,
        connection: &str,
        kind: &str,
        ids: &[String],
    ) -> Result<Vec<Entity>, Error> {
        find(&mut self.reader().await?, &[connection.to_owned()], kind, ids).await
    }

    /// Corrects what is remembered by what was read back. What was read before the last change of
    /// the memory corrects nothing.
    pub async fn keep_entities(&self, kept: Vec<Kept>) -> Result<(), Error> {
        if kept.is_empty() {
            return Ok(());
        }
        self.write_weighing(kept.len(), move |db| {
            Box::pin(async move {
                for kept in &kept {
                    keep_later(db, kept).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Things that are gone since then, in the order of their going.
    pub async fn gone_entities(
        &self,
        connection: &str,
        kind: &str,
        since: jiff::Timestamp,
    ) -> Result<Vec<Entity>, Error> {
        let rows = self.reader().await?.fetch(GONE, args![connection, kind, since]).await?;
        rows.iter().map(entity).collect()
    }
}

/// Keeps what a done effect told, within the transaction of its outcome.
pub(super) async fn keep(connection: &mut Connection, kept: Option<&Kept>) -> Result<(), Error> {
    let Some(kept) = kept else { return Ok(()) };
    let known = one(connection, &kept.connection, &kept.kind, &kept.id).await?;
    lay_over(connection, known, kept, false).await
}

/// What is told of a thing as it was then: what is remembered from later stays, unless it moved forward.
pub(super) async fn keep_later(connection: &mut Connection, kept: &Kept) -> Result<(), Error> {
    let known = one(connection, &kept.connection, &kept.kind, &kept.id).await?;
    let late = known.as_ref().is_some_and(|known| known.changed > kept.at);
    lay_over(connection, known, kept, late).await
}

/// A thing is gone: that stays, and who led to it leads to what it became, however far that went.
pub(super) async fn end(connection: &mut Connection, fate: &Fate) -> Result<(), Error> {
    let args = args![&fate.connection, &fate.kind, &fate.id, fate.at, fate.became.as_ref()];
    connection.execute(FATE, args).await?;
    let mut gone = fate.id.clone();
    for _ in 0..CHAIN {
        let known = one(connection, &fate.connection, &fate.kind, &gone).await?;
        let Some(survivor) = known.and_then(|known| known.became) else { return Ok(()) };
        if survivor == gone {
            return Ok(());
        }
        links::lead_on(connection, (&fate.connection, &fate.kind), &gone, &survivor).await?;
        gone = survivor;
    }
    Ok(())
}

/// What is remembered of things with these ids, of whatever kind.
pub(super) async fn about(
    connection: &mut Connection,
    connections: &[&str],
    kinds: &[&str],
    ids: &[&str],
) -> Result<Vec<Entity>, Error> {
    let rows = connection.fetch(ABOUT, args![list(connections), list(kinds), list(ids)]).await?;
    rows.iter().map(entity).collect()
}

/// Ids of things that people call so, those last written first.
pub(super) async fn numbered(
    connection: &mut Connection,
    number: &str,
    most: u32,
) -> Result<Vec<String>, Error> {
    let rows = connection.fetch(NUMBERED, args![number, most]).await?;
    rows.iter().map(|row| row.owned("entity_id")).collect()
}

async fn lay_over(
    connection: &mut Connection,
    known: Option<Entity>,
    kept: &Kept,
    late: bool,
) -> Result<(), Error> {
    let changed = known.as_ref().map_or(kept.at, |known| known.changed.max(kept.at));
    let before = known.map(|known| known.fields).unwrap_or_default();
    let mut fields = before.clone();
    kept.lay_over(&mut fields, late);
    if late && fields == before {
        return Ok(());
    }
    let number = fields.get(NUMBER).and_then(serde_json::Value::as_str).map(str::to_owned);
    let told = json("entity", &fields)?;
    let args = args![&kept.connection, &kept.kind, &kept.id, told, number.as_ref(), changed];
    let row = connection.fetch_row(KEEP, args).await?;
    match kept.kind.as_str() {
        deals::DEAL => {
            let deal = deals::Deal {
                row: row.int("id")?,
                connection: &kept.connection,
                id: &kept.id,
                number: number.as_deref(),
                fields: &fields,
                made: row.time("made")?,
                changed,
            };
            deals::keep(connection, &deal).await
        }
        messages::MESSAGE => {
            messages::stands(connection, &kept.connection, &kept.id, &fields).await
        }
        _ => Ok(()),
    }
}

pub(super) async fn one(
    connection: &mut Connection,
    name: &str,
    kind: &str,
    id: &str,
) -> Result<Option<Entity>, Error> {
    let found = find(connection, &[name.to_owned()], kind, &[id.to_owned()]).await?;
    Ok(found.into_iter().next())
}

async fn find(
    connection: &mut Connection,
    connections: &[String],
    kind: &str,
    ids: &[String],
) -> Result<Vec<Entity>, Error> {
    if connections.is_empty() || ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = connection.fetch(FIND, args![list(connections), kind, list(ids)]).await?;
    rows.iter().map(entity).collect()
}

fn entity(row: &Row) -> Result<Entity, Error> {
    Ok(Entity {
        connection: row.owned("connection")?,
        kind: row.owned("kind")?,
        id: row.owned("entity_id")?,
        fields: row.json("fields")?,
        made: row.time("made")?,
        changed: row.time("changed")?,
        gone: row.opt_time("gone")?,
        became: row.opt_text("became")?.map(str::to_owned),
    })
}
