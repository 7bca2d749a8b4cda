//! `status` for people: 100 columns, colors only on a terminal. Invariant: what needs a person is
//! told with the words to type next.

use crate::desk::needs::groups::Group;
use crate::desk::overview::report::{Connection, Flow, Report};
use crate::store::Replica;
use crate::store::status::MOST;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

const WIDTH: usize = 100;
/// Of what is due only so many are counted.
const MOST_DUE: u64 = 10_000;

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut page = Page { now: report.at, sign_clock: report.sign_clock, lines: Vec::new() };
    page.daemon(report);
    page.heading("Connections");
    report.connections.iter().for_each(|connection| page.connection(connection));
    page.heading("Flows");
    page.lines.push(flows(&report.flows));
    page.work(report);
    if report.person.is_empty() {
        page.line(0, "Nothing waits for a person.", Tone::Plain);
    } else {
        page.heading("Waits for a person");
        report.person.iter().for_each(|group| page.group(group));
    }
    if !report.chores.is_empty() {
        page.heading("Chores");
        for chore in &report.chores {
            let last = chore.last_run.map_or_else(|| "never yet".to_owned(), |at| page.ago(at));
            let now = chore.owner.as_ref().map_or("", |_| " · runs now");
            page.line(2, &format!("{}: last run {last}{now}", chore.name), Tone::Plain);
        }
    }
    page.lines.join("\n")
}

#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
    Faint,
}

struct Page {
    now: Timestamp,
    /// What processes signed by.
    sign_clock: Timestamp,
    lines: Vec<String>,
}

impl Page {
    /// A text, wrapped and indented; lines after the first stand two further in.
    fn line(&mut self, indent: usize, text: &str, tone: Tone) {
        for (at, part) in wrapped(text, WIDTH - indent - 2).into_iter().enumerate() {
            let indent = " ".repeat(if at == 0 { indent } else { indent + 2 });
            let shown = match tone {
                Tone::Plain => part,
                Tone::Good => style(part).green().to_string(),
                Tone::Doubtful => style(part).yellow().to_string(),
                Tone::Bad => style(part).red().to_string(),
                Tone::Faint => style(part).dim().to_string(),
            };
            self.lines.push(format!("{indent}{shown}"));
        }
    }

    fn heading(&mut self, text: &str) {
        self.lines.push(String::new());
        self.lines.push(style(text).bold().to_string());
    }

    fn daemon(&mut self, report: &Report) {
        if !report.running {
            let last =
                report.last_sign.map(|at| format!("; last seen {}", since(at, self.sign_clock)));
            let text = format!(
                "leadlink is not running: nothing is received, decided or sent{}",
                last.unwrap_or_default()
            );
            self.line(0, &text, Tone::Bad);
        } else if report.processes.is_empty() {
            self.line(0, "leadlink is running", Tone::Good);
        }
        for process in &report.processes {
            self.process(process);
        }
    }

    fn process(&mut self, process: &Replica) {
        let text = format!(
            "leadlink {} runs since {} on {} · seen {} · config and flows read {} · {}",
            process.version,
            self.time(process.started),
            process.listen,
            since(process.seen, self.sign_clock),
            self.ago(process.loaded),
            process.owner
        );
        self.line(0, &text, Tone::Good);
        if let Some(trouble) = &process.trouble {
            let text = format!("the last reload was refused, the old set goes on: {trouble}");
            self.line(2, &text, Tone::Bad);
        }
    }

    fn connection(&mut self, connection: &Connection) {
        let since = connection.since.map(|at| format!(" since {}", self.time(at)));
        let since = since.unwrap_or_default();
        let why = connection.why.as_deref().unwrap_or("no reason was kept");
        let (text, tone) = match connection.state.as_deref() {
            None => ("no daemon has run with it yet".to_owned(), Tone::Faint),
            Some("ready") => (format!("ready{since}"), Tone::Good),
            Some(state) => (format!("{state}{since}: {why}"), Tone::Bad),
        };
        self.line(2, &format!("{} ({}): {text}", connection.name, connection.connector), tone);
        let mut facts: Vec<String> = Vec::new();
        facts.extend(connection.answered.map(|at| format!("answered {}", self.ago(at))));
        facts.extend(
            connection
                .feeds
                .iter()
                .map(|feed| format!("{} read {}", feed.name, self.ago(feed.read))),
        );
        facts.extend(
            connection.looked.map(|at| format!("compared with the flows {}", self.ago(at))),
        );
        facts.extend(connection.owner.as_ref().map(|owner| format!("owner {owner}")));
        if !facts.is_empty() {
            self.line(4, &facts.join(" · "), Tone::Faint);
        }
        for problem in &connection.drift {
            self.problem(problem);
        }
    }

    fn problem(&mut self, problem: &Value) {
        let text = |name: &str| problem[name].as_str().unwrap_or_default();
        let is_error = text("severity") == "error";
        let place = match problem["line"].as_u64() {
            Some(line) => format!(" ({}:{line})", text("file")),
            None => String::new(),
        };
        let title = text("title").split_once(": ").map_or(text("title"), |(_, rest)| rest);
        let word = if is_error { "drift, a write will fail" } else { "drift" };
        let tone = if is_error { Tone::Bad } else { Tone::Doubtful };
        self.line(4, &format!("{word}: {title}{place}"), tone);
        if !text("mend").is_empty() {
            self.line(6, &format!("→ {}", text("mend")), Tone::Plain);
        }
    }

    fn work(&mut self, report: &Report) {
        self.lines.push(String::new());
        let mut facts = Vec::new();
        if report.unrouted > 0 {
            facts.push(format!("{} deliveries are not routed yet", most(report.unrouted, MOST)));
        }
        if report.lag_seconds > 0 {
            facts.push(format!("the oldest due job is {} late", span(report.lag_seconds)));
        }
        if report.looked_for > 0 {
            facts.push(format!("{} steps of unknown outcome are looked for", report.looked_for));
        }
        if !facts.is_empty() {
            self.line(0, &format!("{}.", facts.join("; ")), Tone::Doubtful);
        }
    }

    fn group(&mut self, group: &Group) {
        let (noun, prefix) = match (group.what, group.count) {
            ("job", 1) => ("job", "of "),
            ("job", _) => ("jobs", "of "),
            ("step", 1) => ("step", "of "),
            ("step", _) => ("steps", "of "),
            (_, 1) => ("unreadable delivery", "from "),
            _ => ("unreadable deliveries", "from "),
        };
        let more = if group.more { "+" } else { "" };
        let text = format!("{}{more} {noun} {prefix}{}: {}", group.count, group.of, group.why);
        self.line(2, &text, Tone::Bad);
        let ids: Vec<String> = group.ids.iter().map(ToString::to_string).collect();
        let dots = if group.count > ids.len() as u64 { ", …" } else { "" };
        let ids = format!(
            "{} {}{dots}",
            if group.what == "delivery" { "raw" } else { "job" },
            ids.join(", ")
        );
        self.line(4, &format!("→ {}   ({ids})", group.commands.join("  ·  ")), Tone::Plain);
    }

    /// In the zone of whoever reads it.
    fn time(&self, at: Timestamp) -> String {
        let zone = TimeZone::system();
        let (at, now) = (at.to_zoned(zone.clone()), self.now.to_zoned(zone));
        let format = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        at.strftime(format).to_string()
    }

    fn ago(&self, at: Timestamp) -> String {
        since(at, self.now)
    }
}

fn since(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        ..=0 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

fn flows(flows: &[Flow]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).force_no_tty();
    table.set_width(u16::try_from(WIDTH).unwrap_or(100));
    table.set_header(["", "waiting", "due", "deciding", "stuck", ""]);
    for flow in flows {
        let why = flow.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let counts = &flow.counts;
        table.add_row([
            format!(" {}", flow.name),
            most(counts.waiting, MOST),
            most(counts.due, MOST_DUE),
            counts.deciding.to_string(),
            counts.stuck.to_string(),
            format!("{}{why}", flow.state),
        ]);
    }
    for at in 1..=4 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A count that stopped at a limit.
fn most(count: u64, limit: u64) -> String {
    if count > limit { format!("{limit}+") } else { count.to_string() }
}

fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Broken between words; a longer word stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += letters;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable x", 4), ["unbreakable", "x"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("слово ещё", 9), ["слово ещё"]);
    }

    #[test]
    fn counts_and_spans_are_short() {
        assert_eq!((most(5, 10), most(11, 10)), ("5".to_owned(), "10+".to_owned()));
        let spans = [5, 119, 120, 7199, 7200, 200_000].map(span);
        assert_eq!(spans, ["5 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }
}
