//! A person in the CRM takes entries of its lists away, switches them off, and puts them back.
//! Invariant: what is taken away is kept, so that it comes back as it was.

use crate::sandbox::crm::account::{Account, Field};
use crate::sandbox::crm::factory::Status;
use serde::Deserialize;
use serde_json::{Value, json};

/// `{"list": "statuses", "code": "new", "state": "gone"}`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub list: List,
    pub code: String,
    #[serde(default)]
    pub state: State,
    /// Of a custom field: its type from now on.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    Statuses,
    Groups,
    Methods,
    Types,
    Users,
    /// Custom fields of orders.
    Fields,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Active,
    Inactive,
    Gone,
}

/// An entry that was taken away.
#[derive(Debug, Clone)]
pub enum Away {
    Status(Status),
    Group((&'static str, &'static str, i64, bool)),
    Row(List, Value),
    Field(Field),
}

impl Away {
    fn is(&self, change: &Change) -> bool {
        let code = &change.code;
        match self {
            Self::Status(status) => change.list == List::Statuses && status.code == *code,
            Self::Group(group) => change.list == List::Groups && group.0 == code,
            Self::Row(list, row) => *list == change.list && of_row(*list, row) == *code,
            Self::Field(field) => change.list == List::Fields && field.code == *code,
        }
    }
}

fn of_row(list: List, row: &Value) -> String {
    let key = if list == List::Users { "id" } else { "code" };
    row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned)
}

/// Does what the change says; `Err`: there is no such entry.
pub fn change(account: &mut Account, change: &Change) -> Result<(), String> {
    if let Some(at) = account.away.iter().position(|away| away.is(change)) {
        let away = account.away.remove(at);
        put_back(account, away);
    }
    let away = take(account, change).ok_or_else(|| format!("there is no {}", change.code))?;
    if change.state == State::Gone {
        account.away.push(away);
    } else {
        put_back(account, altered(away, change));
    }
    Ok(())
}

fn altered(mut away: Away, change: &Change) -> Away {
    let active = change.state != State::Inactive;
    match &mut away {
        Away::Status(status) => status.active = active,
        Away::Row(_, row) => row["active"] = json!(active),
        Away::Field(field) => {
            if let Some(kind) = &change.kind {
                field.body.insert("type".to_owned(), json!(kind));
            }
        }
        Away::Group(_) => {}
    }
    away
}

fn take(account: &mut Account, change: &Change) -> Option<Away> {
    let code = &change.code;
    let references = &mut account.references;
    Some(match change.list {
        List::Statuses => {
            let at = references.statuses.iter().position(|status| status.code == *code)?;
            Away::Status(references.statuses.remove(at))
        }
        List::Groups => {
            let at = references.groups.iter().position(|group| group.0 == code)?;
            Away::Group(references.groups.remove(at))
        }
        List::Methods => Away::Row(change.list, references.order_methods.shift_remove(code)?),
        List::Types => Away::Row(change.list, references.order_types.shift_remove(code)?),
        List::Users => {
            let is = |user: &Value| of_row(List::Users, user) == *code;
            let at = references.users.iter().position(is)?;
            Away::Row(change.list, references.users.remove(at))
        }
        List::Fields => {
            let is = |field: &Field| field.entity == "order" && field.code == *code;
            let at = account.fields.iter().position(is)?;
            Away::Field(account.fields.remove(at))
        }
    })
}

fn put_back(account: &mut Account, away: Away) {
    let references = &mut account.references;
    match away {
        Away::Status(status) => references.statuses.push(status),
        Away::Group(group) => references.groups.push(group),
        Away::Row(List::Methods, row) => {
            references.order_methods.insert(of_row(List::Methods, &row), row);
        }
        Away::Row(List::Types, row) => {
            references.order_types.insert(of_row(List::Types, &row), row);
        }
        Away::Row(_, row) => references.users.push(row),
        Away::Field(field) => account.fields.push(field),
    }
}
