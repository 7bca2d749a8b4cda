//! Which facts a decision still needs. Invariant: a query whose required input is empty is not
//! asked, its fact is none; a query that depends on another fact waits for it.

use super::{Book, Fault, Knowledge, fault};
use crate::domain::event::is_empty;
use crate::domain::{Need, Query, QueryOffer};
use crate::mapping::{Bound, EvalError, FactRule};
use serde_json::{Map, Value};

/// The queries that can be asked now; facts that are none without asking are put into `knowledge`.
/// Empty when every fact is known.
///
/// # Errors
/// A query that cannot be evaluated, or that nobody offers.
pub fn next(
    book: &Book,
    bound: &Bound,
    knowledge: &mut Knowledge,
) -> Result<Vec<(String, Query)>, Fault> {
    loop {
        let mut asked = Vec::new();
        let mut nones = Vec::new();
        for rule in &bound.flow.facts {
            if knowledge.facts.contains_key(&rule.name) {
                continue;
            }
            match question(book, bound, rule, knowledge)? {
                Question::Waits => {}
                Question::Empty => nones.push(rule.name.clone()),
                Question::Ask(query) => asked.push((rule.name.clone(), *query)),
            }
        }
        let settled = nones.is_empty();
        knowledge.facts.extend(nones.into_iter().map(|name| (name, Value::Null)));
        if settled || !asked.is_empty() {
            return Ok(asked);
        }
    }
}

enum Question {
    /// It needs another fact first.
    Waits,
    /// Its required input is empty.
    Empty,
    Ask(Box<Query>),
}

fn question(
    book: &Book,
    bound: &Bound,
    rule: &FactRule,
    knowledge: &Knowledge,
) -> Result<Question, Fault> {
    let about = || format!("fact {}", rule.name);
    let offer = book.query(bound, &rule.role, &rule.query).ok_or_else(|| Fault {
        about: about(),
        why: format!("nobody offers {}.{}", rule.role, rule.query),
        pending: false,
    })?;
    let connection = match book.chosen(bound, &rule.role, rule.of.as_ref(), knowledge) {
        Ok(connection) => connection.to_owned(),
        Err(EvalError::Pending(_)) => return Ok(Question::Waits),
        Err(error) => return Err(fault(about(), &error)),
    };
    let scope = knowledge.scope(bound);
    let mut input = Map::new();
    for (name, phrase) in &rule.input {
        match bound.flow.value(phrase, &scope) {
            Ok(value) if is_empty(&value) => {}
            Ok(value) => {
                input.insert(name.clone(), value);
            }
            Err(EvalError::Pending(_)) => return Ok(Question::Waits),
            Err(error) => return Err(fault(about(), &error)),
        }
    }
    if lacks(offer, &input) {
        return Ok(Question::Empty);
    }
    let others = bound.connections(&rule.role).iter().filter(|other| **other != connection);
    let among = std::iter::once(&connection).chain(others).cloned().collect();
    Ok(Question::Ask(Box::new(Query {
        job: None,
        connection,
        name: rule.query.clone(),
        input,
        known: Vec::new(),
        since: None,
        among,
    })))
}

fn lacks(offer: &QueryOffer, input: &Map<String, Value>) -> bool {
    let given = |name: &str| input.contains_key(name);
    let must = offer.input.iter().filter(|field| field.need == Need::Must);
    let one_of: Vec<&str> = offer
        .input
        .iter()
        .filter(|field| field.need == Need::OneOf)
        .map(|field| field.name)
        .collect();
    must.into_iter().any(|field| !given(field.name))
        || (!one_of.is_empty() && !one_of.into_iter().any(given))
}
