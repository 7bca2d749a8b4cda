//! The webhooks of Calltouch (calltouch.md §6): fields, order, deliveries. Invariant: all values
//! are strings; nothing is sent twice unless the lead asks for it — the far side retries nothing.

use crate::sandbox::calltouch::Site;
use crate::sandbox::calltouch::journal::NONE;
use crate::sandbox::calltouch::lead::{Format, Kind, Lead, LeadSpec, Phase};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One webhook, ready to be sent.
#[derive(Debug, Clone)]
pub struct Hook {
    pub phase: &'static str,
    pub fields: BTreeMap<String, String>,
}

/// What became of one delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    pub phase: &'static str,
    /// 0 where there was no answer.
    pub status: u16,
    pub ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The webhooks of a lead, in the order in which they arrive.
pub fn hooks(site: &Site, lead: &Lead, spec: &LeadSpec, now: Timestamp) -> Vec<Hook> {
    let hook = |phase: &'static str| {
        let mut fields = fields(site, lead, phase, now);
        if spec.test {
            fields = fields.into_keys().map(|key| (key.clone(), format!("{{{key}}}"))).collect();
        }
        fields.extend(spec.fields.clone());
        fields.retain(|key, _| !spec.omit.contains(key));
        Hook { phase, fields }
    };
    let mut hooks = match (lead.kind, spec.phase) {
        (Kind::Call, Phase::Start) => vec![hook("callconnected")],
        (Kind::Call, Phase::Both) => vec![hook("callconnected"), hook("calldisconnected")],
        (Kind::Call, Phase::End) => vec![hook("calldisconnected")],
        (Kind::Request | Kind::Chat, _) => vec![hook("registered")],
    };
    if spec.reorder {
        hooks.reverse();
    }
    hooks
}

fn fields(site: &Site, lead: &Lead, phase: &str, now: Timestamp) -> BTreeMap<String, String> {
    let local = lead.at.to_zoned(site.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut fields: Vec<(&str, String)> = vec![
        ("leadtype", lead.kind.name().to_owned()),
        ("timestamp", lead.at.as_second().to_string()),
        ("sendingTimestamp", now.as_second().to_string()),
        ("siteId", site.id.to_string()),
        ("siteName", "shop.test".to_owned()),
        ("hostname", "shop.test".to_owned()),
        ("url", "https://shop.test/".to_owned()),
        ("sessionId", lead.session.to_string()),
        ("attribution", "1".to_owned()),
    ];
    let names = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"];
    let named = names.into_iter().zip(&lead.utm);
    for (name, value) in named.chain([("source", &lead.utm[0]), ("medium", &lead.utm[1])]) {
        fields.push((name, if value.is_empty() { NONE.to_owned() } else { value.clone() }));
    }
    let id = lead.id.to_string();
    match lead.kind {
        Kind::Call => call_fields(&mut fields, lead, phase, local),
        Kind::Request => fields.extend([
            ("requestId", id.clone()),
            ("requestNumber", id),
            ("requestDate", local),
            ("subject", lead.subject.clone()),
            ("fio", lead.name.clone()),
            ("callerphone", lead.phone.clone()),
            ("email", lead.email.clone()),
            ("uniquerequest", lead.unique.to_string()),
            ("targetrequest", "target".to_owned()),
            ("uniqtargetrequest", "uniqtarget".to_owned()),
        ]),
        Kind::Chat => fields.extend([
            ("chatId", id),
            ("fio", lead.name.clone()),
            ("phone", lead.phone.clone()),
            ("email", lead.email.clone()),
        ]),
    }
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn call_fields(fields: &mut Vec<(&str, String)>, lead: &Lead, phase: &str, local: String) {
    let ended = phase == "calldisconnected";
    let seconds = |seconds: i64| if ended { seconds.to_string() } else { "0".to_owned() };
    let status = if lead.duration > 0 { "successful" } else { "unsuccessful" };
    fields.extend([
        ("id", lead.id.to_string()),
        ("callphase", phase.to_owned()),
        ("callerphone", lead.phone.clone()),
        ("phonenumber", "74950000002".to_owned()),
        ("redirectNumber", "79990000003".to_owned()),
        ("calltime", local),
        ("duration", seconds(lead.duration)),
        ("waiting_time", seconds(lead.waiting)),
        ("status", if ended { status.to_owned() } else { String::new() }),
        ("unique", lead.unique.to_string()),
        ("targetcall", "target".to_owned()),
        ("uniqtargetcall", "uniqtarget".to_owned()),
        ("callback", "non-callback".to_owned()),
        ("worktime", "worktime".to_owned()),
        ("callUrl", "https://shop.test/".to_owned()),
        ("city", "Москва".to_owned()),
        ("sip_call_id", format!("s-{}", lead.id)),
    ]);
}

/// Sends one webhook once.
pub async fn deliver(client: &reqwest::Client, url: &str, format: Format, hook: Hook) -> Delivery {
    let start = Instant::now();
    let request = match format {
        Format::Form => client.post(url).form(&hook.fields),
        Format::Get => client.get(url).query(&hook.fields),
        Format::Json => client.post(url).json(&hook.fields),
    };
    let answer = request.timeout(Duration::from_secs(30)).send().await;
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(answer) => {
            Delivery { phase: hook.phase, status: answer.status().as_u16(), ms, error: None }
        }
        // The URL holds the hook's secret.
        Err(error) => {
            let error = Some(error.without_url().to_string());
            Delivery { phase: hook.phase, status: 0, ms, error }
        }
    }
}
