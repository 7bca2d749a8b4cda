//! Delivers the updates of bots to their webhooks. Invariant: any 2xx is delivered, and what its body
//! asks for is done; all else is tried again by Telegram's schedule.

use super::form::Fields;
use super::updates::Delivery;
use crate::sandbox::Hub;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";
/// Methods that a webhook may not ask for in its answer.
const NEVER: [&str; 5] = ["get", "setwebhook", "deletewebhook", "close", "logout"];

/// Delivers until the sandbox stops.
pub(in crate::sandbox) async fn forever(hub: Arc<Hub>, stop: CancellationToken) {
    let mut news = hub.telegram_news.subscribe();
    loop {
        let now = hub.clock.now();
        let mut next: Option<Timestamp> = None;
        let mut all = Vec::new();
        for bot in &mut hub.world().bots {
            let (due, later) = bot.updates.due(now);
            all.extend(due.into_iter().map(|delivery| (bot.token.clone(), delivery)));
            next = [next, later].into_iter().flatten().min();
        }
        for (token, delivery) in all {
            tokio::spawn(deliver(Arc::clone(&hub), token, delivery));
        }
        let rest = async {
            match next {
                Some(next) => hub.clock.sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = news.changed() => if changed.is_err() { return },
            () = rest => {}
        }
    }
}

async fn deliver(hub: Arc<Hub>, token: String, delivery: Delivery) {
    let mut request = hub.client.post(&delivery.webhook.url).json(&delivery.body);
    if !delivery.webhook.secret.is_empty() {
        request = request.header(HEADER, &delivery.webhook.secret);
    }
    let answer = request.timeout(Duration::from_secs(30)).send().await;
    let (mut status, mut asked, mut reply) = (0, None, None);
    if let Ok(answer) = answer {
        status = answer.status().as_u16();
        let after = answer.headers().get("retry-after").and_then(|text| text.to_str().ok());
        asked = after.and_then(|text| text.parse().ok());
        reply = answer.json::<Value>().await.ok();
    }
    let now = hub.clock.now();
    {
        let mut world = hub.world();
        let Some(bot) = world.bots.iter_mut().find(|bot| bot.token == token) else { return };
        bot.updates.delivered(delivery.number, status, asked, now);
        if let Some(Value::Object(mut call)) = reply.filter(|_| (200..300).contains(&status))
            && let Some(Value::String(method)) = call.remove("method")
            && !NEVER.iter().any(|never| method.to_ascii_lowercase().starts_with(never))
        {
            bot.call(&method, &Fields::of(call), now);
        }
    }
    hub.tell_telegram();
}
