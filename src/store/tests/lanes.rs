//! Lanes against a model that is too simple to be wrong. Invariant: never two holders, due order in
//! each lane, nobody starves.
#![cfg(test)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn jobs_of_a_lane_follow_each_other_and_other_lanes_run_beside() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x", "y"], 3).await?;
    db.job("b", "call:2", &["x"], 1).await?;
    db.job("a", "call:3", &["y"], 4).await?;
    db.job("a", "call:4", &["z"], 4).await?;
    db.job("a", "call:5", &["x"], 99).await?;
    let first = db.claim(9, 10).await?;
    let keys: Vec<_> = first.iter().map(|claimed| claimed.event.key.as_str()).collect();
    assert_eq!(keys, ["call:2", "call:4"], "call:3 waits behind call:1, which waits for call:2");
    let skip = || decided(Verdict::Skip, &[]);
    db.store.begin(first[0].fence, skip(), at(10)).await?;
    let second = db.claim_one(10).await?;
    assert_eq!(second.event.key, "call:1");
    assert_eq!(db.store.next_due(&[]).await?, None, "call:3 and call:5 wait for lanes");
    db.store.begin(second.fence, skip(), at(10)).await?;
    assert_eq!(db.store.next_due(&[]).await?, Some(at(4)));
    assert_eq!(db.claim_one(10).await?.event.key, "call:3");
    Ok(())
}

#[tokio::test]
async fn equal_times_go_by_registration() -> Tested {
    let db = Db::new().await?;
    for (key, registered) in [("call:1", 5), ("call:2", 2), ("call:3", 2)] {
        let draft = JobDraft { registered: at(registered), ..draft("a", key, &["x"], 10) };
        db.routed(&one(key), vec![JobChange::New(draft)]).await?;
    }
    for key in ["call:2", "call:3", "call:1"] {
        let claimed = db.claim_one(10).await?;
        assert_eq!(claimed.event.key, key);
        db.store.begin(claimed.fence, decided(Verdict::Skip, &[]), at(10)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn closed_flows_wait_and_others_do_not() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 1).await?;
    db.job("b", "call:2", &["y"], 2).await?;
    let closed = ["a".to_owned(), "elsewhere".to_owned()];
    assert_eq!(db.store.next_due(&closed).await?, Some(at(2)));
    let claimed = db.store.claim("me", 9, &closed, LEASE, at(5)).await?;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].flow, "b");
    assert_eq!(db.store.next_due(&closed).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_hot_lane_does_not_hide_the_others() -> Tested {
    let db = Db::new().await?;
    let judge: Judge = Arc::new(|event, _| {
        let lane = if event.key == "call:calm" { "calm" } else { "hot" };
        let due = if event.key == "call:calm" { 9 } else { 1 };
        vec![JobChange::New(draft("a", &event.key, &[lane], due))]
    });
    let mut events: Vec<Event> = (0..1500).map(|n| one(&format!("call:{n}"))).collect();
    events.push(one("call:calm"));
    db.store.accept(vec![raw("all")], None).await?;
    let id = db.store.unrouted(1).await?[0].id;
    db.store.route(vec![(id, Reading::Events(events))], judge, at(0)).await?;
    let claimed = db.claim(2, 10).await?;
    let keys: Vec<_> = claimed.iter().map(|claimed| claimed.event.key.as_str()).collect();
    assert_eq!(keys, ["call:0", "call:calm"]);
    assert_eq!(
        db.number("select count(*) as n from job where ready = 0 and state = 'waiting'").await?,
        1499
    );
    db.store.begin(claimed[0].fence, decided(Verdict::Skip, &[]), at(10)).await?;
    assert_eq!(db.claim_one(10).await?.event.key, "call:1");
    Ok(())
}

#[tokio::test]
async fn a_busy_extra_lane_sends_back_without_storing_and_in_its_old_place() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["x"], 1).await?;
    db.job("a", "call:2", &["y"], 2).await?;
    db.job("a", "call:3", &["y"], 3).await?;
    let both = db.claim(9, 5).await?;
    assert_eq!(both.len(), 2);
    let busy = db.store.begin(both[1].fence, act(&["create"], &["x"]), at(5)).await?;
    assert_eq!(busy, Fenced::Yes(Begun::LaneBusy));
    assert_eq!(db.number("select count(*) as n from decision").await?, 0);
    assert!(db.claim(9, 6).await?.is_empty(), "call:3 stays behind call:2");
    assert_eq!(db.store.next_due(&[]).await?, None, "nothing to spin on");
    db.store.begin(both[0].fence, decided(Verdict::Skip, &[]), at(7)).await?;
    let second = db.claim_one(7).await?;
    assert_eq!((second.event.key.as_str(), second.due), ("call:2", at(2)));
    let begun = db.store.begin(second.fence, act(&["create"], &["x", "z"]), at(7)).await?;
    assert!(matches!(begun, Fenced::Yes(Begun::Started(_))), "{begun:?}");
    assert_eq!(db.number("select count(*) as n from lane_hold").await?, 3);
    Ok(())
}

#[tokio::test]
async fn facts_that_are_older_than_a_write_in_the_lane_are_read_anew() -> Tested {
    let db = Db::new().await?;
    db.job("a", "call:1", &["phone"], 1).await?;
    db.job("a", "call:2", &["email"], 1).await?;
    let both = db.claim(9, 5).await?;
    assert_eq!(both.len(), 2);
    // Both read the facts of one customer; the first one writes and lets go.
    let begun = db.store.begin(both[0].fence, act(&["edit"], &["customer"]), at(6)).await?;
    let Fenced::Yes(Begun::Started(ids)) = begun else { return Err("not started".into()) };
    let done = finished(ids[0], StepState::Done);
    db.store.finish(both[0].fence, done, end(JobState::Acted), at(7)).await?;
    let begun = db.store.begin(both[1].fence, act(&["edit"], &["customer"]), at(8)).await?;
    assert_eq!(begun, Fenced::Yes(Begun::LaneBusy));
    assert_eq!(db.number("select count(*) as n from decision").await?, 1);
    // Claimed anew it holds the lane while it reads.
    let again = db.claim_one(8).await?;
    assert_eq!(again.event.key, "call:2");
    let begun = db.store.begin(again.fence, act(&["edit"], &["customer"]), at(8)).await?;
    assert!(matches!(begun, Fenced::Yes(Begun::Started(_))), "{begun:?}");
    Ok(())
}

/// What may happen next. Jobs are chosen by position among those that are there.
#[derive(Debug, Clone)]
enum Happens {
    Arrives { lanes: BTreeSet<u8>, due: i64, flow: bool },
    Changes { at: usize, lanes: BTreeSet<u8>, due: i64 },
    Passes(i64),
    Claims(u32),
    Ends { at: usize, stuck: bool },
    PutOff { at: usize, by: i64, counted: bool },
    Acts { at: usize, lanes: BTreeSet<u8>, again: Option<i64> },
    Expires,
}

fn happens() -> impl Strategy<Value = Happens> {
    let lanes = || prop::collection::btree_set(0..4u8, 0..3);
    let at = || 0..64usize;
    prop_oneof![
        4 => (lanes(), 0..30i64, any::<bool>())
            .prop_map(|(lanes, due, flow)| Happens::Arrives { lanes, due, flow }),
        1 => (at(), lanes(), 0..30i64)
            .prop_map(|(at, lanes, due)| Happens::Changes { at, lanes, due }),
        2 => (1..8i64).prop_map(Happens::Passes),
        4 => (1..4u32).prop_map(Happens::Claims),
        3 => (at(), any::<bool>()).prop_map(|(at, stuck)| Happens::Ends { at, stuck }),
        2 => (at(), 0..9i64, any::<bool>())
            .prop_map(|(at, by, counted)| Happens::PutOff { at, by, counted }),
        3 => (at(), lanes(), prop::option::of(0..9i64))
            .prop_map(|(at, lanes, again)| Happens::Acts { at, lanes, again }),
        1 => Just(Happens::Expires),
    ]
}

#[derive(Debug, Clone)]
struct Modelled {
    lanes: BTreeSet<u8>,
    due: i64,
    first_due: Option<i64>,
    tries: u32,
    waiting: bool,
    holds: bool,
    flow: bool,
    claimed: i64,
    /// While it is being decided.
    fence: Option<Fence>,
}

/// Jobs by number, which is also the order of their ids.
struct Model {
    db: Db,
    jobs: BTreeMap<usize, Modelled>,
    /// Of every job that wrote: its lanes, and when it last did.
    wrote: BTreeMap<usize, (BTreeSet<u8>, i64)>,
    arrived: usize,
    now: i64,
}

fn names(lanes: &BTreeSet<u8>) -> Vec<String> {
    lanes.iter().map(|lane| format!("lane-{lane}")).collect()
}

impl Model {
    /// Which jobs may be claimed, said in the plainest way.
    fn claimable(&self) -> Vec<usize> {
        let mut due: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.waiting && job.due <= self.now)
            .map(|(number, job)| (job.due, *number, job))
            .collect();
        due.sort_by_key(|(due, number, _)| (*due, *number));
        let mut free = Vec::new();
        for (at, (_, number, job)) in due.iter().enumerate() {
            let shares = |other: &Modelled| !other.lanes.is_disjoint(&job.lanes);
            let held =
                self.jobs.iter().any(|(n, other)| n != number && other.holds && shares(other));
            let behind = !job.holds && due[..at].iter().any(|(_, _, earlier)| shares(earlier));
            if !held && !behind {
                free.push(*number);
            }
        }
        free
    }

    fn deciding(&self, at: usize) -> Option<(usize, Fence)> {
        let all: Vec<_> = self.jobs.iter().filter_map(|(n, job)| Some((*n, job.fence?))).collect();
        (!all.is_empty()).then(|| all[at % all.len()])
    }

    fn put_back(&mut self, number: usize, due: i64, counted: bool) {
        if let Some(job) = self.jobs.get_mut(&number) {
            job.waiting = true;
            job.fence = None;
            job.due = due;
            job.tries += u32::from(counted);
            job.holds = job.tries > 0;
        }
    }

    async fn step(&mut self, happens: Happens) -> Tested {
        match happens {
            Happens::Arrives { lanes, due, flow } => self.arrive(lanes, due, flow).await,
            Happens::Changes { at, lanes, due } => self.change(at, lanes, due).await,
            Happens::Passes(seconds) => {
                self.now += seconds;
                Ok(())
            }
            Happens::Claims(limit) => self.claim(limit).await,
            Happens::Ends { at, stuck } => {
                let Some((number, fence)) = self.deciding(at) else { return Ok(()) };
                if stuck {
                    self.writes(number);
                }
                self.jobs.remove(&number);
                if stuck {
                    let begun = self.db.store.begin(fence, act(&["s"], &[]), super::at(self.now));
                    let Fenced::Yes(Begun::Started(ids)) = begun.await? else {
                        return Err("not started".into());
                    };
                    let finished = finished(ids[0], StepState::Refused);
                    let next = end(JobState::Stuck);
                    self.db.store.finish(fence, finished, next, super::at(self.now)).await?;
                } else {
                    let skip = decided(Verdict::Skip, &[]);
                    self.db.store.begin(fence, skip, super::at(self.now)).await?;
                }
                Ok(())
            }
            Happens::PutOff { at, by, counted } => {
                let Some((number, fence)) = self.deciding(at) else { return Ok(()) };
                let (due, now) = (super::at(self.now + by), super::at(self.now));
                let put = self.db.store.put_off(fence, due, "later", counted, now).await?;
                assert_eq!(put, Fenced::Yes(()));
                self.put_back(number, self.now + by, counted);
                Ok(())
            }
            Happens::Acts { at, lanes, again } => self.act(at, lanes, again).await,
            Happens::Expires => self.expire().await,
        }
    }

    async fn arrive(&mut self, lanes: BTreeSet<u8>, due: i64, flow: bool) -> Tested {
        let key = format!("call:{}", self.arrived);
        let due = self.now + due;
        let draft = JobDraft {
            flow: if flow { "b" } else { "a" }.to_owned(),
            merge_key: key.clone(),
            due: super::at(due),
            registered: super::at(0),
            lanes: names(&lanes),
        };
        self.db.routed(&one(&key), vec![JobChange::New(draft)]).await?;
        let job = Modelled {
            lanes,
            due,
            first_due: None,
            tries: 0,
            waiting: true,
            holds: false,
            flow,
            claimed: 0,
            fence: None,
        };
        self.jobs.insert(self.arrived, job);
        self.arrived += 1;
        Ok(())
    }

    async fn change(&mut self, at: usize, lanes: BTreeSet<u8>, due: i64) -> Tested {
        if self.arrived == 0 {
            return Ok(());
        }
        let number = at % self.arrived;
        let key = format!("call:{number}");
        let due = self.now + due;
        let flow = self.jobs.get(&number).is_some_and(|job| job.flow);
        let draft = JobDraft {
            flow: if flow { "b" } else { "a" }.to_owned(),
            merge_key: key.clone(),
            due: super::at(due),
            registered: super::at(0),
            lanes: names(&lanes),
        };
        self.db.routed(&one(&key), vec![JobChange::Update(draft)]).await?;
        if let Some(job) = self.jobs.get_mut(&number)
            && job.waiting
            && job.tries == 0
            && !job.holds
        {
            job.lanes = lanes;
            if job.first_due.is_none() {
                job.due = due;
            }
        }
        Ok(())
    }

    async fn claim(&mut self, limit: u32) -> Tested {
        let mut expected = self.claimable();
        expected.truncate(limit as usize);
        let claimed = self.db.claim(limit, self.now).await?;
        let got: Vec<usize> = claimed
            .iter()
            .filter_map(|claimed| claimed.event.key.strip_prefix("call:")?.parse().ok())
            .collect();
        assert_eq!(got, expected);
        for (number, claimed) in got.into_iter().zip(claimed) {
            if let Some(job) = self.jobs.get_mut(&number) {
                job.first_due.get_or_insert(job.due);
                (job.waiting, job.holds, job.fence) = (false, true, Some(claimed.fence));
                job.claimed = self.now;
            }
        }
        let unheld = "select count(*) as n from job j join job_lane m on m.job_id = j.id \
            left join lane_hold h on h.lane = m.lane and h.job_id = j.id \
            where j.state = 'deciding' and h.lane is null";
        assert_eq!(self.db.number(unheld).await?, 0, "whoever is deciding holds all its lanes");
        Ok(())
    }

    fn writes(&mut self, number: usize) {
        if let Some(job) = self.jobs.get(&number) {
            self.wrote.insert(number, (job.lanes.clone(), self.now));
        }
    }

    /// Has another job written in one of these lanes since this one was claimed without it?
    fn stale(&self, number: usize, lanes: &BTreeSet<u8>) -> bool {
        let Some(job) = self.jobs.get(&number) else { return false };
        let fresh: BTreeSet<u8> = lanes.difference(&job.lanes).copied().collect();
        self.wrote.iter().any(|(n, (others, when))| {
            *n != number && *when >= job.claimed && !others.is_disjoint(&fresh)
        })
    }

    async fn act(&mut self, at: usize, lanes: BTreeSet<u8>, again: Option<i64>) -> Tested {
        let Some((number, fence)) = self.deciding(at) else { return Ok(()) };
        let now = super::at(self.now);
        let extra: Vec<String> = names(&lanes);
        let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
        let busy = self
            .jobs
            .iter()
            .any(|(n, other)| *n != number && other.holds && !other.lanes.is_disjoint(&lanes));
        let busy = busy || self.stale(number, &lanes);
        let begun = self.db.store.begin(fence, act(&["s"], &extra), now).await?;
        let Some(job) = self.jobs.get_mut(&number) else { return Ok(()) };
        job.lanes.extend(lanes);
        if let Some((held, _)) = self.wrote.get_mut(&number) {
            held.clone_from(&job.lanes);
        }
        let ids = match begun {
            Fenced::Yes(Begun::Started(ids)) => ids,
            other => {
                assert_eq!((other, busy), (Fenced::Yes(Begun::LaneBusy), true));
                (job.waiting, job.holds, job.fence) = (true, false, None);
                job.due = job.first_due.unwrap_or(job.due);
                return Ok(());
            }
        };
        assert!(!busy);
        self.writes(number);
        match again {
            None => {
                let done = finished(ids[0], StepState::Done);
                self.db.store.finish(fence, done, end(JobState::Acted), now).await?;
                self.jobs.remove(&number);
            }
            Some(by) => {
                let due = super::at(self.now + by);
                let next = Next::Again { due, why: "503".to_owned() };
                let later = finished(ids[0], StepState::Waiting);
                self.db.store.finish(fence, later, next, now).await?;
                self.put_back(number, self.now + by, true);
            }
        }
        Ok(())
    }

    /// Every lease runs out; those jobs keep their lanes.
    async fn expire(&mut self) -> Tested {
        self.now += 16;
        let swept = self.db.store.sweep(super::at(self.now)).await?;
        let mut lost = 0;
        for job in self.jobs.values_mut().filter(|job| job.fence.is_some()) {
            (job.waiting, job.holds, job.fence, job.due) = (true, true, None, self.now);
            lost += 1;
        }
        assert_eq!(swept, lost);
        Ok(())
    }

    /// Everything that is left comes to its end in a bounded number of rounds.
    async fn drain(&mut self) -> Tested {
        self.now += 100;
        for _ in 0..=2 * self.arrived {
            self.claim(64).await?;
            while self.deciding(0).is_some() {
                self.step(Happens::Ends { at: 0, stuck: false }).await?;
            }
        }
        assert!(self.jobs.is_empty(), "starved: {:?}", self.jobs);
        assert_eq!(self.db.number("select count(*) as n from lane_hold").await?, 0);
        assert_eq!(self.db.store.next_due(&[]).await?, None);
        Ok(())
    }
}

async fn play(story: Vec<Happens>) -> Tested {
    let mut model = Model {
        db: Db::new().await?,
        jobs: BTreeMap::new(),
        wrote: BTreeMap::new(),
        arrived: 0,
        now: 0,
    };
    for happens in story {
        model.step(happens).await?;
    }
    model.drain().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn claims_are_those_of_the_model(story in prop::collection::vec(happens(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let played = runtime.block_on(play(story));
        prop_assert!(played.is_ok(), "{:?}", played.map_err(|error| error.to_string()));
    }
}
