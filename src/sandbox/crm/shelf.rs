//! Rows of one kind with their indexes. Invariant: every change goes through `put` or `change`,
//! so an index never disagrees with its row.

use crate::sandbox::digits::Index;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the shelf must know of a row.
pub trait Row {
    fn id(&self) -> u64;
    fn site(&self) -> &str;
    fn external_id(&self) -> Option<&str>;
    fn created_at(&self) -> Timestamp;
    fn email(&self) -> String;
    /// Texts whose digits can be searched: phones, and names that may hold one.
    fn searched(&self) -> Vec<String>;
    /// Customers that this row belongs to.
    fn owners(&self) -> Vec<u64>;
    /// `code=value` of what lists look up exactly (numbers, custom fields), in lower case.
    fn exact(&self) -> Vec<String>;
}

/// A table in memory.
#[derive(Debug)]
pub struct Shelf<T> {
    rows: BTreeMap<u64, T>,
    by_external: HashMap<String, BTreeMap<String, u64>>,
    by_created: BTreeSet<(Timestamp, u64)>,
    by_email: HashMap<String, BTreeSet<u64>>,
    by_owner: HashMap<u64, BTreeSet<u64>>,
    by_exact: HashMap<String, BTreeSet<u64>>,
    by_digits: Index,
    last: u64,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            by_external: HashMap::new(),
            by_created: BTreeSet::new(),
            by_email: HashMap::new(),
            by_owner: HashMap::new(),
            by_exact: HashMap::new(),
            by_digits: Index::default(),
            last: 0,
        }
    }
}

impl<T: Row> Shelf<T> {
    /// The next free id.
    pub fn next_id(&self) -> u64 {
        self.last + 1
    }

    pub fn put(&mut self, row: T) {
        let id = row.id();
        if let Some(old) = self.rows.remove(&id) {
            self.unindex(&old);
        }
        self.last = self.last.max(id);
        if let Some(external) = row.external_id() {
            let ids = self.by_external.entry(external.to_owned()).or_default();
            ids.insert(row.site().to_owned(), id);
        }
        self.by_created.insert((row.created_at(), id));
        if !row.email().is_empty() {
            self.by_email.entry(row.email()).or_default().insert(id);
        }
        for owner in row.owners() {
            self.by_owner.entry(owner).or_default().insert(id);
        }
        for key in row.exact() {
            self.by_exact.entry(key).or_default().insert(id);
        }
        for text in row.searched() {
            self.by_digits.add(id, &text);
        }
        self.rows.insert(id, row);
    }

    /// Changes a row in place and indexes it anew.
    pub fn change<R>(&mut self, id: u64, edit: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut row = self.rows.remove(&id)?;
        self.unindex(&row);
        let result = edit(&mut row);
        self.put(row);
        Some(result)
    }

    /// Takes a row away; its id is not given again.
    pub fn remove(&mut self, id: u64) -> Option<T> {
        let row = self.rows.remove(&id)?;
        self.unindex(&row);
        Some(row)
    }

    fn unindex(&mut self, row: &T) {
        let id = row.id();
        if let Some(ids) = row.external_id().and_then(|text| self.by_external.get_mut(text)) {
            ids.remove(row.site());
        }
        self.by_created.remove(&(row.created_at(), id));
        if let Some(ids) = self.by_email.get_mut(&row.email()) {
            ids.remove(&id);
        }
        for owner in row.owners() {
            if let Some(ids) = self.by_owner.get_mut(&owner) {
                ids.remove(&id);
            }
        }
        for key in row.exact() {
            if let Some(ids) = self.by_exact.get_mut(&key) {
                ids.remove(&id);
            }
        }
        for text in row.searched() {
            self.by_digits.remove(id, &text);
        }
    }

    pub fn get(&self, id: u64) -> Option<&T> {
        self.rows.get(&id)
    }

    pub fn rows(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// The row with this external id in this store.
    pub fn by_external(&self, external: &str, site: &str) -> Option<&T> {
        self.get(*self.by_external.get(external)?.get(site)?)
    }

    /// Ids with this external id in any store.
    pub fn with_external(&self, external: &str) -> Vec<u64> {
        let ids = self.by_external.get(external);
        ids.map(|ids| ids.values().copied().collect()).unwrap_or_default()
    }

    pub fn with_email(&self, email: &str) -> Vec<u64> {
        let ids = self.by_email.get(&email.to_lowercase());
        ids.map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    pub fn with_owner(&self, owner: u64) -> Vec<u64> {
        let ids = self.by_owner.get(&owner);
        ids.map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Ids with this value of an exactly looked up field.
    pub fn with_exact(&self, code: &str, value: &str) -> Vec<u64> {
        let ids = self.by_exact.get(&exact_key(code, value));
        ids.map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Ids whose digits may contain those of `text`; none when it must be a scan.
    pub fn with_digits(&self, text: &str) -> Option<Vec<u64>> {
        self.by_digits.candidates(text)
    }

    /// All ids that were created within the bounds, newest first.
    pub fn newest_first(
        &self,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
    ) -> impl Iterator<Item = u64> {
        let first = (from.unwrap_or(Timestamp::MIN), 0);
        // Nothing is created between bounds that cross.
        let last = (to.unwrap_or(Timestamp::MAX), u64::MAX).max(first);
        self.by_created.range(first..=last).rev().map(|(_, id)| *id)
    }

    /// Sorts some ids newest first.
    pub fn sorted(&self, ids: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut rows: Vec<(Timestamp, u64)> = ids
            .into_iter()
            .filter_map(|id| self.get(id).map(|row| (row.created_at(), id)))
            .collect();
        rows.sort_unstable();
        rows.dedup();
        rows.into_iter().rev().map(|(_, id)| id).collect()
    }
}

/// The key of one exactly looked up value.
pub fn exact_key(code: &str, value: &str) -> String {
    format!("{code}={}", value.to_lowercase())
}
