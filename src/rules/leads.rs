//! Which lead an order came from: the window, the choice and the fact that shows both. Invariant: the
//! choice depends on what is known and on the order alone, so it can be made and explained again.

use crate::diagnosis::duration_of;
use crate::domain::contact::{EmailKey, Phone};
use crate::domain::event::is_empty;
use crate::domain::{EventOffer, Lead, Offer};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Map, Value, json};

/// How far back the document looks (calltouch.md D4).
const MONTHS: i64 = 12;
/// A request is often registered seconds after the order that it made.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// How far back a look for what no webhook brought goes.
const LOOK: SignedDuration = SignedDuration::from_hours(1);
/// No calendar reaches farther.
const MOST_MONTHS: i64 = 1200;

/// What a flow asks the journal of leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The noun: `call`, `request`, `chat`.
    pub kind: String,
    /// Contact keys; empty where nothing that was given is a contact.
    pub contacts: Vec<String>,
    /// The order's creation.
    pub at: Timestamp,
    months: i64,
    ahead: SignedDuration,
    /// "Not found" is said only after a fresh look.
    pub look: bool,
    /// The far side has a journal that can be looked into.
    pub journal: bool,
}

/// The stretch of time in which a lead may be linked; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A lead that may be the one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: String,
    pub at: Timestamp,
    /// The contact key that matched.
    pub contact: String,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
}

/// What is known of a person's leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Within the window, by time.
    pub inside: Vec<Candidate>,
    /// The nearest before the window, and the nearest after it.
    pub before: Option<Candidate>,
    pub after: Option<Candidate>,
    /// Of which time the journal is known to its end.
    pub covered: Option<(Timestamp, Timestamp)>,
}

/// Reads the question. `offer` is the connector's whose leads are asked for.
///
/// # Errors
/// What is wrong with it, for the author of the flow.
pub fn wanted(offer: &Offer, input: &Map<String, Value>) -> Result<Wanted, String> {
    let kind = text(input, "type")?.ok_or("`type` is not given")?;
    let leads = offer.events.iter().filter_map(|event| Some((noun(event), event.lead?)));
    let leads: Vec<(&str, bool)> = leads.map(|(noun, lead)| (noun, lead.journal)).collect();
    if !leads.iter().any(|(noun, _)| *noun == kind) {
        let mut nouns: Vec<&str> = leads.iter().map(|(noun, _)| *noun).collect();
        nouns.dedup();
        return Err(format!("`type` is \"{kind}\"; write one of {}", nouns.join(", ")));
    }
    let at = text(input, "at")?.ok_or("`at` is not given")?;
    let at = at.parse().map_err(|_| format!("`at` is \"{at}\", which is no time"))?;
    let months = match input.get("months") {
        None | Some(Value::Null) => MONTHS,
        Some(value) => value
            .as_i64()
            .filter(|months| (1..=MOST_MONTHS).contains(months))
            .ok_or_else(|| format!("`months` is {value}; write a whole number from 1"))?,
    };
    let ahead = match text(input, "ahead")? {
        None => AHEAD,
        Some(written) => duration_of(&written)
            .and_then(|ahead| SignedDuration::try_from(ahead).ok())
            .ok_or_else(|| format!("`ahead` is \"{written}\"; write a duration such as \"1h\""))?,
    };
    let look = match input.get("look") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(look)) => *look,
        Some(value) => return Err(format!("`look` is {value}; write true or false")),
    };
    Ok(Wanted {
        journal: leads.iter().any(|(noun, journal)| *noun == kind && *journal),
        kind,
        contacts: contacts(input)?,
        at,
        months,
        ahead,
        look,
    })
}

fn noun(offer: &EventOffer) -> &'static str {
    offer.kind.split('.').next().unwrap_or_default()
}

fn text(input: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value) => Err(format!("`{name}` is {value}; write a text")),
    }
}

/// The canonical keys of what was given, each once; what is no contact is left out.
fn contacts(input: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut keys = Vec::new();
    for (name, key) in
        [("phones", phone as fn(&str) -> Option<String>), ("emails", email as fn(&str) -> _)]
    {
        let items = match input.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        for item in items.iter().filter(|item| !is_empty(item)) {
            let Value::String(typed) = item else {
                return Err(format!("`{name}` holds something that is no text"));
            };
            keys.extend(key(typed).filter(|key| !keys.contains(key)));
        }
    }
    Ok(keys)
}

fn phone(typed: &str) -> Option<String> {
    Phone::parse(typed).map(|phone| format!("phone:{}", phone.key()))
}

fn email(typed: &str) -> Option<String> {
    EmailKey::parse(typed).map(|email| format!("email:{}", email.key()))
}

impl Wanted {
    /// From the same wall-clock time so many calendar months before, until `ahead` past it.
    /// A day that the earlier month lacks is its last; an hour that the clocks left out is the one
    /// after it, one that they struck twice is the first of both.
    pub fn window(&self, zone: &TimeZone) -> Window {
        let back = Span::new().try_months(self.months);
        let from = back.and_then(|back| self.at.to_zoned(zone.clone()).checked_sub(back));
        Window {
            from: from.map_or(Timestamp::MIN, |from| from.timestamp()),
            to: self.at.checked_add(self.ahead).unwrap_or(Timestamp::MAX),
        }
    }
}

impl Window {
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// Until when the journal must be known at `now` for the window to be known.
    fn end(&self, now: Timestamp) -> Timestamp {
        self.to.min(now)
    }
}

impl Found {
    /// Is the whole window known to its end, as far as it lies in the past at `now`?
    pub fn complete(&self, window: &Window, now: Timestamp) -> bool {
        self.covered.is_some_and(|(since, until)| since <= window.from && until >= window.end(now))
    }

    /// Since when the far side's journal is to be read anew before "not found" may be said; `None`:
    /// something was found, or a look can show nothing more.
    pub fn gap(&self, wanted: &Wanted, window: &Window, now: Timestamp) -> Option<Timestamp> {
        if !self.inside.is_empty() || !wanted.look || !wanted.journal || wanted.contacts.is_empty()
        {
            return None;
        }
        let recent = now.checked_sub(LOOK).unwrap_or(Timestamp::MIN);
        let until = self.covered.map(|(_, until)| until);
        if until.is_some_and(|until| until >= window.end(now)) {
            return None;
        }
        let since = until.map_or(recent, |until| until.min(recent));
        (since <= window.to).then_some(since)
    }

    /// Puts leads in that were read but not kept, as if they had been found.
    pub fn add(&mut self, leads: &[Lead], wanted: &Wanted, window: &Window) {
        for lead in leads.iter().filter(|lead| lead.kind == wanted.kind && window.holds(lead.at)) {
            let matched = lead.contacts.iter().find(|contact| wanted.contacts.contains(contact));
            let known = self.inside.iter().any(|candidate| candidate.id == lead.id);
            if let (Some(contact), false) = (matched, known) {
                self.inside.push(Candidate {
                    id: lead.id.clone(),
                    at: lead.at,
                    contact: contact.clone(),
                    source: lead.source.clone(),
                    medium: lead.medium.clone(),
                    campaign: lead.campaign.clone(),
                });
            }
        }
        self.inside.sort_by(|one, other| (one.at, order(one)).cmp(&(other.at, order(other))));
    }

    /// The nearest in time; of two equally near ones the earlier, of two at one time the lower id.
    pub fn choice(&self, at: Timestamp) -> Option<&Candidate> {
        self.inside.iter().min_by_key(|candidate| {
            (candidate.at.duration_since(at).abs(), candidate.at, order(candidate))
        })
    }
}

/// Ids are numbers written as texts: the shorter is the lower.
fn order(candidate: &Candidate) -> (usize, &str) {
    (candidate.id.len(), candidate.id.as_str())
}

/// The fact, in the shape of the offer; `now` as of which the journal is to be complete.
pub fn fact(found: &Found, wanted: &Wanted, window: &Window, now: Timestamp) -> Value {
    let mut fact = match found.choice(wanted.at) {
        Some(candidate) => shown(candidate, wanted.at),
        None => Map::new(),
    };
    let outside = |candidate: &Option<Candidate>| {
        candidate.as_ref().map_or(Value::Null, |candidate| shown(candidate, wanted.at).into())
    };
    let candidates = found.inside.iter().map(|candidate| shown(candidate, wanted.at).into());
    fact.insert("type".to_owned(), wanted.kind.clone().into());
    fact.insert("complete".to_owned(), found.complete(window, now).into());
    fact.insert("since".to_owned(), window.from.to_string().into());
    fact.insert("until".to_owned(), window.to.to_string().into());
    fact.insert("candidates".to_owned(), candidates.collect::<Vec<Value>>().into());
    fact.insert("before".to_owned(), outside(&found.before));
    fact.insert("after".to_owned(), outside(&found.after));
    Value::Object(fact)
}

fn shown(candidate: &Candidate, order: Timestamp) -> Map<String, Value> {
    let (_, contact) = candidate.contact.split_once(':').unwrap_or(("", &candidate.contact));
    let fields = json!({
        "id": candidate.id, "at": candidate.at.to_string(), "contact": contact,
        "distance": candidate.at.duration_since(order).as_secs(), "source": candidate.source,
        "medium": candidate.medium, "campaign": candidate.campaign,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LeadOffer, Seen};
    use proptest::prelude::*;
    use rstest::rstest;

    const LEAD: LeadOffer =
        LeadOffer { at: "created", contacts: &["phone", "email"], journal: true };
    static OFFER: Offer = Offer {
        connector: "calltouch",
        messenger: None,
        events: &[
            EventOffer { kind: "call.started", lead: Some(LEAD), ..EventOffer::BASE },
            EventOffer { kind: "call.finished", lead: Some(LEAD), ..EventOffer::BASE },
            EventOffer { kind: "request.created", lead: Some(LEAD), ..EventOffer::BASE },
            EventOffer {
                kind: "chat.created",
                lead: Some(LeadOffer { journal: false, ..LEAD }),
                ..EventOffer::BASE
            },
            EventOffer { kind: "order.changed", ..EventOffer::BASE },
        ],
        queries: &[],
        operations: &[],
    };

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn asked(input: Value) -> Result<Wanted, String> {
        wanted(&OFFER, input.as_object().expect("a table"))
    }

    fn of_call(at: &str) -> Wanted {
        asked(json!({ "type": "call", "at": at, "phones": ["89990000001"] })).expect("a question")
    }

    fn lead(id: &str, at: Timestamp) -> Candidate {
        Candidate {
            id: id.to_owned(),
            at,
            contact: "phone:+79990000001".to_owned(),
            source: Some("yandex".to_owned()),
            medium: None,
            campaign: None,
        }
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    /// The wall-clock time of `at` in `name`.
    fn on(name: &str, at: &str) -> Timestamp {
        let civil: jiff::civil::DateTime = at.parse().expect("a wall-clock time");
        civil.to_zoned(zone(name)).expect("a moment").timestamp()
    }

    #[rstest]
    #[case::a_year_of_365_days("Europe/Moscow", "2026-05-14T12:00", "2025-05-14T12:00", 365)]
    #[case::a_year_with_a_leap_day("Europe/Moscow", "2024-05-14T12:00", "2023-05-14T12:00", 366)]
    #[case::from_a_leap_day_to_the_last_of_february(
        "Europe/Moscow",
        "2024-02-29T10:30",
        "2023-02-28T10:30",
        366
    )]
    #[case::to_the_day_after_a_leap_day(
        "Europe/Moscow",
        "2025-03-01T00:00",
        "2024-03-01T00:00",
        365
    )]
    #[case::to_the_28th_of_a_leap_year(
        "Europe/Moscow",
        "2025-02-28T23:59:59",
        "2024-02-28T23:59:59",
        366
    )]
    #[case::across_the_end_of_a_year(
        "Asia/Vladivostok",
        "2026-01-01T00:00",
        "2025-01-01T00:00",
        365
    )]
    fn the_window_begins_a_calendar_year_before(
        #[case] name: &str,
        #[case] order: &str,
        #[case] from: &str,
        #[case] days: i64,
    ) {
        let order = on(name, order);
        let window = of_call(&order.to_string()).window(&zone(name));
        assert_eq!(window.from, on(name, from));
        assert_eq!(order.duration_since(window.from), SignedDuration::from_hours(24 * days));
        let day = SignedDuration::from_hours(24);
        assert!(window.holds(order - day * 364), "364 days before");
        assert!(window.holds(order - day * 365), "365 days before");
        assert_eq!(window.holds(order - day * 366), days == 366, "366 days before");
        assert!(!window.holds(order - day * 367), "367 days before");
    }

    #[rstest]
    #[case::summer_to_summer("2026-07-01T12:00:00-04:00", "2025-07-01T12:00:00-04:00")]
    // On 9 March 2025 the clocks of New York went on at two, in 2026 on the 8th.
    #[case::the_wall_clock_counts_not_the_hours(
        "2026-03-08T12:00:00-04:00",
        "2025-03-08T12:00:00-05:00"
    )]
    #[case::an_hour_that_was_left_out("2026-03-09T02:30:00-04:00", "2025-03-09T03:30:00-04:00")]
    #[case::an_hour_that_was_struck_twice("2026-11-02T01:30:00-05:00", "2025-11-02T01:30:00-04:00")]
    fn the_window_begins_at_the_same_time_of_the_zones_clocks(
        #[case] order: &str,
        #[case] from: &str,
    ) {
        assert_eq!(of_call(order).window(&zone("America/New_York")).from, time(from));
    }

    #[test]
    fn both_ends_belong_to_the_window() {
        let window = of_call("2026-05-14T12:00:00Z").window(&TimeZone::UTC);
        let second = SignedDuration::from_secs(1);
        assert_eq!(window.from, time("2025-05-14T12:00:00Z"));
        assert_eq!(window.to, time("2026-05-14T13:00:00Z"));
        for (at, held) in [
            (window.from - second, false),
            (window.from, true),
            (window.to, true),
            (window.to + second, false),
        ] {
            assert_eq!(window.holds(at), held, "{at}");
        }
    }

    #[test]
    fn a_flow_may_look_back_less_far_and_ahead_farther() {
        let wanted = asked(json!({
            "type": "request", "at": "2026-05-14T12:00:00Z", "emails": ["A@Shop.test"],
            "months": 1, "ahead": "1h 30m", "look": false,
        }))
        .expect("a question");
        let window = wanted.window(&TimeZone::UTC);
        assert_eq!(window.from, time("2026-04-14T12:00:00Z"));
        assert_eq!(window.to, time("2026-05-14T13:30:00Z"));
        assert_eq!((wanted.look, wanted.journal), (false, true));
        assert_eq!(wanted.contacts, ["email:a@shop.test"]);
    }

    #[rstest]
    #[case(json!({ "at": "2026-05-14T12:00:00Z" }), "`type` is not given")]
    #[case(json!({ "type": "order", "at": "2026-05-14T12:00:00Z" }), "write one of call, request, chat")]
    #[case(json!({ "type": "call" }), "`at` is not given")]
    #[case(json!({ "type": "call", "at": "yesterday" }), "which is no time")]
    #[case(json!({ "type": "call", "at": 5 }), "`at` is 5; write a text")]
    #[case(json!({ "type": "call", "at": "2026-05-14T12:00:00Z", "months": 0 }), "whole number from 1")]
    #[case(json!({ "type": "call", "at": "2026-05-14T12:00:00Z", "months": 1.5 }), "whole number from 1")]
    #[case(json!({ "type": "call", "at": "2026-05-14T12:00:00Z", "ahead": "soon" }), "write a duration")]
    #[case(json!({ "type": "call", "at": "2026-05-14T12:00:00Z", "look": "no" }), "write true or false")]
    #[case(json!({ "type": "call", "at": "2026-05-14T12:00:00Z", "phones": [7] }), "no text")]
    fn a_wrong_question_is_told(#[case] input: Value, #[case] why: &str) {
        let told = asked(input).expect_err("refused");
        assert!(told.contains(why), "{told}");
    }

    #[test]
    fn what_is_no_contact_is_left_out_and_masks_of_one_number_are_one() {
        let wanted = asked(json!({
            "type": "request", "at": "2026-05-14T12:00:00Z",
            "phones": ["8 (999) 000-00-01", "+79990000001", "", "anonymous", null],
            "emails": ["no address", " User@Shop.test"],
        }));
        assert_eq!(
            wanted.expect("a question").contacts,
            ["phone:+79990000001", "email:user@shop.test"]
        );
    }

    #[test]
    fn the_nearest_wins_ties_go_to_the_earlier_and_then_to_the_lower_id() {
        let at = time("2026-05-14T12:00:00Z");
        let minute = SignedDuration::from_mins(1);
        let found = |inside: Vec<Candidate>| {
            let found = Found { inside, ..Found::default() };
            found.choice(at).map(|candidate| candidate.id.clone()).unwrap_or_default()
        };
        assert_eq!(found(vec![lead("1", at - minute * 9), lead("2", at + minute * 8)]), "2");
        assert_eq!(found(vec![lead("1", at + minute * 5), lead("2", at - minute * 5)]), "2");
        assert_eq!(found(vec![lead("10", at - minute), lead("9", at - minute)]), "9");
        assert_eq!(found(Vec::new()), "");
    }

    #[test]
    fn complete_means_the_whole_window_as_far_as_it_is_past() {
        let wanted = of_call("2026-05-14T12:00:00Z");
        let window = wanted.window(&TimeZone::UTC);
        let known = |from: &str, until: &str, now: &str| {
            let found = Found { covered: Some((time(from), time(until))), ..Found::default() };
            found.complete(&window, time(now))
        };
        let (start, early) = ("2025-05-14T12:00:00Z", "2026-05-14T12:02:00Z");
        assert!(known(start, early, early), "read until now");
        assert!(!known(start, "2026-05-14T12:01:59Z", early), "not read until now");
        assert!(!known("2025-05-14T12:00:01Z", early, early), "not known from the beginning");
        let late = "2026-06-01T00:00:00Z";
        assert!(known(start, "2026-05-14T13:00:00Z", late), "read until the window's end");
        assert!(!known(start, "2026-05-14T12:59:59Z", late), "not read until the window's end");
        assert!(!Found::default().complete(&window, time(late)), "nothing was ever read");
    }

    #[test]
    fn a_look_is_taken_only_where_it_can_show_something() {
        let wanted = of_call("2026-05-14T12:00:00Z");
        let window = wanted.window(&TimeZone::UTC);
        let now = time("2026-05-14T12:02:00Z");
        let known = |until: Option<&str>| Found {
            covered: until.map(|until| (window.from, time(until))),
            ..Found::default()
        };
        let gap = |found: &Found, wanted: &Wanted, now| found.gap(wanted, &window, now);
        let hour = Some(time("2026-05-14T11:02:00Z"));
        assert_eq!(gap(&known(None), &wanted, now), hour, "nothing was ever read");
        assert_eq!(gap(&known(Some("2026-05-14T12:00:00Z")), &wanted, now), hour);
        let old = Some(time("2026-05-13T00:00:00Z"));
        assert_eq!(gap(&known(Some("2026-05-13T00:00:00Z")), &wanted, now), old, "a longer gap");
        assert_eq!(gap(&known(Some("2026-05-14T12:02:00Z")), &wanted, now), None, "just read");
        let late = time("2026-06-01T00:00:00Z");
        assert_eq!(gap(&known(None), &wanted, late), None, "the last hour is past the window");
        assert_eq!(gap(&known(Some("2026-05-14T13:00:00Z")), &wanted, late), None);
        assert_eq!(
            gap(&known(Some("2026-05-14T12:30:00Z")), &wanted, late),
            Some(time("2026-05-14T12:30:00Z"))
        );
        let one = Found { inside: vec![lead("1", wanted.at)], ..known(None) };
        assert_eq!(gap(&one, &wanted, now), None, "something was found");
        let shown = Wanted { look: false, ..wanted.clone() };
        assert_eq!(gap(&known(None), &shown, now), None, "the flow does not want it");
        let chat = Wanted { journal: false, ..wanted.clone() };
        assert_eq!(gap(&known(None), &chat, now), None, "there is no journal");
        let nobody = Wanted { contacts: Vec::new(), ..wanted.clone() };
        assert_eq!(gap(&known(None), &nobody, now), None, "there is nobody to look for");
    }

    #[test]
    fn the_fact_shows_the_choice_and_what_was_passed_over() {
        let wanted = of_call("2026-05-14T12:00:00Z");
        let window = wanted.window(&TimeZone::UTC);
        let found = Found {
            inside: vec![
                lead("7", time("2026-05-14T11:00:00Z")),
                lead("8", time("2026-05-14T12:00:30Z")),
            ],
            before: Some(lead("1", time("2025-05-14T11:59:59Z"))),
            after: None,
            covered: Some((window.from, window.to)),
        };
        let fact = fact(&found, &wanted, &window, window.to);
        assert_eq!(
            fact,
            json!({
                "id": "8", "type": "call", "at": "2026-05-14T12:00:30Z", "contact": "+79990000001",
                "distance": 30, "source": "yandex", "medium": null, "campaign": null,
                "complete": true, "since": "2025-05-14T12:00:00Z", "until": "2026-05-14T13:00:00Z",
                "candidates": [
                    { "id": "7", "at": "2026-05-14T11:00:00Z", "contact": "+79990000001",
                      "distance": -3600, "source": "yandex", "medium": null, "campaign": null },
                    { "id": "8", "at": "2026-05-14T12:00:30Z", "contact": "+79990000001",
                      "distance": 30, "source": "yandex", "medium": null, "campaign": null },
                ],
                "before": { "id": "1", "at": "2025-05-14T11:59:59Z", "contact": "+79990000001",
                      "distance": -31536001, "source": "yandex", "medium": null, "campaign": null },
                "after": null,
            })
        );
        let none = super::fact(&Found::default(), &wanted, &window, window.to);
        assert_eq!((none.get("id"), &none["complete"]), (None, &json!(false)));
    }

    #[test]
    fn leads_that_were_only_read_count_like_found_ones() {
        let wanted = of_call("2026-05-14T12:00:00Z");
        let window = wanted.window(&TimeZone::UTC);
        let read = |kind: &str, id: &str, at: Timestamp, contact: &str| Lead {
            connection: "calls".to_owned(),
            kind: kind.to_owned(),
            id: id.to_owned(),
            at,
            contacts: vec!["email:x@shop.test".to_owned(), contact.to_owned()],
            source: None,
            medium: None,
            campaign: None,
            seen: Seen::JOURNAL,
        };
        let me = "phone:+79990000001";
        let mut found = Found { inside: vec![lead("2", wanted.at)], ..Found::default() };
        let leads = [
            read("call", "2", wanted.at, me),
            read("call", "1", wanted.at - SignedDuration::from_mins(1), me),
            read("call", "3", wanted.at, "phone:+79990000002"),
            read("request", "4", wanted.at, me),
            read("call", "5", window.to + SignedDuration::from_secs(1), me),
        ];
        found.add(&leads, &wanted, &window);
        let ids: Vec<&str> = found.inside.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
    }

    proptest! {
        /// Nobody else in the window is nearer, and the order in which they came does not matter.
        #[test]
        fn the_choice_is_the_nearest_whatever_the_order(
            seconds in prop::collection::vec(-40_000_000_i64..3_600, 1..12),
            turn in 0_usize..12,
        ) {
            let at = time("2026-05-14T12:00:00Z");
            let mut inside: Vec<Candidate> = seconds
                .iter()
                .enumerate()
                .map(|(id, by)| lead(&id.to_string(), at + SignedDuration::from_secs(*by)))
                .collect();
            let one = Found { inside: inside.clone(), ..Found::default() };
            inside.rotate_left(turn % seconds.len());
            let other = Found { inside, ..Found::default() };
            let chosen = one.choice(at).expect("one of them");
            prop_assert_eq!(other.choice(at), Some(chosen));
            let distance = chosen.at.duration_since(at).abs();
            for candidate in &one.inside {
                let theirs = candidate.at.duration_since(at).abs();
                prop_assert!(distance < theirs || (distance == theirs && chosen.at <= candidate.at));
            }
        }

        /// Whenever an order is made: 364 days are always in, 367 never, and the beginning has the
        /// order's own time of day wherever the clocks were not put on or back.
        #[test]
        fn a_year_is_never_shorter_than_365_days_nor_longer_than_366(
            second in 1_500_000_000_i64..1_900_000_000,
        ) {
            let order = Timestamp::from_second(second).expect("a time");
            let moscow = zone("Europe/Moscow");
            let window = of_call(&order.to_string()).window(&moscow);
            let day = SignedDuration::from_hours(24);
            prop_assert!(window.holds(order - day * 364) && window.holds(order - day * 365));
            prop_assert!(!window.holds(order - day * 367));
            prop_assert_eq!(
                window.from.to_zoned(moscow.clone()).time(),
                order.to_zoned(moscow).time()
            );
        }
    }
}
