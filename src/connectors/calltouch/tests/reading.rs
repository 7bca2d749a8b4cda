//! Samples into events, and what hook and journal have in common.

use super::*;
use proptest::prelude::*;
use std::path::Path;

fn said(read: Result<Vec<Event>, Unreadable>) -> Value {
    match read {
        Ok(events) => json!({ "events": events }),
        Err(why) => json!({ "unreadable": why.0 }),
    }
}

/// What a sample says, by the kind that its name tells.
fn told(own: &Calltouch, name: &str, body: &[u8]) -> Value {
    if name.starts_with("hook-") {
        let content_type = match name.rsplit('.').next() {
            Some("json") => "application/json; charset=utf-8",
            Some("multipart") => "multipart/form-data; boundary=\"----leadlink\"",
            _ => FORM,
        };
        return said(own.parse(&hook(content_type, body)));
    }
    let channel = name.split('-').next().unwrap_or_default();
    let answer = serde_json::from_slice(body).expect("a JSON sample");
    let page = match journal::page(answer, 1, client::LIMIT) {
        Ok(page) => page,
        Err(why) => return json!({ "fault": why }),
    };
    let rows: Vec<Value> = page
        .records
        .iter()
        .map(|record| match journal::row(record, channel, &own.reader.site, now()) {
            None => json!("of another site"),
            Some(row) => {
                let (key, _) = row.dedupe_key.rsplit_once(':').expect("a hash");
                json!({ "row": format!("{key}:…"), "said": said(own.parse(&row)) })
            }
        })
        .collect();
    json!({ "rows": rows, "more": page.more })
}

#[test]
fn samples() {
    let own = offline();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/calltouch/samples");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("samples")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| folder.join(name).is_file())
        .collect();
    names.sort();
    assert!(names.len() > 25, "{names:?}");
    insta::with_settings!({
        snapshot_path => folder.join("snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for name in names {
            let body = std::fs::read(folder.join(&name)).expect("a sample");
            let told = told(&own, &name, &body);
            let text = serde_json::to_string_pretty(&told).expect("JSON");
            insta::assert_snapshot!(name, text);
        }
    });
}

#[test]
fn samples_cut_short_never_panic() {
    let own = offline();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/calltouch/samples");
    for entry in std::fs::read_dir(folder).expect("samples").filter_map(Result::ok) {
        let Ok(body) = std::fs::read(entry.path()) else { continue };
        for end in (0..body.len()).step_by(7) {
            for kind in [FORM, "application/json", "multipart/form-data; boundary=----leadlink"] {
                let mut raw = hook(kind, &body[..end]);
                drop(own.parse(&raw));
                raw.channel = "requests".into();
                drop(own.parse(&raw));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), kind in 0..4) {
        let own = offline_shared();
        let kinds = [FORM, "application/json", "multipart/form-data; boundary=a", ""];
        let kind = kinds[usize::try_from(kind).unwrap_or_default()];
        let mut raw = hook(kind, &body);
        for channel in ["hook", "calls", "requests"] {
            raw.channel = channel.into();
            drop(own.parse(&raw));
        }
        prop_assert_eq!(own.dedupe_key(kind, &body, Timestamp::MIN), own.dedupe_key(kind, &body, Timestamp::MAX));
    }

    #[test]
    fn random_fields_never_panic(pairs in prop::collection::vec((prop::sample::select(vec![
        "leadtype", "id", "callphase", "callerphone", "timestamp", "calltime", "duration", "siteId",
        "requestId", "chatId", "email", "date", "waiting_time", "unique", "data[id]"]),
        prop_oneof!["\\PC{0,20}", "-?[0-9]{0,20}", Just("call".to_owned()), Just("calldisconnected".to_owned())]), 0..10))
    {
        let own = offline_shared();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
        drop(own.parse(&hook(FORM, &form(&pairs))));
        let record: serde_json::Map<String, Value> =
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).into())).collect();
        let mut raw = row_of(own, &json!({"callId": 1, "requestId": 1}), "calls");
        for channel in ["calls", "requests"] {
            raw.channel = channel.into();
            raw.body = Value::Object(record.clone()).to_string().into_bytes();
            drop(own.parse(&raw));
        }
    }

    /// Whatever of id, epoch and wall-clock time the webhook carries, it and the journal's record
    /// of the same call know each other.
    #[test]
    fn hook_and_journal_of_a_call_share_a_key(
        id in 1i64..1_000_000_000, number in 0u64..10_000_000, start in 1_500_000_000i64..1_900_000_000,
        with_id: bool, with_epoch: bool, mask: bool)
    {
        let own = offline_shared();
        let digits = format!("7999{number:07}");
        let typed = if mask { format!("8 ({}) {}", &digits[1..4], &digits[4..]) } else { digits.clone() };
        let wall = own.reader.site.zone.to_datetime(Timestamp::from_second(start).expect("a time"));
        let wall = wall.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let (id_text, start_text) = (id.to_string(), start.to_string());
        let mut pairs = vec![("callphase", "calldisconnected"), ("callerphone", typed.as_str())];
        if with_id { pairs.push(("id", &id_text)); }
        if with_epoch { pairs.push(("timestamp", &start_text)); } else { pairs.push(("calltime", &wall)); }

        let hooked = own.parse(&hook(FORM, &form(&pairs))).expect("readable").remove(0);
        let polled = own.parse(&row_of(own, &call_record(id, &digits, start), "calls")).expect("readable").remove(0);
        prop_assert!(hooked.keys().any(|key| polled.keys().any(|other| key == other)));
        prop_assert_eq!(hooked.provisional, !with_id);
        prop_assert_eq!(polled.key, format!("call:{id}"));
        prop_assert_eq!(polled.registered.as_second(), start + 49);

        // The start of the call shares none: it is another fact.
        pairs[0].1 = "callconnected";
        let started = own.parse(&hook(FORM, &form(&pairs))).expect("readable").remove(0);
        prop_assert!(!started.keys().any(|key| hooked.keys().any(|other| key == other)));
    }
}

/// One connection for all cases of a property: a client costs milliseconds.
fn offline_shared() -> &'static Calltouch {
    static SHARED: std::sync::OnceLock<Calltouch> = std::sync::OnceLock::new();
    SHARED.get_or_init(offline)
}
