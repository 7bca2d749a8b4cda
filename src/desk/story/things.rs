//! What is remembered of the things that stories are about, and when each is written next. Invariant:
//! each thing once; what is remembered, never a guess.

use super::{Entry, NextWrite, Thing, entries};
use crate::domain::{Entity, JobState};
use crate::mapping::Bound;
use crate::rules::Book;
use crate::store::{JobStory, Story};

/// Of all these stories, each thing once.
pub fn things(book: &Book, stories: &[Story]) -> Vec<Thing> {
    let mut told: Vec<&Entity> = Vec::new();
    for thing in stories.iter().flat_map(|story| &story.things) {
        if !told.iter().any(|other| same(other, thing)) {
            told.push(thing);
        }
    }
    told.into_iter().map(|thing| shown(book, stories, thing)).collect()
}

fn shown(book: &Book, stories: &[Story], thing: &Entity) -> Thing {
    let fields: Vec<Entry> = entries(&thing.fields);
    let writers = book.flows().iter().filter(|bound| writes(book, bound, &thing.kind));
    let writers: Vec<&str> = writers.map(|bound| bound.name.as_str()).collect();
    let written = !writers.is_empty() && thing.gone.is_none();
    Thing {
        connection: thing.connection.clone(),
        kind: thing.kind.clone(),
        id: thing.id.clone(),
        fields,
        known: !thing.fields.is_empty(),
        made: thing.made,
        changed: thing.changed,
        gone: thing.gone,
        became: thing.became.clone(),
        next: if written { next(stories, thing, &writers) } else { Vec::new() },
        written,
    }
}

fn same(one: &Entity, other: &Entity) -> bool {
    (&one.connection, &one.kind, &one.id) == (&other.connection, &other.kind, &other.id)
}

/// The jobs that may write it next.
fn next(stories: &[Story], thing: &Entity, writers: &[&str]) -> Vec<NextWrite> {
    let about = stories.iter().filter(|story| story.things.iter().any(|held| same(held, thing)));
    let open = about.flat_map(|story| &story.jobs).filter(|job| {
        let open = matches!(job.state, JobState::Waiting | JobState::Deciding);
        open && writers.contains(&job.flow.as_str())
    });
    let mut jobs: Vec<&JobStory> = open.collect();
    jobs.sort_by_key(|job| (job.due, job.id));
    jobs.dedup_by_key(|job| job.id);
    let write = |job: &JobStory| NextWrite {
        job: job.id,
        flow: job.flow.clone(),
        due: job.due,
        why: job.why.clone(),
    };
    jobs.into_iter().map(write).collect()
}

fn writes(book: &Book, bound: &Bound, kind: &str) -> bool {
    bound.flow.steps.iter().any(|step| {
        let offer = book.operation(bound, &step.role, &step.operation);
        offer.is_some_and(|offer| offer.entity == Some(kind))
    })
}
