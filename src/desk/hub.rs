//! Who looks at a page hears when something of it changed. Invariant: a word only saves waiting: it
//! may be one too many, and whoever misses one hears by the slow look; never more than two a second
//! of a topic.

use crate::store::{Marks, Store};
use futures_util::{Stream, StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, broadcast};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_util::sync::CancellationToken;

/// What may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    Overview,
    Leads,
    Deals,
    Messages,
    Needs,
    Flows,
    Connections,
    /// By the event's key.
    Story(String),
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overview => f.write_str("overview"),
            Self::Leads => f.write_str("leads"),
            Self::Deals => f.write_str("deals"),
            Self::Messages => f.write_str("messages"),
            Self::Needs => f.write_str("needs"),
            Self::Flows => f.write_str("flows"),
            Self::Connections => f.write_str("connections"),
            Self::Story(key) => write!(f, "story:{key}"),
        }
    }
}

impl FromStr for Topic {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "overview" => Self::Overview,
            "leads" => Self::Leads,
            "deals" => Self::Deals,
            "messages" => Self::Messages,
            "needs" => Self::Needs,
            "flows" => Self::Flows,
            "connections" => Self::Connections,
            other => match other.strip_prefix("story:") {
                Some(key) if !key.is_empty() => Self::Story(key.to_owned()),
                _ => return Err(()),
            },
        })
    }
}

/// How long a topic is silent after a word of it.
const GAP: Duration = Duration::from_millis(500);
/// The same of those that change with everything that happens.
const LONG_GAP: Duration = Duration::from_secs(2);
/// Without a word the marks are looked at so often, as long as somebody listens.
const LOOK: Duration = Duration::from_secs(5);
/// What changed so lately may have been missed by a page that was made before.
const LATELY: Duration = Duration::from_secs(5);
/// Streams of one person; a browser has few connections, and each tab takes one.
const STREAMS: usize = 24;
/// Words that wait for a slow reader.
const QUEUE: usize = 256;

/// One of each process.
#[derive(Debug)]
pub struct Hub {
    words: broadcast::Sender<Topic>,
    heard: Mutex<Heard>,
    /// Somebody came to listen.
    came: Notify,
    over: CancellationToken,
}

/// Who listens to what.
#[derive(Debug, Default)]
struct Heard {
    topics: BTreeMap<Topic, usize>,
    people: BTreeMap<String, usize>,
    /// When the last word of a topic was said, since the marks are looked at.
    said: BTreeMap<Topic, Instant>,
    /// Since when they are looked at without a pause.
    looked_since: Option<Instant>,
}

impl Default for Hub {
    fn default() -> Self {
        let (words, _) = broadcast::channel(QUEUE);
        Self { words, heard: Mutex::default(), came: Notify::new(), over: CancellationToken::new() }
    }
}

impl Hub {
    /// A word each time that something of these topics changed; at once where it may have changed
    /// while a page was on its way. Ends when the process stops.
    pub fn listen(
        self: &Arc<Self>,
        topics: Vec<Topic>,
    ) -> impl Stream<Item = Topic> + Send + 'static {
        let words = BroadcastStream::new(self.words.subscribe());
        let place = Place::take(self, topics.clone());
        let missed = self.missed(&topics);
        let later = words.flat_map(move |word| {
            // The guard of the place lives as long as the stream.
            let _listening = &place;
            let said = match word {
                Ok(word) => topics.iter().filter(|topic| **topic == word).cloned().collect(),
                Err(BroadcastStreamRecvError::Lagged(_)) => topics.clone(),
            };
            stream::iter(said)
        });
        stream::iter(missed).chain(later).take_until(self.over.clone().cancelled_owned())
    }

    /// Room for one more stream of this person, given back when it is dropped.
    pub fn seat(self: &Arc<Self>, person: &str) -> Option<Seat> {
        let mut heard = self.heard();
        let taken = heard.people.entry(person.to_owned()).or_default();
        if *taken >= STREAMS {
            return None;
        }
        *taken += 1;
        Some(Seat { hub: Arc::clone(self), person: person.to_owned() })
    }

    /// Lets all go who listen.
    pub fn end(&self) {
        self.over.cancel();
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missed(&self, topics: &[Topic]) -> Vec<Topic> {
        let heard = self.heard();
        let unknown = heard.looked_since.is_none_or(|since| since.elapsed() < LATELY);
        let lately = |topic: &&Topic| heard.said.get(topic).is_some_and(|at| at.elapsed() < LATELY);
        let story = |topic: &&Topic| matches!(topic, Topic::Story(_));
        let missed = topics.iter().filter(|topic| unknown || story(topic) || lately(topic));
        missed.cloned().collect()
    }

    fn is_heard(&self) -> bool {
        !self.heard().topics.is_empty()
    }

    fn stories(&self) -> Vec<String> {
        let story = |topic: &Topic| match topic {
            Topic::Story(key) => Some(key.clone()),
            _ => None,
        };
        self.heard().topics.keys().filter_map(story).collect()
    }
}

/// Counts who listens to a topic.
struct Place {
    hub: Arc<Hub>,
    topics: Vec<Topic>,
}

impl Place {
    fn take(hub: &Arc<Hub>, topics: Vec<Topic>) -> Self {
        let mut heard = hub.heard();
        for topic in &topics {
            *heard.topics.entry(topic.clone()).or_default() += 1;
        }
        drop(heard);
        hub.came.notify_one();
        Self { hub: Arc::clone(hub), topics }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut heard = self.hub.heard();
        for topic in &self.topics {
            leave(&mut heard.topics, topic);
        }
    }
}

/// A stream's room among those of its person.
#[derive(Debug)]
pub struct Seat {
    hub: Arc<Hub>,
    person: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        leave(&mut self.hub.heard().people, &self.person);
    }
}

fn leave<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Looks at the marks while somebody listens, and tells other processes of our writes, until the hub
/// ends.
pub async fn keep(hub: Arc<Hub>, store: Store) {
    let over = hub.over.clone();
    tokio::select! {
        () = over.cancelled() => {}
        () = look_on(&hub, &store) => {}
        () = tell_others(&store) => {}
    }
}

async fn tell_others(store: &Store) {
    let mut written = store.written();
    while store.is_shared() && written.changed().await.is_ok() {
        if let Err(error) = store.tell_written().await {
            tracing::debug!(%error, "others are not told; they look by themselves");
        }
        tokio::time::sleep(GAP).await;
    }
    std::future::pending::<()>().await;
}

async fn look_on(hub: &Hub, store: &Store) {
    let (mut written, mut afar) = (store.written(), store.afar());
    let mut looker = Looker::default();
    loop {
        if !hub.is_heard() {
            // Who goes from one page to the next is back at once.
            let back = tokio::time::timeout(LOOK * 6, hub.came.notified());
            if !looker.is_blind() && back.await.is_ok() {
                continue;
            }
            looker = Looker::default();
            afar.rest();
            hub.heard().looked_since = None;
            hub.heard().said.clear();
            while !hub.is_heard() {
                hub.came.notified().await;
            }
        }
        written.mark_unchanged();
        if let Err(error) = looker.look(hub, store).await {
            tracing::debug!(%error, "the marks cannot be read; they are looked at again");
        }
        tokio::time::sleep(GAP).await;
        let pause = if looker.pending.is_empty() { LOOK } else { GAP };
        tokio::select! {
            _ = written.changed() => {}
            () = afar.next() => {}
            () = hub.came.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What was seen last, and what is to be said.
#[derive(Default)]
struct Looker {
    marks: Option<Marks>,
    stories: BTreeMap<String, [i64; 4]>,
    pending: BTreeSet<Topic>,
}

impl Looker {
    fn is_blind(&self) -> bool {
        self.marks.is_none()
    }

    async fn look(&mut self, hub: &Hub, store: &Store) -> Result<(), crate::store::Error> {
        let marks = store.marks().await?;
        let heard = hub.stories();
        self.stories.retain(|key, _| heard.contains(key));
        for key in heard {
            let seen = store.story_marks(&key).await?;
            // The first look is no change: who comes is told so by itself.
            if self.stories.insert(key.clone(), seen).is_some_and(|was| was != seen) {
                self.pending.insert(Topic::Story(key));
            }
        }
        match self.marks.replace(marks.clone()) {
            Some(was) => self.pending.extend(changed(&was, &marks)),
            None => hub.heard().looked_since = Some(Instant::now()),
        }
        let mut heard = hub.heard();
        let due = |topic: &Topic| heard.said.get(topic).is_none_or(|at| at.elapsed() >= gap(topic));
        let said: Vec<Topic> = self.pending.iter().filter(|topic| due(topic)).cloned().collect();
        for topic in said {
            self.pending.remove(&topic);
            heard.said.insert(topic.clone(), Instant::now());
            // An error means that nobody listens right now.
            let _unheard = hub.words.send(topic);
        }
        heard.said.retain(|_, at| at.elapsed() < LATELY);
        Ok(())
    }
}

fn gap(topic: &Topic) -> Duration {
    match topic {
        Topic::Overview | Topic::Flows | Topic::Connections => LONG_GAP,
        _ => GAP,
    }
}

/// The topics of which something differs.
fn changed(was: &Marks, is: &Marks) -> Vec<Topic> {
    if was == is {
        return Vec::new();
    }
    let differ = |marks: &[fn(&Marks) -> i64]| marks.iter().any(|mark| mark(was) != mark(is));
    let mut topics = vec![Topic::Overview];
    if differ(&[|m| m.leads, |m| m.events, |m| m.jobs, |m| m.decisions, |m| m.ended, |m| m.stuck]) {
        topics.push(Topic::Leads);
    }
    if differ(&[|m| m.entities, |m| m.events, |m| m.attempts, |m| m.ended]) {
        topics.push(Topic::Deals);
        topics.push(Topic::Messages);
    }
    let house = differ(&[|m| m.states, |m| m.loaded, |m| m.refused, |m| m.looked]);
    if house || differ(&[|m| m.unreadable, |m| m.doubtful, |m| m.stuck, |m| m.mends]) {
        topics.push(Topic::Needs);
    }
    // What waits of each, and what was decided last.
    if differ(&[|m| m.switches, |m| m.loaded, |m| m.refused])
        || differ(&[|m| m.jobs, |m| m.decisions, |m| m.ended, |m| m.stuck])
    {
        topics.push(Topic::Flows);
    }
    if house || differ(&[|m| m.attempts, |m| m.raws]) {
        topics.push(Topic::Connections);
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_back_as_it_is_written() {
        for word in ["overview", "leads", "needs", "story:call:17"] {
            assert_eq!(word.parse::<Topic>().map(|topic| topic.to_string()), Ok(word.to_owned()));
        }
        assert_eq!("story:".parse::<Topic>(), Err(()));
        assert_eq!("people".parse::<Topic>(), Err(()));
    }

    #[test]
    fn only_what_differs_is_told() {
        let was = Marks::default();
        assert_eq!(changed(&was, &was), []);
        let parked = Marks { stuck: 1, ..was.clone() };
        let told = [Topic::Overview, Topic::Leads, Topic::Needs, Topic::Flows];
        assert_eq!(changed(&was, &parked), told);
        let told = [Topic::Overview, Topic::Needs, Topic::Connections];
        for house in [Marks { states: 1, ..was.clone() }, Marks { looked: 1, ..was.clone() }] {
            assert_eq!(changed(&was, &house), told, "{house:?}");
        }
        let refused = Marks { refused: 1, ..was.clone() };
        assert!(changed(&was, &refused).contains(&Topic::Needs));
        let decided = Marks { decisions: 1, ..was.clone() };
        assert!(changed(&was, &decided).contains(&Topic::Flows));
        let stopped = Marks { switches: 9, ..was.clone() };
        assert_eq!(changed(&was, &stopped), [Topic::Overview, Topic::Flows]);
    }

    #[tokio::test]
    async fn a_person_has_only_so_many_streams_and_an_end_ends_them() {
        let hub = Arc::new(Hub::default());
        let seats: Vec<_> = (0..STREAMS).filter_map(|_| hub.seat("one")).collect();
        assert_eq!(seats.len(), STREAMS);
        assert!(hub.seat("one").is_none() && hub.seat("two").is_some());
        drop(seats);
        assert!(hub.seat("one").is_some() && hub.heard().people.is_empty());
        let mut stream = Box::pin(hub.listen(vec![Topic::Leads]));
        assert!(hub.is_heard());
        // Nobody has looked yet: it may have changed.
        assert_eq!(stream.next().await, Some(Topic::Leads));
        let _heard = hub.words.send(Topic::Deals);
        let _heard = hub.words.send(Topic::Leads);
        assert_eq!(stream.next().await, Some(Topic::Leads));
        hub.end();
        assert_eq!(stream.next().await, None);
        drop(stream);
        assert!(!hub.is_heard());
    }
}
