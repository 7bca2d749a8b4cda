//! A decision as people read it, with what came of it. Invariant: as it was kept; the request is what
//! the connector shows of it, so that no secret is in it.

use super::{
    Because, Decided, Entry, Fact, RequestField, RequestView, StepView, Tried, entries, leads,
};
use crate::connectors::port::Preview;
use crate::desk::connections::offer::repeat;
use crate::domain::{Asked, Reason, Verdict};
use crate::pipeline::Setup;
use crate::store::{Attempt, DecisionStory, StepStory};
use jiff::tz::TimeZone;
use serde_json::Value;

pub(super) fn decided(
    setup: &Setup,
    flow: &str,
    story: &DecisionStory,
    zone: &TimeZone,
) -> Decided {
    let now = setup.book.flow(flow).map(|bound| bound.flow.hash == story.flow_hash);
    let since = match now {
        None => "gone",
        Some(true) => "same",
        Some(false) => "other",
    };
    Decided {
        at: story.at,
        verdict: word(&story.decision.verdict).to_owned(),
        flow_hash: story.flow_hash.clone(),
        flow_since: since.to_owned(),
        event: entries(&story.event),
        facts: facts(story),
        reasons: story.decision.reasons.iter().map(because).collect(),
        leads: leads::leads(&setup.book, flow, story, zone),
        steps: story.steps.iter().map(|held| step(setup, held)).collect(),
    }
}

/// `act`, `skip`, `incomplete`.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Act(_) => "act",
        Verdict::Skip => "skip",
        Verdict::Incomplete => "incomplete",
    }
}

fn facts(story: &DecisionStory) -> Vec<Fact> {
    let Value::Object(held) = &story.facts else { return Vec::new() };
    let asked = |name: &str| story.asked.as_ref().and_then(|asked| asked.get(name));
    let fact = |(name, value): (&String, &Value)| {
        let question: Option<&Asked> = asked(name);
        Fact {
            name: name.clone(),
            connection: question.map(|question| question.connection.clone()),
            query: question.map(|question| question.name.clone()),
            input: question.map(|question| entries(&question.input)).unwrap_or_default(),
            value: value.clone(),
        }
    };
    held.iter().map(fact).collect()
}

fn because(reason: &Reason) -> Because {
    let why = serde_json::to_value(reason.why).ok();
    let saw = reason.saw.iter();
    Because {
        about: reason.about.clone(),
        why: why.and_then(|why| why.as_str().map(str::to_owned)).unwrap_or_default(),
        word: reason.word.clone(),
        text: reason.to_string(),
        saw: saw.map(|(name, value)| Entry { name: name.clone(), value: value.clone() }).collect(),
    }
}

fn step(setup: &Setup, held: &StepStory) -> StepView {
    let connector = setup.connectors.get(&held.effect.connection);
    let offer = connector.and_then(|own| own.offer().operation(&held.effect.operation));
    // A connector shows only what it offers.
    let preview = connector.filter(|_| offer.is_some()).map(|own| own.preview(&held.effect));
    StepView {
        name: held.name.clone(),
        connection: held.effect.connection.clone(),
        operation: held.effect.operation.clone(),
        repeat: offer.map(|offer| repeat(offer.repeat).0.to_owned()),
        state: held.state.word().to_owned(),
        input: entries(&held.effect.input),
        request: preview.map(request),
        output: held.output.clone(),
        attempts: held.attempts.iter().map(tried).collect(),
    }
}

fn request(preview: Preview) -> RequestView {
    let fields = preview.fields.into_iter();
    RequestView {
        method: preview.method.to_owned(),
        path: preview.path,
        fields: fields.map(|(name, value)| RequestField { name, value }).collect(),
    }
}

fn tried(attempt: &Attempt) -> Tried {
    Tried {
        started: attempt.started,
        ended: attempt.ended,
        result: attempt.result.clone(),
        why: attempt.why.clone(),
    }
}
