//! Millions of leads and deals, straight into the tables. Invariant: what stands there is what the store
//! and the triggers would have left, so that a question finds what it would find in a real house.

use crate::support::Database;
use crate::{DAY_MS, DAYS};
use jiff::Timestamp;
use std::io;

/// Straight into the tables, in the words of each database; what their triggers would count is
/// counted at the end, in one go.
pub async fn all(
    database: &Database,
    (leads, deals): (i64, i64),
    now: Timestamp,
) -> io::Result<()> {
    let postgres = database.is_postgres();
    let first = now.as_millisecond() - DAYS * DAY_MS;
    let step = DAYS * DAY_MS / leads.max(1);
    let deal_step = DAYS * DAY_MS / deals.max(1);
    // A number that looks like chance, from 0 to 2^31.
    let dice = |n: &str, salt: i64| format!("((({n}) * 2654435761 + {salt} * 40503) % 2147483647)");
    let numbers = |most: i64| {
        if postgres {
            format!("generate_series(1::bigint, {most}::bigint) as s (n)")
        } else {
            format!(
                "(with recursive s (n) as (select 1 union all select n + 1 from s \
                 where n < {most}) select n from s) as s"
            )
        }
    };
    let text = |number: &str| format!("cast({number} as text)");
    let lead_dice = |salt| dice("s.n", salt);
    let source = |d: &str| pick(d, "source", 40);
    let campaign = |d: &str| pick(d, "campaign", 200);
    let medium = |d: &str| pick(d, "medium", 6);
    let many =
        |d: &str| format!("case when {d} % 1000 < 2 then 0 else {d} % {} end", leads / 2 + 1);
    let person = many(&lead_dice(3));
    let kind = format!("1 + {} % 3", lead_dice(4));
    let at = format!("{first} + s.n * {step}");
    let outcome = format!(
        "case when {d} % 100000 = 7 then 'stuck' when {d} % 10 < 6 then 'acted' \
         when {d} % 10 < 8 then 'skipped' else 'none' end",
        d = lead_dice(5)
    );
    let statements = [
        "insert into lead_journal (id, connection, kind) values (1, 'calls', 'call'), \
         (2, 'calls', 'request'), (3, 'calls', 'chat')"
            .to_owned(),
        format!(
            "insert into lead (id, journal, lead_id, at, seen, source, medium, campaign, outcome) \
             select s.n, {kind}, {id}, {at}, 1, {}, {}, {}, {outcome} from {}",
            source(&lead_dice(1)),
            medium(&lead_dice(2)),
            campaign(&lead_dice(6)),
            numbers(leads),
            id = text("100000000 + s.n"),
        ),
        format!(
            "insert into lead_contact (contact, journal, at, lead) \
             select 'phone:+79' || substr({padded}, 3), {kind}, {at}, s.n from {} order by 1, 2, 3, 4",
            numbers(leads),
            padded = text(&format!("10000000000 + {person}")),
        ),
        format!(
            "insert into entity (id, connection, kind, entity_id, fields, number, made, changed) \
             select s.n, 'calls', 'deal', {id}, '{{}}', {id} || 'A', {first} + s.n * {deal_step}, \
             {first} + s.n * {deal_step} from {}",
            numbers(deals),
            id = text("s.n"),
        ),
        format!(
            "insert into deal (id, connection, deal_id, number, at, status, revenue, minor, currency, \
             manager, funnel, source, medium, campaign, lead_kind, lead_id, linked, changed) \
             select s.n, 'calls', {id}, {id} || 'A', {first} + s.n * {deal_step}, {}, '1290.50', \
             {} % 1000000, 'rub', {}, {}, {}, {}, {}, \
             case when {d} % 10 < 7 then 'call' else '' end, \
             case when {d} % 10 < 7 then {lead} else '' end, \
             case when {d} % 10 < 7 then 1 else 0 end, {first} + s.n * {deal_step} from {}",
            pick(&lead_dice(11), "status", 20),
            lead_dice(12),
            pick(&lead_dice(13), "manager", 30),
            pick(&lead_dice(14), "funnel", 3),
            source(&lead_dice(15)),
            medium(&lead_dice(16)),
            campaign(&lead_dice(17)),
            numbers(deals),
            id = text("s.n"),
            d = lead_dice(18),
            lead = text(&format!("100000000 + {} % {leads}", lead_dice(19))),
        ),
    ];
    if postgres {
        database.run("alter table deal disable trigger user".to_owned()).await?;
    } else {
        database.run("drop trigger deal_tally_in".to_owned()).await?;
    }
    // Indexes are made when the rows are in: the fastest way to a full table.
    let later = Later::of(database).await?;
    for statement in statements {
        database.run(statement).await?;
    }
    later.make(database).await?;
    database.run(counted()).await?;
    let analyze = if postgres { "vacuum (analyze)" } else { "pragma wal_checkpoint(truncate)" };
    database.run(analyze.to_owned()).await
}

/// One of so many values, the first ones far more often than the last.
fn pick(dice: &str, word: &str, of: i64) -> String {
    format!("'{word} ' || cast((({dice} % {of}) * ({dice} / 1000 % {of})) / {of} as text)")
}

/// What the triggers of deals count, and the store of leads.
fn counted() -> String {
    let mut all = String::new();
    for width in [3_600_000, DAY_MS] {
        let hour = format!("at - at % {width}");
        let head = "insert into tally (measure, width, at, connection, a, b, unit, n, sum) select";
        all.push_str(&format!(
            "{head} 'leads', {width}, {hour}, 'calls', j.kind, '', '', count(*), 0 \
             from lead l join lead_journal j on j.id = l.journal group by 3, 5;"
        ));
        for (measure, a) in [
            ("deals", "case linked when 1 then 'linked' else 'unlinked' end"),
            ("source", "source"),
            ("campaign", "campaign"),
        ] {
            all.push_str(&format!(
                "{head} '{measure}', {width}, {hour}, connection, {a}, '', currency, count(*), \
                 sum(minor) from deal group by 3, 4, 5, 7;"
            ));
        }
        all.push_str(&format!(
            "{head} 'latency', {width}, {hour}, 'calls', cast(200 + l.id % 60 as text), 'call', '', \
             count(*), 0 from lead l where l.outcome = 'acted' group by 3, 5;"
        ));
    }
    all
}

/// Indexes that were dropped, and are made again.
struct Later(Vec<String>);

impl Later {
    async fn of(database: &Database) -> io::Result<Self> {
        let names: &[&str] = &[
            "lead_at",
            "lead_of",
            "lead_source",
            "lead_medium",
            "lead_campaign",
            "lead_outcome_at",
            "lead_contact_lead",
            "deal_at",
            "deal_connection",
            "deal_status",
            "deal_source",
            "deal_medium",
            "deal_campaign",
            "deal_manager",
            "deal_funnel",
            "deal_linked",
            "deal_id_typed",
            "deal_number",
            "deal_lead",
        ];
        let file = if database.is_postgres() { "postgres" } else { "sqlite" };
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(file);
        let mut written = std::fs::read_to_string(folder.join("0007_deals.sql"))?;
        written.push_str(&std::fs::read_to_string(folder.join("0009_journals.sql"))?);
        let mut made = Vec::new();
        for name in names {
            let start = format!("create index {name} on ");
            let found = written.rfind(&start).and_then(|from| written[from..].split(';').next());
            let found = found.ok_or_else(|| io::Error::other(format!("no index {name}")))?;
            made.push(found.to_owned());
            database.run(format!("drop index {name}")).await?;
        }
        Ok(Self(made))
    }

    async fn make(self, database: &Database) -> io::Result<()> {
        for index in self.0 {
            database.run(index).await?;
        }
        Ok(())
    }
}
