//! The journal of deals: looks after lost answers, and lists.

use super::batches::*;
use super::*;
use futures_util::future::join_all;

fn record(number: &str, status: &str, made: &str) -> Value {
    json!({ "orderId": 5, "orderNumber": number, "orderName": "7C", "orderStatus": status,
        "orderDate": made, "plannedAmount": 1290.5, "completedAmount": 0, "siteId": 4242 })
}

fn page(records: &[Value], page: u32, of: u32) -> Said {
    let total = records.len();
    let body = json!({ "page": page, "pageTotal": of, "recordsTotal": total, "records": records });
    (200, JSON, body.to_string())
}

fn dated_update() -> Effect {
    let mut effect = update("2", "new");
    effect.input.insert("updateDate".into(), NOW.into());
    effect
}

#[tokio::test]
async fn a_lost_deal_is_looked_for_on_the_day_of_its_order() {
    let double = double(|heard| {
        let second = heard.path.contains("page=2");
        let found = if second { "2" } else { "1" };
        page(&[record(found, "new", "14/05/2025 12:05:00")], if second { 2 } else { 1 }, 2)
    })
    .await;
    let own = connection(&double.url);
    let look = async |effect: &Effect| own.look(effect, now(), now()).await;
    let there = json!({ "id": "2", "calltouch_id": "5", "existed": false });
    assert_eq!(look(&create("2")).await, Look::Done(there));
    let base = "/calls-service/RestAPI/4242/orders-diary/orders?clientApiId=to%2Fken.secret";
    let days = "dateFrom=14%2F05%2F2025&dateTo=15%2F05%2F2025";
    let asked: Vec<String> = double.heard().iter().map(|one| one.path.clone()).collect();
    assert_eq!(asked, [1, 2].map(|page| format!("{base}&{days}&page={page}&limit=1000")));
    assert_eq!(look(&create("3")).await, Look::Absent);

    // An update has happened when the deal has its status.
    let there = json!({ "id": "2", "calltouch_id": "5" });
    assert_eq!(look(&update("2", "new")).await, Look::Done(there));
    assert_eq!(look(&update("2", "paid")).await, Look::Absent);
    assert_eq!(look(&update("3", "new")).await, Look::Absent);
    // A status that went and came back has the same word: the time of its change decides.
    assert_eq!(look(&dated_update()).await, Look::Absent);
    let shown = |time: &'static str| {
        let mut found = record("2", "new", "14/05/2025 12:05:00");
        found["updatedDate"] = time.into();
        async move {
            let double = self::double(move |_| page(std::slice::from_ref(&found), 1, 1)).await;
            connection(&double.url).look(&dated_update(), now(), now()).await
        }
    };
    assert!(matches!(shown("14/05/2025 12:05:00").await, Look::Done(_)));
    assert_eq!(shown("14/05/2025 11:05:00").await, Look::Absent);
    // One that does not say when its deal was made is sent again.
    let asked = double.heard().len();
    assert_eq!(look(&effect("deal.update", json!({ "id": "2" }))).await, Look::Absent);
    assert_eq!(double.heard().len(), asked);
    assert!(own.guarded(&update("2", "new")) && !own.guarded(&create("2")));
}

#[tokio::test]
async fn a_look_that_does_not_get_through_says_so() {
    let double = double(|_| (500, JSON, "{}".to_owned())).await;
    let own = connection(&double.url);
    assert!(matches!(own.look(&create("1"), now(), now()).await, Look::Later(_)));
}

#[tokio::test]
async fn looks_of_one_day_share_a_reading_that_began_after_they_were_asked() {
    let double = closed(|_| page(&[record("1", "new", "14/05/2025 12:05:00")], 1, 1)).await;
    let own = connection(&double.url);
    let first = create("1");
    let rest: Vec<Effect> = (1..=20).map(|number| create(&number.to_string())).collect();
    let look = |effect| own.look(effect, now(), now());
    let later = async {
        double.hears(1).await;
        let rest = join_all(rest.iter().map(look));
        let open = async { double.open() };
        tokio::join!(rest, open).0
    };
    let (first, rest) = tokio::join!(look(&first), later);
    assert!(matches!(first, Look::Done(_)));
    let found = rest.iter().filter(|look| matches!(look, Look::Done(_))).count();
    assert_eq!((found, rest.len()), (1, 20));
    // The first one's reading had begun before the others asked: theirs is a second one.
    assert_eq!(double.heard().len(), 2);
    assert_eq!(own.diary.held(), 0);
}

#[tokio::test]
async fn deals_are_listed_by_the_day_on_which_they_were_made() {
    let double = double(|_| {
        let mut other = record("2", "paid", "14/05/2025 23:59:59");
        other["completedAmount"] = "1 300".into();
        page(
            &[
                record("1", "new", "14/05/2025 12:05:00"),
                other,
                // `dateTo` may be included.
                record("3", "new", "15/05/2025 00:00:00"),
                record("4", "new", ""),
                json!({ "orderId": 9, "orderNumber": null }),
            ],
            1,
            2,
        )
    })
    .await;
    let own = connection(&double.url);
    let day = "2025-05-14".parse().expect("a day");
    let listed = own.listed("deal", day, 1, now()).await.expect("a page");
    assert!(listed.more && listed.total.is_none());
    let ids: Vec<&str> = listed.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "4"]);
    assert_eq!(
        listed.rows[0].fields,
        json!({ "id": "1", "status": "new", "revenue": "1290.5", "orderName": "7C",
            "calltouch_id": "5", "created": "2025-05-14T09:05:00Z" })
    );
    assert_eq!(listed.rows[1].fields["revenue"], "1300");
    assert_eq!(listed.rows[2].made, "2025-05-13T21:00:00Z".parse().expect("a time"));
    assert!(own.listed("order", day, 1, now()).await.is_err());
}
