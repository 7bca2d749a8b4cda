//! Which modules a file names. Invariant: `crate::…`, `super::…`, `leadlink::…` and their groups
//! in braces all come out as paths from the root of the crate.

use super::scan::{File, line_of};

/// A module path from the root, and the line that names it.
pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
}

/// The room of a file beneath `src/`: `None` for the root and for what is no product code.
pub fn room(file: &File) -> Option<&str> {
    let inside = file.path.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib" && !file.is_test).then_some(room)
}

/// Every path into our own crate that the code outside tests names.
pub fn named(file: &File) -> Vec<Named> {
    let mut found = Vec::new();
    for root in ["crate", "super", "leadlink"] {
        for (place, _) in file.code.match_indices(&format!("{root}::")) {
            let before = file.code[..place].trim_end();
            let inner = before.ends_with("::")
                || file.code[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if inner {
                continue;
            }
            let line = line_of(&file.code, place);
            let mut base = Vec::new();
            let mut rest = &file.code[place + root.len() + 2..];
            if root == "super" {
                base = module(&file.path);
                base.pop();
                while let Some(further) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = further;
                }
            }
            for path in tails(rest) {
                let path = base.iter().cloned().chain(path).collect();
                found.push(Named { path, line });
            }
        }
    }
    found
}

/// `src/store/jobs.rs` is `[store, jobs]`.
fn module(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// `a::b::{c, d::e}` gives `[a, b, c]` and `[a, b, d, e]`; stops at the first that is no path.
fn tails(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return split_group(group).into_iter().flat_map(tails).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.is_empty() {
        return Vec::new();
    }
    let further = rest.strip_prefix("::").map(tails).unwrap_or_default();
    if further.is_empty() {
        return vec![vec![word.to_owned()]];
    }
    further.into_iter().map(|tail| std::iter::once(word.to_owned()).chain(tail).collect()).collect()
}

/// The parts of a group up to its closing brace.
fn split_group(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (place, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&text[start..place]);
                return parts;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts
}
