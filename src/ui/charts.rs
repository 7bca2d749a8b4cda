//! The console's charts, made of what desk counts. Invariant: names that far sides gave stay text.

use super::chart::{self, Columns, Grain, Plot};
use super::formats::priced;
use super::frame::Frame;
use super::signs;
use super::words::count::DEALS;
use crate::desk::charts::{Line, RevenueCharts};
use jiff::{SignedDuration, Timestamp};

/// Bars of a chart of money; the rest is one.
const BARS: usize = 8;

/// Money by source or campaign, in one currency or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Revenue {
    pub title: &'static str,
    pub groups: Vec<Group>,
}

/// Of one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub total: String,
    pub bars: Vec<Bar>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    pub label: String,
    pub revenue: String,
    pub deals: String,
    /// In hundredths of the longest.
    pub width: String,
    /// It is the rest, or without a name.
    pub pale: bool,
}

pub fn revenue(
    read: &RevenueCharts,
    (title, none): (&'static str, &'static str),
    frame: &Frame,
) -> Revenue {
    let groups = read.charts.iter().filter(|chart| !chart.bars.is_empty()).map(|chart| {
        let longest = chart.bars.iter().take(BARS).map(|bar| bar.minor).max().unwrap_or(0);
        let deals = |count: i64| frame.count(DEALS, u64::try_from(count).unwrap_or(0));
        let money = |amount: &str| priced(frame.language(), amount, &chart.currency);
        let mut bars: Vec<Bar> = chart
            .bars
            .iter()
            .take(BARS)
            .map(|bar| Bar {
                label: if bar.label.is_empty() { none.to_owned() } else { bar.label.clone() },
                revenue: money(&bar.revenue),
                deals: deals(bar.deals),
                width: chart::bar(bar.minor, longest),
                pale: bar.label.is_empty(),
            })
            .collect();
        let rest = &chart.bars[chart.bars.len().min(BARS)..];
        if !rest.is_empty() {
            let minor: i64 = rest.iter().map(|bar| bar.minor).sum();
            bars.push(Bar {
                label: frame.w.journals.others.to_owned(),
                revenue: money(&hundredths(minor)),
                deals: deals(rest.iter().map(|bar| bar.deals).sum()),
                width: chart::bar(minor.min(longest), longest),
                pale: true,
            });
        }
        let total = format!("{} · {}", money(&chart.revenue), deals(chart.deals));
        Group { total, bars }
    });
    Revenue { title, groups: groups.collect() }
}

/// Decimal text of whole hundredths.
fn hundredths(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// How much of the past the overview draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub key: &'static str,
    pub grain: Grain,
    pub every: usize,
    count: i64,
}

pub const REACHES: [Reach; 3] = [
    Reach { key: "24h", grain: Grain::Hour, every: 4, count: 24 },
    Reach { key: "7d", grain: Grain::Hour, every: 24, count: 7 },
    Reach { key: "28d", grain: Grain::Day, every: 7, count: 28 },
];

impl Reach {
    pub fn of(key: Option<&str>) -> Self {
        REACHES.into_iter().find(|reach| Some(reach.key) == key).unwrap_or(REACHES[0])
    }

    /// Whole hours to the end of this one, or whole days to the end of today.
    pub fn span(self, frame: &Frame) -> (Timestamp, Timestamp) {
        let now = frame.now();
        if self.key == "24h" {
            let hour = 3600 - now.as_second().rem_euclid(3600);
            let until = Timestamp::from_second(now.as_second() + hour).unwrap_or(now);
            let from = until.saturating_sub(SignedDuration::from_hours(self.count));
            return (from.unwrap_or(now), until);
        }
        let begins = |days: i64| {
            let day = frame.times.today().saturating_add(jiff::Span::new().days(days));
            day.to_zoned(frame.times.zone.clone()).map_or(now, |day| day.timestamp())
        };
        (begins(1 - self.count), begins(1))
    }

    /// The chart of some lines, by the names that people read.
    pub fn drawn<'a>(
        self,
        lines: &'a [Line],
        named: impl Fn(&str) -> String,
        (from, until): (Timestamp, Timestamp),
        frame: &Frame,
    ) -> Columns {
        let lines =
            lines.iter().map(|line| (named(&line.name), line)).collect::<Vec<(String, &'a Line)>>();
        let plot = Plot { lines, from, until, grain: self.grain, every: self.every };
        chart::columns(&plot, &frame.times)
    }
}

/// The name of a line of the overview.
pub fn line_name(frame: &Frame, name: &str) -> String {
    let w = &frame.w.overview;
    match name {
        "linked" => w.deals_linked.to_owned(),
        "unlinked" => w.deals_unlinked.to_owned(),
        "in" => w.messages_in.to_owned(),
        "out" => w.messages_out.to_owned(),
        other => signs::kind(&frame.w.states, other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::charts::{Bar as Counted, RevenueBy, RevenueChart};
    use crate::ui::words::Language;

    #[test]
    fn what_does_not_fit_is_one_bar_and_nothing_is_lost() {
        let bars = (0..11).map(|at| Counted {
            label: if at == 0 { String::new() } else { format!("source {at}") },
            deals: 1,
            minor: 10_000,
            revenue: "100".into(),
        });
        let bars: Vec<Counted> = bars.collect();
        let chart = RevenueChart {
            currency: "RUB".into(),
            deals: 11,
            minor: 110_000,
            revenue: "1100".into(),
            bars,
        };
        let frame = Frame::sample(Language::En, "/deals");
        let (from, until) = (frame.now(), frame.now());
        let read = RevenueCharts { from, until, by: RevenueBy::Source, charts: vec![chart] };
        let drawn = revenue(&read, ("By source", "no source"), &frame);
        let bars = &drawn.groups[0].bars;
        assert_eq!(bars.len(), BARS + 1);
        assert_eq!((bars[0].label.as_str(), bars[0].pale), ("no source", true));
        assert_eq!(bars[8].revenue.replace('\u{a0}', " "), "300 ₽");
        assert_eq!(bars[8].deals.replace('\u{a0}', " "), "3 deals");
        assert_eq!(hundredths(-5), "-0.05");
    }

    #[test]
    fn a_reach_is_whole_days_or_hours() {
        let frame = Frame::sample(Language::Ru, "/");
        for reach in REACHES {
            let (from, until) = reach.span(&frame);
            assert!(from < frame.now() && frame.now() < until, "{}", reach.key);
            assert_eq!(from.as_second().rem_euclid(3600), 0);
        }
        let (from, until) = Reach::of(Some("28d")).span(&frame);
        assert_eq!(until.duration_since(from).as_hours(), 28 * 24);
    }
}
