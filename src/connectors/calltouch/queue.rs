//! What waits to be sent in a batch. Invariant: of one deal one write is under way at a time, and they
//! go in the order in which they came; the live come before what may wait. Pure: no clock, no I/O.

use super::deal::Way;
use std::collections::{BTreeMap, BTreeSet};

/// Writes that wait and those that are under way.
pub struct Queue<T> {
    next: u64,
    waiting: BTreeMap<u64, Item<T>>,
    /// Places of all writes of a deal, the first of which may go.
    places: BTreeMap<String, BTreeSet<u64>>,
}

/// One write.
#[derive(Debug)]
pub struct Item<T> {
    /// Its place: given by the queue, and kept until it is done.
    pub place: u64,
    /// The deal's order number.
    pub id: String,
    pub way: Way,
    /// It may wait.
    pub background: bool,
    pub work: T,
}

/// Whether something may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    Nothing,
    /// Only what may wait.
    Background,
    Live,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { next: 0, waiting: BTreeMap::new(), places: BTreeMap::new() }
    }
}

impl<T> Queue<T> {
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Puts a write at the end; its place is set here.
    pub fn push(&mut self, mut item: Item<T>) {
        item.place = self.next;
        self.next += 1;
        self.places.entry(item.id.clone()).or_default().insert(item.place);
        self.waiting.insert(item.place, item);
    }

    /// What was taken goes back to its place.
    pub fn back(&mut self, item: Item<T>) {
        self.waiting.insert(item.place, item);
    }

    /// What was taken is done with: the next write of its deal may go.
    pub fn done(&mut self, place: u64, id: &str) {
        if let Some(places) = self.places.get_mut(id) {
            places.remove(&place);
            if places.is_empty() {
                self.places.remove(id);
            }
        }
    }

    /// Takes a batch: the live first, filled up with what may wait.
    pub fn take(&mut self, way: Way, most: usize) -> Vec<Item<T>> {
        let mut places: Vec<(bool, u64)> = self
            .waiting
            .values()
            .filter(|item| self.may_go(way, item))
            .map(|item| (item.background, item.place))
            .collect();
        places.sort_unstable();
        places.truncate(most);
        places.iter().filter_map(|(_, place)| self.waiting.remove(place)).collect()
    }

    /// Takes out all that wait and are not wanted any more.
    pub fn sort_out(&mut self, wanted: impl Fn(&Item<T>) -> bool) -> Vec<Item<T>> {
        let places: Vec<u64> =
            self.waiting.values().filter(|item| !wanted(item)).map(|item| item.place).collect();
        let out: Vec<Item<T>> =
            places.iter().filter_map(|place| self.waiting.remove(place)).collect();
        for item in &out {
            self.done(item.place, &item.id);
        }
        out
    }

    pub fn ready(&self, way: Way) -> Ready {
        let mut ready = Ready::Nothing;
        for item in self.waiting.values().filter(|item| self.may_go(way, item)) {
            if !item.background {
                return Ready::Live;
            }
            ready = Ready::Background;
        }
        ready
    }

    fn may_go(&self, way: Way, item: &Item<T>) -> bool {
        let first = self.places.get(&item.id).and_then(BTreeSet::first);
        item.way == way && first == Some(&item.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(id: &str, way: Way, background: bool, work: usize) -> Item<usize> {
        Item { place: 0, id: id.to_owned(), way, background, work }
    }

    #[test]
    fn an_update_waits_for_its_create_even_while_that_is_under_way() {
        let mut queue = Queue::default();
        queue.push(item("1", Way::Create, true, 0));
        queue.push(item("1", Way::Update, false, 1));
        queue.push(item("2", Way::Update, false, 2));
        assert_eq!(queue.ready(Way::Update), Ready::Live);
        let updates = queue.take(Way::Update, 100);
        assert_eq!(updates.iter().map(|item| item.work).collect::<Vec<_>>(), [2]);
        let creates = queue.take(Way::Create, 100);
        assert_eq!(queue.ready(Way::Update), Ready::Nothing);
        queue.done(creates[0].place, "1");
        assert_eq!(queue.take(Way::Update, 100)[0].work, 1);
    }

    #[test]
    fn what_is_not_wanted_holds_nothing_back() {
        let mut queue = Queue::default();
        queue.push(item("1", Way::Create, false, 0));
        queue.push(item("1", Way::Create, false, 1));
        assert_eq!(queue.sort_out(|item| item.work != 0).len(), 1);
        assert_eq!(queue.take(Way::Create, 100)[0].work, 1);
        queue.done(1, "1");
        assert!(queue.places.is_empty() && queue.waiting.is_empty());
    }

    proptest! {
        /// Whatever comes while batches are under way: each write is in one batch exactly, no batch
        /// holds a deal twice or is too large, writes of a deal go in order, no live one is left out
        /// of a batch that holds one that may wait.
        #[test]
        fn each_write_goes_once_and_in_order(
            steps in prop::collection::vec((0u8..4, 0usize..6, any::<bool>(), any::<bool>()), 1..200),
            most in 1usize..5,
        ) {
            let mut queue = Queue::default();
            let (mut pushed, mut gone) = (0, Vec::new());
            let mut under_way: Vec<Item<usize>> = Vec::new();
            let ids = ["a", "b", "c", "d", "e", "f"];
            for (act, id, create, background) in steps.into_iter().chain(
                // In the end everything is taken and done with.
                (0..2000).map(|n| (2 + u8::from(n % 2 == 0), 0, n % 4 < 2, false))
            ) {
                let way = if create { Way::Create } else { Way::Update };
                match act {
                    0 | 1 => {
                        queue.push(item(ids[id], way, background, pushed));
                        pushed += 1;
                    }
                    2 => {
                        let batch = queue.take(way, most);
                        let names: BTreeSet<&str> = batch.iter().map(|item| item.id.as_str()).collect();
                        prop_assert!(batch.len() <= most && names.len() == batch.len());
                        prop_assert!(batch.iter().all(|item| item.way == way));
                        if batch.iter().any(|item| item.background) {
                            prop_assert_ne!(queue.ready(way), Ready::Live);
                        }
                        gone.extend(batch.iter().map(|item| (item.id.clone(), item.work)));
                        under_way.extend(batch);
                    }
                    _ => {
                        if let Some(item) = under_way.pop() {
                            queue.done(item.place, &item.id);
                        }
                    }
                }
            }
            prop_assert_eq!(gone.len(), pushed);
            for id in ids {
                let works: Vec<usize> =
                    gone.iter().filter(|(held, _)| held == id).map(|(_, work)| *work).collect();
                prop_assert!(works.is_sorted());
            }
            prop_assert!(queue.waiting.is_empty());
        }
    }
}
