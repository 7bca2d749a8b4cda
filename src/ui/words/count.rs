//! Words beside numbers, and how long ago something was. Invariant: Russian has three forms of a noun,
//! English two, and none is put together of endings.

use super::Language;
use crate::ui::formats::number;

/// A noun as it stands after 1, 2 and 5.
#[derive(Debug, Clone, Copy)]
pub struct Noun {
    pub ru: [&'static str; 3],
    pub en: [&'static str; 2],
}

macro_rules! nouns {
    ($($name:ident $one:literal $two:literal $five:literal, $single:literal $many:literal;)+) => {
        $(pub const $name: Noun = Noun { ru: [$one, $two, $five], en: [$single, $many] };)+
        #[cfg(test)]
        const NOUNS: &[Noun] = &[$($name,)+];
    };
}

nouns! {
    LEADS "лид" "лида" "лидов", "lead" "leads";
    DEALS "сделка" "сделки" "сделок", "deal" "deals";
    MESSAGES "сообщение" "сообщения" "сообщений", "message" "messages";
    JOBS "задание" "задания" "заданий", "job" "jobs";
    EVENTS "событие" "события" "событий", "event" "events";
    DECISIONS "решение" "решения" "решений", "decision" "decisions";
    STEPS "шаг" "шага" "шагов", "step" "steps";
    ATTEMPTS "попытка" "попытки" "попыток", "attempt" "attempts";
    CASES "пример" "примера" "примеров", "case" "cases";
    PROBLEMS "ошибка" "ошибки" "ошибок", "problem" "problems";
    ROWS "строка" "строки" "строк", "row" "rows";
    FILES "файл" "файла" "файлов", "file" "files";
    SECONDS "секунда" "секунды" "секунд", "second" "seconds";
    MINUTES "минута" "минуты" "минут", "minute" "minutes";
    HOURS "час" "часа" "часов", "hour" "hours";
    DAYS "день" "дня" "дней", "day" "days";
}

/// What follows "through", "since": the accusative differs where the noun is feminine.
const AGO: [(i64, Noun); 4] = [
    (86_400, DAYS),
    (3600, HOURS),
    (60, Noun { ru: ["минуту", "минуты", "минут"], en: ["minute", "minutes"] }),
    (
        1,
        Noun {
            ru: ["секунду", "секунды", "секунд"], en: ["second", "seconds"]
        },
    ),
];

impl Noun {
    /// The form that stands after this number.
    pub fn form(&self, language: Language, count: u64) -> &'static str {
        let [one, two, five] = self.ru;
        match (language, count % 10, count % 100) {
            (Language::En, ..) => self.en[usize::from(count != 1)],
            (Language::Ru, _, 11..=14) => five,
            (Language::Ru, 1, _) => one,
            (Language::Ru, 2..=4, _) => two,
            (Language::Ru, ..) => five,
        }
    }

    /// The number with its noun.
    pub fn count(&self, language: Language, count: u64) -> String {
        format!("{}\u{a0}{}", number(language, count), self.form(language, count))
    }
}

/// "5 минут назад", "через 2 часа"; `seconds` is how long ago, below zero what is to come.
pub fn ago(language: Language, seconds: i64) -> String {
    let far = seconds.unsigned_abs();
    if far < 5 {
        return match language {
            Language::Ru => "только что".to_owned(),
            Language::En => "just now".to_owned(),
        };
    }
    let said = spoken(language, far);
    match (language, seconds > 0) {
        (Language::Ru, true) => format!("{said} назад"),
        (Language::Ru, false) => format!("через {said}"),
        (Language::En, true) => format!("{said} ago"),
        (Language::En, false) => format!("in {said}"),
    }
}

/// The span in its largest whole unit.
fn spoken(language: Language, seconds: u64) -> String {
    let unit = AGO.into_iter().find(|(length, _)| seconds >= length.unsigned_abs());
    let (length, noun) = unit.unwrap_or(AGO[3]);
    noun.count(language, seconds / length.unsigned_abs())
}

/// A span in one or two short units: `1 мин 5 с`, `240 мс`.
pub fn span(language: Language, milliseconds: u64) -> String {
    let units = match language {
        Language::Ru => ["д", "ч", "мин", "с", "мс"],
        Language::En => ["d", "h", "min", "s", "ms"],
    };
    let lengths = [86_400_000_u64, 3_600_000, 60_000, 1000, 1];
    if milliseconds < 1000 {
        return format!("{milliseconds}\u{a0}{}", units[4]);
    }
    if milliseconds < 10_000 {
        let tenths = (milliseconds + 50) / 100;
        let point = if language == Language::Ru { "," } else { "." };
        let rest = if tenths.is_multiple_of(10) {
            String::new()
        } else {
            format!("{point}{}", tenths % 10)
        };
        return format!("{}{rest}\u{a0}{}", tenths / 10, units[3]);
    }
    let first = lengths.iter().position(|length| milliseconds >= *length).unwrap_or(3).min(3);
    let whole = milliseconds / lengths[first];
    let rest = milliseconds % lengths[first] / lengths[first + 1];
    match rest {
        rest if rest > 0 && first < 3 => {
            format!("{whole}\u{a0}{} {rest}\u{a0}{}", units[first], units[first + 1])
        }
        _ => format!("{whole}\u{a0}{}", units[first]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{En, Ru};

    #[test]
    fn nouns_follow_their_number() {
        let said = |count| LEADS.count(Ru, count).replace('\u{a0}', " ");
        for (count, text) in [
            (0, "0 лидов"),
            (1, "1 лид"),
            (3, "3 лида"),
            (5, "5 лидов"),
            (11, "11 лидов"),
            (21, "21 лид"),
            (112, "112 лидов"),
            (1_204, "1 204 лида"),
        ] {
            assert_eq!(said(count), text);
        }
        assert_eq!(DEALS.count(En, 1).replace('\u{a0}', " "), "1 deal");
        assert_eq!(DEALS.count(En, 1_021).replace('\u{a0}', " "), "1,021 deals");
        for noun in NOUNS {
            assert!(noun.ru.iter().chain(&noun.en).all(|form| !form.is_empty()), "{noun:?}");
        }
    }

    #[test]
    fn how_long_ago_is_said_as_people_say_it() {
        let said = |language, seconds| ago(language, seconds).replace('\u{a0}', " ");
        assert_eq!(said(Ru, 2), "только что");
        assert_eq!(said(Ru, 61), "1 минуту назад");
        assert_eq!(said(Ru, 22 * 60), "22 минуты назад");
        assert_eq!(said(Ru, -30 * 60), "через 30 минут");
        assert_eq!(said(En, 5 * 3600), "5 hours ago");
        assert_eq!(said(En, -86_400), "in 1 day");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let said = |milliseconds| span(Ru, milliseconds).replace('\u{a0}', " ");
        assert_eq!(said(240), "240 мс");
        assert_eq!(said(1_240), "1,2 с");
        assert_eq!(said(65_000), "1 мин 5 с");
        assert_eq!(said(3_600_000), "1 ч");
        assert_eq!(said(90_061_000), "1 д 1 ч");
        assert_eq!(span(En, 2_000).replace('\u{a0}', " "), "2 s");
    }
}
