//! Reads Rust files well enough for the laws: comments, strings and tests apart from the code.
//! Invariant: what is blanked keeps its place, so that line numbers hold.

use std::collections::BTreeSet;
use std::path::Path;

/// One file of the house.
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
    /// The code outside tests; comments and the insides of strings are blank.
    pub code: String,
    /// The insides of strings outside tests; all else is blank.
    pub strings: String,
    /// Lines that only tests compile.
    pub test_lines: usize,
    /// A file that only tests see.
    pub is_test: bool,
}

/// All Rust files beneath these folders.
pub fn read(root: &Path, folders: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        walk(root, &root.join(folder), &mut found);
    }
    found.sort();
    let files: Vec<(&str, &str)> =
        found.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    house(&files)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(root, &path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(root).expect("beneath the root");
            let name = name.to_string_lossy().replace('\\', "/");
            found.push((name, std::fs::read_to_string(&path).expect("a text")));
        }
    }
}

/// A house of these files.
pub fn house(files: &[(&str, &str)]) -> Vec<File> {
    let mut tests = BTreeSet::new();
    for (path, text) in files {
        let (code, _) = parts(text);
        tests.extend(test_modules(path, &code));
    }
    files
        .iter()
        .map(|(path, text)| {
            let (mut code, mut strings) = parts(text);
            let mut lines = BTreeSet::new();
            for (start, end) in test_items(&code) {
                lines.extend(line_of(text, start)..=line_of(text, end));
                blank(&mut code, start, end);
                blank(&mut strings, start, end);
            }
            let test_lines = lines.len();
            let is_test = !path.starts_with("src/")
                || tests.iter().any(|test| {
                    path.strip_prefix(test.as_str())
                        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
                });
            let (path, text) = ((*path).to_owned(), (*text).to_owned());
            File { path, text, code, strings, test_lines, is_test }
        })
        .collect()
}

/// Where in the file: lines count from 1.
pub fn line_of(text: &str, place: usize) -> usize {
    text[..place].matches('\n').count() + 1
}

/// Files that `#[cfg(test)] mod name;` brings in, without `.rs`.
fn test_modules(path: &str, code: &str) -> Vec<String> {
    let folder = match path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let mut found = Vec::new();
    for (start, end) in test_items(code) {
        let item = code[start..end].trim();
        if let Some(name) = item.strip_suffix(';').and_then(|item| item.rsplit_once("mod ")) {
            found.push(format!("{folder}/{}", name.1.trim()));
        }
    }
    found
}

/// Spans of what only tests compile: from the attribute to the end of its item.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test", "#[test]", "#[tokio::test", "#[rstest"] {
        for (start, _) in code.match_indices(mark) {
            spans.push((start, item_end(code, start)));
        }
    }
    spans
}

/// The end of the item that begins with an attribute: its `;` or its closing brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (place, letter) in code[start..].char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return start + place + 1,
            '{' if depth == 0 => return closing(code, start + place),
            _ => {}
        }
    }
    code.len()
}

/// One past the brace that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (place, letter) in code[open..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return open + place + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn blank(text: &mut String, start: usize, end: usize) {
    let mut blanked = String::with_capacity(end - start);
    push(&mut blanked, &text[start..end], false);
    text.replace_range(start..end, &blanked);
}

/// The code without comments and insides of strings, and those insides without the code. Letters
/// become spaces one for one, beyond ASCII as many as they have bytes.
fn parts(text: &str) -> (String, String) {
    let mut code = String::with_capacity(text.len());
    let mut strings = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (length, keep) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), Keep::Nothing)
        } else if rest.starts_with("/*") {
            (comment(rest), Keep::Nothing)
        } else if let Some(length) = raw_string(rest).filter(|_| !ends_a_word(&code)) {
            (length, Keep::Strings)
        } else if letter == '"' {
            (string(rest), Keep::Strings)
        } else if letter == '\'' {
            (character(rest), Keep::Nothing)
        } else {
            (letter.len_utf8(), Keep::Code)
        };
        let (taken, left) = rest.split_at(length.max(1));
        push(&mut code, taken, keep == Keep::Code);
        push(&mut strings, taken, keep == Keep::Strings);
        rest = left;
    }
    (code, strings)
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Keep {
    Code,
    Strings,
    Nothing,
}

fn push(to: &mut String, taken: &str, keep: bool) {
    if keep {
        to.push_str(taken);
        return;
    }
    for letter in taken.chars() {
        if letter == '\n' {
            to.push('\n');
        } else {
            to.extend(std::iter::repeat_n(' ', letter.len_utf8()));
        }
    }
}

fn ends_a_word(code: &str) -> bool {
    code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut place = 0;
    while place < rest.len() {
        let here = &rest.as_bytes()[place..];
        if here.starts_with(b"/*") {
            depth += 1;
            place += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            place += 2;
            if depth == 0 {
                return place;
            }
        } else {
            place += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (place, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br#"…"#`.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let open = rest.len() - after.len() + hashes;
    let inside = rest[open..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(inside.find(&end).map_or(rest.len(), |place| open + 1 + place + end.len()))
}

/// A character, or the tick alone where it begins a lifetime.
fn character(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            let escaped = rest[3.min(rest.len())..].find('\'');
            escaped.map_or(1, |place| 3 + place + 1)
        }
        Some(_) => match letters.next() {
            Some((place, '\'')) => place + 1,
            _ => 1,
        },
        None => 1,
    }
}
