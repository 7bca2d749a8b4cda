//! Flow files become instances bound to connections. Invariant: a flow runs only where config says
//! so, and never with a role that is bound to nothing.

use crate::config::{FlowSettings, Origins, Plain};
use crate::diagnosis::{Problem, Severity, nearest};
use crate::mapping::{self, Bound, Flow, Roles};
use crate::rules::{Book, cases};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Bindings {
    pub flows: Vec<Bound>,
    /// Instances with a role that is bound to nothing; `check` tells which, in the flow's file.
    pub off: Vec<Bound>,
    pub problems: Vec<Problem>,
}

/// Every instance: the files under their own names, and what config makes of them with `use`.
pub fn bind(
    files: &[Arc<Flow>],
    settings: &BTreeMap<String, FlowSettings>,
    roles: &Roles,
    origins: &Origins,
) -> Bindings {
    let mut bindings = Bindings::default();
    let by_name: BTreeMap<&str, &Arc<Flow>> =
        files.iter().map(|flow| (flow.name.as_str(), flow)).collect();
    let own = by_name.keys().map(|name| (*name).to_owned());
    let names: BTreeSet<String> = own.chain(settings.keys().cloned()).collect();
    for name in names {
        let given = settings.get(&name).cloned().unwrap_or_default();
        let file = given.use_flow.clone().unwrap_or_else(|| name.clone());
        let Some(flow) = by_name.get(file.as_str()) else {
            let mend = nearest(&file, by_name.keys().copied()).map_or_else(
                || "add the file to the mappings folder".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = Problem::error(format!("flows.{name}: there is no flow `{file}`"));
            bindings.problems.push(origins.point(&["flows", &name], problem.mend(mend)));
            continue;
        };
        let laid = settings_of(flow, &name, &given.settings, origins);
        bindings.problems.extend(laid.1);
        let mut roles = roles.clone();
        roles.extend(given.roles);
        let bound = |role: &String| roles.get(role).is_some_and(|held| !held.is_empty());
        let whole = needed(flow).iter().all(bound);
        let instance = Bound {
            name,
            flow: Arc::clone(flow),
            roles,
            running: given.running.unwrap_or(false),
            delay: given.delay.unwrap_or(flow.delay),
            max_age: given.max_age.unwrap_or(flow.max_age),
            settings: laid.0,
        };
        if whole { &mut bindings.flows } else { &mut bindings.off }.push(instance);
    }
    bindings
}

/// The flow's settings with what config lays over them, and what is wrong with that.
fn settings_of(
    flow: &Flow,
    name: &str,
    given: &BTreeMap<String, Plain>,
    origins: &Origins,
) -> (Map<String, Value>, Vec<Problem>) {
    let mut settings: Map<String, Value> = flow.constants().collect();
    let mut problems = Vec::new();
    for (key, plain) in given {
        let laid = mapping::laid(flow, key, &plain.value);
        // A variable's digits may be meant as a text.
        let laid = laid.or_else(|problem| {
            let typed = plain.typed.as_deref().map(Value::from).ok_or(());
            typed
                .and_then(|text| mapping::laid(flow, key, &text).map_err(drop))
                .map_err(|()| problem)
        });
        match laid {
            Ok(value) => {
                settings.insert(key.clone(), value);
            }
            // What could not be read of the flow itself is told there.
            Err(_) if flow.broken => {}
            Err(mut problem) => {
                problem.title = format!("flows.{name}.settings.{key}: {}", problem.title);
                problems.push(origins.point(&["flows", name, "settings", key], *problem));
            }
        }
    }
    (settings, problems)
}

fn needed(flow: &Flow) -> BTreeSet<String> {
    let facts = flow.facts.iter().map(|fact| &fact.role);
    let steps = flow.steps.iter().map(|step| &step.role);
    std::iter::once(&flow.on.role).chain(facts).chain(steps).cloned().collect()
}

/// Facts and steps that choose among connections of different kinds, or that cannot tell them apart.
fn choices(book: &Book, bound: &Bound) -> Vec<Problem> {
    let flow = &bound.flow;
    let facts = flow.facts.iter();
    let facts = facts.map(|f| (&f.role, f.of.as_ref(), format!("facts.{}", f.name), "ask"));
    let steps = flow.steps.iter().enumerate();
    let steps = steps.map(|(at, s)| (&s.role, s.of.as_ref(), format!("step[{}]", at + 1), "do"));
    let mut problems = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for (role, of, path, key) in facts.chain(steps) {
        let reached = bound.reaches(role, of);
        let offers: Vec<_> = reached.iter().filter_map(|name| book.offer(name)).collect();
        let alike = offers.iter().zip(offers.iter().skip(1)).all(|(one, two)| one.speaks_as(two));
        // A messenger is chosen by the name of its connection.
        let known = reached.iter().any(|name| book.account(name).is_some())
            || offers.iter().any(|offer| offer.messenger.is_some());
        let problem = if !alike {
            Problem::error(format!("flow `{}`: the role `{role}` mixes connectors", bound.name))
                .label("goes to one of several connections")
                .mend("bind the role to connections of one connector, or to messengers alone")
        } else if of.is_some() && reached.len() > 1 && !known {
            let connector = offers.first().map(|offer| offer.connector).unwrap_or_default();
            let title = format!("{path}.of: {connector} does not name its accounts");
            Problem::warning(title).mend("leave `of` out: it would always be the first connection")
        } else {
            continue;
        };
        if !told.contains(&role.as_str()) {
            told.push(role);
            let place = flow.places.value(&format!("{path}.{key}"));
            problems.push(problem.at(&flow.source, place));
        }
    }
    problems
}

/// Checks every instance against the offers of its connections and runs the cases of each file
/// once.
pub fn check(book: &Book, off: &[Bound]) -> cases::Report {
    let mut report = cases::Report::default();
    let mut seen = BTreeSet::new();
    let mut idle: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for bound in book.flows().iter().chain(off) {
        report.problems.extend(choices(book, bound));
        let offer = |role: &str| book.offer(bound.connection(role)?);
        let connectors: Vec<_> = needed(&bound.flow)
            .iter()
            .map(|role| offer(role).map(|offer| offer.connector))
            .collect();
        let whole = !connectors.contains(&None);
        // A second instance with the same connectors would only say everything twice.
        if whole && !seen.insert((bound.flow.name.clone(), connectors)) {
            continue;
        }
        let mut faults = mapping::check(bound, &offer);
        if !whole && !bound.running {
            // Told together, by role: who has no messenger reads one line, not one for each flow.
            faults.retain(|problem| problem.severity != Severity::Note);
            for role in bound.unbound() {
                idle.entry(role).or_default().push(&bound.name);
            }
        }
        let on = &bound.flow.on;
        let told = offer(&on.role).is_some_and(|offer| offer.event(&on.event).is_some());
        let sound = whole && told && !bound.flow.broken && !crate::diagnosis::has_errors(&faults);
        report.problems.extend(faults);
        if sound {
            let played = cases::run(book, bound);
            report.passed += played.passed;
            report.problems.extend(played.problems);
        }
    }
    report.problems.extend(idle.into_iter().map(|(role, flows)| {
        let flows = flows.join(", ");
        Problem::note(format!("off, since the role `{role}` is not bound: {flows}"))
            .mend(format!("write `{role} = \"CONNECTION\"` under [roles] if they shall run"))
    }));
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::diagnosis::{Source, render};
    use crate::domain::{EventOffer, Offer};
    use crate::mapping::grammar::{Shelf, read};
    use serde_json::json;

    const FLOW: &str = r#"
[flow]
name = "a"
on   = { from = "crm", event = "order.changed" }
[settings]
link   = "document"
months = 12
nouns  = ["call"]
[facts]
deal = { ask = "ads.deal", of = "{{ event.site }}" }
[[step]]
name = "create"
do   = "ads.deal.create"
"#;

    fn bound(config: &str, variables: &[(&str, &str)]) -> (Vec<Bound>, String) {
        let (flow, problems) = read(&Source::new("a.toml", FLOW), &Shelf::default());
        assert!(problems.is_empty(), "{}", render(&problems, false));
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let (config, problems) = load_text("my.toml", config, variables.iter().map(own));
        assert!(!crate::diagnosis::has_errors(&problems), "{}", render(&problems, false));
        let config = config.expect("a config");
        let roles = ["crm", "ads"]
            .map(|role| (role.to_owned(), vec![format!("{role}-a"), format!("{role}-b")]));
        let made = bind(&[Arc::new(flow)], &config.flows, &roles.into(), &config.origins);
        (made.flows, render(&made.problems, false))
    }

    #[test]
    fn what_config_says_lies_over_the_settings_of_the_flow() {
        let text = "[flows.a.settings]\nlink = \"marker\"\n[flows.b]\nuse = \"a\"\n\
                    settings = { nouns = \"chat\" }\n";
        let variables = [("LEADLINK_FLOWS__B__SETTINGS__LINK", "12")];
        let (flows, told) = bound(text, &variables);
        assert_eq!(told, "");
        let [a, b] = &*flows else { panic!("two instances") };
        assert_eq!(json!(a.settings), json!({ "link": "marker", "months": 12, "nouns": ["call"] }));
        assert_eq!(json!(b.settings), json!({ "link": "12", "months": 12, "nouns": ["chat"] }));
    }

    #[test]
    fn a_setting_that_the_flow_does_not_have_or_of_another_kind_is_told_at_its_place() {
        let text = "[flows.a.settings]\nlnk = \"marker\"\nmonths = \"many\"\n";
        let (flows, told) = bound(text, &[("LEADLINK_FLOWS__A__SETTINGS__NOUNS", "5.5")]);
        for part in [
            "flows.a.settings.lnk: the flow has no such setting",
            "did you mean `link`?",
            "my.toml:2:7",
            "flows.a.settings.months: must be a number",
            "my.toml:3:10",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
        assert_eq!(json!(flows[0].settings["nouns"]), json!(["5.5"]), "as it was typed");
    }

    #[test]
    fn a_choice_among_connections_must_be_possible() {
        static ADS: Offer =
            Offer { connector: "ads", events: &[], queries: &[], operations: &[], messenger: None };
        const WORDS: &[EventOffer] = &[EventOffer { kind: "order.changed", ..EventOffer::BASE }];
        static CRM: Offer = Offer { connector: "crm", events: WORDS, ..ADS };
        static MORE_ADS: Offer = Offer { connector: "more-ads", ..ADS };
        let (flows, _) = bound("", &[]);
        let told = |names: [(&str, &'static Offer); 2], accounts: &[(&str, &str)]| {
            let offers = names.map(|(name, offer)| (name.to_owned(), offer));
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let book = Book::new(Vec::new(), offers.into())
                .with_accounts(accounts.iter().map(own).collect());
            render(&choices(&book, &flows[0]), false)
        };
        let two = [("ads-a", &ADS), ("ads-b", &ADS)];
        assert_eq!(told(two, &[("ads-a", "1"), ("ads-b", "2")]), "");
        assert!(told(two, &[]).contains("ads does not name its accounts"));
        // Another connector with the same words is as good.
        assert_eq!(told([("ads-a", &ADS), ("ads-b", &MORE_ADS)], &[("ads-a", "1")]), "");
        let mixed = told([("ads-a", &ADS), ("ads-b", &CRM)], &[("ads-a", "1")]);
        assert!(mixed.contains("the role `ads` mixes connectors"), "{mixed}");
        assert!(mixed.contains("a.toml:10:16"), "{mixed}");
    }
}
