//! `[reconcile]`: when both sides are compared, and how far back. Invariant: the window is at least a
//! day, for what is younger than an update's delay is never judged.

use super::cron::Cron;
use super::retention;
use super::section::Section;
use crate::diagnosis::{Problem, duration_of};
use jiff::tz::TimeZone;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LONGEST: Duration = Duration::from_secs(92 * 24 * 3600);
const AT: &str = "47 4 * * *";
const WINDOW: Duration = Duration::from_secs(2 * 24 * 3600);

/// When both sides are compared, and over which days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconcile {
    /// `None`: only when a person asks for it.
    pub at: Option<Cron>,
    /// From so long ago until now.
    pub window: Duration,
    /// The zone of its days.
    pub zone: TimeZone,
}

impl Default for Reconcile {
    fn default() -> Self {
        let zone = TimeZone::get(retention::ZONE).unwrap_or(TimeZone::UTC);
        Self { at: Cron::new(AT, retention::ZONE).ok(), window: WINDOW, zone }
    }
}

pub(super) fn read(mut section: Section, problems: &mut Vec<Problem>) -> Reconcile {
    let mut reconcile = Reconcile::default();
    let (at, zone) = retention::at(&mut section, AT);
    reconcile.at = at;
    if let Ok(zone) = TimeZone::get(&zone) {
        reconcile.zone = zone;
    }
    if let Some(written) = section.text("window") {
        let mend = "write \"1d\" to \"92d\"; longer spans are asked for by `leadlink reconcile`";
        match duration_of(&written) {
            Some(window) if (DAY..=LONGEST).contains(&window) => reconcile.window = window,
            Some(_) => {
                let problem = Problem::error(format!("`{written}` is too short or too long"));
                section.problem("window", problem.mend(mend));
            }
            None => {
                let problem = Problem::error(format!("`{written}` is no duration"));
                section.problem("window", problem.mend(mend));
            }
        }
    }
    problems.extend(section.finish());
    reconcile
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::diagnosis::render;

    fn loaded(text: &str) -> (Reconcile, String) {
        let text = format!("[reconcile]\n{text}");
        let (config, problems) = load_text("leadlink.toml", &text, std::iter::empty());
        (config.expect("the text is TOML").reconcile, render(&problems, false))
    }

    #[test]
    fn nothing_written_is_the_default_and_never_is_a_word() {
        let (reconcile, problems) = loaded("");
        assert_eq!((&reconcile, problems.as_str()), (&Reconcile::default(), ""));
        assert!(reconcile.at.is_some(), "the default is a time");
        let (reconcile, problems) =
            loaded("at = \"never\"\nwindow = \"7d\"\ntimezone = \"Asia/Omsk\"");
        assert_eq!(problems, "");
        assert_eq!((reconcile.at, reconcile.window), (None, 7 * DAY));
        assert_eq!(reconcile.zone.iana_name(), Some("Asia/Omsk"));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_mend() {
        let (_, problems) =
            loaded("at = \"daily\"\nwindow = \"1h\"\ntimezone = \"Asia/Omsc\"\nrepair = true");
        for said in [
            "reconcile.at: `daily` is no time",
            "reconcile.window: `1h` is too short",
            "did you mean `Asia/Omsk`?",
            "reconcile.repair",
        ] {
            assert!(problems.contains(said), "no `{said}` in\n{problems}");
        }
    }
}
