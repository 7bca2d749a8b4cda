//! `leadlink backfill deals`: orders of the past become deals, linked to the leads of the past.

use super::{
    CREATE, ORDER, ORDERS, Running, UPDATE, ago, asked, begin, code, crowd, newest, plan, said,
    wait,
};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use jiff::civil::Date;
use leadlink::sandbox::ledger::{Ledger, OrderEntry};
use leadlink::store::BackfillState;
use serde_json::json;
use std::collections::BTreeMap;

/// Every order has one deal, made once, with the order's status, linked to the lead of its person.
#[track_caller]
pub fn assert_all_linked(ledger: &Ledger, orders: u64) {
    let mut complaints = Vec::new();
    let leads: BTreeMap<&str, (&str, u64)> = ledger
        .leads
        .iter()
        .map(|lead| (lead.phone.as_str(), (lead.kind.name(), lead.id)))
        .collect();
    for order in &ledger.orders {
        complaints
            .extend(judge(ledger, &leads, order).err().map(|why| format!("{}: {why}", order.id)));
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!((ledger.orders.len() as u64, ledger.deals.len() as u64), (orders, orders));
    assert_eq!(ledger.refused_deals.len(), 0, "{:?}", ledger.refused_deals);
}

fn judge(
    ledger: &Ledger,
    leads: &BTreeMap<&str, (&str, u64)>,
    order: &OrderEntry,
) -> Result<(), String> {
    let deal = ledger.deal(&order.id.to_string()).ok_or("no deal")?;
    let once = (deal.creations, deal.rematchings, deal.fields.status.as_str());
    if once != (1, 0, order.status.as_str()) {
        return Err(format!("made, linked anew, status: {once:?}; {}", order.status));
    }
    let phone = order.fields.get("phone").and_then(|phone| phone.as_str()).unwrap_or_default();
    let matched = deal.matched.as_ref().and_then(|matched| matched.lead.zip(matched.id));
    let wanted = leads.get(phone).copied();
    (matched == wanted).then_some(()).ok_or_else(|| format!("{matched:?}, not {wanted:?}"))
}

fn command<'a>(what: &'a str, days: &'a (String, String)) -> [&'a str; 7] {
    ["backfill", what, "--from", &days.0, "--to", &days.1, "--yes"]
}

fn text((first, last): (Date, Date)) -> (String, String) {
    (first.to_string(), last.to_string())
}

/// The journals of these days, and of the one before.
fn read_leads(house: &House, (first, last): (Date, Date)) {
    let days = text((first.yesterday().expect("a day"), last));
    let output = house.command(&command("leads", &days));
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_the_past_become_deals_from_the_list_pages() {
    let house = House::build(plan()).await;
    let (first, last) = (ago(4), ago(2));
    // 120 a day: two pages.
    crowd(&house, 360, (first, last));
    read_leads(&house, (first, last));
    let day = text((first, first));
    let output = house.command(&["backfill", "deals", "--from", &day.0, "--to", &day.1]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let told = said(&output);
    for word in ["1 days, 120 orders", "shop: about 2 requests", "calltouch-main: about 2 requests"]
    {
        assert!(told.contains(word), "{word}\n{told}");
    }
    assert_eq!(house.sandbox.ledger().deals.len(), 0);

    let before = house.sandbox.ledger();
    let output = house.command(&command("deals", &day));
    assert_eq!(code(&output), 0, "{}", said(&output));
    let after = house.sandbox.ledger();
    assert_eq!(after.deals.len(), 120);
    // One look for the estimate, two pages; nothing one by one. (A page grows old where a machine is
    // slow: then a hundred are read by their ids.)
    let spent = |line| asked(&after, line) - asked(&before, line);
    assert_eq!(spent(ORDER), 0, "{:?}", after.retailcrm);
    assert!((3..=9).contains(&spent(ORDERS)), "{:?}", after.retailcrm);
    // Many in one, however seldom a request waits at this pace; the bench shows whole hundreds.
    assert!((2..=60).contains(&spent(CREATE)), "{} requests", spent(CREATE));

    // The whole: what has a deal gets nothing.
    let (all, before) = (text((first, last)), after);
    let output = house.command(&command("deals", &all));
    assert_eq!(code(&output), 0, "{}", said(&output));
    let after = house.sandbox.ledger();
    assert_all_linked(&after, 360);
    let spent = |line| asked(&after, line) - asked(&before, line);
    assert_eq!((spent(ORDER), spent(UPDATE)), (0, 0), "{:?}", after.retailcrm);
    assert!((9..=18).contains(&spent(ORDERS)), "{:?}", after.retailcrm);
    assert!((3..=120).contains(&spent(CREATE)), "{} requests", spent(CREATE));
    assert!(after.deals.iter().all(|deal| deal.writes.len() == 1), "each was written once");

    // Again: nothing is sent.
    let output = house.command(&command("deals", &all));
    assert_eq!(code(&output), 0, "{}", said(&output));
    let again = house.sandbox.ledger();
    assert_eq!((asked(&again, CREATE), asked(&again, UPDATE)), (asked(&after, CREATE), 0));
    let left = house.counts().await;
    assert_eq!(left.waiting + left.deciding + left.unrouted + left.stuck, 0, "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_went_on_while_nobody_looked_is_brought_up_to_date_in_its_time() {
    let mut house = House::build(plan()).await;
    let (first, last) = (ago(3), ago(3));
    crowd(&house, 20, (first, last));
    read_leads(&house, (first, last));
    let days = text((first, last));
    assert_eq!(code(&house.command(&command("deals", &days))), 0);
    let id = house.sandbox.ledger().orders[3].id;
    let was = house.sandbox.ledger().orders[3].status.clone();
    let status = if was == "complete" { "no-call" } else { "complete" };
    let then = (house.now() - SignedDuration::from_hours(2)).to_zoned(super::zone());
    let then = then.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let edit = json!({ "status": status, "statusUpdatedAt": then, "history": false });
    house.control(&format!("orders/{id}"), edit).await;
    let late = house.sandbox.ledger().orders[4].id;
    let edit = json!({ "status": "assembling", "history": false });
    house.control(&format!("orders/{late}"), edit).await;
    let sum = house.sandbox.ledger().orders[5].id;
    house.control(&format!("orders/{sum}"), json!({ "history": false, "totalSumm": 7 })).await;
    assert_eq!(code(&house.command(&command("deals", &days))), 0);
    let updated = |house: &House| {
        let deals = house.sandbox.ledger().deals.into_iter().filter(|deal| deal.updates > 0);
        deals.map(|deal| (deal.number, deal.updates)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(updated(&house), [(id.to_string(), 1)].into());
    // Half an hour from the change, as ever; nobody waits for it at the command.
    assert_eq!(house.counts().await.waiting, 1);
    house.run().await;
    house.ended().await;
    assert_eq!(updated(&house), [(id.to_string(), 1), (late.to_string(), 1)].into());
    assert_all_linked(&house.sandbox.ledger(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_daemon_it_is_the_daemons_work_and_live_work_goes_on() {
    let mut house = House::start(Plan { shop: "poll_every = \"5s\"".to_owned(), ..plan() }).await;
    house.polled().await;
    let (first, last) = (ago(5), ago(3));
    crowd(&house, 180, (first, last));
    read_leads(&house, (first, last));
    let days = text((first, last));
    let watching = Running::start(&house, "deals", &command("deals", &days));
    let made = || house.sandbox.ledger().deals.len();
    wait(&house, "the first deals", || made() > 0).await;
    let person = house
        .customer(json!({ "firstName": "Живой", "phones": [{ "number": "79990000077" }] }))
        .await;
    let live = house.order(json!({ "customer": { "id": person }, "status": "new" })).await;
    // What is asked for is due at once; the clock stands.
    assert_eq!(watching.end().await, 0);
    assert_eq!(made(), 180);
    house.lead(json!({ "type": "call", "phone": "79990000077" })).await;
    house.advance(SignedDuration::from_secs(10)).await;
    house.until("the order's job", |counts| counts.waiting > 0).await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_deals_once();
    assert!(ledger.linked(live).starts_with("call "), "{:#}", ledger.deal(live));
    let row = newest(&house).await.expect("a row");
    assert_eq!((row.state, row.done), (BackfillState::Done, 180));
    // Nobody is told that live work waits for anything.
    let again = Running::start(&house, "again", &command("deals", &days));
    let told = || again.told();
    wait(&house, "the end", || told().contains("done: ")).await;
    assert_eq!(asked(&house.sandbox.ledger(), UPDATE), 0);
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_it_goes_on_and_makes_no_deal_twice() {
    let house = House::build(Plan { pace: 40, ..plan() }).await;
    let (first, last) = (ago(10), ago(1));
    crowd(&house, 500, (first, last));
    read_leads(&house, (first, last));
    let days = text((first, last));
    let mut lives = 0;
    for deals in [50, 150, 300] {
        let life = Running::start(&house, &format!("life-{deals}"), &command("deals", &days));
        wait(&house, "some deals", || house.sandbox.ledger().deals.len() >= deals).await;
        life.kill();
        lives += 1;
    }
    let output = house.command(&command("deals", &days));
    assert_eq!(code(&output), 0, "{}", said(&output));
    let ledger = house.sandbox.ledger();
    assert_all_linked(&ledger, 500);
    assert!(ledger.deals.iter().all(|deal| deal.updates == 0));
    let row = newest(&house).await.expect("a row");
    assert_eq!((row.id, row.done), (2, 500), "no order was listed twice: {row:?}");
    // Ten days of one page, read once for the estimate too; with each life the orders that were
    // being decided are read by their ids, many at a time (how many depends on the machine), and
    // pages that were on their way. One by one it would be hundreds.
    let (listed, single) = (asked(&ledger, ORDERS), asked(&ledger, ORDER));
    println!("{listed} lists, {single} single orders after {lives} kills");
    assert!((20..=20 + lives * 20).contains(&listed), "{listed} requests");
    assert_eq!(single, 0);
}

/// What our journal does not know, Calltouch looks for itself; what it knows it has not, is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_whole_journal_calltouch_looks_by_contact() {
    let house = House::build(plan()).await;
    let (first, last) = (ago(3), ago(2));
    crowd(&house, 30, (first, last));
    let stranger = house
        .customer(json!({ "firstName": "Нет", "phones": [{ "number": "79990000088" }] }))
        .await;
    let made = begin(last).to_zoned(super::zone()).strftime("%Y-%m-%d 12:00:00").to_string();
    let body = json!({ "customer": { "id": stranger }, "createdAt": made, "history": false });
    let order = house.order(body).await;
    let days = text((first, last));
    let output = house.command(&command("deals", &days));
    assert_eq!(code(&output), 0, "{}", said(&output));
    let ledger = house.ledger().await;
    assert_eq!(ledger.deals().len(), 31);
    ledger.assert_deals_once();
    let kinds = |order| {
        let sent = ledger.deal(order)["matching"].as_array().cloned().unwrap_or_default();
        sent.iter().filter_map(|one| one["type"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(order), ["callContact", "requestContact", "customSources"]);
    assert_eq!(ledger.deal(order)["matched"]["source"], "Лид не найден");
    let linked = ledger.deals().iter().filter(|deal| !deal["matched"]["lead"].is_null()).count();
    assert_eq!(linked, 30, "Calltouch found them by contact");
}
