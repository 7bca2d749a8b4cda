//! The head: which jobs follow from an event, which facts a decision needs, what is decided.
//! Invariant: pure and synchronous; `now` is an argument; a business "no" is a value with reasons.

pub mod block;
pub mod cases;
pub mod decide;
mod differ;
pub mod gather;
pub mod guard;
pub mod leads;
pub mod pairs;
pub mod reconcile;
mod repeat;
pub mod replay;
pub mod retry;
pub mod route;
pub mod silent;

use crate::domain::offer::From;
use crate::domain::{Event, Field, Offer, OperationOffer, QueryOffer};
use crate::mapping::{
    Bound, EvalError, FactRule, FactState, Phrase, Roles, Scope, StepState, shape,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The flows as bound to connections, and what those connections offer.
#[derive(Debug)]
pub struct Book {
    flows: Vec<Bound>,
    offers: BTreeMap<String, &'static Offer>,
    /// Connection → the id by which others name its account.
    accounts: BTreeMap<String, String>,
}

/// A decision cannot be made from the flow as it is: a person must mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{about}: {why}")]
pub struct Fault {
    /// `step create`, `fact customer`, `lane`.
    pub about: String,
    pub why: String,
    /// It only lacks a fact that has not been asked.
    pub pending: bool,
}

impl Book {
    pub fn new(flows: Vec<Bound>, offers: BTreeMap<String, &'static Offer>) -> Self {
        Self { flows, offers, accounts: BTreeMap::new() }
    }

    /// The same, knowing by which ids others name the connections' accounts.
    #[must_use]
    pub fn with_accounts(self, accounts: BTreeMap<String, String>) -> Self {
        Self { accounts, ..self }
    }

    /// The same connections with other flows.
    #[must_use]
    pub fn with_flows(&self, flows: Vec<Bound>) -> Self {
        Self { flows, offers: self.offers.clone(), accounts: self.accounts.clone() }
    }

    /// The same flows, of which those run that `running` names.
    #[must_use]
    pub fn switched(&self, running: impl Fn(&str) -> bool) -> Self {
        let flows = self.flows.iter();
        let flows = flows.map(|bound| Bound { running: running(&bound.name), ..bound.clone() });
        self.with_flows(flows.collect())
    }

    pub fn flows(&self) -> &[Bound] {
        &self.flows
    }

    /// The flow instance of this name.
    pub fn flow(&self, name: &str) -> Option<&Bound> {
        self.flows.iter().find(|bound| bound.name == name)
    }

    pub fn offer(&self, connection: &str) -> Option<&'static Offer> {
        self.offers.get(connection).copied()
    }

    /// The id by which others name a connection's account.
    pub fn account(&self, connection: &str) -> Option<&str> {
        self.accounts.get(connection).map(String::as_str)
    }

    /// The connection that a flow writes to: its lanes are scoped by it.
    pub fn writes_to<'a>(&self, bound: &'a Bound) -> Option<&'a str> {
        bound.flow.steps.first().and_then(|step| bound.connection(&step.role))
    }

    /// Every connection that deciding and performing a flow may need.
    pub fn needs<'a>(&self, bound: &'a Bound) -> impl Iterator<Item = &'a str> {
        let facts = bound.flow.facts.iter().map(|fact| {
            let offer = self.query(bound, &fact.role, &fact.query);
            match offer.map(|offer| offer.from) {
                Some(From::Memory(_)) => bound.connections(&fact.role),
                _ => bound.reaches(&fact.role, fact.of.as_ref()),
            }
        });
        let steps = bound.flow.steps.iter();
        let steps = steps.map(|step| bound.reaches(&step.role, step.of.as_ref()));
        facts.collect::<Vec<_>>().into_iter().chain(steps).flatten().map(String::as_str)
    }

    /// The connections without which no job of the flow can be decided or performed: while one of them
    /// is in trouble, none is begun. What a job chooses among several, and what a step with a last
    /// moment is sent to, is asked job by job.
    pub fn waits_for<'a>(&self, bound: &'a Bound) -> impl Iterator<Item = &'a str> {
        let all = self.asked_and_sent(bound);
        let reached = all.into_iter().map(|(role, of)| bound.reaches(role, of));
        reached.filter(|reached| reached.len() == 1).flatten().map(String::as_str)
    }

    /// Of what a job chooses among several, the connections that it is known by now to need.
    pub fn chosen_by_now<'a>(
        &self,
        bound: &'a Bound,
        knowledge: &Knowledge,
    ) -> impl Iterator<Item = &'a str> {
        let all = self.asked_and_sent(bound).into_iter();
        let several = all.filter(|(role, of)| bound.reaches(role, *of).len() > 1);
        several.filter_map(|(role, of)| self.chosen(bound, role, of, knowledge).ok())
    }

    /// Role and choice of all that is asked of a far side, and of all steps without a last moment.
    fn asked_and_sent<'a>(&self, bound: &'a Bound) -> Vec<(&'a str, Option<&'a Phrase>)> {
        let far = |fact: &&FactRule| {
            let offer = self.query(bound, &fact.role, &fact.query);
            !matches!(offer.map(|offer| offer.from), Some(From::Memory(_)))
        };
        let facts = bound.flow.facts.iter().filter(far);
        let facts = facts.map(|fact| (fact.role.as_str(), fact.of.as_ref()));
        let steps = bound.flow.steps.iter().filter(|_| !bound.is_timed());
        facts.chain(steps.map(|step| (step.role.as_str(), step.of.as_ref()))).collect()
    }

    /// Which of a role's connections a fact or step goes to: that of the account that `of` names, or
    /// the one of this very name;
    /// without `of` the one that reported the event; else the first.
    ///
    /// # Errors
    /// A fact that is not known yet, or why `of` cannot be evaluated.
    fn chosen<'a>(
        &self,
        bound: &'a Bound,
        role: &str,
        of: Option<&Phrase>,
        knowledge: &Knowledge,
    ) -> Result<&'a str, EvalError> {
        let all = bound.connections(role);
        let found = match of {
            None => all.iter().find(|name| **name == knowledge.connection),
            Some(phrase) => {
                let value = bound.flow.value(phrase, &knowledge.scope(bound))?;
                let named = texts(&value);
                let is_it = |name: &&String| {
                    named.contains(*name)
                        || self
                            .account(name)
                            .is_some_and(|account| named.iter().any(|of| of == account))
                };
                all.iter().find(is_it)
            }
        };
        Ok(found.or(all.first()).map(String::as_str).unwrap_or_default())
    }

    /// The offer of a query that a flow's role is bound to.
    pub fn query(&self, bound: &Bound, role: &str, name: &str) -> Option<&'static QueryOffer> {
        self.offer(bound.connection(role)?)?.query(name)
    }

    /// The offer of an operation that a flow's role is bound to.
    pub fn operation(
        &self,
        bound: &Bound,
        role: &str,
        name: &str,
    ) -> Option<&'static OperationOffer> {
        self.offer(bound.connection(role)?)?.operation(name)
    }

    /// The event's fields in the shape of its offer.
    pub fn event_fields(&self, event: &Event) -> Map<String, Value> {
        let fields = self.offer(&event.connection).and_then(|offer| offer.event(&event.kind));
        match fields {
            Some(offer) => shaped(offer.fields, &event.fields),
            None => event.fields.clone(),
        }
    }
}

/// A table in the shape of an offer.
pub fn shaped(fields: &[Field], table: &Map<String, Value>) -> Map<String, Value> {
    match shape(fields, &Value::Object(table.clone())) {
        Value::Object(filled) => filled,
        _ => Map::new(),
    }
}

/// What is known while a job is decided; the scope of its expressions is made of it.
#[derive(Debug, Clone)]
pub struct Knowledge {
    /// The connection that reported the event.
    pub connection: String,
    /// What expressions see as the roles' connections, where these are not those of the instance.
    pub roles: Option<Roles>,
    /// In the shape of the offer.
    pub event: Map<String, Value>,
    /// Fact name → fact; what is not here has not been asked.
    pub facts: BTreeMap<String, Value>,
    /// Outputs of steps that earlier decisions of the job did.
    pub done: BTreeMap<String, Value>,
    /// Why steps were refused that another step deals with, by the name in the plan.
    pub refused: BTreeMap<String, String>,
    pub now: Timestamp,
}

impl Knowledge {
    /// What is known before anything is asked.
    pub fn of(book: &Book, event: &Event, now: Timestamp) -> Self {
        Self {
            connection: event.connection.clone(),
            roles: None,
            event: book.event_fields(event),
            facts: BTreeMap::new(),
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
            now,
        }
    }

    fn scope<'a>(&'a self, bound: &'a Bound) -> Scope<'a> {
        let facts = bound.flow.facts.iter().map(|rule| {
            let state = self.facts.get(&rule.name).cloned();
            (rule.name.clone(), state.map_or(FactState::Pending, FactState::Known))
        });
        let steps = bound.flow.steps.iter().map(|rule| {
            let state = self.done.get(&rule.name).cloned();
            (rule.name.clone(), state.map_or(StepState::Later, StepState::Done))
        });
        Scope {
            event: &self.event,
            facts: facts.collect(),
            steps: steps.collect(),
            settings: &bound.settings,
            connection: &self.connection,
            roles: self.roles.as_ref().unwrap_or(&bound.roles),
            item: Value::Null,
            now: self.now,
        }
    }
}

/// The texts of a value that names something; blank ones are left out.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::String(text) => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Object(_) => Vec::new(),
    }
}

fn fault(about: impl Into<String>, error: &EvalError) -> Fault {
    let pending = matches!(error, EvalError::Pending(_));
    Fault { about: about.into(), why: error.to_string(), pending }
}

#[cfg(test)]
mod tests;
