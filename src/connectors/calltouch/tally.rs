//! How many requests went out today. Invariant: a day is the account's, by the clock that the port was
//! last told; nothing here reads a clock.

use jiff::civil::Date;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The count of one day.
#[derive(Default)]
pub struct Tally {
    held: Mutex<(Option<Date>, u64)>,
}

impl Tally {
    /// It is this day now: another one begins at nothing.
    pub fn on(&self, day: Date) {
        let mut held = self.lock();
        if held.0 != Some(day) {
            // What was sent before anybody told the day is of the first one.
            let sent = if held.0.is_none() { held.1 } else { 0 };
            *held = (Some(day), sent);
        }
    }

    /// A request went out.
    pub fn count(&self) {
        self.lock().1 += 1;
    }

    /// At least so many went out today.
    pub fn recall(&self, sent: u64) {
        let mut held = self.lock();
        held.1 = held.1.max(sent);
    }

    pub fn today(&self) -> u64 {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Date>, u64)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_nothing() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let tally = Tally::default();
        tally.count();
        tally.on(day("2025-05-14"));
        tally.count();
        tally.on(day("2025-05-14"));
        assert_eq!(tally.today(), 2);
        tally.on(day("2025-05-15"));
        assert_eq!(tally.today(), 0);
        tally.recall(5);
        tally.count();
        tally.recall(5);
        assert_eq!(tally.today(), 6, "what another process sent is not counted twice");
    }
}
