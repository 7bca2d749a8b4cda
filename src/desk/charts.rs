//! What the charts are drawn from. Invariant: read from the hourly counts alone, never from the big
//! tables; money is whole hundredths, and text for people.

use super::{Desk, Error};
use crate::store::tallies::{By, Hour, Measure, Sum};
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

/// What the deals of a span brought, by their source or campaign; one chart for each currency. The
/// span is widened to whole hours; `from` and `until` are as they were asked for.
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
    /// Counts by the hour and latency of a span, which is widened to whole hours.
    pub async fn overview_charts(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<OverviewCharts, Error> {
        let (from, until) = hours(from, until)?;
        let store = &self.pipeline.store;
        let measures = [Measure::Leads, Measure::Deals, Measure::Messages];
        let (held, latency) =
            tokio::try_join!(store.hourly(&measures, from, until), store.latency(from, until))?;
        let draw = |measure, names: &[&str]| lines(&held, measure, names, (from, until));
        Ok(OverviewCharts {
            from,
            until,
            leads: draw(Measure::Leads, &[]),
            deals: draw(Measure::Deals, &["linked", "unlinked"]),
            messages: draw(Measure::Messages, &["in", "out"]),
            latency: LatencyView { count: latency.count, p50_ms: latency.p50, p99_ms: latency.p99 },
        })
    }

    /// What the deals of a span brought, which is widened to whole hours.
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
        let sums = self.pipeline.store.revenue(from, until, sum_by, connection).await?;
        let mut charts: Vec<RevenueChart> = Vec::new();
        for sum in sums {
            let place = charts.iter().position(|chart| chart.currency == sum.currency);
            let place = place.unwrap_or_else(|| {
                charts.push(RevenueChart::of(&sum.currency));
                charts.len() - 1
            });
            charts[place].add(sum);
        }
        charts.sort_by_key(|chart| std::cmp::Reverse(chart.deals));
        Ok(RevenueCharts { from, until, by, charts })
    }
}

impl RevenueChart {
    fn of(currency: &str) -> Self {
        let currency = currency.to_owned();
        Self { currency, deals: 0, minor: 0, revenue: decimal(0), bars: Vec::new() }
    }

    fn add(&mut self, sum: Sum) {
        self.deals += sum.deals;
        self.minor += sum.minor;
        self.revenue = decimal(self.minor);
        self.bars.push(Bar {
            revenue: decimal(sum.minor),
            label: sum.of,
            deals: sum.deals,
            minor: sum.minor,
        });
    }
}

/// Hundredths as decimal text.
pub fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, part) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    if part == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:02}") }
}

const HOUR: i64 = 3_600_000;
/// Hours of the longest line: somewhat more than a year.
const LONGEST: i64 = 400 * 24;

/// The whole hours that a span touches.
fn hours(from: Timestamp, until: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let wrong = |why: &str| Error::Invalid(vec![("until".to_owned(), why.to_owned())]);
    let (from, until) = (from.as_millisecond(), until.as_millisecond());
    let from = from - from.rem_euclid(HOUR);
    let until = until + (HOUR - until.rem_euclid(HOUR)) % HOUR;
    if until <= from {
        return Err(wrong("it is not after `from`"));
    }
    if (until - from) / HOUR > LONGEST {
        return Err(wrong("the span is longer than 400 days"));
    }
    let time = |ms| Timestamp::from_millisecond(ms).map_err(|_| wrong("it is no time"));
    Ok((time(from)?, time(until)?))
}

/// A line for each of these names and for every other that was counted, whatever the connection.
fn lines(
    held: &[Hour],
    measure: Measure,
    names: &[&str],
    (from, until): (Timestamp, Timestamp),
) -> Vec<Line> {
    let (from, until) = (from.as_millisecond(), until.as_millisecond());
    let empty: Vec<Point> = (from..until)
        .step_by(usize::try_from(HOUR).unwrap_or(1))
        .filter_map(|ms| Some(Point { at: Timestamp::from_millisecond(ms).ok()?, n: 0 }))
        .collect();
    let line = |name: &str| Line { name: name.to_owned(), total: 0, points: empty.clone() };
    let mut lines: Vec<Line> = names.iter().map(|name| line(name)).collect();
    for hour in held.iter().filter(|hour| hour.measure == measure) {
        let place = lines.iter().position(|line| line.name == hour.a).unwrap_or_else(|| {
            lines.push(line(&hour.a));
            lines.len() - 1
        });
        let at = usize::try_from((hour.at.as_millisecond() - from) / HOUR).unwrap_or(usize::MAX);
        if let Some(point) = lines[place].points.get_mut(at) {
            point.n += hour.n;
            lines[place].total += hour.n;
        }
    }
    lines[names.len()..].sort_by(|x, y| x.name.cmp(&y.name));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_780_005_600 + hour * 3600).unwrap_or_default()
    }

    #[test]
    fn money_is_written_without_floats() {
        let written = [0, 5, -5, 100, 129_050, -199, i64::MAX].map(decimal);
        let wanted = ["0", "0.05", "-0.05", "1", "1290.50", "-1.99", "92233720368547758.07"];
        assert_eq!(written, wanted);
    }

    #[test]
    fn a_line_has_a_point_for_each_hour_and_sums_all_connections() {
        let hour = |connection: &str, h, a: &str, n| Hour {
            at: at(h),
            measure: Measure::Deals,
            connection: connection.to_owned(),
            a: a.to_owned(),
            b: String::new(),
            unit: String::new(),
            n,
            sum: 0,
        };
        let held = [hour("a", 1, "linked", 2), hour("b", 1, "linked", 3), hour("a", 3, "other", 1)];
        let lines = lines(&held, Measure::Deals, &["linked", "unlinked"], (at(0), at(4)));
        let told = |line: &Line| line.points.iter().map(|p| p.n).collect::<Vec<_>>();
        assert_eq!(told(&lines[0]), [0, 5, 0, 0]);
        assert_eq!((lines[0].total, told(&lines[1])), (5, vec![0; 4]));
        assert_eq!((lines[2].name.as_str(), told(&lines[2])), ("other", vec![0, 0, 0, 1]));
        assert_eq!(lines[0].points[0].at, at(0));
    }

    #[test]
    fn a_span_is_widened_to_whole_hours_and_has_an_end() {
        let second = |s: i64| Timestamp::from_second(1_780_005_600 + s).unwrap_or_default();
        assert_eq!(hours(second(1), second(3601)).ok(), Some((at(0), at(2))));
        assert_eq!(hours(at(0), at(1)).ok(), Some((at(0), at(1))));
        assert!(hours(at(1), at(1)).is_err() && hours(at(0), at(24 * 500)).is_err());
    }
}
