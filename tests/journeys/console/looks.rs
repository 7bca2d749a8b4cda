//! Every page as people see it: both themes, desk and phone, both languages, and texts of far sides that
//! mean harm. Invariant: nobody stumbles over a page, whatever stands on it.

use super::acts::own_flows;
use super::browser::{Browser, DESK, PHONE};
use super::caller::{added, token};
use super::pages::{comes_in, reload};
use crate::deals::{FLOWS, minutes, read_and_wait};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A house that lives by itself: leads, orders, deals, messages, all that the shipped flows make.
struct Demo {
    child: Child,
    base: String,
    password: String,
}

impl Demo {
    /// Runs until its stream has ended.
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
            .args(["demo", "--duration", "8s", "--stay"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut whole = String::new();
        while let Some(Ok(line)) = lines.next() {
            whole.push_str(&line);
            whole.push('\n');
            if line.contains("It stays until") {
                break;
            }
        }
        // It would end of what it says later, if nobody listened.
        std::thread::spawn(move || lines.for_each(drop));
        let door = whole.lines().find_map(|line| line.trim().strip_prefix("Console: "));
        let words: Vec<&str> =
            door.unwrap_or_else(|| panic!("{whole}")).split_whitespace().collect();
        let [address, "name", "demo", "password", password] = words[..] else {
            panic!("{words:?}")
        };
        let base = address.trim_end_matches('/').to_owned();
        Self { child, base, password: password.to_owned() }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The address of the first link that a selector finds on a page.
async fn linked(browser: &mut Browser, page: &str, selector: &str) -> String {
    browser.go(page).await;
    browser.until(&format!("document.querySelector({})", Value::from(selector))).await;
    let script =
        format!("return document.querySelector({}).getAttribute('href')", Value::from(selector));
    browser.script(&script).await.as_str().expect("an address").to_owned()
}

/// Name of the picture, and address.
async fn pages(browser: &mut Browser) -> Vec<(&'static str, String)> {
    let order = linked(browser, "/deals", "tr[data-row] a[data-open]").await;
    let story = linked(browser, &order, "main a[data-open]").await;
    let replay = linked(browser, &story, "a[href$='/replay']").await;
    let lead = linked(browser, "/leads", "tr[data-row] a[data-open]").await;
    let fixed = [
        ("overview", "/"),
        ("leads", "/leads?period=7d"),
        ("deals", "/deals"),
        ("messages", "/messages"),
        ("needs", "/needs"),
        ("flows", "/flows"),
        ("flow", "/flows/call-to-order"),
        ("connections", "/connections"),
        ("connection", "/connections/shop"),
        ("calls", "/connections/calltouch-main"),
        ("list", "/connections/shop/lists/statuses"),
        ("found", "/find?q=79990000000"),
        ("people", "/people"),
        ("audit", "/audit"),
        ("me", "/me"),
        ("reference", "/api"),
    ];
    let fixed = fixed.into_iter().map(|(name, path)| (name, path.to_owned()));
    fixed.chain([("story", story), ("replay", replay), ("lead", lead)]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_in_both_themes_on_desk_and_phone() {
    let demo = Demo::start();
    let mut browser = Browser::open(&demo.base, DESK).await;
    let mut wrong = Vec::new();
    browser.go("/login").await;
    wrong.extend(looked_at(&browser, "login").await);
    browser.fill("#name", "demo").await;
    browser.fill("#password", &demo.password).await;
    browser.follow("form button.main").await;
    let pages = pages(&mut browser).await;
    for (language, size, theme) in
        [("ru", DESK, "light"), ("ru", DESK, "dark"), ("ru", PHONE, "light"), ("en", PHONE, "dark")]
    {
        browser.go("/me").await;
        browser.script(&format!("document.getElementById('language').value = '{language}'")).await;
        browser.follow("form[action='/me'] button").await;
        browser.resize(size).await;
        browser.theme(theme).await;
        for (name, path) in &pages {
            browser.go(path).await;
            let width = if size == PHONE { "phone" } else { "desk" };
            let name = format!("{name}-{language}-{theme}-{width}");
            wrong.extend(looked_at(&browser, &name).await);
            browser.picture(&name, size).await;
        }
    }
    wrong.extend(browser.end().await);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn looked_at(browser: &Browser, name: &str) -> Vec<String> {
    let found = browser.accessibility().await;
    found.into_iter().map(|complaint| format!("{name}: {complaint}")).collect()
}

/// Whatever of this came through as markup would set `harmed`, or be refused by the policy and told.
const HARM: &str = "\"'><img src=x onerror=harmed=1 data-harm><script>harmed=1</script>\
    </title></textarea></script><style>*{display:none}</style><a href=javascript:harmed=1>{{7*7}}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_mean_harm_stay_texts() {
    let (mut house, _) = own_flows().await;
    let config = std::fs::read_to_string(house.config()).expect("the config");
    std::fs::write(house.config(), config + FLOWS).expect("the config");
    reload(&house);
    added(&house, "anna", "admin");
    token(&house, "read");
    let utm = json!({
        "type": "request", "phone": "79990000001", "name": HARM, "subject": HARM,
        "utm_source": HARM, "utm_medium": HARM, "utm_campaign": HARM, "utm_content": HARM,
        "utm_term": HARM, "fields": { "comment": HARM, "url": HARM, "city": HARM },
    });
    house.lead(utm).await;
    house.ended().await;
    // A refusal in the CRM's words, an event that cannot be read, an order of a person.
    let refusal = json!([{
        "side": "retailcrm", "fault": "error_400", "path": "orders/create", "method": "POST",
        "text": HARM,
    }]);
    house.faults(refusal).await;
    house.lead(json!({ "type": "call", "phone": "79990000002", "utm_source": HARM })).await;
    house.ended().await;
    assert_eq!(house.post(&[("leadtype", HARM), ("id", HARM), (HARM, HARM)]).await, 200);
    let customer = json!({ "firstName": HARM, "phones": ["79990000003"] });
    let customer = house.customer(customer).await;
    let order = json!({ "customer": { "id": customer }, "status": "new", "managerComment": HARM,
        "number": HARM, "customFields": { "utm": HARM } });
    house.order(order).await;
    read_and_wait(&mut house, minutes(3)).await;

    let mut browser = Browser::open(&house.url(""), DESK).await;
    browser.go("/leads").await;
    comes_in(&mut browser, "anna").await;
    let filtered = format!("/leads?source={}&q={}", encoded(HARM), encoded("79990000001"));
    let asked = format!("/find?q={}", encoded(HARM));
    let story = linked(&mut browser, "/leads", "tr[data-row] a[data-open]").await;
    let replay = linked(&mut browser, "/find?q=79990000001", "a[href$='/replay']").await;
    let mut seen = Vec::new();
    for page in [
        "/",
        "/leads",
        "/deals",
        "/messages",
        "/needs",
        "/flows/request-to-order",
        "/connections/shop",
        "/audit",
        "/people",
        "/find?q=79990000001",
        &story,
        &replay,
        &filtered,
        &asked,
    ] {
        browser.go(page).await;
        browser
            .script("document.querySelectorAll('details').forEach(one => one.open = true)")
            .await;
        let harmed = browser.script("return [...document.querySelectorAll('[data-harm], main script, main style, [onerror]')].length + (window.harmed ?? 0)").await;
        assert_eq!(harmed, 0, "{page}");
        let shown = browser.text("body").await;
        assert!(!shown.contains("49") || !shown.contains("javascript:harmed=1>49"), "{page}");
        if shown.contains("onerror=harmed=1") {
            seen.push(page);
        }
    }
    let shown = ["/leads", "/deals", &story, &filtered, &asked];
    assert!(shown.iter().all(|page| seen.contains(page)), "{seen:#?}");
    let said = browser.end().await;
    assert!(said.is_empty(), "{said:#?}");
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        out.push_str(&format!("%{byte:02X}"));
    }
    out
}
