//! Dialogs of the CRM's chats: watched, given to managers and closed in time, where somebody starts
//! the flows. Invariant: where a bot hands dialogs out nothing is closed from here.

use crate::support::{HOOK_SECRET, House, Plan, free_port};
use jiff::SignedDuration;
use serde_json::{Value, json};

const CHAT: &str = "4711";

/// A shop whose chats have one messenger, which nobody answers.
async fn house(flows: &str) -> House {
    let port = free_port();
    let shop = format!(
        "hook_secret = \"{HOOK_SECRET}\"\npublic = \"http://127.0.0.1:{port}\"\npoll_every = \"60s\"\n\
         [connections.shop.channels.whatsapp-main]\nsite = \"main\"\nname = \"Our phone\"\n"
    );
    let plan = Plan { shop, port: Some(port), setup: false, leads: false, ..Plan::default() };
    let mut house = House::build(plan).await;
    let (url, token) = (house.sandbox.chatapi_url(), house.sandbox.chatapi_token());
    let instance = house.sandbox.chatapi_instance();
    let more = format!(
        "[connections.whatsapp-main]\nconnector = \"chatapi\"\nname = \"WhatsApp, main number\"\n\
         url = \"{url}\"\ninstance = \"{instance}\"\ntoken = \"{token}\"\n\
         hook_secret = \"{HOOK_SECRET}\"\npublic = \"http://127.0.0.1:{port}\"\n{flows}"
    );
    let text = std::fs::read_to_string(house.config()).expect("the config");
    std::fs::write(house.config(), text + more.as_str()).expect("written");
    let done = house.command(&["setup"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house
}

/// A manager writes first; that opens a dialog.
async fn write(house: &House, chat: &str) {
    let body = json!({ "channel": "whatsapp-main", "chat": chat, "person": chat, "text": "Да?" });
    house.control("chats", body).await;
}

async fn act(house: &House, act: &str) {
    let body = json!({ "channel": "whatsapp-main", "chat": CHAT, "act": act, "user": 1 });
    house.control("chats/dialogs", body).await;
}

/// Lets time pass, an hour at a time, as polls would go on meanwhile.
async fn pass(house: &mut House, hours: i64) {
    house.advance(SignedDuration::from_hours(hours)).await;
    house.polled_of("shop").await;
    house.settled().await;
}

async fn dialogs(house: &House) -> Vec<Value> {
    let ledger = house.ledger().await;
    ledger.0["dialogs"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managers_dialog_is_closed_a_day_after_its_last_message() {
    let mut house = house("[flows.dialog-close]\nrunning = true\n").await;
    write(&house, CHAT).await;
    act(&house, "assign").await;
    house.polled_of("shop").await;
    pass(&mut house, 20).await;
    write(&house, CHAT).await;
    // A day after it was taken: the message of four hours ago puts it off.
    pass(&mut house, 5).await;
    assert_eq!(dialogs(&house).await[0]["closes"], 0);
    pass(&mut house, 20).await;
    let held = dialogs(&house).await;
    assert_eq!((held.len(), &held[0]["closes"]), (1, &json!(1)), "{held:?}\n{}", house.log());
    // What is said then is another dialog (RC-6); where a bot hands them out it stays open (RC-4).
    write(&house, CHAT).await;
    act(&house, "assign").await;
    house.control("chats/dialogs", json!({ "distributor": true })).await;
    house.polled_of("shop").await;
    pass(&mut house, 25).await;
    let held = dialogs(&house).await;
    assert_eq!((held.len(), &held[1]["closes"]), (2, &json!(0)), "{held:?}");
    // It is shown what was done, and why not.
    let told = house.command(&["why", "dialog:2"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("distributed"), "{told}");
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_dialogs_go_to_managers_in_turn_and_nobodys_end_after_a_month() {
    let flows = "[flows.dialog-assign]\nrunning = true\nsettings = { managers = [\"1\", \"2\"] }\n\
        [flows.dialog-end]\nrunning = true\n";
    let mut house = house(flows).await;
    for chat in ["4711", "4712"] {
        write(&house, chat).await;
    }
    house.polled_of("shop").await;
    house.advance(SignedDuration::from_secs(6)).await;
    house.settled().await;
    let held = dialogs(&house).await;
    let whose: Vec<&Value> = held.iter().map(|held| &held["responsible"]["external_id"]).collect();
    assert_eq!(whose, [&json!("2"), &json!("1")], "{}", house.log());
    act(&house, "unassign").await;
    pass(&mut house, 24 * 27).await;
    assert_eq!(dialogs(&house).await[0]["closes"], 0);
    pass(&mut house, 24 * 5).await;
    let held = dialogs(&house).await;
    let closes: Vec<&Value> = held.iter().map(|held| &held["closes"]).collect();
    assert_eq!(closes, [&json!(1), &json!(0)], "{held:?}\n{}", house.log());
    house.assert_replays_the_same();
}
