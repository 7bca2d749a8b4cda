//! The text of a flow in pieces, for who highlights it: TOML, and Jinja in its strings. Invariant: all
//! pieces of a line together are the line, whatever stands in it; a text that is no TOML is cut up too.

use super::{ProblemView, SourceLine, SourcePart};
use std::ops::Range;

/// Keys whose texts are expressions without braces; so are all of `[let]`.
const EXPRESSIONS: [&str; 4] = ["when", "unless", "requires", "delay_from"];
const WORDS: [&str; 10] = ["if", "else", "not", "and", "or", "in", "is", "none", "true", "false"];

/// A piece: its class, and the bytes that it covers.
type Piece = (&'static str, Range<usize>);

/// The lines of a text. `spans`: where each of `problems` stands in it, in bytes.
pub(super) fn lines(
    text: &str,
    problems: &[ProblemView],
    spans: &[Option<Range<usize>>],
) -> Vec<SourceLine> {
    let pieces = pieces(text);
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for (number, line) in text.split('\n').enumerate() {
        let end = start + line.len();
        let mut marks: Vec<(usize, Range<usize>)> = Vec::new();
        for (index, span) in spans.iter().enumerate().take(problems.len()) {
            let Some(span) = span.as_ref().filter(|span| (start..=end).contains(&span.start))
            else {
                continue;
            };
            // Of what goes on below, the first line is underlined.
            marks.push((index, span.start..span.end.min(end)));
        }
        while at > 0 && pieces.get(at).is_none_or(|(_, range)| range.start > start) {
            at -= 1;
        }
        let mut parts = Vec::new();
        while let Some((class, range)) = pieces.get(at) {
            let inside = range.start.max(start)..range.end.min(end);
            if inside.start < inside.end {
                cut(text, class, inside, &marks, &mut parts);
            }
            if range.end > end {
                break;
            }
            at += 1;
        }
        let begin = marks.iter().map(|(index, _)| *index).collect();
        lines.push(SourceLine { number: number + 1, parts, problems: begin });
        start = end + 1;
    }
    // The line end at the end of a file begins no line.
    if lines.len() > 1 && text.ends_with('\n') {
        lines.pop();
    }
    lines
}

/// A piece, cut where problems begin and end.
fn cut(
    text: &str,
    class: &str,
    range: Range<usize>,
    marks: &[(usize, Range<usize>)],
    parts: &mut Vec<SourcePart>,
) {
    let mut at = range.start;
    while at < range.end {
        let inside = marks.iter().find(|(_, mark)| mark.contains(&at));
        let borders = marks.iter().flat_map(|(_, mark)| [mark.start, mark.end]);
        let next = borders.filter(|border| *border > at && *border < range.end).min();
        let mut end = next.unwrap_or(range.end);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        parts.push(SourcePart {
            class: class.to_owned(),
            text: text.get(at..end).unwrap_or_default().to_owned(),
            problem: inside.map(|(index, _)| *index),
        });
        at = end;
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut reader = Reader { text, at: 0, table: "", key: "", pieces: Vec::new() };
    while reader.at < text.len() {
        reader.step();
    }
    reader.pieces
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    table: &'a str,
    key: &'a str,
    pieces: Vec<Piece>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, class: &'static str, length: usize) {
        let end = self.at + length;
        if length > 0 {
            self.pieces.push((class, self.at..end));
        }
        self.at = end;
    }

    fn step(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        match first {
            '#' => self.push("comment", line_end(rest)),
            '"' | '\'' => self.string(rest, first),
            '[' if self.begins_line() => self.header(rest),
            '[' | ']' | '{' | '}' | ',' | '=' => self.push("mark", 1),
            letter if is_bare(letter) => self.bare(rest),
            _ => {
                let plain = |letter: char| !is_bare(letter) && !"#\"'[]{},=".contains(letter);
                let length = rest.find(|letter| !plain(letter)).unwrap_or(rest.len());
                self.push("plain", length.max(first.len_utf8()));
            }
        }
    }

    fn begins_line(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.rsplit('\n').next().is_none_or(|line| line.trim().is_empty())
    }

    fn header(&mut self, rest: &'a str) {
        let line = rest.get(..line_end(rest)).unwrap_or_default();
        let end = line.find('#').unwrap_or(line.len());
        let name = line.get(..end).unwrap_or_default().trim_end();
        self.table = name.trim_matches(['[', ']', ' ']);
        self.push("table", name.len());
    }

    fn bare(&mut self, rest: &'a str) {
        let end = rest.find(|letter| !is_bare(letter) && letter != '.' && letter != ':');
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let after = rest.get(word.len()..).unwrap_or_default().trim_start_matches([' ', '\t']);
        let class = match word {
            _ if after.starts_with('=') => {
                self.key = word.rsplit('.').next().unwrap_or_default();
                "key"
            }
            "true" | "false" => "flag",
            _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') => "number",
            _ => "plain",
        };
        self.push(class, word.len());
    }

    fn string(&mut self, rest: &'a str, quote: char) {
        let triple = if quote == '"' { "\"\"\"" } else { "'''" };
        let (open, close) = match rest.starts_with(triple) {
            true => (3, find_end(rest, 3, triple, quote == '"')),
            false => (1, find_end(rest, 1, &triple[..1], quote == '"')),
        };
        let length = close.map_or_else(
            // One that nobody closed ends with its line.
            || if open == 1 { line_end(rest) } else { rest.len() },
            |close| close + open,
        );
        let after = rest.get(length..).unwrap_or_default().trim_start_matches([' ', '\t']);
        if after.starts_with('=') {
            self.key = rest.get(open..close.unwrap_or(length)).unwrap_or_default();
            return self.push("key", length);
        }
        let end = self.at + length;
        let inner = close.map_or(end, |close| self.at + close);
        self.push("string", open.min(length));
        if EXPRESSIONS.contains(&self.key) || self.table == "let" {
            self.expression(inner);
        } else {
            self.phrase(inner);
        }
        let closing = end.saturating_sub(self.at);
        self.push("string", closing);
    }

    /// Text with expressions in braces.
    fn phrase(&mut self, end: usize) {
        while self.at < end {
            let inside = self.text.get(self.at..end).unwrap_or_default();
            let Some(open) = inside.find("{{") else { return self.push("string", inside.len()) };
            self.push("string", open);
            self.push("brace", 2);
            let inside = self.text.get(self.at..end).unwrap_or_default();
            let close = inside.find("}}");
            self.expression(close.map_or(end, |close| self.at + close));
            self.push("brace", if close.is_some() { 2 } else { 0 });
        }
    }

    fn expression(&mut self, end: usize) {
        let mut piped = false;
        while self.at < end {
            let inside = self.text.get(self.at..end).unwrap_or_default();
            let Some(first) = inside.chars().next() else { return };
            let run = |takes: fn(char) -> bool| {
                inside.find(|letter| !takes(letter)).unwrap_or(inside.len())
            };
            let (class, length) = match first {
                '\'' | '"' => {
                    let closed = inside.get(1..).and_then(|text| text.find(first));
                    ("text", closed.map_or(inside.len(), |at| at + 2))
                }
                letter if letter.is_whitespace() => ("plain", run(char::is_whitespace)),
                letter if letter.is_ascii_digit() => {
                    ("figure", run(|letter| letter.is_ascii_digit() || letter == '.'))
                }
                letter if letter.is_alphabetic() || letter == '_' => {
                    let length =
                        run(|letter| letter.is_alphanumeric() || letter == '_' || letter == '.');
                    let word = inside.get(..length).unwrap_or_default();
                    let class = match (piped, WORDS.contains(&word)) {
                        (true, _) => "filter",
                        (false, true) => "word",
                        (false, false) => "name",
                    };
                    (class, length)
                }
                other => ("sign", other.len_utf8()),
            };
            piped = first == '|' || piped && first.is_whitespace();
            self.push(class, length);
        }
    }
}

fn is_bare(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '+')
}

fn line_end(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// Where the closing quotes begin. A text of one line ends with it.
fn find_end(rest: &str, from: usize, close: &str, escapes: bool) -> Option<usize> {
    let mut skip = false;
    for (at, letter) in rest.char_indices().skip_while(|(at, _)| *at < from) {
        if skip {
            skip = false;
            continue;
        }
        if close.len() == 1 && letter == '\n' {
            return None;
        }
        if rest.get(at..).is_some_and(|rest| rest.starts_with(close)) {
            return Some(at);
        }
        skip = escapes && letter == '\\';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> Vec<String> {
        let whole = lines(text, &[], &[]);
        let parts = whole.iter().flat_map(|line| &line.parts);
        let parts = parts.filter(|part| part.class != "plain");
        parts.map(|part| format!("{} {}", part.class, part.text)).collect()
    }

    #[test]
    fn a_flow_is_cut_into_what_its_author_sees() {
        assert_eq!(
            told("[[step]] # one\nname = \"create\"\ndelay = 1.5\nrunning = true\n"),
            [
                "table [[step]]",
                "comment # one",
                "key name",
                "mark =",
                "string \"",
                "string create",
                "string \"",
                "key delay",
                "mark =",
                "number 1.5",
                "key running",
                "mark =",
                "flag true",
            ]
        );
        assert_eq!(
            told("unless = \"not facts.order | date('d') or 1\""),
            [
                "key unless",
                "mark =",
                "string \"",
                "word not",
                "name facts.order",
                "sign |",
                "filter date",
                "sign (",
                "text 'd'",
                "sign )",
                "word or",
                "figure 1",
                "string \"",
            ]
        );
        assert_eq!(
            told("with = { n = \"Звонок {{ event.id }}!\" }"),
            [
                "key with",
                "mark =",
                "mark {",
                "key n",
                "mark =",
                "string \"",
                "string Звонок ",
                "brace {{",
                "name event.id",
                "brace }}",
                "string !",
                "string \"",
                "mark }",
            ]
        );
    }

    #[test]
    fn a_problem_is_underlined_where_it_stands() {
        let problem = ProblemView {
            severity: "error".to_owned(),
            file: None,
            line: Some(2),
            column: Some(9),
            length: 4,
            title: String::new(),
            label: String::new(),
            mend: String::new(),
        };
        let text = "a = 1\nwhen = \"not fats\"\n";
        let at = text.find("fats").expect("it");
        let found = lines(text, &[problem], &[Some(at..at + 4)]);
        assert_eq!(found[0].problems, [0_usize; 0]);
        assert_eq!(found[1].problems, [0]);
        let marked = found[1].parts.iter().filter(|part| part.problem == Some(0));
        assert_eq!(marked.map(|part| part.text.as_str()).collect::<Vec<_>>(), ["fats"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_of_any_text(text in "[a-zа-я\"'{}\\[\\]=#.,|\\\\ \n0-9]{0,80}") {
            let whole = lines(&text, &[], &[]);
            let joined: Vec<String> = whole
                .iter()
                .map(|line| line.parts.iter().map(|part| part.text.as_str()).collect())
                .collect();
            let wanted: Vec<&str> = text.split('\n').collect();
            let wanted = if wanted.len() > 1 && text.ends_with('\n') {
                &wanted[..wanted.len() - 1]
            } else {
                &wanted[..]
            };
            prop_assert_eq!(joined, wanted);
        }
    }
}
