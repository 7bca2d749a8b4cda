//! The offers that the shipped flows are written against, for the tests of this room. Invariant: a
//! copy of what the connectors offer; the real ones are checked by the tests of the whole.

use crate::domain::offer::{EventOffer, Field, From, Input, Kind, Need, Offer, OperationOffer};
use crate::domain::{QueryOffer, Repeat};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, about: "", codes: None }
}

const fn input(name: &'static str, kind: Kind, need: Need) -> Input {
    Input { name, kind, need, about: "see the connector", codes: None }
}

const fn may(name: &'static str, kind: Kind) -> Input {
    input(name, kind, Need::May)
}

macro_rules! texts {
    ($($name:literal)*; $($more:expr),*) => {
        &[$($more,)* $(field($name, Kind::Text)),*]
    };
}

pub static CALLTOUCH: Offer = Offer {
    connector: "calltouch",
    messenger: None,
    events: &[
        EventOffer { kind: "call.started", about: "", fields: CALL, ..EventOffer::BASE },
        EventOffer { kind: "call.finished", about: "", fields: CALL, ..EventOffer::BASE },
        EventOffer { kind: "request.created", about: "", fields: REQUEST, ..EventOffer::BASE },
        EventOffer { kind: "chat.created", about: "", fields: CHAT, ..EventOffer::BASE },
    ],
    queries: &[
        QueryOffer {
            name: "deal",
            input: &[input("id", Kind::Text, Need::Must)],
            output: texts!("id" "status" "calltouch_id" "call" "request" "chat" "account";
                field("statusDate", Kind::Time), field("revenue", Kind::Money),
                field("created", Kind::Time)),
            from: From::Memory("deal"),
            ..QueryOffer::BASE
        },
        QueryOffer {
            name: "lead",
            input: &[
                input("type", Kind::Text, Need::Must),
                input("phones", Kind::List(&Kind::Phone), Need::OneOf),
                input("emails", Kind::List(&Kind::Email), Need::OneOf),
                input("at", Kind::Time, Need::Must),
                may("months", Kind::Number),
                may("ahead", Kind::Text),
                may("look", Kind::Flag),
            ],
            output: texts!("id" "type" "contact" "source" "medium" "campaign";
                field("at", Kind::Time), field("distance", Kind::Number),
                field("complete", Kind::Flag), field("since", Kind::Time),
                field("until", Kind::Time),
                field("candidates", Kind::List(&Kind::Record(CANDIDATE))),
                field("before", Kind::Record(NEIGHBOUR)), field("after", Kind::Record(NEIGHBOUR))),
            from: From::Leads,
            ..QueryOffer::BASE
        },
    ],
    operations: &[
        OperationOffer {
            name: "deal.create",
            input: &[
                input("id", Kind::Text, Need::Must),
                may("orderName", Kind::Text),
                may("manager", Kind::Text),
                may("funnel", Kind::Text),
                may("status", Kind::Text),
                may("statusDate", Kind::Time),
                input("orderDate", Kind::Time, Need::Must),
                may("updateDate", Kind::Time),
                may("revenue", Kind::Money),
                may("currency", Kind::Text),
                may("call", Kind::Text),
                may("request", Kind::Text),
                may("chat", Kind::Text),
                may("phones", Kind::List(&Kind::Phone)),
                may("emails", Kind::List(&Kind::Email)),
                may("date", Kind::Time),
                may("source", Kind::Text),
                may("medium", Kind::Text),
                may("campaign", Kind::Text),
            ],
            output: texts!("id" "calltouch_id"; field("existed", Kind::Flag)),
            entity: Some("deal"),
            makes: true,
            keeps: &[
                "status",
                "statusDate",
                "revenue",
                "orderName",
                "funnel",
                "call",
                "request",
                "chat",
                "calltouch_id",
                "source",
                "medium",
                "campaign",
            ],
            leads: &[("call", "call"), ("request", "request"), ("chat", "chat")],
            batch: 100,
            ..OperationOffer::BASE
        },
        OperationOffer {
            name: "deal.update",
            input: &[
                input("id", Kind::Text, Need::Must),
                may("orderName", Kind::Text),
                may("manager", Kind::Text),
                may("funnel", Kind::Text),
                may("status", Kind::Text),
                may("statusDate", Kind::Time),
                may("updateDate", Kind::Time),
                may("revenue", Kind::Money),
                may("currency", Kind::Text),
                may("orderDate", Kind::Time),
            ],
            output: texts!("id" "calltouch_id";),
            entity: Some("deal"),
            keeps: &["status", "statusDate", "revenue", "orderName", "funnel", "calltouch_id"],
            batch: 100,
            ..OperationOffer::BASE
        },
    ],
};

const NEIGHBOUR: &[Field] = texts!("id" "contact"; field("at", Kind::Time));

const CANDIDATE: &[Field] = texts!("id" "contact" "source" "medium" "campaign";
    field("at", Kind::Time), field("distance", Kind::Number));

const CALL: &[Field] = texts!("id" "site_id" "source" "medium" "keyword" "utm_source" "utm_medium"
    "utm_campaign" "utm_content" "utm_term" "url" "city" "session_id" "manager";
    field("phone", Kind::Phone), field("tracked_phone", Kind::Phone), field("started", Kind::Time),
    field("duration", Kind::Number), field("waiting", Kind::Number),
    field("successful", Kind::Flag), field("unique", Kind::Flag), field("target", Kind::Flag),
    field("callback", Kind::Flag));

const REQUEST: &[Field] = texts!("id" "number" "site_id" "subject" "name" "comment" "url" "source"
    "medium" "keyword" "utm_source" "utm_medium" "utm_campaign" "utm_content" "utm_term" "city"
    "session_id" "manager";
    field("phone", Kind::Phone), field("email", Kind::Email), field("created", Kind::Time),
    field("unique", Kind::Flag), field("target", Kind::Flag));

const CHAT: &[Field] = texts!("id" "site_id" "name" "text" "source" "medium" "keyword" "utm_source"
    "utm_medium" "utm_campaign" "utm_content" "utm_term" "city" "session_id";
    field("phone", Kind::Phone), field("email", Kind::Email), field("created", Kind::Time));

const SOURCE: Kind = Kind::Record(&[
    field("source", Kind::Text),
    field("medium", Kind::Text),
    field("campaign", Kind::Text),
    field("keyword", Kind::Text),
    field("content", Kind::Text),
]);

const PERSON: Kind = Kind::Record(&[
    field("id", Kind::Number),
    field("phones", Kind::List(&Kind::Phone)),
    field("email", Kind::Email),
]);

pub static RETAILCRM: Offer = Offer {
    connector: "retailcrm",
    messenger: None,
    events: &[EventOffer {
        kind: "order.changed",
        fields: texts!("id" "number" "site" "status" "field" "source" "combined_to";
            field("created", Kind::Flag), field("status_changed", Kind::Flag),
            field("own", Kind::Flag), field("deleted", Kind::Flag),
            field("changed", Kind::Time)),
        ..EventOffer::BASE
    }],
    queries: &[
        QueryOffer {
            name: "customer",
            about: "",
            input: &[
                input("phone", Kind::Phone, Need::OneOf),
                input("email", Kind::Email, Need::OneOf),
                may("pick", Kind::Text),
            ],
            output: &[
                field("id", Kind::Number),
                field("createdAt", Kind::Time),
                field("firstName", Kind::Text),
                field("lastName", Kind::Text),
                field("patronymic", Kind::Text),
                field("email", Kind::Email),
                field("phones", Kind::List(&Kind::Phone)),
                field("site", Kind::Text),
                field("managerId", Kind::Number),
                field("ordersCount", Kind::Number),
                field("matches", Kind::Number),
                field("customFields", Kind::Open(&Kind::Text)),
            ],
            known: Some("customer"),
            owner: None,
            ..QueryOffer::BASE
        },
        QueryOffer {
            name: "order",
            about: "",
            input: &[
                input("id", Kind::Number, Need::OneOf),
                input("customer", Kind::Number, Need::OneOf),
                may("pick", Kind::Text),
            ],
            output: &[
                field("id", Kind::Number),
                field("number", Kind::Text),
                field("externalId", Kind::Text),
                field("createdAt", Kind::Time),
                field("status", Kind::Text).of("statuses"),
                field("status_group", Kind::Text).of("groups"),
                field("statusUpdatedAt", Kind::Time),
                field("site", Kind::Text).of("sites"),
                field("orderMethod", Kind::Text).of("methods"),
                field("orderType", Kind::Text).of("types"),
                field("managerId", Kind::Number).of("users"),
                field("manager", Kind::Text),
                field("totalSumm", Kind::Money),
                field("currency", Kind::Text),
                field("phone", Kind::Phone),
                field("additionalPhone", Kind::Phone),
                field("email", Kind::Email),
                field("customer", PERSON),
                field("source", SOURCE),
                field("customFields", Kind::Open(&Kind::Text)).of("fields"),
                field("count", Kind::Number),
            ],
            known: Some("order"),
            owner: Some("customer"),
            ..QueryOffer::BASE
        },
    ],
    operations: &[
        OperationOffer {
            name: "customer.create",
            about: "",
            input: &[
                input("firstName", Kind::Text, Need::Must),
                may("lastName", Kind::Text),
                may("patronymic", Kind::Text),
                may("phones", Kind::List(&Kind::Phone)),
                may("email", Kind::Email),
                may("site", Kind::Text).of("sites"),
                may("managerId", Kind::Number).of("users"),
                may("customFields", Kind::Open(&Kind::Any)).of("fields"),
                may("source", SOURCE),
            ],
            output: &[field("id", Kind::Number)],
            repeat: Repeat::Check,
            entity: Some("customer"),
            owner: None,
            makes: true,
            ..OperationOffer::BASE
        },
        OperationOffer {
            name: "order.create",
            about: "",
            input: &[
                input("customer", Kind::Number, Need::Must),
                may("firstName", Kind::Text),
                may("lastName", Kind::Text),
                may("patronymic", Kind::Text),
                may("phone", Kind::Phone),
                may("email", Kind::Email),
                may("site", Kind::Text).of("sites"),
                may("status", Kind::Text).of("statuses"),
                may("orderMethod", Kind::Text).of("methods"),
                may("orderType", Kind::Text).of("types"),
                may("managerId", Kind::Number).of("users"),
                may("customerComment", Kind::Text),
                may("managerComment", Kind::Text),
                may("customFields", Kind::Open(&Kind::Any)).of("fields"),
                may("source", SOURCE),
            ],
            output: &[field("id", Kind::Number), field("number", Kind::Text)],
            repeat: Repeat::Check,
            entity: Some("order"),
            owner: Some("customer"),
            makes: true,
            ..OperationOffer::BASE
        },
        OperationOffer {
            name: "order.edit",
            about: "",
            input: &[
                input("order", Kind::Number, Need::Must),
                may("customer", Kind::Number),
                may("status", Kind::Text).of("statuses"),
                may("managerComment", Kind::Text),
                may("customerComment", Kind::Text),
                may("managerId", Kind::Number).of("users"),
                may("customFields", Kind::Open(&Kind::Any)).of("fields"),
                may("source", SOURCE),
            ],
            output: &[field("id", Kind::Number)],
            repeat: Repeat::Check,
            entity: Some("order"),
            owner: Some("customer"),
            makes: false,
            ..OperationOffer::BASE
        },
    ],
};

/// The offer behind the roles of the shipped flows.
pub fn offer_of(role: &str) -> Option<&'static Offer> {
    match role {
        "calls" => Some(&CALLTOUCH),
        "crm" => Some(&RETAILCRM),
        _ => None,
    }
}
