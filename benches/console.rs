//! The console's journals, search and charts, among millions: `cargo bench --bench console`.
//!
//! Fills a database with `LEADLINK_LEADS` (5 000 000) leads and `LEADLINK_DEALS` (1 000 000) deals of
//! 400 days, as if flows had run all the time, then asks for pages as people do: what they typed, each
//! filter alone within 31 days (a value that many rows have, one that few have, one that none has),
//! the first page and the twentieth, and what the overview and the charts of revenue are drawn from.
//! A question whose p99 is above `LEADLINK_PAGE_MS` (200), or a chart above a quarter of that, ends the bench with an error.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use jiff::{SignedDuration, Timestamp};
use leadlink::clock::Clock;
use leadlink::store::listing::{Column, Journal};
use leadlink::store::{
    By, DealFilter, Error, LeadFilter, Listed, Mark, Measure, MessageFilter, Slice, Store,
};
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};
use support::{Database, at};

const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 400;
/// How often each question is asked; before that, one fifth as often to fill the caches.
const TIMES: u64 = 100;
const PAGES: usize = 20;

#[tokio::main]
async fn main() -> io::Result<()> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<f64>().ok());
    let leads = number("LEADLINK_LEADS").map_or(5_000_000, |leads| leads as i64);
    let deals = number("LEADLINK_DEALS").map_or(1_000_000, |deals| deals as i64);
    let most = number("LEADLINK_PAGE_MS").unwrap_or(200.0);
    let database = Database::make().await?;
    println!("on {}", database.word());
    let now = Clock::default().now();
    Store::open(&database.url, now).await.map_err(io::Error::other)?.close().await;
    let began = Instant::now();
    fill(&database, (leads, deals), now).await?;
    let store = Store::open(&database.url, now).await.map_err(io::Error::other)?;
    let space = store.space().await.map_err(io::Error::other)?;
    let (took, mb) = (began.elapsed().as_secs_f64(), space.bytes as f64 / 1e6);
    println!("{leads} leads and {deals} deals in {took:.0} s; {mb:.0} MB");
    let asked = Asked { store, now, leads, deals };
    let mut figures = Figures { most, above: Vec::new() };
    asked.searches(&mut figures).await?;
    asked.leads_by_filter(&mut figures).await?;
    asked.deals_by_filter(&mut figures).await?;
    asked.charts(&mut figures).await?;
    asked.store.close().await;
    if figures.above.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!("too slow: {}", figures.above.join("; "))))
}

/// Straight into the tables, in the words of each database; what their triggers would count is
/// counted at the end, in one go.
async fn fill(database: &Database, (leads, deals): (i64, i64), now: Timestamp) -> io::Result<()> {
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

/// Who asks, and of how much.
struct Asked {
    store: Store,
    now: Timestamp,
    leads: i64,
    deals: i64,
}

struct Figures {
    most: f64,
    above: Vec<String>,
}

impl Figures {
    fn tell(&mut self, what: &str, mut took: Vec<Duration>, rows: usize, most: f64) {
        took.sort_unstable();
        let (p50, p99) = (at(&took, 0.5), at(&took, 0.99));
        println!("{what:<44} p50 {p50:>7.2} ms  p99 {p99:>7.2} ms  {rows} rows");
        if p99 > most {
            self.above.push(format!("{what}: p99 {p99:.0} ms, above {most:.0} ms"));
        }
    }

    /// Asks again and again; the rows are of the last answer.
    async fn ask<F>(
        &mut self,
        what: &str,
        most: f64,
        question: impl Fn(u64) -> F,
    ) -> io::Result<usize>
    where
        F: Future<Output = Result<usize, Error>>,
    {
        let mut took = Vec::new();
        let mut rows = 0;
        for n in 0..TIMES + TIMES / 5 {
            let began = Instant::now();
            rows = question(n).await.map_err(io::Error::other)?;
            if n >= TIMES / 5 {
                took.push(began.elapsed());
            }
        }
        self.tell(what, took, rows, most);
        Ok(rows)
    }
}

/// It must have found something.
fn some(what: &str, rows: usize) -> io::Result<()> {
    if rows > 0 { Ok(()) } else { Err(io::Error::other(format!("{what}: nothing was found"))) }
}

fn count<T>(listed: Listed<T>) -> usize {
    listed.rows.len()
}

impl Asked {
    fn slice(&self, after: Option<Mark>) -> Slice {
        let from = self.now - SignedDuration::from_hours(31 * 24);
        Slice { from, until: self.now + SignedDuration::from_hours(1), after, most: 50 }
    }

    async fn searches(&self, figures: &mut Figures) -> io::Result<()> {
        let slice = self.slice(None);
        let most = figures.most;
        let person = |n: u64| (n as i64 * 7919) % self.leads;
        let phone = |n| {
            format!(
                "8 (9{:02}) {:03}-{:02}-{:02}",
                n / 10_000_000,
                n / 10_000 % 1000,
                n / 100 % 100,
                n % 100
            )
        };
        let lead = |typed: String| async move {
            let filter = LeadFilter { search: Some(typed), ..LeadFilter::default() };
            self.store.listed_leads(&filter, &slice).await.map(count)
        };
        let deal = |typed: String| async move {
            let filter = DealFilter { search: Some(typed), ..DealFilter::default() };
            self.store.listed_deals(&filter, &slice).await.map(count)
        };
        figures.ask("leads by phone", most, |n| lead(phone(person(n)))).await?;
        let rows = figures
            .ask("leads by the phone that calls all the time", most, |_| lead(phone(0)))
            .await?;
        some("leads by phone", rows)?;
        figures
            .ask("leads by an e-mail that nobody has", most, |n| lead(format!("u{n}@shop.test")))
            .await?;
        let id = |n| format!("{}", 100_000_001 + person(n));
        let rows = figures.ask("leads by id", most, |n| lead(id(n))).await?;
        some("leads by id", rows)?;
        figures.ask("leads by kind and id", most, |n| lead(format!("call:{}", id(n)))).await?;
        let number = |n: u64| format!("{}A", 1 + (n as i64 * 7919) % self.deals);
        figures.ask("leads by the number of an order", most, |n| lead(number(n))).await?;
        let rows = figures.ask("deals by number", most, |n| deal(number(n))).await?;
        some("deals by number", rows)?;
        figures.ask("deals by id", most, |n| deal(format!("{}", 1 + n))).await?;
        figures.ask("deals by the phone of their lead", most, |n| deal(phone(person(n)))).await?;
        figures.ask("deals by the phone that calls all the time", most, |_| deal(phone(0))).await?;
        figures
            .ask("messages by phone", most, |n| async move {
                let filter =
                    MessageFilter { search: Some(phone(person(n))), ..MessageFilter::default() };
                self.store.listed_messages(&filter, &slice).await.map(count)
            })
            .await?;
        Ok(())
    }

    async fn leads_by_filter(&self, figures: &mut Figures) -> io::Result<()> {
        let of = |set: fn(&mut LeadFilter, String), value: &str| {
            let mut filter = LeadFilter::default();
            set(&mut filter, value.to_owned());
            filter
        };
        let filters = [
            ("all leads", LeadFilter::default()),
            ("leads, connection", of(|f, v| f.connection = Some(v), "calls")),
            ("leads, connection: none", of(|f, v| f.connection = Some(v), "nowhere")),
            ("leads, kind", of(|f, v| f.kind = Some(v), "request")),
            ("leads, source: many", of(|f, v| f.source = Some(v), "source 0")),
            ("leads, source: few", of(|f, v| f.source = Some(v), "source 38")),
            ("leads, source: none", of(|f, v| f.source = Some(v), "nowhere")),
            ("leads, medium: many", of(|f, v| f.medium = Some(v), "medium 0")),
            ("leads, medium: none", of(|f, v| f.medium = Some(v), "nowhere")),
            ("leads, campaign: many", of(|f, v| f.campaign = Some(v), "campaign 0")),
            ("leads, campaign: few", of(|f, v| f.campaign = Some(v), "campaign 198")),
            ("leads, campaign: none", of(|f, v| f.campaign = Some(v), "nowhere")),
            ("leads, outcome: acted", of(|f, v| f.outcome = Some(v), "acted")),
            ("leads, outcome: stuck", of(|f, v| f.outcome = Some(v), "stuck")),
            ("leads, outcome: incomplete", of(|f, v| f.outcome = Some(v), "incomplete")),
        ];
        let most = figures.most;
        for (what, filter) in &filters {
            let page =
                |mark| async move { self.store.listed_leads(filter, &self.slice(mark)).await };
            figures.ask(what, most, |_| async move { page(None).await.map(count) }).await?;
            let mut mark = None;
            for _ in 1..PAGES {
                let Some(next) = page(mark).await.map_err(io::Error::other)?.next else { break };
                mark = Some(next);
            }
            figures
                .ask(&format!("{what}, page {PAGES}"), most, |_| async move {
                    page(mark).await.map(count)
                })
                .await?;
        }
        Ok(())
    }

    async fn deals_by_filter(&self, figures: &mut Figures) -> io::Result<()> {
        let of = |set: fn(&mut DealFilter, String), value: &str| {
            let mut filter = DealFilter::default();
            set(&mut filter, value.to_owned());
            filter
        };
        let filters = [
            ("all deals", DealFilter::default()),
            ("deals, connection", of(|f, v| f.connection = Some(v), "calls")),
            ("deals, status: many", of(|f, v| f.status = Some(v), "status 0")),
            ("deals, status: few", of(|f, v| f.status = Some(v), "status 18")),
            ("deals, status: none", of(|f, v| f.status = Some(v), "nowhere")),
            ("deals, source: many", of(|f, v| f.source = Some(v), "source 0")),
            ("deals, source: none", of(|f, v| f.source = Some(v), "nowhere")),
            ("deals, medium: many", of(|f, v| f.medium = Some(v), "medium 0")),
            ("deals, campaign: many", of(|f, v| f.campaign = Some(v), "campaign 0")),
            ("deals, campaign: few", of(|f, v| f.campaign = Some(v), "campaign 198")),
            ("deals, manager: many", of(|f, v| f.manager = Some(v), "manager 0")),
            ("deals, manager: none", of(|f, v| f.manager = Some(v), "nowhere")),
            ("deals, funnel", of(|f, v| f.funnel = Some(v), "funnel 0")),
            ("deals, not linked", DealFilter { linked: Some(false), ..DealFilter::default() }),
        ];
        let most = figures.most;
        for (what, filter) in &filters {
            let page =
                |mark| async move { self.store.listed_deals(filter, &self.slice(mark)).await };
            figures.ask(what, most, |_| async move { page(None).await.map(count) }).await?;
            let mut mark = None;
            for _ in 1..PAGES {
                let Some(next) = page(mark).await.map_err(io::Error::other)?.next else { break };
                mark = Some(next);
            }
            figures
                .ask(&format!("{what}, page {PAGES}"), most, |_| async move {
                    page(mark).await.map(count)
                })
                .await?;
        }
        Ok(())
    }

    async fn charts(&self, figures: &mut Figures) -> io::Result<()> {
        let most = figures.most / 4.0;
        let store = &self.store;
        for days in [1, 31, 365] {
            let from = self.now - SignedDuration::from_hours(days * 24);
            let now = self.now;
            if days <= 31 {
                figures
                    .ask(&format!("overview of {days} days"), most, |_| async move {
                        let measures = [Measure::Leads, Measure::Deals, Measure::Messages];
                        let hours = store.hourly(&measures, from, now).await?;
                        Ok(hours.len() + store.latency(from, now).await?.count.min(1) as usize)
                    })
                    .await?;
            }
            for (word, by) in [("source", By::Source), ("campaign", By::Campaign)] {
                let what = format!("revenue of {days} days by {word}");
                let rows = figures
                    .ask(&what, most, |_| async move {
                        store.revenue(from, now, by, None).await.map(|sums| sums.len())
                    })
                    .await?;
                some(&what, rows)?;
            }
        }
        for (journal, column, what) in [
            (Journal::Leads, Column::Campaign, "campaigns of leads, to choose from"),
            (Journal::Deals, Column::Manager, "managers of deals, to choose from"),
        ] {
            let (from, now) = (self.slice(None).from, self.now);
            figures
                .ask(what, figures.most, |_| async move {
                    store.known_values(journal, column, from, now).await.map(|held| held.len())
                })
                .await?;
        }
        Ok(())
    }
}
