//! Short lives: while leads arrive under faults the daemon is started and killed, and the clock runs
//! fast. Invariant: at the end the faults are gone and everything that began has ended.

use super::dice::Dice;
use super::fate::{Fate, LIFE, Odds};
use super::judge::{Run, Told, judge};
use super::leads::{Person, STANDINGS, Sender, form, make_fields};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use leadlink::sandbox::{Faults, Kind, Side};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What one run of lives is.
pub struct Settings {
    pub kills: u64,
    pub external_ids: bool,
}

/// Leads that arrive in one life, on average.
const LEADS: u64 = 8;
/// The daemon has so long to end all jobs once the faults are gone.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Lives {
    pub house: House,
    pub people: Vec<Person>,
    pub told: Vec<Told>,
    pub dice: Dice,
    sender: Sender,
    sending: JoinSet<()>,
}

pub async fn run(settings: Settings, dice: Dice) {
    let began = Instant::now();
    let mut lives = Lives::new(&settings, dice).await;
    for life in 0..settings.kills {
        lives.live(life).await;
        lives.house.kill();
        if lives.dice.percent(30) {
            let apart = Duration::from_millis(lives.dice.below(120));
            lives.pass(apart).await;
        }
    }
    lives.drain().await;
    let faults = lives.house.sandbox.ledger().faults;
    println!(
        "{} kills, {} leads of {} people in {:?}; faults {faults:?}",
        settings.kills,
        lives.told.len(),
        lives.people.len(),
        began.elapsed(),
    );
    let Lives { house, people, told, dice, .. } = &lives;
    judge(&Run { house, people, told, seed: dice.seed }).await;
}

impl Lives {
    async fn new(settings: &Settings, mut dice: Dice) -> Self {
        let shop = format!("external_ids = {}", settings.external_ids);
        let mut house = House::build(Plan { shop, poll_every: "20s", ..Plan::default() }).await;
        make_fields(&house).await;
        // What was made is not found at once; a look after a lost answer waits 5 s for that.
        house.sandbox.set_switches(|switches| switches.search_lag_ms = 3000);
        let count = (settings.kills * LEADS / 3).max(5);
        let people = (0..count)
            .map(|number| {
                let standing = STANDINGS[number as usize % STANDINGS.len()];
                Person::seed(&house, number, standing, &mut dice)
            })
            .collect();
        // The first start tells new leads from old ones: leads begin after it.
        house.run().await;
        let store = house.store().await;
        let began = Instant::now();
        while store.counts(house.now()).await.expect("the store answers").cursors.len() < 2 {
            assert!(began.elapsed() < PATIENCE, "no first poll:\n{}", house.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        house.kill();
        let sender = Sender::new(&house);
        Self { house, people, told: Vec::new(), dice, sender, sending: JoinSet::new() }
    }

    /// One life, up to the moment of the kill.
    async fn live(&mut self, life: u64) {
        let faults = self.dice.faults(Side::Retailcrm);
        self.house.sandbox.set_faults(faults);
        let mut fate =
            Fate::draw(&self.house, &mut self.dice, life, Odds { at_commit: 30, ..LIFE });
        self.house.set_env(fate.env());
        self.house.spawn();
        if self.dice.percent(10) {
            // Killed while it starts.
            let young = Duration::from_millis(self.dice.below(150));
            return self.pass(young).await;
        }
        self.house.healthy().await;
        fate.begin();
        while fate.turn(&mut self.house, &mut self.dice).await {
            self.maybe_a_lead().await;
        }
    }

    /// Leads arrive and the clock runs while there is nobody to hear of it.
    async fn pass(&mut self, span: Duration) {
        let began = Instant::now();
        while began.elapsed() < span {
            self.maybe_a_lead().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn maybe_a_lead(&mut self) {
        if LIFE.acts(&mut self.dice, LEADS) {
            self.lead().await;
        }
    }

    /// A lead comes into being; its hook is sent once or more, or lost.
    async fn lead(&mut self) {
        let person = self.dice.below(self.people.len() as u64) as usize;
        let spec = self.people[person].lead(&mut self.dice);
        let journal = spec.journal == Some(true);
        let lead = self.house.sandbox.send_lead(spec).await.lead.expect("a lead");
        let lost = journal && self.dice.percent(30);
        let omit_id = journal && lead.kind == Kind::Call && self.dice.percent(10);
        let copies = if lost { 0 } else { *self.dice.pick(&[1, 1, 2, 3]) };
        for _ in 0..copies {
            let (sender, form) =
                (self.sender.clone(), form(&lead, self.house.sandbox.site_id(), omit_id));
            self.sending.spawn(async move { sender.insist(&form).await });
        }
        self.told.push(Told { lead, person, journal, copies });
    }

    /// The faults are gone; the clock runs until every job has ended and the journals were read.
    async fn drain(&mut self) {
        self.house.sandbox.set_faults(Faults::default());
        self.house.set_env(Vec::new());
        self.house.run().await;
        while let Some(sent) = self.sending.join_next().await {
            sent.expect("a sender ends");
        }
        // The journal shows the last lead at most 30 s late.
        let mark = self.house.now() + SignedDuration::from_secs(35);
        let store = self.house.store().await;
        let began = Instant::now();
        loop {
            self.house.advance(SignedDuration::from_secs(1)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let counts = store.counts(self.house.now()).await.expect("the store answers");
            let polled = counts.cursors.iter().all(|(_, _, moved)| *moved > mark);
            if polled && counts.unrouted + counts.waiting + counts.deciding == 0 {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "seed {}: jobs do not end: {counts:?}\n{}",
                self.dice.seed,
                self.house.log()
            );
        }
    }
}
