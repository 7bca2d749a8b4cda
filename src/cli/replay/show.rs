//! How a replay is told: to a person line by line, to a script as one JSON object. Invariant: what is
//! told is told as it is found; nothing is gathered.

use super::super::out;
use crate::desk::acts::line as plain;
use crate::domain::Recorded;
use crate::pipeline::mend::Report;
use crate::pipeline::replay::Summary;
use crate::rules::replay::{Change, Difference, Kind, Now, Weighed};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// Tells what is found.
pub struct Teller {
    pub json: bool,
    /// Lists those too that differ only in their reasons.
    pub reasons: bool,
    /// Something was listed.
    pub begun: bool,
}

impl Teller {
    pub fn page(&mut self, page: &[(Recorded, Weighed)]) {
        for (recorded, weighed) in page {
            match weighed {
                Weighed::Differs(difference)
                    if self.reasons || difference.kind != Kind::Reasons =>
                {
                    self.differs(recorded, difference);
                }
                Weighed::Untold(why) => self.untold(recorded, why),
                Weighed::Differs(_) | Weighed::Same | Weighed::Rested | Weighed::Gone => {}
            }
        }
    }

    fn differs(&mut self, recorded: &Recorded, difference: &Difference) {
        if self.json {
            let rest = json!({
                "differs": difference.kind, "was": difference.was, "now": difference.now,
                "changes": difference.changes,
            });
            return self.object(recorded, rest);
        }
        out::say(&format!("{}  {}", heading(recorded), difference.kind));
        if let Now::Stuck(why) = &difference.now {
            out::say(&format!("    would wait for a person: {why}"));
        }
        difference.changes.iter().for_each(change);
    }

    fn untold(&mut self, recorded: &Recorded, why: &str) {
        if self.json {
            return self.object(recorded, json!({ "untold": why }));
        }
        out::say(&format!("{}  cannot be told: {why}", heading(recorded)));
    }

    /// One of the list `decisions`, which is written as it grows.
    fn object(&mut self, recorded: &Recorded, rest: Value) {
        let mut whole = json!({
            "event": recorded.event.key, "connection": recorded.event.connection,
            "flow": recorded.flow, "job": recorded.job, "at": recorded.at,
            "last": recorded.last,
        });
        if let (Value::Object(whole), Value::Object(rest)) = (&mut whole, rest) {
            whole.extend(rest);
        }
        out::say(&format!("{}{whole}", if self.begun { "," } else { "{\"decisions\":[" }));
        self.begun = true;
    }

    /// The end: the sums, and what was written.
    pub fn end(&self, summary: &Summary, written: Option<&Report>) {
        if self.json {
            let mut end = Map::new();
            end.insert("summary".to_owned(), json!(summary));
            if let Some(report) = written {
                end.insert("written".to_owned(), json!(report));
            }
            let end = Value::Object(end).to_string();
            let begin = if self.begun { "" } else { "{\"decisions\":[" };
            return out::say(&format!("{begin}],{}", end.trim_start_matches('{')));
        }
        sums(summary).iter().for_each(|line| out::say(line));
        if let Some(report) = written {
            out::say(&format!("{} events are decided anew", report.waiting.len()));
            for left in &report.left {
                out::complain(&format!("job {} is not replayed: {}", left.job, left.why));
            }
        }
    }
}

fn sums(summary: &Summary) -> Vec<String> {
    let Summary { decisions, same, differ, untold, rested, gone, unheard } = summary;
    let mut lines = vec![format!("{decisions} decisions, {same} the same")];
    lines.extend(differ.iter().map(|(kind, count)| format!("{count:>8}  {kind}")));
    for (why, count) in untold {
        lines.push(format!("{count:>8}  cannot be told: {why}"));
    }
    if *rested > 0 {
        lines.push(format!("{rested:>8}  were skipped without a rule: their flow did not run"));
    }
    for (flow, count) in gone {
        lines.push(format!("{count:>8}  of {flow}, which is not among these flows"));
    }
    for (flow, count) in unheard {
        lines.push(format!(
            "{count:>8}  events that {flow} would listen to: it is new, no facts were read for it"
        ));
    }
    lines
}

fn heading(recorded: &Recorded) -> String {
    let at = recorded.at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let which = if recorded.last { "" } else { " (an earlier decision)" };
    format!("{at}  {}  {}  job {}{which}", recorded.flow, recorded.event.key, recorded.job)
}

fn change(change: &Change) {
    let Change { at, was, now } = change;
    match (was, now) {
        (Some(was), Some(now)) => {
            out::say(&format!("    {at}: {} → {}", plain(was), plain(now)));
        }
        (Some(was), None) => out::say(&format!("    - {at}: {}", plain(was))),
        (None, Some(now)) => out::say(&format!("    + {at}: {}", plain(now))),
        (None, None) => {}
    }
}
