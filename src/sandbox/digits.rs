//! Phones as digits, and an index that finds them by any seven digits in a row. Invariant: a
//! candidate list is never too short; the caller compares each candidate itself.

use std::collections::HashMap;

const GRAM: usize = 7;

/// Only the digits of a text.
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// One spelling for one number: ten digits get a leading 7, a leading 8 of eleven becomes 7.
pub fn canonical(text: &str) -> String {
    let digits = digits(text);
    match (digits.len(), digits.as_bytes().first()) {
        (10, _) => format!("7{digits}"),
        (11, Some(b'8')) => format!("7{}", &digits[1..]),
        _ => digits,
    }
}

/// The last ten digits: what all spellings of one number have in common.
pub fn tail(text: &str) -> String {
    let digits = digits(text);
    digits[digits.len().saturating_sub(10)..].to_owned()
}

/// Row ids by every seven digits in a row of their texts.
#[derive(Debug, Default)]
pub struct Index {
    /// Ascending; new rows mostly come last.
    rows: HashMap<u32, Vec<u64>>,
}

impl Index {
    pub fn add(&mut self, row: u64, text: &str) {
        for gram in grams(text) {
            let rows = self.rows.entry(gram).or_default();
            match rows.last() {
                Some(last) if *last >= row => {
                    if let Err(at) = rows.binary_search(&row) {
                        rows.insert(at, row);
                    }
                }
                _ => rows.push(row),
            }
        }
    }

    pub fn remove(&mut self, row: u64, text: &str) {
        for gram in grams(text) {
            if let Some(rows) = self.rows.get_mut(&gram) {
                if let Ok(at) = rows.binary_search(&row) {
                    rows.remove(at);
                }
                if rows.is_empty() {
                    self.rows.remove(&gram);
                }
            }
        }
    }

    /// Rows whose digits may contain the digits of `text`; none when it has fewer than seven.
    pub fn candidates(&self, text: &str) -> Option<Vec<u64>> {
        let mut rarest: Option<&Vec<u64>> = None;
        let mut any = false;
        for gram in grams(text) {
            any = true;
            let Some(rows) = self.rows.get(&gram) else { return Some(Vec::new()) };
            if rarest.is_none_or(|found| rows.len() < found.len()) {
                rarest = Some(rows);
            }
        }
        any.then(|| rarest.cloned().unwrap_or_default())
    }
}

fn grams(text: &str) -> Vec<u32> {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    digits
        .windows(GRAM)
        .map(|window| window.iter().fold(0, |number, digit| number * 10 + digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_are_one() {
        for text in ["+7 (916) 123-45-67", "89161234567", "9161234567", "7916 1234567"] {
            assert_eq!(canonical(text), "79161234567", "{text}");
        }
    }

    #[test]
    fn any_seven_digits_find_the_row() {
        let mut index = Index::default();
        index.add(1, "+7 (916) 123-45-67");
        index.add(2, "+7 (916) 765-43-21");
        assert_eq!(index.candidates("9161234567"), Some(vec![1]));
        assert_eq!(index.candidates("1234567"), Some(vec![1]));
        assert_eq!(index.candidates("0001234567"), Some(vec![]));
        assert_eq!(index.candidates("123456"), None);
        index.remove(1, "+7 (916) 123-45-67");
        assert_eq!(index.candidates("1234567"), Some(vec![]));
    }
}
