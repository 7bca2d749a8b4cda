//! Three daemons while leads arrive at all of them, the far sides fail, and one disaster follows the
//! other. Invariant: at the end the disasters are over and everything that began has ended.

use super::{LEASE, order, plan};
use crate::crash::dice::Dice;
use crate::crash::judge::{Run, Told, judge};
use crate::crash::leads::{Person, STANDINGS, Sender, form, make_fields};
use crate::crash::{dice, number};
use crate::support::Plan;
use crate::support::fleet::{Fleet, possible};
use crate::support::server::{Manner, Server};
use jiff::SignedDuration;
use leadlink::sandbox::{Faults, Kind, Side};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What the daemons are configured for, in sum.
const PACE: u32 = 20;
/// What both far sides allow in a second. One more: on a machine that is busy otherwise a request
/// stands still for tens of milliseconds between its turn and its arrival (seen with one sender), more
/// than the limiter keeps back of a second. Two who send at once would be many more.
const LIMIT: u32 = PACE + 1;
const COUNT: usize = 3;
/// The clock runs so many times as fast as it should. Not faster: what a settled search may rely on
/// (30 s) must stay longer than what a process that stands still may be late by (a lease).
const SPEED: u64 = 4;
const TICK: u64 = 50;
/// The daemons have so long to end all jobs once the disasters are over.
const PATIENCE: Duration = Duration::from_secs(150);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disaster {
    /// SIGKILL, and later it is started anew.
    Kill,
    /// SIGSTOP beyond its lease, and SIGCONT.
    LongPause,
    /// SIGSTOP for less than a lease.
    ShortPause,
    /// SIGTERM, and started anew at once.
    Restart,
    Database(Manner),
}

const DISASTERS: [Disaster; 6] = [
    Disaster::Kill,
    Disaster::LongPause,
    Disaster::Database(Manner::Immediate),
    Disaster::Restart,
    Disaster::ShortPause,
    Disaster::Database(Manner::Fast),
];

struct Rounds {
    fleet: Fleet,
    server: Arc<Server>,
    people: Vec<Person>,
    told: Vec<Told>,
    dice: Dice,
    sending: JoinSet<()>,
    disasters: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_under_faults_lose_and_double_nothing() {
    if !possible("three replicas") {
        return;
    }
    let began = Instant::now();
    let count = number("LEADLINK_ROUNDS").unwrap_or(6);
    let mut rounds = Rounds::new(count, dice("three replicas")).await;
    let first = rounds.dice.below(DISASTERS.len() as u64) as usize;
    for round in 0..count as usize {
        rounds.round(DISASTERS[(first + round) % DISASTERS.len()]).await;
    }
    rounds.drain().await;
    rounds.verdict(began).await;
}

impl Rounds {
    async fn new(count: u64, mut dice: Dice) -> Self {
        let server = Arc::new(Server::start());
        let plan = Plan { pace: PACE, limit: Some(LIMIT), ..plan() };
        let mut fleet = Fleet::build(plan, COUNT, LEASE, Some(&server)).await;
        make_fields(&fleet.house).await;
        fleet.house.sandbox.set_switches(|switches| switches.search_lag_ms = 3000);
        let people = (0..(count * 8).max(16))
            .map(|number| {
                let standing = STANDINGS[number as usize % STANDINGS.len()];
                Person::seed(&fleet.house, number, standing, &mut dice)
            })
            .collect();
        for number in 0..COUNT {
            fleet.run(number).await;
        }
        fleet.owned("calltouch-main").await;
        // The first start tells new leads from old ones: leads begin after it, and Calltouch's times
        // are whole seconds.
        fleet.advance(SignedDuration::from_secs(2)).await;
        let (told, disasters) = (Vec::new(), Vec::new());
        Self { fleet, server, people, told, dice, sending: JoinSet::new(), disasters }
    }

    /// Faults, a disaster, and some time after it.
    async fn round(&mut self, disaster: Disaster) {
        let faults = self.dice.faults(Side::Retailcrm);
        self.fleet.house.sandbox.set_faults(faults);
        let quiet = self.dice.between(300, 2000);
        self.pass(Duration::from_millis(quiet)).await;
        let number = self.victim().await;
        self.disasters.push(format!("{disaster:?} of {number}"));
        match disaster {
            Disaster::Kill => {
                self.fleet.kill(number);
                let dead = self.dice.between(0, 5000);
                self.pass(Duration::from_millis(dead)).await;
                self.fleet.spawn(number);
            }
            Disaster::LongPause | Disaster::ShortPause => {
                let lease = LEASE.as_millis() as u64;
                let span = match disaster {
                    Disaster::LongPause => self.dice.between(lease + 500, lease * 2),
                    _ => self.dice.between(100, lease - 200),
                };
                self.fleet.pause(number);
                self.pass(Duration::from_millis(span)).await;
                self.fleet.resume(number);
            }
            Disaster::Restart => {
                self.fleet.terminate(number);
                let began = Instant::now();
                while self.fleet.lives(number) {
                    assert!(began.elapsed() < PATIENCE, "no end:\n{}", self.fleet.log(number));
                    self.pass(Duration::from_millis(TICK)).await;
                }
                self.fleet.spawn(number);
            }
            Disaster::Database(manner) => {
                let away = Duration::from_millis(self.dice.between(0, 2500));
                let server = Arc::clone(&self.server);
                let restart = tokio::spawn(async move { server.restart(manner, away).await });
                while !restart.is_finished() {
                    self.pass(Duration::from_millis(TICK)).await;
                }
                restart.await.expect("the database is there again");
            }
        }
        let after = self.dice.between(500, 3000);
        self.pass(Duration::from_millis(after)).await;
        // One that was started while the database was away has ended.
        for number in 0..COUNT {
            if !self.fleet.lives(number) {
                self.fleet.spawn(number);
            }
        }
    }

    /// The owner of the CRM, or any other.
    async fn victim(&mut self) -> usize {
        let any = self.dice.below(COUNT as u64) as usize;
        if self.dice.percent(40) {
            return any;
        }
        let owner = self.fleet.owner("shop").await;
        owner.and_then(|(owner, _)| self.fleet.number_of(&owner)).unwrap_or(any)
    }

    /// Leads arrive and the clock runs.
    async fn pass(&mut self, span: Duration) {
        let began = Instant::now();
        loop {
            let tick = Instant::now();
            let ms = i64::try_from(TICK * (SPEED - 1)).expect("small");
            self.fleet.advance(SignedDuration::from_millis(ms)).await;
            if self.dice.percent(20) {
                self.lead().await;
            }
            tokio::time::sleep(Duration::from_millis(TICK).saturating_sub(tick.elapsed())).await;
            if began.elapsed() >= span {
                return;
            }
        }
    }

    /// A lead comes into being; its hook is sent to one replica or two, or lost.
    async fn lead(&mut self) {
        let person = self.dice.below(self.people.len() as u64) as usize;
        let spec = self.people[person].lead(&mut self.dice);
        let journal = spec.journal == Some(true);
        let lead = self.fleet.house.sandbox.send_lead(spec).await.lead.expect("a lead");
        let lost = journal && self.dice.percent(30);
        let omit_id = journal && lead.kind == Kind::Call && self.dice.percent(10);
        let copies = if lost { 0 } else { *self.dice.pick(&[1, 1, 2, 2]) };
        let first = self.dice.below(COUNT as u64) as usize;
        for copy in 0..copies as usize {
            let senders: Vec<Sender> = (0..COUNT)
                .map(|next| Sender::to(self.fleet.hook_url((first + copy + next) % COUNT)))
                .collect();
            let form = form(&lead, self.fleet.house.sandbox.site_id(), omit_id);
            self.sending.spawn(async move {
                // As a balancer does it: who does not answer is passed over.
                for sender in senders.iter().cycle() {
                    if sender.send(&form).await {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
        self.told.push(Told { lead, person, journal, copies });
    }

    /// No faults any more; the clock runs until every job has ended and the journals were read.
    async fn drain(&mut self) {
        self.fleet.house.sandbox.set_faults(Faults::default());
        for number in 0..COUNT {
            self.fleet.healthy(number).await;
        }
        while let Some(sent) = self.sending.join_next().await {
            sent.expect("a sender ends");
        }
        // The journal shows the last lead at most 30 s late.
        let mark = self.fleet.house.now() + SignedDuration::from_secs(35);
        let store = self.fleet.house.store().await;
        let began = Instant::now();
        loop {
            self.fleet.advance(SignedDuration::from_millis(400)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let counts = store.counts(self.fleet.house.now()).await.expect("the store answers");
            let polled = counts.cursors.iter().all(|(_, _, moved)| *moved > mark);
            if polled && counts.unrouted + counts.waiting + counts.deciding == 0 {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "seed {}: jobs do not end: {counts:?}\n{}",
                self.dice.seed,
                self.fleet.logs()
            );
        }
    }

    async fn verdict(&self, began: Instant) {
        let Self { fleet, people, told, dice, .. } = self;
        let ledger = fleet.house.sandbox.ledger();
        let pairs = order::is_kept(&fleet.house, told).await;
        println!(
            "{:?}: {} leads of {} people in {:?}; order of {pairs} pairs; faults {:?}; requests {} and {}, \
             in a second at most {} and {}",
            self.disasters,
            told.len(),
            people.len(),
            began.elapsed(),
            ledger.faults,
            ledger.retailcrm.total,
            ledger.calltouch.total,
            ledger.retailcrm.most_in_a_second,
            ledger.calltouch.most_in_a_second,
        );
        judge(&Run { house: &fleet.house, people, told, seed: dice.seed }).await;
        for side in [&ledger.retailcrm, &ledger.calltouch] {
            assert_eq!(side.refused, 0, "seed {}: {side:?}", dice.seed);
            assert!(side.most_in_a_second <= LIMIT as usize, "seed {}: {side:?}", dice.seed);
        }
        assert!(ledger.retailcrm.total > 100 && !told.is_empty(), "nothing happened");
    }
}
