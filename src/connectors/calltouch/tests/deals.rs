//! Deals are written together and judged one by one.

use super::batches::*;
use super::*;
use crate::connectors::http::in_background;
use crate::domain::Whose;
use futures_util::future::join_all;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

#[tokio::test]
async fn what_waits_goes_in_requests_of_a_hundred() {
    let double = closed(well).await;
    let own = connection(&double.url);
    let effects: Vec<Effect> = (1..=150).map(|number| create(&number.to_string())).collect();
    let outcomes = together(&own, &double, &effects).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(*outcome, done(&(index + 1).to_string()));
    }
    let heard = double.heard();
    let sizes: Vec<usize> = heard.iter().map(|one| one.numbers().len()).collect();
    assert_eq!(sizes, [1, 100, 50]);
    assert_eq!(heard[0].path, "/lead-service/v1/api/client-order/create");
    assert_eq!(heard[0].headers["access-token"], TOKEN);
    assert_eq!(heard[0].headers["siteid"], "4242");
    assert_eq!(heard[0].body["crm"], "RetailCRM");
    assert_eq!(own.requests_today(now()), 3);
}

#[tokio::test]
async fn every_item_has_an_outcome_of_its_own() {
    let double = closed(|heard| {
        if heard.path.ends_with("update") {
            return each(heard, |number| match number {
                "there" => json!({ "calltouchOrderId": 77 }),
                _ => json!({ "error": "Сделка не найдена" }),
            });
        }
        each(heard, |number| match number {
            "there" => json!({ "error": "Сделка с таким номером уже существует" }),
            "ghost" => json!({ "error": "duplicate orderNumber" }),
            "bad" => json!({ "error": "телефон +7 (999) 000-00-01 менеджера Имя Фамилия неверен" }),
            "silent" => json!({}),
            "missing" => json!({ "missing": true }),
            _ => json!({ "calltouchOrderId": format!("9{number}"), "error": null }),
        })
    })
    .await;
    let own = connection(&double.url);
    let numbers = ["1", "there", "ghost", "bad", "silent", "missing"];
    let effects = numbers.map(create);
    let outcomes = together(&own, &double, &effects).await;
    let words: Vec<&str> = outcomes.iter().map(word).collect();
    assert_eq!(words, ["done", "done", "refused", "refused", "unknown", "unknown"]);
    let existed = json!({ "id": "there", "calltouch_id": "77", "existed": true });
    assert_eq!(outcomes[1], Outcome::Done(existed));
    let Outcome::Refused(why) = &outcomes[3] else { panic!("{outcomes:?}") };
    assert!(why.contains("неверен") && !why.contains("000") && !why.contains("Имя"), "{why}");
    let heard = double.heard();
    let update = heard.iter().find(|one| one.path.ends_with("update")).expect("an update");
    assert_eq!(update.numbers(), ["there", "ghost"]);
    assert!(!update.body.to_string().contains("atching"), "{}", update.body);
}

#[tokio::test]
async fn one_bad_item_of_a_refused_batch_is_refused_alone() {
    let double = closed(|heard| {
        if heard.numbers().iter().any(|number| number == "13") {
            return refused_body("revenue of user@example.test is wrong");
        }
        well(heard)
    })
    .await;
    let own = connection(&double.url);
    let effects: Vec<Effect> = (1..=30).map(|number| create(&number.to_string())).collect();
    let outcomes = together(&own, &double, &effects).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        if index == 12 {
            let Outcome::Refused(why) = outcome else { panic!("{outcome:?}") };
            assert!(why.contains("revenue") && !why.contains('@'), "{why}");
        } else {
            assert_eq!(*outcome, done(&(index + 1).to_string()));
        }
    }
    let heard = double.heard();
    assert!(heard.len() < 14, "{}", heard.len());
    assert!(heard.iter().all(|one| unique(&one.numbers())));
}

#[tokio::test]
async fn a_depth_that_is_refused_is_lowered_once_for_all() {
    fn deep(order: &Value) -> bool {
        order["matching"][0]["callContactParams"]["searchDepth"].as_u64() > Some(262_800)
    }
    // Once as a fault of the body, once of the items.
    for whole in [true, false] {
        let double = double(move |heard| {
            let orders = heard.body["orders"].as_array().expect("orders").clone();
            if whole && orders.iter().any(deep) {
                return refused_body("callContactParams.searchDepth must be at most 262800");
            }
            let any_deep = orders.iter().any(deep);
            each(heard, |number| {
                if any_deep {
                    return json!({ "error": "searchDepth is too large" });
                }
                json!({ "calltouchOrderId": format!("9{number}") })
            })
        })
        .await;
        let own = connection(&double.url);
        assert_eq!(own.perform(&create("1"), now()).await, done("1"));
        assert_eq!(own.perform(&create("2"), now()).await, done("2"));
        assert_eq!(double.heard().len(), 3);
        let shown = own.preview(&create("3"));
        assert!(format!("{shown:?}").contains("262800"), "{shown:?}");
    }
    // What is refused at the lesser depth too is refused.
    let stubborn = double(|_| refused_body("searchDepth is never right")).await;
    let own = connection(&stubborn.url);
    assert_eq!(word(&own.perform(&create("1"), now()).await), "refused");
    assert_eq!(stubborn.heard().len(), 2);
}

#[rstest]
#[case(401, JSON, "{}", "later", Some(Whose::Access))]
#[case(403, JSON, r#"{"message":"Invalid credentials"}"#, "later", Some(Whose::Access))]
#[case(429, "text/plain", "", "later", Some(Whose::Item))]
#[case(503, JSON, "{}", "later", Some(Whose::Item))]
#[case(302, "text/plain", "", "later", Some(Whose::Connection))]
#[case(500, JSON, "{}", "unknown", Some(Whose::Connection))]
#[case(502, "text/html", "<html>", "unknown", Some(Whose::Connection))]
#[case(200, "text/html", "<html>", "unknown", Some(Whose::Connection))]
#[case(200, JSON, "{", "unknown", Some(Whose::Connection))]
#[case(
    400,
    JSON,
    r#"{"data":{"validationErrorData":{"violations":[{"field":"orderDate","message":"bad"}]}}}"#,
    "refused",
    None
)]
#[tokio::test]
async fn an_answer_to_the_whole_is_an_answer_to_each(
    #[case] status: u16,
    #[case] kind: &'static str,
    #[case] body: &'static str,
    #[case] expected: &str,
    #[case] whose: Option<Whose>,
) {
    let double = closed(move |heard| {
        if heard.numbers() == ["0"] { well(heard) } else { (status, kind, body.to_owned()) }
    })
    .await;
    let own = connection(&double.url);
    for outcome in together(&own, &double, &[create("1"), create("2")]).await {
        assert_eq!(word(&outcome), expected, "{outcome:?}");
        match outcome {
            Outcome::Later(delay) | Outcome::Unknown(delay) => {
                assert_eq!(Some(delay.whose), whose);
                assert!(!delay.why.contains(TOKEN), "{}", delay.why);
                if matches!(status, 429 | 503) {
                    assert_eq!(delay.after, Some(Duration::from_secs(7)));
                }
            }
            Outcome::Refused(why) => assert!(why.contains("orderDate bad"), "{why}"),
            Outcome::Done(_) => {}
        }
    }
}

#[tokio::test]
async fn what_never_left_is_later_and_a_lost_answer_is_unknown() {
    let silent = closed(well).await;
    let text = format!("{}timeout = \"150ms\"\n", toml(&silent.url));
    let own = connection_of(&text, &http::Limits::default());
    let outcome = own.perform(&create("1"), now()).await;
    assert_eq!(word(&outcome), "unknown", "{outcome:?}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let own = connection(&url);
    let outcome = own.perform(&create("1"), now()).await;
    assert_eq!(word(&outcome), "later", "{outcome:?}");
    assert_eq!(own.requests_today(now()), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_it_waits() {
    let own = offline();
    let hole = crate::domain::plan::hole("first", &["id"]);
    for input in [
        json!({ "id": hole, "orderDate": NOW }),
        json!({ "id": "1", "orderDate": "yesterday" }),
        json!({ "orderDate": NOW }),
    ] {
        let outcome = own.perform(&effect("deal.create", input), now()).await;
        assert_eq!(word(&outcome), "refused", "{outcome:?}");
    }
    let outcome = own.perform(&effect("deal.delete", json!({ "id": "1" })), now()).await;
    assert_eq!(word(&outcome), "refused");
}

#[tokio::test]
async fn writes_of_one_deal_go_one_after_another() {
    let double = closed(well).await;
    let own = connection(&double.url);
    let effects =
        [create("1"), update("1", "paid"), create("1"), update("2", "paid"), update("1", "sent")];
    let outcomes = together(&own, &double, &effects).await;
    assert!(outcomes.iter().all(|outcome| word(outcome) == "done"), "{outcomes:?}");
    let heard = double.heard();
    assert!(heard.iter().all(|one| unique(&one.numbers())));
    let of_one: Vec<(String, String)> = heard
        .iter()
        .flat_map(|one| {
            one.body["orders"].as_array().expect("orders").clone().into_iter().map(move |order| {
                (one.path.rsplit('/').next().unwrap_or_default().to_owned(), order)
            })
        })
        .filter(|(_, order)| order["orderNumber"] == "1")
        .map(|(way, order)| (way, order["status"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let expected = [("create", "new"), ("update", "paid"), ("create", "new"), ("update", "sent")];
    assert_eq!(of_one, expected.map(|(way, status)| (way.to_owned(), status.to_owned())));
}

#[tokio::test]
async fn whoever_is_gone_before_his_turn_is_not_sent_and_the_rest_is() {
    let double = closed(well).await;
    let own = Arc::new(connection(&double.url));
    let begin = |effect: Effect| {
        let own = Arc::clone(&own);
        tokio::spawn(async move { own.perform(&effect, now()).await })
    };
    let first = begin(create("1"));
    double.hears(1).await;
    let (second, third) = (begin(create("2")), begin(create("3")));
    let late = begin(update("2", "paid"));
    while own.deals.waiting() < 3 {
        tokio::task::yield_now().await;
    }
    // The first is under way: it arrives, whoever asked for it.
    first.abort();
    second.abort();
    assert!(first.await.is_err() && second.await.is_err());
    double.open();
    assert_eq!(third.await.expect("an outcome"), done("3"));
    assert_eq!(word(&late.await.expect("an outcome")), "done");
    let heard: Vec<Vec<String>> = double.heard().iter().map(Heard::numbers).collect();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard.contains(&vec!["3".to_owned()]), "{heard:?}");
}

#[tokio::test]
async fn what_was_queued_in_an_earlier_tenure_is_surely_not_sent() {
    let (double, limits) = (closed(well).await, http::Limits::default());
    let own = Arc::new(connection_of(&toml(&double.url), &limits));
    let ours = BTreeSet::from(["calltouch-main".to_owned()]);
    let last = Instant::now() + Duration::from_secs(60);
    limits.leave().hold(&ours, last, None);
    let begin = |effect: Effect| {
        let own = Arc::clone(&own);
        tokio::spawn(async move { own.perform(&effect, now()).await })
    };
    let first = begin(create("1"));
    double.hears(1).await;
    let second = begin(create("2"));
    while own.deals.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    limits.leave().give_up(&ours);
    let outcome = own.perform(&create("3"), now()).await;
    assert_eq!(word(&outcome), "later", "{outcome:?}");
    limits.leave().hold(&ours, last, None);
    let fourth = begin(create("4"));
    while own.deals.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    double.open();
    // Its answer came after the tenure had ended: nobody knows.
    assert_eq!(word(&first.await.expect("an outcome")), "unknown");
    let Outcome::Later(delay) = second.await.expect("an outcome") else { panic!("it was sent") };
    assert_eq!(delay, Delay::connection(http::NOT_OURS));
    assert_eq!(fourth.await.expect("an outcome"), done("4"));
    let sent: Vec<String> = double.heard().iter().flat_map(Heard::numbers).collect();
    assert_eq!(sent, ["1", "4"]);
}

#[tokio::test]
async fn nothing_outlives_the_connection() {
    let double = closed(well).await;
    let own = connection(&double.url);
    let api = Arc::downgrade(&own.api);
    {
        let effect = create("1");
        let perform = own.perform(&effect, now());
        tokio::select! {
            _ = perform => panic!("nobody answers"),
            () = double.hears(1) => {}
        }
    }
    drop(own);
    while api.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_live_take_the_background_along_and_do_not_wait_for_its_turn() {
    let double = double(well).await;
    let text = toml(&double.url).replace("requests_per_second = 1000", "requests_per_second = 1");
    let own = connection_of(&text, &http::Limits::default());
    let begun = Instant::now();
    assert_eq!(in_background(own.perform(&create("1"), now())).await, done("1"));
    let effects: Vec<Effect> = (2..=120).map(|number| create(&number.to_string())).collect();
    let (live, waits) = effects.split_last().expect("effects");
    let waits = waits.iter().map(|effect| in_background(own.perform(effect, now())));
    let come = async {
        while own.deals.waiting() < 118 {
            tokio::task::yield_now().await;
        }
        own.perform(live, now()).await
    };
    let some = join_all(waits);
    tokio::pin!(some);
    let outcome = tokio::select! {
        outcome = come => outcome,
        _ = &mut some => panic!("the live one waited longer"),
    };
    assert_eq!(outcome, done("120"));
    // The second half turn comes after two seconds.
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
    let batch = double.heard()[1].numbers();
    assert_eq!((batch.len(), batch[0].as_str(), batch[1].as_str()), (100, "120", "2"));
}

#[test]
fn the_request_of_a_deal_can_be_shown() {
    let own = offline();
    let shown = own.preview(&create("1"));
    assert_eq!(
        (shown.method, shown.path.as_str()),
        ("POST", "/lead-service/v1/api/client-order/create")
    );
    let fields: BTreeMap<String, String> = shown.fields.into_iter().collect();
    assert_eq!(fields["crm"], "RetailCRM");
    assert_eq!(fields["orders[0].orderDate"], "14-05-2025 12:05:00");
    assert!(fields["orders[0].matching"].contains("callContact"));
    let shown = own.preview(&update("1", "paid"));
    assert_eq!(shown.fields[0], ("orders[0].orderNumber".to_owned(), "1".to_owned()));
    let shown = own.preview(&effect("deal.create", json!({ "id": "1", "revenue": "much" })));
    assert_eq!(shown.fields[0].0, "not sent");
}

/// What the double does with a deal of this kind.
fn fated(heard: &Heard) -> Said {
    let numbers = heard.numbers();
    if numbers.iter().any(|number| number.starts_with("poison")) {
        return refused_body("bad");
    }
    let updates = heard.path.ends_with("update");
    each(heard, |number| match number.split('-').next().unwrap_or_default() {
        "there" if !updates => json!({ "error": "already exists" }),
        "bad" => json!({ "error": "bad" }),
        "missing" => json!({ "missing": true }),
        _ => json!({ "calltouchOrderId": 5 }),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is in a batch, each item is written once at most and judged for itself.
    #[test]
    fn a_batch_keeps_each_item_once(
        kinds in prop::collection::vec(
            (prop::sample::select(vec!["fine", "there", "bad", "missing", "poison"]), 0u8..20, any::<bool>()),
            1..140,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let double = closed(fated).await;
            let own = connection(&double.url);
            let effects: Vec<Effect> = kinds
                .iter()
                .map(|(kind, number, creates)| {
                    let id = format!("{kind}-{number}");
                    if *creates { create(&id) } else { update(&id, "paid") }
                })
                .collect();
            let outcomes = together(&own, &double, &effects).await;
            for ((kind, ..), outcome) in kinds.iter().zip(&outcomes) {
                let expected = match *kind {
                    "fine" | "there" => "done",
                    "missing" => "unknown",
                    _ => "refused",
                };
                assert_eq!(word(outcome), expected, "{kind}");
            }
            let heard = double.heard();
            assert!(heard.iter().all(|one| one.numbers().len() <= 100 && unique(&one.numbers())));
            let sent = |id: &str, way: &str| {
                let of_way = heard.iter().filter(|one| one.path.ends_with(way));
                of_way.filter(|one| {
                    // A body that was refused as a whole wrote nothing.
                    let whole = one.numbers();
                    !whole.iter().any(|n| n.starts_with("poison")) && whole.iter().any(|n| n == id)
                }).count()
            };
            let asked = |id: &str, creates: bool| kinds.iter().filter(|(kind, number, c)| {
                format!("{kind}-{number}") == id && *c == creates
            }).count();
            for (kind, number, _) in kinds.iter().filter(|(kind, ..)| *kind != "poison") {
                let id = format!("{kind}-{number}");
                assert_eq!(sent(&id, "create"), asked(&id, true), "{id}");
                let more = if *kind == "there" { asked(&id, true) } else { 0 };
                assert_eq!(sent(&id, "update"), asked(&id, false) + more, "{id}");
            }
        });
    }
}
