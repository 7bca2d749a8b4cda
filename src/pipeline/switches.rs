//! Flows that a person started or stopped. Invariant: what config says holds until somebody switches a
//! flow, and then until what config says of it changes; every process follows, and none reads a file
//! for it.

use super::mend::Obstacle;
use super::{Pipeline, Setup};
use crate::store::{Error, Switch};
use crate::telemetry;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The command that switches a flow, and the call that has every process follow.
pub const SWITCH: &str = "switch";

/// Performs the command: `{ flow, running, who, why }`.
pub async fn obey(pipeline: &Pipeline, body: &Value) -> Value {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(flow), Some(running)) = (text("flow"), body.get("running").and_then(Value::as_bool))
    else {
        return json!({ "error": "the command names no flow" });
    };
    let who = text("who").unwrap_or("somebody");
    match switch(pipeline, flow, running, (who, text("why"))).await {
        Ok(held) => json!({ "switch": held }),
        Err(why) => json!({ "error": why.to_string() }),
    }
}

/// Starts or stops a flow, here at once and in the other processes as soon as they hear of it.
///
/// # Errors
/// There is no such flow, or the store's.
pub async fn switch(
    pipeline: &Pipeline,
    flow: &str,
    running: bool,
    (who, why): (&str, Option<&str>),
) -> Result<Switch, Obstacle> {
    let configured = pipeline.setup().configured.get(flow).copied();
    let Some(configured) = configured else {
        let why = format!("there is no flow {flow}, or one of its roles is not bound");
        return Err(Obstacle::Refused(why));
    };
    let at = pipeline.clock.now();
    let (flow, who, why) = (flow.to_owned(), who.to_owned(), why.map(str::to_owned));
    let switch = Switch { flow, running, configured, who, why, at };
    pipeline.store.put_switch(switch.clone(), SWITCH).await?;
    let word = if running { "started" } else { "stopped" };
    tracing::info!(flow = %switch.flow, who = %switch.who, "{word} by a person");
    follow(pipeline).await?;
    Ok(switch)
}

/// Takes the switches up as they are now.
///
/// # Errors
/// The store's; then all runs on as it did.
pub async fn follow(pipeline: &Pipeline) -> Result<(), Error> {
    let _alone = pipeline.adopting.lock().await;
    let switches = pipeline.store.switches().await?;
    let setup = pipeline.setup();
    let book = setup.book.switched(|flow| running(&setup.configured, &switches, flow));
    tell(&book);
    pipeline.current.store(Arc::new(Setup {
        book: Arc::new(book),
        connectors: Arc::clone(&setup.connectors),
        first_starts: Arc::clone(&setup.first_starts),
        configured: Arc::clone(&setup.configured),
        loaded: setup.loaded,
    }));
    pipeline.owners.bid.notify_one();
    pipeline.wake.decide.notify_one();
    pipeline.wake.route.notify_one();
    Ok(())
}

/// The switches that hold beside this configuration; those against another value end.
pub(super) async fn held(
    pipeline: &Pipeline,
    configured: &BTreeMap<String, bool>,
    loaded: jiff::Timestamp,
) -> Result<BTreeMap<String, Switch>, Error> {
    let mut switches = pipeline.store.switches().await?;
    for (flow, configured) in configured {
        if switches.get(flow).is_some_and(|held| !held.holds(*configured)) {
            pipeline.store.lapse_switch(flow, *configured, loaded).await?;
            switches.remove(flow);
            tracing::info!(flow, "what config says has changed: it holds again");
        }
    }
    Ok(switches)
}

/// Does this flow run? A switch that config has changed under does not count.
pub fn running(
    configured: &BTreeMap<String, bool>,
    switches: &BTreeMap<String, Switch>,
    flow: &str,
) -> bool {
    let configured = configured.get(flow).copied().unwrap_or_default();
    let held = switches.get(flow).filter(|held| held.holds(configured));
    held.map_or(configured, |held| held.running)
}

/// Says to `/metrics` which flows run.
pub(super) fn tell(book: &crate::rules::Book) {
    for bound in book.flows() {
        let running = f64::from(u8::from(bound.running));
        metrics::gauge!(telemetry::FLOW_RUNNING, "flow" => bound.name.clone()).set(running);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_holds_until_the_configured_value_changes() {
        let switch = |running, configured| Switch {
            flow: "a".to_owned(),
            running,
            configured,
            who: "anna".to_owned(),
            why: None,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        for (configured, held, wanted) in [
            (true, None, true),
            (false, None, false),
            (true, Some(switch(false, true)), false),
            (false, Some(switch(true, false)), true),
            // Config says something else than when it was switched.
            (false, Some(switch(false, true)), false),
            (true, Some(switch(false, false)), true),
        ] {
            let told = format!("{configured} {held:?}");
            let switches = held.into_iter().map(|held| ("a".to_owned(), held)).collect();
            let configured = BTreeMap::from([("a".to_owned(), configured)]);
            assert_eq!(running(&configured, &switches, "a"), wanted, "{told}");
        }
    }
}
