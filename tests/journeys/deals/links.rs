//! Which lead a deal is linked to, of several, and what happens before it is said that there is
//! none. Invariant: a deal is linked once, so "not found" is never said on old news.

use super::{
    FLOWS, change, holds, is_not_found, lead, made, minutes, order_of, plan, read_and_wait, why,
};
use crate::support::ledger::{Ledger, text};
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn ago(house: &House, days: i64) -> Timestamp {
    house.now() - SignedDuration::from_hours(24 * days)
}

/// The types of the matching that a deal was made with.
fn matching(ledger: &Ledger, order: u64) -> Vec<String> {
    let list = ledger.deal(order)["matching"].as_array().into_iter().flatten();
    list.map(|entry| text(&entry["type"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nearest_counts_and_a_call_goes_before_a_nearer_request() {
    let mut house = super::house(plan()).await;
    let mut cells = Vec::new();
    // Of several calls the nearest, whichever phone of the customer it has.
    for days in [300, 3, 40] {
        lead(&house, "call", "79990000001", ago(&house, days)).await;
    }
    lead(&house, "call", "79990000011", ago(&house, 2)).await;
    let nearest = lead(&house, "call", "89990000012", ago(&house, 1)).await;
    let contacts = &["+7 999 000-00-01", "79990000011", "8 (999) 000-00-12"];
    cells.push((nearest, order_of(&house, contacts, json!({})).await));
    // A call of long ago, a request of just now (D3).
    let call = lead(&house, "call", "79990000002", ago(&house, 350)).await;
    lead(&house, "request", "79990000002", house.now() - minutes(1)).await;
    cells.push((call, order_of(&house, &["79990000002"], json!({})).await));
    // Requests by phone and by e-mail are one list.
    lead(&house, "request", "79990000003", ago(&house, 20)).await;
    let request = lead(&house, "request", "client3@example.test", ago(&house, 10)).await;
    let contacts = &["79990000003", "client3@example.test"];
    cells.push((request, order_of(&house, contacts, json!({})).await));
    // Contacts that the order alone has.
    let call = lead(&house, "call", "79990000004", ago(&house, 5)).await;
    cells.push((call, order_of(&house, &[], json!({ "phone": "8(999)000-00-04" })).await));
    let call = lead(&house, "call", "79990000005", ago(&house, 5)).await;
    let more = json!({ "additionalPhone": "9990000005" });
    cells.push((call, order_of(&house, &["79998887766"], more).await));
    let request = lead(&house, "request", "Client6@Example.test", ago(&house, 5)).await;
    let more = json!({ "email": "CLIENT6@example.test" });
    cells.push((request, order_of(&house, &["79998887755"], more).await));
    let ledger = made(&mut house).await;
    for (lead, order) in &cells {
        assert_eq!(ledger.linked(*order), *lead, "order {order}\n{}", house.log());
    }
    ledger.assert_deals_once();
    // A better lead comes, the phone of the customer changes, the status too: linked it stays (D6).
    let (first, order) = &cells[0];
    lead(&house, "call", "79990000001", house.now()).await;
    house.advance(SignedDuration::from_secs(61)).await;
    house.settled().await;
    change(&house, *order, json!({ "status": "delivering", "phone": "79990000002" })).await;
    read_and_wait(&mut house, minutes(31)).await;
    let ledger = house.ledger().await;
    assert_eq!(
        (ledger.linked(*order), &ledger.deal(*order)["updates"]),
        (first.clone(), &json!(1))
    );
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_never_linked_but_told() {
    let mut house = super::house(plan()).await;
    let chat = lead(&house, "chat", "79990000001", ago(&house, 1)).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    let ledger = made(&mut house).await;
    assert!(is_not_found(&ledger, order), "{:#}", ledger.deal(order));
    let told = why(&house, &format!("order:{order}"));
    holds(&told, &[&chat, "would have matched, but no chat is linked", "«Лид не найден»"]);
}

/// The lead that the order names in its fields counts, where the flow is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_marker_counts_where_it_is_asked_for() {
    for by_marker in [false, true] {
        let settings = "[flows.order-to-deal.settings]\nlink = \"marker\"\n";
        let more = if by_marker { format!("{FLOWS}{settings}") } else { FLOWS.to_owned() };
        let mut house = super::house(Plan { more, ..plan() }).await;
        let call = lead(&house, "call", "79990000001", ago(&house, 1)).await;
        let request = lead(&house, "request", "79995550000", ago(&house, 100)).await;
        let chat = lead(&house, "chat", "79995550000", ago(&house, 100)).await;
        let id = |lead: &str| lead.split(' ').next_back().unwrap_or_default().to_owned();
        let mut orders = Vec::new();
        for fields in [
            json!({ "calltouch_request_id": id(&request) }),
            json!({ "calltouch_chat_id": id(&chat) }),
            json!({}),
        ] {
            let more = json!({ "customFields": fields });
            orders.push(order_of(&house, &["79990000001"], more).await);
        }
        let ledger = made(&mut house).await;
        let linked: Vec<String> = orders.iter().map(|order| ledger.linked(*order)).collect();
        let wanted = if by_marker {
            [request, chat, call.clone()]
        } else {
            [call.clone(), call.clone(), call.clone()]
        };
        assert_eq!(linked, wanted, "by marker: {by_marker}\n{}", house.log());
        ledger.assert_deals_once();
    }
}

/// A lead whose webhook was lost stands in Calltouch's journal alone, which nobody has read since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_only_the_journal_knows_is_linked() {
    let mut house = super::house(plan()).await;
    house.advance(SignedDuration::from_hours(2)).await;
    let lost = async |noun: &str, contact: &str| {
        let field = if contact.contains('@') { "email" } else { "phone" };
        let sent = house.lead(json!({ "type": noun, field: contact, "drop": true })).await;
        format!("{noun} {}", text(&sent["lead"]["id"]))
    };
    let call = lost("call", "79990000001").await;
    let request = lost("request", "client2@example.test").await;
    // Calltouch does not answer: nobody says "not found" before it does.
    let down = |path: &str| json!({ "side": "calltouch", "fault": "error_500", "path": path });
    house.faults(json!([down("calls-diary"), down("requests")])).await;
    let of_call = order_of(&house, &["79990000001"], json!({})).await;
    let of_request = order_of(&house, &["client2@example.test"], json!({})).await;
    let of_nobody = order_of(&house, &["79990000003"], json!({})).await;
    house.polled_of("shop").await;
    house.advance(SignedDuration::from_secs(125)).await;
    house.calm().await;
    house.advance(SignedDuration::from_secs(30)).await;
    house.calm().await;
    let ledger = house.ledger().await;
    assert!(ledger.deals().is_empty(), "{}", house.log());
    house.faults(json!([])).await;
    let counts = house.ended().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.linked(of_call), call, "{}", house.log());
    assert_eq!(ledger.linked(of_request), request, "{}", house.log());
    assert!(is_not_found(&ledger, of_nobody));
    ledger.assert_deals_once();
}

/// Where our journal has gaps Calltouch looks by the contacts; where it has none, nobody need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calltouch_looks_itself_only_where_our_journal_has_gaps() {
    let mut house = super::house(plan()).await;
    // It never came to us: no webhook, and of a day that we never read.
    let far = json!({ "type": "request", "phone": "79990000001", "at": ago(&house, 90).to_string(),
        "drop": true });
    let far = text(&house.lead(far).await["lead"]["id"]);
    let of_far = order_of(&house, &["79990000001"], json!({})).await;
    let of_nobody = order_of(&house, &["79990000002", "client2@example.test"], json!({})).await;
    let of_mail = order_of(&house, &["client3@example.test"], json!({})).await;
    let ledger = made(&mut house).await;
    let (by_call, by_request, sources) = ("callContact", "requestContact", "customSources");
    assert_eq!(ledger.linked(of_far), format!("request {far}"), "{:#}", ledger.deal(of_far));
    assert_eq!(matching(&ledger, of_far), [by_call, by_request, sources]);
    assert_eq!(matching(&ledger, of_nobody), [by_call, by_request, sources]);
    assert_eq!(matching(&ledger, of_mail), [by_request, sources]);
    assert!(is_not_found(&ledger, of_nobody) && is_not_found(&ledger, of_mail));
    // The past is read; from now on we are certain, and link by id.
    let output = house.command(&["backfill", "leads", "--from", "370d", "--yes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = order_of(&house, &["79990000001"], json!({})).await;
    let of_nobody = order_of(&house, &["79990000002", "client2@example.test"], json!({})).await;
    let ledger = made(&mut house).await;
    assert_eq!(ledger.linked(again), format!("request {far}"));
    assert_eq!(matching(&ledger, again), ["request"]);
    assert!(is_not_found(&ledger, of_nobody), "{:#}", ledger.deal(of_nobody));
    assert_eq!(matching(&ledger, of_nobody), [sources], "{}", house.log());
    ledger.assert_deals_once();
    let asks: Vec<Value> = ledger.deals().iter().map(|deal| deal["updates"].clone()).collect();
    assert!(asks.iter().all(|updates| *updates == 0), "{asks:?}");
}
