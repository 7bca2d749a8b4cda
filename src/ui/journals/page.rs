//! The page of a journal. Invariant: the query holds all that a person asked for, so that an address
//! can be kept and sent; which columns they like is their browser's.

use super::cells::{Cell, Column, Row};
use super::span::{Days, Preset, presets};
use crate::desk::journals::Named;
use crate::desk::{Desk, Error};
use crate::store::listing::{Column as Listed, Journal, Mark};
use crate::ui::charts::Revenue;
use crate::ui::formats::Amount;
use crate::ui::frame::Frame;
use crate::ui::trouble;
use crate::ui::values::Fields;
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use std::convert::Infallible;

/// Marks of the pages before this one, so that "newer" leads back; older ones are left out.
const TRAIL: usize = 12;
/// What belongs to a place in the journal, not to the question.
const PLACE: [&str; 2] = ["after", "trail"];
/// Said once by the address: nothing was chosen.
const USUAL: &str = "usual";

/// A journal as it was asked for.
pub struct Asked {
    pub frame: Frame,
    pub fields: Fields,
    pub days: Days,
    pub after: Option<Mark>,
    jar: CookieJar,
}

impl FromRequestParts<Desk> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Infallible> {
        let frame = Frame::from_request_parts(parts, desk).await?;
        let fields = Fields::of(&frame.query);
        let days = Days::of(&fields, &frame.times, &frame.w.journals);
        let after = fields.get("after").and_then(|mark| mark.parse().ok());
        Ok(Self { days, after, fields, jar: CookieJar::from_headers(&parts.headers), frame })
    }
}

/// A list of values to choose one of.
pub struct Choice {
    pub name: &'static str,
    pub label: &'static str,
    /// What is sent, and what is read.
    pub values: Vec<(String, String)>,
    pub chosen: String,
    /// It stands among the further ones.
    pub rare: bool,
}

/// A journal's own: everything else is the same for all three.
pub struct Sheet {
    pub name: &'static str,
    pub title: &'static str,
    pub lead: &'static str,
    pub columns: Vec<Column>,
    pub choices: Vec<Choice>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub revenue: Vec<Revenue>,
}

#[derive(Template)]
#[template(path = "journal.html", config = "src/ui/askama.toml")]
struct Page<'a> {
    frame: &'a Frame,
    sheet: &'a Sheet,
    days: &'a Days,
    presets: [Preset; 4],
    search: &'a str,
    /// Which columns are shown, by their place.
    shown: Vec<bool>,
    /// What the form of columns carries on.
    kept: Vec<(String, String)>,
    preset_query: String,
    export: String,
    newer: Option<String>,
    older: Option<String>,
    asked: bool,
    rare_open: bool,
    /// Nobody chose a column.
    usual: bool,
}

impl Page<'_> {
    fn has_rare(&self) -> bool {
        self.sheet.choices.iter().any(|choice| choice.rare)
    }

    fn cells<'r>(&self, row: &'r Row) -> Vec<(&Column, &'r Cell)> {
        let all = self.sheet.columns.iter().zip(&row.cells).zip(&self.shown);
        all.filter(|(_, shown)| **shown).map(|(pair, _)| pair).collect()
    }

    /// The cell that leads to the story: the first that says something and leads nowhere itself.
    fn leads(&self, row: &Row, at: impl Amount) -> bool {
        let says = |(_, cell): &(&Column, &Cell)| !matches!(cell, Cell::Nothing | Cell::Links(_));
        let first = self.cells(row).iter().position(says);
        first.is_some_and(|first| first.amount() == at.amount())
    }
}

impl Asked {
    /// What was chosen in a list.
    pub fn chosen(&self, name: &str) -> Option<String> {
        self.fields.owned(name)
    }

    /// A list of what the journal holds in these days. That it cannot be read is no reason to show
    /// nothing: the list is empty then.
    pub async fn choice(
        &self,
        desk: &Desk,
        (journal, column): (Journal, Listed),
        (name, label): (&'static str, &'static str),
        shown: impl Fn(&Named) -> String,
    ) -> Choice {
        let held = desk.choices(journal, column, (Some(self.days.from), self.days.until)).await;
        let mut values: Vec<(String, String)> = held
            .unwrap_or_default()
            .iter()
            .map(|named| (named.code.clone(), shown(named)))
            .collect();
        let chosen = self.chosen(name).unwrap_or_default();
        if !chosen.is_empty() && !values.iter().any(|(code, _)| *code == chosen) {
            values.insert(0, (chosen.clone(), chosen.clone()));
        }
        Choice { name, label, values, chosen, rare: false }
    }

    /// Who chose columns goes on without them in the address; the browser keeps them.
    pub fn columns_chosen(&self, name: &str) -> Option<Response> {
        // The form sends one that is none, so that it says too that all were unticked.
        self.fields.get("col")?;
        let chosen: Vec<&str> = self.fields.all("col").filter(|key| plain(key)).collect();
        let none: &[(&str, &str)] = if chosen.is_empty() { &[(USUAL, "1")] } else { &[] };
        let query = self.fields.with(&["col", USUAL], none);
        let to = if query.is_empty() { format!("/{name}") } else { format!("/{name}?{query}") };
        let cookie = format!(
            "cols_{name}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
            chosen.join(".")
        );
        Some(
            (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, cookie)])
                .into_response(),
        )
    }

    /// The page of what was read.
    pub fn page(&self, read: Result<Sheet, Error>) -> Response {
        let sheet = match read {
            Ok(sheet) => sheet,
            Err(error) => return trouble::of(&self.frame, &error),
        };
        let path = format!("/{}", sheet.name);
        let to =
            |query: String| if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let search = self.fields.get("q").unwrap_or_default();
        trouble::page(&Page {
            shown: self.shown(&sheet),
            kept: self.fields.others(&[&PLACE[..], &["col", USUAL]].concat()),
            preset_query: self
                .fields
                .with(&[&PLACE[..], &["period", "from", "to", USUAL]].concat(), &[]),
            export: format!("/{}.csv?{}", sheet.name, self.fields.with(&PLACE, &[])),
            newer: self.newer().map(to),
            older: sheet.next.as_ref().map(|next| to(self.older(next))),
            asked: !search.is_empty()
                || sheet.choices.iter().any(|choice| !choice.chosen.is_empty()),
            rare_open: sheet.choices.iter().any(|choice| choice.rare && !choice.chosen.is_empty()),
            usual: self.fields.get(USUAL).is_some(),
            presets: presets(&self.frame.w.journals),
            frame: &self.frame,
            days: &self.days,
            sheet: &sheet,
            search,
        })
    }

    fn shown(&self, sheet: &Sheet) -> Vec<bool> {
        let kept = self.jar.get(&format!("cols_{}", sheet.name)).map(|cookie| cookie.value());
        let kept: Vec<&str> = kept.unwrap_or_default().split('.').collect();
        let known = sheet.columns.iter().any(|column| kept.contains(&column.key));
        let shown = |column: &Column| if known { kept.contains(&column.key) } else { column.usual };
        sheet.columns.iter().map(shown).collect()
    }

    /// The page before this one: the last mark of the trail, or the beginning.
    fn newer(&self) -> Option<String> {
        self.after?;
        let mut trail = self.trail();
        let mark = trail.pop();
        Some(self.at(mark.as_deref(), &trail))
    }

    fn older(&self, next: &str) -> String {
        let mut trail = self.trail();
        if let Some(after) = self.after {
            trail.push(after.to_string());
        }
        let from = trail.len().saturating_sub(TRAIL);
        self.at(Some(next), &trail[from..])
    }

    fn trail(&self) -> Vec<String> {
        let marks = self.fields.get("trail").unwrap_or_default().split('.');
        let marks = marks.filter_map(|mark| mark.parse::<Mark>().ok());
        marks.map(|mark| mark.to_string()).collect()
    }

    fn at(&self, mark: Option<&str>, trail: &[String]) -> String {
        let trail = trail.join(".");
        let mut more = Vec::new();
        if let Some(mark) = mark {
            more.push(("after", mark));
        }
        if !trail.is_empty() {
            more.push(("trail", trail.as_str()));
        }
        self.fields.with(&PLACE, &more)
    }
}

#[cfg(test)]
impl Asked {
    pub fn sample(frame: Frame, cookies: &str) -> Self {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(header::COOKIE, cookies.parse().expect("a value"));
        let fields = Fields::of(&frame.query);
        let days = Days::of(&fields, &frame.times, &frame.w.journals);
        let after = fields.get("after").and_then(|mark| mark.parse().ok());
        Self { days, after, fields, jar: CookieJar::from_headers(&headers), frame }
    }
}

fn plain(key: &str) -> bool {
    key.len() < 20 && key.chars().all(|c| c.is_ascii_lowercase())
}
