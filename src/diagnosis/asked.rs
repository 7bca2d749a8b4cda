//! Which keys readers asked for, for the tests that hold schema and readers together. Invariant: in
//! tests alone, and each thread has its own notes.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static NOTES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// A reader asked for `key` of `table` (empty at the top).
pub fn note(table: &str, key: &str) {
    let path = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
    NOTES.with_borrow_mut(|notes| notes.insert(path));
}

/// All notes of this thread; they begin anew.
pub fn take() -> BTreeSet<String> {
    NOTES.take()
}
