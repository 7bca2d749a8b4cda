//! Who is shown: P a phone with orders, p one without, E and e the same of e-mails. Invariant: phone
//! before e-mail, a phone never without an order.

use super::{Body, ask, form, person, plan, post, searches, ticket};
use crate::support::House;
use serde_json::json;

const NOBODY: &str = "Клиент не найден";

/// A house with two stores, and who lives in it.
async fn house() -> House {
    let mut house = House::build(plan("orders = 2")).await;
    let stores = json!([
        { "code": "main", "name": "Main <shop>", "ordering": 10 },
        { "code": "second", "name": "Second", "ordering": 20 },
    ]);
    house.control("stores", stores).await;
    house.run().await;
    house
}

fn named(name: &str, phone: &str, email: &str) -> serde_json::Value {
    let phones = if phone.is_empty() { json!([]) } else { json!([{ "number": phone }]) };
    json!({ "firstName": name, "phones": phones, "email": email, "site": "main" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phone_before_email_and_no_phone_without_an_order() {
    let house = house().await;
    // Kept in spellings of all kinds.
    person(&house, named("Peter-P", "+7 (999) 000-00-01", ""), 1).await;
    person(&house, named("Paula-p", "89990000002", ""), 0).await;
    person(&house, named("Erik-E", "", "Big.E@Example.test"), 1).await;
    person(&house, named("Emma-e", "", "small.e@example.test"), 0).await;
    person(&house, named("Both-Pe", "79990000003", "both@example.test"), 0).await;
    let (big, small) = ("big.e@example.test", "Small.E@example.test");
    let (with, without) = ("8 999 000 00 01", "+79990000002");
    for (phones, emails, shown) in [
        (vec![with], vec![], "Peter-P"),
        (vec![with], vec![big], "Peter-P"),
        (vec![with], vec![small], "Peter-P"),
        (vec![with], vec!["nobody@example.test"], "Peter-P"),
        (vec![without], vec![], NOBODY),
        (vec![without], vec!["nobody@example.test"], NOBODY),
        (vec![without], vec![small], "Emma-e"),
        (vec![without], vec![big], "Erik-E"),
        (vec![], vec![small], "Emma-e"),
        (vec![], vec![big], "Erik-E"),
        (vec!["79990009999"], vec!["nobody@example.test"], NOBODY),
        (vec!["79990009999"], vec![small], "Emma-e"),
        // The person has no order: the phone alone says nothing of them, their e-mail does.
        (vec!["79990000003"], vec![], NOBODY),
        (vec!["79990000003"], vec!["both@example.test"], "Both-Pe"),
        // Several of each, in any order.
        (vec!["79990009999", without, with], vec![big], "Peter-P"),
        (vec![], vec!["nobody@example.test", big], "Erik-E"),
        (vec![], vec![], "нет ни телефона, ни e-mail"),
    ] {
        for body in [Body::Json(ticket(&phones, &emails)), Body::Form(form(&phones, &emails))] {
            let seen = post(&house, "helpdesk", body).await;
            seen.has(shown);
            let others = ["Peter-P", "Paula-p", "Erik-E", "Emma-e", "Both-Pe"];
            let others = others.iter().filter(|other| **other != shown);
            let wrong: Vec<_> = others.filter(|other| seen.html.contains(**other)).collect();
            assert!(wrong.is_empty(), "{phones:?} {emails:?} shows {wrong:?}: {}", seen.html);
            assert_eq!(seen.html.contains("Заказов нет"), shown == "Emma-e" || shown == "Both-Pe");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_of_all_stores_with_links_names_and_nothing_that_runs() {
    let house = house().await;
    let evil = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}";
    let (first, orders) = person(&house, named(evil, "79990000001", "a@example.test"), 3).await;
    let mut other = named("Second-one", "+7 999 000-00-01", "");
    other["site"] = json!("second");
    let (second, theirs) = person(&house, other, 1).await;
    let mut silent = named("Without-orders", "8(999)0000001", "");
    silent["site"] = json!("second");
    person(&house, silent, 0).await;
    let seen = ask(&house, &["79990000001"], &[]).await;
    let root = house.sandbox.crm_url().replace('/', "&#x2f;");
    seen.has(&format!("{root}&#x2f;customers&#x2f;{first}\""));
    seen.has(&format!("{root}&#x2f;customers&#x2f;{second}\""));
    // The newest two of three, and that there is one more.
    for order in [orders[2], orders[1], theirs[0]] {
        seen.has(&format!("{root}&#x2f;orders&#x2f;{order}&#x2f;edit\""));
    }
    assert!(!seen.html.contains(&format!("&#x2f;orders&#x2f;{}&#x2f;edit", orders[0])), "{seen:?}");
    for text in ["Ещё заказов: 1", "Новый", "1\u{a0}290,50", "Main &lt;shop&gt;", "Second-one"]
    {
        seen.has(text);
    }
    for bad in ["<script", "<img", "49", "Without-orders"] {
        assert!(!seen.html.contains(bad), "{bad}: {}", seen.html);
    }
    // Equal searches of the next half minute are one, however the contacts are spelled.
    let asked = searches(&house).await;
    let again = ask(&house, &["+7 (999) 000-00-01", "89990000001"], &[]).await;
    assert_eq!((again.html, searches(&house).await), (seen.html, asked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_later_it_is_read_anew() {
    let mut house = house().await;
    let (customer, _) = person(&house, named("Peter-P", "79990000001", ""), 1).await;
    ask(&house, &["79990000001"], &[]).await.has("Peter-P");
    let late = house.order(json!({ "customer": { "id": customer }, "status": "new" })).await;
    let link = format!("&#x2f;orders&#x2f;{late}&#x2f;edit");
    assert!(!ask(&house, &["79990000001"], &[]).await.html.contains(&link));
    house.advance(jiff::SignedDuration::from_secs(31)).await;
    ask(&house, &["79990000001"], &[]).await.has(&link);
}
