//! A call to a new customer, a request to one with an open order, a chat: run again and again, each
//! time killed at another commit, until a run ends without coming to it. Invariant: every run ends
//! with the same ledger.

use super::leads::{Sender, form, key, make_fields};
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use leadlink::sandbox::calltouch::lead::Lead;
use leadlink::sandbox::ledger::{Ledger, OrderEntry};
use leadlink::sandbox::{Kind, LeadSpec};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CALLER: &str = "79990000001";
const KNOWN: &str = "79990000002";
const CHATTER: &str = "79990000003";
/// Far more commits than such a run makes: the daemon would be writing for ever.
const MOST: u64 = 300;

/// Kills at commit `first`, `first + step`, … of the process, `place` being `before` or `after`.
pub async fn every(place: &str, first: u64, step: u64) {
    let began = Instant::now();
    let mut at = first;
    let mut kills = 0;
    while Run::new(place, at).await.play().await {
        at += step;
        kills += 1;
        assert!(at < MOST, "more than {MOST} commits");
    }
    let reached = at.saturating_sub(step);
    println!("killed {place} {kills} commits until number {reached} in {:?}", began.elapsed());
    assert!(reached > 15, "only {reached} commits: the hook of the writer does not work");
}

struct Run {
    house: House,
    sender: Sender,
    /// Each with whether it was acknowledged.
    leads: Vec<(Lead, bool)>,
    known: u64,
    open: u64,
    stopped: PathBuf,
    name: String,
}

impl Run {
    async fn new(place: &str, at: u64) -> Self {
        let mut house = House::build(Plan { poll_every: "30s", ..Plan::default() }).await;
        make_fields(&house).await;
        let customer =
            json!({"firstName": "Известный", "phones": [{"number": "8 (999) 000-00-02"}]});
        let known = house.control("customers", customer).await["ids"][0].as_u64().expect("an id");
        let order = json!({"customer": {"id": known}, "status": "new"});
        let open = house.control("orders", order).await["ids"][0].as_u64().expect("an id");
        let stopped = house.dir.path().join("stopped");
        let name = format!("{place}:{at}");
        house.set_env(vec![
            ("LEADLINK_STOP_AT".to_owned(), name.clone()),
            ("LEADLINK_STOP_FILE".to_owned(), stopped.display().to_string()),
        ]);
        house.run().await;
        let mut leads = Vec::new();
        for (kind, phone) in [(Kind::Call, CALLER), (Kind::Request, KNOWN), (Kind::Chat, CHATTER)] {
            let spec = LeadSpec {
                kind,
                phone: phone.to_owned(),
                name: "Иван".to_owned(),
                duration: 20,
                drop: true,
                ..LeadSpec::default()
            };
            leads.push((house.sandbox.send_lead(spec).await.lead.expect("a lead"), false));
        }
        let sender = Sender::new(&house);
        Self { house, sender, leads, known, open, stopped, name }
    }

    /// Runs, is killed, runs on. False: it ended before it came to its commit.
    async fn play(mut self) -> bool {
        let killed = self.play_to_the_stop().await;
        if killed {
            self.house.kill();
            self.house.set_env(Vec::new());
            self.house.run().await;
            for (lead, acknowledged) in &mut self.leads {
                if !*acknowledged {
                    self.sender.insist(&form(lead, self.house.sandbox.site_id(), false)).await;
                }
            }
            self.ended(None).await;
        }
        self.judge().await;
        killed
    }

    /// Delivers, and waits until all is done or the daemon stands at its commit (true).
    async fn play_to_the_stop(&mut self) -> bool {
        let stopped = self.stopped.clone();
        for (lead, acknowledged) in &mut self.leads {
            let form = form(lead, self.house.sandbox.site_id(), false);
            for _ in 0..2 {
                tokio::select! {
                    acked = self.sender.send(&form) => *acknowledged |= acked,
                    () = seen(&stopped) => return true,
                }
            }
        }
        self.ended(Some(&stopped)).await
    }

    /// Moves the clock until every job has ended and the journals were read once more (false), or
    /// the daemon stands at its commit (true).
    async fn ended(&mut self, stopped: Option<&Path>) -> bool {
        let store = self.house.store().await;
        let began = Instant::now();
        let mut all_ended: Option<Timestamp> = None;
        loop {
            if stopped.is_some_and(Path::exists) {
                return true;
            }
            let counts = store.counts(self.house.now()).await.expect("the store answers");
            let busy = counts.unrouted + counts.deciding > 0 || counts.oldest_due.is_some();
            if !busy && counts.waiting == 0 {
                let mark = *all_ended.get_or_insert(self.house.now());
                let polled = |feed: &(String, String, Timestamp)| feed.2 > mark;
                if counts.cursors.len() > 1 && counts.cursors.iter().all(polled) {
                    return false;
                }
            }
            if !busy {
                self.house.advance(SignedDuration::from_secs(11)).await;
            }
            let patience = began.elapsed() < Duration::from_secs(60);
            assert!(patience, "{}: {counts:?}\n{}", self.name, self.house.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn judge(&self) {
        let ledger = self.house.sandbox.ledger();
        let counts = self.house.counts().await;
        let mut wrong = self.wrong(&ledger);
        if (counts.acted, counts.stuck, counts.unknown_steps) != (3, 0, 0) {
            wrong.push(format!("{counts:?}"));
        }
        if wrong.is_empty() {
            return;
        }
        let mut stories = String::new();
        for (lead, _) in &self.leads {
            let why = self.house.command(&["why", &key(lead)]);
            stories.push_str(&String::from_utf8_lossy(&why.stdout));
        }
        panic!(
            "killed {}: {wrong:#?}\n{}\n{stories}\n{}",
            self.name,
            json!(ledger),
            self.house.log()
        );
    }

    fn wrong(&self, ledger: &Ledger) -> Vec<String> {
        let [(call, _), (request, _), (chat, _)] = self.leads.as_slice() else {
            return vec!["three leads".to_owned()];
        };
        let mut wrong: Vec<String> =
            ledger.duplicates().iter().map(|twice| format!("{twice:?}")).collect();
        for (lead, field, name) in [
            (call, "calltouch_call_id", format!("Звонок от {CALLER}")),
            (chat, "calltouch_chat_id", format!("Чат от Иван {CHATTER}")),
        ] {
            let mine = |row: &&leadlink::sandbox::ledger::CustomerEntry| {
                row.phones == [lead.phone.as_str()] && row.first_name == name
            };
            let made: Vec<u64> =
                ledger.api_customers().filter(mine).map(|customer| customer.id).collect();
            let orders = ledger.orders_of(field, &lead.id.to_string());
            let right = |order: &&OrderEntry| {
                order.api_writes() == 1
                    && order.customer == made.first().copied()
                    && order.external_id
                        == Some(format!("leadlink-{}-{}", lead.kind.name(), lead.id))
            };
            if made.len() != 1 || orders.len() != 1 || !orders.iter().all(right) {
                wrong.push(format!("{}: customers {made:?}, orders {orders:?}", key(lead)));
            }
        }
        let marked = ledger.orders_of("calltouch_request_id", &request.id.to_string());
        let right = |order: &&OrderEntry| {
            order.id == self.open && order.edits() == 1 && order.customer == Some(self.known)
        };
        if marked.len() != 1 || !marked.iter().all(right) {
            wrong.push(format!("{}: marked {marked:?}", key(request)));
        }
        if (ledger.customers.len(), ledger.orders.len()) != (3, 3) {
            wrong.push(format!(
                "{} customers, {} orders",
                ledger.customers.len(),
                ledger.orders.len()
            ));
        }
        wrong
    }
}

/// Returns when the daemon stands at its commit.
async fn seen(stopped: &Path) {
    while !stopped.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
