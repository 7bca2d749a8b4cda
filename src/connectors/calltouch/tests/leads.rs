//! The journals, read for the journal of leads.

use super::batches::*;
use super::*;
use crate::domain::{Lead, Seen};

fn request_record(id: i64, mail: &str) -> Value {
    json!({"requestId": id, "date": 1_747_213_390_000_i64, "siteId": 4242,
        "client": {"fio": "Имя", "phones": [], "contacts": [{"type": "e", "value": mail}]},
        "session": {"source": "yandex", "medium": "cpc", "utmCampaign": "spring"}})
}

fn paths(double: &Double) -> Vec<String> {
    let cut = |path: &str| path.split("secret").nth(1).unwrap_or_default().to_owned();
    double.heard().iter().map(|one| cut(&one.path)).collect()
}

#[tokio::test]
async fn the_last_hours_of_a_day_are_asked_for_by_time() {
    let double =
        double(|_| (200, JSON, json!([call_record(1, "79990000001", 1_747_213_000)]).to_string()))
            .await;
    let own = connection(&double.url);
    let since: Timestamp = "2025-05-14T08:05:00Z".parse().expect("a time");
    let rows = own.recent("call", since, now()).await.expect("rows");
    assert_eq!((rows.len(), rows[0].channel.as_str()), (1, "calls"));
    let polled = row_of(&own, &call_record(1, "79990000001", 1_747_213_000), "calls");
    assert_eq!(rows[0], polled, "as a poll makes them");
    assert_eq!(own.recent("request", since, now()).await.expect("rows")[0].channel, "requests");
    assert!(own.recent("chat", since, now()).await.expect("rows").is_empty());
    let days = "dateFrom=14%2F05%2F2025&dateTo=14%2F05%2F2025";
    let times = "timeFrom=11%3A05%3A00&timeTo=23%3A59%3A59";
    let us = "siteId=4242&dateFrom=05%2F14%2F2025&dateTo=05%2F14%2F2025";
    assert_eq!(
        paths(&double),
        [format!("&{days}&{times}&page=1&limit=1000"), format!("&{us}&{times}")]
    );

    // Over midnight both days are read, whole.
    let since = "2025-05-13T20:30:00Z".parse().expect("a time");
    own.recent("request", since, now()).await.expect("rows");
    let asked = paths(&double);
    assert_eq!(asked.len(), 4);
    assert!(asked[2].ends_with("dateTo=05%2F13%2F2025") && asked[3].ends_with("05%2F14%2F2025"));
}

#[tokio::test]
async fn leads_of_a_day_are_those_that_are_over_and_have_contacts() {
    let double = double(|heard| {
        if heard.path.contains("RestAPI/requests") {
            let records = json!([request_record(7, "User@Example.test"), request_record(8, "no")]);
            return (200, JSON, records.to_string());
        }
        let mut running = call_record(2, "79990000002", 1_747_213_390);
        running["callphase"] = "callconnected".into();
        let mut foreign = call_record(3, "79990000003", 1_747_213_390);
        foreign["siteId"] = 4343.into();
        let mut without_id = call_record(4, "79990000004", 1_747_213_390);
        without_id["callId"] = Value::Null;
        let records = json!([
            call_record(1, "8 999 000 00 01", 1_747_213_390),
            running,
            foreign,
            without_id,
            call_record(5, "Anonymous", 1_747_213_390),
            "garbage",
        ]);
        (200, JSON, json!({ "page": 1, "pageTotal": 2, "records": records }).to_string())
    })
    .await;
    let own = connection(&double.url);
    let day = "2025-05-14".parse().expect("a day");
    let page = own.leads("call", day, 1).await.expect("a page");
    let call = Lead {
        connection: "calltouch-main".into(),
        kind: "call".into(),
        id: "1".into(),
        at: "2025-05-14T09:03:10Z".parse().expect("a time"),
        contacts: vec!["phone:+79990000001".into()],
        source: None,
        medium: None,
        campaign: None,
        seen: Seen::BACKFILL,
    };
    assert!(page.more);
    assert_eq!(page.leads, std::slice::from_ref(&call));
    let page = own.leads("request", day, 1).await.expect("a page");
    let request = Lead {
        kind: "request".into(),
        id: "7".into(),
        contacts: vec!["email:user@example.test".into()],
        source: Some("yandex".into()),
        medium: Some("cpc".into()),
        campaign: Some("spring".into()),
        ..call
    };
    assert!(!page.more);
    assert_eq!(page.leads, [request]);
    assert!(own.leads("chat", day, 1).await.expect("a page").leads.is_empty());
}

#[tokio::test]
async fn the_last_page_of_a_poll_says_what_it_covers() {
    let double = double(|_| (200, JSON, "[]".to_owned())).await;
    let own = connection(&double.url);
    let poll = |cursor, now| Poll { feed: "calls", cursor, first_start: now, now };
    let first = own.poll(&poll(None, now())).await.expect("a page");
    assert!(first.more && first.covered.is_none());
    // The second page comes late: what it covers ends where the poll began.
    let later = "2025-05-14T09:35:00Z".parse().expect("a time");
    let last = own.poll(&poll(first.cursor.as_ref(), later)).await.expect("a page");
    let covered = last.covered.expect("the last page");
    assert_eq!((covered.connection.as_str(), covered.kind.as_str()), ("calltouch-main", "call"));
    assert_eq!(covered.from, "2025-05-12T21:00:00Z".parse().expect("a time"));
    assert_eq!(covered.until, now());
    // The next poll begins anew.
    let again = own.poll(&poll(last.cursor.as_ref(), later)).await.expect("a page");
    let end = own.poll(&poll(again.cursor.as_ref(), later)).await.expect("a page");
    assert_eq!(end.covered.map(|covered| covered.until), Some(later));
}

#[test]
fn the_connection_says_whose_it_is() {
    let own = offline();
    assert_eq!(own.account().as_deref(), Some("4242"));
    assert_eq!(own.zone().iana_name(), Some("Europe/Moscow"));
    assert_eq!(own.requests_per_day(), None);
    let text = format!("{}requests_per_day = 5000\n", toml("http://127.0.0.1:9"));
    let own = connection_of(&text, &http::Limits::default());
    assert_eq!(own.requests_per_day(), Some(5000));
}
