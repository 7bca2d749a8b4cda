//! Conversations on WhatsApp through ChatAPI, with a flow that answers whatever comes. Invariant:
//! nobody gets an answer twice, and whoever may have got one is on a person's list.

use crate::support::{HOOK_SECRET, House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};

const ANNA: &str = "79990000001";

const ECHO: &str = r#"
[flow]
name = "echo"
on   = { from = "chat", event = "message.received", when = "not event.own" }
lane = ["{{ event.chat }}"]
[[step]]
name = "send"
do   = "chat.message.send"
with = { chat = "{{ event.chat }}", text = "Re: {{ event.text }}", mark = "{{ event.id }}" }
[[case]]
name   = "whatever comes is answered"
event  = { id = "1", chat = "2@c.us", text = "hi", own = false }
expect = { steps = ["send"] }
"#;

async fn house() -> House {
    let mut house = House::build(Plan::default()).await;
    let folder = house.dir.path().join("flows");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("echo.toml"), ECHO).expect("written");
    let text = std::fs::read_to_string(house.config()).expect("the config");
    let (head, _) = text.split_once("[mappings]").expect("a head");
    let (url, token) = (house.sandbox.chatapi_url(), house.sandbox.chatapi_token());
    let (dir, instance) = (folder.display(), house.sandbox.chatapi_instance());
    let port = house.port;
    let text = format!(
        r#"{head}
[mappings]
dir = "{dir}"
[roles]
chat = "whatsapp-main"
[connections.whatsapp-main]
connector = "chatapi"
name = "WhatsApp, main number"
url = "{url}"
instance = "{instance}"
token = "{token}"
hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
requests_per_second = 1000
[flows.echo]
running = true
"#
    );
    std::fs::write(house.config(), text).expect("written");
    let done = house.command(&["setup"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house
}

async fn write(house: &House, body: Value) {
    house.control("chatapi/messages", body).await;
}

/// What was sent to a person.
async fn got(house: &House, phone: &str) -> Vec<String> {
    let ledger = house.ask("ledger?parts=whatsapp").await;
    let messages = ledger["whatsapp"].as_array().expect("messages").clone();
    let to = format!("{phone}@c.us");
    let ours = messages.iter().filter(|one| one["by_api"] == true && one["chat"] == to.as_str());
    ours.map(|one| one["body"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_answered_once_in_its_order() {
    let mut house = house().await;
    let said = |text: &str| json!({ "from": ANNA, "name": "Анна", "text": text });
    let own = json!({ "from": ANNA, "text": "from the phone", "own": true });
    let batch = json!({ "messages": [own, said("one"), said("two")], "deliveries": 2 });
    write(&house, batch).await;
    write(&house, json!({ "messages": [said("lost")], "drop": true })).await;
    house.polled_of("whatsapp-main").await;
    write(&house, json!([{ "from": "100000000000001@lid", "text": "no phone" }])).await;
    house.ended().await;
    assert_eq!(got(&house, ANNA).await, ["Re: one", "Re: two", "Re: lost"]);
    let counts = house.counts().await;
    assert_eq!((counts.acted, counts.stuck), (4, 0), "{counts:?}");
    // Acks come on the side.
    let states = "select cast(count(*) as text) from event where kind = 'delivery.changed'";
    for _ in 0..500 {
        if house.sql(states).await == ["8"] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(house.sql(states).await, ["8"], "delivered and viewed of each answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_found_and_one_without_a_trace_waits_for_a_person() {
    let mut house = house().await;
    let fault = |fault: &str| json!([{ "side": "chatapi", "fault": fault, "next": 1, "path": "sendMessage" }]);
    house.faults(fault("lost_answer")).await;
    write(&house, json!({ "from": ANNA, "text": "one" })).await;
    house.ended().await;
    assert_eq!(got(&house, ANNA).await, ["Re: one"]);
    assert_eq!(house.counts().await.acted, 1);

    house.faults(fault("error_500")).await;
    write(&house, json!({ "from": ANNA, "text": "two" })).await;
    house.ended().await;
    assert_eq!(got(&house, ANNA).await, ["Re: one"]);
    let counts = house.counts().await;
    assert_eq!((counts.acted, counts.stuck), (1, 1), "{counts:?}");
    let why = "select why from job where state = 'stuck'";
    assert!(house.sql(why).await[0].contains("left no trace"), "{:?}", house.sql(why).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_the_queue_of_a_gateway_that_is_logged_out() {
    let mut house = house().await;
    house.control("chatapi", json!({ "status": "got qr code" })).await;
    write(&house, json!({ "from": ANNA, "text": "one" })).await;
    house.settled().await;
    let shown = house.ask("chatapi").await;
    assert_eq!(shown["queue"], json!([]), "nothing is handed over");
    house.control("chatapi", json!({ "status": "authenticated" })).await;
    house.ended().await;
    assert_eq!(got(&house, ANNA).await, ["Re: one"]);
}
