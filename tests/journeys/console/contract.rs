//! The API held to its document by schemathesis: nightly. Invariant: no answer that the document does
//! not tell, none that is a defect, whatever is sent.

use super::api::{Robot, token};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use leadlink::desk::Right;
use serde_json::json;
use std::process::Command;

/// A house with something of everything: done, skipped, refused, unreadable.
async fn furnished() -> House {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    for (kind, phone) in
        [("call", "79990000001"), ("request", "79990000002"), ("chat", "79990000003")]
    {
        house.lead(json!({ "type": kind, "phone": phone, "utm_source": "yandex" })).await;
    }
    house.ended().await;
    assert_eq!(house.post(&[("leadtype", "unheard of"), ("id", "7")]).await, 200);
    assert_eq!(house.stop(), Some(0));
    let method = "LEADLINK_CONNECTIONS__SHOP__ORDER_METHOD";
    house.set_env(vec![(method.to_owned(), "no-such-method".to_owned())]);
    house.run().await;
    for number in 0..5 {
        house.lead(json!({ "type": "call", "phone": format!("7999100000{number}") })).await;
    }
    let counts = house.ended().await;
    assert!(counts.stuck == 5 && counts.acted >= 2, "{counts:?}\n{}", house.log());
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; LEADLINK_SCHEMATHESIS names the program"]
async fn every_answer_stands_in_the_document() {
    let program = std::env::var_os("LEADLINK_SCHEMATHESIS").expect("LEADLINK_SCHEMATHESIS");
    let house = furnished().await;
    // What is made up revokes tokens of small numbers; ours must last.
    for number in 0..300 {
        token(&house, &format!("spare-{number}"), &[Right::Read]).await;
    }
    let token = token(&house, "contract", &Right::ALL).await;
    let root = env!("CARGO_MANIFEST_DIR");
    let ran = Command::new(program)
        .args(["--config-file", &format!("{root}/.ci/schemathesis.toml"), "run"])
        .args(["--url", &house.url(""), "--no-color", "--checks", "all"])
        .args(std::env::var("LEADLINK_SCHEMATHESIS_ARGS").unwrap_or_default().split_whitespace())
        .arg(house.url("/api/openapi.json"))
        .env("LEADLINK_TOKEN", &token)
        .current_dir(house.dir.path())
        .status()
        .expect("schemathesis runs");
    let log = house.whole_log();
    assert!(!log.contains("panicked"), "{}", house.log());
    assert!(ran.success(), "{ran}");
    assert!(!log.contains(&token), "the token stands in the log");
    let robot = Robot::with(&house, token);
    assert_eq!(robot.get("/api/v1/overview").await.status, 200);
}
