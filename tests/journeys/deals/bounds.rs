//! The window of a deal's lead at its edges. Invariant: both edges belong to it, and twelve months
//! are those of the account's calendar.

use super::{FLOWS, house_at, is_not_found, lead, local, made, minutes, order_of, plan};
use crate::support::Plan;
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;

/// When a lead came, and whether it is linked.
type Lead = (&'static str, bool);

#[rstest]
#[case::a_year_of_365_days("2027-05-14 12:00:00", &[
    ("2026-05-15 12:00:00", true), // 364 days
    ("2026-05-14 12:00:01", true),
    ("2026-05-14 12:00:00", true), // 365 days
    ("2026-05-14 11:59:59", false),
    ("2026-05-13 12:00:00", false), // 366 days
])]
#[case::a_year_with_a_leap_day("2028-05-14 12:00:00", &[
    ("2027-05-16 12:00:00", true), // 364 days
    ("2027-05-15 12:00:00", true), // 365 days
    ("2027-05-14 12:00:00", true), // 366 days
    ("2027-05-14 11:59:59", false),
    ("2027-05-13 12:00:00", false), // 367 days
])]
// Half past midnight there is the day before in UTC.
#[case::on_a_leap_day("2028-02-29 00:30:00", &[
    ("2027-03-01 00:30:00", true), // 365 days
    ("2027-02-28 00:30:00", true), // 366 days
    ("2027-02-28 00:29:59", false),
    ("2027-02-27 00:30:00", false),
])]
#[case::behind_a_leap_day("2028-03-01 00:30:00", &[
    ("2027-03-02 00:30:00", true), // 365 days
    ("2027-03-01 00:30:00", true), // 366 days
    ("2027-03-01 00:29:59", false),
])]
#[case::a_year_behind_a_leap_day("2029-02-28 23:30:00", &[
    ("2028-02-29 23:30:00", true), // 365 days
    ("2028-02-28 23:30:00", true), // 366 days
    ("2028-02-28 23:29:59", false),
])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_count_from_twelve_months_before(#[case] order: &str, #[case] leads: &[Lead]) {
    let start = local(order) - minutes(5);
    let start = start.in_tz("Europe/Moscow").expect("a zone").datetime().to_string();
    let mut house = house_at(plan(), &start).await;
    let mut cells = Vec::new();
    for (index, (at, linked)) in leads.iter().enumerate() {
        for noun in ["call", "request"] {
            let phone = format!("7999{index:03}{:04}", noun.len());
            let lead = lead(&house, noun, &phone, local(at)).await;
            cells.push((phone, lead, *at, *linked));
        }
    }
    house.advance(local(order).duration_since(house.now()) + minutes(1)).await;
    let mut orders = Vec::new();
    for (phone, ..) in &cells {
        orders.push(order_of(&house, &[phone], json!({ "createdAt": order })).await);
    }
    let ledger = made(&mut house).await;
    for (order, (_, lead, at, linked)) in orders.into_iter().zip(&cells) {
        let said = format!("{lead} at {at}: {}\n{}", ledger.linked(order), house.log());
        assert_eq!(ledger.linked(order) == *lead, *linked, "{said}");
        assert_eq!(is_not_found(&ledger, order), !linked, "{said}");
    }
    ledger.assert_deals_once();
}

/// A deal that is made late sees the leads of an hour behind its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_count_until_an_hour_after() {
    let more = FLOWS.replacen("running = true", "running = true\ndelay = \"70m\"", 1);
    let mut house = house_at(Plan { more, ..plan() }, "2027-05-14 11:59:00").await;
    house.advance(local("2027-05-14 12:00:01").duration_since(house.now())).await;
    let order = json!({ "createdAt": "2027-05-14 12:00:00" });
    let cells = [
        ("2027-05-14 12:00:00", true),
        ("2027-05-14 12:59:59", true),
        ("2027-05-14 13:00:00", true),
        ("2027-05-14 13:00:01", false),
        ("2027-05-14 13:05:00", false),
    ];
    let mut orders = Vec::new();
    for index in 0..cells.len() {
        let phone = format!("7999000{index:04}");
        orders.push((order_of(&house, &[&phone], order.clone()).await, phone));
    }
    house.polled_of("shop").await;
    house.advance(local("2027-05-14 13:06:00").duration_since(house.now())).await;
    let mut leads = Vec::new();
    for ((_, phone), (at, _)) in orders.iter().zip(cells) {
        leads.push(lead(&house, "call", phone, local(at)).await);
    }
    assert!(house.ledger().await.deals().is_empty(), "seventy minutes are not over");
    house.advance(SignedDuration::from_mins(5)).await;
    house.settled().await;
    let ledger = house.ledger().await;
    for (((order, _), lead), (at, linked)) in orders.iter().zip(leads).zip(cells) {
        let said = format!("{lead} at {at}: {}\n{}", ledger.linked(*order), house.log());
        assert_eq!(ledger.linked(*order) == lead, linked, "{said}");
        assert_eq!(is_not_found(&ledger, *order), !linked, "{said}");
    }
    ledger.assert_deals_once();
}
