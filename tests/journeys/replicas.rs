//! Several daemons on one PostgreSQL: what happens when one is killed, stands still, is restarted, or
//! loses the database. Invariant: the sandbox's own ledger counts, 0 lost and 0 doubled, and its
//! limiter sees the sum of all.
//!
//! Where `LEADLINK_TEST_POSTGRES` names no server these tests say so and pass. `LEADLINK_ROUNDS` (6)
//! disasters befall the three of the big test; `LEADLINK_SEED` repeats leads, faults and disasters.

mod order;
mod owners;
mod rounds;

use crate::support::Plan;
use std::time::Duration;

/// Short, so that nobody waits long for one to run out; long against the hiccups of a busy machine.
const LEASE: Duration = Duration::from_millis(3000);

fn flow_delays(delay: &str) -> Vec<(String, String)> {
    let flows = ["CALL_TO_ORDER", "REQUEST_TO_ORDER", "CHAT_TO_ORDER"];
    flows.map(|flow| (format!("LEADLINK_FLOWS__{flow}__DELAY"), delay.to_owned())).into()
}

/// A house whose jobs are due after a few seconds.
fn plan() -> Plan {
    Plan { poll_every: "20s", env: flow_delays("4s"), ..Plan::default() }
}
