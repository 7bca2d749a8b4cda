//! Problems as people and scripts read them. Invariant: nothing is dropped; the order is file,
//! position, then severity, whatever order they were found in.

use super::{Place, Problem, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::ops::Range;

/// All problems, each with file:line:column, the text underlined, and the mend as help.
pub fn render(problems: &[Problem], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut shown = String::new();
    for problem in sorted(problems) {
        let mut group: Group<'_> = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        }
        .primary_title(problem.title.as_str())
        .elements(None::<Snippet<'_, annotate_snippets::Annotation<'_>>>);
        if let Some(place) = &problem.place {
            let mut mark = AnnotationKind::Primary.span(within(place));
            if !problem.label.is_empty() {
                mark = mark.label(problem.label.as_str());
            }
            group = group.element(
                Snippet::source(&*place.source.text).path(&*place.source.name).annotation(mark),
            );
        } else if !problem.label.is_empty() {
            group = group.element(Level::NOTE.message(problem.label.as_str()));
        }
        if !problem.mend.is_empty() {
            group = group.element(Level::HELP.message(problem.mend.as_str()));
        }
        shown.push_str(renderer.render(&[group]).trim_end());
        shown.push_str("\n\n");
    }
    shown
}

/// The problem for `check --json`; `file`, `line` and `column` are null where there is no place.
pub fn to_json(problem: &Problem) -> Value {
    let at = problem.place.as_ref().map(line_col);
    json!({
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "file": problem.place.as_ref().map(|place| place.source.name.to_string()),
        "line": at.map(|(line, _)| line),
        "column": at.map(|(_, column)| column),
        "title": problem.title,
        "label": problem.label,
        "mend": problem.mend,
    })
}

/// Line and column of the first underlined character, both from 1; columns count characters.
pub fn line_col(place: &Place) -> (usize, usize) {
    let before = &place.source.text[..within(place).start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// By file, position, then errors first. What has no file comes last.
pub fn sorted(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| {
        let place = problem.place.as_ref();
        (
            place.is_none(),
            place.map(|place| place.source.name.clone()),
            place.map(|place| place.span.start),
            Reverse(problem.severity),
        )
    });
    sorted
}

/// The span, moved to character borders inside the text, so that no place can panic.
fn within(place: &Place) -> Range<usize> {
    let text = &place.source.text;
    let border = |at: usize| {
        let at = at.min(text.len());
        (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
    };
    let start = border(place.span.start);
    start..border(place.span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Source;

    fn source() -> Source {
        Source::new("mappings/a.toml", "delay = \"1 mn\"\nимя = \"Звонок\"\n")
    }

    #[test]
    fn places_count_characters_and_survive_any_span() {
        let at = |span| line_col(&Place { source: source(), span });
        assert_eq!(at(8..14), (1, 9));
        let zvonok = source().text.find("\"З").unwrap_or(0);
        assert_eq!(at(zvonok..zvonok + 1), (2, 7));
        assert_eq!(at(16..17), (2, 1), "inside a character: its beginning");
        assert_eq!(at(900..901).0, 3);
    }

    #[test]
    fn problems_are_rendered_in_file_order_with_their_mends() {
        let problems = [
            Problem::error("no place").mend("set LEADLINK_X"),
            Problem::note("second").at(&source(), 15..21).label("here"),
            Problem::error("flow.delay: `1 mn` is no duration")
                .at(&source(), 8..14)
                .label("no duration")
                .mend("write `1m`"),
        ];
        insta::assert_snapshot!(render(&problems, false));
        assert!(render(&problems, true).contains('\u{1b}'));
        assert_eq!(to_json(&problems[2])["line"], 1);
        assert_eq!(to_json(&problems[0])["file"], Value::Null);
    }
}
