//! Every statement against the migrated schema. Invariant: each prepares; the hot ones use the index
//! that was made for them, whatever the size of the table.
#![cfg(test)]

use super::*;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor, PgConnection, Row as _, SqlSafeStr, SqliteConnection,
};

fn all() -> Vec<Statement> {
    [
        super::super::audit::ALL,
        super::super::marks::ALL,
        super::super::people::ALL,
        super::super::sessions::ALL,
        super::super::chores::ALL,
        super::super::backfills::ALL,
        claim::ALL,
        commands::ALL,
        complete::ALL,
        super::super::copy::ALL,
        cursors::ALL,
        deals::ALL,
        drafts::ALL,
        super::super::drift::ALL,
        super::super::entities::ALL,
        events::ALL,
        gone::ALL,
        home::ALL,
        super::super::inbox::ALL,
        jobs::ALL,
        journals::ALL,
        super::super::lanes::ALL,
        super::super::latest::ALL,
        super::super::leads::ALL,
        links::ALL,
        super::super::listing::deals::ALL,
        super::super::listing::lead_rows::ALL,
        super::super::listing::leads::ALL,
        super::super::listing::messages::ALL,
        super::super::listing::values::ALL,
        super::super::mend::ALL,
        super::super::needs::ALL,
        messages::ALL,
        open::ALL,
        owners::ALL,
        super::super::plans::ALL,
        super::super::recorded::ALL,
        super::super::rest::ALL,
        super::super::retention::ALL,
        route::ALL,
        super::super::status::ALL,
        space::ALL,
        sql::ALL,
        super::super::stories::ALL,
        super::super::switches::ALL,
        super::super::tallies::ALL,
        views::ALL,
        writer::ALL,
    ]
    .concat()
}

async fn connection(db: &Db) -> Result<SqliteConnection, sqlx::Error> {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(db.folder.path().join("data/leadlink.db"));
    SqliteConnection::connect_with(&options).await
}

#[tokio::test]
async fn each_statement_prepares() -> Tested {
    let db = Db::new().await?;
    let all = all();
    assert!(all.len() > 80, "{} statements", all.len());
    if server().is_some() {
        let mut connection = PgConnection::connect(&url(&db.folder)).await?;
        for statement in all.iter().filter(|statement| statement.postgres() != "select 1") {
            let prepared = (&mut connection).prepare(statement.postgres().into_sql_str()).await;
            if let Err(error) = prepared {
                return Err(format!("{error} in {}", statement.postgres()).into());
            }
        }
        return Ok(());
    }
    let mut connection = connection(&db).await?;
    for statement in all {
        let prepared = (&mut connection).prepare(statement.sqlite().into_sql_str()).await;
        if let Err(error) = prepared {
            return Err(format!("{error} in {}", statement.sql).into());
        }
    }
    Ok(())
}

/// The plan of a statement, one line a row.
async fn plan(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<String, sqlx::Error> {
    let sql = AssertSqlSafe(format!("explain query plan {}", statement.sqlite()));
    let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
    rows.iter()
        .map(|row| row.try_get::<String, _>("detail"))
        .collect::<Result<Vec<_>, _>>()
        .map(|lines| lines.join("\n"))
}

/// The claim and its companions must not read what they do not take: no scan of a table, no sorting
/// by hand, and the order of lanes and of flows from their indexes.
#[tokio::test]
async fn the_hot_statements_use_their_indexes() -> Tested {
    if server().is_some() {
        // What PostgreSQL's planner does with a full table is measured by the benches.
        return Ok(());
    }
    let db = Db::new().await?;
    let mut connection = connection(&db).await?;
    let hot: Vec<Statement> =
        [claim::ALL, super::super::lanes::ALL, jobs::ALL, drafts::ALL, route::ALL, events::ALL]
            .concat();
    for statement in hot {
        let plan = plan(&mut connection, statement).await?;
        let scans: Vec<_> = plan
            .lines()
            .filter(|line| line.starts_with("SCAN") && !line.contains("VIRTUAL TABLE"))
            // The list of flows that a recursion makes, from the first entry of the index.
            .filter(|line| *line != "SCAN flows" && *line != "SCAN CONSTANT ROW")
            .filter(|line| *line != "SCAN job USING COVERING INDEX job_ready")
            .collect();
        assert!(scans.is_empty(), "{}\n{plan}", statement.sql);
    }
    let find = |start: &str| {
        all().into_iter().find(|held| held.sql.starts_with(start)).ok_or("no statement")
    };
    let window = plan(&mut connection, find("select j.id, j.due, j.registered")?).await?;
    for needed in [
        "SEARCH j USING COVERING INDEX job_ready (flow=? AND due<?)",
        "SEARCH e USING COVERING INDEX job_lane_order (lane=? AND",
        "SEARCH h USING PRIMARY KEY (lane=?)",
    ] {
        assert!(window.contains(needed), "no {needed} in\n{window}");
    }
    assert!(!window.contains("TEMP B-TREE"), "{window}");
    // Waiting jobs are nearly all jobs there are: their state finds nothing.
    let all_of = |starts: &'static [&str]| {
        all().into_iter().filter(|held| starts.iter().any(|start| held.sql.starts_with(start)))
    };
    for statement in
        all_of(&["with recursive flows", "select id, event_id, due", "select id, flow"])
    {
        let plan = plan(&mut connection, statement).await?;
        assert!(!plan.contains("job_state"), "{}\n{plan}", statement.sql);
    }
    let wake = plan(&mut connection, find("update job set ready = 1 where ready = 0 and")?).await?;
    assert!(wake.contains("SEARCH w USING COVERING INDEX job_lane_order (lane=?"), "{wake}");
    assert!(wake.contains("SEARCH job USING INTEGER PRIMARY KEY"), "{wake}");
    for statement in views::ALL.iter().chain(super::super::status::ALL) {
        let plan = plan(&mut connection, *statement).await?;
        let walks =
            plan.lines().any(|line| line.starts_with("SCAN job") && !line.contains("_count"));
        assert!(!walks, "{}\n{plan}", statement.sql);
    }
    // Retention walks by ids; who was not seen stands in tables of a few rows.
    for statement in super::super::retention::ALL.iter().chain(super::super::gone::ALL) {
        let plan = plan(&mut connection, *statement).await?;
        let scans = plan.lines().any(|line| {
            line.starts_with("SCAN")
                && !line.contains("VIRTUAL TABLE")
                && !["replica", "connection_state", "lead_journal"].contains(&statement.table)
        });
        assert!(!scans && !plan.contains("TEMP B-TREE"), "{}\n{plan}", statement.sql);
    }
    for statement in
        super::super::leads::ALL.iter().chain(journals::ALL).chain(super::super::entities::ALL)
    {
        let plan = plan(&mut connection, *statement).await?;
        let scans = plan.lines().any(|line| {
            // `held`: the jobs of one lead.
            line.starts_with("SCAN") && !line.contains("VIRTUAL TABLE") && line != "SCAN held"
        });
        assert!(!scans, "{}\n{plan}", statement.sql);
    }
    journals_are_paged_by_index(&mut connection).await?;
    for (start, by) in [
        ("who", "audit_who (who=?"),
        ("act", "audit_act (act=?"),
        ("about", "audit_about (about=?"),
    ] {
        let starts = format!(
            "select id, at, who, door, act, about, outcome, detail, address from audit where {start}"
        );
        let plan = plan(&mut connection, find(&starts)?).await?;
        assert!(plan.contains(by) && !plan.contains("TEMP B-TREE"), "no {by} in\n{plan}");
    }
    for statement in super::super::latest::ALL {
        let plan = plan(&mut connection, *statement).await?;
        let walks =
            |line: &str| line.starts_with("SCAN") && line != "SCAN held" && line != "SCAN a";
        assert!(!plan.lines().any(walks), "{}\n{plan}", statement.sql);
        let by = match statement.table {
            "attempt" => "USING INDEX attempt_failed (started>?)",
            _ if statement.sql.contains("held") => "INDEX job_through (flow=?)",
            _ => "INDEX decision_job",
        };
        assert!(plan.contains(by), "no {by} in\n{plan}");
    }
    // Each contact's leads are read in the order of the index, in a range of their time.
    let search = plan(&mut connection, find("select 3 as part")?).await?;
    for needed in [
        "SEARCH l USING INTEGER PRIMARY KEY",
        "SEARCH m USING PRIMARY KEY (contact=? AND journal=? AND at>? AND at<?)",
        "SEARCH m USING PRIMARY KEY (contact=? AND journal=? AND at<?)",
        "SEARCH m USING PRIMARY KEY (contact=? AND journal=? AND at>?)",
    ] {
        assert!(search.contains(needed), "no {needed} in\n{search}");
    }
    assert!(!search.contains("TEMP B-TREE"), "{search}");
    let asked = plan(&mut connection, find("select count(*) as n from job where asked = 1")?);
    assert!(asked.await?.contains("INDEX job_asked"));
    let unrouted = plan(&mut connection, find("select id, connection, channel")?).await?;
    assert!(unrouted.contains("INDEX raw_new"), "{unrouted}");
    Ok(())
}

/// PostgreSQL plans a search of leads longer than it takes: after some times it must do so no more.
#[tokio::test]
async fn the_search_of_leads_is_planned_once() -> Tested {
    if server().is_none() {
        return Ok(());
    }
    let db = Db::new().await?;
    let mut connection = PgConnection::connect(&url(&db.folder)).await?;
    let search = all().into_iter().find(|held| held.sql.starts_with("select 3 as part"));
    let search = search.ok_or("no statement")?.postgres();
    let types = "text, text, text[], bigint, bigint, bigint, bigint, bigint";
    let prepare = format!("prepare search ({types}) as {search}");
    connection.execute(AssertSqlSafe(prepare)).await?;
    for _ in 0..8 {
        let execute = "execute search ('calls', 'call', '{phone:1,email:2}', 1, 2, 3, 4, 20)";
        connection.execute(execute).await?;
    }
    let plans = "select generic_plans, custom_plans from pg_prepared_statements \
        where name = 'search'";
    let plans = connection.fetch_one(plans).await?;
    assert_eq!((plans.try_get::<i64, _>(0)?, plans.try_get::<i64, _>(1)?), (3, 5));
    Ok(())
}

/// A page of a journal is read in the order of an index, and all that is told of its rows by keys.
async fn journals_are_paged_by_index(connection: &mut SqliteConnection) -> Tested {
    let pages = [
        super::super::listing::leads::ALL,
        super::super::listing::deals::ALL,
        super::super::listing::messages::ALL,
    ]
    .concat();
    let few = ["lead_journal", "held"];
    for statement in pages.iter().chain(super::super::listing::lead_rows::ALL).chain(deals::ALL) {
        let plan = plan(connection, *statement).await?;
        let scans = plan.lines().any(|line| {
            line.starts_with("SCAN")
                && !line.contains("VIRTUAL TABLE")
                && !few.contains(&statement.table)
                && !few.iter().any(|table| line.contains(table))
        });
        assert!(!scans, "{}\n{plan}", statement.sql);
        let sorted = plan.contains("TEMP B-TREE") && statement.sql.contains(" limit $5");
        // What was typed names some rows, which are sorted.
        let typed =
            [".id in (select n.id", "message_id = $9"].iter().any(|t| statement.sql.contains(t));
        assert!(!sorted || typed, "{}\n{plan}", statement.sql);
    }
    for statement in super::super::listing::values::ALL {
        let plan = plan(connection, *statement).await?;
        let walks = plan.lines().any(|line| line.starts_with("SCAN") && !line.contains("INDEX"));
        assert!(
            !walks || statement.table == "lead_journal" || plan.contains("SCAN held"),
            "{plan}"
        );
    }
    Ok(())
}
