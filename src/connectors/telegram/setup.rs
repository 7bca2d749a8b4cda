//! Where Telegram sends updates to: set, removed, looked at. Invariant: the address of the door holds a
//! secret and is shown to nobody; a webhook that is not ours is named by its host alone.

use super::Telegram;
use super::client::{DELETE_WEBHOOK, GET_ME, GET_WEBHOOK, SET_WEBHOOK};
use super::config::Mode;
use super::content::text_of;
use super::poll::ALLOWED;
use crate::diagnosis::Problem;
use crate::domain::{Delay, Whose};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// What a part of a path may hold as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Updates that wait are told of from so many on.
const MANY: u64 = 100;

/// Sets the webhook, or removes it where updates are polled; repeatable.
pub async fn setup(own: &Telegram) -> Result<Vec<String>, Delay> {
    let held = text_of(webhook(own).await?.get("url"));
    if own.mode == Mode::Poll {
        if held.is_empty() {
            return Ok(vec!["no webhook is set: updates are polled".to_owned()]);
        }
        own.api.ask(DELETE_WEBHOOK, json!({})).await?;
        return Ok(vec![format!("the webhook at {} is removed: updates are polled", host(&held))]);
    }
    let Some(door) = door(own) else {
        return Err(Delay::setup(
            "Telegram must be told where the hook is: write `public`, the address that reaches it \
             from outside",
        ));
    };
    // The secret that Telegram holds cannot be seen, so it is set each time.
    let body = json!({
        "url": door,
        "secret_token": own.secret_token.expose_secret(),
        "allowed_updates": ALLOWED,
    });
    own.api.ask(SET_WEBHOOK, body).await?;
    let word = if held == door { "is still set" } else { "is set" };
    Ok(vec![format!("the webhook at {} {word}", host(&door))])
}

/// Tests the token and where updates go.
pub async fn check(own: &Telegram) -> Vec<Problem> {
    if let Err(delay) = own.api.ask(GET_ME, json!({})).await {
        let mend = match delay.whose {
            Whose::Access => {
                "copy the token anew from @BotFather: a new one makes the old one void"
            }
            Whose::Item => "ask again later; are other programs using this bot?",
            Whose::Connection | Whose::Setup => "is `url` right, and can this machine reach it?",
        };
        return vec![problem(own, &delay.why).mend(mend)];
    }
    match webhook(own).await {
        Ok(info) => judge(own, &info),
        Err(delay) => vec![problem(own, &delay.why).mend("ask again later")],
    }
}

/// Does the bot answer us, and may its updates be fetched?
pub async fn probe(own: &Telegram) -> Result<(), Delay> {
    own.api.ask(GET_ME, json!({})).await?;
    if own.mode == Mode::Webhook {
        return Ok(());
    }
    let held = text_of(webhook(own).await?.get("url"));
    if held.is_empty() {
        return Ok(());
    }
    Err(Delay::setup(format!(
        "a webhook at {} is set for this bot, so its updates cannot be fetched: run `leadlink \
         setup`, which removes it, or write mode = \"webhook\"",
        host(&held)
    )))
}

async fn webhook(own: &Telegram) -> Result<Value, Delay> {
    own.api.ask(GET_WEBHOOK, json!({})).await
}

/// What is wrong with the webhook as Telegram has it.
fn judge(own: &Telegram, info: &Value) -> Vec<Problem> {
    let held = text_of(info.get("url"));
    let mend = "run `leadlink setup`";
    match own.mode {
        Mode::Poll if held.is_empty() => return vec![],
        Mode::Poll => {
            let title = format!("a webhook at {} is set, so nothing can be polled", host(&held));
            return vec![problem(own, &title).mend(mend)];
        }
        Mode::Webhook if held.is_empty() => {
            let title = "no webhook is set, so Telegram delivers nothing";
            return vec![problem(own, title).mend(mend)];
        }
        Mode::Webhook => {}
    }
    let mut problems = Vec::new();
    if door(own).is_some_and(|door| door != held) {
        let title = format!("the webhook leads elsewhere, to {}", host(&held));
        problems.push(problem(own, &title).mend(mend));
    }
    if let Some(allowed) = info.get("allowed_updates").and_then(Value::as_array) {
        let missing: Vec<&str> =
            ALLOWED.into_iter().filter(|name| !allowed.contains(&(*name).into())).collect();
        if !missing.is_empty() {
            let title = format!("Telegram does not tell of {}", missing.join(", "));
            problems.push(problem(own, &title).mend(mend));
        }
    }
    let waiting = info.get("pending_update_count").and_then(Value::as_u64).unwrap_or_default();
    let why = text_of(info.get("last_error_message"));
    if waiting >= MANY || (waiting > 0 && !why.is_empty()) {
        let why: String = why.chars().filter(|letter| !letter.is_control()).take(200).collect();
        let said = if why.is_empty() { String::new() } else { format!("; it says: {why}") };
        let title = format!("{}: {waiting} updates wait at Telegram{said}", own.name);
        let mend = "is the daemon running, and is `public` reached from outside?";
        problems.push(Problem::warning(title).mend(mend));
    }
    problems
}

fn problem(own: &Telegram, why: &str) -> Problem {
    Problem::error(format!("{}: {why}", own.name))
}

/// The address of our door.
fn door(own: &Telegram) -> Option<String> {
    let (public, secret) = (own.public.as_ref()?, own.hook_secret.as_ref()?);
    let part = |text: &str| utf8_percent_encode(text, PART).to_string();
    Some(format!("{public}/hooks/{}/{}", part(&own.name), part(secret.expose_secret())))
}

/// Scheme and host of an address: its path may hold a secret.
fn host(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before `@` is a password.
    format!("{scheme}://{}", host.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_the_host_alone_is_shown() {
        assert_eq!(
            host("https://a:b@shop.example.com:8443/x/y?z"),
            "https://shop.example.com:8443"
        );
    }
}
