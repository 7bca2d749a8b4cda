//! Writing deals: what comes while a request waits for its turn goes with it, up to 100 in one.
//! Invariant: each write is answered once and for itself; one whose caller is gone, or whose tenure
//! ended, before it is sent is not sent; nothing here outlives the connection.
//!
//! There is a task for each of the two writes while something waits for it. A request that waits for
//! background work alone takes the turn of background work, until somebody live comes.

use super::client::Api;
use super::deal::{self, Manner, Way};
use super::judge::{self, Judged, Said};
use super::offer::BATCH;
use super::queue::{self, Queue, Ready};
use crate::connectors::http::{NOT_OURS, Pass, Turn, in_background, is_background};
use crate::connectors::port::Preview;
use crate::domain::plan::has_hole;
use crate::domain::{Delay, Effect, Outcome};
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

/// What all public clients of Calltouch ask for at most, in minutes: taken where more is refused.
const SHALLOW: u32 = 262_800;

/// The deals of one connection.
pub struct Deals {
    desk: Arc<Desk>,
}

/// What the tasks share.
struct Desk {
    api: Arc<Api>,
    zone: TimeZone,
    depth: AtomicU32,
    held: Mutex<Held>,
    /// Somebody live came.
    live: Notify,
}

#[derive(Default)]
struct Held {
    queue: Queue<Work>,
    tasks: BTreeMap<Way, AbortHandle>,
}

type Item = queue::Item<Work>;

/// What is to be written, and who waits for it.
struct Work {
    input: Map<String, Value>,
    /// Calltouch said that the deal is there already.
    existed: bool,
    creates: bool,
    pass: Pass,
    answer: oneshot::Sender<Outcome>,
}

impl Deals {
    pub fn new(api: Arc<Api>, zone: TimeZone, depth: u32) -> Self {
        let desk = Desk {
            api,
            zone,
            depth: AtomicU32::new(depth),
            held: Mutex::default(),
            live: Notify::new(),
        };
        Self { desk: Arc::new(desk) }
    }

    /// How many writes wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.desk.held().queue.len()
    }

    pub fn preview(&self, effect: &Effect) -> Preview {
        deal::preview(effect, &self.desk.manner())
    }

    /// Sends the deal with others, and waits for what is said of it.
    pub async fn perform(&self, effect: &Effect) -> Outcome {
        let Some(way) = Way::of(&effect.operation) else {
            let why = format!("calltouch performs no operation `{}`", effect.operation);
            return Outcome::Refused(why);
        };
        if effect.input.values().any(has_hole) {
            return Outcome::Refused("an input still waits for an earlier step".into());
        }
        if let Err(why) = deal::order(way, &effect.input, &self.desk.manner()) {
            return Outcome::Refused(why);
        }
        let Some(pass) = self.desk.api.client.pass() else { return not_ours() };
        let (answer, answered) = oneshot::channel();
        let work = Work {
            input: effect.input.clone(),
            existed: false,
            creates: way == Way::Create,
            pass,
            answer,
        };
        self.desk.push(Item {
            place: 0,
            id: deal::id(&effect.input).unwrap_or_default(),
            way,
            background: is_background(),
            work,
        });
        answered.await.unwrap_or_else(|_| {
            Outcome::Unknown(Delay::connection("the connection was closed meanwhile"))
        })
    }
}

impl Drop for Deals {
    fn drop(&mut self) {
        for task in self.desk.held().tasks.values() {
            task.abort();
        }
    }
}

fn not_ours() -> Outcome {
    Outcome::Later(Delay::connection(NOT_OURS))
}

impl Desk {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manner(&self) -> Manner {
        Manner { zone: self.zone.clone(), depth: self.depth.load(Ordering::Relaxed) }
    }

    fn push(self: &Arc<Self>, item: Item) {
        let (way, live) = (item.way, !item.background);
        self.held().queue.push(item);
        if live {
            self.live.notify_waiters();
        }
        self.wake(way);
    }

    /// Sees to it that somebody sends what may go.
    fn wake(self: &Arc<Self>, way: Way) {
        let mut held = self.held();
        if held.queue.ready(way) != Ready::Nothing && !held.tasks.contains_key(&way) {
            let task = tokio::spawn(Arc::clone(self).work(way));
            held.tasks.insert(way, task.abort_handle());
        }
    }

    fn wake_all(self: &Arc<Self>) {
        for way in Way::ALL {
            self.wake(way);
        }
    }

    async fn work(self: Arc<Self>, way: Way) {
        while self.goes_on(way) {
            match self.turn(way).await {
                Some(turn) => {
                    let most = usize::try_from(BATCH).unwrap_or(usize::MAX);
                    let batch = self.held().queue.take(way, most);
                    self.send(way, turn, batch).await;
                }
                None => self.sort_out(),
            }
        }
    }

    /// Is there more to send? If not, the task ends.
    fn goes_on(self: &Arc<Self>, way: Way) -> bool {
        self.sort_out();
        self.wake_all();
        let mut held = self.held();
        let goes_on = held.queue.ready(way) != Ready::Nothing;
        if !goes_on {
            held.tasks.remove(&way);
        }
        goes_on
    }

    /// What nobody waits for any more, or what is another process's now, goes.
    fn sort_out(&self) {
        let out = self.held().queue.sort_out(|item| self.is_wanted(item));
        for item in out {
            drop(item.work.answer.send(not_ours()));
        }
    }

    fn is_wanted(&self, item: &Item) -> bool {
        !item.work.answer.is_closed() && self.api.client.holds(&item.work.pass)
    }

    /// The turn of what waits. `None`: this process may not send now.
    async fn turn(&self, way: Way) -> Option<Turn> {
        loop {
            let live = self.live.notified();
            tokio::pin!(live);
            // Whoever comes from here on is heard.
            live.as_mut().enable();
            if self.held().queue.ready(way) == Ready::Live {
                return self.api.client.turn().await;
            }
            tokio::select! {
                turn = in_background(self.api.client.turn()) => return turn,
                () = live => {}
            }
        }
    }

    /// Sends a batch, and the halves of one that is refused as a whole, until each item is answered.
    async fn send(self: &Arc<Self>, way: Way, first: Turn, batch: Vec<Item>) {
        let mut turn = Some(first);
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let part = self.still_wanted(part);
            if part.is_empty() {
                continue;
            }
            let waits = part.iter().all(|item| item.background);
            let turn = match turn.take() {
                Some(turn) => Some(turn),
                None if waits => in_background(self.api.client.turn()).await,
                None => self.api.client.turn().await,
            };
            let part = self.still_wanted(part);
            match turn {
                Some(turn) if !part.is_empty() => {
                    parts.extend(self.send_part(way, turn, part).await);
                }
                Some(_) => {}
                None => self.all(part, &not_ours()),
            }
        }
        self.wake_all();
    }

    /// Sends one request; what is to be sent again comes back, in parts.
    async fn send_part(&self, way: Way, turn: Turn, part: Vec<Item>) -> Vec<Vec<Item>> {
        let manner = self.manner();
        let orders = part.iter().map(|item| {
            // It was built before: it can be built.
            deal::order(way, &item.work.input, &manner).unwrap_or_default()
        });
        let answer = self.api.post(turn, way.path(), deal::body(way, orders.collect())).await;
        let numbers: Vec<&str> = part.iter().map(|item| item.id.as_str()).collect();
        match judge::judge(&answer, &numbers, self.token()) {
            Judged::Refused(why) if self.blames_depth(&why, manner.depth) => return vec![part],
            Judged::Refused(_) if part.len() > 1 => {
                let mut first = part;
                let second = first.split_off(first.len() / 2);
                return vec![second, first];
            }
            Judged::Refused(why) => self.all_refused(part, &why),
            Judged::Later(delay) => self.all(part, &Outcome::Later(delay)),
            Judged::Unknown(delay) => self.all(part, &Outcome::Unknown(delay)),
            Judged::Each(said) => {
                for (item, said) in part.into_iter().zip(said) {
                    self.one(item, said, manner.depth);
                }
            }
        }
        Vec::new()
    }

    /// What is said of one item.
    fn one(&self, mut item: Item, said: Said, depth: u32) {
        match said {
            Said::Done(id) => {
                let mut output = json!({ "id": item.id, "calltouch_id": id });
                if item.work.creates {
                    output["existed"] = item.work.existed.into();
                }
                self.answer(item, Outcome::Done(output));
            }
            Said::Exists(_) if item.way == Way::Create => {
                // Its place is kept: no other write of the deal comes between.
                item.way = Way::Update;
                item.work.existed = true;
                self.held().queue.back(item);
            }
            Said::Refused(why) if self.blames_depth(&why, depth) => self.held().queue.back(item),
            Said::Exists(why) | Said::Refused(why) => self.all_refused(vec![item], &why),
            Said::Silence => {
                let delay = Delay::item("Calltouch's answer says nothing of this deal");
                self.answer(item, Outcome::Unknown(delay));
            }
        }
    }

    /// Is it the depth that is refused? From now on a lesser one is asked for.
    fn blames_depth(&self, why: &str, sent: u32) -> bool {
        let blames = sent > SHALLOW && judge::blames_depth(why);
        if blames && self.depth.swap(SHALLOW, Ordering::Relaxed) != SHALLOW {
            tracing::warn!(
                site = self.api.site_id,
                "Calltouch refuses a search_depth of {sent} minutes: {SHALLOW} from now on"
            );
        }
        blames
    }

    fn still_wanted(&self, part: Vec<Item>) -> Vec<Item> {
        let (wanted, out): (Vec<_>, Vec<_>) =
            part.into_iter().partition(|item| self.is_wanted(item));
        self.all(out, &not_ours());
        wanted
    }

    fn all(&self, part: Vec<Item>, outcome: &Outcome) {
        for item in part {
            self.answer(item, outcome.clone());
        }
    }

    fn all_refused(&self, part: Vec<Item>, why: &str) {
        for item in part {
            let shown = judge::shown(why, self.token(), &private(&item.work.input));
            let said = if item.work.existed {
                "knows the deal, but refuses to update it"
            } else {
                "refuses the deal"
            };
            self.answer(item, Outcome::Refused(format!("Calltouch {said}: {shown}")));
        }
    }

    fn answer(&self, item: Item, outcome: Outcome) {
        self.held().queue.done(item.place, &item.id);
        // Who asked may be gone.
        drop(item.work.answer.send(outcome));
    }

    fn token(&self) -> &str {
        self.api.token.expose_secret()
    }
}

/// The texts of a deal that name people.
fn private(input: &Map<String, Value>) -> Vec<String> {
    let lists = ["phones", "emails"].iter().filter_map(|name| input.get(*name)?.as_array());
    let contacts = lists.flatten().filter_map(Value::as_str).map(str::to_owned);
    contacts.chain(deal::text(input, "manager")).collect()
}
