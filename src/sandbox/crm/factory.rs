//! The references of an account as the factory sets them (retailcrm.md §2.5). Invariant: codes and
//! their spelling are the far side's, mistakes included.

use serde_json::{Map, Value, json};

/// A status of orders.
#[derive(Debug, Clone)]
pub struct Status {
    pub code: String,
    pub name: String,
    pub group: String,
    pub ordering: i64,
    pub active: bool,
}

/// Codes and their answers.
#[derive(Debug)]
pub struct References {
    pub statuses: Vec<Status>,
    pub groups: Vec<(&'static str, &'static str, i64, bool)>,
    pub order_methods: Map<String, Value>,
    pub order_types: Map<String, Value>,
    pub users: Vec<Value>,
}

const STATUSES: &[(&str, &str, &str)] = &[
    ("new", "new", "Новый"),
    ("approval", "availability-confirmed", "Наличие подтверждено"),
    ("approval", "offer-analog", "Предложить замену"),
    ("approval", "client-confirmed", "Согласовано с клиентом"),
    ("approval", "prepayed", "Предоплата поступила"),
    ("assembling", "send-to-assembling", "Передано в комплектацию"),
    ("assembling", "assembling", "Комплектуется"),
    ("assembling", "assembling-complete", "Укомплектован"),
    ("delivery", "send-to-delivery", "Передан в доставку"),
    ("delivery", "delivering", "Доставляется"),
    ("delivery", "redirect", "Доставка перенесена"),
    ("delivery", "delivered", "Доставлен"),
    ("complete", "complete", "Выполнен"),
    ("cancel", "no-call", "Недозвон"),
    ("cancel", "no-product", "Нет в наличии"),
    ("cancel", "already-buyed", "Куплено в другом месте"),
    ("cancel", "delyvery-did-not-suit", "Не устроила доставка"),
    ("cancel", "prices-did-not-suit", "Не устроила цена"),
    ("cancel", "cancel-other", "Отменен"),
];

const GROUPS: &[(&str, &str, i64, bool)] = &[
    ("new", "Новый", 10, false),
    ("approval", "Согласование", 20, true),
    ("assembling", "Комплектация", 30, true),
    ("delivery", "Доставка", 40, true),
    ("complete", "Выполнен", 50, false),
    ("cancel", "Отменен", 60, false),
];

const METHODS: &[(&str, &str)] = &[
    ("phone", "По телефону"),
    ("shopping-cart", "Через корзину"),
    ("one-click", "В один клик"),
    ("price-decrease-request", "Запрос на понижение цены"),
    ("landing-page", "Заявка с посадочной страницы"),
    ("offline", "Оффлайн"),
    ("app", "Мобильное приложение"),
    ("live-chat", "Онлайн-консультант"),
    ("terminal", "Терминал"),
    ("missed-call", "Пропущенный звонок"),
    ("messenger", "Мессенджеры"),
];

/// The factory set.
pub fn references() -> References {
    References {
        statuses: statuses(),
        groups: GROUPS.to_vec(),
        order_methods: order_methods(),
        order_types: order_types(),
        users: users(),
    }
}

fn statuses() -> Vec<Status> {
    let mut statuses: Vec<Status> = Vec::new();
    for (group, code, name) in STATUSES {
        let before = statuses.iter().filter(|status| status.group == *group).count();
        let ordering = i64::try_from((before + 1) * 10).unwrap_or(i64::MAX);
        let (code, name, group) = (code.to_string(), name.to_string(), group.to_string());
        statuses.push(Status { code, name, group, ordering, active: true });
    }
    statuses
}

fn order_methods() -> Map<String, Value> {
    let method = |(code, name): &(&str, &str)| {
        let body = json!({
            "name": name, "code": code, "active": true, "isFromPos": false,
            "defaultForCrm": *code == "phone", "defaultForApi": *code == "shopping-cart",
        });
        (code.to_string(), body)
    };
    METHODS.iter().map(method).collect()
}

fn order_types() -> Map<String, Value> {
    let kinds = [("eshop-individual", "Физическое лицо"), ("eshop-legal", "Юридическое лицо")];
    let kind = |(position, (code, name)): (usize, &(&str, &str))| {
        let body = json!({
            "name": name, "code": code, "active": true, "ordering": (position + 1) * 10,
            "defaultForCrm": position == 0, "defaultForApi": position == 0,
        });
        (code.to_string(), body)
    };
    kinds.iter().enumerate().map(kind).collect()
}

fn users() -> Vec<Value> {
    let user = |id: u64, first: &str, last: &str, admin: bool| {
        json!({
            "id": id, "createdAt": "2020-01-01 10:00:00", "active": true,
            "email": format!("user{id}@shop.test"), "firstName": first, "lastName": last,
            "status": "free", "online": true, "isAdmin": admin, "isManager": true, "groups": [],
            "mgUserId": 300 + id, "senderEmail": "", "senderName": "",
        })
    };
    vec![user(1, "Анна", "Котова", true), user(2, "Пётр", "Седов", false)]
}

impl References {
    pub fn status(&self, code: &str) -> Option<&Status> {
        self.statuses.iter().find(|status| status.code == code)
    }

    /// The first active status: lowest group, then lowest ordering, ties by code.
    pub fn first_status(&self) -> String {
        let rank = |status: &&Status| {
            let group = self.groups.iter().find(|group| group.0 == status.group);
            (group.map_or(i64::MAX, |group| group.2), status.ordering, status.code.clone())
        };
        let first = self.statuses.iter().filter(|status| status.active).min_by_key(rank);
        first.map(|status| status.code.clone()).unwrap_or_default()
    }

    /// The entry that the API takes when none is sent.
    pub fn default_for_api(map: &Map<String, Value>) -> Option<String> {
        let entry = map.iter().find(|(_, body)| body["defaultForApi"] == json!(true));
        entry.map(|(code, _)| code.clone())
    }

    pub fn has_user(&self, id: i64) -> bool {
        self.users.iter().any(|user| user["id"] == json!(id))
    }
}
