//! Reading orders: list, one by id, statuses. Invariant: orders of one customer are read from an
//! index; what a key may not see is not counted either.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Order, full_name, text_of};
use crate::sandbox::crm::call::{Call, Page};
use crate::sandbox::crm::customers::{arrange, found_by_now, named, same_phone, searched};
use crate::sandbox::crm::query::{Query, among, custom_candidates, custom_matches, within};
use crate::sandbox::crm::render;
use jiff::Timestamp;
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Filters that exist and are not imitated.
const KNOWN: &[&str] = &[
    "companyName",
    "city",
    "region",
    "index",
    "metro",
    "countries",
    "paidAtFrom",
    "paidAtTo",
    "fullPaidAtFrom",
    "fullPaidAtTo",
    "deliveryDateFrom",
    "deliveryDateTo",
    "shipmentDateFrom",
    "shipmentDateTo",
    "deliveryTimeFrom",
    "deliveryTimeTo",
    "firstWebVisitFrom",
    "firstWebVisitTo",
    "lastWebVisitFrom",
    "lastWebVisitTo",
    "firstOrderFrom",
    "firstOrderTo",
    "lastOrderFrom",
    "lastOrderTo",
    "dpdParcelDateFrom",
    "dpdParcelDateTo",
    "managerGroups",
    "paymentStatuses",
    "paymentTypes",
    "deliveryTypes",
    "deliveryServices",
    "deliveryStates",
    "couriers",
    "shipmentStores",
    "mgChannels",
    "product",
    "minPrice",
    "maxPrice",
    "minPrepaySumm",
    "maxPrepaySumm",
    "minDeliveryCost",
    "maxDeliveryCost",
    "minDeliveryNetCost",
    "maxDeliveryNetCost",
    "minMarginSumm",
    "maxMarginSumm",
    "minPurchaseSumm",
    "maxPurchaseSumm",
    "minCostSumm",
    "maxCostSumm",
    "vip",
    "bad",
    "expired",
    "call",
    "online",
    "shipped",
    "attachments",
    "tasksCounts",
    "receiptFiscalDocumentAttribute",
    "receiptStatus",
    "receiptOperation",
    "receiptOrderStatus",
    "managerComment",
    "customerComment",
    "trackNumber",
    "deliveryExternalId",
    "contragentTypes",
    "sourceName",
    "mediumName",
    "campaignName",
    "keywordName",
    "adContentName",
];

/// What a list of orders asks for.
struct Wanted {
    ids: Option<Vec<u64>>,
    external_ids: Option<Vec<String>>,
    numbers: Option<Vec<String>>,
    customer: Option<String>,
    customer_id: Option<u64>,
    customer_external_id: Option<String>,
    customer_type: Option<String>,
    email: Option<String>,
    statuses: Option<Vec<String>>,
    kinds: [Option<Vec<String>>; 4],
    created: (Option<Timestamp>, Option<Timestamp>),
    status_updated: (Option<Timestamp>, Option<Timestamp>),
    custom: Vec<(String, String)>,
    /// Nothing is asked for but days of creation.
    plain: bool,
}

/// The body keys of `kinds`.
const KINDS: [&str; 4] = ["site", "orderMethod", "orderType", "managerId"];

impl Wanted {
    fn read(account: &Account, call: &Call) -> Result<Self> {
        let filter = call.filter();
        let plain = filter.keys().all(|key| key.starts_with("createdAt"));
        let mut query = Query::new(filter);
        let wanted = Self {
            plain,
            ids: query.ids("ids")?,
            external_ids: query.list("externalIds")?,
            numbers: query.list("numbers")?,
            customer: query.text("customer")?,
            customer_id: query.number("customerId")?,
            customer_external_id: query.text("customerExternalId")?,
            customer_type: query.text("customerType")?,
            email: query.text("email")?,
            statuses: query.list("extendedStatus")?,
            kinds: [
                query.list("sites")?,
                query.list("orderMethods")?,
                query.list("orderTypes")?,
                query.list("managers")?,
            ],
            created: (
                query.bound(account, "createdAtFrom", false)?,
                query.bound(account, "createdAtTo", true)?,
            ),
            status_updated: (
                query.bound(account, "statusUpdatedAtFrom", false)?,
                query.bound(account, "statusUpdatedAtTo", true)?,
            ),
            custom: query.custom()?,
        };
        query.finish(account, KNOWN)?;
        Ok(wanted)
    }

    /// The rows that can match at all, by the best index there is.
    fn candidates(&self, account: &Account) -> Option<Vec<u64>> {
        let rows = &account.orders;
        if let Some(ids) = &self.ids {
            return Some(ids.clone());
        }
        if let Some(ids) = &self.external_ids {
            return Some(ids.iter().flat_map(|id| rows.with_external(id)).collect());
        }
        if let Some(customer) = self.customer_id {
            return Some(rows.with_owner(customer));
        }
        if let Some(external) = &self.customer_external_id {
            let customers = account.customers.with_external(external);
            return Some(customers.into_iter().flat_map(|id| rows.with_owner(id)).collect());
        }
        if let Some(numbers) = &self.numbers {
            let ids = numbers.iter().flat_map(|number| rows.with_exact("number", number));
            return Some(ids.collect());
        }
        if let Some(ids) = custom_candidates(account, rows, "order", &self.custom) {
            return Some(ids);
        }
        if let Some(email) = &self.email {
            let customers = account.customers.with_email(email);
            let ids = customers.into_iter().flat_map(|id| rows.with_owner(id));
            return Some(ids.chain(rows.with_email(email)).collect());
        }
        let text = &searched(account, self.customer.as_deref()?);
        let customers = account.customers.with_digits(text)?;
        let mut ids = rows.with_digits(text)?;
        ids.extend(customers.into_iter().flat_map(|id| rows.with_owner(id)));
        Some(ids)
    }

    fn fits(&self, account: &Account, row: &Order) -> bool {
        let is_owner = |id: u64| row.customer == Some(id);
        self.ids.as_ref().is_none_or(|ids| ids.contains(&row.id))
            && self.external_ids.as_ref().is_none_or(|ids| {
                row.external_id.as_ref().is_some_and(|external| ids.contains(external))
            })
            && among(self.numbers.as_ref(), &row.number)
            && self.customer.as_deref().is_none_or(|text| mentions(account, row, text))
            // A person's orders are also those of a company whose contact it is.
            && self.customer_id.is_none_or(|id| is_owner(id) || row.contact == Some(id))
            && self.customer_external_id.as_ref().is_none_or(|external| {
                account.customers.with_external(external).into_iter().any(is_owner)
            })
            && self.customer_type.as_deref().is_none_or(|kind| {
                let customer = row.customer.and_then(|id| account.customers.get(id));
                customer.is_some_and(|customer| customer.corporate == (kind == "customer_corporate"))
            })
            && self.email.as_ref().is_none_or(|email| has_email(account, row, email))
            && self.statuses.as_ref().is_none_or(|codes| has_status(account, row, codes))
            && KINDS.iter().zip(&self.kinds).all(|(key, asked)| {
                among(asked.as_ref(), &kind_of(row, key))
            })
            && within(row.created_at, self.created)
            && within(row.status_at, self.status_updated)
            && custom_matches(&row.custom, &self.custom)
    }
}

fn kind_of(row: &Order, key: &str) -> String {
    match (key, row.fields.get(key)) {
        ("site", _) => row.site.clone(),
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(value)) => value.to_string(),
        (_, None) => String::new(),
    }
}

/// `filter[customer]`: the name or phone of the order or of its customer.
fn mentions(account: &Account, row: &Order, text: &str) -> bool {
    let rule = account.switches.phone_match;
    if full_name(&row.fields).contains(&text.trim().to_lowercase()) {
        return true;
    }
    let own = ["phone", "additionalPhone"].iter().any(|key| {
        let phone = text_of(&row.fields, key);
        let asked_phone = !text.chars().any(char::is_alphabetic);
        !phone.is_empty() && asked_phone && same_phone(phone, text, rule)
    });
    let people = row.customer.into_iter().chain(row.contact);
    own || people
        .filter_map(|id| account.customers.get(id))
        .any(|customer| named(customer, text, rule))
}

fn has_email(account: &Account, row: &Order, email: &str) -> bool {
    let email = email.to_lowercase();
    let customer = row.customer.and_then(|id| account.customers.get(id));
    text_of(&row.fields, "email").to_lowercase() == email
        || customer.is_some_and(|customer| customer.email.to_lowercase() == email)
}

/// `extendedStatus[]` takes codes of statuses and of groups.
fn has_status(account: &Account, row: &Order, codes: &[String]) -> bool {
    let group = account.references.status(&row.status).map(|status| status.group.as_str());
    codes.iter().any(|code| *code == row.status || Some(code.as_str()) == group)
}

/// `GET /orders`.
pub fn list(account: &mut Account, call: &Call) -> Result {
    let page = call.page(&[20, 50, 100])?;
    let wanted = Wanted::read(account, call)?;
    let candidates = match wanted.candidates(account) {
        Some(ids) => account.orders.sorted(ids),
        None => account.orders.newest_first(wanted.created).collect(),
    };
    if wanted.plain && sees_all(account, call) {
        return Ok(shown(account, page, candidates));
    }
    let visible = |id: &u64| {
        account.orders.get(*id).is_some_and(|row| {
            call.sees(&row.site)
                && found_by_now(account, row.origin, row.stored_at, call.now)
                && wanted.fits(account, row)
        })
    };
    let ids: Vec<u64> = candidates.into_iter().filter(visible).collect();
    Ok(shown(account, page, ids))
}

/// True when the key sees every order at once: no row has to be looked at.
fn sees_all(account: &Account, call: &Call) -> bool {
    account.switches.search_lag_ms == 0 && account.stores.iter().all(|store| call.sees(&store.code))
}

fn shown(account: &Account, page: Page, mut ids: Vec<u64>) -> Answer {
    arrange(account, &mut ids);
    let rows = ids[page.range(ids.len())].iter().filter_map(|id| account.orders.get(*id));
    let rows: Vec<Value> = rows.map(|row| render::order(account, row)).collect();
    let body = json!({"success": true, "pagination": page.body(ids.len()), "orders": rows});
    Answer::json(200, &body)
}

/// `GET /orders/{id}`.
pub fn get(account: &mut Account, call: &Call) -> Result {
    let id = find(account, call)?;
    let row = account.orders.get(id).ok_or_else(Refusal::not_found)?;
    let body = json!({"success": true, "order": render::order(account, row)});
    Ok(Answer::json(200, &body))
}

/// The row that the path names.
pub fn find(account: &Account, call: &Call) -> Result<u64> {
    let row = if call.by_id()? {
        call.arg(0).parse().ok().and_then(|id| account.orders.get(id))
    } else {
        let site = call.lookup_site(account)?;
        account.orders.by_external(call.arg(0), &site)
    };
    let row = row.filter(|row| call.sees(&row.site));
    row.map(|row| row.id).ok_or_else(Refusal::not_found)
}

/// `GET /orders/statuses?ids[]=…&externalIds[]=…`.
pub fn statuses(account: &mut Account, call: &Call) -> Result {
    let ids = call.query.many("ids");
    let external_ids = call.query.many("externalIds");
    if ids.is_empty() && external_ids.is_empty() {
        return Err(Refusal::new(400, "Invalid input parameters"));
    }
    let by_id = ids.iter().filter_map(|text| text.parse::<u64>().ok());
    let by_external = external_ids.iter().flat_map(|text| account.orders.with_external(text));
    let rows = account.orders.sorted(by_id.chain(by_external));
    let rows = rows.iter().filter_map(|id| account.orders.get(*id));
    let rows = rows.filter(|row| call.sees(&row.site)).map(|row| {
        let group = account.references.status(&row.status).map(|status| status.group.clone());
        let mut body = json!({"id": row.id, "status": row.status, "group": group});
        if let Some(external) = &row.external_id {
            body["externalId"] = json!(external);
        }
        body
    });
    let rows: Vec<Value> = rows.collect();
    Ok(Answer::json(200, &json!({"success": true, "orders": rows})))
}
