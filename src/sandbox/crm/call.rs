//! One request as a route of RetailCRM sees it: parameters, rights, time. Invariant: a route reads
//! nothing else of the request.

use crate::sandbox::answer::Refusal;
use crate::sandbox::crm::account::{Account, Object};
use crate::sandbox::params::{Given, Params};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request that was let in.
pub struct Call<'a> {
    /// The key that it came with.
    pub key: String,
    pub query: &'a Params,
    pub body: &'a Params,
    /// What stood at the `{…}` of the path.
    pub args: Vec<String>,
    /// Stores that the key sees.
    pub sites: Vec<String>,
    pub limited_key: bool,
    pub scopes: Option<Vec<String>>,
    pub now: Timestamp,
}

/// Which part of a list was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub limit: usize,
    pub page: usize,
}

impl Page {
    pub fn body(self, total: usize) -> Value {
        json!({
            "limit": self.limit, "totalCount": total, "currentPage": self.page,
            "totalPageCount": total.div_ceil(self.limit),
        })
    }

    pub fn range(self, total: usize) -> std::ops::Range<usize> {
        let start = (self.page - 1).saturating_mul(self.limit).min(total);
        start..(start + self.limit).min(total)
    }
}

impl Call<'_> {
    /// A plain parameter; old clients send those of a POST in its query.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.body.one(name).or_else(|| self.query.one(name))
    }

    pub fn arg(&self, position: usize) -> &str {
        self.args.get(position).map_or("", String::as_str)
    }

    pub fn filter(&self) -> BTreeMap<String, Given> {
        self.query.group("filter")
    }

    /// A JSON object in a form field.
    pub fn object(&self, name: &str) -> Result<Object, Refusal> {
        let text = self.one(name).ok_or_else(|| Refusal::missing(name))?;
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(object),
            // PHP writes an empty object as an empty list.
            Ok(Value::Array(list)) if list.is_empty() => Ok(Object::new()),
            _ => Err(Refusal::entity(name, "This value is not valid.")),
        }
    }

    /// A JSON list of objects in a form field.
    pub fn objects(&self, name: &str) -> Result<Vec<Object>, Refusal> {
        let text = self.one(name).ok_or_else(|| Refusal::missing(name))?;
        serde_json::from_str(text).map_err(|_| Refusal::entity(name, "This value is not valid."))
    }

    /// `limit` is one of `allowed` (20 by default), `page` is 1 at least.
    pub fn page(&self, allowed: &[usize]) -> Result<Page, Refusal> {
        let wrong = |field: &str| {
            let errors = json!({ field: "This value is not valid." });
            Refusal::new(400, "Errors in the pagination parameters").with("errors", errors)
        };
        let number = |name: &str, default: usize| match self.query.one(name) {
            None => Some(default),
            Some(text) => text.parse::<usize>().ok(),
        };
        let limit = number("limit", 20).filter(|limit| allowed.contains(limit));
        let page = number("page", 1).filter(|page| *page >= 1);
        Ok(Page {
            limit: limit.ok_or_else(|| wrong("limit"))?,
            page: page.ok_or_else(|| wrong("page"))?,
        })
    }

    /// True when the row is addressed by its internal id; the default is `externalId`.
    pub fn by_id(&self) -> Result<bool, Refusal> {
        match self.one("by") {
            None | Some("externalId") => Ok(false),
            Some("id") => Ok(true),
            Some(_) => Err(Refusal::input("by")),
        }
    }

    /// The store that the request names, if any; it must exist and be visible.
    pub fn named_site(&self, account: &Account) -> Result<Option<String>, Refusal> {
        let Some(site) = self.one("site").filter(|site| !site.is_empty()) else { return Ok(None) };
        if !account.has_store(site) {
            return Err(Refusal::input("site"));
        }
        if !self.sees(site) {
            return Err(Refusal::denied());
        }
        Ok(Some(site.to_owned()))
    }

    /// The store of a look-up by external id: named, or the only one that the key sees.
    pub fn lookup_site(&self, account: &Account) -> Result<String, Refusal> {
        match (self.named_site(account)?, self.sites.as_slice()) {
            (Some(site), _) => Ok(site),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Refusal::missing("site")),
        }
    }

    /// The store of a new row: named, else that of its body, else the account's first.
    pub fn write_site(&self, account: &Account, body: &Object) -> Result<String, Refusal> {
        if let Some(site) = self.named_site(account)? {
            return Ok(site);
        }
        if let Some(site) = body.get("site").and_then(Value::as_str) {
            if !account.has_store(site) {
                return Err(Refusal::entity("site", "This value is not valid."));
            }
            return if self.sees(site) { Ok(site.to_owned()) } else { Err(Refusal::denied()) };
        }
        if account.switches.site_required && self.sites.len() > 1 {
            return Err(Refusal::missing("site"));
        }
        let first = account.first_store();
        if self.sees(&first) {
            Ok(first)
        } else {
            self.sites.first().cloned().ok_or_else(Refusal::denied)
        }
    }

    pub fn sees(&self, site: &str) -> bool {
        self.sites.iter().any(|seen| seen == site)
    }
}
