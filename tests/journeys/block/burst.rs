//! Fifty tickets at once, at the CRM's real limit. Invariant: each is answered within its time, the CRM
//! is never asked too fast, and the leads of that moment are not late.

use super::{BUDGET, Body, Shown, client, person, plan, post_by, searches, ticket};
use crate::support::{House, Plan};
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::json;
use std::time::{Duration, Instant};

const TICKETS: usize = 50;
const LEADS: usize = 3;

fn phone(number: usize) -> String {
    format!("7999001{number:04}")
}

/// By one client, as one help desk is.
async fn ask(http: &reqwest::Client, house: &House, phone: &str) -> Shown {
    post_by(http, house, "helpdesk", Body::Json(ticket(&[phone], &[]))).await
}

/// The real limit on both sides; the search of this CRM is known to find parts of numbers.
async fn house() -> House {
    let plan = plan("");
    let shop = "phone_spellings = [\"{national}\"]".to_owned();
    let plan = Plan { pace: 10, limit: Some(10), leads: true, shop, ..plan };
    let house = House::start(plan).await;
    for number in 0..TICKETS {
        let phones = json!([{ "number": format!("+{}", phone(number)) }]);
        person(&house, json!({ "firstName": format!("No-{number}-"), "phones": phones }), 1).await;
    }
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_answered_in_time_and_no_lead_is_late() {
    let mut house = house().await;
    // One search has read what all need.
    let http = &client();
    ask(http, &house, &phone(0)).await.has("No-0-");
    for number in 0..LEADS {
        house.lead(json!({ "type": "call", "phone": format!("7999002{number:04}") })).await;
    }
    house.routed().await;
    house.advance(SignedDuration::from_secs(61)).await;
    let begun = Instant::now();
    let phones: Vec<String> = (0..TICKETS).map(phone).collect();
    let tickets = join_all(phones.iter().map(|phone| ask(http, &house, phone)));
    let leads = async {
        while house.ledger().await.made_orders().len() < LEADS {
            assert!(begun.elapsed() < Duration::from_secs(30), "no orders:\n{}", house.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        begun.elapsed()
    };
    let (seen, leads) = tokio::join!(tickets, leads);
    let mut at_once = 0;
    for (number, seen) in seen.iter().enumerate() {
        seen.within(BUDGET);
        let is_found = seen.html.contains(&format!("No-{number}-"));
        let is_told = seen.html.contains("Обновите блок");
        assert!(seen.status == 200 && (is_found != is_told), "{number}: {seen:?}");
        at_once += usize::from(is_found);
    }
    // At half of the rate, two requests each.
    assert!(at_once >= 2, "{at_once} were found at once");
    // Three leads are some fifteen requests, of which ten a second may be sent.
    assert!(leads < Duration::from_secs(8), "the leads took {leads:?}");
    // The searches go on; who refreshes sees them, without a search of their own.
    let home = &house;
    let mut waiting: Vec<usize> = (0..TICKETS).collect();
    while !waiting.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(90), "{waiting:?} are not found");
        let seen = join_all(waiting.iter().map(|number| async move {
            let phone = phone(*number);
            let shown = ask(http, home, &phone).await;
            (*number, shown.html.contains(&format!("No-{number}-")))
        }));
        waiting =
            seen.await.into_iter().filter(|(_, found)| !found).map(|(number, _)| number).collect();
    }
    let ledger = house.ledger().await;
    assert_eq!(
        ledger.0["retailcrm"]["refused"].as_u64().unwrap_or_default(),
        0,
        "{}",
        ledger.0["retailcrm"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_of_one_person_are_one_search() {
    let house = house().await;
    let asked = searches(&house).await;
    let spellings = ["+7 999 001-00-07", "89990010007", "79990010007"];
    let http = &client();
    let seen = join_all((0..TICKETS).map(|number| {
        let phone = spellings[number % spellings.len()];
        ask(http, &house, phone)
    }));
    for seen in seen.await {
        seen.within(BUDGET);
        seen.has("No-7-");
    }
    assert_eq!(searches(&house).await - asked, 2);
}
