//! One event from raw to answers, and how it is found. Invariant: reads only; says what was kept and
//! guesses nothing; a request is shown as the connector masks it.

mod decided;
pub mod leads;
mod things;
mod view;

pub use decided::word;
pub use things::things;
pub use view::*;

use super::acts::Act;
use super::{Desk, Error};
use crate::domain::event::is_empty;
use crate::domain::{JobState, Link, Repeat};
use crate::pipeline::{Setup, resolve};
use crate::rules::silent::silent;
use crate::store::{self, FoundStory, JobStory, StepState};
use decided::decided;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// What stands between connection and key in the id of a story.
const BETWEEN: char = '~';
/// Bodies that one story shows: the newest.
const BODIES: usize = 50;
/// At most so much of a body is read.
const CUT: u64 = 64 * 1024;

/// Names a story in addresses.
pub fn story_id(connection: &str, key: &str) -> String {
    format!("{connection}{BETWEEN}{key}")
}

/// Fields that are not empty.
pub(super) fn entries(fields: &Map<String, Value>) -> Vec<Entry> {
    let filled = fields.iter().filter(|(_, value)| !is_empty(value));
    filled.map(|(name, value)| Entry { name: name.clone(), value: value.clone() }).collect()
}

impl Desk {
    /// What `leadlink why` finds for what a person typed: a phone in any mask, an e-mail, an event's
    /// key, an id or number. The newest first, at most 50.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, query: &str) -> Result<Vec<Found>, Error> {
        let found = self.pipeline.store.found(query).await?;
        Ok(found.into_iter().map(brief).collect())
    }

    /// One story, by the `id` that rows carry (`connection~key`), or by a bare event key.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub async fn story(&self, id: &str) -> Result<Story, Error> {
        let store = &self.pipeline.store;
        let named = id.split_once(BETWEEN);
        let mut found = match named {
            Some((connection, key)) => store.story_of(connection, key).await?,
            None => None,
        };
        if found.is_none() {
            let all = store.found(id).await?;
            let known = all.iter().find(|found| found.event.keys().any(|key| key == id));
            if let Some(FoundStory { event, .. }) = known {
                found = store.story_of(&event.connection, &event.key).await?;
            }
        }
        let found = found.ok_or_else(|| Error::NotFound(format!("story {id}")))?;
        let ids = found.deliveries.iter().rev().take(BODIES).map(|held| held.id);
        let bodies = store.bodies(&ids.collect::<Vec<i64>>()).await?;
        let text = |id: i64| {
            let body = bodies.get(&id).map(Vec::as_slice).unwrap_or_default();
            String::from_utf8_lossy(body).into_owned()
        };
        let deliveries = found.deliveries.iter().map(|held| delivery(held, text(held.id)));
        let deliveries = deliveries.collect();
        let setup = self.pipeline.setup();
        let zone = self.console.load().zone.clone();
        Ok(whole(&setup, &found, deliveries, (&zone, self.pipeline.clock.now())))
    }
}

fn brief(found: FoundStory) -> Found {
    let jobs = found.jobs.into_iter().rev();
    let jobs = jobs.map(|job| FoundJob {
        job: job.id,
        flow: job.flow,
        state: job.state.word().to_owned(),
        why: job.why,
    });
    Found {
        id: story_id(&found.event.connection, &found.event.key),
        kind: found.event.kind,
        connection: found.event.connection,
        registered: found.event.registered,
        key: found.event.key,
        jobs: jobs.collect(),
        links: found.links.iter().map(tie).collect(),
    }
}

fn tie(link: &Link) -> Tie {
    Tie {
        connection: link.to_connection.clone(),
        kind: link.to_kind.clone(),
        id: link.to_id.clone(),
        made: link.made,
    }
}

fn delivery(held: &store::Delivery, body: String) -> Delivery {
    Delivery {
        id: held.id,
        channel: held.channel.clone(),
        content_type: held.content_type.clone(),
        received: held.received,
        bytes: held.bytes,
        cut: held.bytes > CUT || body.is_empty() && held.bytes > 0,
        body,
    }
}

fn whole(
    setup: &Setup,
    found: &store::Story,
    deliveries: Vec<Delivery>,
    (zone, now): (&TimeZone, jiff::Timestamp),
) -> Story {
    let event = &found.event;
    let made: Vec<&str> = found.jobs.iter().map(|job| job.flow.as_str()).collect();
    let first_start = setup.first_starts.get(&event.connection).copied();
    let silent = silent(&setup.book, event, first_start, &made, now);
    Story {
        id: story_id(&event.connection, &event.key),
        key: event.key.clone(),
        kind: event.kind.clone(),
        connection: event.connection.clone(),
        connector: setup.book.offer(&event.connection).map(|offer| offer.connector.to_owned()),
        registered: event.registered,
        asked: event.asked,
        provisional: event.provisional,
        aliases: event.aliases.clone(),
        fields: entries(&event.fields),
        deliveries,
        jobs: found.jobs.iter().map(|told| job(setup, told, (&found.jobs, zone))).collect(),
        silent: silent.into_iter().map(|(flow, why)| Silent { flow, why }).collect(),
        links: found.links.iter().map(tie).collect(),
        things: things(&setup.book, std::slice::from_ref(found)),
    }
}

fn job(setup: &Setup, told: &JobStory, (all, zone): (&[JobStory], &TimeZone)) -> JobView {
    let doubts = doubts(setup, told);
    JobView {
        id: told.id,
        flow: told.flow.clone(),
        title: setup.book.flow(&told.flow).map(|bound| bound.flow.title.clone()),
        state: told.state.word().to_owned(),
        why: told.why.clone(),
        registered: told.registered,
        due: told.due,
        tries: told.tries,
        lanes: told.lanes.clone(),
        decisions: told
            .decisions
            .iter()
            .map(|held| decided(setup, &told.flow, held, zone))
            .collect(),
        mends: told.mends.iter().map(mended).collect(),
        acts: acts(setup, told, &doubts, all),
        doubts,
    }
}

fn mended(mend: &store::Mend) -> Mended {
    let store::Mend { at, what, step, who, why } = mend.clone();
    Mended { at, what, step, who, why }
}

fn doubts(setup: &Setup, told: &JobStory) -> Vec<Doubt> {
    if told.state != JobState::Stuck {
        return Vec::new();
    }
    let steps = told.decisions.iter().flat_map(|decision| &decision.steps);
    let unknown = steps.filter(|step| step.state == StepState::Unknown);
    let doubt = |step: &store::StepStory| {
        let offer = setup.book.offer(&step.effect.connection);
        let offer = offer.and_then(|offer| offer.operation(&step.effect.operation));
        let repeat = offer.map(|offer| offer.repeat);
        let output = offer.map_or(&[] as &[_], |offer| offer.output).iter();
        Doubt {
            step: step.name.clone(),
            connection: step.effect.connection.clone(),
            operation: step.effect.operation.clone(),
            asks: !matches!(repeat, Some(Repeat::Safe | Repeat::Check)),
            needs_id: offer.is_some_and(|offer| offer.makes && offer.repeat != Repeat::Once),
            output: output.map(|field| field.name.to_owned()).collect(),
        }
    };
    let mut doubts: Vec<Doubt> = unknown.map(doubt).collect();
    // An older step of the same name was given up for the last one.
    let names: Vec<String> = doubts.iter().map(|doubt| doubt.step.clone()).collect();
    let mut at = 0;
    doubts.retain(|doubt| {
        at += 1;
        !names[at..].contains(&doubt.step)
    });
    doubts
}

/// What a person may do about a job now.
fn acts(setup: &Setup, told: &JobStory, doubts: &[Doubt], all: &[JobStory]) -> Vec<Act> {
    let runs = setup.book.flow(&told.flow).is_some_and(|bound| bound.running);
    let asks = doubts.iter().any(|doubt| doubt.asks)
        || told.why.as_ref().is_some_and(|why| why.ends_with(resolve::ASKS));
    let beside = all.iter().any(|other| {
        let open = !other.state.ended() || other.state == JobState::Stuck;
        other.id != told.id && other.flow == told.flow && open
    });
    match told.state {
        JobState::Stuck if runs && !doubts.is_empty() && asks => {
            vec![Act::Arrived, Act::Again, Act::Skip]
        }
        JobState::Stuck if runs && !doubts.is_empty() => {
            vec![Act::Retry, Act::Arrived, Act::Again, Act::Skip]
        }
        JobState::Stuck if runs => vec![Act::Retry, Act::Skip],
        JobState::Stuck | JobState::Waiting => vec![Act::Skip],
        JobState::Deciding => Vec::new(),
        JobState::Acted | JobState::Skipped | JobState::Incomplete if runs && !beside => {
            vec![Act::Replay]
        }
        JobState::Acted | JobState::Skipped | JobState::Incomplete => Vec::new(),
    }
}
