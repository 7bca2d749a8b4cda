//! The word that a person most likely meant. Invariant: a far-fetched guess is no guess.

/// The candidate that `word` is most likely a misspelling of; `None` where none is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&plain, &self::plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= plain.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean `x`?`, or the list of what there is.
pub fn suggest(word: &str, candidates: &[&str]) -> String {
    if let Some(near) = nearest(word, candidates.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match candidates {
        [] => String::new(),
        [one] => format!("there is only `{one}`"),
        many => format!("there are: {}", many.join(", ")),
    }
}

/// Case and separators do not count: `siteId`, `site_id` and `site-id` are one word.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// A word that goes on where the other ends (`site`, `site_id`) is nearer than its letters say.
fn distance(word: &str, candidate: &str) -> usize {
    let letters = strsim::damerau_levenshtein(word, candidate);
    let begins = word.chars().count() >= 4 && candidate.starts_with(word)
        || candidate.chars().count() >= 4 && word.starts_with(candidate);
    if begins { letters.min(1) } else { letters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_word_and_strangers_find_none() {
        let known = ["delay", "settle", "max_age", "site_id", "listen"];
        for (word, found) in [
            ("dealy", Some("delay")),
            ("maxAge", Some("max_age")),
            ("site", Some("site_id")),
            ("listen_on", Some("listen")),
            ("colour", None),
            ("setle", Some("settle")),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
    }
}
