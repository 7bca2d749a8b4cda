//! What people do at the console, in a real browser. Invariant: a page that complains in the browser's
//! own console fails; what changed is seen without a reload.

use super::acts::{change, own_flows};
use super::browser::{Browser, DESK, PHONE};
use super::caller::{PASSWORD, added};
use crate::support::House;
use crate::support::ledger::text;
use serde_json::{Value, json};
use std::path::Path;

const ONE: &str = "79990000001";
const FLOW: &str = "call-to-order";

/// Logs in by the form; the page is the one that was asked for.
pub async fn comes_in(browser: &mut Browser, name: &str) {
    browser.sees("Вход").await;
    browser.fill("#name", name).await;
    browser.fill("#password", PASSWORD).await;
    browser.follow("form button.main").await;
}

/// The page is not loaded anew from here on.
async fn stays(browser: &Browser) {
    browser.script("window.stayed = true").await;
}

#[track_caller]
fn assert_quiet(said: &[String]) {
    assert!(said.is_empty(), "the browser complains: {said:#?}");
}

async fn call(house: &House, phone: &str) -> String {
    let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
    text(&sent["lead"]["id"])
}

pub fn reload(house: &House) {
    let done = house.command(&["reload"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_login_to_a_decision_that_is_taken_anew() {
    let (mut house, flows) = own_flows().await;
    added(&house, "anna", "operator");
    let mut browser = Browser::open(&house.url(""), DESK).await;
    browser.go("/leads").await;
    assert_eq!(browser.place().await, "/login?next=%2Fleads");
    comes_in(&mut browser, "anna").await;
    assert_eq!(browser.place().await, "/leads");

    // A lead that comes stands there by itself, and what became of it.
    browser.sees("За эти дни ничего нет").await;
    stays(&browser).await;
    let call = call(&house, ONE).await;
    browser.sees("+79990000001").await;
    house.ended().await;
    browser.until("document.querySelector('[data-live=rows] .state.ok')").await;
    browser.until("window.stayed").await;

    // A phone in any mask, by the keyboard alone.
    browser.keys("/").await;
    browser.until("document.activeElement.id === 'q'").await;
    browser.keys("8 (999) 000-00-01").await;
    browser.keys("\u{e007}").await;
    browser.sees(&call).await;
    let place = browser.place().await;
    assert!(place.starts_with("/story/") || place.starts_with("/find"), "{place}");
    if place.starts_with("/find") {
        browser.follow("main a[data-open]").await;
    }
    told_whole(&browser, &house, &call).await;

    replayed(&mut browser, &house, &flows).await;
    house.ended().await;
    browser.sees("Вмешался человек: новое решение").await;
    browser.sees("update: marked").await;
    house.ledger().await.assert_one_of_each();
    assert_quiet(&browser.end().await);
}

/// The story shows what came, why it was decided so, and what was sent.
async fn told_whole(browser: &Browser, house: &House, call: &str) {
    for word in ["Звонок", call, "customer", "create"] {
        browser.sees(word).await;
    }
    // What is folded opens with its summary.
    for (fold, word) in [("#raw-1", "callphase"), ("ul.steps > li:last-child .fold", "orders/")] {
        browser.click(&format!("{fold} > summary")).await;
        let shown = format!("document.querySelector('{fold}').innerText.includes('{word}')");
        browser.until(&shown).await;
    }
    let page = browser.text("body").await;
    assert!(!page.contains(house.sandbox.api_key()), "{page}");
}

/// The flow has other words now: what would change is seen before it is done.
async fn replayed(browser: &mut Browser, house: &House, flows: &Path) {
    change(&flows.join("call-to-order.toml"), "Звонок от", "Позвонил");
    reload(house);
    browser.follow("a.button[href$='/replay']").await;
    for (tag, word) in [("del", "Звонок от"), ("ins", "Позвонил")] {
        let shown = format!(
            "[...document.querySelectorAll('{tag}')].some(n => n.innerText.startsWith('{word}'))"
        );
        browser.until(&shown).await;
    }
    let decided = house.sql("select count(*) || '' from decision").await;
    assert_eq!(decided, ["1"], "looking decides nothing");
    browser.fill("#why", "новые слова").await;
    browser.follow("form button.main").await;
    browser.sees("Сделано: 1").await;
    assert!(browser.place().await.starts_with("/story/"));
    let noted = house.sql("select who || ' ' || door from audit where act = 'replay'").await;
    assert!(noted.contains(&"anna console".to_owned()), "{noted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_is_stopped_started_and_tried() {
    let (mut house, flows) = own_flows().await;
    added(&house, "anna", "operator");
    call(&house, ONE).await;
    house.ended().await;
    let mut browser = Browser::open(&house.url(""), DESK).await;
    browser.go("/flows").await;
    comes_in(&mut browser, "anna").await;
    browser.follow(&format!("main a[href='/flows/{FLOW}']")).await;
    browser.click("details.drop > summary").await;
    browser.fill("#stop-why", "переезд").await;
    browser.follow("form[action$='/stop'] button").await;
    browser.sees("остановлен").await;
    browser.sees("anna").await;
    browser.sees("переезд").await;
    call(&house, "79990000002").await;
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 1);

    // Another hand starts it: the page tells by itself.
    stays(&browser).await;
    assert!(house.command(&["flow", "start", FLOW]).status.success());
    browser.until("document.querySelector('form[action$=\"/stop\"]')").await;
    browser.until("window.stayed").await;

    // A change is tried on what was decided; nothing of it is kept.
    let file = flows.join("call-to-order.toml");
    let before = std::fs::read_to_string(&file).expect("the flow");
    let other = Value::from(before.replace("Звонок от", "Позвонил"));
    browser.script(&format!("document.getElementById('text').value = {other}")).await;
    browser.follow("form[action$='/try'] button").await;
    browser.sees("Позвонил").await;
    browser.until("document.querySelector('table.diff ins')").await;
    // A mistake stands at its line.
    let broken = Value::from(before.replace("delay", "dealy"));
    browser.script(&format!("document.getElementById('text').value = {broken}")).await;
    browser.follow("form[action$='/try'] button").await;
    browser.until("document.querySelector('.source li .said')").await;
    let said = browser.text(".source li:has(.said)").await;
    assert!(said.contains("dealy"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).expect("the flow"), before);
    assert_quiet(&browser.end().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_person_is_settled_on_a_phone() {
    let (mut house, _) = own_flows().await;
    added(&house, "anna", "operator");
    let mut browser = Browser::open(&house.url(""), PHONE).await;
    browser.go("/needs").await;
    comes_in(&mut browser, "anna").await;
    browser.sees("Разбирать нечего").await;
    stays(&browser).await;
    // What cannot be read, and what the CRM refuses.
    assert_eq!(house.post(&[("leadtype", "unheard of"), ("id", "7")]).await, 200);
    browser.sees("Не читается").await;
    refuses(&house, true).await;
    call(&house, ONE).await;
    call(&house, "79990000002").await;
    house.until("routed", |counts| counts.unrouted == 0 && counts.waiting == 2).await;
    let counts = house.ended().await;
    assert_eq!(counts.stuck, 2, "{counts:?}\n{}", house.log());
    browser.until("document.querySelectorAll('tbody input[name=id]').length === 3").await;
    browser.until("window.stayed").await;

    // One by one: a word is needed to skip.
    refuses(&house, false).await;
    browser.click("tbody input[name=id][value='job-2']").await;
    // Without one the form stays, and says what is missing.
    stays(&browser).await;
    browser.click("#each button[value=skip]").await;
    browser.until("document.querySelector('#each-why:invalid') && window.stayed").await;
    browser.fill("#each-why", "свой номер").await;
    browser.follow("#each button[value=skip]").await;
    browser.sees("Сделано: 1").await;
    // All of a reason.
    browser.follow(".lines a[href*='flow=call-to-order']").await;
    browser.follow("form.filters button[value=retry]").await;
    browser.sees("Сделано: 1").await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (1, 1, 0), "{counts:?}");
    browser.go("/needs").await;
    browser.click("tbody input[name=id]").await;
    browser.fill("#each-why", "чужая форма").await;
    browser.follow("#each button[value=dismiss]").await;
    browser.sees("Разбирать нечего").await;
    assert_eq!(house.ledger().await.made_orders().len(), 1);
    assert_quiet(&browser.end().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_columns_and_focus_stay_where_a_person_left_them() {
    let (mut house, _) = own_flows().await;
    added(&house, "anna", "operator");
    call(&house, ONE).await;
    call(&house, "79990000002").await;
    house.ended().await;
    let mut browser = Browser::open(&house.url(""), DESK).await;
    browser.go("/leads").await;
    comes_in(&mut browser, "anna").await;

    // The menu hangs out of a short list; what is unticked there is gone.
    let heads = "[...document.querySelectorAll('thead th')].map(n => n.innerText).join()";
    browser.until(&format!("{heads}.includes('Имя')")).await;
    browser.click("#columns > summary").await;
    browser.click("#columns input[value=name]").await;
    browser.follow("#columns button").await;
    browser.until(&format!("{heads}.includes('Время') && !{heads}.includes('Имя')")).await;
    // With none at all the usual ones are shown, and that is said.
    browser.click("#columns > summary").await;
    let untick =
        "document.querySelectorAll('#columns input:checked').forEach(n => { n.checked = false })";
    browser.script(untick).await;
    browser.follow("#columns button").await;
    browser.sees("Столбцы не выбраны").await;
    browser.until(&format!("{heads}.includes('Имя')")).await;

    // Keys of another layout go by their place, and the focus stays on its row when others come.
    stays(&browser).await;
    let key = |code: &str, key: &str| {
        format!(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ code: '{code}', \
             key: '{key}', bubbles: true }}))"
        )
    };
    browser.script(&key("KeyJ", "о")).await;
    browser.script(&key("KeyJ", "о")).await;
    let focused = "document.activeElement.closest('[data-row]')?.dataset.row";
    let row = browser.script(&format!("return {focused}")).await;
    assert!(row.as_str().is_some_and(|row| row.starts_with("lead-")), "{row}");
    call(&house, "79990000003").await;
    browser.until("document.querySelectorAll('tbody tr[data-row]').length === 3").await;
    assert_eq!(browser.script(&format!("return {focused}")).await, row);
    browser.until("window.stayed").await;
    browser.script(&key("Slash", ".")).await;
    browser.until("document.activeElement.id === 'q'").await;
    assert_quiet(&browser.end().await);
}

/// The CRM refuses new orders, or does so no more.
async fn refuses(house: &House, so: bool) {
    let rule = json!({
        "side": "retailcrm", "fault": "error_400", "path": "orders/create", "method": "POST",
    });
    house.faults(if so { json!([rule]) } else { json!([]) }).await;
}
