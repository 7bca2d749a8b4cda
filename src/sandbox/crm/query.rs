//! The `filter[…]` of a list, read by kind. Invariant: no filter is dropped in silence — one that
//! the API does not have is refused (by switch), one that only the sandbox lacks says so.

use crate::sandbox::answer::Refusal;
use crate::sandbox::crm::account::{Account, Object, text_of};
use crate::sandbox::crm::shelf::{Row, Shelf};
use crate::sandbox::params::Given;
use crate::sandbox::switches::Unknown;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The filters of one request, taken out one by one.
pub struct Query {
    given: BTreeMap<String, Given>,
}

impl Query {
    pub fn new(given: BTreeMap<String, Given>) -> Self {
        Self { given }
    }

    /// `filter[key][]`; a plain value is an error, as on the far side.
    pub fn list(&mut self, key: &str) -> Result<Option<Vec<String>>, Refusal> {
        match self.given.remove(key) {
            None => Ok(None),
            Some(Given::Many(values)) => Ok(Some(values)),
            Some(_) => Err(Refusal::input(key)),
        }
    }

    pub fn ids(&mut self, key: &str) -> Result<Option<Vec<u64>>, Refusal> {
        let Some(values) = self.list(key)? else { return Ok(None) };
        let ids = values.iter().map(|text| text.parse().map_err(|_| Refusal::input(key)));
        ids.collect::<Result<Vec<u64>, Refusal>>().map(Some)
    }

    pub fn text(&mut self, key: &str) -> Result<Option<String>, Refusal> {
        match self.given.remove(key) {
            None => Ok(None),
            Some(Given::One(value)) if value.is_empty() => Ok(None),
            Some(Given::One(value)) => Ok(Some(value)),
            Some(_) => Err(Refusal::input(key)),
        }
    }

    pub fn number(&mut self, key: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Refusal::input(key))
    }

    /// A day, or a moment, in the account's zone.
    pub fn bound(
        &mut self,
        account: &Account,
        key: &str,
        last: bool,
    ) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        account.parse_bound(&text, last).map(Some).ok_or_else(|| Refusal::input(key))
    }

    /// `filter[customFields][code]=value`.
    pub fn custom(&mut self) -> Result<Vec<(String, String)>, Refusal> {
        let wrong = || Refusal::input("customFields");
        let values = match self.given.remove("customFields") {
            None => return Ok(Vec::new()),
            Some(Given::Nested(values)) => values,
            Some(Given::One(_) | Given::Many(_)) => return Err(wrong()),
        };
        // `[code][]`, `[code][min]` and `[code][max]` are real, but not imitated.
        let pair = |(path, value): (Vec<String>, String)| match path.as_slice() {
            [code] => Ok((code.clone(), value)),
            _ => Err(Refusal::new(501, "The sandbox imitates filter[customFields][code] alone.")),
        };
        values.into_iter().map(pair).collect()
    }

    /// What is left must be known; `known` are filters that exist and are not imitated.
    pub fn finish(self, account: &Account, known: &[&str]) -> Result<(), Refusal> {
        for key in self.given.keys() {
            if known.contains(&key.as_str()) {
                let text = format!("The sandbox does not imitate filter[{key}].");
                return Err(Refusal::new(501, &text));
            }
            if account.switches.unknown_filter == Unknown::Refuse {
                return Err(Refusal::input(key));
            }
        }
        Ok(())
    }
}

/// True when every asked custom field has this value (texts compared without case).
pub fn custom_matches(custom: &Object, asked: &[(String, String)]) -> bool {
    asked.iter().all(|(code, wanted)| match custom.get(code) {
        Some(Value::String(text)) => text.to_lowercase() == wanted.to_lowercase(),
        Some(Value::Bool(flag)) => wanted == if *flag { "1" } else { "0" },
        Some(Value::Number(number)) => number.to_string().as_str() == wanted,
        Some(_) | None => false,
    })
}

/// The rows that an asked custom field leaves, where all its values are texts.
pub fn custom_candidates<T: Row>(
    account: &Account,
    rows: &Shelf<T>,
    entity: &str,
    asked: &[(String, String)],
) -> Option<Vec<u64>> {
    let is_text = |code: &str| {
        account.fields.iter().any(|field| {
            let kind = text_of(&field.body, "type");
            field.entity == entity && field.code == code && (kind == "string" || kind == "text")
        })
    };
    let (code, value) = asked.iter().find(|(code, _)| is_text(code))?;
    Some(rows.with_exact(&format!("customFields.{code}"), value))
}

/// True when `value` is asked for, or nothing is.
pub fn among(asked: Option<&Vec<String>>, value: &str) -> bool {
    asked.is_none_or(|values| values.iter().any(|wanted| wanted == value))
}

/// True when `at` lies within the asked bounds, both included.
pub fn within(at: Timestamp, bounds: (Option<Timestamp>, Option<Timestamp>)) -> bool {
    bounds.0.is_none_or(|from| at >= from) && bounds.1.is_none_or(|to| at <= to)
}
