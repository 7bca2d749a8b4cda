//! A flow as checked and compiled. Invariant: whatever is here has passed the grammar; what still
//! depends on the connections (offers) is found by `check`.

use super::expr::{Expr, Phrase};
use super::filters::Tables;
use crate::diagnosis::Source;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// One mapping file.
#[derive(Debug)]
pub struct Flow {
    pub name: String,
    pub title: String,
    pub source: Source,
    /// SHA-256 of the file (hex), stored with each decision.
    pub hash: String,
    pub on: Trigger,
    /// Constants that config may override; their kinds are those of their values.
    pub settings: Vec<Setting>,
    /// Events with the same value share one job that was not started; none: each has its own.
    pub merge: Option<Phrase>,
    /// From registration to decision.
    pub delay: Duration,
    /// The delay counts from this time too, which the facts may know later than the events do.
    pub delay_from: Option<Expr>,
    /// Merged events start the delay anew, at most so long after the first.
    pub settle: Option<Duration>,
    /// A lead registered longer ago is skipped (default 7 days).
    pub max_age: Duration,
    /// An event for which this does not hold is `incomplete`: skipped, but decided when a fuller
    /// arrival of it comes.
    pub requires: Option<Expr>,
    /// Canonical contact keys are made of these; empty ones are left out.
    pub lane: Vec<Phrase>,
    /// Further lanes that only the facts tell, e.g. `customer:4770`; taken before the first step.
    pub fact_lane: Vec<Phrase>,
    pub facts: Vec<FactRule>,
    /// Names for expressions, evaluated on first use.
    pub lets: Vec<(String, Expr)>,
    pub steps: Vec<StepRule>,
    pub cases: Vec<Case>,
    /// Lookup tables of the `table` filter, shared by all flows of a directory.
    pub tables: Arc<Tables>,
    /// Where its keys stand.
    pub places: Places,
    /// Its file has errors: it is here only so that everything else that is wrong with it is
    /// found too, and never runs.
    pub broken: bool,
}

/// A constant of a flow.
#[derive(Debug, Clone)]
pub struct Setting {
    pub name: String,
    pub value: Value,
    pub allowed: Allowed,
}

/// What may be laid over a setting, beside its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    Any,
    OneOf(Vec<String>),
    /// `"10m"`
    Duration,
    /// A whole number from 1.
    Count,
}

/// Where the keys and values of a flow stand in its file, by full name: `step[1].with.phones`.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<String, (Range<usize>, Range<usize>)>);

impl Flow {
    /// The roles that it uses, each once.
    pub fn roles(&self) -> Vec<&str> {
        let facts = self.facts.iter().map(|fact| fact.role.as_str());
        let steps = self.steps.iter().map(|step| step.role.as_str());
        let mut roles: Vec<&str> =
            std::iter::once(self.on.role.as_str()).chain(facts).chain(steps).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Its settings as its file has them.
    pub fn constants(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        self.settings.iter().map(|held| (held.name.clone(), held.value.clone()))
    }
}

impl Places {
    pub(super) fn put(&mut self, name: String, key: Range<usize>, value: Range<usize>) {
        self.0.insert(name, (key, value));
    }

    /// The keys of one table, whether their values could be read or not.
    pub(super) fn keys_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.0.keys().filter_map(move |name| name.strip_prefix(table)?.strip_prefix('.'))
    }

    /// The key's own letters.
    pub fn key(&self, name: &str) -> Range<usize> {
        self.0.get(name).map_or(0..0, |(key, _)| key.clone())
    }

    /// What stands behind the key.
    pub fn value(&self, name: &str) -> Range<usize> {
        self.0.get(name).map_or(0..0, |(_, value)| value.clone())
    }
}

/// `on = { from = "calls", event = "call.finished" }`
#[derive(Debug)]
pub struct Trigger {
    pub role: String,
    pub event: String,
    /// An event for which this does not hold makes no job.
    pub when: Option<Expr>,
    pub span: Range<usize>,
}

/// `customer = { ask = "crm.customer", phone = "…", pick = "newest" }`
#[derive(Debug)]
pub struct FactRule {
    pub name: String,
    pub role: String,
    pub query: String,
    /// Chooses among the connections of the role by their accounts.
    pub of: Option<Phrase>,
    /// Everything beside `ask` and `of`, in order (`pick` is an input like others).
    pub input: Vec<(String, Phrase)>,
    pub span: Range<usize>,
}

impl FactRule {
    /// Everything that must be evaluated before it can be asked.
    pub fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        self.of.iter().chain(self.input.iter().map(|(_, phrase)| phrase))
    }
}

/// One `[[step]]`.
#[derive(Debug)]
pub struct StepRule {
    pub name: String,
    pub role: String,
    pub operation: String,
    /// Chooses among the connections of the role by their accounts.
    pub of: Option<Phrase>,
    /// Repeated for each element of this list, which its expressions know as `item`.
    pub each: Option<Phrase>,
    pub when: Option<Expr>,
    pub unless: Option<Expr>,
    pub needs: Option<Vec<String>>,
    /// Performed only if this step was refused.
    pub if_refused: Option<String>,
    /// How long after the event's registration it may be sent.
    pub within: Option<Phrase>,
    pub with: Vec<(String, Phrase)>,
    pub span: Range<usize>,
}

impl StepRule {
    /// Where it goes, how often, until when, and what it is given.
    pub fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        self.ahead().chain(self.with.iter().map(|(_, phrase)| phrase))
    }

    /// What is evaluated once, before the step is weighed.
    pub fn ahead(&self) -> impl Iterator<Item = &Phrase> {
        self.of.iter().chain(&self.each).chain(&self.within)
    }
}

/// One `[[case]]`: an event and facts, and what must be decided.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub span: Range<usize>,
    /// Fields of the event, the sample file already read and `set` laid over it.
    pub event: Map<String, Value>,
    /// By fact name; a fact that is not named is none.
    pub facts: Map<String, Value>,
    /// Laid over the flow's own.
    pub settings: Map<String, Value>,
    /// Outputs of steps that an earlier decision of the job did.
    pub done: Map<String, Value>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Names of the planned steps, in order; `None`: not compared.
    pub steps: Option<Vec<String>>,
    /// Each must be among the reasons, as `Reason` displays them.
    pub because: Vec<String>,
    /// `incomplete = true`: the event must be found incomplete.
    pub incomplete: bool,
    /// The time until which the decision must be put off (`delay_from`); `None`: it must not be.
    pub until: Option<Timestamp>,
    /// Step name → inputs that must be there with these values (a subset of the input; `null`: must
    /// be absent; a hole is written `"steps.customer.id"`).
    pub with: Map<String, Value>,
    /// The queries that must be asked, by fact name → inputs (subset), before facts are filled in.
    pub asks: Map<String, Value>,
}

/// Role → connections.
pub type Roles = BTreeMap<String, Vec<String>>;

/// An instance of a flow: what config binds it to.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Name of the instance, e.g. `call-to-order-b`.
    pub name: String,
    pub flow: Arc<Flow>,
    pub roles: Roles,
    pub running: bool,
    pub delay: Duration,
    pub max_age: Duration,
    /// The flow's own, with what config says laid over.
    pub settings: Map<String, Value>,
}

impl Bound {
    /// A running instance of a flow under its own name, with everything as its file says.
    pub fn plain(flow: Arc<Flow>, roles: Roles) -> Self {
        Self {
            name: flow.name.clone(),
            roles,
            running: true,
            delay: flow.delay,
            max_age: flow.max_age,
            settings: flow.constants().collect(),
            flow,
        }
    }

    /// The connections that a fact or step of a role may go to: all that it chooses among (`of`, or
    /// the event's own), else the first.
    pub fn reaches(&self, role: &str, of: Option<&Phrase>) -> &[String] {
        let all = self.connections(role);
        let reported = self.connections(&self.flow.on.role);
        let chooses = of.is_some() || all.iter().any(|name| reported.contains(name));
        if chooses { all } else { all.get(..1).unwrap_or_default() }
    }

    /// Has a step a last moment at which it may be sent? Then a job must come up in time to say that
    /// it was missed, whatever trouble there is.
    pub fn is_timed(&self) -> bool {
        self.flow.steps.iter().any(|step| step.within.is_some())
    }

    /// The roles that are bound to nothing.
    pub fn unbound(&self) -> Vec<String> {
        let roles = self.flow.roles().into_iter().map(str::to_owned);
        roles.filter(|role| self.connections(role).is_empty()).collect()
    }

    /// The connections that a role is bound to.
    pub fn connections(&self, role: &str) -> &[String] {
        self.roles.get(role).map_or(&[], Vec::as_slice)
    }

    /// The first connection of a role.
    pub fn connection(&self, role: &str) -> Option<&str> {
        self.connections(role).first().map(String::as_str)
    }
}
