//! What the pages say, in Russian and English: a struct for each area of the console. Invariant: a text
//! stands in both languages or the house does not compile; nothing here comes from a far side.

/// One area: `key "по-русски", "in English";` makes a field and its two constants.
macro_rules! words {
    ($(#[$doc:meta])* $area:ident { $($key:ident $ru:literal, $en:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $area { $(pub $key: &'static str,)+ }
        impl $area {
            pub const RU: Self = Self { $($key: $ru,)+ };
            pub const EN: Self = Self { $($key: $en,)+ };
            #[cfg(test)]
            pub const ALL: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($key), $ru, $en),)+];
        }
    };
}

pub mod count;
pub mod journals;
pub mod pages;
pub mod people;
pub mod shell;
pub mod story;
pub mod told;

pub use journals::{Journals, States};
pub use pages::{Acts, Connections, Flows, Needs, Overview};
pub use people::{Audit, Login, Me, People};
pub use shell::{Shell, Trouble};
pub use story::Tale;

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Ru,
    En,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Ru, Self::En];

    /// As it stands in cookies, in `[console]` and in `<html lang>`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// What a browser asks for, the best first: `ru-RU,ru;q=0.9,en;q=0.8`.
    pub fn accepted(header: &str) -> Option<Self> {
        let mut asked: Vec<(u32, Self)> = header.split(',').filter_map(weighed).collect();
        asked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        asked.first().map(|(_, language)| *language)
    }

    pub fn words(self) -> &'static Words {
        match self {
            Self::Ru => &RU,
            Self::En => &EN,
        }
    }
}

fn weighed(part: &str) -> Option<(u32, Language)> {
    let (tag, rest) = part.trim().split_once(';').unwrap_or((part.trim(), "q=1"));
    let language = Language::of(&tag.get(..2)?.to_ascii_lowercase())?;
    let weight: f32 = rest.trim().strip_prefix("q=")?.parse().ok()?;
    (weight > 0.0).then_some(((weight * 1000.0) as u32, language))
}

/// All areas.
#[derive(Debug)]
pub struct Words {
    pub shell: Shell,
    pub trouble: Trouble,
    pub login: Login,
    pub people: People,
    pub audit: Audit,
    pub me: Me,
    pub states: States,
    pub journals: Journals,
    pub overview: Overview,
    pub needs: Needs,
    pub acts: Acts,
    pub flows: Flows,
    pub connections: Connections,
    pub tale: Tale,
}

pub static RU: Words = Words {
    shell: Shell::RU,
    trouble: Trouble::RU,
    login: Login::RU,
    people: People::RU,
    audit: Audit::RU,
    me: Me::RU,
    states: States::RU,
    journals: Journals::RU,
    overview: Overview::RU,
    needs: Needs::RU,
    acts: Acts::RU,
    flows: Flows::RU,
    connections: Connections::RU,
    tale: Tale::RU,
};

pub static EN: Words = Words {
    shell: Shell::EN,
    trouble: Trouble::EN,
    login: Login::EN,
    people: People::EN,
    audit: Audit::EN,
    me: Me::EN,
    states: States::EN,
    journals: Journals::EN,
    overview: Overview::EN,
    needs: Needs::EN,
    acts: Acts::EN,
    flows: Flows::EN,
    connections: Connections::EN,
    tale: Tale::EN,
};

#[cfg(test)]
mod tests {
    use super::*;

    type Area = &'static [(&'static str, &'static str, &'static str)];
    const AREAS: [Area; 14] = [
        Shell::ALL,
        Trouble::ALL,
        Login::ALL,
        People::ALL,
        Audit::ALL,
        Me::ALL,
        States::ALL,
        Journals::ALL,
        Overview::ALL,
        Needs::ALL,
        Acts::ALL,
        Flows::ALL,
        Connections::ALL,
        Tale::ALL,
    ];

    /// Names and codes that are the same in both languages.
    const SAME: [&str; 1] = ["product"];
    /// What is written the same way in Latin letters.
    const LATIN: [&str; 1] = ["id"];

    #[test]
    fn every_text_is_there_in_both_languages_and_in_its_own_letters() {
        let cyrillic =
            |text: &str| text.chars().any(|c| ('а'..='я').contains(&c) || ('А'..='Я').contains(&c));
        for (key, ru, en) in AREAS.into_iter().flatten() {
            assert!(!ru.trim().is_empty() && !en.trim().is_empty(), "{key} says nothing");
            assert!(
                !cyrillic(en.replace("Лид не найден", "").as_str()),
                "{key}: `{en}` is not English"
            );
            if !SAME.contains(key) {
                assert_ne!(ru, en, "{key} is the same in both languages");
                assert!(cyrillic(ru) || LATIN.contains(key), "{key}: `{ru}` is not Russian");
            }
        }
    }

    /// All that pages are made of, but for the words themselves.
    fn sources(folder: &std::path::Path, out: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("words") {
                sources(&path, out);
            } else if path.extension().is_some_and(|kind| kind == "html" || kind == "rs") {
                out.push_str(&std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }

    #[test]
    fn no_word_is_written_for_nobody() {
        let mut all = String::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui"), &mut all);
        all.push_str(include_str!("told.rs"));
        let named = |key: &str| {
            all.split(&format!(".{key}")).skip(1).any(|rest| {
                !rest.starts_with(|c: char| c == '_' || c == '(' || c.is_ascii_alphanumeric())
            })
        };
        for (key, ru, _) in AREAS.into_iter().flatten() {
            assert!(named(key), "no page says `{key}`: {ru}");
        }
    }

    #[test]
    fn the_browser_is_heard() {
        assert_eq!(Language::accepted("ru-RU,ru;q=0.9,en;q=0.8"), Some(Language::Ru));
        assert_eq!(Language::accepted("de, en-GB;q=0.7, ru;q=0.3"), Some(Language::En));
        assert_eq!(Language::accepted("ru;q=0, fr"), None);
        assert_eq!(Language::accepted("*;q=x,,;"), None);
    }
}
