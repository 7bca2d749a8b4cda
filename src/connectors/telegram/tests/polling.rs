//! Updates by long poll.

use super::double::{Double, refused};
use super::*;
use crate::domain::Whose;

fn poll(cursor: Option<&Value>) -> Poll<'_> {
    Poll { feed: poll::UPDATES, cursor, first_start: now(), now: now() }
}

#[tokio::test]
async fn a_page_is_confirmed_by_the_next() {
    let press =
        json!({"update_id": 12, "callback_query": {"id": "9", "from": {"id": 5}, "data": "a"}});
    let message = json!({"update_id": 11, "message": {"message_id": 3, "date": 1_763_640_000,
        "chat": {"id": 5, "type": "private"}, "from": {"id": 5}, "text": "hi"}});
    let (double, url) = Double::start(move |heard| match heard.method.as_str() {
        "getUpdates" if heard.body.get("offset").is_none() => json!([message, press]),
        "getUpdates" => json!([]),
        _ => json!(true),
    })
    .await;
    let own = polled(&url);
    let first = own.poll(&poll(None)).await.expect("a page");
    let keys: Vec<&str> = first.rows.iter().map(|row| row.dedupe_key.as_str()).collect();
    assert_eq!(keys, ["update:11", "update:12"]);
    assert!(first.more && first.rows.iter().all(|row| row.channel == "updates"));
    let events: Vec<String> = first
        .rows
        .iter()
        .flat_map(|row| own.parse(row).expect("readable"))
        .map(|event| event.key)
        .collect();
    assert_eq!(events, ["message:5:3", "button:9"]);

    let next = own.poll(&poll(first.cursor.as_ref())).await.expect("a page");
    assert!(next.rows.is_empty() && next.cursor.is_none() && !next.more);
    let heard = double.heard();
    assert_eq!(double.methods(), ["getUpdates", "answerCallbackQuery", "getUpdates"]);
    assert_eq!(heard[1].body, json!({"callback_query_id": "9"}));
    assert_eq!(heard[2].body["offset"], 13);
    // The request's own time-out is 10 s.
    assert_eq!((&heard[0].body["timeout"], &heard[0].body["limit"]), (&json!(7), &json!(100)));
}

#[tokio::test]
async fn a_conflict_is_a_matter_of_the_setup() {
    for (said, told) in [
        ("Conflict: terminated by other getUpdates request; make sure …", "another program"),
        ("Conflict: can't use getUpdates method while webhook is active; …", "leadlink setup"),
    ] {
        let (_double, url) = Double::start(move |_| refused(409, said)).await;
        let delay = polled(&url).poll(&poll(None)).await.expect_err("a conflict");
        assert_eq!(delay.whose, Whose::Setup);
        assert!(delay.why.contains(told), "{}", delay.why);
    }
    let (_double, url) = Double::start(|_| json!({"no": "list"})).await;
    assert!(polled(&url).poll(&poll(None)).await.is_err());
}
