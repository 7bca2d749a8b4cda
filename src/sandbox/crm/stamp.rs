//! By whom, when and for which store something is written. Invariant: whoever writes is named in
//! the history, unless a seed asks for silence.

use crate::sandbox::answer::Refusal;
use crate::sandbox::crm::account::{Account, Object, Origin, text_of, whole_second};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::history::{Actor, Subject};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Where and when a row is written, and by whom.
pub struct Stamp {
    pub site: String,
    pub origin: Origin,
    pub actor: Actor,
    pub now: Timestamp,
    /// False: the history and the triggers keep silent.
    pub noted: bool,
}

impl Stamp {
    /// A request with an API key.
    pub fn of_call(site: String, call: &Call) -> Self {
        let actor = Actor::Key(call.key.clone());
        Self { site, origin: Origin::Api, actor, now: call.now, noted: true }
    }

    /// A control route: who it stands for is its `by`, a person by default; `"history": false` keeps
    /// it out of the history.
    pub fn of_seed(account: &Account, body: &Object, now: Timestamp) -> Result<Self, Refusal> {
        let site = match text_of(body, "site") {
            "" => account.first_store(),
            site if account.has_store(site) => site.to_owned(),
            _ => return Err(Refusal::entity("site", "This value is not valid.")),
        };
        let wrong =
            || Refusal::entity("by", "user, user:2, rule, code, combine, split, api, api:KEY");
        let actor = Actor::parse(text_of(body, "by")).ok_or_else(wrong)?;
        let noted = body.get("history") != Some(&json!(false));
        Ok(Self { site, origin: Origin::Seed, actor, now, noted })
    }

    /// The CRM itself, because of this write.
    pub fn by_code(&self) -> Self {
        let (origin, actor) = (Origin::Code, Actor::Code);
        Self { site: self.site.clone(), origin, actor, now: self.now, noted: self.noted }
    }

    /// A row as entries of the history name it.
    pub fn subject(&self, row: u64, site: &str, actor: Actor) -> Subject {
        let at = whole_second(self.now);
        Subject { row, site: site.to_owned(), actor, at, stored_at: self.now }
    }

    /// `createdAt` of the body, else now; to the second.
    pub fn created_at(&self, account: &Account, body: &Object) -> Result<Timestamp, Refusal> {
        let at = moment(account, body, "createdAt")?;
        Ok(at.unwrap_or_else(|| whole_second(self.now)))
    }

    /// Only a seed chooses when the status changed.
    pub fn status_at(
        &self,
        account: &Account,
        body: &Object,
    ) -> Result<Option<Timestamp>, Refusal> {
        let seeded = self.origin == Origin::Seed;
        if seeded { moment(account, body, "statusUpdatedAt") } else { Ok(None) }
    }

    /// Only a seed chooses its id.
    pub fn id(&self, body: &Object) -> Option<u64> {
        let seeded = self.origin == Origin::Seed;
        if seeded { body.get("id").and_then(Value::as_u64) } else { None }
    }
}

fn moment(account: &Account, body: &Object, key: &str) -> Result<Option<Timestamp>, Refusal> {
    let text = text_of(body, key);
    if text.is_empty() {
        return Ok(None);
    }
    let at = account.parse_stamp(text);
    at.map(Some).ok_or_else(|| Refusal::entity(key, "This value is not valid."))
}
