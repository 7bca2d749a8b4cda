//! What a connection offers flows, as rows. Invariant: the connector's offer whole, as the checks of
//! flows see it; nobody is asked.

use super::{OfferView, OfferedEvent, OfferedField, OfferedOperation, OfferedQuery};
use crate::connectors::port::ListOffer;
use crate::domain::{Field, Input, Kind, Need, Offer, Repeat};

/// The whole offer, written with this role.
pub(super) fn shown(offer: &Offer, role: &str, lists: &[ListOffer]) -> OfferView {
    let fields = |prefix: &str, of: &[Field]| {
        let mut rows = Vec::new();
        push(&mut rows, prefix, of, lists);
        rows
    };
    let events = offer.events.iter().map(|event| OfferedEvent {
        kind: event.kind.to_owned(),
        about: event.about.to_owned(),
        write: format!("on = {{ from = \"{role}\", event = \"{}\" }}", event.kind),
        fields: fields("event.", event.fields),
    });
    let queries = offer.queries.iter().map(|query| OfferedQuery {
        name: query.name.to_owned(),
        about: query.about.to_owned(),
        write: format!("NAME = {{ ask = \"{role}.{}\", … }}", query.name),
        input: inputs(query.input, lists),
        output: fields("facts.NAME.", query.output),
    });
    let operations = offer.operations.iter().map(|operation| OfferedOperation {
        name: operation.name.to_owned(),
        about: operation.about.to_owned(),
        write: format!("do = \"{role}.{}\"", operation.name),
        repeat: repeat(operation.repeat).0.to_owned(),
        repeat_about: repeat(operation.repeat).1.to_owned(),
        input: inputs(operation.input, lists),
        output: fields("steps.NAME.", operation.output),
    });
    OfferView {
        events: events.collect(),
        queries: queries.collect(),
        operations: operations.collect(),
    }
}

fn push(rows: &mut Vec<OfferedField>, prefix: &str, fields: &[Field], lists: &[ListOffer]) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        rows.push(OfferedField {
            path: path.clone(),
            kind: kind(&field.kind),
            need: String::new(),
            about: field.about.to_owned(),
            list: list(field.codes, lists),
        });
        if let Kind::Record(inner) = field.kind {
            push(rows, &format!("{path}."), inner, lists);
        }
    }
}

fn inputs(inputs: &[Input], lists: &[ListOffer]) -> Vec<OfferedField> {
    let mut rows = Vec::new();
    for input in inputs {
        let need = match input.need {
            Need::Must => "must",
            Need::OneOf => "one of",
            Need::May => "may",
        };
        rows.push(OfferedField {
            path: input.name.to_owned(),
            kind: kind(&input.kind),
            need: need.to_owned(),
            about: input.about.to_owned(),
            list: list(input.codes, lists),
        });
        if let Kind::Record(inner) = input.kind {
            push(&mut rows, &format!("{}.", input.name), inner, lists);
        }
    }
    rows
}

/// The list that shows the codes. One of ours may hold several of the far side's: `customer fields` are
/// among the `fields`.
fn list(codes: Option<&str>, lists: &[ListOffer]) -> Option<String> {
    let word = codes?.split(' ').next_back()?;
    lists.iter().find(|list| list.name == word).map(|list| list.name.to_owned())
}

/// In people's words: `list of phone`.
pub fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Flag => "true/false".to_owned(),
        Kind::Money => "money".to_owned(),
        Kind::Phone => "phone".to_owned(),
        Kind::Email => "e-mail".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Record(_) => "table".to_owned(),
        Kind::List(inner) => format!("list of {}", self::kind(inner)),
        Kind::Open(inner) => format!("table of {}", self::kind(inner)),
        Kind::Any => "any value".to_owned(),
    }
}

/// Word and sentence.
pub fn repeat(repeat: Repeat) -> (&'static str, &'static str) {
    match repeat {
        Repeat::Safe => ("safe", "repeat: safe, as often as need be"),
        Repeat::Check => ("check", "repeat: check, after a lost answer it is looked for first"),
        Repeat::Once => ("once", "repeat: once, after a lost answer only a person repeats it"),
    }
}
