//! Set-up, check and probe.

use super::double::{Double, refused};
use super::*;
use crate::diagnosis::has_errors;
use crate::domain::Whose;
use secrecy::ExposeSecret;

const PUBLIC: &str = "public = \"https://hooks.example.com\"\n";

fn public(url: &str) -> Telegram {
    connection_of(&format!("{}{PUBLIC}", toml(url)))
}

fn door() -> String {
    format!("https://hooks.example.com/hooks/bot-main/{DOOR}")
}

#[tokio::test]
async fn the_webhook_is_set_with_its_secret_and_shown_without() {
    let (double, url) = Double::start(|heard| match heard.method.as_str() {
        "getWebhookInfo" => json!({"url": ""}),
        _ => json!(true),
    })
    .await;
    let own = public(&url);
    let lines = own.setup().await.expect("set up");
    assert_eq!(lines, ["the webhook at https://hooks.example.com is set"]);
    let heard = double.heard().pop().expect("a call");
    assert_eq!(heard.method, "setWebhook");
    assert_eq!(heard.body["url"], door());
    assert_eq!(heard.body["secret_token"], own.secret_token.expose_secret());
    assert_eq!(heard.body["allowed_updates"], json!(poll::ALLOWED));
    let delay = connection(&url).setup().await.expect_err("no address");
    assert!(delay.whose == Whose::Setup && delay.why.contains("`public`"));
}

#[tokio::test]
async fn where_updates_are_polled_the_webhook_is_removed() {
    let (double, url) = Double::start(|heard| match heard.method.as_str() {
        "getWebhookInfo" => json!({"url": "https://old.example.com/very/secret"}),
        _ => json!(true),
    })
    .await;
    let own = polled(&url);
    assert_eq!(own.probe().await.expect_err("a webhook").whose, Whose::Setup);
    let problems = own.check().await;
    assert!(has_errors(&problems), "{problems:?}");
    let lines = own.setup().await.expect("set up");
    assert_eq!(lines, ["the webhook at https://old.example.com is removed: updates are polled"]);
    assert!(!format!("{problems:?}{lines:?}").contains("very/secret"));
    assert_eq!(double.methods().last().map(String::as_str), Some("deleteWebhook"));
}

#[rstest]
#[case(json!({"url": ""}), "no webhook is set")]
#[case(json!({"url": "https://else.example.com/x"}), "leads elsewhere, to https://else.example.com")]
#[case(json!({"url": door(), "allowed_updates": ["message"]}), "does not tell of edited_message")]
#[case(
    json!({"url": door(), "pending_update_count": 3, "last_error_message": "Connection refused"}),
    "3 updates wait at Telegram; it says: Connection refused"
)]
#[case(json!({"url": door(), "pending_update_count": 3}), "")]
#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_told(#[case] info: Value, #[case] told: &str) {
    let (_double, url) = Double::start(move |heard| match heard.method.as_str() {
        "getWebhookInfo" => info.clone(),
        _ => json!({"id": 123_456, "is_bot": true}),
    })
    .await;
    let own = public(&url);
    let problems = own.check().await;
    let shown = format!("{problems:?}");
    assert!(problems.is_empty() == told.is_empty() && shown.contains(told), "{shown}");
    assert!(!shown.contains(DOOR) && !shown.contains(TOKEN), "{shown}");
    assert_eq!(own.probe().await, Ok(()));
}

#[tokio::test]
async fn a_wrong_token_is_told_once_and_not_shown() {
    let (double, url) = Double::start(|_| refused(401, "Unauthorized")).await;
    let problems = public(&url).check().await;
    assert!(problems.len() == 1 && problems[0].mend.contains("@BotFather"), "{problems:?}");
    assert!(!format!("{problems:?}").contains(TOKEN));
    assert_eq!(double.methods(), ["getMe"]);
}
