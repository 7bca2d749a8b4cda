//! A SQLite store copied into PostgreSQL. Invariant: all or nothing — one transaction there, counted
//! before it is committed — and only into a database that holds nothing of leadlink's yet.
//!
//! Tables and columns have the same names on both, so the copy asks the schema for them: a table
//! that a later version adds is copied without a line here.

use super::home::IN_TURN;
use super::sql::{Connection, Row, Value, args, statements};
use super::{Error, Store, postgres};
use jiff::Timestamp;

statements! {
    TABLES = "sqlite_master", "select name from sqlite_master where type = 'table' \
            and name not like 'sqlite_%' and name not like '_sqlx_%' order by rowid",
        postgres: "select 1";
    COLUMNS = "sqlite_master", "select name, pk from pragma_table_info($1) order by cid",
        postgres: "select 1";
    TRIGGERED = "pg_trigger", "select 'none' as name",
        postgres: "select distinct c.relname::text as name from pg_trigger t \
            join pg_class c on c.oid = t.tgrelid \
            where not t.tgisinternal and c.relnamespace = current_schema()::regnamespace";
    KEPT = "raw", "select (select count(*) from raw) + (select count(*) from event) \
        + (select count(*) from cursor) + (select count(*) from connection_start) \
        + (select count(*) from lead_journal) + (select count(*) from entity) \
        + (select count(*) from backfill) as n";
}

/// What tells of processes, not of what they kept.
const OF_PROCESSES: [&str; 3] = ["replica", "connection_owner", "connection_state"];
/// Rows that are read and sent together.
const PAGE: usize = 1000;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied<'a> {
    pub table: &'a str,
    pub rows: u64,
    pub of: u64,
}

/// A table as both databases have it.
struct Table {
    name: String,
    columns: Vec<String>,
    key: Vec<String>,
}

impl Store {
    /// Copies everything into the PostgreSQL database of this URL, which must be empty; answers how
    /// many rows there were. `tell` hears of every page.
    pub async fn copy_to(
        &self,
        url: &str,
        now: Timestamp,
        mut tell: impl FnMut(Copied<'_>) + Send,
    ) -> Result<u64, Error> {
        let Some(options) = postgres::options(url)? else {
            return Err(Error::Url("that (the copy goes to postgres://…)".to_owned()));
        };
        // Makes the tables.
        Self::open(url, now).await?.close().await;
        let mut source = self.snapshot().await?;
        let mut target = Connection::Postgres(Box::new(postgres::connect(&options).await?));
        target.run("the database", IN_TURN).await?;
        target.run("the database", "set local statement_timeout = 0").await?;
        target.run("the database", "set constraints all deferred").await?;
        if target.fetch_row(KEPT, args![]).await?.int("n")? > 0 {
            let why =
                "the database to copy to already holds a store of leadlink; name an empty one";
            return Err(Error::Open(why.to_owned()));
        }
        // Triggers would count every row by itself; what they keep is copied like all else.
        let triggered = target.fetch(TRIGGERED, args![]).await?;
        for table in &triggered {
            let name = table.text("name")?;
            target.run_made(&format!("alter table {name} disable trigger user")).await?;
        }
        let mut all = 0;
        for table in tables(&mut source).await? {
            all += copy(&mut source, &mut target, &table, &mut tell).await?;
        }
        target.run("the database", "set constraints all immediate").await?;
        for table in &triggered {
            let name = table.text("name")?;
            target.run_made(&format!("alter table {name} enable trigger user")).await?;
        }
        target.run("the database", "commit").await?;
        // Else the planner would believe for a while that the tables are empty.
        target.run("the database", "analyze").await?;
        target.close().await?;
        Ok(all)
    }
}

/// In the order in which they were made: what is referred to comes first.
async fn tables(source: &mut Connection) -> Result<Vec<Table>, Error> {
    let mut tables = Vec::new();
    for row in source.fetch(TABLES, args![]).await? {
        let name = row.owned("name")?;
        if OF_PROCESSES.contains(&name.as_str()) {
            continue;
        }
        let mut table = Table { name, columns: Vec::new(), key: Vec::new() };
        let mut key = Vec::new();
        for column in source.fetch(COLUMNS, args![&table.name]).await? {
            let name = column.owned("name")?;
            if column.int("pk")? > 0 {
                key.push((column.int("pk")?, name.clone()));
            }
            table.columns.push(name);
        }
        key.sort();
        table.key = key.into_iter().map(|(_, name)| name).collect();
        tables.push(table);
    }
    Ok(tables)
}

async fn copy(
    source: &mut Connection,
    target: &mut Connection,
    table: &Table,
    tell: &mut (impl FnMut(Copied<'_>) + Send),
) -> Result<u64, Error> {
    let Table { name, columns, key } = table;
    let (columns, key) = (columns.join(", "), key.join(", "));
    let counted = format!("select count(*) as n from {name}");
    let of: u64 = source.fetch_made(&counted, args![]).await?.first().map_or(Ok(0), count)?;
    // What the migrations wrote is replaced.
    target.run_made(&format!("delete from {name}")).await?;
    let insert = format!(
        "insert into {name} ({columns}) \
         select {columns} from json_populate_recordset(null::{name}, $1::json)"
    );
    let mut rows = 0;
    let mut last: Option<Vec<Value>> = None;
    loop {
        let after = last.as_ref().map_or_else(String::new, |last| {
            let places: Vec<String> = (1..=last.len()).map(|n| format!("${n}")).collect();
            format!("where ({key}) > ({})", places.join(", "))
        });
        let read = format!("select {columns} from {name} {after} order by {key} limit {PAGE}");
        let page = source.fetch_made(&read, last.take().unwrap_or_default()).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.values_of(&table.key)?);
        let json: Vec<serde_json::Value> = page.iter().map(Row::to_json).collect();
        rows += target.execute_made(&insert, args![serde_json::json!(json).to_string()]).await?;
        tell(Copied { table: name, rows, of });
        if page.len() < PAGE {
            break;
        }
    }
    if rows != of {
        let why = format!("{rows} rows of {of} arrived; nothing is kept there");
        return Err(Error::Open(format!("{name}: {why}")));
    }
    if table.columns.iter().any(|column| column == "id") && table.key == ["id"] {
        let numbers = format!(
            "select setval(pg_get_serial_sequence('{name}', 'id'), max(id)) as n from {name} \
             where pg_get_serial_sequence('{name}', 'id') is not null having max(id) is not null"
        );
        target.fetch_made(&numbers, args![]).await?;
    }
    Ok(rows)
}

fn count(row: &Row) -> Result<u64, Error> {
    row.count("n")
}
