//! The people of the demo: believable leads and the shop's older customers. Invariant: the same
//! seed makes the same people in the same order.

use crate::sandbox::{Format, Kind, LeadSpec, Phase, Sandbox};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::time::Duration;

const NAMES: &[&str] = &[
    "Анна",
    "Иван",
    "Мария",
    "Пётр",
    "Ольга",
    "Сергей",
    "Дарья",
    "Никита",
    "Елена",
    "Тимур",
    "Софья",
    "Глеб",
];
const SUBJECTS: &[&str] = &["Обратная связь", "Заказ в один клик", "Узнать цену", "Запись"];
/// source, medium, campaign, content, term
const SOURCES: &[[&str; 5]] = &[
    ["yandex", "cpc", "spring", "banner-1", "купить диван"],
    ["google", "organic", "", "", ""],
    ["vk", "social", "retarget", "video", ""],
    ["<не указано>", "<не указано>", "<не указано>", "<не указано>", "<не указано>"],
    ["newsletter", "email", "november", "top", ""],
];

/// Where an older customer's newest order stands.
struct Known {
    phone: &'static str,
    name: &'static str,
    status: &'static str,
    /// Marked by an earlier lead.
    marked: bool,
}

const KNOWN: &[Known] = &[
    Known { phone: "+7 (916) 200-00-01", name: "Вера", status: "new", marked: false },
    Known { phone: "8 916 200 00 02", name: "Олег", status: "assembling", marked: true },
    Known { phone: "79162000003", name: "Юлия", status: "complete", marked: false },
    Known { phone: "+79162000004", name: "Артём", status: "cancel-other", marked: true },
    Known { phone: "8(916)2000005", name: "Нина", status: "prepayed", marked: false },
];

pub struct Crowd {
    random: fastrand::Rng,
    /// Who called already; some call again.
    seen: Vec<String>,
    count: u32,
}

impl Crowd {
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), seen: Vec::new(), count: 0 }
    }

    /// Puts the older customers and their orders into the CRM; ids and statuses of the orders.
    pub fn furnish(&self, sandbox: &Sandbox, now: Timestamp) -> Vec<(u64, &'static str)> {
        let mut orders = Vec::new();
        for (days, known) in (10_i64..).zip(KNOWN) {
            let at = now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(now);
            let created = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
            let customer = json!({
                "firstName": known.name, "phones": [{ "number": known.phone }],
                "createdAt": created,
            });
            let Some(id) = customer.as_object().and_then(|body| sandbox.seed_customer(body).ok())
            else {
                continue;
            };
            let mut order = json!({
                "customer": { "id": id }, "status": known.status, "createdAt": created,
                "history": false,
            });
            if known.marked {
                order["customFields"] =
                    json!({ "calltouch_site_id": sandbox.site_id().to_string() });
            }
            // An order that is not there only makes the demo less varied.
            let made = order.as_object().and_then(|body| sandbox.seed_order(body).ok());
            orders.extend(made.map(|id| (id, known.status)));
        }
        orders
    }

    /// The next lead, and how long nobody comes after it.
    pub fn lead(&mut self) -> (LeadSpec, Duration) {
        self.count += 1;
        let [source, medium, campaign, content, term] = self.one(SOURCES);
        let mut spec = LeadSpec {
            utm_source: source.to_owned(),
            utm_medium: medium.to_owned(),
            utm_campaign: campaign.to_owned(),
            utm_content: content.to_owned(),
            utm_term: term.to_owned(),
            deliveries: Some(if self.random.u8(..4) == 0 { 2 } else { 1 }),
            format: self.one(&[Format::Form, Format::Get, Format::Json]),
            // A lost webhook: the journal brings the lead.
            drop: self.count % 9 == 7,
            duration: self.random.i64(5..240),
            waiting: self.random.i64(2..20),
            ..LeadSpec::default()
        };
        match self.random.u8(..10) {
            0..=5 => self.call(&mut spec),
            6..=7 => self.request(&mut spec),
            _ => self.chat(&mut spec),
        }
        (spec, Duration::from_millis(self.random.u64(250..1200)))
    }

    fn call(&mut self, spec: &mut LeadSpec) {
        spec.kind = Kind::Call;
        spec.phase = if self.random.bool() { Phase::Both } else { Phase::End };
        // A hidden number now and then.
        if !self.count.is_multiple_of(13) {
            spec.phone = self.phone();
        }
    }

    fn request(&mut self, spec: &mut LeadSpec) {
        spec.kind = Kind::Request;
        spec.name = self.one(NAMES).to_owned();
        spec.subject = self.one(SUBJECTS).to_owned();
        if self.random.u8(..4) > 0 {
            spec.phone = self.phone();
        }
        if spec.phone.is_empty() || self.random.bool() {
            spec.email = format!("guest{}@example.test", self.random.u16(1..40));
        }
    }

    fn chat(&mut self, spec: &mut LeadSpec) {
        spec.kind = Kind::Chat;
        // A chat has no journal: its webhook must come.
        spec.drop = false;
        spec.name = self.one(NAMES).to_owned();
        spec.phone = self.phone();
    }

    /// A stranger, somebody who was here before, or an older customer of the shop.
    fn phone(&mut self) -> String {
        let phone = match self.random.u8(..10) {
            0..=1 if !self.seen.is_empty() => {
                let at = self.random.usize(..self.seen.len());
                return self.seen[at].clone();
            }
            2..=4 => {
                let typed = KNOWN[self.random.usize(..KNOWN.len())].phone;
                let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
                format!("7{}", &digits[digits.len().saturating_sub(10)..])
            }
            _ => format!("7999{:07}", self.random.u32(..10_000_000)),
        };
        self.seen.push(phone.clone());
        phone
    }

    /// Somebody who called or wrote.
    pub fn caller(&mut self) -> Option<String> {
        if self.seen.is_empty() {
            return None;
        }
        let at = self.below(self.seen.len());
        self.seen.get(at).cloned()
    }

    pub fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    pub fn below(&mut self, count: usize) -> usize {
        self.random.usize(..count)
    }

    pub fn pause(&mut self, milliseconds: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.u64(milliseconds))
    }
}
