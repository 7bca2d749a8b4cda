//! Persons make orders and change them, leads come before and after, and the daemon is killed while
//! it makes and updates deals under faults. Invariant: in the end every order has one deal, linked
//! once and as the rules say, with the order's last status.

use super::dice::Dice;
use super::fate::{Fate, LIFE};
use super::leads::{Person, Sender, Standing, form, make_fields};
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use leadlink::sandbox::calltouch::deals::Deal;
use leadlink::sandbox::calltouch::lead::Lead;
use leadlink::sandbox::ledger::{Ledger, OrderEntry};
use leadlink::sandbox::{Faults, Kind, LeadSpec, Side};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a life does, on average.
const ACTS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(180);
/// A lead that stood in Calltouch so long before an order must be found; the journal shows it at most
/// so late.
const KNOWN: SignedDuration = SignedDuration::from_secs(60);
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

struct Shop {
    house: House,
    people: Vec<Person>,
    leads: Vec<(usize, Lead)>,
    orders: Vec<u64>,
    dice: Dice,
    sender: Sender,
    sending: JoinSet<()>,
}

/// Lives, each ended by a kill.
pub async fn run(kills: u64, dice: Dice) {
    let began = Instant::now();
    let mut shop = Shop::new(kills, dice).await;
    for life in 0..kills {
        shop.live(life).await;
        shop.house.kill();
    }
    shop.drain().await;
    let ledger = shop.house.sandbox.ledger();
    println!(
        "{kills} kills, {} leads, {} orders, {} deals in {:?}; faults {:?}",
        shop.leads.len(),
        ledger.orders.len(),
        ledger.deals.len(),
        began.elapsed(),
        ledger.faults
    );
    shop.judge(&ledger).await;
}

impl Shop {
    async fn new(kills: u64, mut dice: Dice) -> Self {
        let plan = Plan {
            shop: "poll_every = \"5s\"".to_owned(),
            more: FLOWS.to_owned(),
            poll_every: "20s",
            ..Plan::default()
        };
        let mut house = House::build(plan).await;
        make_fields(&house).await;
        let count = (kills * ACTS / 4).max(5);
        let people = (0..count)
            .map(|number| {
                let standing = *dice.pick(&[Standing::NoOrder, Standing::Marked]);
                Person::seed(&house, number, standing, &mut dice)
            })
            .collect();
        house.run().await;
        let store = house.store().await;
        let polled = Instant::now();
        while store.counts(house.now()).await.expect("the store answers").cursors.len() < 2 {
            assert!(polled.elapsed() < PATIENCE, "no first poll:\n{}", house.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        house.kill();
        house.advance(SignedDuration::from_secs(2)).await;
        let sender = Sender::new(&house);
        let (leads, orders, sending) = (Vec::new(), Vec::new(), JoinSet::new());
        Self { house, people, leads, orders, dice, sender, sending }
    }

    async fn live(&mut self, life: u64) {
        let faults = self.dice.faults(Side::Calltouch);
        self.house.sandbox.set_faults(faults);
        let mut fate = Fate::draw(&self.house, &mut self.dice, life, LIFE);
        self.house.set_env(fate.env());
        self.house.spawn();
        self.house.healthy().await;
        fate.begin();
        while fate.turn(&mut self.house, &mut self.dice).await {
            if LIFE.acts(&mut self.dice, ACTS) {
                self.act().await;
            }
        }
    }

    async fn act(&mut self) {
        match self.dice.below(10) {
            0..4 => self.lead().await,
            4..7 => self.order().await,
            _ => self.change().await,
        }
    }

    async fn lead(&mut self) {
        let person = self.dice.below(self.people.len() as u64) as usize;
        let spec = self.people[person].lead(&mut self.dice);
        let journal = spec.kind != Kind::Chat;
        let spec = LeadSpec { journal: Some(journal), ..spec };
        let lead = self.house.sandbox.send_lead(spec).await.lead.expect("a lead");
        if !journal || self.dice.percent(60) {
            let (sender, form) =
                (self.sender.clone(), form(&lead, self.house.sandbox.site_id(), false));
            self.sending.spawn(async move { sender.insist(&form).await });
        }
        self.leads.push((person, lead));
    }

    /// A person in the CRM makes an order.
    async fn order(&mut self) {
        let person = self.dice.below(self.people.len() as u64) as usize;
        let body = json!({
            "customer": {"id": self.people[person].customer}, "status": "new",
            "customFields": {"calltouch_site_id": "777"},
        });
        self.orders.push(self.house.order(body).await);
    }

    /// A person in the CRM changes an order: its status, or something else.
    async fn change(&mut self) {
        let Some(order) = self.orders.get(self.dice.below(self.orders.len() as u64) as usize)
        else {
            return;
        };
        let body = if self.dice.percent(70) {
            json!({ "status": self.dice.pick(&STATUSES) })
        } else {
            json!({ "managerComment": format!("{}", self.dice.below(1000)) })
        };
        self.house.control(&format!("orders/{order}"), body).await;
    }

    /// The faults are gone; the clock runs until every job has ended and the feeds were read. An order
    /// that we made ourselves then is one to read of: what was done last is followed by a reading that
    /// leads to nothing.
    async fn drain(&mut self) {
        self.house.sandbox.set_faults(Faults::default());
        self.house.set_env(Vec::new());
        self.house.run().await;
        while let Some(sent) = self.sending.join_next().await {
            sent.expect("a sender ends");
        }
        let mut mark = self.house.now() + SignedDuration::from_secs(35);
        let mut acted = None;
        let store = self.house.store().await;
        let began = Instant::now();
        loop {
            self.house.advance(SignedDuration::from_secs(1)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let counts = store.counts(self.house.now()).await.expect("the store answers");
            let polled = counts.cursors.iter().all(|(_, _, moved)| *moved > mark);
            if polled && counts.unrouted + counts.waiting + counts.deciding == 0 {
                if acted == Some(counts.acted) {
                    return;
                }
                acted = Some(counts.acted);
                mark = self.house.now() + SignedDuration::from_secs(5);
            }
            assert!(
                began.elapsed() < PATIENCE,
                "seed {}: jobs do not end: {counts:?}\n{}",
                self.dice.seed,
                self.house.log()
            );
        }
    }

    async fn judge(&self, ledger: &Ledger) {
        let mut complaints = Vec::new();
        let first = self.people.iter().filter_map(|person| person.order).max().unwrap_or_default();
        for order in ledger.orders.iter().filter(|order| order.id > first) {
            let number = order.id.to_string();
            let deals: Vec<&Deal> =
                ledger.deals.iter().filter(|deal| deal.number == number).collect();
            let said = match deals.as_slice() {
                [deal] => self.deal_is_right(order, deal),
                _ => Err(format!("{} deals", deals.len())),
            };
            if let Err(what) = said {
                let why = self.house.command(&["why", &format!("order:{number}")]);
                println!("{}", String::from_utf8_lossy(&why.stdout));
                complaints.push(format!("order {number}: {what}"));
            }
        }
        let counts = self.house.counts().await;
        if counts.stuck + counts.unknown_steps + counts.unreadable > 0 {
            complaints.push(format!("left over: {counts:?}"));
        }
        self.house.assert_replays_the_same();
        assert!(
            complaints.is_empty(),
            "seed {}: {complaints:#?}\n{}",
            self.dice.seed,
            self.house.log()
        );
    }

    fn deal_is_right(&self, order: &OrderEntry, deal: &Deal) -> Result<(), String> {
        if deal.creations != 1 || deal.rematchings != 0 {
            return Err(format!("{} creations, {} links", deal.creations, deal.rematchings));
        }
        let status =
            (deal.fields.status.as_str(), deal.fields.status_date.map(Timestamp::as_second));
        if status != (order.status.as_str(), Some(order.status_at.as_second())) {
            return Err(format!("{status:?} instead of {:?} {}", order.status, order.status_at));
        }
        let matched = deal.matched.as_ref().ok_or("not matched at all")?;
        let of_person = |lead: &&(usize, Lead)| {
            self.people[lead.0].customer == order.customer
                && lead.1.kind != Kind::Chat
                && lead.1.at <= order.created_at + SignedDuration::from_hours(1)
        };
        let leads: Vec<&Lead> = self.leads.iter().filter(of_person).map(|(_, lead)| lead).collect();
        let surely = |kind: Kind| {
            let old = |lead: &&&Lead| lead.kind == kind && lead.at + KNOWN < order.created_at;
            leads.iter().find(old).map(|lead| lead.id)
        };
        let (call, request) = (surely(Kind::Call), surely(Kind::Request));
        match (matched.lead, matched.id) {
            (Some(noun), Some(id)) => {
                let mut own = leads.iter().filter(|lead| lead.kind.name() == noun);
                if !own.any(|lead| lead.id == id) {
                    return Err(format!("linked to {noun} {id} of another, or too late"));
                }
                match call {
                    Some(call) if noun != "call" => {
                        Err(format!("linked to a request, and there is call {call}"))
                    }
                    _ => Ok(()),
                }
            }
            _ => match call.or(request) {
                Some(lead) => Err(format!("not linked, and there is lead {lead}")),
                None if matched.source == "Лид не найден" => Ok(()),
                None => Err(format!("no source: {:?}", Value::from(matched.source.clone()))),
            },
        }
    }
}
