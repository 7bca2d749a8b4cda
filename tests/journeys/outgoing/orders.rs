//! What becomes of an order is told to the person. Invariant: once for each order, status and moment
//! of it, whichever way the CRM told us; the CRM's chat shows what was said.

use super::{ANNA, Talk, WHATSAPP};
use crate::support::HOOK_SECRET;
use rstest::rstest;
use serde_json::{Value, json};

const FLOW: &str = "[flows.order-status-to-message]\nrunning = true\n\
    [flows.order-status-to-message.settings]\nchannel = \"whatsapp-main\"\n\
    text = \"{firstName}, order {number}: {status}. Mail {email}.\"\n";

/// The CRM calls us by a trigger of this method, each call so many times more; `None`: no trigger.
async fn shop(method: Option<&str>, more_calls: u32, settings: &str) -> Talk {
    let talk = Talk::with(&format!("{FLOW}{settings}\n")).await;
    if let Some(method) = method {
        let url = talk.house.url(&format!("/hooks/shop/{HOOK_SECRET}"));
        let trigger = json!({ "url": url, "method": method, "duplicates": more_calls });
        talk.house.control("triggers", trigger).await;
    }
    talk
}

/// Somebody in the CRM makes an order of Anna's.
async fn ordered(talk: &Talk, more: Value) -> u64 {
    let person = json!({ "firstName": "Anna", "phones": [ANNA] });
    let customer = talk.house.customer(person).await;
    let mut body = json!({
        "customer": { "id": customer }, "status": "new", "firstName": "Anna", "phone": "+7 (999) 000-00-01",
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    talk.house.order(body).await
}

async fn change(talk: &Talk, order: u64, status: &str) {
    talk.house.control(&format!("orders/{order}"), json!({ "status": status })).await;
}

/// All calls of the triggers were taken, well.
async fn called(talk: &Talk, times: usize) {
    for _ in 0..1000 {
        let told = talk.house.ask("triggers").await;
        let called = told["called"].as_array().map_or(&[][..], Vec::as_slice);
        if called.len() == times {
            assert!(called.iter().all(|call| call["status"] == 200), "{told:#}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the trigger was not called {times} times:\n{}", talk.house.log());
}

/// What the CRM's history has is read, and all of it is done.
async fn read(talk: &mut Talk) {
    talk.house.polled_of("shop").await;
    talk.house.ended().await;
}

/// The CRM's number of an order.
async fn number(talk: &Talk, order: u64) -> String {
    let ledger = talk.house.ledger().await;
    ledger.order(order)["number"].as_str().expect("a number").to_owned()
}

#[rstest]
#[case::as_a_form("post")]
#[case::as_plain_text("text")]
#[case::in_the_query("get")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_has_the_person_told_once(#[case] method: &str) {
    let mut talk = shop(Some(method), 1, "").await;
    let order = ordered(&talk, json!({})).await;
    called(&talk, 2).await;
    talk.house.ended().await;
    let number = number(&talk, order).await;
    // What the order does not say is empty.
    let told = |status: &str| format!("Anna, order {number}: {status}. Mail .");
    assert_eq!(talk.anna_got().await, [told("new")], "{}", talk.house.log());
    change(&talk, order, "delivering").await;
    called(&talk, 4).await;
    talk.house.ended().await;
    // The history has it too, and later polls read it again.
    read(&mut talk).await;
    read(&mut talk).await;
    assert_eq!(talk.anna_got().await, [told("new"), told("delivering")]);
    let shown = talk.conversation(WHATSAPP, &format!("{ANNA}@c.us")).await;
    let ours = |text: String| ("channel".to_owned(), text);
    assert_eq!(shown, [ours(told("new")), ours(told("delivering"))]);
    let counts = talk.house.counts().await;
    assert_eq!((counts.stuck, counts.unreadable), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_that_is_lost_is_made_good_by_the_history() {
    let mut talk = shop(None, 0, "").await;
    let order = ordered(&talk, json!({})).await;
    read(&mut talk).await;
    change(&talk, order, "delivering").await;
    read(&mut talk).await;
    let got = talk.anna_got().await;
    assert_eq!(got.len(), 2, "{got:?}\n{}", talk.house.log());
    assert!(got[1].contains("delivering"), "{got:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chosen_statuses_alone_are_told_and_one_that_came_back_is_told_again() {
    let settings = "statuses = [\"delivering\"]\nevents = [\"status\"]";
    let mut talk = shop(Some("post"), 0, settings).await;
    let order = ordered(&talk, json!({})).await;
    called(&talk, 1).await;
    talk.house.ended().await;
    assert!(talk.anna_got().await.is_empty());
    for (calls, status) in [(2, "delivering"), (3, "new"), (4, "delivering")] {
        talk.pass(5).await;
        change(&talk, order, status).await;
        called(&talk, calls).await;
        talk.house.ended().await;
    }
    let got = talk.anna_got().await;
    assert_eq!(got.len(), 2, "{got:?}\n{}", talk.house.log());
    assert!(got.iter().all(|text| text.contains("delivering")), "{got:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_sent_stands_in_the_chat_with_the_reason() {
    let mut talk = shop(Some("post"), 0, "").await;
    talk.house
        .control("chatapi", json!({ "refuse": { "text": "no such number", "next": 1 } }))
        .await;
    ordered(&talk, json!({})).await;
    called(&talk, 1).await;
    talk.house.ended().await;
    assert!(talk.anna_got().await.is_empty());
    let ledger = talk.house.ask("ledger?parts=conversations").await;
    let shown = ledger["conversations"].to_string();
    assert!(shown.contains("Не отправлено: Anna"), "{shown}");
    assert!(shown.contains("no such number"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_a_phone_and_a_call_without_an_order_reach_nobody() {
    let mut talk = shop(None, 0, "").await;
    let person = talk.house.customer(json!({ "firstName": "Boris" })).await;
    let body = json!({ "customer": { "id": person }, "status": "new", "phone": "" });
    talk.house.order(body).await;
    read(&mut talk).await;
    // Kept, and answered well: the CRM does not repeat. An empty status is none.
    let door = talk.house.url(&format!("/hooks/shop/{HOOK_SECRET}"));
    for (body, unreadable) in [
        ("type=order&status=&id=&event=status", 1),
        ("type=order&status=new&id=one&event=new", 2),
        ("type=order&status=&id=999&event=status", 2),
    ] {
        assert_eq!(talk.house.http_status(&format!("{door}?{body}")).await, 200, "{body}");
        talk.house.ended().await;
        assert_eq!(talk.house.counts().await.unreadable, unreadable, "{body}");
    }
    let ledger = talk.house.ask("ledger?parts=whatsapp").await;
    assert_eq!(ledger["whatsapp"], json!([]));
}
