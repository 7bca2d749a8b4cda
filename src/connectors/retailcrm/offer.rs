//! What a RetailCRM account offers to flows. Invariant: the shapes here are those that `ask` and
//! `act` give out; a test of theirs compares them.

use super::buyers;
use super::chats::{offer as chats, offer_dialogs as dialogs};
use super::contacts;
use crate::domain::{
    EventOffer, FateOffer, Field, Input, Kind, Need, Offer, OperationOffer, QueryOffer, Repeat,
};

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

const fn must(name: &'static str, kind: Kind, about: &'static str) -> Input {
    Input { name, kind, need: Need::Must, about, codes: None }
}

const fn one_of(name: &'static str, kind: Kind, about: &'static str) -> Input {
    Input { name, kind, need: Need::OneOf, about, codes: None }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Input {
    Input { name, kind, need: Need::May, about, codes: None }
}

const CUSTOM_TEXTS: Kind = Kind::Open(&Kind::Text);
const CUSTOM_ANY: Kind = Kind::Open(&Kind::Any);
const PICK: Input = may("pick", Kind::Text, "which of several: `newest` (the default)");

/// The CRM's own marks of where a customer or an order came from.
const SOURCE: Kind = Kind::Record(&[
    field("source", Kind::Text, "utm_source"),
    field("medium", Kind::Text, "utm_medium"),
    field("campaign", Kind::Text, "utm_campaign"),
    field("keyword", Kind::Text, "utm_term"),
    field("content", Kind::Text, "utm_content"),
]);

/// The person of an order.
const PERSON: Kind = Kind::Record(&[
    field("id", Kind::Number, "internal id"),
    field("phones", Kind::List(&Kind::Phone), "as the CRM keeps them"),
    field("email", Kind::Email, "e-mail"),
]);

pub static OFFER: Offer = Offer {
    connector: "retailcrm",
    messenger: None,
    events: &[
        ORDER_CHANGES,
        CUSTOMER_CHANGES,
        chats::MESSAGE_SENT,
        chats::MESSAGE_UPDATED,
        chats::MESSAGE_REMOVED,
        chats::MESSAGE_READ,
        chats::MODULE_SWITCHED,
        dialogs::DIALOG_OPENED,
        dialogs::DIALOG_ASSIGNED,
        dialogs::DIALOG_CLOSED,
    ],
    queries: &[BUYERS, CUSTOMER, CONTACT, ORDER, chats::CHANNEL, dialogs::DIALOG_NOW],
    operations: &[
        CUSTOMER_CREATE,
        CUSTOMER_FILL,
        ORDER_CREATE,
        ORDER_EDIT,
        chats::POST,
        chats::CHANGE,
        chats::REMOVE,
        chats::ACK,
        chats::MARK_READ,
        dialogs::ASSIGN,
        dialogs::CLOSE,
    ],
};

pub const ORDER_CHANGED: &str = "order.changed";

const ORDER_CHANGES: EventOffer = EventOffer {
    kind: ORDER_CHANGED,
    about: "something of an order changed: one entry of its history",
    fields: &[
        field("id", Kind::Text, "internal id of the order"),
        field("number", Kind::Text, "as people see it; entries of creation alone say it"),
        field("site", Kind::Text, "code of the store").of("sites"),
        field("status", Kind::Text, "code of the status after the change").of("statuses"),
        field("field", Kind::Text, "what changed, by its name in the history; `listed`, `trigger`"),
        field("source", Kind::Text, "user, api, rule, code, combine, split; list, trigger"),
        field("created", Kind::Flag, "the order was made"),
        field("status_changed", Kind::Flag, "the status changed, if only there and back"),
        field("own", Kind::Flag, "we wrote it ourselves, with this key"),
        field("deleted", Kind::Flag, "the order is gone: deleted, or merged into another"),
        field("combined_to", Kind::Text, "internal id of the order that it was merged into"),
        field("changed", Kind::Time, "when it changed, by our clock"),
    ],
    fate: Some(FateOffer { entity: "order", id: "id", gone: "deleted", became: "combined_to" }),
    ..EventOffer::BASE
};

pub const CUSTOMER_CHANGED: &str = "customer.changed";

const CUSTOMER_CHANGES: EventOffer = EventOffer {
    kind: CUSTOMER_CHANGED,
    about: "something of a customer changed: one entry of the customers' history",
    fields: &[
        field("id", Kind::Text, "internal id of the customer"),
        field("site", Kind::Text, "code of the store").of("sites"),
        field("field", Kind::Text, "what changed, by its name in the history"),
        field("source", Kind::Text, "user, api, rule, code, combine"),
        field("created", Kind::Flag, "the customer was made"),
        field("own", Kind::Flag, "we wrote it ourselves, with this key"),
        field("deleted", Kind::Flag, "the customer is gone: deleted, or merged into another"),
        field("combined_to", Kind::Text, "internal id of the customer that it was merged into"),
        field("changed", Kind::Time, "when it changed, by our clock"),
    ],
    fate: Some(FateOffer { entity: "customer", id: "id", gone: "deleted", became: "combined_to" }),
    ..EventOffer::BASE
};

const CUSTOMER: QueryOffer = QueryOffer {
    name: "customer",
    about: "the newest person with this phone or e-mail",
    input: &[
        one_of("phone", Kind::Phone, "compared by its canonical number, in any spelling"),
        one_of("email", Kind::Email, "compared without regard to case"),
        PICK,
    ],
    output: &[
        field("id", Kind::Number, "internal id"),
        field("createdAt", Kind::Time, "when the customer was made"),
        field("firstName", Kind::Text, "first name"),
        field("lastName", Kind::Text, "last name"),
        field("patronymic", Kind::Text, "patronymic"),
        field("email", Kind::Email, "e-mail"),
        field("phones", Kind::List(&Kind::Phone), "as the CRM keeps them"),
        field("site", Kind::Text, "code of the store").of("sites"),
        field("managerId", Kind::Number, "id of the responsible user").of("users"),
        field("ordersCount", Kind::Number, "as the CRM counts them"),
        field("matches", Kind::Number, "how many persons have this contact"),
        field("customFields", CUSTOM_TEXTS, "custom fields of the customer, by code")
            .of("customer fields"),
    ],
    known: Some("customer"),
    owner: None,
    ..QueryOffer::BASE
};

const BUYERS: QueryOffer = QueryOffer {
    name: buyers::NAME,
    about: "all persons with one of these contacts, newest first, each with their newest orders",
    input: &[
        one_of("phones", Kind::List(&Kind::Phone), "compared by their canonical numbers"),
        one_of("emails", Kind::List(&Kind::Email), "compared without regard to case"),
        may("orders", Kind::Number, "how many orders of each; 10 by default, 100 at most"),
    ],
    output: &[field("people", Kind::List(&Kind::Record(BUYER)), "the persons, ten at most")],
    known: Some("customer"),
    owner: None,
    ..QueryOffer::BASE
};

const BUYER: &[Field] = &[
    field("id", Kind::Number, "internal id"),
    field("url", Kind::Text, "the card of the customer"),
    field("createdAt", Kind::Time, "when the customer was made"),
    field("firstName", Kind::Text, "first name"),
    field("lastName", Kind::Text, "last name"),
    field("patronymic", Kind::Text, "patronymic"),
    field("email", Kind::Email, "e-mail"),
    field("phones", Kind::List(&Kind::Phone), "as the CRM keeps them"),
    field("site", Kind::Text, "code of the store").of("sites"),
    field("site_name", Kind::Text, "name of the store"),
    field("count", Kind::Number, "how many orders there are"),
    field("orders", Kind::List(&Kind::Record(BOUGHT)), "the newest orders"),
];

const BOUGHT: &[Field] = &[
    field("id", Kind::Number, "internal id"),
    field("url", Kind::Text, "the card of the order"),
    field("number", Kind::Text, "as people see it"),
    field("createdAt", Kind::Time, "when the order was made"),
    field("status", Kind::Text, "code of the status").of("statuses"),
    field("status_name", Kind::Text, "name of the status"),
    field("status_group", Kind::Text, "code of the status's group").of("groups"),
    field("site", Kind::Text, "code of the store").of("sites"),
    field("site_name", Kind::Text, "name of the store"),
    field("totalSumm", Kind::Money, "goods and delivery less discounts"),
    field("currency", Kind::Text, "code of the currency of its sums"),
];

const CONTACT: QueryOffer = QueryOffer {
    name: "contact",
    about: "the one customer who wrote: by the person, then by phone, then by e-mail",
    input: &[
        one_of(contacts::PERSON, Kind::Text, "who wrote, as CONNECTION:ID of the messenger"),
        one_of("phone", Kind::Phone, "compared by its canonical number, in any spelling"),
        one_of("email", Kind::Email, "compared without regard to case"),
    ],
    output: &[
        field("id", Kind::Number, "internal id; none where several match"),
        field("found", Kind::Text, "by what: channel, phone, email"),
        field("several", Kind::Flag, "several match, and none is chosen"),
        field("matches", Kind::Number, "how many match"),
        field("firstName", Kind::Text, "first name, where it was read"),
        field("lastName", Kind::Text, "last name, where it was read"),
        field("phones", Kind::List(&Kind::Phone), "as the CRM keeps them, where they were read"),
        field("email", Kind::Email, "e-mail, where it was read"),
    ],
    known: Some("customer"),
    owner: Some(contacts::PERSON),
    ..QueryOffer::BASE
};

const ORDER: QueryOffer = QueryOffer {
    name: "order",
    about: "an order by its id, or the newest of a customer, of whatever store",
    input: &[
        one_of("id", Kind::Number, "internal id of the order"),
        one_of("customer", Kind::Number, "internal id of the customer"),
        PICK,
    ],
    output: &[
        field("id", Kind::Number, "internal id"),
        field("number", Kind::Text, "as people see it"),
        field("externalId", Kind::Text, "id that the maker of the order gave it"),
        field("createdAt", Kind::Time, "when the order was made"),
        field("status", Kind::Text, "code of the status").of("statuses"),
        field("status_group", Kind::Text, "code of the status's group: new … complete, cancel")
            .of("groups"),
        field("statusUpdatedAt", Kind::Time, "when the status changed last"),
        field("site", Kind::Text, "code of the store").of("sites"),
        field("orderMethod", Kind::Text, "code of the way it was placed").of("methods"),
        field("orderType", Kind::Text, "code of the order's type").of("types"),
        field("managerId", Kind::Number, "id of the responsible user").of("users"),
        field(
            "manager",
            Kind::Text,
            "full name of the responsible user, if the key may read users",
        ),
        field("totalSumm", Kind::Money, "goods and delivery less discounts"),
        field("currency", Kind::Text, "code of the currency of its sums"),
        field("firstName", Kind::Text, "the order's own first name"),
        field("lastName", Kind::Text, "the order's own last name"),
        field("phone", Kind::Phone, "the order's own phone"),
        field("additionalPhone", Kind::Phone, "the order's second phone"),
        field("email", Kind::Email, "the order's own e-mail"),
        field("customer", PERSON, "its customer; of a company's order the contact"),
        field("source", SOURCE, "the CRM's own marks"),
        field("customFields", CUSTOM_TEXTS, "custom fields of the order, by code").of("fields"),
        field("count", Kind::Number, "how many orders the customer has, where it was asked for"),
    ],
    known: Some("order"),
    owner: Some("customer"),
    ..QueryOffer::BASE
};

const CUSTOMER_CREATE: OperationOffer = OperationOffer {
    name: "customer.create",
    about: "makes a customer",
    input: &[
        must("firstName", Kind::Text, "first name"),
        may("lastName", Kind::Text, "last name"),
        may("patronymic", Kind::Text, "patronymic"),
        may("phones", Kind::List(&Kind::Phone), "phones, as typed"),
        may("email", Kind::Email, "e-mail"),
        may("site", Kind::Text, "code of the store; else the connection's, else the CRM's first")
            .of("sites"),
        may("managerId", Kind::Number, "id of the responsible user; none by default").of("users"),
        may("customFields", CUSTOM_ANY, "custom fields of the customer, by code")
            .of("customer fields"),
        may("source", SOURCE, "the CRM's own marks"),
        WROTE,
    ],
    output: &[field("id", Kind::Number, "internal id")],
    repeat: Repeat::Check,
    entity: Some("customer"),
    owner: Some(contacts::PERSON),
    makes: true,
    ..OperationOffer::BASE
};

const WROTE: Input =
    may(contacts::PERSON, Kind::Text, "who wrote, as CONNECTION:ID of the messenger: remembered");

const CUSTOMER_FILL: OperationOffer = OperationOffer {
    name: contacts::FILL,
    about: "adds what a customer lacks; nothing is overwritten",
    input: &[
        must("customer", Kind::Number, "internal id of the customer"),
        may("firstName", Kind::Text, "first name, where there is no name"),
        may("lastName", Kind::Text, "last name, where there is no name"),
        may("patronymic", Kind::Text, "patronymic, where there is no name"),
        may("phones", Kind::List(&Kind::Phone), "phones that are to be there"),
        may("email", Kind::Email, "e-mail, where there is none"),
        WROTE,
    ],
    output: &[field("id", Kind::Number, "internal id")],
    repeat: Repeat::Check,
    entity: Some("customer"),
    owner: Some(contacts::PERSON),
    ..OperationOffer::BASE
};

const ORDER_CREATE: OperationOffer = OperationOffer {
    name: "order.create",
    about: "makes an order; its number is the CRM's",
    input: &[
        must("customer", Kind::Number, "internal id of the customer"),
        may("firstName", Kind::Text, "first name"),
        may("lastName", Kind::Text, "last name"),
        may("patronymic", Kind::Text, "patronymic"),
        may("phone", Kind::Phone, "phone, as typed"),
        may("email", Kind::Email, "e-mail"),
        may("site", Kind::Text, "code of the store; else the connection's, else the CRM's first")
            .of("sites"),
        may("status", Kind::Text, "code of the status; else the connection's, else the first")
            .of("statuses"),
        may("orderMethod", Kind::Text, "code; else the connection's, else the CRM's default")
            .of("methods"),
        may("orderType", Kind::Text, "code; else the connection's, else the CRM's default")
            .of("types"),
        may("managerId", Kind::Number, "id of the responsible user; none by default").of("users"),
        may("customerComment", Kind::Text, "the customer's comment"),
        may("managerComment", Kind::Text, "the manager's comment"),
        may("customFields", CUSTOM_ANY, "custom fields of the order, by code").of("fields"),
        may("source", SOURCE, "the CRM's own marks"),
    ],
    output: &[
        field("id", Kind::Number, "internal id"),
        field("number", Kind::Text, "as people see it"),
    ],
    repeat: Repeat::Check,
    entity: Some("order"),
    owner: Some("customer"),
    makes: true,
    ..OperationOffer::BASE
};

const ORDER_EDIT: OperationOffer = OperationOffer {
    name: "order.edit",
    about: "writes fields of an order; what is not given stays",
    input: &[
        must("order", Kind::Number, "internal id of the order"),
        may("customer", Kind::Number, "whose order it is: for our own links, not sent"),
        may("status", Kind::Text, "code of the status").of("statuses"),
        may("managerComment", Kind::Text, "the manager's comment"),
        may("customerComment", Kind::Text, "the customer's comment"),
        may("managerId", Kind::Number, "id of the responsible user").of("users"),
        may("customFields", CUSTOM_ANY, "custom fields of the order, by code").of("fields"),
        may("source", SOURCE, "the CRM's own marks"),
    ],
    output: &[field("id", Kind::Number, "internal id")],
    repeat: Repeat::Check,
    entity: Some("order"),
    owner: Some("customer"),
    makes: false,
    ..OperationOffer::BASE
};
