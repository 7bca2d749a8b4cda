//! Hours and revenue, as the console's charts are drawn. Invariant: a span has an end, so that no
//! answer grows without one.

use super::Answer;
use super::ask::{Asked, Checked};
use crate::desk::charts::{OverviewCharts, RevenueBy, RevenueCharts};
use crate::desk::{Desk, Error};
use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Days of hours: the usual, and the most.
const HOURS: (i32, i32) = (7, 93);
/// Days of revenue: the usual, and the most.
const REVENUE: (i32, i32) = (31, 1100);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoursQuery {
    /// Not before; 7 days before `until` where it is left out, at most 93.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-15T00:00:00Z")]
    from: Option<Timestamp>,
    /// Before; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-22T00:00:00Z")]
    until: Option<Timestamp>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevenueQuery {
    /// What it is summed by.
    #[serde(default = "source")]
    #[param(inline, default = "source", example = "campaign")]
    by: RevenueBy,
    /// Only deals that were written to this connection.
    #[param(min_length = 1, max_length = 200, example = "calltouch-main")]
    connection: Option<String>,
    /// Not before; 31 days before `until` where it is left out, at most 1100.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Before; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    until: Option<Timestamp>,
}

impl Checked for HoursQuery {}
impl Checked for RevenueQuery {}

fn source() -> RevenueBy {
    RevenueBy::Source
}

/// Leads, deals and messages of each hour, and how fast leads reach the CRM.
#[utoipa::path(
    get,
    path = "/charts/hours",
    tag = "Charts",
    operation_id = "chart_hours",
    params(HoursQuery),
    responses((status = 200, description = "A point for each hour.", body = OverviewCharts)),
)]
pub async fn hours(
    State(desk): State<Desk>,
    Asked(asked): Asked<HoursQuery>,
) -> Answer<OverviewCharts> {
    let (from, until) = span(&desk, asked.from, asked.until, HOURS)?;
    Ok(Json(desk.overview_charts(from, until).await?))
}

/// What the deals brought, by source or campaign.
#[utoipa::path(
    get,
    path = "/charts/revenue",
    tag = "Charts",
    operation_id = "chart_revenue",
    params(RevenueQuery),
    responses((status = 200, description = "A chart for each currency.", body = RevenueCharts)),
)]
pub async fn revenue(
    State(desk): State<Desk>,
    Asked(asked): Asked<RevenueQuery>,
) -> Answer<RevenueCharts> {
    let span = span(&desk, asked.from, asked.until, REVENUE)?;
    Ok(Json(desk.revenue_charts(span, asked.by, asked.connection.as_deref()).await?))
}

fn span(
    desk: &Desk,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    (usual, most): (i32, i32),
) -> Result<(Timestamp, Timestamp), Error> {
    let until = until.unwrap_or_else(|| desk.pipeline.clock.now());
    let usual = || until.saturating_sub(DAY * usual).unwrap_or(Timestamp::MIN);
    let from = from.unwrap_or_else(usual);
    let wrong = |why: String| Err(Error::Invalid(vec![("from".to_owned(), why)]));
    if from >= until {
        return wrong(format!("is not before {until}"));
    }
    if until.duration_since(from) > DAY * most {
        return wrong(format!("is more than {most} days before {until}"));
    }
    Ok((from, until))
}
