//! The control routes of Calltouch's stand-in. Invariant: a webhook is sent after its lead is
//! written down, and never under the lock.

use super::{Shared, done, one_or_many, wrong};
use crate::sandbox::calltouch::hook::{self, Delivery};
use crate::sandbox::calltouch::lead::LeadSpec;
use crate::sandbox::{Hub, Sent};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSite {
    site_id: u64,
    token: Option<String>,
}

pub async fn sites(State(hub): Shared, Json(new): Json<NewSite>) -> Response {
    let token = new.token.as_deref().unwrap_or(&hub.options.token);
    if hub.world().add_site(new.site_id, token) {
        return done();
    }
    wrong(format!("{}: there is such a site", new.site_id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookUrl {
    url: Option<String>,
}

pub async fn set_hook(State(hub): Shared, Json(hook): Json<HookUrl>) -> Response {
    hub.world().hook_url = hook.url;
    done()
}

/// One lead with its webhooks; a list is written down alone and no webhook is sent.
pub async fn leads(State(hub): Shared, Json(body): Json<Value>) -> Response {
    let single = body.is_object();
    let mut specs = match one_or_many::<LeadSpec>(body) {
        Ok(specs) => specs,
        Err(refusal) => return wrong(refusal),
    };
    if let Some(spec) = specs.pop_if(|_| single) {
        return Json(json!(send(&hub, spec).await)).into_response();
    }
    match hub.world().seed_leads(&specs, hub.clock.now()) {
        Some(ids) => Json(json!({ "ids": ids })).into_response(),
        None => wrong("a lead names a site that is not there".to_owned()),
    }
}

/// Makes the lead, then sends its webhooks.
pub async fn send(hub: &Arc<Hub>, spec: LeadSpec) -> Sent {
    let now = hub.clock.now();
    let (lead, hooks, url) = {
        let mut world = hub.world();
        let url = spec.hook_url.clone().or_else(|| world.hook_url.clone());
        let none = Sent { lead: None, deliveries: Vec::new() };
        let Some(site) = world.site(spec.site) else { return none };
        let known = spec.id.and_then(|id| site.lead(spec.kind, id).cloned());
        if spec.id.is_some() && known.is_none() {
            return none;
        }
        let is_new = known.is_none();
        let mut lead = known.unwrap_or_else(|| site.register(&spec, now));
        if spec.test && is_new {
            lead.id = 0;
        }
        let hooks = hook::hooks(site, &lead, &spec, now);
        (lead, hooks, url)
    };
    let mut deliveries: Vec<Delivery> = Vec::new();
    if let Some(url) = url.filter(|_| !spec.drop) {
        let times = spec.deliveries.unwrap_or(1);
        let all = hooks.iter().flat_map(|hook| (0..times).map(move |_| hook.clone()));
        let send = |hook| hook::deliver(&hub.client, &url, spec.format, hook);
        if spec.parallel {
            deliveries = futures_util::future::join_all(all.map(send)).await;
        } else {
            for hook in all {
                deliveries.push(send(hook).await);
            }
        }
    }
    let mut world = hub.world();
    if let Some(site) = world.site(spec.site) {
        for delivery in &deliveries {
            site.delivered(lead.kind, lead.id, delivery.status);
        }
    }
    Sent { lead: (!spec.test).then_some(lead), deliveries }
}
