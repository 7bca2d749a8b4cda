//! Orders of the past become deals while persons make orders and change them, under faults; whoever
//! works on it is killed: a daemon, or the command where no daemon runs. Invariant: in the end every
//! order has one deal, made once, linked once and as the rules say, with the order's last status.

use super::dice::Dice;
use super::leads::make_fields;
use crate::support::{House, Plan};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use leadlink::sandbox::ledger::{CustomerEntry, Ledger, OrderEntry};
use leadlink::sandbox::{Crowd, Faults, Kind, LeadSpec, Side};
use leadlink::store::{Backfill, BackfillState};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Orders of the past for each kill.
const ORDERS: u64 = 25;
const DAYS: i64 = 6;
const LONGEST: u64 = 1500;
const PATIENCE: Duration = Duration::from_secs(240);
const STATUSES: [&str; 3] = ["new", "complete", "no-call"];

/// Creation after 10 s, updates after 30 s: short enough for lives that run fast.
const FLOWS: &str = r#"
[flows.order-to-deal]
running = true
delay = "10s"
[flows.deal-update]
running = true
delay = "30s"
"#;

struct Past {
    house: House,
    dice: Dice,
    days: (String, String),
    /// Orders that persons made meanwhile.
    live: Vec<u64>,
    first: u64,
    last: u64,
    commands: u64,
}

/// Lives, each ended by a kill.
pub async fn run(kills: u64, dice: Dice) {
    let began = Instant::now();
    let mut past = Past::new(kills, dice).await;
    for life in 0..kills {
        past.live(life).await;
    }
    let rows = past.rows().await;
    past.drain().await;
    let ledger = past.house.sandbox.ledger();
    println!(
        "{kills} kills, {} of them of commands; {} orders, {} deals, {} backfills at the last kill in \
         {:?}; faults {:?}",
        past.commands,
        ledger.orders.len(),
        ledger.deals.len(),
        rows.len(),
        began.elapsed(),
        ledger.faults
    );
    past.judge(&ledger).await;
}

#[expect(clippy::disallowed_methods, reason = "before the clock is moved it is the real one")]
fn ago(days: i64) -> Date {
    let today = Timestamp::now().to_zoned(zone()).date();
    today.checked_sub(days.days()).expect("a day")
}

fn zone() -> TimeZone {
    TimeZone::get("Europe/Moscow").expect("a zone")
}

fn begin(day: Date) -> Timestamp {
    day.to_zoned(zone()).expect("a day").timestamp()
}

impl Past {
    async fn new(kills: u64, dice: Dice) -> Self {
        let plan = Plan {
            shop: "poll_every = \"5s\"".to_owned(),
            more: FLOWS.to_owned(),
            poll_every: "20s",
            ..Plan::default()
        };
        let mut house = House::build(plan).await;
        make_fields(&house).await;
        let (first, last) = (ago(DAYS + 1), ago(2));
        let apart = SignedDuration::from_mins(11);
        let (from, to) = (begin(first) + apart, begin(ago(1)));
        let people = (kills * ORDERS).max(100);
        let crowd = Crowd { people, orders: true, leads: true, from, to, each: 1, ahead_s: 600 };
        let made = house.sandbox.seed_crowd(&crowd).expect("a crowd").orders.expect("orders");
        let days = (first.to_string(), last.to_string());
        let read = house.command(&["backfill", "leads", "--from", &days.0, "--yes"]);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        house.run().await;
        house.polled().await;
        house.kill();
        // The clock may run some seconds while a reading is under way, and what the CRM's answer says of
        // its time is then off by as much: nothing shall seem older than the first start.
        house.advance(SignedDuration::from_secs(60)).await;
        let live = Vec::new();
        Self { house, dice, days, live, first: made.0, last: made.1, commands: 0 }
    }

    async fn live(&mut self, life: u64) {
        self.house.sandbox.set_faults(self.dice.faults(Side::Calltouch));
        let stopped = self.house.dir.path().join(format!("stopped-{life}"));
        let at_commit = self.dice.percent(40);
        let mut env = Vec::new();
        if at_commit {
            let place = *self.dice.pick(&["before", "after"]);
            let stop = format!("{place}:{}", self.dice.between(1, 120));
            env.push(("LEADLINK_STOP_AT".to_owned(), stop));
            env.push(("LEADLINK_STOP_FILE".to_owned(), stopped.display().to_string()));
        }
        let length = Duration::from_millis(self.dice.below(LONGEST));
        if life == 0 || self.dice.percent(50) {
            self.commands += 1;
            let mut child = self.command(&env);
            self.pass(length, at_commit.then_some(&*stopped), false).await;
            // It may have ended by itself: all was done, or nobody answered.
            let _gone = child.kill();
            child.wait().expect("gone");
            self.house.leases_run_out();
        } else {
            self.house.set_env(env);
            self.house.spawn();
            self.house.healthy().await;
            self.pass(length, at_commit.then_some(&*stopped), true).await;
            self.house.kill();
        }
    }

    /// The command, with nobody beside it.
    fn command(&self, env: &[(String, String)]) -> Child {
        let log = self.house.dir.path().join("commands.log");
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log");
        Command::new(env!("CARGO_BIN_EXE_leadlink"))
            .args(["backfill", "deals", "--from", &self.days.0, "--to", &self.days.1, "--yes"])
            .arg("--config")
            .arg(self.house.config())
            .env("LEADLINK_CONTROL_SHIFT", self.house.shifted().to_string())
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .spawn()
            .expect("the command starts")
    }

    /// The time of a life; the clock of a command stands still but for the real time.
    async fn pass(&mut self, length: Duration, stopped: Option<&Path>, runs: bool) {
        let began = Instant::now();
        // A command has to start first.
        let length = if runs { length } else { length + Duration::from_millis(400) };
        let stands = || stopped.is_some_and(Path::exists);
        while !stands()
            && (began.elapsed() < length
                || (stopped.is_some() && began.elapsed().as_millis() < 2500))
        {
            let tick = self.dice.between(200, 1500);
            if runs {
                self.house.advance(SignedDuration::from_millis(tick as i64)).await;
            }
            match self.dice.below(12) {
                0 => self.order().await,
                1 | 2 => self.change().await,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(tick / 50)).await;
        }
    }

    /// A person orders, most of them after a call that our journal does not know yet.
    async fn order(&mut self) {
        let phone = format!("7955{:07}", self.live.len());
        if self.dice.percent(70) {
            let at = self.house.now() - SignedDuration::from_secs(90);
            let kind = *self.dice.pick(&[Kind::Call, Kind::Request]);
            let lead = LeadSpec {
                kind,
                phone: phone.clone(),
                at: Some(at),
                drop: true,
                ..LeadSpec::default()
            };
            self.house.sandbox.send_lead(lead).await;
        }
        let person = self.house.customer(json!({ "phones": [{ "number": phone }] })).await;
        let body = json!({ "customer": { "id": person }, "status": "new" });
        self.live.push(self.house.order(body).await);
    }

    /// A person changes an order, of today or of the past.
    async fn change(&mut self) {
        let order = match self.live.as_slice() {
            [_, ..] if self.dice.percent(50) => *self.dice.pick(&self.live),
            _ => self.dice.between(self.first, self.last),
        };
        let body = if self.dice.percent(70) {
            json!({ "status": self.dice.pick(&STATUSES) })
        } else {
            json!({ "managerComment": format!("{}", self.dice.below(1000)) })
        };
        self.house.control(&format!("orders/{order}"), body).await;
    }

    async fn rows(&self) -> Vec<Backfill> {
        let rows = self.house.store().await.backfills(false).await.expect("the store answers");
        rows.into_iter().filter(|row| row.what == "deals").collect()
    }

    /// The faults are gone; a daemon ends it all.
    async fn drain(&mut self) {
        self.house.sandbox.set_faults(Faults::default());
        self.house.set_env(Vec::new());
        self.house.run().await;
        let mut child = self.command(&[]);
        let mut mark = self.house.now() + SignedDuration::from_secs(35);
        let mut acted = None;
        let store = self.house.store().await;
        let began = Instant::now();
        loop {
            self.house.advance(SignedDuration::from_secs(1)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let counts = store.counts(self.house.now()).await.expect("the store answers");
            let polled = counts.cursors.iter().all(|(_, _, moved)| *moved > mark);
            let rows = self.rows().await;
            let over = rows.iter().any(|row| row.state == BackfillState::Done)
                && rows.iter().all(|row| row.state != BackfillState::Running);
            let left = counts.unrouted + counts.waiting + counts.deciding;
            if polled && over && left == 0 && child.try_wait().expect("a child").is_some() {
                // What was done last is followed by a reading that leads to nothing.
                if acted == Some(counts.acted) {
                    return;
                }
                acted = Some(counts.acted);
                mark = self.house.now() + SignedDuration::from_secs(5);
            }
            assert!(
                began.elapsed() < PATIENCE,
                "seed {}: it does not end: {counts:?} {rows:?}\n{}",
                self.dice.seed,
                self.house.log()
            );
        }
    }

    async fn judge(&self, ledger: &Ledger) {
        let people: BTreeMap<u64, &CustomerEntry> =
            ledger.customers.iter().map(|person| (person.id, person)).collect();
        let mut complaints = Vec::new();
        for order in &ledger.orders {
            let said = deal_is_right(ledger, &people, order);
            complaints.extend(said.err().map(|what| format!("order {}: {what}", order.id)));
        }
        if ledger.deals.len() != ledger.orders.len() {
            complaints.push(format!("{} deals", ledger.deals.len()));
        }
        let counts = self.house.counts().await;
        if counts.stuck + counts.unknown_steps + counts.unreadable > 0 {
            complaints.push(format!("left over: {counts:?}"));
        }
        self.house.assert_replays_the_same();
        let log = std::fs::read_to_string(self.house.dir.path().join("commands.log"));
        assert!(
            complaints.is_empty(),
            "seed {}: {complaints:#?}\n{}\n{}",
            self.dice.seed,
            log.unwrap_or_default(),
            self.house.log()
        );
    }
}

fn deal_is_right(
    ledger: &Ledger,
    people: &BTreeMap<u64, &CustomerEntry>,
    order: &OrderEntry,
) -> Result<(), String> {
    let number = order.id.to_string();
    let mut deals = ledger.deals.iter().filter(|deal| deal.number == number);
    let (Some(deal), None) = (deals.next(), deals.next()) else {
        return Err("none, or several deals".to_owned());
    };
    if deal.creations != 1 || deal.rematchings != 0 {
        return Err(format!("{} creations, {} links", deal.creations, deal.rematchings));
    }
    let status = (deal.fields.status.as_str(), deal.fields.status_date.map(Timestamp::as_second));
    if status != (order.status.as_str(), Some(order.status_at.as_second())) {
        return Err(format!("{status:?} instead of {:?} {}", order.status, order.status_at));
    }
    let phones = order.customer.and_then(|id| people.get(&id)).map(|person| &person.phones);
    let lead = ledger.leads.iter().find(|lead| {
        let own = phones.is_some_and(|phones| phones.contains(&lead.phone));
        own && lead.at <= order.created_at + SignedDuration::from_hours(1)
    });
    let matched = deal.matched.as_ref().ok_or("not matched at all")?;
    match (lead, matched.lead.zip(matched.id)) {
        (Some(lead), linked) if linked == Some((lead.kind.name(), lead.id)) => Ok(()),
        (None, None) if matched.source == "Лид не найден" => Ok(()),
        (lead, linked) => {
            let lead = lead.map(|lead| (lead.kind, lead.id, lead.at));
            Err(format!("linked to {linked:?} {}, and there is {lead:?}", matched.source))
        }
    }
}
