//! What `leadlink why` tells of a deal. Invariant: a person reads from it which leads there were,
//! which rule chose, what would have matched, and when the deal is written next.

use super::{change, holds, lead, made, minutes, order_of, plan, read_and_wait, why};
use jiff::SignedDuration;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_tells_of_the_leads_and_of_the_next_update() {
    let mut house = super::house(plan()).await;
    let ago = |days: i64| house.now() - SignedDuration::from_hours(24 * days);
    let too_old = lead(&house, "call", "79990000001", ago(370)).await;
    let farther = lead(&house, "call", "79990000001", ago(30)).await;
    let linked = lead(&house, "call", "79990000001", house.now() - minutes(45)).await;
    let request = lead(&house, "request", "79990000001", house.now() - minutes(5)).await;
    let chat = lead(&house, "chat", "79990000001", house.now() - minutes(3)).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    house.polled_of("shop").await;
    let told = why(&house, &format!("order:{order}"));
    holds(&told, &["order-to-deal: waiting"]);
    let ledger = made(&mut house).await;
    assert_eq!(ledger.linked(order), linked);
    let calltouch_id = ledger.deal(order)["id"].to_string();
    let number = ledger.order(order)["number"].as_str().expect("a number").to_owned();
    // By the order, by the deal, by either's number.
    for name in [format!("order:{order}"), format!("deal:{order}"), order.to_string(), number] {
        let told = why(&house, &name);
        holds(
            &told,
            &[
                &format!("deal {order} in calltouch-main"),
                &format!("calltouch_id: {calltouch_id}"),
                "status: new",
                "nothing waits to be written",
                "leads that may be linked: from ",
            ],
        );
        for (lead, said) in [
            (&linked, "linked, the nearest call"),
            (&farther, "30 days before the order, "),
            (&farther, "farther from the order"),
            (&too_old, "too old"),
            (&request, "would have matched, but a call goes first"),
            (&chat, "would have matched, but a call goes first"),
        ] {
            let line = told.lines().find(|line| {
                line.contains(&format!("{lead}: ")) || line.contains(&format!("{lead}, "))
            });
            let line = line.unwrap_or_else(|| panic!("no line of {lead} in\n{told}"));
            assert!(line.contains(said), "`{said}` of {lead}: {line}\n{told}");
        }
        assert!(!told.contains("+79990000001: "), "contacts are shortened: {told}");
    }
    // When its next update is due, to the minute that the job stands for.
    change(&house, order, json!({ "status": "delivering" })).await;
    house.polled_of("shop").await;
    let due = house
        .sql("select cast(due as text) from job where state = 'waiting' and flow = 'deal-update'")
        .await;
    let due: i64 = due[0].parse().expect("a time");
    let due = jiff::Timestamp::from_millisecond(due).expect("a time");
    let due = due.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let told = why(&house, &format!("order:{order}"));
    holds(&told, &[&format!("next: deal-update decides at {due}")]);
    read_and_wait(&mut house, minutes(31)).await;
    let told = why(&house, &order.to_string());
    holds(&told, &["status: delivering", "nothing waits to be written", "deal.update"]);
}
