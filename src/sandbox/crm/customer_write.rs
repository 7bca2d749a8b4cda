//! Writing customers: create, edit, upload, fix-external-ids, combine, notes. Invariant: each
//! successful write passes through `create_row` or `edit_row` and counts once.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Customer, Merge, Object, text_of};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::customers::find;
use crate::sandbox::crm::fields;
use crate::sandbox::crm::history::{self, Change, Step};
use crate::sandbox::crm::stamp::Stamp;
use crate::sandbox::digits::digits;
use jiff::SignedDuration;
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Fields that are kept as sent.
const KEPT: &[&str] = &[
    "firstName",
    "lastName",
    "patronymic",
    "sex",
    "birthday",
    "managerId",
    "address",
    "source",
    "commentary",
    "contragent",
    "vip",
    "bad",
    "browserId",
    "nickName",
    "personalDiscount",
    "mgCustomers",
];
const TEXTS: &[&str] = &["firstName", "lastName", "patronymic", "email", "externalId", "nickName"];

/// `POST /customers/create`.
pub fn create(account: &mut Account, call: &Call) -> Result {
    let body = call.object("customer")?;
    let site = call.write_site(account, &body)?;
    let id = create_row(account, &body, &Stamp::of_call(site, call))?;
    Ok(Answer::json(201, &json!({"success": true, "id": id})))
}

/// `POST /customers/{id}/edit`.
pub fn edit(account: &mut Account, call: &Call) -> Result {
    let body = call.object("customer")?;
    let id = find(account, call)?;
    edit_row(account, id, &body, &Stamp::of_call(String::new(), call))?;
    Ok(Answer::json(200, &json!({"success": true, "id": id})))
}

/// `POST /customers/upload`: up to 50 rows, 460 where some failed.
pub fn upload(account: &mut Account, call: &Call) -> Result {
    let rows = call.objects("customers")?;
    if rows.len() > 50 {
        return Err(Refusal::entity("customers", "50 rows at most."));
    }
    let (mut uploaded, mut failed, mut errors) = (Vec::new(), Vec::new(), Object::new());
    for (position, body) in rows.iter().enumerate() {
        let written = call
            .write_site(account, body)
            .and_then(|site| create_row(account, body, &Stamp::of_call(site, call)));
        match written {
            Ok(id) => uploaded.push(reference(id, body)),
            Err(refusal) => {
                failed.push(json!({"externalId": text_of(body, "externalId")}));
                errors.insert(position.to_string(), json!(refusal.line()));
            }
        }
    }
    let mut answer = json!({
        "success": failed.is_empty(), "uploadedCustomers": uploaded, "failedCustomers": failed,
    });
    if errors.is_empty() {
        return Ok(Answer::json(200, &answer));
    }
    answer["errorMsg"] = json!("Customers are loaded with errors");
    answer["errors"] = Value::Object(errors);
    Ok(Answer::json(460, &answer))
}

/// `{"id":…,"externalId":…}` of an uploaded row.
pub fn reference(id: u64, body: &Object) -> Value {
    match text_of(body, "externalId") {
        "" => json!({ "id": id }),
        external => json!({ "id": id, "externalId": external }),
    }
}

/// `POST /customers/fix-external-ids`.
pub fn fix_external_ids(account: &mut Account, call: &Call) -> Result {
    let pairs = id_pairs(&call.objects("customers")?)?;
    for (id, external) in pairs {
        let body = Object::from_iter([("externalId".to_owned(), json!(external))]);
        edit_row(account, id, &body, &Stamp::of_call(String::new(), call))
            .map_err(|_| Refusal::new(404, "Not found map"))?;
    }
    Ok(Answer::json(200, &json!({"success": true})))
}

/// The `{"id","externalId"}` pairs of a fix-external-ids call.
pub fn id_pairs(rows: &[Object]) -> Result<Vec<(u64, String)>> {
    let pair = |row: &Object| {
        let id = row.get("id").and_then(Value::as_u64)?;
        let external = text_of(row, "externalId");
        (!external.is_empty()).then(|| (id, external.to_owned()))
    };
    let invalid = || Refusal::new(400, "Invalid input parameters");
    rows.iter().map(|row| pair(row).ok_or_else(invalid)).collect()
}

/// `POST /customers/combine`: accepted at once, carried out later.
pub fn combine(account: &mut Account, call: &Call) -> Result {
    let invalid = || Refusal::new(400, "Invalid input parameters");
    let id_of = |row: &Object| row.get("id").and_then(Value::as_u64);
    let known = |id: &u64| account.customers.get(*id).is_some_and(|row| row.combined_to.is_none());
    let result = id_of(&call.object("resultCustomer")?).filter(known).ok_or_else(invalid)?;
    let sources: Option<Vec<u64>> =
        call.objects("customers")?.iter().map(|row| id_of(row).filter(known)).collect();
    let sources = sources.filter(|ids| ids.len() <= 50 && !ids.contains(&result));
    let sources = sources.ok_or_else(invalid)?;
    let delay = SignedDuration::from_millis(account.switches.combine_delay_ms);
    let due = call.now.saturating_add(delay).unwrap_or(call.now);
    account.merges.push(Merge { due, sources, result });
    account.settle(call.now);
    Ok(Answer::json(200, &json!({"success": true})))
}

/// Writes a new customer and answers its id.
pub fn create_row(account: &mut Account, body: &Object, stamp: &Stamp) -> Result<u64> {
    check_texts(body, TEXTS)?;
    let external_id = external_id(body);
    if let Some(external) = &external_id
        && account.customers.by_external(external, &stamp.site).is_some()
    {
        let text = format!("Customer with externalId={external} already exists.");
        return Err(Refusal::new(400, &text));
    }
    let created_at = stamp.created_at(account, body)?;
    let custom = fields::accept(account, "customer", body, stamp.origin)?;
    let mut row = Customer {
        id: stamp.id(body).unwrap_or_else(|| account.customers.next_id()),
        external_id,
        site: stamp.site.clone(),
        created_at,
        stored_at: stamp.now,
        corporate: text_of(body, "type") == "customer_corporate",
        phones: Vec::new(),
        email: String::new(),
        tags: Vec::new(),
        custom,
        fields: Object::new(),
        combined_to: body.get("combinedTo").and_then(Value::as_u64),
        origin: stamp.origin,
        edits: 0,
    };
    apply(account, &mut row, body)?;
    let id = row.id;
    if stamp.noted {
        let mut subject = stamp.subject(id, &row.site, stamp.actor.clone());
        subject.at = row.created_at;
        let change = Change::new("id", Value::Null, json!(id));
        account.customer_history.write(&subject, Step::Created, change);
    }
    account.customers.put(row);
    Ok(id)
}

/// Changes the fields that are sent.
pub fn edit_row(account: &mut Account, id: u64, body: &Object, stamp: &Stamp) -> Result<()> {
    check_texts(body, TEXTS)?;
    let custom = fields::accept(account, "customer", body, stamp.origin)?;
    let before = account.customers.get(id).cloned().ok_or_else(Refusal::not_found)?;
    let mut row = before.clone();
    apply(account, &mut row, body)?;
    row.custom.extend(custom);
    if let Some(external) = external_id(body) {
        row.external_id = Some(external);
    }
    row.edits += 1;
    if stamp.noted {
        let subject = stamp.subject(id, &row.site, stamp.actor.clone());
        let changes = history::customer_changes(&before, &row);
        account.customer_history.write_all(&subject, changes);
    }
    account.customers.change(id, |old| *old = row);
    Ok(())
}

fn apply(account: &Account, row: &mut Customer, body: &Object) -> Result<()> {
    check_manager(account, body)?;
    for (key, value) in body.iter().filter(|(key, _)| KEPT.contains(&key.as_str())) {
        if value.is_null() || value == "" {
            row.fields.shift_remove(key);
        } else {
            row.fields.insert(key.clone(), value.clone());
        }
    }
    if body.contains_key("email") {
        row.email = text_of(body, "email").to_owned();
    }
    for phone in phones(body)? {
        add_phone(row, &phone);
    }
    let tags = |key: &str| -> Vec<String> {
        let list = body.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let removed = tags("removeTags");
    row.tags.extend(tags("tags").into_iter().chain(tags("addTags")));
    row.tags.retain(|tag| !removed.contains(tag));
    Ok(())
}

/// A number is added unless its digits are there.
pub fn add_phone(row: &mut Customer, phone: &str) {
    if !phone.trim().is_empty() && row.phones.iter().all(|old| digits(old) != digits(phone)) {
        row.phones.push(phone.to_owned());
    }
}

/// `phones` as `[{"number":…}]`; seeds may also give plain texts.
fn phones(body: &Object) -> Result<Vec<String>> {
    let wrong = || Refusal::entity("phones", "This value is not valid.");
    let list = match body.get("phones") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(wrong)?,
    };
    let number = |entry: &Value| match entry {
        Value::String(text) => Some(text.clone()),
        Value::Object(phone) => phone.get("number").and_then(|number| match number {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }),
        _ => None,
    };
    list.iter().map(|entry| number(entry).ok_or_else(wrong)).collect()
}

/// Refuses a text field that holds something else.
pub fn check_texts(body: &Object, keys: &[&str]) -> Result<()> {
    for (key, value) in body.iter().filter(|(key, _)| keys.contains(&key.as_str())) {
        if !value.is_string() && !value.is_null() && !value.is_number() {
            return Err(Refusal::entity(key, "This value should be of type string."));
        }
    }
    Ok(())
}

/// Refuses a manager that is no user.
pub fn check_manager(account: &Account, body: &Object) -> Result<()> {
    match body.get("managerId") {
        None | Some(Value::Null) => Ok(()),
        Some(value) if value.as_i64().is_some_and(|id| account.references.has_user(id)) => Ok(()),
        Some(_) => Err(Refusal::entity("managerId", "This value is not valid.")),
    }
}

pub fn external_id(body: &Object) -> Option<String> {
    match body.get("externalId")? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `POST /customers/notes/create`.
pub fn note(account: &mut Account, call: &Call) -> Result {
    let note = call.object("note")?;
    let customer = note.get("customer").and_then(Value::as_object);
    let id = customer.and_then(|customer| customer.get("id")).and_then(Value::as_u64);
    let row = id.and_then(|id| account.customers.get(id));
    let row = row.ok_or_else(|| {
        Refusal::entity("customer", "Set one of the following fields: id, externalId")
    })?;
    let id = account.notes.len() + 1;
    let body = json!({
        "id": id, "text": text_of(&note, "text"), "createdAt": account.stamp(call.now),
        "customer": {"id": row.id, "site": row.site, "type": "customer"},
    });
    account.notes.extend(body.as_object().cloned());
    Ok(Answer::json(201, &json!({"success": true, "id": id})))
}

/// `GET /customers/notes`, newest first.
pub fn notes(account: &mut Account, call: &Call) -> Result {
    let page = call.page(&[20, 50, 100])?;
    let notes: Vec<&Object> = account.notes.iter().rev().collect();
    let shown = &notes[page.range(notes.len())];
    let body = json!({"success": true, "pagination": page.body(notes.len()), "notes": shown});
    Ok(Answer::json(200, &body))
}
