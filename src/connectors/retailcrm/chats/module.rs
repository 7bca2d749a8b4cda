//! The integration module by which the CRM lets us into its chats (2.8). Invariant: what is switched
//! off over there stays off until a person runs the set-up; the token is in no text.

use super::Chats;
use super::config::FAMILY;
use crate::connectors::retailcrm::client::{Judged, Stop, told};
use crate::connectors::retailcrm::wire;
use crate::domain::Delay;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

const EDIT: &str = "/api/v5/integration-modules/{code}/edit";
const READ: &str = "/api/v5/integration-modules/{code}";
/// Where chats are switched on (RC-1).
pub const WHERE: &str = "switch on chats in the CRM: Administration, Integration, retailCRM Chat";

/// What opens one of the gateway's APIs.
pub struct Door {
    pub endpoint: String,
    pub token: SecretString,
}

/// What opens the gateway.
pub struct Access {
    pub transport: Door,
    /// None: dialogs are not wanted, or the CRM does not let us at them.
    pub bot: Option<Door>,
}

/// What the CRM says of the module.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    Missing,
    /// A person, or the CRM itself, switched it off.
    Off,
    On,
}

/// The module as we want it.
pub fn body(chats: &Chats) -> Value {
    let hook = chats.hook();
    let public = &chats.config.public;
    let mut integrations = json!({ "mgTransport": { "webhookUrl": format!("{public}{hook}") } });
    if chats.config.dialogs {
        integrations["mgBot"] = json!({});
    }
    json!({
        "code": chats.config.module,
        "integrationCode": FAMILY,
        "active": true,
        "name": "leadlink",
        "clientId": chats.client_id(),
        "baseUrl": public,
        "actions": { "activity": hook },
        "accountUrl": public,
        "integrations": integrations,
    })
}

/// Makes the module, or brings it up to date.
///
/// # Errors
/// Why the CRM does not, with the mend.
pub async fn activate(chats: &Chats) -> Result<Access, Delay> {
    let path = EDIT.replace("{code}", &chats.config.module);
    let fields = vec![("integrationModule".to_owned(), body(chats).to_string())];
    match chats.crm.post(EDIT, path, fields).await {
        Judged::Success(answer) => access(&answer, "info")
            .ok_or_else(|| Delay::item(format!("the CRM opens no chats to the module: {WHERE}"))),
        Judged::Refused(refusal) | Judged::NotFound(refusal) => {
            let said = chats.crm.clean(&told(&refusal));
            Err(Delay::item(format!("the CRM does not activate the module: {said}; {WHERE}")))
        }
        Judged::Later { delay, .. } => Err(of_an_item(delay)),
    }
}

/// Reads the module; `None` as access: the CRM does not repeat it here.
///
/// # Errors
/// Why it cannot be read now.
pub async fn state(chats: &Chats) -> Result<(State, Option<Access>), Delay> {
    let path = READ.replace("{code}", &chats.config.module);
    let answer = match chats.crm.get(READ, path, Vec::new()).await {
        Ok(answer) => answer,
        Err(Stop::NotFound(_)) => return Ok((State::Missing, None)),
        Err(stop) => return Err(of_an_item(stop.delay("the module of chats"))),
    };
    let module = wire::table(answer.get("integrationModule"));
    let is = |flag: &str| module.get(flag) == Some(&Value::Bool(true));
    let transport = module.get("integrations").and_then(|held| held.get("mgTransport"));
    let off = transport.and_then(|held| held.get("isActive")) == Some(&Value::Bool(false));
    if !is("active") || is("freeze") || off {
        return Ok((State::Off, None));
    }
    let access = access(&answer, "info").or_else(|| access(&module, "integrations"));
    Ok((State::On, access))
}

/// Address and token of the gateway, for a process that does not know them yet.
///
/// # Errors
/// Why there are none, with the mend.
pub async fn learn(chats: &Chats) -> Result<Access, Delay> {
    let module = &chats.config.module;
    match state(chats).await? {
        (State::Missing, _) => {
            Err(Delay::item(format!("the CRM has no module {module}: run `leadlink setup`")))
        }
        (State::Off, _) => Err(Delay::item(format!(
            "the module {module} is switched off in the CRM: switch it on there, or run `leadlink setup`"
        ))),
        (State::On, Some(access)) if access.bot.is_some() || !chats.config.dialogs => Ok(access),
        // The same values once more change nothing, and the answer tells.
        (State::On, _) => activate(chats).await,
    }
}

fn access(answer: &Map<String, Value>, part: &str) -> Option<Access> {
    let info = answer.get(part)?;
    let text = |api: &str, name: &str| {
        wire::text(info.get(api)?.get(name)).filter(|text| !text.is_empty())
    };
    // Two of the vendor's clients spell it differently.
    let endpoint = |api: &str| text(api, "endpointUrl").or_else(|| text(api, "endpoint"));
    let transport =
        Door { endpoint: endpoint("mgTransport")?, token: text("mgTransport", "token")?.into() };
    let bot = text("mgBot", "token").map(|token| Door {
        endpoint: endpoint("mgBot").unwrap_or_else(|| transport.endpoint.clone()),
        token: token.into(),
    });
    Some(Access { transport, bot })
}

/// Trouble with the chats stops no orders.
pub fn of_an_item(delay: Delay) -> Delay {
    Delay { whose: crate::domain::Whose::Item, ..delay }
}
