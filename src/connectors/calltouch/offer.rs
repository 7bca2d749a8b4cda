//! What Calltouch offers, as data. Invariant: every field that a delivery or a journal record can
//! fill is named here, and nothing else gets into an event; no input can link a deal anew.

use crate::domain::offer::{From, Input, Need};
use crate::domain::{
    EventOffer, Field, Kind, LeadOffer, Offer, OperationOffer, QueryOffer, Repeat,
};

/// The name in `connector = "…"`.
pub const CONNECTOR: &str = "calltouch";

pub const CALL_STARTED: &str = "call.started";
pub const CALL_FINISHED: &str = "call.finished";
pub const REQUEST_CREATED: &str = "request.created";
pub const CHAT_CREATED: &str = "chat.created";

/// The entity that we write, and the question what we remember of it.
pub const DEAL: &str = "deal";
/// The question which lead an order came from.
pub const LEAD: &str = "lead";
pub const DEAL_CREATE: &str = "deal.create";
pub const DEAL_UPDATE: &str = "deal.update";

/// How many deals one request may carry (calltouch.md §1.4).
pub const BATCH: u32 = 100;

pub static OFFER: Offer = Offer {
    connector: CONNECTOR,
    messenger: None,
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
    queries: &[
        QueryOffer {
            name: DEAL,
            about: "What we last wrote of a deal, from our own memory",
            input: &[input("id", Kind::Text, Need::Must, "The deal's orderNumber: the order's id")],
            output: DEAL_FIELDS,
            from: From::Memory(DEAL),
            ..QueryOffer::BASE
        },
        QueryOffer {
            name: LEAD,
            about: "The lead of these contacts that is nearest in time, from our journal of leads",
            input: LEAD_INPUT,
            output: LEAD_FIELDS,
            from: From::Leads,
            ..QueryOffer::BASE
        },
    ],
    operations: &[
        OperationOffer {
            name: DEAL_CREATE,
            about: "Makes a deal, linked to the first lead that its matching finds",
            input: CREATE,
            output: &[
                DEAL_ID,
                CALLTOUCH_ID,
                field("existed", Kind::Flag, "The deal was there already, and was updated"),
            ],
            repeat: Repeat::Check,
            entity: Some(DEAL),
            makes: true,
            keeps: &[
                "status",
                "statusDate",
                "revenue",
                "orderName",
                "funnel",
                "manager",
                "orderDate",
                "currency",
                "call",
                "request",
                "chat",
                "calltouch_id",
                "source",
                "medium",
                "campaign",
            ],
            leads: &[("call", "call"), ("request", "request"), ("chat", "chat")],
            batch: BATCH,
            ..OperationOffer::BASE
        },
        OperationOffer {
            name: DEAL_UPDATE,
            about: "Brings a deal up to date; its link stays as it is",
            input: UPDATE,
            output: &[DEAL_ID, CALLTOUCH_ID],
            repeat: Repeat::Check,
            entity: Some(DEAL),
            keeps: &[
                "status",
                "statusDate",
                "revenue",
                "orderName",
                "funnel",
                "manager",
                "orderDate",
                "currency",
                "calltouch_id",
            ],
            batch: BATCH,
            ..OperationOffer::BASE
        },
    ],
};

const fn input(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Input {
    Input { name, kind, need, about, codes: None }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Input {
    input(name, kind, Need::May, about)
}

const DEAL_ID: Field = field("id", Kind::Text, "The deal's orderNumber: the order's id");
const CALLTOUCH_ID: Field = field("calltouch_id", Kind::Text, "Calltouch's own id of the deal");

const DEAL_FIELDS: &[Field] = &[
    DEAL_ID,
    field("status", Kind::Text, "The status that was last sent"),
    field("statusDate", Kind::Time, "When the order got the status that was last sent"),
    field("revenue", Kind::Money, "The sum that was last sent"),
    field("created", Kind::Time, "When we made the deal"),
    CALLTOUCH_ID,
    field("call", Kind::Text, "Id of the call that it is linked to"),
    field("request", Kind::Text, "Id of the request that it is linked to"),
    field("chat", Kind::Text, "Id of the chat that it is linked to"),
    field("account", Kind::Text, "Id of the site that has it"),
];

const LEAD_INPUT: &[Input] = &[
    input("type", Kind::Text, Need::Must, "call, request or chat"),
    input("phones", Kind::List(&Kind::Phone), Need::OneOf, "The client's phones"),
    input("emails", Kind::List(&Kind::Email), Need::OneOf, "The client's e-mails"),
    input("at", Kind::Time, Need::Must, "When the order was made: the nearest lead is meant"),
    may("months", Kind::Number, "How many months before it a lead may be; 12"),
    may("ahead", Kind::Text, "How long after it a lead may be; 1h"),
    may("look", Kind::Flag, "Look into Calltouch's journal before saying \"not found\"; true"),
];

const LEAD_FIELDS: &[Field] = &[
    field("id", Kind::Text, "Calltouch's id of the lead that was found; none: not found"),
    field("type", Kind::Text, "call, request or chat"),
    field("at", Kind::Time, "When the lead began"),
    field("contact", Kind::Text, "The contact that matched"),
    field("distance", Kind::Number, "Seconds from the order to the lead; before it: below 0"),
    SOURCE,
    MEDIUM,
    field("campaign", Kind::Text, "utm_campaign of the visit"),
    field("complete", Kind::Flag, "Our journal of leads covers all the time that was searched"),
    field("since", Kind::Time, "From when on leads were searched"),
    field("until", Kind::Time, "Until when leads were searched"),
    field(
        "candidates",
        Kind::List(&Kind::Record(&[
            LEAD_ID,
            LEAD_AT,
            LEAD_CONTACT,
            field("distance", Kind::Number, "Seconds from the order to the lead"),
            SOURCE,
            MEDIUM,
            field("campaign", Kind::Text, "utm_campaign of the visit"),
        ])),
        "All leads that match, by time",
    ),
    field(
        "before",
        Kind::Record(&[LEAD_ID, LEAD_AT, LEAD_CONTACT]),
        "The nearest lead that is too old",
    ),
    field(
        "after",
        Kind::Record(&[LEAD_ID, LEAD_AT, LEAD_CONTACT]),
        "The nearest lead that came too late",
    ),
];

const LEAD_ID: Field = field("id", Kind::Text, "Calltouch's id of the lead");
const LEAD_AT: Field = field("at", Kind::Time, "When the lead began");
const LEAD_CONTACT: Field = field("contact", Kind::Text, "The contact that matched");

const ORDER_NUMBER: Input =
    input("id", Kind::Text, Need::Must, "The order's id: orderNumber, unique within the site");
const ORDER_NAME: Input = may("orderName", Kind::Text, "What people call the deal");
const DEAL_MANAGER: Input = may("manager", Kind::Text, "Full name of the manager");
const FUNNEL: Input = may("funnel", Kind::Text, "The funnel");
const STATUS: Input = may("status", Kind::Text, "The status");
const STATUS_DATE: Input = may("statusDate", Kind::Time, "When the order got it");
const UPDATE_DATE: Input = may("updateDate", Kind::Time, "When the order was changed");
const REVENUE: Input = may("revenue", Kind::Money, "The order's sum");
const CURRENCY: Input = may("currency", Kind::Text, "Its currency, in Calltouch's spelling (rub)");
const MADE: &str = "When the order was made";

const CREATE: &[Input] = &[
    ORDER_NUMBER,
    ORDER_NAME,
    DEAL_MANAGER,
    FUNNEL,
    STATUS,
    STATUS_DATE,
    input("orderDate", Kind::Time, Need::Must, MADE),
    UPDATE_DATE,
    REVENUE,
    CURRENCY,
    may("call", Kind::Text, "Id of the call to link it to"),
    may("request", Kind::Text, "Id of the request to link it to, if there is no such call"),
    may("chat", Kind::Text, "Id of the chat to link it to, if there is no such request"),
    may("phones", Kind::List(&Kind::Phone), "Phones by which Calltouch itself looks for a lead"),
    may("emails", Kind::List(&Kind::Email), "E-mails by which Calltouch itself looks for a lead"),
    may(
        "date",
        Kind::Time,
        "The lead nearest to this is meant; without it Calltouch looks for none",
    ),
    may("source", Kind::Text, "Source of a deal for which no lead is found"),
    may("medium", Kind::Text, "Medium of a deal for which no lead is found"),
    may("campaign", Kind::Text, "Campaign of a deal for which no lead is found"),
];

const UPDATE: &[Input] = &[
    ORDER_NUMBER,
    ORDER_NAME,
    DEAL_MANAGER,
    FUNNEL,
    STATUS,
    STATUS_DATE,
    UPDATE_DATE,
    REVENUE,
    CURRENCY,
    may(
        "orderDate",
        Kind::Time,
        "When the order was made: where a lost answer is looked up; not sent",
    ),
];

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
