//! The first page: how everything does. Invariant: it asks no far side and walks no table.

use super::chart::Columns;
use super::charts::{REACHES, Reach, line_name};
use super::formats::share;
use super::frame::Frame;
use super::trouble;
use super::values::Fields;
use crate::desk::charts::OverviewCharts;
use crate::desk::overview::Overview;
use crate::desk::{Desk, Error};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

#[derive(Template)]
#[template(path = "overview.html", config = "src/ui/askama.toml")]
struct Page<'a> {
    frame: &'a Frame,
    now: &'a Overview,
    charts: &'a OverviewCharts,
    reaches: Vec<(&'static str, &'static str, bool)>,
    leads: Columns,
    deals: Columns,
    messages: Columns,
    linked: String,
    /// The period of a journal that holds all of these.
    journal: &'static str,
    waiting: u64,
}

/// `GET /`.
pub async fn overview(State(desk): State<Desk>, frame: Frame) -> Response {
    match read(&desk, &frame).await {
        Ok(answer) => answer,
        Err(error) => trouble::of(&frame, &error),
    }
}

async fn read(desk: &Desk, frame: &Frame) -> Result<Response, Error> {
    let reach = Reach::of(Fields::of(&frame.query).get("period"));
    let (from, until) = reach.span(frame);
    let now = desk.overview(frame.now()).await?;
    let charts = desk.overview_charts(from, until).await?;
    Ok(trouble::page(&page(frame, reach, &now, &charts)))
}

fn page<'a>(
    frame: &'a Frame,
    reach: Reach,
    now: &'a Overview,
    charts: &'a OverviewCharts,
) -> Page<'a> {
    let w = &frame.w.overview;
    let span = (charts.from, charts.until);
    let drawn = |lines| reach.drawn(lines, |name| line_name(frame, name), span, frame);
    let total = |name: &str| -> u64 {
        let line = charts.deals.iter().find(|line| line.name == name);
        line.and_then(|line| u64::try_from(line.total).ok()).unwrap_or(0)
    };
    let words = [w.day, w.week, w.month];
    let reaches = REACHES.iter().zip(words).map(|(one, word)| (one.key, word, *one == reach));
    Page {
        frame,
        now,
        charts,
        reaches: reaches.collect(),
        leads: drawn(&charts.leads),
        deals: drawn(&charts.deals),
        messages: drawn(&charts.messages),
        linked: share(total("linked"), total("linked") + total("unlinked")),
        // 24 hours begin yesterday, and 28 days go into 31.
        journal: if reach.key == "28d" { "31d" } else { "7d" },
        waiting: now.jobs.get("waiting").copied().unwrap_or(0),
    }
}

#[cfg(test)]
pub(super) fn text(frame: &Frame, now: &Overview, charts: &OverviewCharts) -> String {
    page(frame, REACHES[0], now, charts).render().expect("a page")
}

impl Page<'_> {
    fn late(&self) -> String {
        self.frame.span(self.now.lag_seconds.max(0) * 1000)
    }
}
