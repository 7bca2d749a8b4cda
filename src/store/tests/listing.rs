//! The journals that people page through. Invariant: see `store::listing`.
#![cfg(test)]

use super::*;
use crate::domain::{Fate, Kept, Lead, Seen};
use crate::store::listing::{Column, Journal};

pub fn lead(id: &str, second: i64, source: Option<&str>) -> Lead {
    Lead {
        connection: "calls".to_owned(),
        kind: "call".to_owned(),
        id: id.to_owned(),
        at: at(second),
        contacts: vec!["phone:+79990000001".to_owned(), format!("email:u{id}@shop.test")],
        source: source.map(str::to_owned),
        medium: None,
        campaign: None,
        seen: Seen::HOOK,
    }
}

pub fn deal(id: &str, second: i64, fields: &Value) -> Kept {
    Kept {
        connection: "calls".to_owned(),
        kind: "deal".to_owned(),
        id: id.to_owned(),
        fields: fields.as_object().cloned().unwrap_or_default(),
        at: at(second),
    }
}

fn slice(most: u32, after: Option<Mark>) -> Slice {
    Slice { from: at(-100_000), until: at(100_000), after, most }
}

async fn found(db: &Db, filter: LeadFilter) -> Result<Vec<String>, Error> {
    let listed = db.store.listed_leads(&filter, &slice(100, None)).await?;
    Ok(listed.rows.into_iter().map(|row| row.id).collect())
}

fn typed(text: &str) -> LeadFilter {
    LeadFilter { search: Some(text.to_owned()), ..LeadFilter::default() }
}

#[tokio::test]
async fn each_lead_is_on_one_page_however_many_share_a_moment() -> Tested {
    let db = Db::new().await?;
    // Of three journals, seven at each moment; some come while somebody pages.
    let kinds = ["call", "request", "chat"];
    let make = |n: i64| Lead {
        kind: kinds[usize::try_from(n % 3).unwrap_or(0)].to_owned(),
        ..lead(&n.to_string(), n / 7, (n % 2 == 0).then_some("yandex"))
    };
    db.store.keep_leads((0..100).map(make).collect(), None).await?;
    let yandex = LeadFilter { source: Some("yandex".to_owned()), ..LeadFilter::default() };
    let calls = LeadFilter { kind: Some("call".to_owned()), ..LeadFilter::default() };
    for (filter, wanted) in [(LeadFilter::default(), 100), (yandex, 50), (calls, 34)] {
        let mut seen: Vec<(Timestamp, i64)> = Vec::new();
        let mut mark = None;
        loop {
            let page = db.store.listed_leads(&filter, &slice(8, mark)).await?;
            assert!(page.rows.len() <= 8);
            seen.extend(page.rows.iter().map(|row| (row.at, row.row)));
            let n = 1000 + i64::try_from(seen.len())?;
            db.store.keep_leads(vec![lead(&n.to_string(), 99_000, Some("yandex"))], None).await?;
            mark = page.next;
            if mark.is_none() {
                break;
            }
        }
        let old: Vec<_> = seen.iter().filter(|(time, _)| *time < at(90_000)).collect();
        assert_eq!(old.len(), wanted, "{filter:?}");
        assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first, each once");
    }
    // The span binds what is listed.
    let none = Slice { from: at(0), until: at(0), after: None, most: 10 };
    assert_eq!(db.store.listed_leads(&LeadFilter::default(), &none).await?.rows.len(), 0);
    let first = Slice { until: at(1), ..none };
    assert_eq!(db.store.listed_leads(&LeadFilter::default(), &first).await?.rows.len(), 7);
    Ok(())
}

#[tokio::test]
async fn a_lead_is_found_by_what_people_type() -> Tested {
    let db = Db::new().await?;
    let other = Lead { contacts: vec!["phone:+79990000002".to_owned()], ..lead("11", 2, None) };
    db.store.keep_leads(vec![lead("9", 1, None), other], None).await?;
    let phones = ["+7 (999) 000-00-01", "89990000001", "79990000001", "8 999 000 00 01"];
    for text in phones.into_iter().chain(["U9@Shop.test", "call:9", "9", " 9 "]) {
        assert_eq!(found(&db, typed(text)).await?, ["9"], "{text}");
    }
    for text in ["+7 999 000 00 03", "10", "request:9", "u11@shop.test", "'", "%", "_", "call:"] {
        assert_eq!(found(&db, typed(text)).await?, [""; 0], "{text}");
    }
    // By the order that it became, and only within the other filters.
    db.store
        .keep_entities(vec![deal("123", 5, &json!({ "orderName": "123A", "call": "9" }))])
        .await?;
    for text in ["123A", "№123A", "order:123", "123"] {
        assert_eq!(found(&db, typed(text)).await?, ["9"], "{text}");
    }
    // An order may have the number of another lead.
    db.store.keep_leads(vec![lead("123", 3, None)], None).await?;
    assert_eq!(found(&db, typed("123")).await?, ["123", "9"]);
    let elsewhere = LeadFilter { connection: Some("other".to_owned()), ..typed("9") };
    assert_eq!(found(&db, elsewhere).await?, [""; 0]);
    // The span does not bind a search.
    let none = Slice { from: at(0), until: at(0), after: None, most: 10 };
    assert_eq!(db.store.listed_leads(&typed("9"), &none).await?.rows.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_lead_tells_what_was_decided_about_it() -> Tested {
    let db = Db::new().await?;
    let judge: Judge = Arc::new(move |event, _| Judged {
        jobs: vec![JobChange::New(draft("a", &event.key, &[], 0))],
        lead: Some(lead(event.key.trim_start_matches("call:"), 0, None)),
        ..Judged::default()
    });
    let named = Event { fields: input_named("Anna"), ..one("call:9") };
    db.routed_by(&named, judge).await?;
    db.store.keep_leads(vec![lead("10", 1, None)], None).await?;
    let of = async |outcome: &str| {
        let outcome = Some(outcome.to_owned());
        found(&db, LeadFilter { outcome, ..LeadFilter::default() }).await
    };
    assert_eq!((of("waiting").await?, of("none").await?), (vec!["9".into()], vec!["10".into()]));
    let claimed = db.claim_one(0).await?;
    assert_eq!(of("waiting").await?, ["9"]);
    let row = |listed: Listed<LeadRow>| listed.rows.into_iter().next().ok_or("no row");
    let deciding = row(db.store.listed_leads(&typed("9"), &slice(9, None)).await?)?;
    assert_eq!(deciding.outcome.as_deref(), Some("deciding"));
    let skip = decided(Verdict::Skip, &[]);
    db.store.begin(claimed.fence, skip, at(2)).await?;
    let skipped = row(db.store.listed_leads(&typed("9"), &slice(9, None)).await?)?;
    assert_eq!(skipped.outcome.as_deref(), Some("skipped"));
    assert_eq!(skipped.why.as_deref(), Some("update: marked"));
    assert_eq!((skipped.name.as_deref(), skipped.event.as_deref()), (Some("Anna"), Some("call:9")));
    assert_eq!(skipped.contacts.len(), 2);
    // Another flow acts on it: that tells more; one that is stuck tells most.
    db.job("b", "call:9", &[], 3).await?;
    let (claimed, steps) = db.begun(&["create"], 4).await?;
    let link = crate::domain::Link {
        from_kind: "event".to_owned(),
        from_connection: "calls".to_owned(),
        from_id: "call:9".to_owned(),
        to_connection: "shop".to_owned(),
        to_kind: "order".to_owned(),
        to_id: "17".to_owned(),
        made: at(4),
    };
    let done = Finished { links: vec![link], ..finished(steps[0], StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(5)).await?;
    assert_eq!(of("acted").await?, ["9"]);
    let acted = row(db.store.listed_leads(&typed("9"), &slice(9, None)).await?)?;
    let orders: Vec<_> = acted.orders.iter().map(|o| (o.kind.as_str(), o.id.as_str())).collect();
    assert_eq!((orders, acted.why), (vec![("order", "17")], None));
    db.job("c", "call:9", &[], 6).await?;
    let claimed = db.claim_one(7).await?;
    db.store.park(claimed.fence, "it is odd", at(7)).await?;
    let stuck = row(db.store.listed_leads(&typed("9"), &slice(9, None)).await?)?;
    assert_eq!(
        (stuck.outcome.as_deref(), stuck.why.as_deref()),
        (Some("stuck"), Some("it is odd"))
    );
    assert_eq!((of("acted").await?, of("stuck").await?), (vec![], vec!["9".to_owned()]));
    // A lead that only a journal showed until now, and an event that learns whose it is.
    db.job("a", "call:10", &[], 8).await?;
    assert_eq!(of("waiting").await?, ["10"]);
    Ok(())
}

fn input_named(name: &str) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), json!(name))])
}

async fn one_deal(db: &Db) -> Result<DealRow, Box<dyn std::error::Error>> {
    let all = db.store.listed_deals(&DealFilter::default(), &slice(10, None)).await?;
    all.rows.into_iter().next().ok_or_else(|| "no deal".into())
}

#[tokio::test]
async fn a_deal_is_listed_as_it_was_written_last_with_the_marks_of_its_lead() -> Tested {
    let db = Db::new().await?;
    let fields = json!({
        "orderName": "7A", "status": "new", "revenue": "1290.50", "currency": "rub",
        "manager": "Anna", "funnel": "main", "orderDate": at(-50).to_string(), "call": "9",
    });
    db.store.keep_entities(vec![deal("7", 10, &fields)]).await?;
    let row = one_deal(&db).await?;
    assert_eq!((row.id.as_str(), row.number.as_deref(), row.at), ("7", Some("7A"), at(-50)));
    assert_eq!((row.revenue.as_deref(), row.currency.as_deref()), (Some("1290.50"), Some("rub")));
    assert_eq!((row.manager.as_deref(), row.funnel.as_deref()), (Some("Anna"), Some("main")));
    let at_lead = |row: &DealRow| row.lead.as_ref().map(|lead| (lead.id.clone(), lead.at));
    assert_eq!((at_lead(&row), row.source), (Some(("9".to_owned(), None)), None));
    // Its lead comes later, and learns where it is from later still.
    db.store.keep_leads(vec![lead("9", 1, None)], None).await?;
    db.store.keep_leads(vec![lead("9", 1, Some("yandex"))], None).await?;
    let row = one_deal(&db).await?;
    assert_eq!(at_lead(&row), Some(("9".to_owned(), Some(at(1)))));
    assert_eq!(row.source.as_deref(), Some("yandex"));
    db.store.keep_entities(vec![deal("7", 20, &json!({ "status": "paid" }))]).await?;
    let row = one_deal(&db).await?;
    assert_eq!((row.status.as_deref(), row.source.as_deref()), (Some("paid"), Some("yandex")));
    assert_eq!((row.at, row.changed, row.due), (at(-50), at(20), None));
    // Its next update waits in its lane; another site's order of the same id is another's.
    db.job("deal-update", "order:7", &["calls|order:7"], 500).await?;
    db.job("deal-update", "order:8", &["other|order:7"], 400).await?;
    assert_eq!(one_deal(&db).await?.due, Some(at(500)));
    // A flow that writes to two sites has the lanes of the first.
    let lanes = LanesOfDeals::from([("calls".to_owned(), ["other".to_owned()].into())]);
    let filter = DealFilter::default();
    let shared = db.store.listed_deals_in(&filter, &slice(10, None), &lanes).await?;
    assert_eq!(shared.rows.first().and_then(|row| row.due), Some(at(400)));
    Ok(())
}

#[tokio::test]
async fn deals_are_filtered_and_found() -> Tested {
    let db = Db::new().await?;
    db.store.keep_leads(vec![lead("9", 1, Some("yandex"))], None).await?;
    let lost = json!({ "status": "new", "source": "Лид не найден", "campaign": "Лид не найден" });
    let linked = json!({ "orderName": "2B", "status": "paid", "call": "9", "manager": "Anna" });
    db.store.keep_entities(vec![deal("1", 1, &lost), deal("2", 2, &linked)]).await?;
    let ids = async |filter: DealFilter| {
        let listed = db.store.listed_deals(&filter, &slice(10, None)).await?;
        Ok::<_, Error>(listed.rows.into_iter().map(|row| row.id).collect::<Vec<_>>())
    };
    let base = DealFilter::default;
    assert_eq!(ids(base()).await?, ["2", "1"]);
    assert_eq!(ids(DealFilter { linked: Some(false), ..base() }).await?, ["1"]);
    assert_eq!(ids(DealFilter { linked: Some(true), ..base() }).await?, ["2"]);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(ids(DealFilter { status: some("new"), ..base() }).await?, ["1"]);
    assert_eq!(ids(DealFilter { source: some("Лид не найден"), ..base() }).await?, ["1"]);
    assert_eq!(ids(DealFilter { source: some("yandex"), ..base() }).await?, ["2"]);
    let both = DealFilter { manager: some("Anna"), status: some("new"), ..base() };
    assert_eq!(ids(both).await?, [""; 0]);
    for text in ["2", "2B", "#2B", "deal:2", "order:2", "call:9", "9", "8 999 000-00-01"] {
        assert_eq!(ids(DealFilter { search: some(text), ..base() }).await?, ["2"], "{text}");
    }
    assert_eq!(ids(DealFilter { search: some("request:9"), ..base() }).await?, [""; 0]);
    // Another person's lead has the same id, of another kind or site.
    let theirs = |connection: &str, kind: &str| Lead {
        connection: connection.to_owned(),
        kind: kind.to_owned(),
        contacts: vec!["phone:+79990000005".to_owned()],
        ..lead("9", 1, None)
    };
    db.store.keep_leads(vec![theirs("calls", "request"), theirs("other", "call")], None).await?;
    assert_eq!(ids(DealFilter { search: some("79990000005"), ..base() }).await?, [""; 0]);
    let elsewhere =
        Kept { connection: "other".to_owned(), ..deal("3", 3, &json!({ "call": "9" })) };
    db.store.keep_entities(vec![elsewhere]).await?;
    assert_eq!(ids(DealFilter { search: some("79990000005"), ..base() }).await?, ["3"]);
    assert_eq!(ids(DealFilter { search: some("79990000001"), ..base() }).await?, ["2"]);
    let ours = DealFilter { connection: some("calls"), ..base() };
    assert_eq!(ids(ours).await?, ["2", "1"]);
    let known = async |column| db.store.known_values(Journal::Deals, column, at(-10), at(10)).await;
    assert_eq!(known(Column::Source).await?, ["yandex", "Лид не найден"]);
    assert_eq!(
        (known(Column::Manager).await?, known(Column::Funnel).await?),
        (vec!["Anna".into()], vec![])
    );
    let later = db.store.known_values(Journal::Deals, Column::Status, at(3), at(10)).await?;
    assert!(later.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_deal_tells_what_became_of_its_order() -> Tested {
    let db = Db::new().await?;
    db.job("order-to-deal", "order:7", &[], 0).await?;
    let (claimed, steps) = db.begun(&["create"], 1).await?;
    let link = crate::domain::Link {
        from_kind: "order".to_owned(),
        from_connection: "shop".to_owned(),
        from_id: "7".to_owned(),
        to_connection: "calls".to_owned(),
        to_kind: "deal".to_owned(),
        to_id: "7".to_owned(),
        made: at(1),
    };
    let kept = Some(deal("7", 1, &json!({ "status": "new" })));
    let done = Finished { links: vec![link], kept, ..finished(steps[0], StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(1)).await?;
    assert_eq!(one_deal(&db).await?.gone, None);
    let fate = |connection: &str| Fate {
        connection: connection.to_owned(),
        kind: "order".to_owned(),
        id: "7".to_owned(),
        became: Some("8".to_owned()),
        at: at(5),
    };
    for (connection, wanted) in [("another", None), ("shop", Some(at(5)))] {
        let fate = fate(connection);
        db.store
            .write(move |db| Box::pin(async move { super::super::entities::end(db, &fate).await }))
            .await?;
        assert_eq!(one_deal(&db).await?.gone, wanted, "of {connection}");
    }
    assert_eq!(one_deal(&db).await?.became.as_deref(), Some("8"));
    Ok(())
}

fn message(id: &str, fields: &Value) -> Event {
    let mut all =
        json!({ "id": id, "chat": "501", "text": "Здравствуйте", "phone": "79990000001" });
    if let (Some(all), Some(more)) = (all.as_object_mut(), fields.as_object()) {
        all.extend(more.clone());
    }
    Event {
        kind: "message.received".to_owned(),
        connection: "chat".to_owned(),
        fields: all.as_object().cloned().unwrap_or_default(),
        ..one(&format!("message:{id}"))
    }
}

async fn messages(db: &Db, filter: MessageFilter) -> Result<Vec<(String, String)>, Error> {
    let listed = db.store.listed_messages(&filter, &slice(10, None)).await?;
    Ok(listed.rows.into_iter().map(|row| (row.direction, row.state)).collect())
}

/// A job that sends a message; its claim and the step, which runs.
async fn sending(db: &Db, key: &str) -> Result<(Claimed, i64), Box<dyn std::error::Error>> {
    db.job("crm-to-message", key, &[], 0).await?;
    planned(db, 1, key).await
}

async fn planned(
    db: &Db,
    second: i64,
    key: &str,
) -> Result<(Claimed, i64), Box<dyn std::error::Error>> {
    let claimed = db.claim_one(second).await?;
    let effect = Effect {
        connection: "chat".to_owned(),
        operation: "message.send".to_owned(),
        input: json!({ "chat": "501", "text": "Ваш заказ готов" })
            .as_object()
            .cloned()
            .unwrap_or_default(),
        key: key.to_owned(),
    };
    let plan = Plan { steps: vec![Step::new("send", effect)] };
    let decision = decided(Verdict::Act(plan), &[]);
    match db.store.begin(claimed.fence, decision, at(second)).await? {
        Fenced::Yes(Begun::Started(ids)) => Ok((claimed, ids[0])),
        other => Err(format!("not started: {other:?}").into()),
    }
}

fn told(id: &str, state: &str) -> Kept {
    Kept {
        connection: "chat".to_owned(),
        kind: "message".to_owned(),
        ..deal(id, 2, &json!({ "state": state, "chat": "501" }))
    }
}

#[tokio::test]
async fn a_message_is_one_row_from_its_plan_to_its_reader() -> Tested {
    let db = Db::new().await?;
    db.routed(&message("a", &json!({ "files": [{}, {}] })), Vec::new()).await?;
    let (claimed, step) = sending(&db, "message:45").await?;
    let all = MessageFilter::default;
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let both = messages(&db, all()).await?;
    assert_eq!(both, [pair("out", "waiting"), pair("in", "received")]);
    let kept = Some(told("b", "sent"));
    let done = Finished { kept, ..finished(step, StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(2)).await?;
    // Its echo is no second message.
    db.routed(&message("b", &json!({ "own": true })), Vec::new()).await?;
    assert_eq!(messages(&db, all()).await?, [pair("out", "sent"), pair("in", "received")]);
    for (state, wanted) in [("delivered", "delivered"), ("read", "read"), ("sent", "read")] {
        db.store.keep_entities(vec![told("b", state)]).await?;
        assert_eq!(messages(&db, all()).await?[0], pair("out", wanted));
    }
    let of = |direction: &str| MessageFilter { direction: Some(direction.to_owned()), ..all() };
    assert_eq!(messages(&db, of("in")).await?, [pair("in", "received")]);
    let typed = |text: &str| MessageFilter { search: Some(text.to_owned()), ..all() };
    for (text, count) in [("8 999 000 00 01", 1), ("501", 2), ("b", 1), ("502", 0)] {
        assert_eq!(messages(&db, typed(text)).await?.len(), count, "{text}");
    }
    let mailed = json!({ "phone": "", "email": "U1@Shop.test", "sender": "77", "chat": "9" });
    db.routed(&message("c", &mailed), Vec::new()).await?;
    for text in ["u1@shop.test", "77", "9", "c"] {
        assert_eq!(messages(&db, typed(text)).await?, [pair("in", "received")], "{text}");
    }
    let text = typed("message:a").search;
    let listed = db
        .store
        .listed_messages(&MessageFilter { search: text, ..of("in") }, &slice(10, None))
        .await?;
    let row = listed.rows.first().ok_or("no row")?;
    assert_eq!((row.files, row.event.as_deref()), (2, Some("message:a")));
    assert_eq!(row.contact.as_deref(), Some("phone:+79990000001"));
    Ok(())
}

#[tokio::test]
async fn an_echo_that_is_faster_than_the_answer_is_the_same_message() -> Tested {
    let db = Db::new().await?;
    let (claimed, step) = sending(&db, "message:45").await?;
    db.routed(&message("b", &json!({ "own": true })), Vec::new()).await?;
    db.store.keep_entities(vec![told("b", "delivered")]).await?;
    assert_eq!(messages(&db, MessageFilter::default()).await?.len(), 2, "nobody knows it yet");
    let done = Finished { kept: Some(told("b", "sent")), ..finished(step, StepState::Done) };
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(2)).await?;
    let all = messages(&db, MessageFilter::default()).await?;
    assert_eq!(all, [("out".to_owned(), "delivered".to_owned())]);
    let hours = db.store.hourly(&[Measure::Messages], at(-9999), at(9999)).await?;
    assert_eq!(hours.iter().map(|hour| hour.n).sum::<i64>(), 1, "{hours:?}");
    Ok(())
}

#[tokio::test]
async fn a_message_that_was_refused_says_why_and_one_that_is_planned_anew_is_one() -> Tested {
    let db = Db::new().await?;
    let (claimed, step) = sending(&db, "message:45").await?;
    let later = Finished { why: Some("busy".into()), ..finished(step, StepState::Waiting) };
    let again = Next::Again { due: at(9), why: "busy".to_owned() };
    db.store.finish(claimed.fence, later, again, at(1)).await?;
    let first = one_message(&db).await?;
    assert_eq!((first.state.as_str(), first.why.as_deref()), ("waiting", Some("busy")));
    // The next plan sends the same message.
    let (claimed, step) = planned(&db, 10, "message:45").await?;
    let row = one_message(&db).await?;
    assert_eq!((row.row, row.state.as_str(), row.at), (first.row, "waiting", at(10)));
    let refused = Finished { why: Some("blocked".into()), ..finished(step, StepState::Refused) };
    db.store.finish(claimed.fence, refused, end(JobState::Stuck), at(11)).await?;
    let row = one_message(&db).await?;
    assert_eq!((row.state.as_str(), row.why.as_deref()), ("refused", Some("blocked")));
    let hours = db.store.hourly(&[Measure::Messages], at(-9999), at(9999)).await?;
    assert!(hours.is_empty(), "{hours:?}");
    Ok(())
}

async fn one_message(db: &Db) -> Result<MessageRow, Box<dyn std::error::Error>> {
    let listed = db.store.listed_messages(&MessageFilter::default(), &slice(10, None)).await?;
    assert_eq!(listed.rows.len(), 1, "{listed:?}");
    listed.rows.into_iter().next().ok_or_else(|| "no message".into())
}

#[tokio::test]
async fn a_message_that_waits_stays_until_its_job_is_through() -> Tested {
    let db = Db::new().await?;
    let wait = async |second: i64, job: &str| {
        let (claimed, step) = planned(&db, second, job).await?;
        let later = Finished { why: Some("busy".into()), ..finished(step, StepState::Waiting) };
        let again = Next::Again { due: at(second + 1), why: "busy".to_owned() };
        db.store.finish(claimed.fence, later, again, at(second)).await?;
        Ok::<_, Box<dyn std::error::Error>>(claimed.fence.job)
    };
    db.job("crm-to-message", "message:1", &[], 0).await?;
    let job = wait(1, "message:1").await?;
    // Parked it waits too, and says why it did.
    let claimed = db.claim_one(3).await?;
    db.store.park(claimed.fence, "it is odd", at(3)).await?;
    let row = one_message(&db).await?;
    assert_eq!((row.state.as_str(), row.why.as_deref()), ("waiting", Some("busy")));
    db.store.skip_job(job, (Some("anna"), "no more"), at(4)).await?;
    let row = one_message(&db).await?;
    let why = row.why.unwrap_or_default();
    assert!(row.state == "refused" && why.ends_with("no more"), "{}: {why}", row.state);
    // One that another decision leaves out is none.
    db.job("crm-to-message", "message:2", &[], 10).await?;
    wait(11, "message:2").await?;
    let claimed = db.claim_one(13).await?;
    db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(13)).await?;
    assert_eq!(one_message(&db).await?.event.as_deref(), Some("message:1"));
    Ok(())
}

#[tokio::test]
async fn a_message_that_may_have_gone_out_stays_unknown_when_its_job_is_skipped() -> Tested {
    let db = Db::new().await?;
    let (claimed, step) = sending(&db, "message:1").await?;
    let parked = Next::End { state: JobState::Stuck, why: Some("a person must say".to_owned()) };
    let lost = Finished { why: Some("lost".into()), ..finished(step, StepState::Unknown) };
    db.store.finish(claimed.fence, lost, parked, at(2)).await?;
    let told = |row: MessageRow| (row.state, row.why);
    let unknown = ("unknown".to_owned(), Some("lost".to_owned()));
    assert_eq!(told(one_message(&db).await?), unknown);
    db.store.skip_job(claimed.fence.job, (None, "let it be"), at(3)).await?;
    assert_eq!(told(one_message(&db).await?), unknown);
    Ok(())
}
