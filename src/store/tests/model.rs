//! Lanes against a model that is too simple to be wrong. Invariant: never two holders, due order in
//! each lane, nobody starves, and nobody oversleeps.
//!
//! `PROPTEST_CASES` sets how many stories are played; a failure prints the shortest that fails.
#![cfg(test)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What may happen next. Jobs are chosen by position among those that are there.
#[derive(Debug, Clone)]
enum Happens {
    Arrives {
        lanes: BTreeSet<u8>,
        due: i64,
        flow: bool,
    },
    /// Many at once, more than one look of a claim takes.
    Crowds {
        lanes: BTreeSet<u8>,
        due: i64,
        flow: bool,
        jobs: usize,
    },
    /// Another event for the merge key of a job.
    Joins {
        at: usize,
        lanes: BTreeSet<u8>,
        due: i64,
    },
    Changes {
        at: usize,
        lanes: BTreeSet<u8>,
        due: i64,
    },
    Passes(i64),
    Claims {
        limit: u32,
        closed: Option<bool>,
    },
    Ends {
        at: usize,
        how: How,
    },
    PutOff {
        at: usize,
        by: i64,
        counted: bool,
    },
    Acts {
        at: usize,
        lanes: BTreeSet<u8>,
        again: Option<i64>,
    },
    GivesBack {
        at: usize,
        by: i64,
    },
    Expires,
    Restarts,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Skips,
    Refused,
    Parks,
}

fn happens() -> impl Strategy<Value = Happens> {
    let lanes = || prop::collection::btree_set(0..4u8, 0..3);
    let at = || 0..64usize;
    let how = prop_oneof![3 => Just(How::Skips), 2 => Just(How::Refused), 1 => Just(How::Parks)];
    let closed = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    prop_oneof![
        16 => (lanes(), 0..30i64, any::<bool>())
            .prop_map(|(lanes, due, flow)| Happens::Arrives { lanes, due, flow }),
        1 => (lanes(), 0..4i64, any::<bool>(), 20..40usize)
            .prop_map(|(lanes, due, flow, jobs)| Happens::Crowds { lanes, due, flow, jobs }),
        3 => (at(), lanes(), 0..30i64)
            .prop_map(|(at, lanes, due)| Happens::Joins { at, lanes, due }),
        6 => (at(), lanes(), 0..30i64)
            .prop_map(|(at, lanes, due)| Happens::Changes { at, lanes, due }),
        8 => (1..8i64).prop_map(Happens::Passes),
        16 => (1..5u32, closed).prop_map(|(limit, closed)| Happens::Claims { limit, closed }),
        12 => (at(), how).prop_map(|(at, how)| Happens::Ends { at, how }),
        8 => (at(), 0..9i64, any::<bool>())
            .prop_map(|(at, by, counted)| Happens::PutOff { at, by, counted }),
        12 => (at(), lanes(), prop::option::of(0..9i64))
            .prop_map(|(at, lanes, again)| Happens::Acts { at, lanes, again }),
        3 => (at(), 0..9i64).prop_map(|(at, by)| Happens::GivesBack { at, by }),
        3 => Just(Happens::Expires),
        2 => Just(Happens::Restarts),
    ]
}

#[derive(Debug, Clone)]
struct Modelled {
    lanes: BTreeSet<u8>,
    due: i64,
    first_due: Option<i64>,
    tries: u32,
    waiting: bool,
    /// Of a job without lanes it says nothing.
    holds: bool,
    flow: bool,
    /// The number of the job whose merge key it has.
    merges: usize,
    claimed: i64,
    /// While it is being decided.
    fence: Option<Fence>,
}

/// Jobs by the number of their first event, which is also the order of their ids.
struct Model {
    db: Db,
    jobs: BTreeMap<usize, Modelled>,
    /// Of every job that wrote: its lanes, and when it last did.
    wrote: BTreeMap<usize, (BTreeSet<u8>, i64)>,
    /// The job of each event: its own, or the one that it joined.
    of_event: Vec<usize>,
    now: i64,
}

fn flow_name(flow: bool) -> String {
    if flow { "b" } else { "a" }.to_owned()
}

fn key(number: usize) -> String {
    format!("call:{number}")
}

impl Modelled {
    fn draft(&self) -> JobDraft {
        JobDraft {
            flow: flow_name(self.flow),
            merge_key: key(self.merges),
            due: at(self.due),
            registered: at(0),
            lanes: names(&self.lanes),
            settle: None,
        }
    }

    fn shares(&self, other: &Self) -> bool {
        !self.lanes.is_disjoint(&other.lanes)
    }

    /// It is taken back, with the lanes that it holds.
    fn taken_back(&mut self, due: i64) {
        (self.waiting, self.holds, self.fence, self.due) = (true, true, None, due);
    }
}

fn names(lanes: &BTreeSet<u8>) -> Vec<String> {
    lanes.iter().map(|lane| format!("lane-{lane}")).collect()
}

impl Model {
    /// Which jobs may be claimed at `now`, said in the plainest way.
    fn claimable(&self, now: i64) -> Vec<usize> {
        let mut due: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.waiting && job.due <= now)
            .map(|(number, job)| (job.due, *number, job))
            .collect();
        due.sort_by_key(|(due, number, _)| (*due, *number));
        let mut free = Vec::new();
        for (at, (_, number, job)) in due.iter().enumerate() {
            let mut others = self.jobs.iter().filter(|(n, _)| *n != number);
            let held = others.any(|(_, other)| other.holds && other.shares(job));
            let behind = !job.holds && due[..at].iter().any(|(_, _, earlier)| earlier.shares(job));
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
            Happens::Arrives { lanes, due, flow } => self.arrive(lanes, due, flow, 1).await,
            Happens::Crowds { lanes, due, flow, jobs } => self.arrive(lanes, due, flow, jobs).await,
            Happens::Joins { at, lanes, due } => self.join(at, lanes, due).await,
            Happens::Changes { at, lanes, due } => self.change(at, lanes, due).await,
            Happens::Passes(seconds) => {
                self.now += seconds;
                Ok(())
            }
            Happens::Claims { limit, closed } => self.claim(limit, closed).await,
            Happens::Ends { at, how } => self.end(at, how).await,
            Happens::PutOff { at, by, counted } => {
                let Some((number, fence)) = self.deciding(at) else { return Ok(()) };
                let (due, now) = (super::at(self.now + by), super::at(self.now));
                let put = self.db.store.put_off(fence, due, "later", counted, now).await?;
                assert_eq!(put, Fenced::Yes(()));
                self.put_back(number, self.now + by, counted);
                Ok(())
            }
            Happens::Acts { at, lanes, again } => self.act(at, lanes, again).await,
            Happens::GivesBack { at, by } => {
                let Some((number, fence)) = self.deciding(at) else { return Ok(()) };
                let (due, now) = (super::at(self.now + by), super::at(self.now));
                let given = self.db.store.give_back(fence, due, "a defect", now).await?;
                assert_eq!(given, Fenced::Yes(()));
                let due = self.now + by;
                self.jobs.entry(number).and_modify(|job| job.taken_back(due));
                Ok(())
            }
            Happens::Expires => {
                self.now += 16;
                let swept = self.db.store.sweep(super::at(self.now)).await?;
                assert_eq!(swept, self.take_back());
                Ok(())
            }
            Happens::Restarts => {
                self.db.store.close().await;
                let (url, now) = (url(&self.db.folder), super::at(self.now));
                self.db.store = super::opened(&url, now).await?;
                self.take_back();
                Ok(())
            }
        }
    }

    /// Every job that is being decided is taken back.
    fn take_back(&mut self) -> u64 {
        let mut lost = 0;
        for job in self.jobs.values_mut().filter(|job| job.fence.is_some()) {
            job.taken_back(self.now);
            lost += 1;
        }
        lost
    }

    async fn end(&mut self, at: usize, how: How) -> Tested {
        let Some((number, fence)) = self.deciding(at) else { return Ok(()) };
        if matches!(how, How::Refused) {
            self.writes(number);
        }
        self.jobs.remove(&number);
        let (store, now) = (&self.db.store, super::at(self.now));
        match how {
            How::Skips => {
                let begun = store.begin(fence, decided(Verdict::Skip, &[]), now).await?;
                assert_eq!(begun, Fenced::Yes(Begun::Ended));
            }
            How::Refused => {
                let begun = store.begin(fence, act(&["s"], &[]), now).await?;
                let Fenced::Yes(Begun::Started(ids)) = begun else {
                    return Err("not started".into());
                };
                let refused = finished(ids[0], StepState::Refused);
                store.finish(fence, refused, end(JobState::Stuck), now).await?;
            }
            How::Parks => {
                assert_eq!(store.park(fence, "a person must look", now).await?, Fenced::Yes(()));
            }
        }
        Ok(())
    }

    /// So many jobs at once, each for an event of its own.
    async fn arrive(&mut self, lanes: BTreeSet<u8>, due: i64, flow: bool, jobs: usize) -> Tested {
        let first = self.of_event.len();
        let mut drafts = BTreeMap::new();
        for number in first..first + jobs {
            let job = Modelled {
                lanes: lanes.clone(),
                due: self.now + due,
                first_due: None,
                tries: 0,
                waiting: true,
                holds: false,
                flow,
                merges: number,
                claimed: 0,
                fence: None,
            };
            drafts.insert(key(number), job.draft());
            self.jobs.insert(number, job);
            self.of_event.push(number);
        }
        let events = drafts.keys().map(|key| one(key));
        let mut events: Vec<Event> = events.collect();
        events.sort_by_key(|event| (event.key.len(), event.key.clone()));
        let judge: Judge = Arc::new(move |event, _| {
            drafts
                .get(&event.key)
                .cloned()
                .map(JobChange::New)
                .into_iter()
                .collect::<Vec<_>>()
                .into()
        });
        let raw = raw(&format!("from {first}"));
        self.db.store.accept(vec![raw], None).await?;
        let waiting = self.db.store.unrouted(1, None).await?;
        let batch = vec![(waiting[0].id, Reading::Events(events))];
        let routed = self.db.store.route(batch, judge, super::at(self.now)).await?;
        assert_eq!(routed.jobs, u64::try_from(jobs)?);
        Ok(())
    }

    /// A new event under the merge key of a job: one that waits and was never started covers it.
    async fn join(&mut self, at: usize, lanes: BTreeSet<u8>, due: i64) -> Tested {
        let Some(target) = self.jobs.values().nth(at % self.jobs.len().max(1)) else {
            return Ok(());
        };
        let (merges, flow) = (target.merges, target.flow);
        let number = self.of_event.len();
        let new = Modelled {
            lanes,
            due: self.now + due,
            first_due: None,
            tries: 0,
            waiting: true,
            holds: false,
            flow,
            merges,
            claimed: 0,
            fence: None,
        };
        let changes = vec![JobChange::New(new.draft())];
        let routed = self.db.routed(&one(&key(number)), changes).await?;
        let covers = self.jobs.iter_mut().find(|(_, job)| {
            job.merges == merges && job.flow == flow && job.waiting && job.first_due.is_none()
        });
        assert_eq!(routed.jobs, u64::from(covers.is_none()));
        if let Some((covering, job)) = covers {
            job.lanes.extend(new.lanes);
            job.due = job.due.min(new.due);
            self.of_event.push(*covering);
        } else {
            self.jobs.insert(number, new);
            self.of_event.push(number);
        }
        Ok(())
    }

    /// An event that is known comes again, fuller.
    async fn change(&mut self, at: usize, lanes: BTreeSet<u8>, due: i64) -> Tested {
        if self.of_event.is_empty() {
            return Ok(());
        }
        let event = at % self.of_event.len();
        let Some(job) = self.jobs.get_mut(&self.of_event[event]) else { return Ok(()) };
        let due = self.now + due;
        let draft = JobDraft { lanes: names(&lanes), due: super::at(due), ..job.draft() };
        self.db.routed(&one(&key(event)), vec![JobChange::Update(draft)]).await?;
        let holds = job.holds && !job.lanes.is_empty();
        if job.waiting && job.tries == 0 && !holds {
            // One that was taken back without lanes stands in those that were learnt since.
            (job.lanes, job.holds) = (lanes, false);
            if job.first_due.is_none() {
                job.due = due;
            }
        }
        Ok(())
    }

    async fn claim(&mut self, limit: u32, closed: Option<bool>) -> Tested {
        let mut expected = self.claimable(self.now);
        expected.retain(|number| Some(self.jobs[number].flow) != closed);
        expected.truncate(limit as usize);
        let closed: Vec<String> = closed.map(flow_name).into_iter().collect();
        let claimed = self.db.store.claim(&super::ME, limit, &closed, super::at(self.now)).await?;
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

    /// What holds after everything that happens. A job that the claim does not look at has a cause,
    /// and whoever waits for the next job to come due wakes in time.
    async fn check(&self) -> Tested {
        let forgotten = "select count(*) as n from job j \
            where j.state = 'waiting' and j.ready = 0 and not exists ( \
                select 1 from job_lane m join lane_hold h on h.lane = m.lane \
                where m.job_id = j.id and h.job_id <> j.id) \
            and not exists (select 1 from job_lane m join job_lane e on e.lane = m.lane \
                where m.job_id = j.id and e.job_id <> j.id and e.due is not null \
                and (e.due, e.registered, e.job_id) < (j.due, j.registered, j.id))";
        assert_eq!(self.db.number(forgotten).await?, 0, "not ready without a cause");
        let misplaced = "select count(*) as n from job j join job_lane m on m.job_id = j.id \
            where (j.state = 'waiting') <> (m.due is not null) \
                or m.due <> j.due or (m.due is not null and m.registered <> j.registered)";
        assert_eq!(self.db.number(misplaced).await?, 0, "it stands where it is due");
        let miscounted = "select count(*) as n from job_count c \
            where c.jobs <> (select count(*) from job j where j.state = c.state)";
        assert_eq!(self.db.number(miscounted).await?, 0, "counts are those of the table");
        let soonest = self
            .jobs
            .values()
            .filter(|job| job.waiting)
            .map(|job| job.due.max(self.now))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .find(|then| !self.claimable(*then).is_empty());
        if let Some(soonest) = soonest {
            let next = self.db.store.next_due(&[]).await?;
            assert!(next.is_some_and(|next| next <= super::at(soonest)), "{next:?}, {soonest}");
        }
        Ok(())
    }

    /// Everything that is left comes to its end in a bounded number of rounds.
    async fn drain(&mut self) -> Tested {
        self.now += 100;
        for _ in 0..=2 * self.of_event.len() {
            if self.jobs.is_empty() {
                break;
            }
            self.claim(64, None).await?;
            while self.deciding(0).is_some() {
                self.end(0, How::Skips).await?;
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
        of_event: Vec::new(),
        now: 0,
    };
    for happens in story {
        model.step(happens).await?;
        model.check().await?;
    }
    model.drain().await
}

/// Few for every change; `PROPTEST_CASES` for a long search.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn claims_are_those_of_the_model(story in prop::collection::vec(happens(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let played = runtime.block_on(play(story));
        prop_assert!(played.is_ok(), "{:?}", played.map_err(|error| error.to_string()));
    }
}
