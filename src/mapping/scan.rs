//! The words of an expression: paths, filters, tests. Invariant: it never decides what is valid
//! Jinja (the engine has compiled the text before); it tells where each word stands, so that a
//! mistake is underlined in the file and `check` can compare paths with offers.

use std::ops::Range;

/// The words of one expression; spans are bytes of its text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub paths: Vec<Path>,
    pub filters: Vec<Word>,
    pub tests: Vec<Word>,
    /// Functions and methods; our language has none.
    pub calls: Vec<Word>,
    /// Where `none`, `None` and `null` stand as values.
    pub nones: Vec<Range<usize>>,
}

/// `facts.order.customFields['x']`: as far as the keys are written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub keys: Vec<String>,
    pub span: Range<usize>,
    /// Is it compared or calculated with?
    pub operand: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub name: String,
    pub span: Range<usize>,
    /// Its first argument, where that is a text: `table('sources')`.
    pub argument: Option<(String, Range<usize>)>,
}

pub(super) const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "is", "if", "else", "true", "false", "True", "False"];
const NONES: &[&str] = &["none", "None", "null"];
const OPERATORS: &[&str] =
    &["==", "!=", "<=", ">=", "<", ">", "in", "+", "-", "*", "/", "//", "%", "**"];
const PAIRS: &[&str] = &["==", "!=", "<=", ">=", "//", "**"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Text,
    Number,
    Sign,
}

#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    at: usize,
}

impl Token<'_> {
    pub fn is(&self, sign: &str) -> bool {
        self.kind != Kind::Text && self.text == sign
    }
    pub fn span(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }
    /// The contents of a quoted text.
    pub fn unquoted(&self) -> String {
        let inner = self.text.get(1..self.text.len().saturating_sub(1)).unwrap_or_default();
        inner.replace("\\'", "'").replace("\\\"", "\"").replace("\\\\", "\\")
    }
}

/// Finds the words of an expression.
pub fn words(text: &str) -> Words {
    let tokens = tokens(text);
    let mut words = Words::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = if token.kind == Kind::Name { name(&tokens, at, &mut words) } else { at + 1 };
    }
    words
}

/// Sorts one name into its place; returns where to go on.
fn name(tokens: &[Token<'_>], at: usize, words: &mut Words) -> usize {
    let token = &tokens[at];
    let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
    let is = |token: Option<&Token<'_>>, sign: &str| token.is_some_and(|token| token.is(sign));
    let called = is(tokens.get(at + 1), "(");
    if is(before(1), ".") {
        if called {
            words.calls.push(word(tokens, at));
        }
    } else if is(before(1), "|") {
        words.filters.push(word(tokens, at));
    } else if is(before(1), "is") && token.text != "not"
        || is(before(1), "not") && is(before(2), "is")
    {
        words.tests.push(word(tokens, at));
    } else if NONES.contains(&token.text) {
        words.nones.push(token.span());
    } else if KEYWORDS.contains(&token.text) || is(tokens.get(at + 1), "=") {
        // A keyword, or the name of an argument.
    } else if called {
        words.calls.push(word(tokens, at));
    } else {
        return path(tokens, at, words);
    }
    at + 1
}

fn word(tokens: &[Token<'_>], at: usize) -> Word {
    let argument = match (tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(open), Some(text)) if open.is("(") && text.kind == Kind::Text => {
            Some((text.unquoted(), text.span()))
        }
        _ => None,
    };
    Word { name: tokens[at].text.to_owned(), span: tokens[at].span(), argument }
}

fn path(tokens: &[Token<'_>], start: usize, words: &mut Words) -> usize {
    let mut keys = vec![tokens[start].text.to_owned()];
    let mut end = tokens[start].span().end;
    let mut at = start + 1;
    loop {
        match (tokens.get(at), tokens.get(at + 1), tokens.get(at + 2)) {
            (Some(dot), Some(name), after) if dot.is(".") && name.kind == Kind::Name => {
                if after.is_some_and(|after| after.is("(")) {
                    words.calls.push(word(tokens, at + 1));
                    at += 2;
                    break;
                }
                keys.push(name.text.to_owned());
                end = name.span().end;
                at += 2;
            }
            (Some(open), Some(key), Some(close))
                if open.is("[") && key.kind == Kind::Text && close.is("]") =>
            {
                keys.push(key.unquoted());
                end = close.span().end;
                at += 3;
            }
            _ => break,
        }
    }
    let beside = [start.checked_sub(1).and_then(|at| tokens.get(at)), tokens.get(at)];
    let operand = beside.iter().flatten().any(|token| {
        OPERATORS.iter().any(|operator| token.is(operator))
            || token.is("not") && tokens.get(at + 1).is_some_and(|next| next.is("in"))
    });
    words.paths.push(Path { keys, span: tokens[start].at..end, operand });
    at
}

pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '\'' | '"' => (Kind::Text, quoted(rest)),
            c if c.is_ascii_alphabetic() || c == '_' => (Kind::Name, run(rest, |c| c == '_')),
            c if c.is_ascii_digit() => (Kind::Number, run(rest, |c| matches!(c, '_' | '.'))),
            _ if PAIRS.iter().any(|pair| rest.starts_with(pair)) => (Kind::Sign, 2),
            c => (Kind::Sign, c.len_utf8()),
        };
        tokens.push(Token { kind, text: &rest[..length], at });
        at += length;
    }
    tokens
}

fn run(text: &str, also: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && !also(c)).unwrap_or(text.len())
}

/// Length of the quoted text that `text` begins with, quotes included.
pub fn quoted(text: &str) -> usize {
    let Some(quote) = text.chars().next() else { return 0 };
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        words(text).paths.iter().map(|path| path.keys.join(".")).collect()
    }

    #[test]
    fn paths_are_told_from_all_other_names() {
        for (text, found) in [
            ("event.phone", vec!["event.phone"]),
            ("facts.order.customFields['a b'] == 'event.x'", vec!["facts.order.customFields.a b"]),
            ("not facts.order or closed", vec!["facts.order", "closed"]),
            ("event.name | default(event.email) | cut(n=5)", vec!["event.name", "event.email"]),
            ("event.a is not none and event.b is in [1]", vec!["event.a", "event.b"]),
            ("facts.customer.phones[0].x ~ \"y\"", vec!["facts.customer.phones"]),
            ("event.a if 1.5 <= event.b else none", vec!["event.a", "event.b"]),
            ("'unclosed event.x", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(paths(text), found, "{text}");
        }
    }

    #[test]
    fn operands_are_told_from_values() {
        for (text, operand) in [
            ("steps.a.id == 5", true),
            ("5 < steps.a.id", true),
            ("steps.a.id not in [1]", true),
            ("facts.x or steps.a.id", false),
            ("not steps.a.id", false),
            ("[steps.a.id, 1]", false),
        ] {
            let found = words(text).paths.into_iter().find(|path| path.keys[0] == "steps");
            assert_eq!(found.map(|path| path.operand), Some(operand), "{text}");
        }
    }

    #[test]
    fn filters_tests_and_calls_have_their_places() {
        let text = "event.x | table('sources', 'y') is not empty and range(3) and event.x.upper()";
        let words = words(text);
        assert_eq!(words.filters[0].name, "table");
        assert_eq!(words.filters[0].argument.as_ref().map(|a| &*a.0), Some("sources"));
        assert_eq!(words.tests[0].name, "empty");
        assert_eq!(&text[words.tests[0].span.clone()], "empty");
        let calls: Vec<&str> = words.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(calls, ["range", "upper"]);
        assert_eq!(words.paths.len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_the_scanner(text in "(?s).{0,80}") {
            words(&text);
        }
    }
}
