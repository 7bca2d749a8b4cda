//! Texts that are too long for one message. Invariant: pure; the parts hold all that was written but
//! the white space between two of them, each fits, and none is empty.

/// Characters that are not white space, as the CRM counts them (RC-11).
pub fn solid(text: &str) -> usize {
    text.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// Parts of so many units of UTF-16, as messengers count them.
pub fn in_units(text: &str, most: usize) -> Vec<String> {
    // Less than two hold no letter of every script.
    parts(text, most.max(2), char::len_utf16)
}

/// Parts of so many characters that are not white space.
pub fn in_solid(text: &str, most: usize) -> Vec<String> {
    parts(text, most.max(1), |letter| usize::from(!letter.is_whitespace()))
}

fn parts(text: &str, most: usize, weight: impl Fn(char) -> usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(end(rest, most, &weight));
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start();
    }
    parts
}

/// Where the first part ends: with a line, else with a word, else where it is full.
fn end(text: &str, most: usize, weight: &impl Fn(char) -> usize) -> usize {
    let (mut line, mut word, mut full) = (0, 0, 0);
    let mut held = 0;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        held += weight(letter);
        if letter == '\n' {
            line = at;
        }
        if letter.is_whitespace() {
            word = at;
        } else if !clings(before, letter) {
            full = at;
        }
        if held > most {
            // A line that ends early would make a very short part.
            let fitting = [line, word].into_iter().find(|end| *end > at / 2);
            let whole = [word, full, at].into_iter().find(|end| *end > 0);
            return fitting.or(whole).unwrap_or(letter.len_utf8());
        }
        before = letter;
    }
    text.len()
}

/// Is it one sign with what stands before it? (Joined emoji, accents, colours of skin.)
fn clings(before: char, letter: char) -> bool {
    const JOINER: char = '\u{200d}';
    before == JOINER
        || matches!(letter, JOINER | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}'
            | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_ends_with_a_line_or_a_word_where_there_is_one() {
        assert_eq!(in_units("", 10), [""; 0]);
        assert_eq!(in_units(" short ", 10), ["short"]);
        assert_eq!(in_units("first line\nsecond", 12), ["first line", "second"]);
        assert_eq!(in_units("one two three", 9), ["one two", "three"]);
        assert_eq!(in_units("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        // Each smile is two units, a family of three joined ones eight.
        assert_eq!(in_units("😀😀😀", 4), ["😀😀", "😀"]);
        assert_eq!(in_units("ab👩‍👩‍👧", 8), ["ab", "👩‍👩‍👧"]);
        assert_eq!(in_solid("ab cd ef", 4), ["ab cd", "ef"]);
        assert_eq!((solid("a b\n c"), in_solid("a b\n c", 3).len()), (3, 1));
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_between_parts_is_lost(
            text in "[a-zа 😀\u{301}\u{200d}\n]{0,200}", most in 2_usize..40,
        ) {
            let solid_of = |text: &str| -> String {
                text.chars().filter(|letter| !letter.is_whitespace()).collect()
            };
            for (parts, weight) in [
                (in_units(&text, most), (|part: &str| part.encode_utf16().count()) as fn(&str) -> usize),
                (in_solid(&text, most), solid as fn(&str) -> usize),
            ] {
                prop_assert_eq!(solid_of(&parts.concat()), solid_of(&text));
                for part in &parts {
                    prop_assert!(!part.is_empty() && weight(part) <= most, "{parts:?}");
                }
            }
        }
    }
}
