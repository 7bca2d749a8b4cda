//! What the demo prints. Invariant: one line when something happens on a far side, one when it is
//! decided, and beneath it whatever went wrong on the way; phones are masked, as everywhere.

use super::office::DEAL;
use super::{rule, say};
use crate::cli::why;
use crate::clock::Clock;
use crate::domain::contact::masked;
use crate::domain::{Reason, Why};
use crate::rules::Book;
use crate::sandbox::mg::messages::From;
use crate::sandbox::{LeadSpec, Ledger, Sandbox};
use crate::store::{JobState, JobStory, StepState, StepStory, Store, Story};
use console::{Style, style};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub struct Screen {
    clock: Clock,
    book: Book,
    seen: Mutex<Seen>,
}

/// What was shown.
#[derive(Default)]
struct Seen {
    /// What became of leads, counted.
    counts: BTreeMap<&'static str, usize>,
    /// A deal that is linked to a lead: the last one.
    linked: Option<String>,
}

impl Screen {
    pub fn new(clock: Clock, book: Book) -> Self {
        Self { clock, book, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> String {
        let zoned = self.clock.now().to_zoned(TimeZone::system());
        style(zoned.strftime("%H:%M:%S").to_string()).dim().to_string()
    }

    /// Where the console is, and who comes in.
    pub fn console(&self, address: &str, name: &str, password: &str) {
        let door = style(format!("http://{address}/")).bold();
        say(&format!("  Console: {door}   name {name}   password {password}"));
        say(&rule());
    }

    pub fn title(&self, sandbox: &Sandbox, config: &Path, faults: bool) {
        say(&rule());
        say(&style("leadlink demo").bold().to_string());
        say(&format!("  RetailCRM stand-in {} (10 requests a second)", sandbox.crm_url()));
        say(&format!("  Calltouch stand-in {} (5 requests a second)", sandbox.calltouch_url()));
        say(&format!("  WhatsApp stand-in  {} (ChatAPI)", sandbox.chatapi_url()));
        say(&format!("  Telegram stand-in  {}", sandbox.telegram_url()));
        say(&format!(
            "  what they hold     {}/_sandbox/ledger?parts=orders,deals,conversations",
            sandbox.crm_url()
        ));
        say(
            "  Leads are decided 2 s after they are registered, instead of a minute. Orders become",
        );
        say(
            "  deals after 2 s instead of 2 min, their statuses are sent after 4 s instead of 30 min.",
        );
        say("  Ask from a second terminal, while it runs:");
        say(&format!("    leadlink why order:6 --config {}", config.display()));
        if faults {
            say("  Faults are on: lost answers, 503, resets, HTML pages.");
        }
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
            *self.seen().counts.entry(word).or_default() += 1;
            let lead = story.event.key.replace(':', " ");
            say(&format!("{} {lead:<18} {}", self.now(), look.apply_to(format!("→ {text}"))));
            for trouble in troubles(job) {
                say(&format!("{:29}{}", "", style(trouble).dim()));
            }
        }
    }

    /// A person did something to an order.
    pub fn person(&self, number: &str, what: &str) {
        self.line(&format!("order {number}"), what);
    }

    /// Something happened there.
    pub fn line(&self, place: &str, what: &str) {
        say(&format!("{} {place:<18} {what}", self.now()));
    }

    /// Something went as it shall.
    pub fn good(&self, place: &str, what: &str) {
        self.line(place, &Style::new().green().apply_to(what).to_string());
    }

    /// What became of a change of an order.
    pub fn deal(&self, number: &str, job: &JobStory) {
        let (_, look, text) = outcome(job);
        let text = format!("→ {text}{}", link(job).unwrap_or_default());
        self.person(number, &look.apply_to(text).to_string());
        for trouble in troubles(job) {
            say(&format!("{:29}{}", "", style(trouble).dim()));
        }
        let id = made(job).and_then(|step| text_of(&step.effect.input, "id"));
        if let Some(id) = id.filter(|_| lead(job).is_some()) {
            self.seen().linked = Some(id);
        }
    }

    /// Why a deal is linked as it is, in the words of `leadlink why`.
    ///
    /// # Errors
    /// The store's.
    pub async fn why(&self, store: &Store) -> anyhow::Result<()> {
        let Some(id) = self.seen().linked.clone() else { return Ok(()) };
        say(&rule());
        say(&style(format!("leadlink why deal:{id}")).bold().to_string());
        let stories = store.story(&format!("deal:{id}")).await?;
        why::deals(&self.book, &stories).iter().for_each(|line| say(line));
        Ok(())
    }

    pub fn draining(&self, left: usize) {
        if left > 0 {
            say(&style(format!("… nothing more comes; {left} on their way")).dim().to_string());
        }
    }

    pub fn summary(&self, ledger: &Ledger, left: usize) {
        let counts = self.seen().counts.clone();
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
        let linked = ledger.deals.iter().filter_map(|deal| deal.matched.as_ref());
        say(&format!(
            "Calltouch: {} deals made, {} of them linked to a lead, {} updates, {} requests",
            ledger.deals.len(),
            linked.filter(|matched| matched.lead.is_some()).count(),
            ledger.deals.iter().map(|deal| deal.updates).sum::<usize>(),
            ledger.calltouch.total
        ));
        let messages = || ledger.conversations.iter().flat_map(|held| &held.messages);
        let written = messages().filter(|message| message.from == From::Manager);
        say(&format!(
            "Chats: {} conversations, {} messages of people, {} answers, {} of them read",
            ledger.conversations.len(),
            messages().filter(|message| message.from == From::Customer).count(),
            written.clone().count(),
            written.filter(|message| message.state == "seen").count()
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
        "deal.create" => "new deal",
        "deal.update" => {
            let status = text_of(&step.effect.input, "status").unwrap_or_default();
            return format!("its deal has the status {status}");
        }
        other => other,
    };
    let named = part("number").or_else(|| part("id"));
    let named = named.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    format!("{what} {}", named.unwrap_or_default())
}

/// What a new deal was linked to.
fn link(job: &JobStory) -> Option<String> {
    if let Some((noun, id)) = lead(job) {
        return Some(format!(", linked to {noun} {id}"));
    }
    let source = text_of(&made(job)?.effect.input, "source")?;
    Some(format!(", «{source}» unless Calltouch finds one"))
}

fn lead(job: &JobStory) -> Option<(&'static str, String)> {
    let input = &made(job)?.effect.input;
    ["call", "request", "chat"].iter().find_map(|noun| Some((*noun, text_of(input, noun)?)))
}

/// The step that made a deal.
fn made(job: &JobStory) -> Option<&StepStory> {
    let mut steps = job.decisions.iter().flat_map(|decision| &decision.steps);
    steps.find(|step| job.flow == DEAL && step.state == StepState::Done)
}

fn text_of(input: &serde_json::Map<String, Value>, name: &str) -> Option<String> {
    input.get(name)?.as_str().map(str::to_owned)
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
