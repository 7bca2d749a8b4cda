//! Every kind of order × everything that happens to it. Invariant: each test is a column that all
//! kinds go through in one house; every cell is judged for itself.

use super::{
    change, is_not_found, lead, lead_flows_run, minutes, order_of, plan, read_and_wait, stale, time,
};
use crate::support::ledger::Ledger;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Where the lead of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    CallInRange,
    CallTooOldRequestInRange,
    RequestByPhone,
    RequestByEmail,
    Nothing,
    NoContacts,
    OurOwn,
}

pub const KINDS: [Kind; 7] = [
    Kind::CallInRange,
    Kind::CallTooOldRequestInRange,
    Kind::RequestByPhone,
    Kind::RequestByEmail,
    Kind::Nothing,
    Kind::NoContacts,
    Kind::OurOwn,
];

/// One row: an order, and what its deal must be linked to; `None`: to nothing.
pub struct Row {
    pub kind: Kind,
    pub order: u64,
    pub lead: Option<String>,
}

/// A house with an order of each kind, which the daemon has not read yet.
pub struct Shop {
    pub house: House,
    pub rows: Vec<Row>,
}

impl Shop {
    pub async fn open(plan: Plan) -> Self {
        let house = super::house(plan).await;
        let mut shop = Self { house, rows: Vec::new() };
        let mut people = Vec::new();
        for (index, kind) in KINDS.into_iter().enumerate() {
            if kind == Kind::OurOwn {
                shop.house.routed().await;
                lead_flows_run(&shop.house);
            }
            people.push(shop.person(kind, index).await);
        }
        shop.house.advance(SignedDuration::from_secs(61)).await;
        shop.house.settled().await;
        let ours = shop.house.ledger().await;
        for (kind, (contacts, lead)) in KINDS.into_iter().zip(people) {
            let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
            let order = if kind == Kind::OurOwn {
                ours.assert_one_of_each();
                ours.made_orders()[0]["id"].as_u64().expect("an id")
            } else {
                order_of(&shop.house, &contacts, json!({})).await
            };
            shop.rows.push(Row { kind, order, lead });
        }
        shop
    }

    /// The leads of a person: contacts of the customer, and the lead that is to be linked.
    async fn person(&self, kind: Kind, index: usize) -> (Vec<String>, Option<String>) {
        let house = &self.house;
        let (phone, email) = (format!("7999000{index:04}"), format!("client{index}@example.test"));
        let typed = format!("+7 (999) 000-{:02}-{:02}", index / 100, index % 100);
        let days = |days: i64| house.now() - SignedDuration::from_hours(24 * days);
        match kind {
            Kind::CallInRange => {
                let lead = lead(house, "call", &phone, days(300)).await;
                (vec![typed, email], Some(lead))
            }
            Kind::CallTooOldRequestInRange => {
                lead(house, "call", &phone, days(368)).await;
                let lead = lead(house, "request", &phone, days(200)).await;
                (vec![typed], Some(lead))
            }
            Kind::RequestByPhone => {
                let lead = lead(house, "request", &phone, days(2)).await;
                (vec![typed, email], Some(lead))
            }
            Kind::RequestByEmail => {
                let lead = lead(house, "request", &email, days(30)).await;
                (vec![typed, email], Some(lead))
            }
            Kind::Nothing => {
                lead(house, "call", "79991112233", days(1)).await;
                (vec![typed, email], None)
            }
            Kind::NoContacts => (Vec::new(), None),
            Kind::OurOwn => {
                let lead = lead(house, "call", &phone, house.now()).await;
                (Vec::new(), Some(lead))
            }
        }
    }

    /// A person changes every order.
    pub async fn change_all(&self, body: Value) {
        for row in &self.rows {
            change(&self.house, row.order, body.clone()).await;
        }
    }

    pub async fn wait(&mut self, wait: SignedDuration) {
        read_and_wait(&mut self.house, wait).await;
    }

    /// All orders have their deals.
    pub async fn made(plan: Plan) -> Self {
        let mut shop = Self::open(plan).await;
        shop.wait(SignedDuration::from_secs(125)).await;
        shop.judge("made", &Wanted::default()).await;
        shop
    }

    /// Judges every cell; there are no other deals.
    pub async fn judge(&self, when: &str, wanted: &Wanted) -> Ledger {
        self.judge_beside(when, wanted, 0).await
    }

    /// Judges every cell; there are so many other deals.
    pub async fn judge_beside(&self, when: &str, wanted: &Wanted, others: usize) -> Ledger {
        let ledger = self.house.ledger().await;
        let mut report = String::new();
        for row in &self.rows {
            let complaints = row.complaints(&ledger, wanted);
            if !complaints.is_empty() {
                let complaints = complaints.join("\n  ");
                report.push_str(&format!(
                    "\n{when}: {:?} ({}):\n  {complaints}",
                    row.kind, row.order
                ));
            }
        }
        assert!(report.is_empty(), "{report}\n{}", self.house.log());
        assert_eq!(ledger.deals().len(), self.rows.len() + others, "{when}: deals of no order");
        ledger
    }
}

/// What every deal must be like.
#[derive(Default)]
pub struct Wanted {
    pub updates: u64,
    /// The order has changed since in a way that is not sent.
    pub stale: bool,
    /// The statuses that the deal has had; not judged where empty.
    pub statuses: &'static [&'static str],
}

impl Row {
    fn complaints(&self, ledger: &Ledger, wanted: &Wanted) -> Vec<String> {
        let Some(deal) = ledger.find_deal(self.order) else {
            return vec!["has no deal".to_owned()];
        };
        let mut complaints = Vec::new();
        let counted = [("creations", 1), ("rematchings", 0), ("updates", wanted.updates)];
        for (name, count) in counted {
            if deal[name] != count {
                complaints.push(format!("{} {name}, not {count}", deal[name]));
            }
        }
        match &self.lead {
            Some(lead) if ledger.linked(self.order) != *lead => {
                complaints.push(format!("linked to {}, not {lead}", ledger.linked(self.order)));
            }
            None if !is_not_found(ledger, self.order) => {
                complaints.push(format!("linked to something: {}", deal["matched"]));
            }
            _ => {}
        }
        let differs = stale(ledger, self.order);
        if differs.is_empty() == wanted.stale {
            complaints.push(format!("stale is to be {}: {differs:?}", wanted.stale));
        }
        let statuses = deal["statuses"].as_array().into_iter().flatten();
        let statuses: Vec<&Value> = statuses.map(|one| &one["status"]).collect();
        if !wanted.statuses.is_empty() && statuses != wanted.statuses {
            complaints.push(format!("statuses {statuses:?}"));
        }
        let writes = deal["writes"].as_array().into_iter().flatten();
        for write in writes.filter(|write| write["kind"] == "create") {
            let age = time(&write["at"]).duration_since(time(&deal["order_date"]));
            // An order's time is cut to the second.
            if age < minutes(2) {
                complaints.push(format!("made {age:#} after the order"));
            }
        }
        complaints
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_becomes_a_deal_two_minutes_later() {
    let mut shop = Shop::open(plan()).await;
    shop.wait(SignedDuration::from_secs(60)).await;
    let ledger = shop.house.ledger().await;
    assert!(ledger.deals().is_empty(), "{:#}", ledger.0["deals"]);
    shop.wait(SignedDuration::from_secs(65)).await;
    let ledger = shop.judge("made", &Wanted { statuses: &["new"], ..Wanted::default() }).await;
    ledger.assert_deals_once();
    // Nothing more comes of it, however often the history is read.
    shop.wait(SignedDuration::from_hours(3)).await;
    shop.wait(SignedDuration::from_hours(30)).await;
    shop.judge("a day later", &Wanted::default()).await.assert_deals_once();
    shop.house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sum_that_changes_alone_is_sent_with_the_next_status() {
    let mut shop = Shop::made(plan()).await;
    shop.change_all(json!({ "totalSumm": "2000" })).await;
    shop.wait(SignedDuration::from_hours(3)).await;
    let before = Wanted { stale: true, statuses: &["new"], ..Wanted::default() };
    shop.judge("the sum changed", &before).await;
    shop.change_all(json!({ "items": [{ "initialPrice": 10, "quantity": 3 }] })).await;
    shop.wait(SignedDuration::from_hours(3)).await;
    shop.judge("the items changed", &before).await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(31)).await;
    let after = Wanted { updates: 1, statuses: &["new", "delivering"], ..Wanted::default() };
    shop.judge("the status changed", &after).await.assert_deals_once();
    shop.house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_sent_once_half_an_hour_after_it_changed() {
    let mut shop = Shop::made(plan()).await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(28)).await;
    shop.judge("before", &Wanted { stale: true, ..Wanted::default() }).await;
    // What changes meanwhile goes with it.
    shop.change_all(json!({ "totalSumm": "77.7" })).await;
    shop.wait(SignedDuration::from_secs(125)).await;
    let after = Wanted { updates: 1, statuses: &["new", "delivering"], ..Wanted::default() };
    let ledger = shop.judge("after", &after).await;
    for row in &shop.rows {
        let (deal, changed) = (ledger.deal(row.order), &ledger.order(row.order)["status_at"]);
        let sent = deal["writes"].as_array().and_then(|all| all.last()).expect("a write");
        let age = time(&sent["at"]).duration_since(time(changed));
        assert!(age >= minutes(30) && age < minutes(32), "{:?}: {age:#}", row.kind);
        assert!(sent["sent"]["reMatching"].is_null(), "{sent:#}");
    }
    shop.wait(SignedDuration::from_hours(5)).await;
    shop.judge("much later", &after).await.assert_deals_once();
    shop.house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_changes_are_one_update_half_an_hour_after_the_second() {
    let mut shop = Shop::made(plan()).await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(20)).await;
    shop.change_all(json!({ "status": "complete", "totalSumm": "3000" })).await;
    shop.wait(minutes(28)).await;
    let before = Wanted { stale: true, statuses: &["new"], ..Wanted::default() };
    shop.judge("before", &before).await;
    shop.wait(SignedDuration::from_secs(125)).await;
    let after = Wanted { updates: 1, statuses: &["new", "complete"], ..Wanted::default() };
    shop.judge("after", &after).await;
    shop.wait(SignedDuration::from_hours(5)).await;
    shop.judge("much later", &after).await.assert_deals_once();
    shop.house.assert_replays_the_same();
}

/// The second change is not heard of when the first is due: what is read then tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_change_that_was_not_heard_of_counts_too() {
    let mut shop = Shop::made(plan()).await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(20)).await;
    shop.change_all(json!({ "status": "complete" })).await;
    // Nobody reads the history.
    shop.house.advance(minutes(15)).await;
    shop.house.settled().await;
    let before = Wanted { stale: true, statuses: &["new"], ..Wanted::default() };
    shop.judge("the first is due", &before).await;
    shop.house.advance(minutes(16)).await;
    shop.house.settled().await;
    let after = Wanted { updates: 1, statuses: &["new", "complete"], ..Wanted::default() };
    shop.judge("after", &after).await;
    shop.wait(SignedDuration::from_hours(5)).await;
    shop.judge("heard of at last", &after).await.assert_deals_once();
    shop.house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_without_end_are_sent_two_hours_after_the_first() {
    let mut shop = Shop::made(plan()).await;
    // 0, 25, 50, 75 and 100 minutes.
    for status in ["delivering", "no-call", "delivering", "no-call", "complete"] {
        shop.change_all(json!({ "status": status })).await;
        let wait = if status == "complete" { minutes(18) } else { minutes(25) };
        shop.wait(wait).await;
        let before = Wanted { stale: true, statuses: &["new"], ..Wanted::default() };
        shop.judge(status, &before).await;
    }
    shop.wait(minutes(3)).await;
    let after = Wanted { updates: 1, statuses: &["new", "complete"], ..Wanted::default() };
    shop.judge("two hours later", &after).await;
    shop.wait(SignedDuration::from_hours(5)).await;
    shop.judge("much later", &after).await.assert_deals_once();
    // A new change has two hours of its own.
    shop.change_all(json!({ "status": "new" })).await;
    shop.wait(minutes(31)).await;
    let last = Wanted { updates: 2, statuses: &["new", "complete", "new"], ..Wanted::default() };
    shop.judge("the next change", &last).await;
    shop.house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_is_a_change() {
    let mut shop = Shop::made(plan()).await;
    let before = shop.house.ledger().await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(10)).await;
    shop.change_all(json!({ "status": "new", "totalSumm": "5" })).await;
    shop.wait(minutes(31)).await;
    let after = Wanted { updates: 1, statuses: &["new", "new"], ..Wanted::default() };
    let ledger = shop.judge("after", &after).await;
    for row in &shop.rows {
        let moved = |ledger: &Ledger| time(&ledger.deal(row.order)["status_date"]);
        assert!(moved(&ledger) >= moved(&before) + minutes(10), "{:?}", row.kind);
    }
    shop.wait(SignedDuration::from_hours(5)).await;
    shop.judge("much later", &after).await.assert_deals_once();
    shop.house.assert_replays_the_same();
}
