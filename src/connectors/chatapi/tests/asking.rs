//! Polling, checks and the set-up.

use super::*;
use crate::diagnosis::has_errors;

fn message(number: i64, time: i64) -> Value {
    json!({ "id": format!("false_1@c.us_{number}"), "body": "x", "type": "chat", "time": time,
        "chatId": "1@c.us", "messageNumber": number })
}

async fn page(own: &ChatApi, cursor: Option<Value>) -> Page {
    let first_start = now();
    let poll = Poll { feed: "messages", cursor: cursor.as_ref(), first_start, now: now() };
    own.poll(&poll).await.expect("a page")
}

#[tokio::test]
async fn a_list_is_read_by_number_to_its_end() {
    let time = now().as_second();
    let double = Double::start(move |heard| {
        let after: i64 =
            heard.query.get("lastMessageNumber").map_or(0, |n| n.parse().expect("a number"));
        let newest = 250;
        let numbers = (after + 1)..=(after + 100).min(newest);
        let messages: Vec<Value> = numbers.map(|number| message(number, time)).collect();
        let last =
            messages.last().map_or(after, |last| last["messageNumber"].as_i64().expect("one"));
        (200, json!({ "messages": messages, "lastMessageNumber": last }).to_string())
    })
    .await;
    let own = connection(&double.url);
    let mut cursor = json!({ "number": 0 });
    let mut counts = Vec::new();
    loop {
        let page = page(&own, Some(cursor.clone())).await;
        counts.push(page.rows.len());
        cursor = page.cursor.unwrap_or(cursor);
        if !page.more {
            break;
        }
    }
    assert_eq!(counts, [100, 100, 50]);
    assert_eq!(cursor, json!({ "number": 250 }));
    let nothing = page(&own, Some(cursor)).await;
    assert!(nothing.rows.is_empty() && nothing.cursor.is_none() && !nothing.more);
}

#[tokio::test]
async fn at_first_only_what_is_of_our_time_is_taken() {
    let time = now().as_second();
    let double = Double::start(move |heard| {
        assert!(heard.query.contains_key("last") || heard.query["lastMessageNumber"] == "900");
        let all = [message(7, time - 60), message(8, time + 1)];
        let messages = if heard.query.contains_key("last") { &all[..] } else { &[] };
        (200, json!({ "messages": messages, "lastMessageNumber": 8 }).to_string())
    })
    .await;
    let own = connection(&double.url);
    for cursor in [None, Some(json!({ "number": 900 }))] {
        let page = page(&own, cursor).await;
        let keys: Vec<&str> = page.rows.iter().map(|row| row.dedupe_key.as_str()).collect();
        assert_eq!(keys, ["message:false_1@c.us_8"]);
        assert_eq!(page.cursor, Some(json!({ "number": 8 })));
    }
}

#[tokio::test]
async fn the_set_up_enters_our_hook_and_shows_no_secret() {
    let double = Double::start(|heard| match heard.path.rsplit('/').next() {
        Some("status") => fine(),
        _ => (200, json!({ "set": true, "webhookUrl": "https://other.test/" }).to_string()),
    })
    .await;
    let own = connection(&double.url);
    let problems = own.check().await;
    assert!(!has_errors(&problems) && problems[0].title.contains("another hook"), "{problems:?}");
    let done = own.setup().await.expect("done");
    assert!(!done.concat().contains("0123456789abcdef"), "{done:?}");
    let hook = "https://leadlink.example.test/hooks/whatsapp-main/0123456789abcdef";
    assert_eq!(double.of("webhook").last().expect("a request").json()["webhookUrl"], hook);
    let settings = double.of("settings")[0].json();
    assert_eq!(
        (&settings["webhookUrl"], &settings["ackNotificationsOn"]),
        (&json!(hook), &json!(true))
    );

    let own = connection_of(&toml(&double.url).replace("public", "# public"));
    assert!(own.setup().await.is_err());
}

#[tokio::test]
async fn a_wrong_token_is_trouble_of_access() {
    let double = Double::start(|_| (401, json!({ "error": "Wrong token" }).to_string())).await;
    let own = connection(&double.url);
    assert!(has_errors(&own.check().await));
    let delay = own.probe().await.expect_err("no answer");
    assert_eq!(delay.whose, crate::domain::Whose::Access);
    assert!(!delay.why.contains(TOKEN));
}
