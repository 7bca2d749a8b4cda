//! The constants of an expression: what it may come to, and what its paths are compared with.
//! Invariant: a text that might be something else (an argument, a part of a longer text) is left
//! out; missing one is allowed, inventing one is not.

use super::scan::{KEYWORDS, Kind, Token, tokens};
use std::ops::Range;

/// Filters that hand a code on as it is.
const PLAIN: &[&str] = &["clean", "cut", "trim", "string", "int"];
/// What makes a value that no code can be read from.
const COMPARES: &[&str] = &["==", "!=", "<=", ">=", "<", ">", "in", "is", "not"];
const COMPUTES: &[&str] = &["~", "+", "-", "*", "/", "//", "%", "**"];

/// One constant, or where constants come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A text or a number.
    Code(String),
    /// The values of a lookup table.
    Values(String),
    /// The keys of a lookup table.
    Keys(String),
    /// Whatever this `[let]` name comes to.
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    pub told: Told,
    /// Bytes of the expression.
    pub span: Range<usize>,
}

/// A path and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub keys: Vec<String>,
    pub with: Vec<Constant>,
}

/// What an expression may come to, as far as it is constant.
pub fn results(text: &str) -> Vec<Constant> {
    let mut found = Vec::new();
    result(&tokens(text), &mut found);
    found
}

/// The path that the expression is, and nothing else.
pub fn alias(text: &str) -> Option<Vec<String>> {
    let tokens = tokens(text);
    let (keys, end) = path(&tokens, 0)?;
    (end == tokens.len()).then_some(keys)
}

fn result(tokens: &[Token<'_>], found: &mut Vec<Constant>) {
    let tokens = bare(tokens);
    if let Some(at) = top(tokens, &["if"]) {
        result(&tokens[..at], found);
        if let Some(other) = top(&tokens[at..], &["else"]) {
            result(&tokens[at + other + 1..], found);
        }
    } else if let Some(at) = top(tokens, &["or"]) {
        result(&tokens[..at], found);
        result(&tokens[at + 1..], found);
    } else if let Some(at) = top(tokens, &["and"]) {
        result(&tokens[at + 1..], found);
    } else if top(tokens, COMPARES).is_none() && top(tokens, COMPUTES).is_none() {
        value(tokens, found);
    }
}

/// A value with filters behind it.
fn value(tokens: &[Token<'_>], found: &mut Vec<Constant>) {
    let last = (0..tokens.len()).rev().find(|at| tokens[*at].is("|") && depth(tokens, *at) == 0);
    let Some(bar) = last else { return single(tokens, found) };
    let Some(name) = tokens.get(bar + 1) else { return };
    let arguments = tokens.get(bar + 3..tokens.len().saturating_sub(1)).unwrap_or_default();
    match name.text {
        "table" => {
            if let Some(table) = arguments.first().filter(|first| first.kind == Kind::Text) {
                let told = Told::Values(table.unquoted());
                found.push(Constant { told, span: table.span() });
            }
            result(arguments.get(2..).unwrap_or_default(), found);
        }
        "default" => {
            value(&tokens[..bar], found);
            result(arguments, found);
        }
        plain if PLAIN.contains(&plain) => value(&tokens[..bar], found),
        _ => {}
    }
}

fn single(tokens: &[Token<'_>], found: &mut Vec<Constant>) {
    let [token] = tokens else { return };
    let told = match token.kind {
        Kind::Text | Kind::Number => code(token),
        Kind::Name if !KEYWORDS.contains(&token.text) => Some(Told::Name(token.text.to_owned())),
        Kind::Name | Kind::Sign => None,
    };
    found.extend(told.map(|told| Constant { told, span: token.span() }));
}

fn code(token: &Token<'_>) -> Option<Told> {
    let code = match token.kind {
        Kind::Text => token.unquoted(),
        Kind::Number => token.text.to_owned(),
        Kind::Name | Kind::Sign => return None,
    };
    (!code.is_empty()).then_some(Told::Code(code))
}

/// Every path of the expression that stands beside `==`, `!=`, `in [...]` or before `| table(…)`.
pub fn compared(text: &str) -> Vec<Compared> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = at.checked_sub(1).is_none_or(|before| {
            let before = &tokens[before];
            !before.is(".") && !before.is("|") && !before.is("is")
        });
        let Some((keys, end)) = path(&tokens, at).filter(|_| begins) else {
            at += 1;
            continue;
        };
        let with = beside(&tokens, at, end);
        if !with.is_empty() {
            found.push(Compared { keys, with });
        }
        at = end;
    }
    found
}

fn beside(tokens: &[Token<'_>], start: usize, end: usize) -> Vec<Constant> {
    let constant =
        |token: &Token<'_>| code(token).map(|told| Constant { told, span: token.span() });
    let equals =
        |token: Option<&Token<'_>>| token.is_some_and(|token| token.is("==") || token.is("!="));
    if equals(tokens.get(end)) {
        return tokens.get(end + 1).and_then(constant).into_iter().collect();
    }
    if start >= 2 && equals(tokens.get(start - 1)) {
        return constant(&tokens[start - 2]).into_iter().collect();
    }
    let mut at = end;
    while tokens.get(at).is_some_and(|token| token.is("is") || token.is("not")) {
        at += 1;
    }
    if tokens.get(at).is_some_and(|token| token.is("in"))
        && tokens.get(at + 1).is_some_and(|token| token.is("[") || token.is("("))
    {
        let listed = tokens[at + 2..].iter();
        let listed = listed.take_while(|token| !token.is("]") && !token.is(")"));
        return listed.filter_map(constant).collect();
    }
    match tokens.get(end..end + 4) {
        Some([bar, name, _, table])
            if bar.is("|") && name.is("table") && table.kind == Kind::Text =>
        {
            vec![Constant { told: Told::Keys(table.unquoted()), span: table.span() }]
        }
        _ => Vec::new(),
    }
}

/// The path that begins at a token, and where it ends.
fn path(tokens: &[Token<'_>], start: usize) -> Option<(Vec<String>, usize)> {
    let first = tokens.get(start)?;
    if first.kind != Kind::Name || KEYWORDS.contains(&first.text) {
        return None;
    }
    let mut keys = vec![first.text.to_owned()];
    let mut at = start + 1;
    loop {
        match (tokens.get(at), tokens.get(at + 1), tokens.get(at + 2)) {
            (Some(dot), Some(name), _) if dot.is(".") && name.kind == Kind::Name => {
                keys.push(name.text.to_owned());
                at += 2;
            }
            (Some(open), Some(key), Some(close))
                if open.is("[") && key.kind == Kind::Text && close.is("]") =>
            {
                keys.push(key.unquoted());
                at += 3;
            }
            _ => return Some((keys, at)),
        }
    }
}

/// Without the parentheses around the whole.
fn bare<'a, 'b>(tokens: &'a [Token<'b>]) -> &'a [Token<'b>] {
    match tokens {
        [open, inner @ .., close]
            if open.is("(")
                && close.is(")")
                && (0..inner.len()).all(|at| !inner[at].is(")") || depth(inner, at) > 0) =>
        {
            bare(inner)
        }
        _ => tokens,
    }
}

/// Where one of these words first stands outside all brackets.
fn top(tokens: &[Token<'_>], words: &[&str]) -> Option<usize> {
    (0..tokens.len())
        .find(|at| words.iter().any(|word| tokens[*at].is(word)) && depth(tokens, *at) == 0)
}

/// How many brackets are open before a token.
fn depth(tokens: &[Token<'_>], at: usize) -> usize {
    tokens[..at].iter().fold(0, |depth: usize, token| {
        if ["(", "[", "{"].iter().any(|open| token.is(open)) {
            depth + 1
        } else if [")", "]", "}"].iter().any(|close| token.is(close)) {
            depth.saturating_sub(1)
        } else {
            depth
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(constants: &[Constant]) -> Vec<String> {
        let show = |constant: &Constant| match &constant.told {
            Told::Code(code) => code.clone(),
            Told::Values(table) => format!("values of {table}"),
            Told::Keys(table) => format!("keys of {table}"),
            Told::Name(name) => format!("let {name}"),
        };
        constants.iter().map(show).collect()
    }

    #[test]
    fn an_expression_may_come_to_its_constants() {
        for (text, wanted) in [
            ("'new'", vec!["new"]),
            ("12", vec!["12"]),
            ("('new')", vec!["new"]),
            ("'new' if event.unique else 'again'", vec!["new", "again"]),
            ("'a' if event.x == 'b' else 'c' if event.y in ['d'] else 'e'", vec!["a", "c", "e"]),
            ("event.x | clean or 'other'", vec!["other"]),
            ("event.x and 'given'", vec!["given"]),
            ("event.x | default('none-such') | cut(9)", vec!["none-such"]),
            ("event.source | table('sources', 'unknown')", vec!["values of sources", "unknown"]),
            ("status", vec!["let status"]),
            ("('x' ~ event.id)", vec![]),
            ("'x' ~ event.id if event.id else 'y'", vec!["y"]),
            ("'x' == event.id", vec![]),
            ("'x' | upper", vec![]),
            ("event.x | replace('a', 'b')", vec![]),
            ("''", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(shown(&results(text)), wanted, "{text}");
        }
    }

    #[test]
    fn paths_are_compared_with_constants() {
        for (text, path, wanted) in [
            ("facts.order.status == 'new'", "facts.order.status", vec!["new"]),
            ("'new' != facts.order.status", "facts.order.status", vec!["new"]),
            ("not closed and facts.o.s in ['a', 'b']", "facts.o.s", vec!["a", "b"]),
            ("facts.o.s not in ('a', 'b') or x", "facts.o.s", vec!["a", "b"]),
            ("facts.o.s is in ['a']", "facts.o.s", vec!["a"]),
            ("facts.o.managerId == 12", "facts.o.managerId", vec!["12"]),
            ("facts.o['s'] | table('states')", "facts.o.s", vec!["keys of states"]),
        ] {
            let found = compared(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].keys.join("."), path, "{text}");
            assert_eq!(shown(&found[0].with), wanted, "{text}");
            for constant in &found[0].with {
                assert!(text.get(constant.span.clone()).is_some(), "{text}");
            }
        }
        for text in ["facts.o.s", "facts.o.s == event.s", "'a' in facts.o.list", "x | cut(5)"] {
            assert_eq!(compared(text), [], "{text}");
        }
        assert_eq!(
            alias("facts.order.status"),
            Some(vec!["facts".into(), "order".into(), "status".into()])
        );
        assert_eq!(alias("facts.order.status == 'x'"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z .'\\[\\]()|=,!ifelsortab{}]{0,60}") {
            results(&text);
            compared(&text);
            alias(&text);
        }
    }
}
