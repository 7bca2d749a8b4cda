//! Random choices that a seed repeats (splitmix64). Invariant: the same seed, the same choices.

use leadlink::sandbox::{Fault, Faults, Rule, Side};

pub struct Dice {
    pub seed: u64,
    state: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw() % end.max(1)
    }

    /// A number of `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let last = items.len() as u64;
        &items[self.below(last) as usize]
    }

    /// Some of the faults, each with its own chance, most of them at the side that is written to.
    pub fn faults(&mut self, written: Side) -> Faults {
        let mut rules = Vec::new();
        let kinds = [
            Fault::LostAnswer,
            Fault::Error503,
            Fault::ResetBefore,
            Fault::Html502,
            Fault::Empty500,
            Fault::Garbage,
        ];
        let other = match written {
            Side::Retailcrm => Side::Calltouch,
            Side::Calltouch | Side::Chats | Side::Chatapi | Side::Telegram => Side::Retailcrm,
        };
        if self.percent(60) {
            // Most kills fall into the time between a write and its answer.
            let mut rule = Rule::sometimes(written, Fault::Slow, 0.7);
            rule.method = Some("POST".to_owned());
            rule.ms = self.between(50, 400);
            rules.push(rule);
        }
        for _ in 0..self.below(4) {
            let fault = *self.pick(&kinds);
            let side = *self.pick(&[written, written, other]);
            let chance = self.between(5, 50) as f64 / 100.0;
            let mut rule = Rule::sometimes(side, fault, chance);
            // A gateway that gave up on an application that did not.
            rule.after_commit =
                matches!(fault, Fault::Html502 | Fault::Empty500) && self.percent(50);
            if side == written && self.percent(60) {
                rule.method = Some("POST".to_owned());
            }
            rules.push(rule);
        }
        Faults { seed: self.throw(), rules }
    }
}
