use crate::support::{House, Plan};
use serde_json::json;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scratch() {
    let mut house = House::start(Plan { ..Plan::default() }).await;
    house
        .faults(json!([
            { "side": "retailcrm", "fault": "error_500", "next": 3, "path": "customers" },
        ]))
        .await;
    house.lead(json!({ "type": "call", "phone": "79990003001" })).await;
    house.lead(json!({ "type": "request", "phone": "79990003001" })).await;
    house.ended().await;
    for s in house.story("79990003001").await {
        eprintln!("{} registered {}", s.event.key, s.event.registered);
        for j in s.jobs {
            eprintln!(
                "  {} due {} tries {} {:?} lanes {:?}",
                j.flow, j.due, j.tries, j.state, j.lanes
            );
            for d in j.decisions {
                eprintln!(
                    "   {} {:?}",
                    d.at,
                    d.decision.reasons.iter().map(|r| r.to_string()).collect::<Vec<_>>()
                );
            }
        }
    }
    eprintln!("{}", house.log());
}
