//! `orders/history` and `customers/history` (retailcrm.md §2.4). Invariant: ascending by id, above
//! `sinceId` where it is given — and then never by `page`; a key sees entries of its stores alone.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Object, Order};
use crate::sandbox::crm::call::{Call, Page};
use crate::sandbox::crm::history::{Actor, Book, Entry, Step};
use crate::sandbox::crm::query::Query;
use crate::sandbox::crm::render;
use jiff::Timestamp;
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// What is asked for.
struct Wanted {
    since: Option<u64>,
    row: Option<u64>,
    external: Option<String>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    page: Page,
}

impl Wanted {
    fn read(account: &Account, call: &Call, entity: &str) -> Result<Self> {
        let page = call.page(&[20, 50, 100])?;
        let mut query = Query::new(call.filter());
        let moment = |text: Option<String>, key: &str| match text {
            None => Ok(None),
            Some(text) => account.parse_stamp(&text).map(Some).ok_or_else(|| Refusal::input(key)),
        };
        let wanted = Self {
            since: query.number("sinceId")?,
            row: query.number(&format!("{entity}Id"))?,
            external: query.text(&format!("{entity}ExternalId"))?,
            start: moment(query.text("startDate")?, "startDate")?,
            end: moment(query.text("endDate")?, "endDate")?,
            page,
        };
        query.finish(account, &[])?;
        if wanted.since.is_some() && call.query.one("page").is_some() {
            let text = "Use the shift of the `filter[sinceId]` instead of `page` parameter";
            return Err(Refusal::new(400, text));
        }
        Ok(wanted)
    }

    /// The asked page, and how many entries there are on all.
    fn page<'a>(&self, book: &'a Book, account: &Account, call: &Call) -> (Vec<&'a Entry>, usize) {
        let fits = |entry: &&Entry| {
            call.sees(&entry.site)
                && self.row.is_none_or(|row| row == entry.row)
                && self.start.is_none_or(|start| entry.at >= start)
                && self.end.is_none_or(|end| entry.at <= end)
        };
        let lag = account.switches.history_lag_ms;
        let seen = book.after(self.since.unwrap_or(0), call.now, lag).filter(fits);
        let total = seen.clone().count();
        let range = self.page.range(total);
        (seen.skip(range.start).take(range.len()).collect(), total)
    }
}

/// `GET /orders/history`.
pub fn orders(account: &mut Account, call: &Call) -> Result {
    let mut wanted = Wanted::read(account, call, "order")?;
    if let Some(external) = &wanted.external {
        let found = account.orders.with_external(external).first().copied();
        wanted.row = Some(found.unwrap_or(0));
    }
    let (entries, total) = wanted.page(&account.history, account, call);
    let rows = entries.into_iter().map(|entry| order_entry(account, call, entry)).collect();
    Ok(shown(account, call, rows, wanted.page, total))
}

/// `GET /customers/history`.
pub fn customers(account: &mut Account, call: &Call) -> Result {
    let mut wanted = Wanted::read(account, call, "customer")?;
    if let Some(external) = &wanted.external {
        let found = account.customers.with_external(external).first().copied();
        wanted.row = Some(found.unwrap_or(0));
    }
    let (entries, total) = wanted.page(&account.customer_history, account, call);
    let rows = entries.into_iter().map(|entry| customer_entry(account, call, entry)).collect();
    Ok(shown(account, call, rows, wanted.page, total))
}

fn shown(account: &Account, call: &Call, rows: Vec<Value>, page: Page, total: usize) -> Answer {
    let mut pagination = page.body(total);
    if total == 0 {
        pagination["currentPage"] = json!(0);
    }
    let body = json!({
        "success": true, "generatedAt": account.stamp(call.now), "history": rows,
        "pagination": pagination,
    });
    Answer::json(200, &body)
}

/// What entries of both kinds have.
fn common(account: &Account, call: &Call, entry: &Entry) -> Object {
    let mut body = Object::new();
    body.insert("id".into(), json!(entry.id));
    body.insert("createdAt".into(), json!(account.stamp(entry.at)));
    match entry.step {
        Step::Created => drop(body.insert("created".into(), json!(true))),
        Step::Deleted(_) => drop(body.insert("deleted".into(), json!(true))),
        Step::Changed => {}
    }
    body.insert("source".into(), json!(entry.actor.source()));
    match &entry.actor {
        Actor::Key(key) => {
            drop(body.insert("apiKey".into(), json!({"current": *key == call.key})));
        }
        Actor::User(id) => drop(body.insert("user".into(), json!({ "id": id }))),
        Actor::Rule | Actor::Code | Actor::Combine | Actor::Split => {}
    }
    body.insert("field".into(), json!(entry.change.field));
    body.insert("oldValue".into(), entry.change.old.clone());
    body.insert("newValue".into(), entry.change.new.clone());
    body
}

fn order_entry(account: &Account, call: &Call, entry: &Entry) -> Value {
    let mut body = common(account, call, entry);
    let row = account.orders.get(entry.row).or_else(|| account.gone.get(&entry.row));
    let order = match row {
        None => json!({"id": entry.row, "site": entry.site}),
        Some(row) if entry.step == Step::Changed => short(row),
        Some(row) => render::order(account, row),
    };
    body.insert("order".into(), order);
    if let Some(item) = entry.change.item {
        body.insert("item".into(), json!({ "id": item }));
    }
    if let Step::Deleted(Some(survivor)) = entry.step {
        let row = account.orders.get(survivor);
        let site = row.map_or(entry.site.clone(), |row| row.site.clone());
        let mut reference = json!({"id": survivor, "site": site});
        if let Some(external) = row.and_then(|row| row.external_id.clone()) {
            reference["externalId"] = json!(external);
        }
        body.insert("combinedTo".into(), reference);
    }
    Value::Object(body)
}

/// An order as ordinary entries show it: as it is now.
fn short(row: &Order) -> Value {
    let mut body = json!({"id": row.id, "site": row.site, "status": row.status});
    if let Some(external) = &row.external_id {
        body["externalId"] = json!(external);
    }
    if let Some(manager) = row.fields.get("managerId") {
        body["managerId"] = manager.clone();
    }
    body
}

fn customer_entry(account: &Account, call: &Call, entry: &Entry) -> Value {
    let mut body = common(account, call, entry);
    let customer = match account.customers.get(entry.row) {
        None => json!({"id": entry.row, "site": entry.site}),
        Some(row) if entry.step == Step::Changed => {
            let mut body = json!({"id": row.id, "site": row.site});
            if let Some(external) = &row.external_id {
                body["externalId"] = json!(external);
            }
            body
        }
        Some(row) => render::customer(account, row),
    };
    body.insert("customer".into(), customer);
    if let Step::Deleted(Some(survivor)) = entry.step {
        body.insert("combinedTo".into(), json!({"id": survivor, "site": entry.site}));
    }
    Value::Object(body)
}
