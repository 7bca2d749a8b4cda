//! When to try again. Invariant: pure; the jitter comes from a seed, so a schedule can be tested.

use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// What a far side may ask for at most.
const LONGEST_ASKED: Duration = Duration::from_secs(600);
/// From the start of a step with an unknown outcome to the first look, and to the second: far-side
/// lists lag behind what was written.
pub const SETTLE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// After the `tries`-th failed try (from 0): 1 s, doubling, at most 60 s, with jitter; never before
/// what the far side asked for.
pub fn after(tries: u32, seed: u64, asked: Option<Duration>) -> Duration {
    // The jitter of backon adds up to one whole delay: half of ours keeps the bound of 60 s.
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(tries.min(6)).unwrap_or(64)).min(LONGEST);
    let half = doubled / 2;
    let jittered = ExponentialBuilder::default()
        .with_min_delay(half)
        .with_max_delay(LONGEST)
        .with_max_times(1)
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
        .next()
        .unwrap_or(doubled);
    let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
    jittered.min(LONGEST).max(asked)
}

/// How long to wait between probes of a connection that has been in trouble for so long.
pub fn probe_after(trouble: Duration) -> Duration {
    const SHORT_WHILE: Duration = Duration::from_secs(300);
    if trouble < SHORT_WHILE { Duration::from_secs(5) } else { LONGEST }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn doubles_within_bounds(tries in 0_u32..1000, seed: u64) {
            let nominal = Duration::from_secs(1 << tries.min(6)).min(LONGEST);
            let wait = after(tries, seed, None);
            prop_assert!(wait >= nominal / 2 && wait <= nominal, "{wait:?} for {nominal:?}");
        }

        #[test]
        fn honours_what_was_asked_within_bounds(tries in 0_u32..20, seed: u64, asked in 0_u64..100_000) {
            let asked = Duration::from_secs(asked);
            let wait = after(tries, seed, Some(asked));
            prop_assert!(wait >= asked.min(LONGEST_ASKED) && wait <= LONGEST_ASKED);
        }
    }

    #[test]
    fn jitter_spreads() {
        let waits: std::collections::BTreeSet<_> =
            (0..100).map(|seed| after(3, seed, None)).collect();
        assert!(waits.len() > 50, "{}", waits.len());
    }

    #[test]
    fn probes_slow_down_and_never_end() {
        assert_eq!(probe_after(Duration::from_secs(299)), Duration::from_secs(5));
        assert_eq!(probe_after(Duration::from_secs(300)), LONGEST);
        assert_eq!(probe_after(Duration::from_secs(1_000_000)), LONGEST);
    }
}
