//! What Calltouch offers, as data. Invariant: every field that a delivery or a journal record can
//! fill is named here, and nothing else gets into an event.

use crate::domain::{EventOffer, Field, Kind, LeadOffer, Offer};

/// The name in `connector = "…"`.
pub const CONNECTOR: &str = "calltouch";

pub const CALL_STARTED: &str = "call.started";
pub const CALL_FINISHED: &str = "call.finished";
pub const REQUEST_CREATED: &str = "request.created";
pub const CHAT_CREATED: &str = "chat.created";

/// Leads only: no questions and no operations.
pub static OFFER: Offer = Offer {
    connector: CONNECTOR,
    events: &[
        EventOffer {
            kind: CALL_STARTED,
            about: "A call was put through; it is not over yet",
            fields: CALL,
            lead: Some(CALL_LEAD),
            ..EventOffer::BASE
        },
        EventOffer {
            kind: CALL_FINISHED,
            about: "A call is over, answered or not",
            fields: CALL,
            lead: Some(CALL_LEAD),
            ..EventOffer::BASE
        },
        EventOffer {
            kind: REQUEST_CREATED,
            about: "A form of the site was sent (заявка)",
            fields: REQUEST,
            lead: Some(LeadOffer { at: "created", contacts: &["phone", "email"], journal: true }),
            ..EventOffer::BASE
        },
        EventOffer {
            kind: CHAT_CREATED,
            about: "A chat of the site brought a contact",
            fields: CHAT,
            lead: Some(LeadOffer { at: "created", contacts: &["phone", "email"], journal: false }),
            ..EventOffer::BASE
        },
    ],
    queries: &[],
    operations: &[],
};

const CALL_LEAD: LeadOffer = LeadOffer { at: "started", contacts: &["phone"], journal: true };

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

const ID: Field = field("id", Kind::Text, "Calltouch's id of the lead");
const SITE_ID: Field = field("site_id", Kind::Text, "Id of the site (ID личного кабинета)");
const PHONE: Field = field("phone", Kind::Phone, "The client's phone, as Calltouch gives it");
const EMAIL: Field = field("email", Kind::Email, "The client's e-mail");
const NAME: Field = field("name", Kind::Text, "The client's name");
const SOURCE: Field = field("source", Kind::Text, "Traffic source as Calltouch resolved it");
const MEDIUM: Field = field("medium", Kind::Text, "Traffic channel as Calltouch resolved it");
const KEYWORD: Field = field("keyword", Kind::Text, "Keyword as Calltouch resolved it");
const UTM_SOURCE: Field = field("utm_source", Kind::Text, "utm_source of the visit");
const UTM_MEDIUM: Field = field("utm_medium", Kind::Text, "utm_medium of the visit");
const UTM_CAMPAIGN: Field = field("utm_campaign", Kind::Text, "utm_campaign of the visit");
const UTM_CONTENT: Field = field("utm_content", Kind::Text, "utm_content of the visit");
const UTM_TERM: Field = field("utm_term", Kind::Text, "utm_term of the visit");
const URL: Field = field("url", Kind::Text, "Page of the lead, or of its visit's entry");
const CITY: Field = field("city", Kind::Text, "City of the visitor");
const SESSION_ID: Field =
    field("session_id", Kind::Text, "Id of the visit; none for static numbers");
const MANAGER: Field = field("manager", Kind::Text, "Manager named in Calltouch");
const UNIQUE: Field = field("unique", Kind::Flag, "The client's first lead");
const TARGET: Field = field("target", Kind::Flag, "Meets the site's rule of a target lead");

const CALL: &[Field] = &[
    ID,
    SITE_ID,
    PHONE,
    field("tracked_phone", Kind::Phone, "The tracked number that was dialled, not the client's"),
    field("started", Kind::Time, "Start of the call"),
    field("duration", Kind::Number, "Seconds of talk"),
    field("waiting", Kind::Number, "Seconds of ringing"),
    field("successful", Kind::Flag, "The call was answered"),
    UNIQUE,
    TARGET,
    field("callback", Kind::Flag, "A call back that the client ordered"),
    SOURCE,
    MEDIUM,
    KEYWORD,
    UTM_SOURCE,
    UTM_MEDIUM,
    UTM_CAMPAIGN,
    UTM_CONTENT,
    UTM_TERM,
    URL,
    CITY,
    SESSION_ID,
    MANAGER,
];

const REQUEST: &[Field] = &[
    ID,
    field("number", Kind::Text, "Number that the site gave; else Calltouch's own id"),
    SITE_ID,
    field("subject", Kind::Text, "Name of the form"),
    NAME,
    PHONE,
    EMAIL,
    field("created", Kind::Time, "When the form was sent"),
    field("comment", Kind::Text, "Comment of the request"),
    URL,
    SOURCE,
    MEDIUM,
    KEYWORD,
    UTM_SOURCE,
    UTM_MEDIUM,
    UTM_CAMPAIGN,
    UTM_CONTENT,
    UTM_TERM,
    CITY,
    SESSION_ID,
    MANAGER,
    UNIQUE,
    TARGET,
];

const CHAT: &[Field] = &[
    ID,
    SITE_ID,
    NAME,
    PHONE,
    EMAIL,
    field("created", Kind::Time, "When the chat began"),
    field("text", Kind::Text, "What was written"),
    SOURCE,
    MEDIUM,
    KEYWORD,
    UTM_SOURCE,
    UTM_MEDIUM,
    UTM_CAMPAIGN,
    UTM_CONTENT,
    UTM_TERM,
    CITY,
    SESSION_ID,
];
