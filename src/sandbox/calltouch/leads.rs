//! All leads of one site, found by id and by contact. Invariant: a lead is never taken away, so a
//! position that an index holds is that of the same lead for good.

use crate::sandbox::calltouch::lead::{Kind, Lead};
use crate::sandbox::digits::canonical;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Leads {
    rows: Vec<Lead>,
    by_id: HashMap<(Kind, u64), usize>,
    /// Canonical phones and e-mails in lower case.
    by_contact: HashMap<String, Vec<usize>>,
    by_session: HashMap<u64, usize>,
}

impl Leads {
    pub fn put(&mut self, lead: Lead) {
        let at = self.rows.len();
        self.by_id.insert((lead.kind, lead.id), at);
        self.by_session.insert(lead.session, at);
        for contact in [canonical(&lead.phone), lead.email.to_lowercase()] {
            if !contact.is_empty() {
                self.by_contact.entry(contact).or_default().push(at);
            }
        }
        self.rows.push(lead);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Lead> {
        self.rows.iter()
    }

    pub fn get(&self, kind: Kind, id: u64) -> Option<&Lead> {
        self.rows.get(*self.by_id.get(&(kind, id))?)
    }

    pub fn get_mut(&mut self, kind: Kind, id: u64) -> Option<&mut Lead> {
        self.rows.get_mut(*self.by_id.get(&(kind, id))?)
    }

    pub fn of_session(&self, session: u64) -> Option<&Lead> {
        self.rows.get(*self.by_session.get(&session)?)
    }

    /// Leads with this phone (in any spelling) or e-mail.
    pub fn with_contact(&self, contact: &str) -> impl Iterator<Item = &Lead> {
        let key = if contact.contains('@') { contact.to_lowercase() } else { canonical(contact) };
        let found = self.by_contact.get(&key).map(Vec::as_slice).unwrap_or_default();
        found.iter().filter_map(|at| self.rows.get(*at))
    }
}
