//! `[retention]`: how long each kind of row is kept, and when the old ones are deleted. Invariant:
//! nothing is kept for less than three days: journals are read back to yesterday, and what they
//! bring again must not be new again each night.

use super::cron::Cron;
use super::section::Section;
use crate::diagnosis::{Problem, duration_of, nearest};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_secs(3 * 24 * 3600);
/// Deals are linked to leads of 12 months.
const LINKABLE: Duration = Duration::from_secs(396 * 24 * 3600);

const AT: &str = "17 3 * * *";
pub(super) const ZONE: &str = "Europe/Moscow";

/// How long rows are kept; `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// When it runs; `None`: never.
    pub at: Option<Cron>,
    /// What came in and was read.
    pub raw: Option<Duration>,
    /// What came in and could not be read.
    pub unreadable: Option<Duration>,
    /// Events, and the jobs, decisions, steps and attempts of those that have ended.
    pub events: Option<Duration>,
    /// The journal of leads, counted from their own time.
    pub leads: Option<Duration>,
    /// Conversations and their messages, counted from their last change.
    pub messages: Option<Duration>,
    /// Links, and what is remembered of the things that they lead to.
    pub links: Option<Duration>,
    /// Commands that were taken, and backfills that ended.
    pub commands: Option<Duration>,
    /// Processes and states of connections that were not seen any more.
    pub replicas: Option<Duration>,
    /// What people did.
    pub audit: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            at: Cron::new(AT, ZONE).ok(),
            raw: Some(90 * DAY),
            unreadable: Some(400 * DAY),
            events: Some(400 * DAY),
            leads: Some(400 * DAY),
            messages: Some(400 * DAY),
            links: None,
            commands: Some(30 * DAY),
            replicas: Some(30 * DAY),
            audit: None,
        }
    }
}

pub(super) fn read(mut section: Section, problems: &mut Vec<Problem>) -> Retention {
    let default = Retention::default();
    let retention = Retention {
        at: at(&mut section, AT).0,
        raw: keep(&mut section, "raw", default.raw),
        unreadable: keep(&mut section, "unreadable", default.unreadable),
        events: keep(&mut section, "events", default.events),
        leads: keep(&mut section, "leads", default.leads),
        messages: keep(&mut section, "messages", default.messages),
        links: keep(&mut section, "links", default.links),
        commands: keep(&mut section, "commands", default.commands),
        replicas: keep(&mut section, "replicas", default.replicas),
        audit: keep(&mut section, "audit", default.audit),
    };
    if retention.leads.is_some_and(|kept| (SHORTEST..LINKABLE).contains(&kept)) {
        let problem =
            Problem::warning("leads of 12 months can be linked only as long as they are kept");
        section.problem("leads", problem.mend("write \"400d\" or more"));
    }
    problems.extend(section.finish());
    retention
}

/// The time of a chore, by default `otherwise`, and its zone.
pub(super) fn at(section: &mut Section, otherwise: &str) -> (Option<Cron>, String) {
    let zone = section.text("timezone").unwrap_or_else(|| ZONE.to_owned());
    let known = Cron::is_zone(&zone);
    if !known {
        let mend = nearest(&zone, Cron::zones()).map_or_else(
            || "write a zone of the tz database: \"Europe/Moscow\"".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        section.problem("timezone", Problem::error(format!("`{zone}` is no time zone")).mend(mend));
    }
    let written = section.text("at").unwrap_or_else(|| otherwise.to_owned());
    let zone = if known { zone } else { ZONE.to_owned() };
    if written.trim() == "never" {
        return (None, zone);
    }
    match Cron::new(&written, &zone) {
        Ok(cron) => (Some(cron), zone),
        Err(why) => {
            let mend = "write minute, hour, day, month and weekday: \"17 3 * * *\" is every night at \
                        3:17; or \"never\"";
            section.problem("at", Problem::error(why).mend(mend));
            (None, zone)
        }
    }
}

fn keep(section: &mut Section, key: &str, default: Option<Duration>) -> Option<Duration> {
    let Some(written) = section.text(key) else { return default };
    if ["forever", "never"].contains(&written.trim()) {
        return None;
    }
    let Some(kept) = duration_of(&written) else {
        let problem = Problem::error(format!("`{written}` is no duration"));
        section.problem(key, problem.mend("write days, \"90d\", or \"forever\""));
        return default;
    };
    if kept < SHORTEST {
        let problem = Problem::error(format!("`{written}` is too short"));
        section.problem(
            key,
            problem.mend("write \"3d\" or more: journals are read back to yesterday"),
        );
        return default;
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::diagnosis::render;

    fn loaded(text: &str) -> (Retention, String) {
        let text = format!("[retention]\n{text}");
        let (config, problems) = load_text("leadlink.toml", &text, std::iter::empty());
        (config.expect("the text is TOML").retention, render(&problems, false))
    }

    #[test]
    fn nothing_written_is_the_default_and_for_ever_is_a_word() {
        let (retention, problems) = loaded("");
        assert_eq!((retention, problems.as_str()), (Retention::default(), ""));
        assert!(Retention::default().at.is_some(), "the default is a time");
        let (retention, problems) =
            loaded("at = \"never\"\nraw = \"7d\"\nevents = \"forever\"\nlinks = \"500d\"");
        assert_eq!(problems, "");
        assert_eq!((retention.at, retention.events), (None, None));
        assert_eq!((retention.raw, retention.links), (Some(7 * DAY), Some(500 * DAY)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_mend() {
        let (_, problems) = loaded(
            "at = \"61 3 * * *\"\ntimezone = \"Europe/Moskow\"\nraw = \"1d\"\n\
             unreadable = \"long\"\nleads = \"90d\"\nlnks = \"90d\"",
        );
        for said in [
            "leadlink.toml:2:6",
            "retention.at: `61 3 * * *` is no time",
            "every night at 3:17",
            "leadlink.toml:3:12",
            "did you mean `Europe/Moscow`?",
            "retention.raw: `1d` is too short",
            "retention.unreadable: `long` is no duration",
            "retention.leads: leads of 12 months",
            "did you mean `links`?",
        ] {
            assert!(problems.contains(said), "no `{said}` in\n{problems}");
        }
    }
}
