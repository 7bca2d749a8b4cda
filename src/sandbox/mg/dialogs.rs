//! Dialogs of the CRM's chats and the Bot API that shows and moves them (5.7, RC-4 … RC-8).
//! Invariant: a conversation has one open dialog at most; what a person writes after it was closed
//! opens another.

use super::{Done, Incoming, Mg, Refused, refused, text_at};
use crate::sandbox::answer::Answer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where the Bot API begins.
pub const BOT: &str = "/api/bot/v1";
/// What the gateway adds to the CRM's ids of users.
const USERS: u64 = 300;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Responsible {
    /// `user` or `bot`
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub id: u64,
    /// The CRM's id of a user.
    pub external_id: String,
    pub assigned_at: Timestamp,
}

#[derive(Debug, Clone, Serialize)]
pub struct Dialog {
    pub id: u64,
    pub channel: u64,
    pub chat: String,
    /// The gateway's number of the conversation.
    pub chat_id: u64,
    pub first: u64,
    pub last: u64,
    pub opened: Timestamp,
    pub changed: Timestamp,
    pub closed: Option<Timestamp>,
    pub responsible: Option<Responsible>,
    /// How often it was closed and assigned through the Bot API.
    pub closes: u32,
    pub assigns: u32,
}

/// What somebody in the CRM does with the open dialog of a conversation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Act {
    pub channel: String,
    pub chat: String,
    /// `assign`, `unassign`, `close`
    pub act: String,
    /// The CRM's id of the user.
    pub user: u64,
    /// A bot that hands dialogs out works, or no more.
    pub distributor: Option<bool>,
}

impl Mg {
    /// A message was written: into the open dialog of its conversation, else into a new one.
    pub fn joins(&mut self, message: u64, channel: u64, chat: &str, at: Timestamp) {
        let key = (channel, chat.to_owned());
        let last = self.last_dialog.get(&key).copied();
        if let Some(held) = last.and_then(|at| self.dialogs.get_mut(at))
            && held.closed.is_none()
        {
            (held.last, held.changed) = (message, at);
            return;
        }
        let id = u64::try_from(self.dialogs.len()).unwrap_or_default() + 1;
        let known = last.and_then(|at| self.dialogs.get(at)).map(|held| held.chat_id);
        self.last_dialog.insert(key, self.dialogs.len());
        self.dialogs.push(Dialog {
            id,
            channel,
            chat: chat.to_owned(),
            chat_id: known.unwrap_or(id + 1000),
            first: message,
            last: message,
            opened: at,
            changed: at,
            closed: None,
            responsible: None,
            closes: 0,
            assigns: 0,
        });
    }

    /// Somebody in the CRM does something; what is wrong otherwise.
    pub fn act_on_dialog(&mut self, act: &Act, now: Timestamp) -> Result<u64, String> {
        if let Some(distributor) = act.distributor {
            self.distributor = distributor;
            return Ok(0);
        }
        let channel = self.named(&act.channel).ok_or("there is no such channel")?.id;
        let last = self.last_dialog.get(&(channel, act.chat.clone())).copied();
        let dialog = last.and_then(|at| self.dialogs.get_mut(at));
        let dialog =
            dialog.filter(|held| held.closed.is_none()).ok_or("there is no open dialog")?;
        dialog.changed = now;
        match act.act.as_str() {
            "assign" => dialog.responsible = Some(user(act.user, now)),
            "unassign" => dialog.responsible = None,
            "close" => dialog.closed = Some(now),
            _ => return Err("assign, unassign or close".to_owned()),
        }
        Ok(dialog.id)
    }

    /// `GET /dialogs`, newest first.
    fn list_dialogs(&self, incoming: &Incoming) -> Answer {
        let text = |name: &str| incoming.query.one(name);
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let time = |name: &str| text(name).and_then(|text| text.parse::<Timestamp>().ok());
        let limit = number("limit").and_then(|most| usize::try_from(most).ok()).unwrap_or(100);
        let flag = |name: &str| text(name).map(|text| matches!(text, "1" | "true"));
        let (since, until) = (time("since"), time("until"));
        let fits = |held: &&Dialog| {
            number("id").is_none_or(|id| held.id == id)
                && number("chat_id").is_none_or(|id| held.chat_id == id)
                && number("since_id").is_none_or(|id| held.id > id)
                && number("until_id").is_none_or(|id| held.id < id)
                && since.is_none_or(|since| held.changed >= since)
                && until.is_none_or(|until| held.changed <= until)
                && flag("active").is_none_or(|active| active == held.closed.is_none())
                && flag("assign").is_none_or(|assigned| assigned == held.responsible.is_some())
        };
        let rows = self.dialogs.iter().rev().filter(fits).take(limit.min(1000));
        let rows: Vec<Value> = rows.map(shown).collect();
        Answer::json(200, &rows.into())
    }

    /// `GET /chats?id=…`.
    fn list_chats(&self, incoming: &Incoming) -> Answer {
        let wanted = incoming.query.one("id").and_then(|id| id.parse::<u64>().ok());
        let firsts = self.dialogs.iter().filter(|held| {
            held.chat_id == held.id + 1000 && wanted.is_none_or(|id| id == held.chat_id)
        });
        let row = |first: &Dialog| {
            let channel = self.channels.iter().find(|channel| channel.id == first.channel);
            let mut messages = self.messages.iter().rev();
            let last =
                messages.find(|held| held.channel == first.channel && held.chat == first.chat);
            json!({
                "id": first.chat_id, "name": "",
                "channel": { "id": first.channel, "name": channel.map(|held| held.name.as_str()) },
                "last_activity": last.map(|message| message.at.to_string()),
                "created_at": first.opened.to_string(),
            })
        };
        let rows: Vec<Value> = firsts.map(row).collect();
        Answer::json(200, &rows.into())
    }

    fn list_bots(&self) -> Answer {
        let bot = |id: u64, name: &str, own: bool, roles: Value, active: bool| {
            json!({
                "id": id, "name": name, "roles": roles, "is_active": active, "is_self": own,
                "is_system": false, "deactivated_at": null,
            })
        };
        let other = bot(8, "Distributor", false, json!(["distributor"]), self.distributor);
        Answer::json(200, &json!([bot(9, "leadlink", true, Value::Null, true), other]))
    }

    fn open(&mut self, id: &str) -> Result<&mut Dialog, Refused> {
        let held = self.dialogs.iter_mut().find(|held| held.id.to_string() == id);
        let held = held.ok_or((404, "Dialog not found".to_owned()))?;
        if held.closed.is_some() {
            return Err(refused("Dialog is closed"));
        }
        Ok(held)
    }
}

fn shown(dialog: &Dialog) -> Value {
    json!({
        "id": dialog.id, "chat_id": dialog.chat_id, "begin_message_id": dialog.first,
        "ending_message_id": dialog.last, "created_at": dialog.opened.to_string(),
        "updated_at": dialog.changed.to_string(),
        "closed_at": dialog.closed.map(|at| at.to_string()),
        "is_assigned": dialog.responsible.is_some(), "responsible": dialog.responsible,
        // As recorded: it says nothing of whether the dialog is closed.
        "is_active": true,
    })
}

fn user(id: u64, at: Timestamp) -> Responsible {
    Responsible { kind: "user", id: USERS + id, external_id: id.to_string(), assigned_at: at }
}

/// Answers one request to the Bot API.
pub fn answer(mg: &mut Mg, incoming: &Incoming) -> Done {
    mg.bot_of(incoming.token).ok_or((401, "Unauthorized".to_owned()))?;
    let path = incoming.path.strip_prefix(BOT).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (incoming.method, parts.as_slice()) {
        ("GET", ["dialogs"]) => Ok(mg.list_dialogs(incoming)),
        ("GET", ["chats"]) => Ok(mg.list_chats(incoming)),
        ("GET", ["bots"]) => Ok(mg.list_bots()),
        ("GET", ["users"]) => Ok(users(incoming)),
        ("PATCH", ["dialogs", id, "assign"]) => assign(mg, id, incoming),
        ("PATCH", ["dialogs", id, "unassign"]) => {
            let dialog = mg.open(id)?;
            let before = dialog.responsible.take();
            dialog.changed = incoming.now;
            Ok(Answer::json(200, &json!({ "previous_responsible": before })))
        }
        ("DELETE", ["dialogs", id, "close"]) => {
            let dialog = mg.open(id)?;
            (dialog.closed, dialog.changed) = (Some(incoming.now), incoming.now);
            dialog.closes += 1;
            Ok(Answer::json(200, &json!({})))
        }
        _ => Err((404, "Not found".to_owned())),
    }
}

fn assign(mg: &mut Mg, id: &str, incoming: &Incoming) -> Done {
    let wanted = incoming.json.and_then(|body| body.get("user_id")).and_then(Value::as_u64);
    let known = incoming.users.iter().filter_map(|user| user["id"].as_u64());
    let meant = wanted.and_then(|wanted| known.into_iter().find(|id| USERS + id == wanted));
    let meant = meant.ok_or_else(|| refused("User not found"))?;
    let dialog = mg.open(id)?;
    let before = dialog.responsible.replace(user(meant, incoming.now));
    dialog.changed = incoming.now;
    dialog.assigns += 1;
    let body = json!({
        "responsible": dialog.responsible, "is_reassign": before.is_some(),
        "previous_responsible": before, "left_user_id": before.as_ref().map(|held| held.id),
    });
    Ok(Answer::json(200, &body))
}

/// The CRM's users under the gateway's ids.
fn users(incoming: &Incoming) -> Answer {
    let wanted = incoming.query.one("external_id");
    let row = |user: &Value| {
        let id = user["id"].as_u64()?;
        (wanted.is_none_or(|wanted| wanted == id.to_string())).then(|| {
            json!({
                "id": USERS + id, "external_id": id.to_string(), "is_active": user["active"],
                "first_name": text_at(user, "firstName"), "username": text_at(user, "firstName"),
            })
        })
    };
    let rows: Vec<Value> = incoming.users.iter().filter_map(row).collect();
    Answer::json(200, &rows.into())
}
