//! Is the connection usable, and the hook at the gateway ours? Invariant: checks read only; the set-up
//! may be repeated, and shows no secret.

use super::config::Profile;
use super::wire::text;
use super::{ChatApi, standing};
use crate::diagnosis::Problem;
use crate::domain::{Delay, Whose};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// What the hook's address is called in texts.
const HOOK: &str = "/hooks/…";

/// Status (token, address, login) and the hook that is entered there.
pub async fn check(own: &ChatApi) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = &own.connection;
    if let Err(delay) = standing::ask(&own.api, true).await {
        let mend = match delay.whose {
            Whose::Access => "compare `token`, and look at the instance in the gateway's account",
            Whose::Item => "ask again later; are other programs using the same token?",
            Whose::Connection | Whose::Setup => {
                "are `url` and `instance` right, and can this machine reach the gateway?"
            }
        };
        problems.push(Problem::error(format!("{name}: {}", delay.why)).mend(mend));
        return problems;
    }
    if own.hook_secret.is_none() {
        let title = format!(
            "{name}: no `hook_secret`, so no door: messages come by polling alone, and nobody learns \
             whether ours were delivered"
        );
        problems.push(Problem::note(title).mend("write hook_secret = \"env:NAME\""));
        return problems;
    }
    let entered = own.api.get("/webhook", &[]).await;
    let entered = entered.ok().and_then(|body| text(&body, "webhookUrl"));
    let ours = match (&entered, address(own)) {
        (Some(entered), Some(ours)) => *entered == ours,
        (Some(entered), None) => entered.contains(&format!("/hooks/{name}/")),
        (None, _) => false,
    };
    if !ours {
        let title = match entered {
            Some(_) => format!("{name}: another hook is entered at the gateway"),
            None => format!("{name}: no hook is entered at the gateway"),
        };
        let mend = format!("run `leadlink setup {name}`");
        problems.push(Problem::warning(title).mend(mend));
    }
    problems
}

/// Enters our hook at the gateway, with the notices that we read.
///
/// # Errors
/// Why it could not be done.
pub async fn set_up(own: &ChatApi) -> Result<Vec<String>, Delay> {
    let Some(url) = address(own) else {
        return Err(Delay::setup(
            "the hook's address is not known: write `public` (the address at which our doors are \
             reached) and `hook_secret`",
        ));
    };
    let shown = format!("{}{HOOK}", own.public.as_deref().unwrap_or_default());
    let mut done = Vec::new();
    own.api.set("/webhook", json!({ "webhookUrl": url })).await?;
    done.push(format!("hook: {shown}"));
    if own.profile == Profile::ChatApi {
        let settings = settings(&url);
        own.api.set("/settings", settings.clone()).await?;
        let names: Vec<&str> = settings
            .as_object()
            .into_iter()
            .flat_map(|held| held.keys())
            .map(String::as_str)
            .collect();
        done.push(format!("settings: {}", names.join(", ")));
    }
    Ok(done)
}

/// Acks; hooks that are repeated until we have them; videos too; nothing of the time before the
/// login; no changes of chats, which nobody reads.
fn settings(url: &str) -> Value {
    json!({
        "webhookUrl": url,
        "ackNotificationsOn": true,
        "guaranteedHooks": true,
        "videoUploadOn": true,
        "ignoreOldMessages": true,
        "chatUpdateOn": false,
    })
}

/// The address of our door, with its secret.
fn address(own: &ChatApi) -> Option<String> {
    let (public, secret) = (own.public.as_ref()?, own.hook_secret.as_ref()?);
    Some(format!("{public}/hooks/{}/{}", own.connection, secret.expose_secret()))
}
