//! A lead of Calltouch, how it is ordered (`LeadSpec`) and how a site registers one. Invariant: a
//! lead is made once and never changes; what the journal shows of it depends on the clock alone.

use crate::sandbox::answer::Answer;
use crate::sandbox::calltouch::{Incoming, Site, refused};
use crate::sandbox::crm::account::whole_second;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Call,
    Request,
    Chat,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Request => "request",
            Self::Chat => "chat",
        }
    }
}

/// How a webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Form,
    Get,
    Json,
}

/// Which webhooks a call sends. The others have one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Start,
    #[default]
    End,
    Both,
}

/// A lead to be made: its contents, and how Calltouch tells of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeadSpec {
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The site that it belongs to; else the first.
    pub site: Option<u64>,
    /// A lead that exists already and is told of again (a late end, a late repeat); nothing is made.
    pub id: Option<u64>,
    /// As Calltouch knows it; hidden numbers are empty.
    pub phone: String,
    pub email: String,
    pub name: String,
    pub subject: String,
    pub utm_source: String,
    pub utm_medium: String,
    pub utm_campaign: String,
    pub utm_content: String,
    pub utm_term: String,
    /// Where the webhook goes; else to the sandbox's own `hook_url`, else nowhere.
    pub hook_url: Option<String>,
    pub format: Format,
    /// How many times each webhook is sent; 1 when left out.
    pub deliveries: Option<u32>,
    /// All deliveries at once, instead of one after the other.
    pub parallel: bool,
    /// The webhook is lost.
    pub drop: bool,
    /// Fields that the webhook does not carry.
    pub omit: Vec<String>,
    /// Fields that the webhook carries besides, or with another value.
    pub fields: BTreeMap<String, String>,
    /// Calltouch does not count it as unique.
    pub repeated: bool,
    /// `test`: every value is a `{placeholder}`, and no lead is made.
    pub test: bool,
    pub phase: Phase,
    /// With `both`: the end arrives before the start.
    pub reorder: bool,
    /// Start of a call, creation of a request or chat; else now (a call has just ended).
    pub at: Option<Timestamp>,
    /// Talk of a call in seconds.
    pub duration: i64,
    /// Ring of a call in seconds.
    pub waiting: i64,
    /// False for a lead that the journal never shows. Chats have none anyway.
    pub journal: Option<bool>,
    /// How long after it ended or was made the journal shows it.
    pub journal_delay_ms: i64,
}

/// A lead that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Lead {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub site: u64,
    pub id: u64,
    pub phone: String,
    pub email: String,
    pub name: String,
    pub subject: String,
    /// source, medium, campaign, content, term
    pub utm: [String; 5],
    pub at: Timestamp,
    pub duration: i64,
    pub waiting: i64,
    pub session: u64,
    pub unique: bool,
    /// From when on the journal shows it; never for chats.
    pub in_journal_from: Option<Timestamp>,
    /// Statuses of the webhook deliveries; 0 where there was no answer.
    pub delivered: Vec<u16>,
}

impl Lead {
    /// When a call ended, and any other lead was made.
    pub fn ended(&self) -> Timestamp {
        match self.kind {
            Kind::Call => after(self.at, SignedDuration::from_secs(self.waiting + self.duration)),
            Kind::Request | Kind::Chat => self.at,
        }
    }
}

fn after(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.saturating_add(span).unwrap_or(at)
}

impl Site {
    /// Makes the lead and answers it; one of a test call is not kept.
    pub fn register(&mut self, spec: &LeadSpec, now: Timestamp) -> Lead {
        let call = spec.kind == Kind::Call;
        let talk = SignedDuration::from_secs(spec.waiting.saturating_add(spec.duration));
        let ends_now = call && spec.phase != Phase::Start;
        let default_at = if ends_now { after(now, -talk) } else { now };
        let at = whole_second(spec.at.unwrap_or(default_at));
        let made = if ends_now { after(at, talk) } else { at };
        let delay = SignedDuration::from_millis(spec.journal_delay_ms);
        let shown = spec.journal.unwrap_or(true) && spec.kind != Kind::Chat;
        let lead = Lead {
            kind: spec.kind,
            site: self.id,
            id: self.next_id(spec.kind),
            phone: spec.phone.clone(),
            email: spec.email.clone(),
            name: spec.name.clone(),
            subject: spec.subject.clone(),
            utm: [
                spec.utm_source.clone(),
                spec.utm_medium.clone(),
                spec.utm_campaign.clone(),
                spec.utm_content.clone(),
                spec.utm_term.clone(),
            ],
            at,
            duration: spec.duration,
            waiting: spec.waiting,
            session: self.next_session(),
            unique: !spec.repeated,
            in_journal_from: shown.then(|| after(made, delay)),
            delivered: Vec::new(),
        };
        if !spec.test {
            self.leads.put(lead.clone());
        }
        lead
    }

    /// The lead of this kind with this id.
    pub fn lead(&self, kind: Kind, id: u64) -> Option<&Lead> {
        self.leads.get(kind, id)
    }

    /// Notes what became of the webhook deliveries of a lead.
    pub fn delivered(&mut self, kind: Kind, id: u64, status: u16) {
        if let Some(lead) = self.leads.get_mut(kind, id) {
            lead.delivered.push(status);
        }
    }
}

/// `requests/{siteId}/register`: a site's own form. Needs no token.
pub fn register(site: &mut Site, incoming: &Incoming) -> Result<Answer, Answer> {
    let one = |name: &str| {
        let value = incoming.body.one(name).or_else(|| incoming.query.one(name));
        value.unwrap_or_default().to_owned()
    };
    let wrong = |text: &str| Answer::json(400, &json!({"errorCode": 10007, "message": text}));
    let sent = incoming.body.one("sessionId").or_else(|| incoming.query.one("sessionId"));
    if sent == Some("") {
        return Err(wrong("sessionId is empty"));
    }
    let spec = LeadSpec {
        kind: Kind::Request,
        phone: one("phoneNumber"),
        email: one("email"),
        name: one("fio"),
        subject: one("subject"),
        ..LeadSpec::default()
    };
    if spec.phone.is_empty() && spec.email.is_empty() && spec.name.is_empty() {
        return Err(wrong("phoneNumber, email or fio is needed"));
    }
    if spec.subject.chars().count() > 256 {
        return Err(refused("subject is longer than 256 characters"));
    }
    let lead = site.register(&spec, incoming.now);
    let at = lead.at.to_zoned(site.zone.clone()).strftime("%d/%m/%Y %H:%M:%S").to_string();
    Ok(Answer::json(200, &json!({"requestId": lead.id, "dateStr": at, "subject": lead.subject})))
}
