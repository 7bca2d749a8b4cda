//! One act on many. Invariant: what is done is exactly what the filter named a moment ago, at most
//! 1000 at a time; each that was left is told with the reason; one row in the audit log for all.

use super::{Act, Bulk, Done, LeftOver, done, needed, word};
use crate::desk::needs::{NeedFilter, NeedKind};
use crate::desk::{Actor, Desk, Error, Note, Right};
use crate::pipeline::mend::{self, Retry};
use serde_json::{Value, json};

const MOST: usize = 1000;

impl Desk {
    /// One act on everything that a filter names, at most 1000 at a time.
    ///
    /// # Errors
    /// The actor may not; the filter makes no sense; the store's.
    pub async fn bulk(&self, actor: &Actor, bulk: &Bulk) -> Result<Done, Error> {
        let detail = json!({
            "ids": bulk.ids, "flow": bulk.flow, "connection": bulk.connection,
            "reason": bulk.reason, "why": bulk.why,
        });
        let note = Note::done(bulk.act.word(), "many").with(detail);
        let (desk, who, bulk) = (self.clone(), actor.name.clone(), bulk.clone());
        let work = async move {
            let (done, meant) = desk.many(&bulk, who).await?;
            let came = came_of(&done, &meant);
            Ok((done, came))
        };
        self.act_and_tell(actor, Right::Act, note, work).await
    }

    /// What was done, and what was meant.
    async fn many(&self, bulk: &Bulk, who: String) -> Result<(Done, Vec<i64>), Error> {
        let kinds = match bulk.act {
            Act::Retry => [NeedKind::Job].as_slice(),
            Act::Skip => &[NeedKind::Job, NeedKind::Unknown],
            Act::Reread | Act::Dismiss => &[NeedKind::Delivery],
            _ => {
                let why = "`retry`, `skip`, `reread` and `dismiss` can be done to many";
                return Err(Error::Invalid(vec![("act".to_owned(), why.to_owned())]));
            }
        };
        let must = matches!(bulk.act, Act::Skip | Act::Dismiss);
        let why = bulk.why.as_deref();
        let why = if must { Some(needed(why)?) } else { word(why)? };
        let (ids, more) = self.meant(bulk, kinds).await?;
        let pipeline = self.pipeline.fresh();
        let mut told = match bulk.act {
            // Without a number it would be all that there are.
            Act::Retry if ids.is_empty() => Done::default(),
            Act::Retry => {
                let asked = Retry { jobs: ids.clone(), who: Some(who), why, ..Retry::default() };
                done(mend::retry(&pipeline, &asked).await?)
            }
            Act::Skip => {
                let hand = (Some(who.as_str()), why.as_deref().unwrap_or_default());
                done(mend::skip(&pipeline, &ids, hand).await?)
            }
            _ => self.deliveries(&ids, why.filter(|_| bulk.act == Act::Dismiss)).await?,
        };
        told.more = more;
        Ok((told, ids))
    }

    /// The numbers that are meant, and whether there are more.
    async fn meant(&self, bulk: &Bulk, kinds: &[NeedKind]) -> Result<(Vec<i64>, bool), Error> {
        if !bulk.ids.is_empty() {
            let more = bulk.ids.len() > MOST;
            return Ok((bulk.ids.iter().copied().take(MOST).collect(), more));
        }
        let (mut ids, mut more) = (Vec::new(), false);
        for kind in kinds {
            let filter = NeedFilter {
                kind: Some(*kind),
                flow: bulk.flow.clone(),
                connection: bulk.connection.clone(),
                reason: bulk.reason.clone(),
            };
            let (rows, rest) = self.needing(&filter, MOST).await?;
            ids.extend(rows.iter().map(|need| need.id));
            more |= rest;
        }
        more |= ids.len() > MOST;
        ids.truncate(MOST);
        // In the order in which they came.
        ids.sort_unstable();
        Ok((ids, more))
    }

    /// Unreadable deliveries are dismissed with a word, or read again.
    async fn deliveries(&self, ids: &[i64], word: Option<String>) -> Result<Done, Error> {
        let store = &self.pipeline.store;
        let known: Vec<i64> = store.unreadable_of(ids).await?.iter().map(|held| held.id).collect();
        let strange = ids.iter().filter(|id| !known.contains(id));
        let why = "it is not unreadable".to_owned();
        let left = strange.map(|id| LeftOver { id: *id, why: why.clone() }).collect();
        let told = match word {
            Some(word) => {
                let rows = store.dismiss(&known, &word, self.pipeline.clock.now()).await?;
                tracing::info!(rows, "unreadable rows were dismissed by a person");
                Done { ended: known, left, rows, ..Done::default() }
            }
            None => {
                let rows = store.reread_these(&known).await?;
                tracing::info!(rows, "unreadable rows are read again");
                self.pipeline.wake.route.notify_one();
                Done { left, rows, ..Done::default() }
            }
        };
        Ok(told)
    }

    /// One unreadable delivery is read again.
    ///
    /// # Errors
    /// As of [`Desk::dismiss`].
    pub async fn reread(&self, actor: &Actor, delivery: i64) -> Result<Done, Error> {
        let note = Note::done(Act::Reread.word(), format!("delivery:{delivery}"));
        let desk = self.clone();
        let work = async move { only(desk.deliveries(&[delivery], None).await?) };
        self.act(actor, Right::Act, note, work).await
    }

    /// One unreadable delivery rests; `why` is needed.
    ///
    /// # Errors
    /// The actor may not; it is not unreadable; the store's.
    pub async fn dismiss(&self, actor: &Actor, delivery: i64, why: &str) -> Result<Done, Error> {
        let note = Note::done(Act::Dismiss.word(), format!("delivery:{delivery}"));
        let note = note.with(json!({ "why": why }));
        let (desk, why) = (self.clone(), why.to_owned());
        let work = async move {
            let why = needed(Some(&why))?;
            only(desk.deliveries(&[delivery], Some(why)).await?)
        };
        self.act(actor, Right::Act, note, work).await
    }
}

/// What became of each, for the log: `MOST` numbers of a kind at most, as there are of an act.
fn came_of(done: &Done, meant: &[i64]) -> Value {
    let some = |ids: &[i64]| ids.iter().copied().take(MOST).collect::<Vec<_>>();
    let left: Vec<i64> = done.left.iter().map(|left| left.id).collect();
    json!({
        "ids": some(meant), "waiting": some(&done.waiting), "ended": some(&done.ended), "left": some(&left),
        "rows": done.rows, "more": done.more,
    })
}

fn only(told: Done) -> Result<Done, Error> {
    match told.left.first() {
        Some(left) => Err(Error::Conflict(left.why.clone())),
        None => Ok(told),
    }
}
