//! What stands there already, and what people in the CRM do. Invariant: it is checked as a request
//! from outside would be.

use super::World;
use crate::sandbox::answer::Refusal;
use crate::sandbox::calltouch::lead::LeadSpec;
use crate::sandbox::crm::account::{Object, text_of};
use crate::sandbox::crm::history::Actor;
use crate::sandbox::crm::stamp::Stamp;
use crate::sandbox::crm::{customer_write, order_end, order_write};
use crate::sandbox::crowd::{Crowd, Made};
use jiff::Timestamp;

impl World {
    pub fn seed_customer(&mut self, body: &Object, now: Timestamp) -> Result<u64, Refusal> {
        let stamp = Stamp::of_seed(&self.account, body, self.crm_time(now))?;
        customer_write::create_row(&mut self.account, body, &stamp)
    }

    pub fn seed_order(&mut self, body: &Object, now: Timestamp) -> Result<u64, Refusal> {
        let stamp = Stamp::of_seed(&self.account, body, self.crm_time(now))?;
        order_write::create_row(&mut self.account, body, &stamp)
    }

    /// Somebody in the CRM changes an order (`by`, a person by default).
    pub fn edit_order(&mut self, id: u64, body: &Object, now: Timestamp) -> Result<(), Refusal> {
        let stamp = Stamp::of_seed(&self.account, body, self.crm_time(now))?;
        order_write::edit_row(&mut self.account, id, body, &stamp)
    }

    /// A person deletes an order, or merges it `into` another one; what is wrong otherwise.
    pub fn end_order(&mut self, id: u64, body: &Object, now: Timestamp) -> Result<(), String> {
        let now = self.crm_time(now);
        let account = &mut self.account;
        if account.orders.get(id).is_none() {
            return Err(format!("there is no order {id}"));
        }
        if let Some(survivor) = order_end::survivor(account, body)? {
            order_end::merge(account, id, survivor, "ours", now);
            return Ok(());
        }
        let actor = Actor::parse(text_of(body, "by")).ok_or("by: user, user:2, rule, …")?;
        order_end::end(account, id, actor, None, now);
        Ok(())
    }

    /// Writes leads down without telling anybody; none when a site is not there.
    pub fn seed_leads(&mut self, specs: &[LeadSpec], now: Timestamp) -> Option<Vec<u64>> {
        specs.iter().map(|spec| Some(self.site(spec.site)?.register(spec, now).id)).collect()
    }

    /// Makes a whole crowd.
    pub fn seed_crowd(&mut self, crowd: &Crowd, now: Timestamp) -> Result<Made, Refusal> {
        let mut made = Made::default();
        let grow = |range: &mut Option<(u64, u64)>, id| {
            *range = Some((range.map_or(id, |(first, _)| first), id));
        };
        for number in 0..crowd.people {
            let person = crowd.person(number);
            if crowd.leads && self.seed_leads(&[crowd.lead(&person)], now).is_some() {
                made.leads += 1;
            }
            let customer = self.seed_customer(&person.customer(&self.account), now)?;
            grow(&mut made.customers, customer);
            for position in 0..if crowd.orders { crowd.each } else { 0 } {
                let order = person.order(&self.account, customer, position);
                grow(&mut made.orders, self.seed_order(&order, now)?);
            }
        }
        Ok(made)
    }
}
