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
const LEFT: &str = "left";
/// Of reasons that the next page tells.
const WHY_MOST: usize = 3;
const WHY_LENGTH: usize = 160;

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
    /// The page of ours that led here.
    pub back: Option<String>,
    /// Why something was left as it is, told by the act before this page.
    pub left_why: Vec<String>,
}

/// What the act before this page did, told by its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub done: u64,
    pub left: u64,
    /// There is more of the kind.
    pub more: bool,
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
            back: came_from(&parts.headers, console.public.as_deref()),
            left_why: left_why(&jar),
        })
    }
}

/// The path of the page of ours that a request came from.
pub fn came_from(headers: &HeaderMap, public: Option<&str>) -> Option<String> {
    let from = headers.get(header::REFERER)?.to_str().ok()?;
    let (scheme, rest) = from.split_once("://")?;
    let (host, _) = rest.split_once('/')?;
    let ours = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_ours = ours.is_some_and(|ours| ours.eq_ignore_ascii_case(host))
        || public.is_some_and(|public| public.eq_ignore_ascii_case(&format!("{scheme}://{host}")));
    let path = super::values::local(&rest[host.len()..]);
    let door = ["/login", "/logout", "/live"].iter().any(|door| path.starts_with(door));
    (is_ours && !door).then(|| path.to_owned())
}

/// Reasons for the next page alone; a cookie, so that no address that somebody sends can say them.
pub fn left_cookie(why: &[String]) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for why in why {
        let short: String = why.replace(['\r', '\n'], " ").chars().take(WHY_LENGTH).collect();
        if distinct.len() < WHY_MOST && !distinct.contains(&short) {
            distinct.push(short);
        }
    }
    let told = super::values::part(&distinct.join("\n"));
    format!("{LEFT}={told}; Path=/; Max-Age=20; SameSite=Strict; HttpOnly")
}

fn left_why(jar: &CookieJar) -> Vec<String> {
    let told = jar.get(LEFT).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
    told.lines().map(str::to_owned).collect()
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

    /// What an act did, told by the address that it led to.
    pub fn told(&self) -> Option<Told> {
        let done = of_query(&self.query, "done")?.parse().ok()?;
        let left = of_query(&self.query, "left").and_then(|left| left.parse().ok());
        let more = of_query(&self.query, "more").is_some();
        Some(Told { done, left: left.unwrap_or(0), more })
    }

    /// A sentence of ours that desk said in English.
    pub fn say(&self, text: impl AsRef<str>) -> String {
        words::told::told(self.language(), text.as_ref())
    }

    /// What is wrong with a field.
    pub fn wrong(&self, field: &str, why: &str) -> String {
        format!("{}: {}", words::told::field(self.language(), field), self.say(why))
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
            back: None,
            left_why: Vec::new(),
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
    fn only_a_page_of_ours_is_gone_back_to() {
        let back = |referer: &'static str, public: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "leads.example".parse().expect("a value"));
            headers.insert(header::REFERER, referer.parse().expect("a value"));
            came_from(&headers, public)
        };
        let ours = Some("/needs?kind=job".to_owned());
        assert_eq!(back("http://leads.example/needs?kind=job", None), ours);
        let public = Some("https://console.example");
        assert_eq!(back("https://console.example/needs?kind=job", public), ours);
        assert_eq!(back("https://console.example/needs", None), None);
        assert_eq!(back("https://evil.example/leads.example/", None), None);
        assert_eq!(back("https://leads.example/login?next=%2F", None), None);
        assert_eq!(back("https://leads.example//evil.example", None), Some("/".to_owned()));
    }

    #[test]
    fn reasons_reach_the_next_page_and_are_few() {
        let why: Vec<String> = ["нет", "нет", "б", "в", "г"].map(str::to_owned).to_vec();
        let mut headers = HeaderMap::new();
        let cookie = left_cookie(&why);
        let sent = cookie.split(';').next().unwrap_or_default();
        headers.insert(header::COOKIE, sent.parse().expect("a value"));
        assert_eq!(left_why(&CookieJar::from_headers(&headers)), ["нет", "б", "в"]);
        assert!(left_cookie(&["ж".repeat(9000), "ш".repeat(9000), "я".repeat(9000)]).len() < 4000);
        assert!(left_why(&CookieJar::new()).is_empty());
    }

    #[test]
    fn a_section_is_current_on_its_pages_and_on_no_others() {
        let frame = Frame::sample(Language::Ru, "/leads");
        assert!(frame.at("/leads") && !frame.at("/") && !frame.at("/lea"));
        assert!(Frame::sample(Language::Ru, "/flows/x").at("/flows"));
        assert!(Frame::sample(Language::Ru, "/").at("/"));
    }
}
