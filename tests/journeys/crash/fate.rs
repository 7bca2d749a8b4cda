//! When a life ends: at a commit, where the daemon stops and waits for its kill, or at any moment.
//! Invariant: the clock runs fifty times as fast as real time, so that a delay of a minute fits into
//! two lives.

use super::dice::Dice;
use crate::support::House;
use jiff::SignedDuration;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a life may come to.
#[derive(Clone, Copy)]
pub struct Odds {
    /// Of a hundred lives so many end at a commit.
    pub at_commit: u64,
    /// It is one of the first so many.
    pub commits: u64,
    /// A life that ends at no commit lasts so many milliseconds at most.
    pub longest: u64,
    /// One whose commit does not come lasts so long.
    pub patience: Duration,
}

/// A life of a daemon.
pub const LIFE: Odds =
    Odds { at_commit: 40, commits: 60, longest: 900, patience: Duration::from_millis(1500) };

impl Odds {
    /// So many things are done in a life, on average: shall one be done now?
    pub fn acts(&self, dice: &mut Dice, acts: u64) -> bool {
        // A turn takes 17 ms on average, and a life half of the longest.
        dice.percent(acts * 100 * 17 / (self.longest / 2))
    }
}

pub struct Fate {
    /// Of one that ends at a commit: `PLACE:NUMBER`, and the file that says that it has come.
    stop: Option<(String, PathBuf)>,
    length: Duration,
    began: Instant,
}

impl Fate {
    pub fn draw(house: &House, dice: &mut Dice, life: u64, odds: Odds) -> Self {
        let stop = dice.percent(odds.at_commit).then(|| {
            let place = *dice.pick(&["before", "after"]);
            let stop = format!("{place}:{}", dice.between(1, odds.commits));
            (stop, house.dir.path().join(format!("stopped-{life}")))
        });
        let length = Duration::from_millis(dice.below(odds.longest));
        let length = if stop.is_some() { odds.patience } else { length };
        Self { stop, length, began: Instant::now() }
    }

    /// What the process has to know of it.
    pub fn env(&self) -> Vec<(String, String)> {
        let Some((stop, file)) = &self.stop else { return Vec::new() };
        let file = file.display().to_string();
        vec![("LEADLINK_STOP_AT".to_owned(), stop.clone()), ("LEADLINK_STOP_FILE".to_owned(), file)]
    }

    /// The life begins after so long; until now it was only being prepared.
    pub fn begin_in(&mut self, span: Duration) {
        self.began = Instant::now() + span;
    }

    pub fn begin(&mut self) {
        self.begin_in(Duration::ZERO);
    }

    /// It is not over yet.
    pub fn lasts(&self) -> bool {
        let stopped = self.stop.as_ref().is_some_and(|(_, file)| file.exists());
        !stopped && self.began.elapsed() < self.length
    }

    /// One turn of the clock; `false`: the life is over.
    pub async fn turn(&self, house: &mut House, dice: &mut Dice) -> bool {
        if !self.lasts() {
            return false;
        }
        let tick = dice.between(200, 1500);
        house.advance(SignedDuration::from_millis(tick as i64)).await;
        tokio::time::sleep(Duration::from_millis(tick / 50)).await;
        true
    }
}
