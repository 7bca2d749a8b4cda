//! `[console]`: how the operators' pages speak, and how long a login lasts. Invariant: the zone is one
//! that exists, and the address that is pasted into far sides has no path.

use super::section::Section;
use crate::diagnosis::Problem;
use jiff::tz::TimeZone;
use std::time::Duration;

const ZONE: &str = "Europe/Moscow";
const LANGUAGES: [&str; 2] = ["ru", "en"];
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// A session that lasts less would end while a person reads a page.
const SHORTEST: Duration = Duration::from_secs(5 * 60);

/// The operators' pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// In which times are shown and days begin.
    pub zone: TimeZone,
    /// `ru` or `en`, for who has not chosen.
    pub language: String,
    /// Where people and far sides reach us: scheme and host, without a path.
    pub public: Option<String>,
    /// A login ends after so long without a page.
    pub session: Duration,
    /// Proxies before us, each of which adds the address it saw to `X-Forwarded-For`.
    pub proxies: u32,
}

impl Default for Console {
    fn default() -> Self {
        let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
        Self { zone, language: "ru".into(), public: None, session: SESSION, proxies: 0 }
    }
}

pub(super) fn read(mut section: Section, problems: &mut Vec<Problem>) -> Console {
    let mut console = Console::default();
    if let Some(written) = section.text("timezone") {
        match TimeZone::get(&written) {
            Ok(zone) => console.zone = zone,
            Err(_) => {
                let problem = Problem::error(format!("`{written}` is no zone"));
                section.problem("timezone", problem.mend("write \"Europe/Moscow\""));
            }
        }
    }
    console.language = section.choice("language", &LANGUAGES, &console.language);
    console.session = section.duration("session", console.session);
    if console.session < SHORTEST {
        let problem = Problem::error("so short a login ends while a page is read");
        section.problem("session", problem.mend("write \"5m\" or more"));
        console.session = SHORTEST;
    }
    if let Some(written) = section.text("public") {
        let rest = written.strip_prefix("https://").or_else(|| written.strip_prefix("http://"));
        match rest.map(|host| host.trim_end_matches('/')) {
            Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']) => {
                console.public = Some(written.trim_end_matches('/').to_owned());
            }
            _ => {
                let problem = Problem::error(format!("`{written}` is no address of a host"));
                section.problem("public", problem.mend("write \"https://leadlink.example.com\""));
            }
        }
    }
    if let Some(count) = section.integer("proxies") {
        match u32::try_from(count) {
            Ok(count) if count <= 8 => console.proxies = count,
            _ => {
                let problem = Problem::error(format!("`{count}` is no number of proxies"));
                section.problem("proxies", problem.mend("write how many stand before us: 0 to 8"));
            }
        }
    }
    if console.proxies == 0
        && console.public.as_deref().is_some_and(|public| public.starts_with("https://"))
    {
        let why = "wrong passwords are counted by address, and behind a proxy all have one";
        let problem = Problem::warning("`proxies` is not said, though somebody ends TLS before us");
        section.problem("public", problem.label(why).mend("write `proxies = 1`"));
    }
    problems.extend(section.finish());
    console
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::diagnosis::render;

    fn loaded(text: &str) -> (Console, String) {
        let text = format!("[console]\n{text}");
        let (config, problems) = load_text("leadlink.toml", &text, std::iter::empty());
        (config.expect("the text is TOML").console, render(&problems, false))
    }

    #[test]
    fn nothing_written_is_the_default() {
        assert_eq!(loaded(""), (Console::default(), String::new()));
        let (console, told) =
            loaded("language = \"en\"\npublic = \"https://x.example:8443/\"\nproxies = 1");
        assert_eq!(told, "");
        assert_eq!(console.public.as_deref(), Some("https://x.example:8443"));
        assert_eq!((console.language.as_str(), console.proxies), ("en", 1));
    }

    #[test]
    fn mistakes_are_told_together() {
        let (_, told) = loaded(
            "timezone = \"Mars\"\nlanguage = \"de\"\npublic = \"x.example/path\"\nsession = \"1s\"\n\
             proxies = -1\ncolour = \"red\"",
        );
        for part in [
            "`Mars` is no zone",
            "`de`",
            "no address of a host",
            "so short a login",
            "`-1` is no number",
            "console.colour",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }
}
