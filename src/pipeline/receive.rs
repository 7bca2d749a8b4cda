//! A door's delivery becomes a row of the inbox. Invariant: the caller answers 2xx only after
//! `accept` has returned, and by then the row is durable; a repeat changes nothing.

use super::Pipeline;
use crate::domain::Raw;
use crate::store;
use crate::telemetry;
use serde_json::Value;
use std::sync::atomic::Ordering;

/// The channel of what came in at a door.
pub const HOOK: &str = "hook";

/// What stands at the door.
#[derive(Debug)]
pub struct Delivery {
    pub content_type: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub enum Receipt {
    /// Kept; what the sender wants to read of that.
    Accepted(Option<Value>),
    /// The same delivery was here before.
    Duplicate(Option<Value>),
    /// No such connection, or not its secret: the two are not told apart.
    NotFound,
    /// The store cannot keep it now; the sender shall try again.
    NotKept(store::Error),
}

/// Keeps a delivery at the door of `connection`.
pub async fn accept(
    pipeline: &Pipeline,
    connection: &str,
    secret: &str,
    delivery: Delivery,
) -> Receipt {
    let setup = pipeline.setup();
    let Some(connector) = setup.connectors.get(connection) else { return Receipt::NotFound };
    // A block is asked at a door of its own, and keeps nothing.
    let is_kept = connector.block().is_none();
    if !is_kept
        || !connector.admits(secret)
        || !connector.vouched(&delivery.headers, &delivery.body)
    {
        return Receipt::NotFound;
    }
    let reply = connector.reply(&delivery.content_type, &delivery.body);
    let received = pipeline.clock.now();
    let raw = Raw {
        id: 0,
        connection: connection.to_owned(),
        channel: HOOK.to_owned(),
        dedupe_key: connector.dedupe_key(&delivery.content_type, &delivery.body, received),
        content_type: delivery.content_type,
        body: delivery.body,
        received,
    };
    match pipeline.store.accept(vec![raw], None).await {
        Ok(accepted) if accepted.new > 0 => {
            metrics::counter!(telemetry::ACCEPTED, "connection" => connection.to_owned())
                .increment(1);
            pipeline.wake.arrivals.fetch_add(1, Ordering::Relaxed);
            pipeline.wake.route.notify_one();
            Receipt::Accepted(reply)
        }
        Ok(_) => {
            metrics::counter!(telemetry::DUPLICATES, "connection" => connection.to_owned())
                .increment(1);
            Receipt::Duplicate(reply)
        }
        Err(error) => Receipt::NotKept(error),
    }
}
