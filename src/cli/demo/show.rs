//! What the demo prints. Invariant: one line when a lead comes, one when it is decided, and beneath
//! it whatever went wrong on the way; phones are masked, as everywhere.

use super::{rule, say};
use crate::clock::Clock;
use crate::domain::contact::masked;
use crate::domain::{Reason, Why};
use crate::sandbox::{LeadSpec, Ledger, Sandbox};
use crate::store::{JobState, JobStory, StepState, StepStory, Story};
use console::{Style, style};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

pub struct Screen {
    clock: Clock,
    /// What became of leads, counted.
    counts: Mutex<BTreeMap<&'static str, usize>>,
}

impl Screen {
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    fn now(&self) -> String {
        let zoned = self.clock.now().to_zoned(TimeZone::system());
        style(zoned.strftime("%H:%M:%S").to_string()).dim().to_string()
    }

    pub fn title(&self, sandbox: &Sandbox, address: &str, faults: bool) {
        say(&rule());
        say(&format!("{} on http://{address}", style("leadlink demo").bold()));
        say(&format!("  RetailCRM stand-in {} (10 requests a second)", sandbox.crm_url()));
        say(&format!("  Calltouch stand-in {} (5 requests a second)", sandbox.calltouch_url()));
        say("  Leads are decided 2 s after they are registered, instead of a minute.");
        if faults {
            say("  Faults are on: lost answers, 503, resets, HTML pages.");
        }
        say(&rule());
    }

    /// A lead came (or its webhook was lost).
    pub fn came(&self, spec: &LeadSpec, id: u64, deliveries: usize) {
        let way = match (spec.drop, deliveries) {
            (true, _) => style("its webhook is lost".to_owned()).yellow(),
            (false, 0 | 1) => style("by webhook".to_owned()).dim(),
            (false, n) => style(format!("by webhook, {n} deliveries")).dim(),
        };
        let contact = match (spec.phone.as_str(), spec.email.as_str()) {
            ("", "") => "hidden number".to_owned(),
            ("", email) => email.to_owned(),
            (phone, _) => masked(phone),
        };
        let lead = format!("{} {id}", spec.kind.name());
        let source = format!("{}/{}", spec.utm_source, spec.utm_medium);
        say(&format!("{} {lead:<18} {contact:<22} {source:<26} {way}", self.now()));
    }

    /// What became of it, and why.
    pub fn became(&self, story: &Story) {
        for job in &story.jobs {
            let (word, look, text) = outcome(job);
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() +=
                1;
            let lead = story.event.key.replace(':', " ");
            say(&format!("{} {lead:<18} {}", self.now(), look.apply_to(format!("→ {text}"))));
            for trouble in troubles(job) {
                say(&format!("{:29}{}", "", style(trouble).dim()));
            }
        }
    }

    pub fn draining(&self, left: usize) {
        if left > 0 {
            say(&style(format!("… no more leads; {left} on their way")).dim().to_string());
        }
    }

    pub fn summary(&self, ledger: &Ledger, left: usize) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let leads: usize = counts.values().sum();
        let told: Vec<String> = counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
        let doubled = ledger.duplicates().len();
        say(&rule());
        say(&format!("{leads} leads: {}", told.join(", ")));
        say(&format!(
            "RetailCRM: {} customers and {} orders made, {} requests, {} refused for haste",
            ledger.api_customers().count(),
            ledger.api_orders().count(),
            ledger.retailcrm.total,
            ledger.retailcrm.refused
        ));
        let struck: Vec<String> =
            ledger.faults.iter().map(|(fault, n)| format!("{fault} ×{n}")).collect();
        if !struck.is_empty() {
            say(&format!("Faults that struck: {}", struck.join(", ")));
        }
        let good = left == 0 && doubled == 0;
        let look = if good { Style::new().green().bold() } else { Style::new().red().bold() };
        say(&look.apply_to(format!("lost: {left}, doubled: {doubled}")).to_string());
    }
}

fn outcome(job: &JobStory) -> (&'static str, Style, String) {
    let steps = || job.decisions.iter().flat_map(|decision| &decision.steps);
    let done: Vec<String> =
        steps().filter(|step| step.state == StepState::Done).map(written).collect();
    let last = job.decisions.last();
    let reasons: Vec<&Reason> =
        last.map(|last| last.decision.reasons.iter().collect()).unwrap_or_default();
    match job.state {
        JobState::Acted => {
            let because = because(&reasons);
            ("acted", Style::new().green(), format!("{}{because}", done.join(", then ")))
        }
        JobState::Incomplete => {
            let text = format!("incomplete{}", because(&reasons));
            ("incomplete", Style::new().yellow(), text)
        }
        JobState::Skipped => {
            let text = format!("nothing to do{}", because(&reasons));
            ("skipped", Style::new().cyan(), text)
        }
        JobState::Stuck | JobState::Waiting | JobState::Deciding => {
            let why = job.why.clone().unwrap_or_default();
            ("waiting for a person", Style::new().red(), format!("waits for a person: {why}"))
        }
    }
}

fn written(step: &StepStory) -> String {
    let output = step.output.as_ref();
    let part = |name: &str| output.and_then(|output| output.get(name)).filter(|v| !v.is_null());
    let what = match step.effect.operation.as_str() {
        "customer.create" => "new customer",
        "order.create" => "new order",
        "order.edit" => "marked order",
        other => other,
    };
    let named = part("number").or_else(|| part("id"));
    let named = named.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    format!("{what} {}", named.unwrap_or_default())
}

/// The rules that held, in the words of the flow.
fn because(reasons: &[&Reason]) -> String {
    let held = reasons.iter().filter(|reason| matches!(reason.why, Why::Unless | Why::Guard));
    let words: Vec<String> = held.map(ToString::to_string).collect();
    if words.is_empty() { String::new() } else { format!("  because {}", words.join(", ")) }
}

fn troubles(job: &JobStory) -> Vec<String> {
    let steps = job.decisions.iter().flat_map(|decision| &decision.steps);
    steps
        .flat_map(|step| {
            step.attempts.iter().filter_map(|attempt| {
                let result = attempt.result.as_deref().filter(|result| *result != "done")?;
                let why = attempt.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                Some(format!("{} {result}{why}", step.name))
            })
        })
        .collect()
}
