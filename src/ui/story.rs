//! The story of one event, from raw to answers, and the search for it. Invariant: what was kept is
//! told in the order in which it happened; nothing is guessed.

use super::frame::Frame;
use super::signs;
use super::trouble;
use super::values;
use super::words::Words;
use crate::desk::acts::Act;
use crate::desk::journals::Query;
use crate::desk::story::{Doubt, Found, JobView, Story};
use crate::desk::{Desk, Error};
use crate::store::listing::LeadFilter;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

/// Fields that people look for first, in this order.
const FIRST: [&str; 9] =
    ["phone", "email", "name", "text", "source", "medium", "campaign", "utm_source", "number"];

#[derive(Template)]
#[template(path = "story.html", config = "src/ui/askama.toml")]
struct Page<'a> {
    frame: &'a Frame,
    story: &'a Story,
    /// Where forms lead back to.
    here: String,
}

#[derive(Template)]
#[template(path = "find.html", config = "src/ui/askama.toml")]
struct Search<'a> {
    frame: &'a Frame,
    query: &'a str,
    found: &'a [Found],
}

impl Page<'_> {
    /// The few fields that say what it is about.
    fn gist(&self) -> Vec<(&str, String)> {
        let named = |name: &&str| self.story.fields.iter().find(|entry| entry.name == **name);
        let fields = FIRST.iter().filter_map(named);
        let told = fields.map(|entry| (entry.name.as_str(), values::shown(&entry.value)));
        told.filter(|(_, text)| !text.is_empty() && text.len() < 200).take(6).collect()
    }

    /// What it is known by: its number where it has one, for the key of a change is not that of the thing.
    fn called(&self) -> String {
        let key = self.story.key.as_str();
        let number = self.story.fields.iter().find(|entry| entry.name == "number");
        let number = number
            .map(|entry| values::shown(&entry.value))
            .filter(|text| !text.is_empty() && text != "—");
        number.unwrap_or_else(|| key.split_once(':').map_or(key, |(_, id)| id).to_owned())
    }
}

impl Doubt {
    fn has_id(&self) -> bool {
        self.output.iter().any(|name| name == "id")
    }
}

impl JobView {
    fn can(&self, act: Act) -> bool {
        self.acts.contains(&act)
    }
}

#[cfg(test)]
pub(super) fn text(frame: &Frame, story: &Story) -> String {
    Page { frame, story, here: values::story(&story.id) }.render().expect("a page")
}

/// What a person did, in a word.
pub fn mend_word<'a>(w: &'static Words, what: &'a str) -> &'a str {
    match what {
        "retried" => w.tale.mend_retried,
        "replayed" => w.tale.mend_replayed,
        "skipped" => w.tale.mend_skipped,
        "arrived" => w.tale.mend_arrived,
        "again" => w.tale.mend_again,
        other => other,
    }
}

/// Whether the rule is the one that decided.
pub fn since(w: &'static Words, word: &str) -> &'static str {
    match word {
        "other" => w.tale.flow_other,
        "gone" => w.tale.flow_gone,
        _ => w.tale.flow_same,
    }
}

/// How it came.
pub fn channel<'a>(w: &'static Words, channel: &'a str) -> (&'static str, &'a str) {
    if channel == "hook" { (w.tale.by_hook, "") } else { (w.tale.by_feed, channel) }
}

/// What an attempt came to: a state, or a look, or a person's word.
pub fn attempt(w: &'static Words, result: Option<&str>) -> signs::Sign {
    match result {
        None => signs::Sign { class: "on", icon: "wait", word: w.tale.under_way.to_owned() },
        Some(result) => {
            let (word, _) = result.split_once(':').unwrap_or((result, ""));
            match word {
                "look" => signs::Sign { class: "", icon: "search", word: result.to_owned() },
                "a person" => signs::Sign { class: "", icon: "person", word: result.to_owned() },
                _ => signs::step(&w.states, result),
            }
        }
    }
}

/// `GET /story/{key}`.
pub async fn story(State(desk): State<Desk>, frame: Frame, Path(key): Path<String>) -> Response {
    match desk.story(&key).await {
        Ok(story) => {
            let here = values::story(&story.id);
            trouble::page(&Page { frame: &frame, story: &story, here })
        }
        // A lead that was read from a journal has a row there and no story of ours.
        Err(error @ Error::NotFound(_)) => match in_journal(&desk, &key).await {
            true => Redirect::to(&format!("/leads?q={}", values::part(&key))).into_response(),
            false => trouble::of(&frame, &error),
        },
        Err(error) => trouble::of(&frame, &error),
    }
}

/// Does the journal of leads hold it: `call:900`?
async fn in_journal(desk: &Desk, key: &str) -> bool {
    if !key.contains(':') || key.contains('~') {
        return false;
    }
    let filter = LeadFilter { search: Some(key.to_owned()), ..LeadFilter::default() };
    let query = Query { filter, from: None, until: None, after: None, most: Some(1) };
    desk.leads(&query).await.is_ok_and(|page| !page.rows.is_empty())
}

/// `GET /find?q=`: one story is opened, several are listed.
pub async fn find(State(desk): State<Desk>, frame: Frame) -> Response {
    let query = frame.sought();
    let query = query.trim();
    if query.is_empty() {
        return trouble::page(&Search { frame: &frame, query, found: &[] });
    }
    match desk.find(query).await {
        Ok(found) if found.len() == 1 => Redirect::to(&values::story(&found[0].id)).into_response(),
        Ok(found) => trouble::page(&Search { frame: &frame, query, found: &found }),
        Err(error) => trouble::of(&frame, &error),
    }
}
