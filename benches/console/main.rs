//! The console's journals, search and charts, among millions: `cargo bench --bench console`.
//!
//! Fills a database with `LEADLINK_LEADS` (5 000 000) leads and `LEADLINK_DEALS` (1 000 000) deals of
//! 400 days, as if flows had run all the time, then asks for pages as people do: what they typed, each
//! filter alone within 31 days (a value that many rows have, one that few have, one that none has),
//! the first page and the twentieth, and what the overview and the charts of revenue are drawn from.
//! Then the daemon is started on it, somebody logs in, and pages are asked for over HTTP, until their first byte.
//! A question whose p99 is above `LEADLINK_PAGE_MS` (200), or a chart of a month above a quarter of that, ends the bench with an error.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod fill;
mod pages;
#[path = "../support/mod.rs"]
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
    fill::all(&database, (leads, deals), now).await?;
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
    pages::all(&database, &mut figures).await?;
    if figures.above.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!("too slow: {}", figures.above.join("; "))))
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
    fn tell(&mut self, what: &str, mut took: Vec<Duration>, found: &str, most: f64) {
        took.sort_unstable();
        let (p50, p99) = (at(&took, 0.5), at(&took, 0.99));
        println!("{what:<44} p50 {p50:>7.2} ms  p99 {p99:>7.2} ms  {found}");
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
        self.tell(what, took, &format!("{rows} rows"), most);
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
        let store = &self.store;
        for days in [1, 31, 365] {
            // A year of 200 campaigns is no page that anybody opens by a click.
            let most = if days > 31 { figures.most } else { figures.most / 4.0 };
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
