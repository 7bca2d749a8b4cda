//! "Try on the last 100 events": what a text would have decided about what is recorded. Invariant:
//! writes nothing, asks no far side, and ends in time, whatever the text says.

use super::{Trial, TrialDifference, instance, read};
use crate::desk::acts::{after, changed, verdict};
use crate::desk::story::story_id;
use crate::desk::{Actor, Desk, Error, Note, Right};
use crate::diagnosis::Source;
use crate::domain::Recorded;
use crate::mapping;
use crate::rules::Book;
use crate::rules::replay::{Difference, Weighed, weigh};
use serde_json::json;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Decisions of one trial.
const MOST: u32 = 1000;
/// A flow's file has at most so many bytes.
const LARGEST: usize = 1 << 20;
/// Cases that are not run and decisions that are not weighed in this time are left out.
const PATIENCE: Duration = Duration::from_secs(10);
/// One at a time: each takes a processor.
static TRIALS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

impl Desk {
    /// What this source text (none: what is on disk) would have decided about the last `most`
    /// recorded decisions of the flow, at most 1000. Writes nothing.
    ///
    /// # Errors
    /// There is no such flow, or the store's.
    pub async fn try_flow(
        &self,
        actor: &Actor,
        name: &str,
        text: Option<&str>,
        most: u32,
    ) -> Result<Trial, Error> {
        let note = Note::done("flow.try", format!("flow:{name}")).with(json!({ "most": most }));
        let (desk, name, text) = (self.clone(), name.to_owned(), text.map(str::to_owned));
        let work = async move { desk.tried(&name, text.as_deref(), most).await };
        self.act(actor, Right::Act, note, work).await
    }

    async fn tried(&self, name: &str, text: Option<&str>, most: u32) -> Result<Trial, Error> {
        if text.is_some_and(|text| text.len() > LARGEST) {
            let why = "it is larger than 1 MiB".to_owned();
            return Err(Error::Invalid(vec![("text".to_owned(), why)]));
        }
        let look = self.look().await?;
        if instance(&look, name).is_none() {
            return Err(Error::NotFound(format!("flow {name}")));
        }
        let Ok(alone) = Arc::clone(&TRIALS).try_acquire_owned() else {
            return Err(Error::Conflict("another text is being tried: come again".to_owned()));
        };
        let most = most.clamp(1, MOST);
        let recorded = self.pipeline.store.recorded_last(name, most).await?;
        let (name, text) = (name.to_owned(), text.map(str::to_owned));
        #[expect(
            clippy::disallowed_methods,
            reason = "who may act tries one at a time, and it ends"
        )]
        let trial = tokio::task::spawn_blocking(move || {
            let _alone = alone;
            let until = Instant::now() + PATIENCE;
            let bound = instance(&look, &name)?;
            let dir = &look.papers.mappings;
            let source = match text {
                Some(text) => {
                    let text = text.replace("\r\n", "\n");
                    Ok(Source::new(&*bound.flow.source.name, text))
                }
                None => read::on_disk(dir, bound),
            };
            let mut trial = Trial { flow: name.clone(), ..Trial::default() };
            let source = match source {
                Ok(source) => source,
                Err(problem) => {
                    trial.problems.push(read::view(&problem));
                    return Some(trial);
                }
            };
            let given = look.papers.flows.get(&name);
            let book = &look.setup.book;
            let shelf = mapping::shelf(dir);
            let reading = read::read(&source, &shelf, (book, bound), (given, until));
            trial.problems = reading.problems;
            trial.source = reading.lines;
            trial.cases = reading.cases;
            trial.sound = reading.sound;
            // A case that fails may be what is to be changed; an error cannot be run.
            let errors = trial.problems.iter().any(|problem| problem.severity == "error");
            if !errors && reading.bound.unbound().is_empty() {
                weighed(&book.with_flows(vec![reading.bound]), &recorded, until, &mut trial);
            }
            Some(trial)
        });
        let trial = trial.await.map_err(|error| Error::Conflict(error.to_string()))?;
        trial.ok_or_else(|| Error::NotFound("flow".to_owned()))
    }
}

fn weighed(book: &Book, recorded: &[Recorded], until: Instant, trial: &mut Trial) {
    for one in recorded {
        if Instant::now() > until {
            trial.cut = true;
            return;
        }
        trial.decisions += 1;
        match weigh(book, one) {
            Weighed::Same => trial.same += 1,
            Weighed::Rested | Weighed::Gone => trial.rested += 1,
            Weighed::Untold(why) => {
                trial.untold += 1;
                *trial.untold_why.entry(why).or_default() += 1;
            }
            Weighed::Differs(found) => {
                trial.differ += 1;
                trial.differences.push(difference(one, &found));
            }
        }
    }
}

fn difference(recorded: &Recorded, found: &Difference) -> TrialDifference {
    TrialDifference {
        at: recorded.at,
        job: recorded.job,
        story: story_id(&recorded.event.connection, &recorded.event.key),
        event: recorded.event.key.clone(),
        what: found.kind.to_string(),
        changes: found.changes.iter().map(changed).collect(),
        was: verdict(&found.was),
        now: after(&found.now),
    }
}
