//! The way back in the demo: what people do in the CRM, and the deals that come of it. Invariant: an
//! order is watched until it has its deal and until the last status that a person gave it is sent.

use super::crowd::Crowd;
use super::show::Screen;
use crate::domain::{JobState, contact};
use crate::sandbox::Sandbox;
use crate::store::{JobStory, Store};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub const DEAL: &str = "order-to-deal";
pub const UPDATE: &str = "deal-update";

/// Statuses as an order goes through them.
const STATUSES: &[&str] =
    &["client-confirmed", "prepayed", "send-to-assembling", "assembling", "delivering", "complete"];
const FIRST: &str = "new";
const SUMS: &[u32] = &[990, 1_290, 4_500, 12_000, 38_700];

/// An order of which something is to be seen in Calltouch.
struct Watched {
    id: u64,
    number: String,
    has_deal: bool,
    /// A status whose update is on its way.
    awaits: bool,
    /// How many statuses a person gave it.
    statuses: usize,
}

/// The people at work in the CRM, and the orders that they and the leads made.
pub struct Office {
    orders: Vec<Watched>,
    /// Jobs that were shown.
    told: BTreeSet<i64>,
    next: Instant,
    acts: u32,
}

impl Office {
    /// `old` orders, with their statuses, were there before leadlink came: nothing is due of them, and
    /// they become deals when somebody changes them.
    pub fn new(old: Vec<(u64, &str)>) -> Self {
        let orders = old.into_iter().map(|(id, status)| Watched {
            id,
            number: typed(id),
            has_deal: true,
            awaits: false,
            statuses: match status {
                FIRST => 0,
                other => {
                    STATUSES.iter().position(|s| *s == other).map_or(STATUSES.len(), |at| at + 1)
                }
            },
        });
        let next = Instant::now() + Duration::from_secs(3);
        Self { orders: orders.collect(), told: BTreeSet::new(), next, acts: 0 }
    }

    /// There is a new order.
    pub fn opens(&mut self, id: u64, number: String) {
        if self.orders.iter().all(|order| order.id != id) {
            let order = Watched { id, number, has_deal: false, awaits: false, statuses: 0 };
            self.orders.push(order);
        }
    }

    /// Orders that have no deal, or a status that is not sent.
    pub fn pending(&self) -> usize {
        self.orders.iter().filter(|order| order.pending()).count()
    }

    /// Now and then somebody does something.
    pub fn act(&mut self, crowd: &mut Crowd, sandbox: &Sandbox, screen: &Screen) {
        if Instant::now() < self.next {
            return;
        }
        self.acts += 1;
        if self.acts % 2 == 1 {
            self.order(crowd, sandbox, screen);
        } else {
            self.status(crowd, sandbox, screen);
        }
        self.next = Instant::now() + crowd.pause(1_200..2_800);
    }

    /// A manager makes an order for somebody who called, wrote or bought before.
    fn order(&mut self, crowd: &mut Crowd, sandbox: &Sandbox, screen: &Screen) {
        let Some(phone) = crowd.caller() else { return };
        let key = contact::contact_key(&phone);
        let known = sandbox.ledger().customers;
        let customer = known.iter().find(|row| {
            row.phones.iter().any(|typed| key.is_some() && contact::contact_key(typed) == key)
        });
        let Some(customer) = customer else { return };
        let price = crowd.one(SUMS);
        let order = json!({
            "customer": { "id": customer.id }, "managerId": 1,
            "items": [{ "initialPrice": price, "quantity": 1 }],
        });
        let made = order.as_object().and_then(|body| sandbox.seed_order(body).ok());
        if let Some(id) = made {
            let number = typed(id);
            screen.person(&number, &format!("made by a person, for {}", contact::masked(&phone)));
            self.opens(id, number);
        }
    }

    /// A manager moves an order on.
    fn status(&mut self, crowd: &mut Crowd, sandbox: &Sandbox, screen: &Screen) {
        let mut free: Vec<&mut Watched> =
            self.orders.iter_mut().filter(|order| !order.pending()).collect();
        if free.is_empty() {
            return;
        }
        let at = crowd.below(free.len());
        let order = &mut *free[at];
        let Some(status) = STATUSES.get(order.statuses) else { return };
        let mut edit = json!({ "status": status });
        // What somebody called about stands in the order when a manager has talked to them.
        if order.statuses == 0 {
            edit["items"] = json!([{ "initialPrice": crowd.one(SUMS), "quantity": 1 }]);
        }
        let edited = edit.as_object().map(|body| sandbox.edit_order(order.id, body));
        if matches!(edited, Some(Ok(()))) {
            screen.person(&order.number, &format!("is given the status {status} by a person"));
            order.statuses += 1;
            order.awaits = true;
        }
    }

    /// Shows what has become of the orders since.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&mut self, store: &Store, screen: &Screen) -> anyhow::Result<()> {
        for order in self.orders.iter_mut().filter(|order| order.pending()) {
            let stories = store.story(&format!("order:{}", order.id)).await?;
            for job in stories.iter().flat_map(|story| &story.jobs) {
                let ours = [DEAL, UPDATE].contains(&job.flow.as_str());
                let ended = matches!(job.state, JobState::Acted | JobState::Stuck);
                if ours && ended && self.told.insert(job.id) {
                    screen.deal(&order.number, job);
                    order.sees(job);
                }
            }
        }
        Ok(())
    }
}

/// How the stand-in numbers the orders that people make.
fn typed(id: u64) -> String {
    format!("{id}C")
}

impl Watched {
    fn pending(&self) -> bool {
        !self.has_deal || self.awaits
    }

    fn sees(&mut self, job: &JobStory) {
        // What was there before leadlink came gets its deal with the status that it has then.
        if job.flow == DEAL {
            self.has_deal = true;
        }
        self.awaits = false;
    }
}
