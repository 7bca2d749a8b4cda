//! The history of customers: entries as events, and what a merge tells.

use super::conversations::unlimited;
use super::*;
use crate::sandbox::Sandbox;
use jiff::SignedDuration;
use serde_json::json;

fn entry(entry: &Value) -> Result<Event, Unreadable> {
    let body = json!({ "registered": "2026-11-20T09:00:00Z", "entry": entry });
    let raw = Raw {
        id: 1,
        connection: "shop".into(),
        channel: "customers".into(),
        content_type: String::new(),
        body: body.to_string().into_bytes(),
        dedupe_key: String::new(),
        received: "2026-11-20T10:00:00Z".parse().unwrap(),
    };
    account("").parse(&raw).map(|mut events| events.remove(0))
}

#[test]
fn entries_become_events() {
    // As in the vendor's own tests.
    let event = entry(&json!({"id": 2696, "createdAt": "2018-10-05 13:51:11", "source": "api",
        "apiKey": {"current": true}, "field": "phones", "oldValue": null, "newValue": "9515120000",
        "customer": {"id": 982, "externalId": "2", "site": "presta"}}))
    .unwrap();
    assert_eq!((event.kind.as_str(), event.key.as_str()), ("customer.changed", "customers:2696"));
    let fields = &event.fields;
    assert_eq!((&fields["id"], &fields["own"]), (&json!("982"), &json!(true)));
    assert_eq!((&fields["deleted"], &fields["field"]), (&json!(false), &json!("phones")));
    let gone = json!({"id": 2700, "deleted": true, "field": "id", "oldValue": 974, "newValue": null,
        "combinedTo": {"id": 982, "site": "presta"}});
    let fields = entry(&gone).unwrap().fields;
    assert_eq!((&fields["id"], &fields["combined_to"]), (&json!("974"), &json!("982")));
    assert_eq!(fields["deleted"], json!(true));
    assert!(entry(&json!({"field": "id"})).unwrap_err().0.contains("has no id"));
    assert!(entry(&json!({"id": 1, "field": "email"})).unwrap_err().0.contains("no customer"));
}

#[tokio::test]
async fn a_merge_is_told_when_it_has_happened_and_segments_never() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let shop = account_with(&crm.crm_url(), crm.api_key(), "requests_per_second = 1000\n");
    let seed = |name: &str, phone: &str| {
        let body = json!({ "firstName": name, "phones": [{ "number": phone }] });
        crm.seed_customer(body.as_object().unwrap()).unwrap()
    };
    let (survivor, merged) = (seed("А", "79990000001"), seed("Б", "79990000002"));
    let fields = vec![
        ("customers".to_owned(), json!([{ "id": merged }]).to_string()),
        ("resultCustomer".to_owned(), json!({ "id": survivor }).to_string()),
    ];
    let path = "/api/v5/customers/combine";
    let judged = shop.client.post(path, path.to_owned(), fields).await;
    assert!(matches!(judged, client::Judged::Success(_)), "{judged:?}");
    let now = crm.clock().now() + SignedDuration::from_secs(1);
    let mut gone = None;
    // The CRM takes its time.
    for _ in 0..200 {
        let first_start = now - SignedDuration::from_mins(5);
        let poll = Poll { feed: "customers", cursor: None, first_start, now };
        let page = shop.poll(&poll).await.unwrap();
        let events = page.rows.iter().flat_map(|row| shop.parse(row).unwrap());
        gone = events.into_iter().find(|event| event.fields["deleted"] == json!(true));
        if gone.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let gone = gone.expect("the merge is told");
    assert_eq!(gone.fields["id"], json!(merged.to_string()));
    assert_eq!(gone.fields["combined_to"], json!(survivor.to_string()));
}
