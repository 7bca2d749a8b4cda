//! WhatsApp behind ChatAPI. Invariant: a message is in the CRM once, however often and by whatever way
//! the gateway told of it, and each stands in its conversation.

use super::{ANNA, Desk, WHATSAPP, begin, conversation, heard, line, said, whatsapp, words};
use jiff::SignedDuration;
use serde_json::{Value, json};

const RECEIVED: &str = "message.received";
const GROUP: &str = "79990000009-1500000000@g.us";
const HIDDEN: &str = "100000000000001@lid";

fn from(phone: &str, text: &str) -> Value {
    json!({ "from": phone, "name": "Анна", "text": text })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_delivery_of_many_is_all_in_the_crm_once() {
    let mut house = Desk::default().open().await;
    let image = json!({ "name": "a.jpg", "mime": "image/jpeg", "size": 3000 });
    let paper = json!({ "name": "bill.pdf", "mime": "application/pdf", "size": 900_000 });
    let batch = json!({ "deliveries": 2, "messages": [
        { "from": ANNA, "name": "Анна", "text": "from the shop's phone", "own": true },
        from(ANNA, "one"),
        { "from": ANNA, "name": "Анна", "text": "look", "file": image },
        { "from": ANNA, "name": "Анна", "file": paper },
        { "from": HIDDEN, "name": "Ольга", "text": "no phone" },
        { "from": "79990000002", "name": "Пётр", "text": "to all", "group": GROUP },
        from(ANNA, "two"),
    ]});
    whatsapp(&house, batch).await;
    heard(&house, RECEIVED, 7).await;
    house.ended().await;
    let expected = [
        line("channel", "text", "from the shop's phone", 0),
        line("customer", "text", "one", 0),
        line("customer", "image", "look", 1),
        line("customer", "file", "", 1),
        line("customer", "text", "two", 0),
    ];
    let chat = format!("{ANNA}@c.us");
    assert_eq!(said(&house, WHATSAPP, &chat).await, expected);
    assert_eq!(said(&house, WHATSAPP, HIDDEN).await, [line("customer", "text", "no phone", 0)]);
    assert!(said(&house, WHATSAPP, GROUP).await.is_empty(), "groups are left out");
    let posts: Vec<Value> = conversation(&house, WHATSAPP, &chat).await;
    assert!(posts.iter().all(|one| one["posts"] == 1), "{posts:#?}");
    assert_eq!(
        (&posts[1]["person"], &posts[1]["customer"]["nickname"]),
        (&ANNA.into(), &"Анна".into())
    );
    // The poll brings the same, and nothing comes of it.
    house.polled_of(WHATSAPP).await;
    heard(&house, RECEIVED, 7).await;
    let counts = house.ended().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    assert_eq!(said(&house, WHATSAPP, &chat).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_who_write_at_once_are_several_and_one_who_does_is_one() {
    let mut house = Desk::default().open().await;
    let image = json!({ "name": "a.jpg", "mime": "image/jpeg", "size": 3000 });
    let part = |phone: &str| json!({ "from": phone, "name": "Анна", "file": image });
    let album = json!({ "apart": true, "messages": [
        part("79990000005"), part("79990000005"), part("79990000006"), part("79990000006"),
    ]});
    whatsapp(&house, album).await;
    heard(&house, RECEIVED, 4).await;
    house.ended().await;
    for phone in ["79990000005", "79990000006"] {
        let image = line("customer", "image", "", 1);
        let chat = format!("{phone}@c.us");
        assert_eq!(said(&house, WHATSAPP, &chat).await, [image.clone(), image]);
    }
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 2, "{:#}", ledger.0["customers"]);
    assert_eq!(ledger.0["duplicates"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_hook_told_is_found_by_its_number() {
    let mut house = Desk::default().open().await;
    whatsapp(&house, from(ANNA, "before")).await;
    house.polled_of(WHATSAPP).await;
    house.kill();
    // More than a page, of two people by turns; nobody is there to be told.
    let names = ["79990000003", "79990000004"];
    let lost: Vec<Value> = (0..130).map(|at| from(names[at % 2], &format!("lost {at}"))).collect();
    whatsapp(&house, json!({ "messages": lost, "drop": true })).await;
    house.advance(SignedDuration::from_hours(3)).await;
    house.run().await;
    heard(&house, RECEIVED, 131).await;
    whatsapp(&house, from(names[0], "after")).await;
    heard(&house, RECEIVED, 132).await;
    house.ended().await;
    for (turn, name) in names.iter().enumerate() {
        let of = (0..130).skip(turn).step_by(2);
        let mut expected: Vec<String> = of.map(|at| format!("lost {at}")).collect();
        if turn == 0 {
            expected.push("after".to_owned());
        }
        assert_eq!(words(&house, WHATSAPP, &format!("{name}@c.us")).await, expected);
    }
    assert_eq!(words(&house, WHATSAPP, &format!("{ANNA}@c.us")).await, ["before"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_jumps_has_the_list_read_at_once() {
    let mut house = Desk::default().open().await;
    // The first poll is over.
    house.polled_of(WHATSAPP).await;
    whatsapp(&house, from(ANNA, "one")).await;
    whatsapp(&house, json!({ "messages": [from(ANNA, "two")], "drop": true })).await;
    heard(&house, RECEIVED, 1).await;
    // The clock stands: no poll is due for minutes.
    whatsapp(&house, from("79990000002", "three")).await;
    heard(&house, RECEIVED, 3).await;
    house.ended().await;
    assert_eq!(words(&house, WHATSAPP, &format!("{ANNA}@c.us")).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_before_the_first_start_is_none_of_ours() {
    let mut house = Desk::default().build().await;
    whatsapp(&house, json!({ "messages": [from(ANNA, "long ago")], "drop": true })).await;
    house.advance(SignedDuration::from_secs(5)).await;
    begin(&mut house).await;
    house.polled_of(WHATSAPP).await;
    whatsapp(&house, from(ANNA, "now")).await;
    heard(&house, RECEIVED, 1).await;
    house.ended().await;
    assert_eq!(words(&house, WHATSAPP, &format!("{ANNA}@c.us")).await, ["now"]);
}

#[rstest::rstest]
#[case::swapped("swapped", &["sending", "sent", "seen"])]
#[case::doubled("doubled", &["sending", "sent", "seen"])]
#[case::failed("failed", &["sending", "sent", "failed"])]
#[case::none("none", &["sending", "sent"])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_go_forward_in_whatever_order_they_are_told(
    #[case] acks: &str,
    #[case] expected: &[&str],
) {
    let mut house = Desk::default().open().await;
    whatsapp(&house, from(ANNA, "one")).await;
    heard(&house, RECEIVED, 1).await;
    house.ended().await;
    house.control("chatapi", json!({ "acks": acks })).await;
    let chat = format!("{ANNA}@c.us");
    house.control("chats", json!({ "channel": WHATSAPP, "chat": chat, "text": "two" })).await;
    // Its echo is no message of anybody.
    heard(&house, RECEIVED, 2).await;
    let told = match acks {
        "none" => 0,
        "failed" => 1,
        _ => 2,
    };
    heard(&house, "delivery.changed", told).await;
    house.ended().await;
    let messages = conversation(&house, WHATSAPP, &chat).await;
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert_eq!(messages[1]["states"], json!(expected), "{:#}", messages[1]);
    let counts = house.counts().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
}
