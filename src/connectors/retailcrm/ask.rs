//! The question `customer`, and which questions there are. Invariant: the CRM's search is a hint — every hit is
//! compared by canonical contact, the newest is found on our side, and what does not fit into the
//! pages that we read is refused, never cut off.

use super::Account;
use super::buyers;
use super::client::{List, Stop};
use super::contacts;
use super::orders;
use super::wire::{self, Customer};
use crate::domain::{EmailKey, Phone, Query};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// 1000 persons with one phone are a wrong search, not a choice.
const CUSTOMER_PAGES: usize = 10;
/// A merged customer may have been merged before.
const MOST_HOPS: usize = 5;

/// Whom a search is for. A hit must carry one of these.
pub struct Contacts {
    pub phones: Vec<Phone>,
    pub emails: Vec<EmailKey>,
    /// As typed; the CRM keeps what it was sent.
    typed_emails: Vec<String>,
}

impl Contacts {
    /// Takes what is a phone or an e-mail; the rest is no contact.
    pub fn of<'a>(
        phones: impl IntoIterator<Item = &'a str>,
        emails: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let typed: Vec<&str> =
            emails.into_iter().filter(|email| EmailKey::parse(email).is_some()).collect();
        Self {
            phones: phones.into_iter().filter_map(Phone::parse).collect(),
            emails: typed.iter().filter_map(|email| EmailKey::parse(email)).collect(),
            typed_emails: typed.iter().map(|email| email.trim().to_owned()).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.phones.is_empty() && self.emails.is_empty()
    }

    /// Does this customer carry one of them?
    fn match_with(&self, customer: &Customer) -> bool {
        let email = customer.email.as_deref().and_then(EmailKey::parse);
        email.is_some_and(|email| self.emails.contains(&email))
            || customer
                .phones
                .iter()
                .filter_map(|phone| Phone::parse(phone))
                .any(|phone| self.phones.iter().any(|wanted| wanted.key() == phone.key()))
    }

    /// The filters to ask with: every spelling of every phone with its pattern, then every e-mail.
    fn filters(&self, patterns: &[String]) -> Vec<Filter> {
        let mut filters: Vec<Filter> = Vec::new();
        let mut add = |key, text: String, pattern: Option<&str>| {
            let known = filters.iter().any(|held| held.key == key && held.text == text);
            if !text.is_empty() && !known {
                filters.push(Filter { key, text, pattern: pattern.map(str::to_owned) });
            }
        };
        for phone in &self.phones {
            for pattern in patterns {
                if let Some(spelling) = spelling(phone, pattern) {
                    add("filter[name]", spelling, Some(pattern));
                }
            }
        }
        for (email, typed) in self.emails.iter().zip(&self.typed_emails) {
            add("filter[email]", typed.clone(), None);
            add("filter[email]", email.key().to_owned(), None);
        }
        filters
    }
}

/// One way to ask for a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    key: &'static str,
    text: String,
    /// Of a phone: how it is spelled.
    pattern: Option<String>,
}

/// Which spellings need not be asked on this account: how `filter[name]` matches phones is not
/// documented (9.2), but where a number that is stored exactly as a pattern spells it was found by
/// its national digits, asking with that pattern too finds nothing more. Seen, never assumed; an
/// account that matches whole texts alone goes on being asked with every spelling.
#[derive(Debug, Default)]
pub struct Proven(Mutex<BTreeSet<String>>);

impl Proven {
    fn needless(&self, filter: &Filter) -> bool {
        let proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        filter.pattern.as_ref().is_some_and(|pattern| proven.contains(pattern))
    }

    /// Learns from what was found by the national digits.
    fn learn(&self, asked: &Filter, found: &[Customer], contacts: &Contacts, patterns: &[String]) {
        if asked.pattern.as_deref() != Some(NATIONAL) {
            return;
        }
        let stored: Vec<&str> =
            found.iter().flat_map(|held| &held.phones).map(|phone| phone.trim()).collect();
        let spelled = |pattern: &&String| {
            let mut phones = contacts.phones.iter().filter_map(|phone| spelling(phone, pattern));
            phones.any(|text| text != asked.text && stored.contains(&text.as_str()))
        };
        let mut proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proven.extend(patterns.iter().filter(spelled).cloned());
    }
}

const NATIONAL: &str = "{national}";

/// A number as a pattern spells it; `None` where the pattern is not for this number.
fn spelling(phone: &Phone, pattern: &str) -> Option<String> {
    // Only numbers of the plan +7 have an 8 for long distance.
    let fits = !pattern.starts_with('8') || phone.key().starts_with("+7");
    let digits = phone.key().trim_start_matches('+');
    fits.then(|| pattern.replace(NATIONAL, &phone.national()).replace("{digits}", digits))
}

/// Answers a query of the offer.
///
/// # Errors
/// [`Stop`]: not now, or refused.
pub async fn ask(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    if let Some(pick) = query.input.get("pick").filter(|pick| *pick != "newest") {
        let pick = wire::stringified(pick);
        return Err(Stop::Refused(format!("pick = `{pick}` is not on offer; write `newest`")));
    }
    match query.name.as_str() {
        "customer" => customer(account, query, now).await,
        buyers::NAME => buyers::ask(account, query, now).await,
        "contact" => contacts::ask(account, query, now).await,
        "order" => orders::ask(account, query, now).await,
        other => Err(Stop::Refused(format!("there is no question `{other}`"))),
    }
}

async fn customer(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    let given = |name: &str| query.input.get(name).and_then(Value::as_str);
    let contacts = Contacts::of(given("phone"), given("email"));
    if contacts.is_empty() {
        return Ok(Value::Null);
    }
    let zone = account.references(now).await.map_err(Stop::Later)?.zone.clone();
    let found = search(account, &contacts, &zone).await?;
    let mut found: BTreeMap<i64, Customer> =
        found.into_iter().map(|held| (held.id, held)).collect();
    // Whom we made and the search does not show (yet) is asked for by id.
    for known in &query.known {
        let Ok(id) = known.id.parse::<i64>() else { continue };
        if found.contains_key(&id) {
            continue;
        }
        if let Some(customer) = by_id(account, id, &contacts, &zone).await? {
            found.insert(customer.id, customer);
        }
    }
    let matches = found.len();
    let newest = found.into_values().max_by_key(|customer| (customer.created, customer.id));
    Ok(newest.map_or(Value::Null, |customer| shown_customer(customer, matches)))
}

/// All persons that carry one of the contacts.
///
/// # Errors
/// As [`ask`].
pub async fn search(
    account: &Account,
    contacts: &Contacts,
    zone: &TimeZone,
) -> Result<Vec<Customer>, Stop> {
    let mut found: BTreeMap<i64, Customer> = BTreeMap::new();
    let patterns = &account.config.phone_spellings;
    for filter in contacts.filters(patterns) {
        if account.proven.needless(&filter) {
            continue;
        }
        let list = List {
            template: "/api/v5/customers",
            rows: "customers",
            filter: &[(filter.key, filter.text.clone())],
            most_pages: CUSTOMER_PAGES,
        };
        let rows = account.client.all(&list).await?;
        let persons = rows.iter().filter_map(|row| Customer::read(row, zone));
        let persons: Vec<Customer> =
            persons.filter(|held| !held.corporate && contacts.match_with(held)).collect();
        account.proven.learn(&filter, &persons, contacts, patterns);
        found.extend(persons.into_iter().map(|person| (person.id, person)));
    }
    Ok(found.into_values().collect())
}

/// The customer with an id that our links know, if it is still this person: it carries the contact,
/// or it is what such a customer was merged into (its contacts may lag behind the merge).
pub async fn by_id(
    account: &Account,
    id: i64,
    contacts: &Contacts,
    zone: &TimeZone,
) -> Result<Option<Customer>, Stop> {
    let found = survivor(account, id, zone).await?;
    Ok(found.filter(|held| held.id != id || contacts.match_with(held)))
}

/// The person with this id, or what it was merged into.
///
/// # Errors
/// As [`ask`].
pub async fn survivor(
    account: &Account,
    mut id: i64,
    zone: &TimeZone,
) -> Result<Option<Customer>, Stop> {
    let mut seen = BTreeSet::new();
    while seen.insert(id) && seen.len() <= MOST_HOPS {
        let path = format!("/api/v5/customers/{id}");
        let by = vec![("by".to_owned(), "id".to_owned())];
        match account.client.get("/api/v5/customers/{id}", path, by).await {
            Ok(answer) => {
                let read = answer.get("customer").and_then(|row| Customer::read(row, zone));
                return Ok(read.filter(|held| !held.corporate));
            }
            Err(Stop::NotFound(refusal)) => match refusal.combined_to {
                Some(survivor) => id = survivor,
                None => return Ok(None),
            },
            Err(stop) => return Err(stop),
        }
    }
    Ok(None)
}

fn shown_customer(customer: Customer, matches: usize) -> Value {
    json!({
        "id": customer.id,
        "createdAt": customer.created.map(|time| time.to_string()),
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "patronymic": customer.patronymic,
        "email": customer.email,
        "phones": customer.phones,
        "site": customer.site,
        "managerId": customer.manager,
        "ordersCount": customer.orders_count,
        "matches": matches,
        "customFields": texts(customer.custom_fields),
    })
}

pub fn texts(fields: Map<String, Value>) -> Map<String, Value> {
    let shown = |value: &Value| Value::from(wire::stringified(value));
    fields.iter().map(|(code, value)| (code.clone(), shown(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::offer::OFFER;
    use super::*;

    fn patterns(list: &[&str]) -> Vec<String> {
        list.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    fn asked(contacts: &Contacts, patterns: &[String]) -> Vec<String> {
        let filters = contacts.filters(patterns).into_iter();
        filters.map(|filter| format!("{}={}", filter.key, filter.text)).collect()
    }

    #[test]
    fn every_spelling_is_asked_once_in_order() {
        let all = patterns(&["{national}", "{digits}", "+{digits}", "8{national}", "{digits}"]);
        let texts = |phone| -> Vec<String> {
            let asked = asked(&Contacts::of([phone], None), &all);
            asked.iter().map(|line| line.replace("filter[name]=", "")).collect()
        };
        assert_eq!(
            texts("8 (999) 000-00-01"),
            ["9990000001", "79990000001", "+79990000001", "89990000001"]
        );
        assert_eq!(texts("+375 29 123-45-67"), ["291234567", "375291234567", "+375291234567"]);
    }

    #[test]
    fn an_email_is_asked_as_typed_and_in_lower_case() {
        let asked = asked(&Contacts::of(None, ["User@Example.test"]), &[]);
        assert_eq!(asked, ["filter[email]=User@Example.test", "filter[email]=user@example.test"]);
    }

    #[test]
    fn a_spelling_is_left_out_once_it_was_found_by_the_national_digits() {
        let all = patterns(&["{national}", "{digits}", "+{digits}", "8{national}"]);
        let contacts = Contacts::of(["79990000001"], None);
        let stored = |phone: &str| {
            let row = json!({"id": 1, "phones": [{"number": phone}]});
            vec![Customer::read(&row, &TimeZone::UTC).unwrap()]
        };
        let proven = Proven::default();
        let left = |proven: &Proven| -> Vec<String> {
            let filters = contacts.filters(&all).into_iter();
            filters.filter(|f| !proven.needless(f)).filter_map(|f| f.pattern).collect()
        };
        let by = |pattern: &str| {
            let mut filters = contacts.filters(&all).into_iter();
            filters.find(|filter| filter.pattern.as_deref() == Some(pattern)).unwrap()
        };
        // Stored as it was asked for, or found by another spelling: nothing is proven.
        proven.learn(&by("{national}"), &stored("9990000001"), &contacts, &all);
        proven.learn(&by("{digits}"), &stored("+79990000001"), &contacts, &all);
        // A mask is no pattern of ours.
        proven.learn(&by("{national}"), &stored("+7 (999) 000-00-01"), &contacts, &all);
        assert_eq!(left(&proven), ["{national}", "{digits}", "+{digits}", "8{national}"]);
        proven.learn(&by("{national}"), &stored("+79990000001"), &contacts, &all);
        assert_eq!(left(&proven), ["{national}", "{digits}", "8{national}"]);
        proven.learn(&by("{national}"), &stored("89990000001"), &contacts, &all);
        proven.learn(&by("{national}"), &stored("79990000001"), &contacts, &all);
        assert_eq!(left(&proven), ["{national}"]);
    }

    #[test]
    fn a_hit_must_carry_the_contact() {
        let customer = |phone: &str, email: &str| {
            let row = json!({"id": 1, "email": email, "phones": [{"number": phone}]});
            Customer::read(&row, &TimeZone::UTC).unwrap()
        };
        let contacts = Contacts::of(["79990000001"], ["a@example.test"]);
        assert!(contacts.match_with(&customer("8 999 000-00-01", "")));
        assert!(contacts.match_with(&customer("", "A@EXAMPLE.test ")));
        // The search finds substrings: 999 is no reason to take this one.
        assert!(!contacts.match_with(&customer("79990000012", "b@example.test")));
        assert!(!contacts.match_with(&customer("", "")));
    }

    #[test]
    fn facts_have_the_shape_of_the_offer() {
        let row = json!({"id": 1, "customFields": {"flag": true, "list": ["a", "b"], "n": 3}});
        let customer = Customer::read(&row, &TimeZone::UTC).unwrap();
        let order = orders::tests::shown(&row);
        for (name, fact) in [("customer", shown_customer(customer, 1)), ("order", order)] {
            let offered: Vec<_> =
                OFFER.query(name).unwrap().output.iter().map(|field| field.name).collect();
            let shown: Vec<_> = fact.as_object().unwrap().keys().cloned().collect();
            assert_eq!(shown, offered);
            let fields = json!({"flag": "true", "list": "a, b", "n": "3"});
            assert_eq!(fact["customFields"], fields);
        }
    }
}
