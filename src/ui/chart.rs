//! Charts as plain geometry, drawn by the templates as SVG: stacked columns over time, and bars.
//! Invariant: a drawing stretches and its texts do not, so that both are readable on a phone; every
//! number that is drawn stands in a table too.

use super::formats::{Times, number};
use super::words::Language;
use crate::desk::charts::Line;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Height of a drawing in its own units; a column is one unit wide.
const HEIGHT: f64 = 100.0;
/// A column leaves this much to its neighbours.
const GAP: f64 = 0.22;
const CLASSES: [&str; 4] = ["one", "two", "three", "rest"];

/// Stacked columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    pub series: Vec<Series>,
    pub slots: Vec<Slot>,
    /// `0 0 WIDTH 100`.
    pub view: String,
    /// From the top to zero.
    pub ticks: Vec<String>,
    /// Beneath, in equal shares of the width.
    pub marks: Vec<String>,
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub class: &'static str,
    pub total: String,
}

/// A moment of the chart: its pieces from the bottom up, and what they are in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    pub x: usize,
    pub label: String,
    pub title: String,
    pub pieces: Vec<Piece>,
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub class: &'static str,
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
}

/// How long a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    Hour,
    Day,
}

/// Lines of desk with the names that people read, and how they are drawn.
pub struct Plot<'a> {
    pub lines: Vec<(String, &'a Line)>,
    pub from: Timestamp,
    pub until: Timestamp,
    pub grain: Grain,
    /// How many columns stand above one mark.
    pub every: usize,
}

/// The columns of a plot.
pub fn columns(plot: &Plot<'_>, times: &Times) -> Columns {
    let moments = moments(plot, times);
    let counts: Vec<Vec<u64>> =
        plot.lines.iter().map(|(_, line)| counted(line, &moments, plot.grain, times)).collect();
    let sums = (0..moments.len()).map(|x| counts.iter().map(|line| line[x]).sum::<u64>());
    let top = ceiling(sums.max().unwrap_or(0));
    let language = times.language;
    let series = plot.lines.iter().zip(&counts).zip(classes(plot.lines.len()));
    let series = series.map(|(((name, _), counts), class)| Series {
        name: name.clone(),
        class,
        total: number(language, counts.iter().sum()),
    });
    let series: Vec<Series> = series.collect();
    let slots = moments.iter().enumerate().map(|(x, at)| {
        let counts: Vec<u64> = counts.iter().map(|line| line[x]).collect();
        slot((x, said(*at, plot.grain, times)), &counts, &series, (top, language))
    });
    let marks = moments.iter().step_by(plot.every.max(1));
    Columns {
        slots: slots.collect(),
        view: format!("0 0 {} {HEIGHT}", moments.len().max(1)),
        ticks: [top, top / 2, 0].iter().map(|tick| number(language, *tick)).collect(),
        marks: marks.map(|at| marked(*at, plot, times)).collect(),
        total: counts.iter().flatten().sum(),
        series,
    }
}

/// Two series are told apart by weight rather than by hue.
fn classes(count: usize) -> Vec<&'static str> {
    match count {
        2 => vec!["one", "rest"],
        _ => CLASSES.into_iter().cycle().take(count).collect(),
    }
}

fn slot(
    (x, label): (usize, String),
    counts: &[u64],
    series: &[Series],
    (top, language): (u64, Language),
) -> Slot {
    let mut floor = HEIGHT;
    let mut pieces = Vec::new();
    for (count, series) in counts.iter().zip(series) {
        let height = HEIGHT * ratio(*count, top);
        if height > 0.0 {
            floor -= height;
            pieces.push(Piece {
                class: series.class,
                x: short(x as f64 + GAP / 2.0),
                y: short(floor),
                width: short(1.0 - GAP),
                height: short(height),
            });
        }
    }
    let values: Vec<String> = counts.iter().map(|count| number(language, *count)).collect();
    let told =
        series.iter().zip(&values).map(|(series, value)| format!("{}: {value}", series.name));
    let title = format!("{label} — {}", told.collect::<Vec<_>>().join(", "));
    Slot { x, label, title, pieces, values }
}

/// Where each column begins; days begin at midnight of the zone.
fn moments(plot: &Plot<'_>, times: &Times) -> Vec<Timestamp> {
    let mut at = plot.from;
    let mut out = Vec::new();
    while at < plot.until && out.len() < 1000 {
        out.push(at);
        let next = match plot.grain {
            Grain::Hour => at.checked_add(SignedDuration::from_hours(1)).ok(),
            Grain::Day => {
                let day = at.to_zoned(times.zone.clone()).tomorrow();
                day.and_then(|day| day.start_of_day()).ok().map(|day| day.timestamp())
            }
        };
        match next {
            Some(next) if next > at => at = next,
            _ => break,
        }
    }
    out
}

/// What the line counts in each column.
fn counted(line: &Line, moments: &[Timestamp], grain: Grain, times: &Times) -> Vec<u64> {
    let day = |at: Timestamp| at.to_zoned(times.zone.clone()).date();
    let mut out = vec![0; moments.len()];
    let days: BTreeMap<Date, usize> = match grain {
        Grain::Day => moments.iter().enumerate().map(|(x, at)| (day(*at), x)).collect(),
        Grain::Hour => BTreeMap::new(),
    };
    for point in &line.points {
        let x = match grain {
            Grain::Hour => moments.partition_point(|at| *at <= point.at).checked_sub(1),
            Grain::Day => days.get(&day(point.at)).copied(),
        };
        if let Some(count) = x.and_then(|x| out.get_mut(x)) {
            *count += u64::try_from(point.n).unwrap_or(0);
        }
    }
    out
}

fn said(at: Timestamp, grain: Grain, times: &Times) -> String {
    match grain {
        Grain::Hour => times.minute(at),
        Grain::Day => times.day(at.to_zoned(times.zone.clone()).date()),
    }
}

/// An axis says the hour where days are short, and the day where they are many.
fn marked(at: Timestamp, plot: &Plot<'_>, times: &Times) -> String {
    let zoned = at.to_zoned(times.zone.clone());
    match plot.grain {
        Grain::Hour if plot.every < 24 => zoned.strftime("%H:%M").to_string(),
        _ => times.day(zoned.date()),
    }
}

/// A round number that holds the largest, and has a half: 2, 4, 6, … 16, 20, 40 …
fn ceiling(most: u64) -> u64 {
    let mut scale = 1;
    loop {
        for step in [2, 4, 6, 8, 10, 12, 16] {
            if step * scale >= most {
                return step * scale;
            }
        }
        scale *= 10;
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Two places are finer than a pixel.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A bar of a table, in hundredths of the longest.
pub fn bar(part: i64, longest: i64) -> String {
    let (part, longest) = (u64::try_from(part).unwrap_or(0), u64::try_from(longest).unwrap_or(0));
    short(100.0 * ratio(part, longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::charts::Point;
    use jiff::tz::TimeZone;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn times() -> Times {
        let zone = TimeZone::get("Europe/Moscow").expect("a zone");
        Times { language: Language::Ru, zone, now: at("2026-11-22T12:00:00Z") }
    }

    fn line(points: &[(&str, i64)]) -> Line {
        let points = points.iter().map(|(text, n)| Point { at: at(text), n: *n }).collect();
        Line { name: String::new(), total: 0, points }
    }

    #[test]
    fn columns_stand_on_each_other_and_reach_their_share_of_the_height() {
        let calls = line(&[("2026-11-22T09:00:00Z", 3), ("2026-11-22T11:00:00Z", 1)]);
        let chats = line(&[("2026-11-22T09:00:00Z", 1), ("2026-11-22T08:00:00Z", 9)]);
        let plot = Plot {
            lines: vec![("звонки".into(), &calls), ("чаты".into(), &chats)],
            from: at("2026-11-22T09:00:00Z"),
            until: at("2026-11-22T12:00:00Z"),
            grain: Grain::Hour,
            every: 1,
        };
        let chart = columns(&plot, &times());
        assert_eq!(chart.view, "0 0 3 100");
        assert_eq!(chart.ticks, ["4", "2", "0"]);
        assert_eq!(chart.marks, ["12:00", "13:00", "14:00"]);
        assert_eq!(chart.total, 5, "what lies before the chart does not count");
        let first: Vec<_> =
            chart.slots[0].pieces.iter().map(|piece| (&*piece.y, &*piece.height)).collect();
        assert_eq!(first, [("25", "75"), ("0", "25")]);
        assert!(chart.slots[1].pieces.is_empty());
        assert_eq!(
            chart.slots[0].title.replace('\u{a0}', " "),
            "22 ноя 12:00 — звонки: 3, чаты: 1"
        );
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let calls = line(&[("2026-11-20T20:30:00Z", 1), ("2026-11-20T21:30:00Z", 5)]);
        let plot = Plot {
            lines: vec![("звонки".into(), &calls)],
            from: at("2026-11-19T21:00:00Z"),
            until: at("2026-11-21T21:00:00Z"),
            grain: Grain::Day,
            every: 7,
        };
        let chart = columns(&plot, &times());
        let values: Vec<_> = chart.slots.iter().map(|slot| slot.values[0].as_str()).collect();
        assert_eq!(values, ["1", "5"]);
    }

    #[test]
    fn an_empty_chart_has_an_axis() {
        let plot = Plot {
            lines: Vec::new(),
            from: at("2026-11-22T09:00:00Z"),
            until: at("2026-11-22T09:00:00Z"),
            grain: Grain::Hour,
            every: 6,
        };
        let chart = columns(&plot, &times());
        assert_eq!((chart.view.as_str(), chart.total), ("0 0 1 100", 0));
        assert_eq!(chart.ticks, ["2", "1", "0"]);
    }

    #[test]
    fn the_top_is_round() {
        for (most, top) in
            [(0, 2), (1, 2), (3, 4), (7, 8), (11, 12), (59, 60), (61, 80), (106, 120), (161, 200)]
        {
            assert_eq!(ceiling(most), top, "{most}");
        }
    }

    #[test]
    fn bars_are_shares_of_the_longest() {
        assert_eq!(bar(50, 200), "25");
        assert_eq!(bar(1, 3), "33.33");
        assert_eq!(bar(-5, 3), "0");
        assert_eq!(bar(1, 0), "0");
    }
}
