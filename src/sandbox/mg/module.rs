//! Integration modules: how a messenger is let in (2.8). Invariant: a code begins with that of its
//! family; a token lives as long as its module is on.

use super::Mg;
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Object, text_of};
use crate::sandbox::crm::call::Call;
use serde_json::{Value, json};

/// What makes a module's token that of the Bot API.
const BOT_TOKEN: &str = "-bot";

#[derive(Debug, Clone)]
pub struct Module {
    pub body: Object,
    pub token: String,
    pub active: bool,
    pub freeze: bool,
}

impl Module {
    /// Where the gateway posts to.
    pub fn webhook(&self) -> Option<&str> {
        self.body.get("integrations")?.get("mgTransport")?.get("webhookUrl")?.as_str()
    }

    /// Where the CRM tells that the module was switched.
    pub fn activity(&self) -> Option<String> {
        let path = self.body.get("actions")?.get("activity")?.as_str()?;
        Some(format!("{}{path}", text_of(&self.body, "baseUrl")))
    }

    pub fn client_id(&self) -> &str {
        text_of(&self.body, "clientId")
    }
}

impl Mg {
    /// The code of the module with this token of the Bot API.
    pub fn bot_of(&self, token: Option<&str>) -> Option<String> {
        let code = self.module_of(token?.strip_suffix(BOT_TOKEN))?;
        let body = &self.modules.get(&code)?.body;
        body.get("integrations")?.get("mgBot")?.as_object()?;
        Some(code)
    }

    /// The code of the module with this token.
    pub fn module_of(&self, token: Option<&str>) -> Option<String> {
        let held = self.modules.iter();
        let on = held.filter(|(_, module)| module.active && !module.freeze);
        on.filter(|(_, module)| Some(module.token.as_str()) == token)
            .map(|(code, _)| code.clone())
            .next()
    }
}

/// `POST /integration-modules/{code}/edit`.
pub fn edit(account: &mut Account, call: &Call) -> Result<Answer, Refusal> {
    let code = call.arg(0).to_owned();
    let mut body = call.object("integrationModule")?;
    let known = account.mg.modules.get(&code);
    if let Some(known) = known {
        let mut merged = known.body.clone();
        merged.extend(body);
        body = merged;
    }
    let family = text_of(&body, "integrationCode").to_owned();
    if family.is_empty() {
        return Err(Refusal::entity("integrationCode", "This value should not be blank."));
    }
    if !code.starts_with(&family) {
        return Err(Refusal::entity("code", "Code prefix must match integrationCode"));
    }
    let transport = body.get("integrations").and_then(|held| held.get("mgTransport"));
    let wants = transport.is_some_and(Value::is_object);
    let active = body.get("active").and_then(Value::as_bool).unwrap_or(true);
    if wants && active && !account.switches.chats {
        let errors = json!(["Chats are not activated in the account"]);
        return Err(Refusal::new(400, "Failed to activate module").with("errors", errors));
    }
    let turn = transport.and_then(|held| held.get("refreshToken")) == Some(&Value::Bool(true));
    let held = account.mg.modules.get(&code).map(|module| module.token.clone());
    let number = account.mg.modules.len() + 1;
    let token = match held {
        Some(token) if !turn => token,
        Some(token) => format!("{token}-turned"),
        None => format!("sandbox-mg-token-{number:04}"),
    };
    body.insert("code".to_owned(), code.clone().into());
    let mut info = json!({ "mgTransport": { "endpointUrl": account.url, "token": token } });
    if body.get("integrations").is_some_and(|held| held["mgBot"].is_object()) {
        let token = format!("{token}{BOT_TOKEN}");
        info["mgBot"] = json!({ "endpointUrl": account.url, "token": token });
    }
    account.mg.modules.insert(code, Module { body, token, active, freeze: false });
    let info = if wants && active { info } else { json!([]) };
    Ok(Answer::json(200, &json!({ "success": true, "info": info })))
}

/// `GET /integration-modules/{code}`.
pub fn get(account: &mut Account, call: &Call) -> Result<Answer, Refusal> {
    let module = account.mg.modules.get(call.arg(0)).ok_or_else(Refusal::not_found)?;
    let mut body = json!(module.body);
    body["active"] = module.active.into();
    body["freeze"] = module.freeze.into();
    body["native"] = false.into();
    let mut transport = json!({
        "token": module.token, "isActive": module.active, "webhookUrl": module.webhook(),
    });
    if account.switches.module_tells_address {
        transport["endpointUrl"] = account.url.clone().into();
    }
    if body["integrations"]["mgBot"].is_object() {
        let token = format!("{}{BOT_TOKEN}", module.token);
        body["integrations"]["mgBot"] = json!({ "token": token, "isActive": module.active });
    }
    body["integrations"]["mgTransport"] = transport;
    Ok(Answer::json(200, &json!({ "success": true, "integrationModule": body })))
}
