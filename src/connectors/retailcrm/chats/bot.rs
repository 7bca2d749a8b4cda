//! What flows ask of a dialog and do with it, by the Bot API (5.7). Invariant: a dialog that is closed
//! stays closed, and nothing is done twice: what is so already is done.

use super::client::{Gateway, Judged};
use super::{Chats, Link, dialogs};
use crate::connectors::http::{Body, Method, Sent};
use crate::connectors::port::Preview;
use crate::connectors::retailcrm::client::Stop;
use crate::connectors::retailcrm::wire;
use crate::domain::{Delay, Effect, Outcome, plan};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};
use std::sync::Arc;

const CHATS: &str = "/api/bot/v1/chats";
const BOTS: &str = "/api/bot/v1/bots";
const USERS: &str = "/api/bot/v1/users";
const ASSIGN: &str = "/api/bot/v1/dialogs/{id}/assign";
const CLOSE: &str = "/api/bot/v1/dialogs/{id}/close";
/// What a bot that hands dialogs out says it is.
const DISTRIBUTOR: &str = "distributor";

/// A dialog as it is now.
///
/// # Errors
/// Why it cannot be told now.
pub async fn ask(chats: &Chats, id: &str, zone: &TimeZone) -> Result<Value, Stop> {
    let mut relearnt = false;
    loop {
        let link = chats.link().await.map_err(Stop::Later)?;
        match told(chats, &link, id, zone).await {
            // The token may have been turned.
            Err(delay) if !relearnt => {
                tracing::debug!(why = %delay.why, "the dialogs are asked once more");
                chats.forget(&link);
                relearnt = true;
            }
            other => return other.map_err(Stop::Later),
        }
    }
}

async fn told(chats: &Chats, link: &Link, id: &str, zone: &TimeZone) -> Result<Value, Delay> {
    let bot = chats.bot(link)?;
    let list = async |path: &'static str, name: &str, value: &str| {
        let mut request = bot.request(Method::Get, path, path.to_owned());
        request.query = vec![(name.to_owned(), value.to_owned())];
        bot.asked(request).await.done("the dialog")
    };
    let found = list(dialogs::PATH, "id", id).await?;
    let same = |row: &&Value| wire::text(row.get("id")).as_deref() == Some(id);
    let Some(dialog) = wire::listed(&found).into_iter().find(same) else { return Ok(Value::Null) };
    let number = wire::number(dialog.get("id")).unwrap_or_default();
    let mut fields = dialogs::fields(&wire::table(Some(dialog)), number);
    let chat = wire::text(dialog.get("chat_id")).unwrap_or_default();
    let found = list(CHATS, "id", &chat).await?;
    let same = |row: &&Value| wire::text(row.get("id")).as_deref() == Some(&chat);
    let chat = wire::listed(&found).into_iter().find(same).cloned().unwrap_or_default();
    let channel = wire::number(chat.get("channel").and_then(|held| held.get("id")));
    let channel = channel.and_then(|number| link.numbers.name(number));
    let bots = list(BOTS, "active", "1").await?;
    let opened = time(dialog.get("created_at"));
    // The last thing that happened: a message, else that somebody took it, else that it was opened.
    let moments = [time(chat.get("last_activity")), time(fields.get("assigned_at")), opened];
    let last = moments.into_iter().flatten().max();
    let more = json!({
        "channel": channel,
        "open": time(dialog.get("closed_at")).is_none(),
        "last_at": last.map(|at| at.to_string()),
        "month_from": opened.and_then(|at| month_from(at, zone)).map(|at| at.to_string()),
        "distributed": wire::listed(&bots).into_iter().any(distributes),
    });
    fields.extend(more.as_object().cloned().unwrap_or_default());
    Ok(fields.into())
}

/// The time from which 28 days make a calendar month after `at`, as the account's days go (RC-5): a
/// flow's delay is of one length, and months are not.
fn month_from(at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let later = at.to_zoned(zone.clone()).checked_add(1.month()).ok()?.timestamp();
    later.checked_sub(SignedDuration::from_hours(28 * 24)).ok()
}

fn distributes(bot: &Value) -> bool {
    let is = |flag: &str| bot.get(flag) == Some(&Value::Bool(true));
    let roles = bot.get("roles").map(wire::listed).unwrap_or_default();
    let off = time(bot.get("deactivated_at")).is_some();
    is("is_active") && !is("is_self") && !off && roles.iter().any(|role| *role == DISTRIBUTOR)
}

fn time(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

/// Performs `dialog.assign` and `dialog.close`.
pub async fn perform(chats: &Chats, effect: &Effect) -> Outcome {
    let Some(id) = wire::number(effect.input.get("id")) else {
        return Outcome::Refused("`id` names no dialog".into());
    };
    let mut relearnt = false;
    loop {
        let link = match chats.link().await {
            Ok(link) => link,
            Err(delay) => return Outcome::Later(delay),
        };
        match once(chats, &link, effect, id).await {
            Some(outcome) => return outcome,
            None if !relearnt => relearnt = true,
            None => {
                return Outcome::Later(Delay::item(
                    "the CRM's chats refuse the module's token of the Bot API: run `leadlink setup`",
                ));
            }
        }
        chats.forget(&link);
    }
}

/// `None`: the gateway does not know us.
async fn once(chats: &Chats, link: &Arc<Link>, effect: &Effect, id: i64) -> Option<Outcome> {
    let bot = match chats.bot(link) {
        Ok(bot) => bot,
        Err(delay) => return Some(Outcome::Later(delay)),
    };
    let judged = if effect.operation == "dialog.close" {
        let path = CLOSE.replace("{id}", &id.to_string());
        bot.asked(bot.request(Method::Delete, CLOSE, path)).await
    } else {
        let user = match user(bot, &managers(effect), id).await? {
            Ok(user) => user,
            Err(outcome) => return Some(outcome),
        };
        let path = ASSIGN.replace("{id}", &id.to_string());
        let request = bot.request(Method::Patch, ASSIGN, path);
        bot.asked(crate::connectors::http::Request {
            body: Body::Json(json!({ "user_id": user })),
            ..request
        })
        .await
    };
    let done = || Outcome::Done(json!({ "id": id.to_string() }));
    Some(match judged {
        Judged::Success(_) => done(),
        Judged::Stranger(_) => return None,
        Judged::Later { delay, may_have: Sent::No } => Outcome::Later(delay),
        Judged::Later { delay, may_have: Sent::Maybe } => Outcome::Unknown(delay),
        Judged::Refused(_, said) => {
            let words = said.to_lowercase();
            let closed = words.contains("closed") || words.contains("not active");
            let so_already = match effect.operation.as_str() {
                "dialog.close" => closed,
                _ => words.contains("already"),
            };
            if so_already { done() } else { Outcome::Refused(said) }
        }
    })
}

fn managers(effect: &Effect) -> Vec<String> {
    let held = effect.input.get("managers").map(wire::listed).unwrap_or_default();
    held.into_iter().filter_map(|one| wire::text(Some(one))).collect()
}

/// Dialogs go round among the managers: which one is told by the dialog's number, so that a repeat
/// chooses the same.
fn whose(managers: &[String], dialog: i64) -> Option<&String> {
    let count = i64::try_from(managers.len()).ok().filter(|count| *count > 0)?;
    managers.get(usize::try_from(dialog.rem_euclid(count)).ok()?)
}

/// The gateway's number of the CRM's user; `None`: the gateway does not know us.
async fn user(bot: &Gateway, managers: &[String], dialog: i64) -> Option<Result<i64, Outcome>> {
    let Some(wanted) = whose(managers, dialog) else {
        return Some(Err(Outcome::Refused("`managers` names nobody".into())));
    };
    let mut request = bot.request(Method::Get, USERS, USERS.to_owned());
    request.query = vec![("external_id".into(), wanted.clone())];
    Some(match bot.asked(request).await {
        Judged::Success(rows) => {
            let rows = wire::listed(&rows);
            let mut meant = rows
                .into_iter()
                .filter(|row| wire::text(row.get("external_id")).as_ref() == Some(wanted));
            let found = meant.find_map(|row| wire::number(row.get("id")));
            found.ok_or_else(|| {
                Outcome::Refused(format!("the CRM's chats know no manager {wanted}"))
            })
        }
        Judged::Stranger(_) => return None,
        Judged::Later { delay, .. } => Err(Outcome::Later(delay)),
        Judged::Refused(_, said) => Err(Outcome::Refused(said)),
    })
}

/// The request that [`perform`] would send.
pub fn preview(effect: &Effect) -> Preview {
    let id = effect.input.get("id").map(plan::shown);
    let id = id.as_ref().map(wire::stringified).unwrap_or_default();
    if effect.operation == "dialog.close" {
        return Preview { method: "DELETE", path: CLOSE.replace("{id}", &id), fields: Vec::new() };
    }
    let among = managers(effect);
    let whom = id.parse().ok().and_then(|id| whose(&among, id)).cloned().unwrap_or_default();
    let fields = vec![("user_id".to_owned(), format!("‹manager {whom}›"))];
    Preview { method: "PATCH", path: ASSIGN.replace("{id}", &id), fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogs_go_round_and_a_month_is_one_of_the_calendar() {
        let managers = ["5".to_owned(), "7".to_owned()];
        let of = |dialog| whose(&managers, dialog).map(String::as_str);
        assert_eq!([of(1), of(2), of(3)], [Some("7"), Some("5"), Some("7")]);
        assert_eq!(whose(&[], 1), None);
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let from = |at: &str| month_from(at.parse().unwrap(), &zone).unwrap().to_string();
        // The 28th of February, less 28 days.
        assert_eq!(from("2026-01-31T10:00:00Z"), "2026-01-31T10:00:00Z");
        // In Moscow it is the first of March already, a month of 31 days.
        assert_eq!(from("2026-02-28T22:00:00Z"), "2026-03-03T22:00:00Z");
    }

    #[test]
    fn a_distributing_bot_is_another_that_is_on_and_hands_dialogs_out() {
        let bots: Value = serde_json::from_str(
            r#"[{"is_active": true, "is_self": true, "roles": ["distributor"]},
                {"is_active": false, "roles": ["distributor"]},
                {"is_active": true, "roles": ["distributor"], "deactivated_at": "2019-09-12T06:15:32Z"},
                {"is_active": true, "roles": ["responsible"]}, {"is_active": true, "roles": null},
                {"is_active": true, "is_self": false, "roles": ["responsible", "distributor"]}]"#,
        )
        .unwrap();
        let found: Vec<bool> = wire::listed(&bots).into_iter().map(distributes).collect();
        assert_eq!(found, [false, false, false, false, false, true]);
    }
}
