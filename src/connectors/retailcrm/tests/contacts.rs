//! Who wrote in a messenger, against the stand-in of the CRM.

use super::sandbox::{account_of, done, effect, now, start};
use super::*;
use crate::domain::KnownId;
use crate::sandbox::{Fault, Rule, Side};
use serde_json::json;

async fn contact(account: &Account, input: Value, known: &[(&str, &str)]) -> Value {
    let known = known.iter().map(|(from, id)| KnownId {
        id: (*id).to_owned(),
        made: now(),
        from: (*from).to_owned(),
    });
    let query = Query {
        job: None,
        connection: "shop".into(),
        name: "contact".into(),
        input: input.as_object().unwrap().clone(),
        known: known.collect(),
        since: None,
        among: Vec::new(),
    };
    match account.ask(&query, now()).await {
        Answer::Known(fact) => fact,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_contact_is_found_by_person_then_phone_then_email() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let seed = |row: Value| crm.seed_customer(row.as_object().unwrap()).unwrap();
    let by_email = seed(json!({ "firstName": "А", "email": "a@example.test" }));
    let by_phone = seed(json!({ "firstName": "Б", "phones": [{ "number": "8 (999) 000-00-01" }] }));
    let all = json!({ "person": "bot:501", "phone": "+79990000001", "email": "a@example.test" });
    let found = contact(&account, all.clone(), &[]).await;
    assert_eq!((&found["id"], &found["found"]), (&json!(by_phone), &json!("phone")));
    let other = json!({ "person": "bot:501", "phone": "+79990000002", "email": "A@example.test" });
    let found = contact(&account, other, &[]).await;
    assert_eq!((&found["id"], &found["found"]), (&json!(by_email), &json!("email")));
    assert_eq!(contact(&account, json!({ "person": "bot:502" }), &[]).await, Value::Null);

    // Whom we made for the person carries our id; and whom our links know needs no request.
    let made = json!({ "firstName": "В", "person": "bot:501" });
    let made = done(&account, &effect("customer.create", "message:1", made)).await;
    let found = contact(&account, all.clone(), &[]).await;
    assert_eq!((&found["id"], &found["found"]), (&made["id"], &json!("channel")));
    crm.add_fault(Rule::next(Side::Retailcrm, Fault::Down, "/customers", 9));
    let found = contact(&account, all, &[("person", "77")]).await;
    assert_eq!((&found["id"], &found["found"]), (&json!(77), &json!("channel")));
}

#[tokio::test]
async fn several_with_one_phone_are_no_choice_unless_the_chats_know_one() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let seed = |row: Value| crm.seed_customer(row.as_object().unwrap()).unwrap();
    let phones = json!([{ "number": "79990000001" }]);
    seed(json!({ "firstName": "А", "phones": phones }));
    let chats =
        json!([{ "id": 9, "externalId": "501", "mgChannel": { "id": 1, "externalId": "bot" } }]);
    let known = seed(json!({ "firstName": "Б", "phones": phones, "mgCustomers": chats }));
    let phone = "+79990000001";
    let found = contact(&account, json!({ "person": "bot:7", "phone": phone }), &[]).await;
    assert_eq!((&found["id"], &found["several"]), (&Value::Null, &json!(true)));
    assert_eq!(found["matches"], 2);
    let found = contact(&account, json!({ "person": "bot:501", "phone": phone }), &[]).await;
    assert_eq!((&found["id"], &found["found"]), (&json!(known), &json!("channel")));
}

#[tokio::test]
async fn one_whom_the_search_does_not_show_yet_is_known_by_our_links() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let row = json!({ "firstName": "А", "phones": [{ "number": "79990000001" }] });
    let id = crm.seed_customer(row.as_object().unwrap()).unwrap().to_string();
    let asked = json!({ "phone": "+79990000001" });
    let found = contact(&account, asked, &[("contact", &id)]).await;
    assert_eq!((&found["found"], &found["matches"]), (&json!("phone"), &json!(1)));
}

#[tokio::test]
async fn what_is_missing_is_added_and_nothing_else() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let row = json!({ "lastName": "Иванова", "phones": [{ "number": "8 999 000 00 01" }] });
    let id = crm.seed_customer(row.as_object().unwrap()).unwrap();
    let input = json!({ "customer": id, "firstName": "Анна", "email": "a@example.test",
        "phones": ["+79990000001"], "person": "bot:501" });
    let fill = effect("customer.fill", "message:1", input);
    assert!(account.guarded(&fill));
    assert_eq!(done(&account, &fill).await, json!({ "id": id }));
    let found = contact(&account, json!({ "email": "a@example.test" }), &[]).await;
    assert_eq!((&found["firstName"], &found["lastName"]), (&Value::Null, &json!("Иванова")));
    assert_eq!(found["phones"], json!(["8 999 000 00 01"]));
    // Once more: there is nothing to add, and nothing is sent.
    let edits = crm.ledger().customers[0].edits;
    done(&account, &fill).await;
    assert_eq!(crm.ledger().customers[0].edits, edits);
    let gone = json!({ "customer": 12345, "firstName": "Анна" });
    let gone = account.perform(&effect("customer.fill", "message:2", gone), now()).await;
    assert!(matches!(gone, Outcome::Refused(_)), "{gone:?}");
}

#[tokio::test]
async fn one_person_is_made_once_whatever_becomes_of_the_answer() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let made = json!({ "firstName": "В", "person": "bot:501" });
    let create = effect("customer.create", "message:1", made);
    crm.add_fault(Rule::next(Side::Retailcrm, Fault::LostAnswer, "/customers/create", 1));
    assert!(matches!(account.perform(&create, now()).await, Outcome::Unknown(_)));
    let first = done(&account, &create).await;
    assert_eq!(account.look(&create, now(), now()).await, Look::Done(first.clone()));
    assert_eq!(done(&account, &create).await, first);
    assert_eq!(crm.ledger().customers.len(), 1);
}
