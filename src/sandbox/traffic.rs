//! The requests that one far side received: the sliding-second limit, the counters and the log.
//! Invariant: a log line holds no query, body, key or token; the limit counts real time.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const KEPT: usize = 20_000;
const SECOND: Duration = Duration::from_secs(1);

/// One received request.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    pub side: &'static str,
    pub at: Timestamp,
    pub method: String,
    /// The path template, never the path itself with its ids.
    pub path: &'static str,
    /// 0 where the connection was cut instead of an answer.
    pub status: u16,
}

/// Counters, limiter and log of one far side.
#[derive(Debug, Default)]
pub struct Traffic {
    per_second: Option<u32>,
    accepted: VecDeque<Instant>,
    seen: VecDeque<Instant>,
    most_in_a_second: usize,
    total: u64,
    refused: u64,
    by_path: BTreeMap<String, u64>,
    by_status: BTreeMap<u16, u64>,
    log: VecDeque<Received>,
}

/// The counters of one far side, as the control routes show them.
#[derive(Debug, Clone, Serialize)]
pub struct Counters {
    pub total: u64,
    /// Refused for being too fast.
    pub refused: u64,
    pub most_in_a_second: usize,
    pub by_path: BTreeMap<String, u64>,
    pub by_status: BTreeMap<u16, u64>,
}

impl Traffic {
    pub fn new(per_second: Option<u32>) -> Self {
        Self { per_second, ..Self::default() }
    }

    pub fn set_limit(&mut self, per_second: Option<u32>) {
        self.per_second = per_second;
        self.accepted.clear();
    }

    pub fn limit(&self) -> Option<u32> {
        self.per_second
    }

    /// Counts a request that arrived now; false when it is one too many in this sliding second.
    /// Refused requests do not use up the limit.
    pub fn admit(&mut self, now: Instant) -> bool {
        forget(&mut self.seen, now);
        self.seen.push_back(now);
        self.most_in_a_second = self.most_in_a_second.max(self.seen.len());
        let Some(limit) = self.per_second else { return true };
        forget(&mut self.accepted, now);
        if self.accepted.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            self.refused += 1;
            return false;
        }
        self.accepted.push_back(now);
        true
    }

    /// Writes the request into the log and counters.
    pub fn note(&mut self, received: Received) {
        self.total += 1;
        let line = format!("{} {}", received.method, received.path);
        *self.by_path.entry(line).or_default() += 1;
        *self.by_status.entry(received.status).or_default() += 1;
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(received);
    }

    pub fn counters(&self) -> Counters {
        Counters {
            total: self.total,
            refused: self.refused,
            most_in_a_second: self.most_in_a_second,
            by_path: self.by_path.clone(),
            by_status: self.by_status.clone(),
        }
    }

    pub fn log(&self) -> impl Iterator<Item = &Received> {
        self.log.iter()
    }
}

fn forget(times: &mut VecDeque<Instant>, now: Instant) {
    while times.front().is_some_and(|time| now.saturating_duration_since(*time) >= SECOND) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sliding_second_admits_the_limit_and_no_more() {
        let mut traffic = Traffic::new(Some(10));
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert!((0..10).all(|step| traffic.admit(at(step * 50))));
        assert!(!traffic.admit(at(999)), "the eleventh in 999 ms");
        assert!(traffic.admit(at(1000)), "the first left the window");
        assert!(!traffic.admit(at(1049)), "the second is still in it");
        assert_eq!(traffic.counters().refused, 2);
        assert_eq!(traffic.counters().most_in_a_second, 12, "refused ones are seen too");
    }
}
