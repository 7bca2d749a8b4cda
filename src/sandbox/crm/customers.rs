//! Reading customers: list, search, one by id. Invariant: a search by phone reads an index, never
//! all rows; a merged customer is nowhere but in its 404.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Customer, Origin};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::query::{Query, among, custom_candidates, custom_matches, within};
use crate::sandbox::crm::render;
use crate::sandbox::digits::{canonical, digits, tail};
use crate::sandbox::switches::{Listing, PhoneMatch};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Filters that exist and are not imitated.
const KNOWN: &[&str] = &[
    "city",
    "region",
    "countries",
    "notes",
    "commentary",
    "managerGroups",
    "attachedTags",
    "segment",
    "classSegment",
    "minAverageSumm",
    "maxAverageSumm",
    "minTotalSumm",
    "maxTotalSumm",
    "minCostSumm",
    "maxCostSumm",
    "firstOrderFrom",
    "firstOrderTo",
    "lastOrderFrom",
    "lastOrderTo",
    "firstWebVisitFrom",
    "firstWebVisitTo",
    "lastWebVisitFrom",
    "lastWebVisitTo",
    "vip",
    "bad",
    "online",
    "attachments",
    "tasksCounts",
    "sex",
    "emailMarketingUnsubscribed",
    "contragentName",
    "contragentTypes",
    "contragentInn",
    "contragentKpp",
    "contragentBik",
    "contragentCorrAccount",
    "contragentBankAccount",
    "discountCardNumber",
    "browserId",
    "mgChannels",
    "mgCustomerId",
    "sourceName",
    "mediumName",
    "campaignName",
    "keywordName",
    "adContentName",
    "subscriptions",
    "isContact",
    "managers",
];

/// What a list of customers asks for.
struct Wanted {
    ids: Option<Vec<u64>>,
    external_ids: Option<Vec<String>>,
    name: Option<String>,
    email: Option<String>,
    sites: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    created: (Option<Timestamp>, Option<Timestamp>),
    orders: (Option<u64>, Option<u64>),
    custom: Vec<(String, String)>,
}

impl Wanted {
    fn read(account: &Account, call: &Call) -> Result<Self> {
        let mut query = Query::new(call.filter());
        let wanted = Self {
            ids: query.ids("ids")?,
            external_ids: query.list("externalIds")?,
            name: query.text("name")?,
            email: query.text("email")?,
            sites: query.list("sites")?,
            tags: query.list("tags")?,
            created: (
                query.bound(account, "dateFrom", false)?,
                query.bound(account, "dateTo", true)?,
            ),
            orders: (query.number("minOrdersCount")?, query.number("maxOrdersCount")?),
            custom: query.custom()?,
        };
        query.finish(account, KNOWN)?;
        Ok(wanted)
    }

    /// The rows that can match at all, by the best index there is.
    fn candidates(&self, account: &Account) -> Option<Vec<u64>> {
        let rows = &account.customers;
        if let Some(ids) = &self.ids {
            return Some(ids.clone());
        }
        if let Some(ids) = &self.external_ids {
            return Some(ids.iter().flat_map(|id| rows.with_external(id)).collect());
        }
        if let Some(email) = &self.email {
            return Some(rows.with_email(email));
        }
        if let Some(ids) = custom_candidates(account, rows, "customer", &self.custom) {
            return Some(ids);
        }
        // A text of seven digits and more is in the digits of the phone or of the name.
        rows.with_digits(&searched(account, self.name.as_deref()?))
    }

    fn fits(&self, account: &Account, row: &Customer) -> bool {
        let orders = || u64::try_from(account.orders.with_owner(row.id).len()).unwrap_or(u64::MAX);
        self.ids.as_ref().is_none_or(|ids| ids.contains(&row.id))
            && self.external_ids.as_ref().is_none_or(|ids| {
                row.external_id.as_ref().is_some_and(|external| ids.contains(external))
            })
            && self
                .name
                .as_deref()
                .is_none_or(|text| named(row, text, account.switches.phone_match))
            && self
                .email
                .as_ref()
                .is_none_or(|email| email.to_lowercase() == row.email.to_lowercase())
            && among(self.sites.as_ref(), &row.site)
            && self.tags.as_ref().is_none_or(|tags| row.tags.iter().any(|tag| tags.contains(tag)))
            && within(row.created_at, self.created)
            && self.orders.0.is_none_or(|least| orders() >= least)
            && self.orders.1.is_none_or(|most| orders() <= most)
            && custom_matches(&row.custom, &self.custom)
    }
}

/// The digits that every row which can match `text` has in a row.
pub fn searched(account: &Account, text: &str) -> String {
    match account.switches.phone_match {
        PhoneMatch::Normalized => tail(text),
        PhoneMatch::Substring | PhoneMatch::Exact => digits(text),
    }
}

/// The rule of `filter[name]`: a phone, or a part of "last first patronymic".
pub fn named(row: &Customer, text: &str, rule: PhoneMatch) -> bool {
    if row.full_name().contains(&text.trim().to_lowercase()) {
        return true;
    }
    let looks_like_phone = !text.chars().any(char::is_alphabetic) && !digits(text).is_empty();
    looks_like_phone && row.phones.iter().any(|phone| same_phone(phone, text, rule))
}

pub fn same_phone(stored: &str, asked: &str, rule: PhoneMatch) -> bool {
    match rule {
        PhoneMatch::Substring => digits(stored).contains(&digits(asked)),
        PhoneMatch::Exact => stored == asked.trim(),
        PhoneMatch::Normalized => canonical(stored) == canonical(asked),
    }
}

/// True when lists may show a row that was written at `stored_at`.
pub fn found_by_now(
    account: &Account,
    origin: Origin,
    stored_at: Timestamp,
    now: Timestamp,
) -> bool {
    let lag = SignedDuration::from_millis(account.switches.search_lag_ms);
    origin == Origin::Seed || lag.is_zero() || now.duration_since(stored_at) >= lag
}

/// Puts a newest-first list into the order that the switch asks for.
pub fn arrange(account: &Account, ids: &mut [u64]) {
    let shuffle = |id: &u64| {
        let mixed = (*id ^ account.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    match account.switches.listing {
        Listing::Newest => {}
        Listing::Oldest => ids.reverse(),
        Listing::Shuffled => ids.sort_by_key(shuffle),
    }
}

/// `GET /customers`.
pub fn list(account: &mut Account, call: &Call) -> Result {
    let page = call.page(&[20, 50, 100])?;
    let wanted = Wanted::read(account, call)?;
    let candidates = match wanted.candidates(account) {
        Some(ids) => account.customers.sorted(ids),
        None => account.customers.newest_first((None, None)).collect(),
    };
    let visible = |id: &u64| {
        account.customers.get(*id).is_some_and(|row| {
            !row.corporate
                && row.combined_to.is_none()
                && call.sees(&row.site)
                && found_by_now(account, row.origin, row.stored_at, call.now)
                && wanted.fits(account, row)
        })
    };
    let mut ids: Vec<u64> = candidates.into_iter().filter(visible).collect();
    arrange(account, &mut ids);
    let rows = ids[page.range(ids.len())].iter().filter_map(|id| account.customers.get(*id));
    let rows: Vec<Value> = rows.map(|row| render::customer(account, row)).collect();
    let body = json!({"success": true, "pagination": page.body(ids.len()), "customers": rows});
    Ok(Answer::json(200, &body))
}

/// `GET /customers/{id}`.
pub fn get(account: &mut Account, call: &Call) -> Result {
    let id = find(account, call)?;
    let row = account.customers.get(id).ok_or_else(Refusal::not_found)?;
    let body = json!({"success": true, "customer": render::customer(account, row)});
    Ok(Answer::json(200, &body))
}

/// The row that the path names; of a merged one the 404 that names its survivor.
pub fn find(account: &Account, call: &Call) -> Result<u64> {
    let row = if call.by_id()? {
        call.arg(0).parse().ok().and_then(|id| account.customers.get(id))
    } else {
        let site = call.lookup_site(account)?;
        account.customers.by_external(call.arg(0), &site)
    };
    let row = row.filter(|row| call.sees(&row.site) && !row.corporate);
    let row = row.ok_or_else(Refusal::not_found)?;
    match row.combined_to {
        Some(survivor) => Err(Refusal::not_found().with("combinedTo", json!({ "id": survivor }))),
        None => Ok(row.id),
    }
}
