//! A flow's text, read and checked as `leadlink check` does it. Invariant: reads no file but those of
//! the mappings folder; what is wrong is told with its place, and a wrong text is never run.

use super::{CaseView, ProblemView, SourceLine, tokens};
use crate::config::FlowSettings;
use crate::diagnosis::{Problem, Severity, Source, has_errors, line_col, sorted};
use crate::mapping::grammar::{self, Shelf};
use crate::mapping::{self, Bound, Flow};
use crate::rules::{Book, cases};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What became of a text.
pub(super) struct Reading {
    /// The instance, bound as the one that it stands for.
    pub bound: Bound,
    pub problems: Vec<ProblemView>,
    pub lines: Vec<SourceLine>,
    pub cases: Vec<CaseView>,
    /// No problem is an error, and every case passes.
    pub sound: bool,
}

/// Cases of all files that are not played in this time are left out.
const PATIENCE: Duration = Duration::from_secs(20);

/// The text of this instance's file as it is on disk.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn on_disk(dir: &Path, bound: &Bound) -> Result<Source, Box<Problem>> {
    mapping::file_of(dir, Path::new(&*bound.flow.source.name))
}

/// Reads a text as the file of this instance.
pub(super) fn read(
    source: &Source,
    shelf: &Shelf,
    (book, old): (&Book, &Bound),
    (given, until): (Option<&FlowSettings>, Instant),
) -> Reading {
    let (mut flow, mut problems) = grammar::read(source, shelf);
    flow.broken = has_errors(&problems);
    let (bound, laid) = bind(Arc::new(flow), old, given);
    problems.extend(laid);
    let offer = |role: &str| book.offer(bound.connection(role)?);
    problems.extend(mapping::check(&bound, &offer));
    let whole = bound.unbound().is_empty();
    let runs = whole && !has_errors(&problems);
    let play = |case| played((book, &bound), case, source, runs.then_some(until));
    let cases: Vec<CaseView> = bound.flow.cases.iter().map(play).collect();
    let sound = !has_errors(&problems) && cases.iter().all(|case| case.passed || !whole);
    let views: Vec<ProblemView> = sorted(&problems).into_iter().map(view).collect();
    let spans: Vec<Option<Range<usize>>> =
        sorted(&problems).into_iter().map(|problem| span(problem, source)).collect();
    let lines = tokens::lines(&source.text, &views, &spans);
    Reading { problems: views, lines, cases, sound, bound }
}

/// A new text in the place of an instance's file.
fn bind(flow: Arc<Flow>, old: &Bound, given: Option<&FlowSettings>) -> (Bound, Vec<Problem>) {
    let mut settings: serde_json::Map<_, _> = flow.constants().collect();
    let mut problems = Vec::new();
    for (key, plain) in given.map(|given| &given.settings).into_iter().flatten() {
        let typed = plain.typed.as_deref().map(serde_json::Value::from);
        let laid = mapping::laid(&flow, key, &plain.value).or_else(|problem| match typed {
            Some(text) => mapping::laid(&flow, key, &text).map_err(|_| problem),
            None => Err(problem),
        });
        match laid {
            Ok(value) => {
                settings.insert(key.clone(), value);
            }
            Err(problem) if !flow.broken => problems.push(*problem),
            Err(_) => {}
        }
    }
    let bound = Bound {
        delay: given.and_then(|given| given.delay).unwrap_or(flow.delay),
        max_age: given.and_then(|given| given.max_age).unwrap_or(flow.max_age),
        settings,
        flow,
        ..old.clone()
    };
    (bound, problems)
}

fn played(
    (book, bound): (&Book, &Bound),
    case: &mapping::Case,
    source: &Source,
    until: Option<Instant>,
) -> CaseView {
    let before = source.text.get(..case.span.start).unwrap_or_default();
    let runs = until.is_some_and(|until| Instant::now() < until);
    let complaints = if runs { cases::complaints(book, bound, case) } else { Vec::new() };
    let unrun = || match until {
        Some(_) => "it was not run: the cases before it took too long".to_owned(),
        None => "it was not run: the file has errors, or a role is not bound".to_owned(),
    };
    CaseView {
        name: case.name.clone(),
        line: before.matches('\n').count() + 1,
        passed: runs && complaints.is_empty(),
        why: if runs {
            (!complaints.is_empty()).then(|| complaints.join("; "))
        } else {
            Some(unrun())
        },
    }
}

/// Its place in this text.
fn span(problem: &Problem, source: &Source) -> Option<Range<usize>> {
    let place = problem.place.as_ref().filter(|place| place.source.name == source.name)?;
    let text = &source.text;
    let border = |at: usize| {
        let at = at.min(text.len());
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let start = border(place.span.start);
    Some(start..border(place.span.end).max(start))
}

/// A problem as people and scripts are shown it.
pub(super) fn view(problem: &Problem) -> ProblemView {
    let at = problem.place.as_ref().map(line_col);
    let length = problem.place.as_ref().and_then(|place| place.source.text.get(place.span.clone()));
    let first = length.and_then(|text| text.lines().next());
    ProblemView {
        severity: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
        .to_owned(),
        file: problem.place.as_ref().map(|place| place.source.name.to_string()),
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
        length: first.map_or(0, |text| text.chars().count()),
        title: problem.title.clone(),
        label: problem.label.clone(),
        mend: problem.mend.clone(),
    }
}

/// The wanted instances, each as its file is on disk; of one that cannot be read, why.
pub(super) fn all<'a>(
    dir: &Path,
    book: &Book,
    wanted: impl Iterator<Item = &'a Bound>,
    given: &BTreeMap<String, FlowSettings>,
) -> BTreeMap<String, Result<Reading, Box<Problem>>> {
    let (shelf, until) = (mapping::shelf(dir), Instant::now() + PATIENCE);
    let one = |bound: &Bound| {
        let reading = on_disk(dir, bound)
            .map(|source| read(&source, &shelf, (book, bound), (given.get(&bound.name), until)));
        (bound.name.clone(), reading)
    };
    wanted.map(one).collect()
}
