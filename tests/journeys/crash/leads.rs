//! People, their leads, and a sender that knows what was acknowledged. Invariant: a lead stands in
//! Calltouch before its hook is sent, and its hook is sent until it is acknowledged once.

use super::dice::Dice;
use crate::support::House;
use leadlink::sandbox::calltouch::lead::Lead;
use leadlink::sandbox::{Kind, LeadSpec};
use serde_json::{Value, json};
use std::time::Duration;

/// What the CRM knows of a person before the first lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Unknown,
    NoOrder,
    Open,
    Marked,
    Closed,
}

pub const STANDINGS: [Standing; 5] =
    [Standing::Unknown, Standing::NoOrder, Standing::Open, Standing::Marked, Standing::Closed];

#[derive(Debug, Clone)]
pub struct Person {
    /// Eleven digits; empty for somebody who only writes e-mails.
    pub phone: String,
    pub email: String,
    pub standing: Standing,
    /// As the CRM knew them before.
    pub customer: Option<u64>,
    pub order: Option<u64>,
}

impl Person {
    /// Somebody of this standing, seeded into the CRM as far as it knows them.
    pub fn seed(house: &House, number: u64, standing: Standing, dice: &mut Dice) -> Self {
        let by_email = standing == Standing::Unknown && number % 7 == 3;
        let phone = if by_email { String::new() } else { format!("7900{number:07}") };
        let email = format!("person{number}@example.test");
        let mut person = Self { phone, email, standing, customer: None, order: None };
        if standing == Standing::Unknown {
            return person;
        }
        let body = json!({
            "firstName": "Известный", "createdAt": "2025-01-10 10:00:00",
            "phones": [{"number": spelled(&person.phone, dice)}],
        });
        person.customer = Some(house.sandbox.seed_customer(object(&body)).expect("a customer"));
        let status = match standing {
            Standing::Unknown | Standing::NoOrder => return person,
            Standing::Open | Standing::Marked => "new",
            Standing::Closed => *dice.pick(&["complete", "no-call"]),
        };
        let mut body = json!({
            "customer": {"id": person.customer}, "status": status,
            "createdAt": "2025-02-10 10:00:00",
        });
        if standing == Standing::Marked {
            body["customFields"] = json!({"calltouch_site_id": "777"});
        }
        person.order = Some(house.sandbox.seed_order(object(&body)).expect("an order"));
        person
    }

    /// A lead of theirs, not told to anybody yet.
    pub fn lead(&self, dice: &mut Dice) -> LeadSpec {
        let writes = self.phone.is_empty();
        let kinds = [Kind::Call, Kind::Request, Kind::Chat];
        let kind = if writes { *dice.pick(&kinds[1..]) } else { *dice.pick(&kinds) };
        let with_email = writes || (kind != Kind::Call && dice.percent(30));
        let email = if dice.percent(30) { self.email.to_uppercase() } else { self.email.clone() };
        LeadSpec {
            kind,
            phone: if writes { String::new() } else { spelled(&self.phone, dice) },
            email: if with_email { email } else { String::new() },
            name: (*dice.pick(&["Иван", "Мария", ""])).to_owned(),
            subject: "Обратная связь".to_owned(),
            utm_source: "yandex".to_owned(),
            utm_medium: "cpc".to_owned(),
            duration: i64::try_from(dice.below(40)).expect("small"),
            waiting: 5,
            journal: Some(kind != Kind::Chat && dice.percent(70)),
            journal_delay_ms: i64::try_from(dice.below(30_000)).expect("small"),
            drop: true,
            ..LeadSpec::default()
        }
    }
}

/// One of the ways in which people write a number.
fn spelled(phone: &str, dice: &mut Dice) -> String {
    let national = &phone[1..];
    match dice.below(4) {
        0 => format!("8{national}"),
        1 => format!("+{phone}"),
        2 => format!("+7 ({}) {}-{}", &national[..3], &national[3..6], &national[6..]),
        _ => phone.to_owned(),
    }
}

fn object(body: &Value) -> &leadlink::sandbox::crm::account::Object {
    body.as_object().expect("an object")
}

/// The custom field that names a lead of this kind.
pub fn field(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => "calltouch_call_id",
        Kind::Request => "calltouch_request_id",
        Kind::Chat => "calltouch_chat_id",
    }
}

/// The event's key.
pub fn key(lead: &Lead) -> String {
    format!("{}:{}", lead.kind.name(), lead.id)
}

/// The webhook of a lead, as Calltouch sends it; a call without its id where `omit` says so.
pub fn form(lead: &Lead, site: u64, omit_id: bool) -> Vec<(&'static str, String)> {
    let mut form = vec![
        ("leadtype", lead.kind.name().to_owned()),
        ("siteId", site.to_string()),
        ("timestamp", lead.at.as_second().to_string()),
        ("utm_source", lead.utm[0].clone()),
        ("utm_medium", lead.utm[1].clone()),
        ("utm_campaign", "<не указано>".to_owned()),
    ];
    let id = lead.id.to_string();
    match lead.kind {
        Kind::Call => form.extend([
            ("callphase", "calldisconnected".to_owned()),
            ("id", if omit_id { String::new() } else { id }),
            ("callerphone", lead.phone.clone()),
            ("phonenumber", "74950000002".to_owned()),
            ("duration", lead.duration.to_string()),
            ("waiting_time", lead.waiting.to_string()),
        ]),
        Kind::Request => form.extend([
            ("requestId", id),
            ("subject", lead.subject.clone()),
            ("fio", lead.name.clone()),
            ("callerphone", lead.phone.clone()),
            ("email", lead.email.clone()),
        ]),
        Kind::Chat => form.extend([
            ("chatId", id),
            ("fio", lead.name.clone()),
            ("phone", lead.phone.clone()),
            ("email", lead.email.clone()),
        ]),
    }
    form
}

/// Posts to the hook as a sender that goes away when there is no answer.
#[derive(Clone)]
pub struct Sender {
    client: reqwest::Client,
    url: String,
}

impl Sender {
    pub fn new(house: &House) -> Self {
        Self::to(house.hook_url())
    }

    pub fn to(url: String) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            // A connection that a dead process held is not worth keeping.
            .pool_max_idle_per_host(0)
            .build();
        Self { client: client.expect("a client"), url }
    }

    /// Was it acknowledged?
    pub async fn send(&self, form: &[(&'static str, String)]) -> bool {
        let answer = self.client.post(&self.url).form(form).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends until it is acknowledged, once.
    pub async fn insist(&self, form: &[(&'static str, String)]) {
        while !self.send(form).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The custom fields of orders, as `leadlink setup` makes them.
pub async fn make_fields(house: &House) {
    let codes = ["site_id", "call_id", "request_id", "chat_id"].map(|id| format!("calltouch_{id}"));
    let utm = ["source", "medium", "campaign", "content", "term"].map(|mark| format!("utm_{mark}"));
    for code in codes.into_iter().chain(utm) {
        let body = json!({"entity": "order", "code": code, "name": code, "type": "string"});
        house.control("custom-fields", body).await;
    }
}
