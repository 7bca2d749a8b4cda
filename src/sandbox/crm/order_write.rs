//! Writing orders: create, edit, upload, fix-external-ids. Invariant: a refused write changes
//! nothing; every successful one is noted in the order's `writes`, once.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Object, Order, Origin, Write, text_of, whole_second};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::customer_write::{
    check_manager, check_texts, external_id, id_pairs, reference,
};
use crate::sandbox::crm::factory::References;
use crate::sandbox::crm::history::{self, Actor, Change, Step};
use crate::sandbox::crm::order_customer::{customer_of, customer_of_edit, touch_customer};
use crate::sandbox::crm::orders::find;
use crate::sandbox::crm::stamp::Stamp;
use crate::sandbox::crm::triggers::{Firing, Happening};
use crate::sandbox::crm::{fields, render};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Fields that are kept as sent.
const KEPT: &[&str] = &[
    "orderMethod",
    "orderType",
    "privilegeType",
    "countryIso",
    "lastName",
    "firstName",
    "patronymic",
    "phone",
    "additionalPhone",
    "email",
    "call",
    "expired",
    "mark",
    "managerId",
    "customerComment",
    "managerComment",
    "statusComment",
    "source",
    "delivery",
    "contragent",
    "weight",
    "length",
    "width",
    "height",
    "shipmentStore",
    "shipmentDate",
    "shipped",
    "clientId",
    "dialogId",
    "discountManualAmount",
    "discountManualPercent",
    "company",
    "applyRound",
    "currency",
];
/// Sums that a control route sets, whatever the items say.
const SEEDED: &[&str] = &["summ", "totalSumm"];
const TEXTS: &[&str] = &[
    "lastName",
    "firstName",
    "patronymic",
    "phone",
    "additionalPhone",
    "email",
    "number",
    "externalId",
    "status",
    "orderMethod",
    "orderType",
    "customerComment",
    "managerComment",
];

/// `POST /orders/create`.
pub fn create(account: &mut Account, call: &Call) -> Result {
    let body = call.object("order")?;
    let site = call.write_site(account, &body)?;
    let id = create_row(account, &body, &Stamp::of_call(site, call))?;
    shown(account, 201, id)
}

/// `POST /orders/{id}/edit`.
pub fn edit(account: &mut Account, call: &Call) -> Result {
    let body = call.object("order")?;
    let id = find(account, call)?;
    edit_row(account, id, &body, &Stamp::of_call(String::new(), call))?;
    shown(account, 200, id)
}

fn shown(account: &Account, status: u16, id: u64) -> Result {
    let row = account.orders.get(id).ok_or_else(Refusal::not_found)?;
    let order = render::order(account, row);
    Ok(Answer::json(status, &json!({"success": true, "id": id, "order": order})))
}

/// `POST /orders/upload`: up to 50 rows, 460 where some failed.
pub fn upload(account: &mut Account, call: &Call) -> Result {
    let rows = call.objects("orders")?;
    if rows.len() > 50 {
        return Err(Refusal::entity("orders", "50 rows at most."));
    }
    let (mut uploaded, mut failed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut orders = Vec::new();
    for body in &rows {
        let written = call
            .write_site(account, body)
            .and_then(|site| create_row(account, body, &Stamp::of_call(site, call)));
        match written {
            Ok(id) => {
                uploaded.push(reference(id, body));
                orders.extend(account.orders.get(id).map(|row| render::order(account, row)));
            }
            Err(refusal) => {
                let external = text_of(body, "externalId");
                failed.push(json!({ "externalId": external }));
                let exists = refusal.body["errorMsg"] == "Order already exists.";
                errors.push(if exists {
                    format!("Order with externalId={external} already exists.")
                } else {
                    refusal.line()
                });
            }
        }
    }
    if errors.is_empty() {
        let body = json!({
            "success": true, "uploadedOrders": uploaded, "orders": orders, "failedOrders": failed,
        });
        return Ok(Answer::json(200, &body));
    }
    let body = json!({
        "success": false, "uploadedOrders": uploaded, "orders": orders, "failedOrders": failed,
        "errorMsg": "Orders are loaded with errors", "errors": errors,
    });
    Ok(Answer::json(460, &body))
}

/// `POST /orders/fix-external-ids`.
pub fn fix_external_ids(account: &mut Account, call: &Call) -> Result {
    for (id, external) in id_pairs(&call.objects("orders")?)? {
        let body = Object::from_iter([("externalId".to_owned(), json!(external))]);
        edit_row(account, id, &body, &Stamp::of_call(String::new(), call))
            .map_err(|_| Refusal::new(404, "Not found map"))?;
    }
    Ok(Answer::json(200, &json!({"success": true})))
}

/// Writes a new order and answers its id.
pub fn create_row(account: &mut Account, body: &Object, stamp: &Stamp) -> Result<u64> {
    let external_id = external_id(body);
    if let Some(external) = &external_id
        && account.orders.by_external(external, &stamp.site).is_some()
    {
        return Err(Refusal::new(400, "Order already exists."));
    }
    check(account, body)?;
    let created_at = stamp.created_at(account, body)?;
    let status_at = stamp.status_at(account, body)?.unwrap_or(created_at);
    let custom = fields::accept(account, "order", body, stamp.origin)?;
    let kept = first_fields(account, body, stamp.origin);
    let customer = customer_of(account, body, "customer", stamp)?;
    let contact = customer_of(account, body, "contact", stamp)?.or(customer);
    let id = stamp.id(body).unwrap_or_else(|| account.orders.next_id());
    let number = match text_of(body, "number") {
        "" => format!("{id}{}", if stamp.origin == Origin::Seed { 'C' } else { 'A' }),
        number => number.to_owned(),
    };
    let status = match text_of(body, "status") {
        "" => account.references.first_status(),
        code => code.to_owned(),
    };
    let at = stamp.now;
    let leads = leads(body);
    let write = Write { kind: "create", at, origin: stamp.origin, leads, changed: true };
    let row = Order {
        id,
        number,
        external_id,
        site: stamp.site.clone(),
        status,
        created_at,
        status_at,
        stored_at: stamp.now,
        customer,
        contact,
        custom,
        fields: kept,
        items: items(body)?,
        origin: stamp.origin,
        writes: vec![write],
    };
    touch_customer(account, &row, stamp);
    if stamp.noted {
        note_creation(account, &row, body, stamp);
    }
    account.orders.put(row);
    Ok(id)
}

/// The fields of a new order: what the account presets, then what is sent.
fn first_fields(account: &Account, body: &Object, origin: Origin) -> Object {
    let mut kept = Object::new();
    let references = &account.references;
    for (key, map) in
        [("orderMethod", &references.order_methods), ("orderType", &references.order_types)]
    {
        kept.extend(References::default_for_api(map).map(|code| (key.to_owned(), json!(code))));
    }
    keep(&mut kept, body, origin);
    kept
}

/// One entry of the creation, and one of the customer that the CRM itself found for it.
fn note_creation(account: &mut Account, row: &Order, body: &Object, stamp: &Stamp) {
    let mut subject = stamp.subject(row.id, &row.site, stamp.actor.clone());
    subject.at = row.created_at;
    let status = json!({ "code": row.status });
    let change = Change::new("status", Value::Null, status);
    account.history.write(&subject, Step::Created, change);
    let named = body.get("customer").is_some_and(|customer| !customer.is_null());
    if let Some(customer) = row.customer.filter(|_| !named) {
        subject.actor = Actor::Code;
        let customer = json!({"id": customer, "site": row.site});
        let change = Change::new("customer", Value::Null, customer);
        account.history.write(&subject, Step::Changed, change);
    }
    fire(account, row, Happening::New);
}

fn fire(account: &mut Account, row: &Order, happening: Happening) {
    if !account.triggers.is_empty() {
        let status = row.status.clone();
        account.fired.push(Firing { order: row.id, status, happening });
    }
}

/// Changes the fields that are sent; custom fields are merged by code.
pub fn edit_row(account: &mut Account, id: u64, body: &Object, stamp: &Stamp) -> Result<()> {
    check(account, body)?;
    let custom = fields::accept(account, "order", body, stamp.origin)?;
    let mut row = account.orders.get(id).cloned().ok_or_else(Refusal::not_found)?;
    let before = row.clone();
    keep(&mut row.fields, body, stamp.origin);
    for (code, value) in custom {
        if value.is_null() {
            drop(row.custom.remove(&code))
        } else {
            drop(row.custom.insert(code, value))
        }
    }
    if body.contains_key("items") {
        row.items = items(body)?;
    }
    if let Some(external) = external_id(body) {
        row.external_id = Some(external);
    }
    let status = text_of(body, "status");
    if !status.is_empty() && status != row.status {
        row.status = status.to_owned();
        row.status_at = whole_second(stamp.now);
    }
    row.status_at = stamp.status_at(account, body)?.unwrap_or(row.status_at);
    if let Some(customer) = customer_of_edit(account, body, stamp)? {
        (row.customer, row.contact) = (Some(customer), Some(customer));
    }
    let changes = history::order_changes(&before, &row);
    let (leads, changed) = (leads(body), !changes.is_empty());
    row.writes.push(Write { kind: "edit", at: stamp.now, origin: stamp.origin, leads, changed });
    touch_customer(account, &row, stamp);
    if stamp.noted {
        let subject = stamp.subject(id, &row.site, stamp.actor.clone());
        account.history.write_all(&subject, changes);
        if before.status != row.status {
            fire(account, &row, Happening::Status);
        }
    }
    account.orders.change(id, |old| *old = row);
    Ok(())
}

/// Types and codes of what is sent.
fn check(account: &Account, body: &Object) -> Result<()> {
    check_texts(body, TEXTS)?;
    check_manager(account, body)?;
    let references = &account.references;
    let known = [
        ("status", references.status(text_of(body, "status")).is_some()),
        ("orderMethod", references.order_methods.contains_key(text_of(body, "orderMethod"))),
        ("orderType", references.order_types.contains_key(text_of(body, "orderType"))),
    ];
    for (key, is_known) in known {
        if !text_of(body, key).is_empty() && !is_known {
            return Err(Refusal::entity(key, "This value is not valid."));
        }
    }
    let object = |key: &str| body.get(key).is_none_or(|value| value.is_object() || value.is_null());
    for key in ["source", "delivery"] {
        if !object(key) {
            return Err(Refusal::entity(key, "This value is not valid."));
        }
    }
    items(body).map(drop)
}

fn keep(kept: &mut Object, body: &Object, origin: Origin) {
    let seeded = if origin == Origin::Seed { SEEDED } else { &[] };
    let known = |key: &str| KEPT.contains(&key) || seeded.contains(&key);
    for (key, value) in body.iter().filter(|(key, _)| known(key)) {
        if value.is_null() || value == "" {
            kept.shift_remove(key);
        } else {
            kept.insert(key.clone(), value.clone());
        }
    }
}

fn items(body: &Object) -> Result<Vec<Object>> {
    let wrong = || Refusal::entity("items", "This value is not valid.");
    let list = match body.get("items") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(wrong)?,
    };
    list.iter().map(|item| item.as_object().cloned().ok_or_else(wrong)).collect()
}

/// The `calltouch_*_id` fields of a body, but for the site's.
fn leads(body: &Object) -> BTreeMap<String, String> {
    let custom = body.get("customFields").and_then(Value::as_object);
    let lead = |(code, value): (&String, &Value)| {
        let kind = code.strip_prefix("calltouch_")?.strip_suffix("_id")?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (kind != "site" && !value.is_null()).then(|| (code.clone(), text))
    };
    custom.into_iter().flatten().filter_map(lead).collect()
}
