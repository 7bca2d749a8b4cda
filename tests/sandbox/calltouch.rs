//! Journals, registration and webhooks of Calltouch. Invariant: dates differ by method.

use crate::{Crm, answer};
use leadlink::sandbox::{Format, Kind, LeadSpec, Options, Phase};
use serde_json::json;

#[tokio::test]
async fn each_journal_has_its_date_format() {
    let crm = Crm::unlimited().await;
    let status = async |path: &str, from: &str, to: &str| {
        let request = crm.calltouch(path).query(&[("dateFrom", from), ("dateTo", to)]);
        request.send().await.expect("an answer").status().as_u16()
    };
    let calls = "4242/calls-diary/calls";
    assert_eq!(status(calls, "13/05/2025", "13/05/2025").await, 200);
    assert_eq!(status(calls, "05/13/2025", "05/13/2025").await, 400);
    assert_eq!(status(calls, "2025-05-13", "2025-05-13").await, 400);
    assert_eq!(status(calls, "13/05/2025", "14/05/2025").await, 400, "one day without page");
    assert_eq!(status(&format!("{calls}?page=1"), "13/05/2025", "14/05/2025").await, 200);
    assert_eq!(status("requests/", "05/13/2025", "05/13/2025").await, 200);
    assert_eq!(status("requests", "13/05/2025", "13/05/2025").await, 400);
    assert_eq!(status("nothing", "", "").await, 302);
    let url =
        format!("{}/calls-service/RestAPI/requests?clientApiId=x", crm.sandbox.calltouch_url());
    let (status, body) = answer(crm.client.get(url)).await;
    assert_eq!((status, &body["message"]), (403, &json!("Invalid credentials")));
}

#[tokio::test]
async fn a_lead_is_in_the_journal_and_at_the_hook() {
    let crm = Crm::unlimited().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<String>();
    let hook = axum::Router::new().route(
        "/hooks/calls",
        axum::routing::post(async move |body: String| {
            sender.send(body).expect("the test listens");
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hooks/calls", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, hook).await });

    let spec = LeadSpec {
        kind: Kind::Call,
        phone: "79161234567".into(),
        utm_source: "yandex".into(),
        hook_url: Some(url.clone()),
        deliveries: Some(2),
        phase: Phase::Both,
        reorder: true,
        duration: 40,
        ..LeadSpec::default()
    };
    let sent = crm.sandbox.send_lead(spec).await;
    let phases: Vec<_> = sent.deliveries.iter().map(|sent| (sent.phase, sent.status)).collect();
    let (end, start) = (("calldisconnected", 200), ("callconnected", 200));
    assert_eq!(phases, [end, end, start, start]);
    let body = receiver.recv().await.expect("a hook");
    let fields: std::collections::BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(fields["callerphone"], "79161234567");
    assert_eq!(fields["utm_term"], "<не указано>");

    let lead = sent.lead.expect("a lead");
    let day = lead.at.in_tz("Europe/Moscow").expect("a zone").strftime("%d/%m/%Y").to_string();
    let calls = crm.calltouch("4242/calls-diary/calls");
    let (_, body) = answer(calls.query(&[("dateFrom", &day), ("dateTo", &day)])).await;
    assert_eq!(body[0]["callId"], lead.id);
    assert_eq!(body[0]["callphase"], "calldisconnected");
    assert_eq!(body[0]["timestamp"], lead.at.as_second());

    let chat = LeadSpec {
        kind: Kind::Chat,
        hook_url: Some(url),
        format: Format::Json,
        ..LeadSpec::default()
    };
    assert_eq!(crm.sandbox.send_lead(chat).await.lead.expect("a lead").id, lead.id);
}

#[tokio::test]
async fn a_site_registers_a_request_without_a_token() {
    let crm = Crm::unlimited().await;
    let url = crm.sandbox.calltouch_url() + "/calls-service/RestAPI/requests/4242/register/";
    let form = [("subject", "Форма"), ("fio", "Анна"), ("email", "a@shop.test")];
    let (status, made) = answer(crm.client.post(&url).form(&form)).await;
    assert_eq!(status, 200);
    let (status, _) =
        answer(crm.client.get(&url).query(&[("phoneNumber", "7999"), ("sessionId", "")])).await;
    assert_eq!(status, 400, "an empty session makes it fail");
    assert_eq!(answer(crm.client.post(&url).form(&[("subject", "x")])).await.0, 400);

    let now = crm.sandbox.clock().now().in_tz("Europe/Moscow").expect("a zone");
    let day = now.strftime("%m/%d/%Y").to_string();
    let journal = crm.calltouch("requests").query(&[("dateFrom", &day), ("dateTo", &day)]);
    let (_, body) = answer(journal).await;
    assert_eq!(body[0]["requestId"], made["requestId"]);
    assert_eq!(body[0]["client"]["contacts"][0]["contactValue"], "a@shop.test");
    assert_eq!((&body[0]["session"], &body[0]["client"]["phones"]), (&json!(null), &json!([])));
    assert!(body[0]["date"].as_i64().is_some_and(|ms| ms > 1_000_000_000_000), "milliseconds");
}

#[tokio::test]
async fn the_journal_shows_a_call_late_and_in_its_phase() {
    let crm = Crm::unlimited().await;
    let spec = LeadSpec {
        phone: "79161234567".into(),
        phase: Phase::Start,
        waiting: 10,
        duration: 50,
        journal_delay_ms: 30_000,
        ..LeadSpec::default()
    };
    crm.sandbox.send_lead(spec).await;
    crm.sandbox.send_lead(LeadSpec { journal: Some(false), ..LeadSpec::default() }).await;
    let now = crm.sandbox.clock().now().in_tz("Europe/Moscow").expect("a zone");
    let from = now.strftime("%d/%m/%Y").to_string();
    let to = now.tomorrow().expect("a day").strftime("%d/%m/%Y").to_string();
    let journal = async || {
        let query =
            [("dateFrom", from.as_str()), ("dateTo", &to), ("page", "1"), ("limit", "5000")];
        let (_, body) = answer(crm.calltouch("4242/calls-diary/calls").query(&query)).await;
        assert_eq!(body["pageSize"], 1000, "the cap");
        body["records"].clone()
    };
    assert_eq!(journal().await, json!([]));
    crm.sandbox.clock().shift(jiff::SignedDuration::from_secs(30));
    let records = journal().await;
    assert_eq!(
        (&records[0]["callphase"], &records[0]["duration"]),
        (&json!("callconnected"), &json!(0))
    );
    crm.sandbox.clock().shift(jiff::SignedDuration::from_secs(30));
    let records = journal().await;
    assert_eq!(
        (&records[0]["callphase"], &records[0]["duration"]),
        (&json!("calldisconnected"), &json!(50))
    );
    assert_eq!(records.as_array().map(Vec::len), Some(1), "the other one never comes");
}

#[tokio::test]
async fn the_sixth_request_in_a_second_is_refused() {
    let crm = Crm::start(Options::default()).await;
    crm.sandbox.set_switches(|switches| switches.calltouch_retry_after = Some(2));
    let mut last = None;
    for _ in 0..6 {
        last = Some(crm.calltouch("4242/getnodeid/").send().await.expect("an answer"));
    }
    let last = last.expect("an answer");
    assert_eq!(
        (last.status().as_u16(), &last.headers()["retry-after"]),
        (429, &"2".parse().expect("a value"))
    );
}

#[tokio::test]
async fn a_lead_of_the_past_is_on_its_day_in_the_zone_of_the_site() {
    let crm = Crm::unlimited().await;
    // The last second of the first of March in Moscow, and the first of the second.
    let times = ["2025-03-01T20:59:59Z", "2025-03-01T21:00:00Z"];
    let specs = times.iter().flat_map(|at| {
        let at = Some(at.parse().expect("a time"));
        [Kind::Call, Kind::Request].map(|kind| LeadSpec { kind, at, ..LeadSpec::default() })
    });
    let specs: Vec<LeadSpec> = specs.collect();
    let made = crm.sandbox.seed_leads(&specs).expect("ids");
    assert_eq!(made, [900_000_001, 900_000_001, 900_000_002, 900_000_002]);
    let journal = async |path: &str, id: &str, day: &str, times: [&str; 2]| {
        let query =
            [("dateFrom", day), ("dateTo", day), ("timeFrom", times[0]), ("timeTo", times[1])];
        let (_, body) = answer(crm.calltouch(path).query(&query)).await;
        let rows = body.as_array().expect("a list").iter();
        rows.map(|row| row[id].as_u64().expect("an id")).collect::<Vec<_>>()
    };
    let whole = ["00:00:00", "23:59:59"];
    for (path, id, days) in [
        ("4242/calls-diary/calls", "callId", ["01/03/2025", "02/03/2025"]),
        ("requests", "requestId", ["03/01/2025", "03/02/2025"]),
    ] {
        assert_eq!(journal(path, id, days[0], whole).await, [900_000_001], "{path}");
        assert_eq!(journal(path, id, days[1], whole).await, [900_000_002], "{path}");
        assert_eq!(journal(path, id, days[1], ["00:00:01", "23:59:59"]).await, [0; 0], "{path}");
        assert_eq!(journal(path, id, days[0], ["23:00:00", "23:59:59"]).await, [900_000_001]);
    }
}
