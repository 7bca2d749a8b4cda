//! The order of decisions. Invariant: it is read from the decisions that the store keeps.

use crate::crash::judge::Told;
use crate::crash::leads::key;
use crate::support::House;
use std::collections::BTreeMap;

/// A job as the store tells of it; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    first_due: i64,
    registered: i64,
    id: i64,
    event: String,
    created: i64,
    epoch: i64,
    tries: i64,
    /// When it was first claimed, if every claim but the last was counted as a try.
    claimed: i64,
    first_decided: i64,
    last_decided: i64,
}

/// Clocks of two processes differ by this while a test moves them one after the other.
const SKEW: i64 = 1000;

/// Jobs of one person were decided one after another, in the order in which they were due (and
/// registered): each one that was there when the other was begun. Answers how many pairs were looked
/// at. Leads that a journal told of too are left out, since their due time moves.
pub async fn is_kept(house: &House, told: &[Told]) -> usize {
    let mut jobs: BTreeMap<String, Vec<Job>> = BTreeMap::new();
    for job in jobs_of(house).await {
        jobs.entry(job.event.clone()).or_default().push(job);
    }
    let mut people: BTreeMap<usize, Vec<Job>> = BTreeMap::new();
    for lead in told.iter().filter(|told| !told.journal) {
        let own = jobs.get(&key(&lead.lead)).into_iter().flatten().cloned();
        people.entry(lead.person).or_default().extend(own);
    }
    let mut pairs = 0;
    for (person, mut own) in people {
        own.sort();
        for (at, later) in own.iter().enumerate() {
            for earlier in &own[..at] {
                let begun_once = later.epoch == later.tries + 1;
                if !begun_once || earlier.created + SKEW > later.claimed {
                    continue;
                }
                pairs += 1;
                assert!(
                    earlier.last_decided <= later.first_decided,
                    "person {person}: {later:?} was decided before {earlier:?}"
                );
            }
        }
    }
    pairs
}

async fn jobs_of(house: &House) -> Vec<Job> {
    let rows = house
        .sql(
            "select concat_ws('|', e.key, j.first_due, j.registered, j.id, j.created, j.epoch, j.tries, \
             coalesce(j.first_tried, j.claimed), min(d.created), max(d.created)) \
             from job j join event e on e.id = j.event_id join decision d on d.job_id = j.id \
             group by j.id, e.key",
        )
        .await;
    rows.iter().map(|row| job(row)).collect()
}

fn job(row: &str) -> Job {
    let mut words = row.split('|');
    let event = words.next().expect("a key").to_owned();
    let numbers: Vec<i64> = words.map(|word| word.parse().expect("a number")).collect();
    let [first_due, registered, id, created, epoch, tries, claimed, first_decided, last_decided] =
        numbers[..]
    else {
        panic!("nine numbers: {row}");
    };
    Job {
        first_due,
        registered,
        id,
        event,
        created,
        epoch,
        tries,
        claimed,
        first_decided,
        last_decided,
    }
}
