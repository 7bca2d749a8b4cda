//! What every page has around it: language, theme, times, who looks, where they are. Invariant: it is
//! made of the request and the configuration alone; no page waits for it.

use super::formats::{self, Amount, Times};
use super::words::{Language, Words};
use super::{assets, words};
use crate::desk::people::Visitor;
use crate::desk::{Desk, Role};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;
use jiff::Timestamp;
use std::convert::Infallible;

/// Cookies of a person's choice; they hold no secret.
pub const LANGUAGE: &str = "lang";
pub const THEME: &str = "theme";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// As it stands in the cookie and in `<html data-theme>`.
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.word() == word)
    }
}

/// Who looks.
#[derive(Debug, Clone)]
pub struct Signed {
    pub name: String,
    pub role: Role,
    /// What forms send back.
    pub csrf: String,
}

/// Around every page.
#[derive(Debug, Clone)]
pub struct Frame {
    pub w: &'static Words,
    pub times: Times,
    pub theme: Theme,
    pub path: String,
    pub query: String,
    pub signed: Option<Signed>,
}

impl FromRequestParts<Desk> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Infallible> {
        let console = desk.console.load();
        let query = parts.uri.query().unwrap_or_default();
        let visitor = parts.extensions.get::<Visitor>();
        let language = language(&parts.headers, query, &console.language);
        let jar = CookieJar::from_headers(&parts.headers);
        let theme = of_query(query, THEME).and_then(|word| Theme::of(&word));
        let theme = theme.or_else(|| Theme::of(jar.get(THEME)?.value()));
        let now = desk.pipeline.clock.now();
        Ok(Self {
            w: language.words(),
            times: Times { language, zone: console.zone.clone(), now },
            theme: theme.unwrap_or(Theme::System),
            path: parts.uri.path().to_owned(),
            query: query.to_owned(),
            signed: visitor.map(signed),
        })
    }
}

fn signed(visitor: &Visitor) -> Signed {
    let Visitor { person, csrf, .. } = visitor;
    Signed { name: person.name.clone(), role: person.role, csrf: csrf.clone() }
}

/// The word of the address, the person's choice, what the browser asks for, what the house speaks.
fn language(headers: &HeaderMap, query: &str, house: &str) -> Language {
    let asked = of_query(query, LANGUAGE).and_then(|code| Language::of(&code));
    let chosen = || Language::of(CookieJar::from_headers(headers).get(LANGUAGE)?.value());
    let browser = || Language::accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
    asked.or_else(chosen).or_else(browser).or_else(|| Language::of(house)).unwrap_or(Language::Ru)
}

fn of_query(query: &str, key: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

impl Frame {
    pub fn language(&self) -> Language {
        self.times.language
    }

    pub fn code(&self) -> &'static str {
        self.language().code()
    }

    pub fn style(&self) -> &'static str {
        assets::style()
    }

    pub fn script(&self) -> &'static str {
        assets::script()
    }

    pub fn icon(&self) -> &'static str {
        assets::icon()
    }

    /// Is this the section that the page belongs to?
    pub fn at(&self, section: &str) -> bool {
        match section {
            "/" => self.path == "/",
            _ => {
                self.path == section
                    || self.path.strip_prefix(section).is_some_and(|rest| rest.starts_with('/'))
            }
        }
    }

    pub fn may_act(&self) -> bool {
        self.signed.as_ref().is_some_and(|signed| signed.role >= Role::Operator)
    }

    pub fn may_manage(&self) -> bool {
        self.signed.as_ref().is_some_and(|signed| signed.role == Role::Admin)
    }

    pub fn csrf(&self) -> &str {
        self.signed.as_ref().map_or("", |signed| &signed.csrf)
    }

    pub fn role(&self, role: &Role) -> &'static str {
        match role {
            Role::Marketing => self.w.shell.marketing,
            Role::Operator => self.w.shell.operator,
            Role::Admin => self.w.shell.admin,
        }
    }

    /// What was typed into the search field, on the page of what was found.
    pub fn sought(&self) -> String {
        if self.path == "/find" {
            of_query(&self.query, "q").unwrap_or_default()
        } else {
            String::new()
        }
    }

    pub fn number(&self, count: impl Amount) -> String {
        formats::number(self.language(), count.amount())
    }

    pub fn count(&self, noun: words::count::Noun, count: impl Amount) -> String {
        noun.count(self.language(), count.amount())
    }

    pub fn span(&self, milliseconds: impl Amount) -> String {
        words::count::span(self.language(), milliseconds.amount())
    }

    /// What an act did, told by the address that it led to: done and left.
    pub fn told(&self) -> Option<(u64, u64)> {
        let done = of_query(&self.query, "done")?.parse().ok()?;
        let left = of_query(&self.query, "left").and_then(|left| left.parse().ok());
        Some((done, left.unwrap_or(0)))
    }

    /// This page, to come back to it: without what an act said.
    pub fn here(&self) -> String {
        let query = super::values::Fields::of(&self.query).with(&["done", "left"], &[]);
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    pub fn now(&self) -> Timestamp {
        self.times.now
    }
}

#[cfg(test)]
impl Frame {
    /// For pages that are rendered without a request.
    pub fn sample(language: Language, path: &str) -> Self {
        let now = "2026-11-22T09:00:00Z".parse().expect("a time");
        let zone = jiff::tz::TimeZone::get("Europe/Moscow").expect("a zone");
        let signed = Signed { name: "anna".into(), role: Role::Admin, csrf: "csrf-token".into() };
        Self {
            w: language.words(),
            times: Times { language, zone, now },
            theme: Theme::System,
            path: path.into(),
            query: String::new(),
            signed: Some(signed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_choice_wins() {
        let mut headers = HeaderMap::new();
        assert_eq!(language(&headers, "", "en"), Language::En);
        headers.insert(header::ACCEPT_LANGUAGE, "ru".parse().expect("a value"));
        assert_eq!(language(&headers, "", "en"), Language::Ru);
        headers.insert(header::COOKIE, "a=b; lang=en".parse().expect("a value"));
        assert_eq!(language(&headers, "", "ru"), Language::En);
        assert_eq!(language(&headers, "x=1&lang=ru", "en"), Language::Ru);
        headers.insert(header::COOKIE, "lang=xx".parse().expect("a value"));
        assert_eq!(language(&headers, "lang=yy", "en"), Language::Ru);
    }

    #[test]
    fn a_section_is_current_on_its_pages_and_on_no_others() {
        let frame = Frame::sample(Language::Ru, "/leads");
        assert!(frame.at("/leads") && !frame.at("/") && !frame.at("/lea"));
        assert!(Frame::sample(Language::Ru, "/flows/x").at("/flows"));
        assert!(Frame::sample(Language::Ru, "/").at("/"));
    }
}
