//! Recorded decisions are weighed against other flows. Invariant: reads only; page by page, so that
//! memory stays flat however much is kept, and in the order in which it was decided.

use crate::domain::Recorded;
use crate::rules::Book;
use crate::rules::replay::{Kind, Weighed, weigh};
use crate::store::{Error, Span, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

/// Decisions of one page.
const PAGE: u32 = 500;

/// What a replay came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Decisions that were weighed.
    pub decisions: u64,
    pub same: u64,
    /// In what they differ → how many.
    pub differ: BTreeMap<Kind, u64>,
    /// Why what was kept does not tell → how many.
    pub untold: BTreeMap<String, u64>,
    /// Their flow was stopped or not there: no rule was asked then.
    pub rested: u64,
    /// Flow that is not there any more → how many.
    pub gone: BTreeMap<String, u64>,
    /// Flow that has never decided anything → events that it would listen to: no facts were read.
    pub unheard: BTreeMap<String, u64>,
}

impl Summary {
    fn count(&mut self, recorded: &Recorded, weighed: &Weighed) {
        self.decisions += 1;
        let counted = match weighed {
            Weighed::Same => &mut self.same,
            Weighed::Rested => &mut self.rested,
            Weighed::Differs(difference) => self.differ.entry(difference.kind).or_default(),
            Weighed::Untold(why) => self.untold.entry(why.clone()).or_default(),
            Weighed::Gone => self.gone.entry(recorded.flow.clone()).or_default(),
        };
        *counted += 1;
    }
}

/// Weighs every decision of a span; `see` gets each page as it comes.
///
/// # Errors
/// The store's.
pub async fn replay(
    store: &Store,
    book: &Arc<Book>,
    span: &Span,
    mut see: impl FnMut(&[(Recorded, Weighed)]),
) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let (mut page, mut mark) = store.recorded(span, span.start(), PAGE).await?;
    while !page.is_empty() {
        let book = Arc::clone(book);
        #[expect(clippy::disallowed_methods, reason = "one page at a time")]
        let weighing = tokio::task::spawn_blocking(move || weigh_page(&book, page));
        // The next page is read while this one is weighed.
        let (weighed, next) = tokio::join!(weighing, store.recorded(span, mark, PAGE));
        let weighed = weighed.map_err(|error| Error::Unavailable(error.to_string()))?;
        for (recorded, weighed) in &weighed {
            summary.count(recorded, weighed);
        }
        see(&weighed);
        (page, mark) = next?;
    }
    unheard(store, book, span, &mut summary).await?;
    Ok(summary)
}

/// All cores weigh; the order stays.
fn weigh_page(book: &Book, page: Vec<Recorded>) -> Vec<(Recorded, Weighed)> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = page.len().div_ceil(workers).max(1);
    let weighed: Vec<Weighed> = thread::scope(|scope| {
        let shares: Vec<_> = page
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().map(|one| weigh(book, one)).collect()))
            .collect();
        let joined = |share: thread::ScopedJoinHandle<'_, Vec<Weighed>>| match share.join() {
            Ok(weighed) => weighed,
            Err(broken) => std::panic::resume_unwind(broken),
        };
        shares.into_iter().flat_map(joined).collect()
    });
    page.into_iter().zip(weighed).collect()
}

/// Flows of this set that have never decided anything: there are no facts to decide from.
async fn unheard(
    store: &Store,
    book: &Book,
    span: &Span,
    summary: &mut Summary,
) -> Result<(), Error> {
    let asked = |name: &String| span.flows.is_empty() || span.flows.contains(name);
    for bound in book.flows().iter().filter(|bound| asked(&bound.name)) {
        if store.flow_known(&bound.name).await? {
            continue;
        }
        let trigger = &bound.flow.on;
        let from = bound.connections(&trigger.role);
        let events = store.events_of(&trigger.event, from, span).await?;
        if events > 0 {
            summary.unheard.insert(bound.name.clone(), events);
        }
    }
    Ok(())
}
