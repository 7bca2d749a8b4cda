//! Requests, templates and what is shown.

use super::*;
use crate::config::Connection;
use crate::connectors::{Shared, build as build_all};
use crate::diagnosis::render;
use proptest::prelude::*;
use rstest::rstest;
use std::path::Path;

const SECRET: &str = "block-secret-0123456789";
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn toml(more: &str) -> String {
    format!("crm = \"shop\"\nsecret = \"{SECRET}\"\n{more}")
}

fn settings(more: &str) -> (Option<Settings>, Vec<Problem>) {
    let mut section = Section::from_toml("helpdesk", &toml(more));
    let settings = Settings::read(&mut section);
    (settings, section.finish())
}

/// A block beside the account `company`, and what is wrong with both.
fn house(more: &str) -> (Vec<Arc<dyn Connector>>, Vec<Problem>) {
    let shop = format!("url = \"https://company.simla.com\"\napi_key = \"{KEY}\"\n");
    let tables = [("helpdesk", "usedesk", toml(more)), ("shop", "retailcrm", shop)];
    let connections = tables.map(|(name, connector, text)| Connection {
        name: name.to_owned(),
        title: format!("The {name}"),
        connector: connector.to_owned(),
        section: Section::from_toml(name, &text),
    });
    let built = build_all(connections.into(), &Shared::default());
    (built.connectors.into_values().collect(), built.problems)
}

fn wish(more: &str, body: &str) -> Wish {
    let (house, problems) = house(more);
    assert!(problems.is_empty(), "{problems:?}");
    house[0].block().unwrap().read("application/json", body.as_bytes(), house[1].as_ref())
}

fn shown(more: &str, seen: &Seen) -> String {
    let (house, problems) = house(more);
    assert!(problems.is_empty(), "{problems:?}");
    let shown = house[0].block().unwrap().show(seen, house[1].as_ref());
    shown["html"].as_str().unwrap().to_owned()
}

fn found(people: Value) -> Seen {
    Seen::People { by: "phone", people: Arc::new(people.as_array().unwrap().clone()) }
}

#[test]
fn samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/usedesk/samples");
    let entries = std::fs::read_dir(&folder).unwrap().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    insta::with_settings!({
        snapshot_path => folder.join("snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for name in names {
            let body = std::fs::read(folder.join(&name)).unwrap();
            let asked = request::read(&body);
            let contacts = asked.as_ref().map(request::Asked::contacts);
            insta::assert_snapshot!(name, format!("{asked:#?}\n{contacts:#?}"));
        }
    });
}

#[test]
fn samples_cut_short_never_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/usedesk/samples");
    for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let Ok(body) = std::fs::read(entry.path()) else { continue };
        for end in 0..body.len() {
            drop(request::read(&body[..end]));
        }
    }
}

proptest! {
    #[test]
    fn garbage_panics_no_reader(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            r"(client_data|secret|phones)(\[[a-z0-9]{0,6}\]?){0,12}=.{0,12}(&client_data\[(phones|emails)?\](\[\])?=.{0,9}){0,4}"
                .prop_map(String::into_bytes),
            r#"\{"client_data":(\[|\{|"|1|null){1,6}"#.prop_map(String::into_bytes),
        ],
    ) {
        if let Some(asked) = request::read(&body) {
            let (phones, emails) = asked.contacts();
            prop_assert!(phones.len() <= 5 && emails.len() <= 5);
        }
    }
}

#[test]
fn a_body_without_end_is_read_in_no_time() {
    let deep = format!("{{\"client_data\":{{\"phones\":{}", "[".repeat(100_000));
    assert_eq!(request::read(deep.as_bytes()), None);
    let name = "[a]".repeat(10_000);
    let form = format!("client_data{name}=1&secret=x");
    assert_eq!(request::read(form.as_bytes()).unwrap().secret.as_deref(), Some("x"));
}

#[rstest]
#[case::no_secret(r#"{"subdomain":"company"}"#)]
#[case::a_wrong_one(r#"{"secret":"block-secret","subdomain":"company"}"#)]
#[case::the_first_counts(r#"{"secret":"x","secret_key":"block-secret-0123456789"}"#)]
#[case::an_api_key(r#"{"secret":"0123456789abcdef0123456789abcdef","subdomain":"company"}"#)]
#[case::no_text(r#"{"secret":["block-secret-0123456789"]}"#)]
#[case::garbage("\u{0}")]
#[case::nothing("")]
fn who_has_no_secret_is_a_stranger(#[case] body: &str) {
    assert_eq!(wish("", body), Wish::Stranger);
    assert_eq!(wish("enabled = false", body), Wish::Stranger);
}

#[test]
fn the_api_key_opens_only_where_that_is_said() {
    let body = format!(r#"{{"secret_key":"{KEY}","subdomain":"company"}}"#);
    assert_eq!(wish("accept_api_key = true", &body), Wish::Told(Seen::NoContacts));
    let own = format!(r#"{{"secret_key":"{SECRET}","subdomain":"company"}}"#);
    assert_eq!(wish("accept_api_key = true", &own), Wish::Told(Seen::NoContacts));
}

#[rstest]
#[case("company", Seen::NoContacts)]
#[case(" company ", Seen::NoContacts)]
#[case("", Seen::Elsewhere)]
#[case("Company", Seen::Elsewhere)]
#[case("other", Seen::Elsewhere)]
#[case("company.simla.com", Seen::Elsewhere)]
#[case("company/../x", Seen::Elsewhere)]
#[case("evil.example/?", Seen::Elsewhere)]
fn only_the_own_account_is_served(#[case] subdomain: &str, #[case] seen: Seen) {
    let body = json!({ "secret": SECRET, "subdomain": subdomain }).to_string();
    assert_eq!(wish("", &body), Wish::Told(seen));
}

#[test]
fn the_setting_wins_over_the_host_and_off_over_all() {
    let body = |name: &str| json!({ "secret": SECRET, "subdomain": name }).to_string();
    let own = "subdomain = \"head-office\"";
    assert_eq!(wish(own, &body("company")), Wish::Told(Seen::Elsewhere));
    assert_eq!(wish(own, &body("head-office")), Wish::Told(Seen::NoContacts));
    assert_eq!(wish("enabled = false", &body("other")), Wish::Told(Seen::Off));
    let missing = json!({ "secret": SECRET }).to_string();
    assert_eq!(wish("", &missing), Wish::Told(Seen::Elsewhere));
    let odd = json!({ "secret": SECRET, "subdomain": "company", "client_data": 5 }).to_string();
    assert_eq!(wish("", &odd), Wish::Told(Seen::Unreadable));
}

#[test]
fn equal_searches_are_equal() {
    let body = |phones: Value, emails: Value| {
        let client = json!({ "phones": phones, "emails": emails });
        json!({ "secret": SECRET, "subdomain": "company", "client_data": client }).to_string()
    };
    let one =
        wish("", &body(json!(["8 999 000-00-02", "79990000001"]), json!("B@x.test a@x.test")));
    let other = wish(
        "",
        &body(
            json!([{ "phone": "+7 (999) 000-00-01" }, { "phone": 79990000002_i64 }, "89990000001"]),
            json!(["a@x.test", { "email": "b@x.test" }]),
        ),
    );
    assert_eq!(one, other);
    let search = Search {
        phones: vec!["+79990000001".into(), "+79990000002".into()],
        emails: vec!["a@x.test".into(), "b@x.test".into()],
        orders: 10,
    };
    assert_eq!(one, Wish::Search(search));
}

fn hostile() -> Value {
    let evil = "\"'><script>alert(1)</script>{{ 7*7 }}&amp;\u{202e}\u{0}";
    json!([{
        "id": 1, "url": "https://company.simla.com/customers/1", "firstName": evil,
        "lastName": "x".repeat(5000), "email": evil, "phones": [evil], "site_name": evil, "count": 30,
        "orders": [{ "id": 7, "number": evil, "url": "https://company.simla.com/orders/7/edit",
            "status": evil, "status_name": evil, "site_name": evil, "totalSumm": evil,
            "currency": evil, "createdAt": evil }],
    }])
}

#[test]
fn what_the_crm_holds_is_never_markup() {
    let html = shown("title = \"<b>Title</b>\"", &found(hostile()));
    for bad in ["<script", "\"'>", "49", "<b>", "&amp;amp;amp", "\u{202e}", "\u{0}"] {
        assert!(!html.contains(bad), "{bad}: {html}");
    }
    assert!(html.contains("&lt;script&gt;") && html.len() < 8_000, "{html}");
}

#[test]
fn a_person_with_orders_and_one_without() {
    let order = json!({ "id": 7, "number": "7C", "url": "https://company.simla.com/orders/7/edit",
        "status": "new", "status_name": "Новый", "site": "main", "site_name": "Main shop",
        "totalSumm": "1212900.5", "currency": "RUB", "createdAt": "2026-11-20T22:30:00Z" });
    let people = json!([
        { "id": 1, "url": "https://company.simla.com/customers/1", "firstName": "Анна", "lastName": "Б",
          "email": "a@example.test", "phones": ["8 (999) 000-00-01"], "count": 13, "orders": [order] },
        { "id": 2, "url": "https://company.simla.com/customers/2", "count": 0, "orders": [] },
    ]);
    let html = shown("", &found(people.clone()));
    insta::with_settings!({ snapshot_path => "samples/snapshots", prepend_module_to_snapshot => false,
        omit_expression => true }, { insta::assert_snapshot!("shown.html", html) });
    let english = shown("language = \"en\"", &found(people.clone()));
    assert!(
        english.contains("1,212,900.50\u{a0}RUB") && english.contains("2026-11-20"),
        "{english}"
    );
    assert!(shown("language = \"pt\"", &found(people)).contains("20&#x2f;11&#x2f;2026"));
}

#[test]
fn every_state_is_told_in_every_language() {
    let states = [
        Seen::Nobody,
        Seen::NoContacts,
        Seen::Elsewhere,
        Seen::Unreadable,
        Seen::Late,
        Seen::Paused,
        Seen::Failed,
    ];
    let mut told = std::collections::BTreeSet::new();
    for language in words::LANGUAGES {
        for seen in &states {
            let html = shown(&format!("language = \"{language}\""), seen);
            assert!(html.len() > 20 && html.len() < 300, "{html}");
            assert!(told.insert(html), "{language} {seen:?} is told as another");
        }
    }
    assert_eq!(shown("", &Seen::Off), "");
}

/// The template of this text, as `check` sees it.
fn template(text: &str) -> (tempfile::TempDir, Option<Settings>, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block.html");
    std::fs::write(&path, text).unwrap();
    let (settings, problems) = settings(&format!("template = \"{}\"", path.display()));
    (dir, settings, render(&problems, false))
}

#[rstest]
#[case::syntax("<p>\n{% if title %}\n", "unexpected end")]
#[case::a_name("<p>\n{{ titel }}", "undefined")]
#[case::a_deep_name("{% for person in people %}\n{{ person.emial }}{% endfor %}", "undefined")]
#[case::only_in_a_notice("{% if notice %}\n{{ nonsense }}{% endif %}", "undefined")]
#[case::as_it_is("<p>\n{{ title|safe }}", "safe")]
#[case::as_json("<a title=\n\"{{ title|tojson }}\">", "tojson")]
#[case::escaping_off("\n{% autoescape false %}{{ title or 'x' }}{% endautoescape %}", "escaped")]
#[case::without_end(
    "\n{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "too long"
)]
#[case::another_file("\n{% include 'other.html' %}", "other.html")]
fn a_broken_template_is_told_with_its_line(#[case] text: &str, #[case] why: &str) {
    let (_dir, settings, told) = template(text);
    assert!(settings.is_none(), "{told}");
    assert!(told.contains(why) && told.contains("block.html:2"), "{told}");
}

#[test]
fn a_template_of_ones_own_is_taken() {
    let (_dir, settings, told) =
        template("{% for p in people %}[{{ p.id }}: {{ p.orders|length }}]{% endfor %}");
    assert!(settings.is_some() && told.is_empty(), "{told}");
    let (settings, problems) = self::settings("template = \"/nowhere/block.html\"");
    assert!(
        settings.is_none() && problems[0].title.contains("/nowhere/block.html"),
        "{problems:?}"
    );
}

#[test]
fn all_problems_are_told_at_once_and_no_secret() {
    let (_, problems) =
        settings("orders = 0\ntimeout = \"21s\"\nsubdomain = \"A.b\"\nlanguage = \"de\"\n");
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(!format!("{problems:?}").contains(SECRET));
    let mut section = Section::from_toml("helpdesk", "crm = \"shop\"\nsecret = \"short\"");
    assert!(Settings::read(&mut section).is_some());
    let shown = format!("{:?}", section.finish());
    assert!(shown.contains("guessed") && !shown.contains("\"short\""), "{shown}");
}

#[test]
fn the_connection_that_it_shows_must_be_able_to() {
    let (_, problems) = house("");
    assert!(problems.is_empty(), "{problems:?}");
    let connection = |crm: &str| Connection {
        name: "helpdesk".to_owned(),
        title: "The help desk".to_owned(),
        connector: "usedesk".to_owned(),
        section: Section::from_toml("helpdesk", &toml("").replace("shop", crm)),
    };
    for (crm, why) in [("shpo", "no connection `shpo`"), ("helpdesk", "no customers and orders")] {
        let problems = build_all(vec![connection(crm)], &Shared::default()).problems;
        assert!(problems.len() == 1 && problems[0].title.contains(why), "{problems:?}");
    }
}

#[test]
fn what_is_to_be_pasted_is_told() {
    let (house, _) = house("title = \"Клиент\"");
    let told = house[0].trigger(Some("https://leads.example.com")).unwrap();
    let values: Vec<&str> = told.entries.iter().map(|(_, value)| value.as_str()).collect();
    for value in
        ["https://leads.example.com/blocks/usedesk/helpdesk", SECRET, "subdomain", "Клиент"]
    {
        assert!(values.contains(&value), "{values:?}");
    }
    let unknown = house[0].trigger(None).unwrap();
    assert!(unknown.entries.iter().any(|(_, value)| value.starts_with(YOUR_HOST)));
}
