//! Sentences that desk, rules and the pipeline say in English, in Russian. Invariant: a sentence is told
//! whole or left as it is; what stands in its places is kept, but for words of ours; no template says
//! what no source says.

use super::Language;
use crate::pipeline::resolve;

/// English with places, and Russian with the same places in the same order.
type Sentences = &'static [(&'static str, &'static str)];
type Word = fn(&str) -> String;

/// How the lead was chosen.
const LEADS: Sentences = &[
    ("leads that may be linked: from {} until {}", "подходят лиды с {} до {}"),
    ("no lead was looked for: there is no contact", "лид не искали: нет контакта"),
    (
        "linked to none of ours, and our journals have gaps: the far side was asked to look by the \
         contacts; where it finds none, the source is «{}»",
        "из наших лидов не связан ни один, но в наших журналах есть пробелы: внешняя система ищет \
         по контактам сама; если не найдёт, источник будет «{}»",
    ),
    ("linked to none: the source is «{}»", "не связано ни с одним: источник «{}»"),
    (
        "linked to {} {}, unless the far side knows one that goes before it: our journals have \
         gaps, so it was asked to look by the contacts first",
        "связано: {} {}, если внешняя система не знает более подходящего: в наших журналах есть \
         пробелы, поэтому сначала она ищет по контактам сама",
    ),
    ("linked to {} {}, which the order itself names", "связано: {} {}, указано в самом заказе"),
    (
        "  no {} in that time, as far as we know: our journal of them has gaps in that time",
        "{}: за это время нет, насколько известно: в нашем журнале за это время пробелы",
    ),
    (
        "  no {} in that time, as far as webhooks told",
        "{}: за это время нет, насколько сообщили вебхуки",
    ),
    ("  no {} in that time", "{}: за это время нет"),
    ("  {} {}: too old", "{} {}: слишком давно"),
    ("  {} {}: too late", "{} {}: слишком поздно"),
    ("  {} {}: farther from the order", "{} {}: дальше от заказа"),
    ("  {} {}: linked, the nearest {}", "{} {}: связано, ближе всех ({})"),
    (
        "  {} {}: the nearest, but the order names another",
        "{} {}: ближе всех, но заказ указывает другой",
    ),
    ("  {} {}: would have matched, but a {} goes first", "{} {}: подходит, но первым идёт {}"),
    ("  {} {}: would have matched, but no {} is linked", "{} {}: подходит, но {} не связывают"),
];

/// How far from the order a lead was.
const FAR: Sentences = &[
    ("at the very second of the order", "в ту же секунду, что и заказ"),
    ("{} s after the order", "через {} с после заказа"),
    ("{} s before the order", "за {} с до заказа"),
    ("{} min after the order", "через {} мин после заказа"),
    ("{} min before the order", "за {} мин до заказа"),
    ("{} h after the order", "через {} ч после заказа"),
    ("{} h before the order", "за {} ч до заказа"),
    ("{} days after the order", "через {} дн. после заказа"),
    ("{} days before the order", "за {} дн. до заказа"),
];

/// Why a flow is silent or still, and what waits for a person.
const HOUSE: Sentences = &[
    ("it is stopped", "остановлена"),
    (
        "it was registered before the connection was first started, {}",
        "событие записано до первого запуска подключения, {}",
    ),
    ("its `on.when` does not hold: {}", "не выполнено условие `on.when`: {}"),
    (
        "it did not run when this came, or another event of the same keys was first",
        "не работала, когда пришло событие, или раньше пришло другое с теми же ключами",
    ),
    (
        "config has no `running = true` in [flows.{}]",
        "в настройках нет `running = true` в [flows.{}]",
    ),
    ("no connection is bound to {}", "ни одно подключение не привязано к роли: {}"),
    ("there is no such flow any more", "такой связки больше нет"),
    ("stopped by {} at {}: {}", "остановлена: {}, {}: {}"),
    ("started by {} at {}: {}", "запущена: {}, {}: {}"),
    ("stopped by {} at {}", "остановлена: {}, {}"),
    ("started by {} at {}", "запущена: {}, {}"),
    ("no reason was kept", "причина не сохранилась"),
    ("paused", "на паузе"),
    ("setting up", "настраивается"),
    (
        "mend the files, then `leadlink reload`; what ran before runs on",
        "исправьте файлы и выполните `leadlink reload`; прежние правила продолжают работать",
    ),
    (
        "it is probed, and opens by itself as soon as it answers",
        "подключение проверяется и откроется само, как только ответит",
    ),
    (
        "nobody knows whether {} of step {} happened",
        "неизвестно, выполнилась ли операция {} шага {}",
    ),
    (
        "look at the far side; the job itself is through",
        "посмотрите во внешней системе; само задание завершено",
    ),
    (
        "step {} left no trace, and may have happened: {}",
        "шаг {} не оставил следов, но мог выполниться: {}",
    ),
    (
        "step {} may have happened: looking for it then",
        "шаг {} мог выполниться: в это время проверим",
    ),
    (
        "step {} left no trace yet: looking once more then",
        "шаг {} пока не оставил следов: в это время проверим ещё раз",
    ),
    ("step {} may have happened: {}", "шаг {} мог выполниться: {}"),
    ("step {}: there is no connection {}", "шаг {}: нет подключения {}"),
    ("{} is empty, and {} needs it", "поле {} пусто, а для {} оно обязательно"),
    (
        "it was not run: the file has errors, or a role is not bound",
        "не запускался: в файле ошибки или не привязана роль",
    ),
    (
        "no rule was asked then: the flow did not run",
        "правила тогда не применялись: связка не работала",
    ),
];

/// Why an act was refused, or left something as it is.
const ACTS: Sentences = &[
    ("nothing was decided of job {}: it is {}", "по заданию {} решения не было: {}"),
    (
        "its flow {} is not there any more: bring it back first",
        "связки {} больше нет: сначала верните её",
    ),
    ("its flow {} is not there any more", "связки {} больше нет"),
    ("its flow {} is not there", "связки {} нет"),
    ("its flow {} is stopped: start it first", "связка {} остановлена: сначала запустите её"),
    ("{} is stopped: start it first", "связка {} остановлена: сначала запустите её"),
    ("it is parked: {} decides it anew", "задание требует внимания: новое решение примет {}"),
    ("it is still {}", "ещё не завершено: {}"),
    ("it is {}: wait until it is through", "сейчас {}: дождитесь завершения"),
    ("it is {} already", "уже {}"),
    ("it is not stuck: it is {}", "не требует внимания: {}"),
    (
        "job {} of the same flow and event is {}",
        "у задания {} той же связки и события состояние: {}",
    ),
    ("it has no step {} of unknown outcome", "у него нет шага {} с неизвестным исходом"),
    (
        "there is no such job, or no such flow any more",
        "такого задания или такой связки больше нет",
    ),
    ("there is no such job", "такого задания нет"),
    ("it waits", "ожидает"),
    ("it has ended", "завершено"),
    (
        "{} is another than it was shown: look at the difference anew",
        "связка {} изменилась после показа: посмотрите отличия заново",
    ),
    (
        "no process that owns it has answered; it will still be done",
        "процесс, который обслуживает подключение, не ответил; команда всё равно будет выполнена",
    ),
    ("{} has nothing to poll", "у подключения {} нечего опрашивать"),
    ("write at most {} characters", "не больше {} знаков"),
    ("say why, in a word", "напишите причину"),
    ("it is not unreadable", "это уже разобрано"),
    ("there is no such act", "такого действия нет"),
    (
        "nothing is chosen that this can be done to",
        "не выбрано ничего, к чему применимо это действие",
    ),
    ("it does not answer", "не отвечает"),
    (
        "step {} may have happened: say `--arrived {}` if it did, `--again {}` if not",
        "шаг {} мог выполниться: выберите «Дошло» или «Послать снова» ({}, {})",
    ),
    (
        "step {} makes something: say what it made, e.g. {}",
        "шаг {} что-то создаёт: укажите id того, что появилось, как в {}",
    ),
    ("there is no connection {}", "нет подключения {}"),
    (
        "there is no flow {}, or one of its roles is not bound",
        "нет связки {}, или к одной из её ролей ничего не привязано",
    ),
    ("this is no mark of ours", "такой страницы списка нет"),
    ("12 characters at least", "не короче 12 знаков"),
    ("1000 characters at most", "не больше 1000 знаков"),
    ("1 to 64 characters", "от 1 до 64 знаков"),
    ("too easy to guess", "слишком легко угадать"),
    ("letters, digits, and . _ - @", "только буквы, цифры и . _ - @"),
    ("there is somebody of the name {}", "имя {} уже занято"),
    (
        "{} is the only admin: make another one first",
        "{} — единственный администратор: сначала назначьте другого",
    ),
    ("one of read, act, manage at least", "хотя бы одно из прав"),
    ("a time to come", "время в будущем"),
    ("the name or the password is wrong", "имя или пароль не подходят"),
    ("too many tries; the next one counts in {} s", "слишком много попыток; следующая через {} с"),
    ("it is larger than 1 MiB", "больше 1 МиБ"),
];

const ALL: [(Sentences, Word); 3] = [(LEADS, lead), (HOUSE, house), (ACTS, state)];

/// A sentence of ours in this language; anything else as it is.
pub fn told(language: Language, text: &str) -> String {
    if language == Language::En {
        return text.to_owned();
    }
    let known = ALL.into_iter().find_map(|(sentences, word)| said(sentences, word, text));
    known.unwrap_or_else(|| text.to_owned())
}

/// What a field of a form is called.
pub fn field(language: Language, name: &str) -> &str {
    match (language, name) {
        (Language::En, _) => name,
        (_, "why") => "Причина",
        (_, "act") => "Действие",
        (_, "name") => "Имя",
        (_, "password" | "new") => "Пароль",
        (_, "old") => "Текущий пароль",
        (_, "scopes") => "Права",
        (_, "until") => "Срок",
        (_, "step") => "Шаг",
        _ => name,
    }
}

fn said(sentences: Sentences, word: Word, text: &str) -> Option<String> {
    sentences.iter().find_map(|(english, russian)| {
        let mut places = places(english, text)?.into_iter();
        let mut out = String::new();
        for (at, part) in russian.split("{}").enumerate() {
            if at > 0 {
                out += &places.next().map(word).unwrap_or_default();
            }
            out += part;
        }
        Some(out)
    })
}

/// What stands in the places of a template; none: the text is not of it.
fn places<'a>(template: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = template.split("{}").peekable();
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut out = Vec::new();
    while let Some(part) = parts.next() {
        let (value, tail) = match parts.peek() {
            None => (rest.strip_suffix(part)?, ""),
            Some(_) => rest.split_once(part)?,
        };
        out.push(value);
        rest = tail;
    }
    rest.is_empty().then_some(out)
}

fn kept(place: &str) -> String {
    place.to_owned()
}

/// What the house puts into a sentence itself.
fn house(place: &str) -> String {
    match place {
        resolve::ASKS => "нужен ответ человека".to_owned(),
        other => {
            let names = other.strip_prefix("the role ").or(other.strip_prefix("the roles "));
            names.unwrap_or(other).to_owned()
        }
    }
}

/// A kind of lead; or a lead in a line, with how far it is.
fn lead(place: &str) -> String {
    let noun = match place {
        "call" => "звонок",
        "request" => "заявка",
        "chat" => "чат",
        _ => "",
    };
    if !noun.is_empty() {
        return noun.to_owned();
    }
    let far = |part: &str| said(FAR, kept, part).unwrap_or_else(|| part.to_owned());
    place.split(", ").map(far).collect::<Vec<String>>().join(", ")
}

/// A state of a job.
fn state(place: &str) -> String {
    let w = &super::RU.states;
    let word = match place {
        "waiting" => w.waiting,
        "deciding" => w.deciding,
        "acted" => w.acted,
        "skipped" => w.skipped,
        "incomplete" => w.incomplete,
        "stuck" => w.stuck,
        "`retry`" | "`leadlink retry`" => "«Повторить»",
        other => other,
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ru(text: &str) -> String {
        told(Language::Ru, text)
    }

    #[test]
    fn a_sentence_of_ours_is_told_whole() {
        let line = "  call 900, 2026-11-22 11:00:00 MSK, 3 min before the order, +7…01, cpc: linked, the nearest call";
        assert_eq!(
            ru(line),
            "звонок 900, 2026-11-22 11:00:00 MSK, за 3 мин до заказа, +7…01, cpc: связано, ближе всех (звонок)"
        );
        assert_eq!(told(Language::En, line), line);
        assert_eq!(ru("it is still waiting"), "ещё не завершено: ждёт");
        let stopped = "stopped by anna at 2026-11-20T10:00:00Z: the CRM: moved";
        assert_eq!(ru(stopped), "остановлена: anna, 2026-11-20T10:00:00Z: the CRM: moved");
        assert_eq!(ru("it is parked: `retry` decides it anew").matches("«Повторить»").count(), 1);
        let role = "no connection is bound to the role `crm`";
        assert_eq!(ru(role), "ни одно подключение не привязано к роли: `crm`");
        assert_eq!(ru("  no chat in that time"), "чат: за это время нет");
        assert_eq!(
            ru("step create may have happened: a person must say"),
            "шаг create мог выполниться: нужен ответ человека"
        );
    }

    #[test]
    fn what_a_far_side_says_stays_as_it_is() {
        for text in ["", "Wrong key", "no status «it is stopped»", "it is stopped by us", "<b>"] {
            assert_eq!(ru(text), text);
        }
    }

    #[test]
    fn every_template_has_its_places_in_both_languages() {
        for (english, russian) in ALL.iter().flat_map(|(sentences, _)| *sentences).chain(FAR) {
            let count = |text: &str| text.matches("{}").count();
            assert_eq!(count(english), count(russian), "{english}");
        }
    }

    /// A sentence that nobody says any more has to go from here.
    #[test]
    fn every_template_is_said_somewhere() {
        const SOURCES: [&str; 20] = [
            include_str!("../../desk/story/leads.rs"),
            include_str!("../../desk/overview/report.rs"),
            include_str!("../../desk/needs/mod.rs"),
            include_str!("../../desk/needs/groups.rs"),
            include_str!("../../desk/acts/mod.rs"),
            include_str!("../../desk/acts/bulk.rs"),
            include_str!("../../desk/acts/preview.rs"),
            include_str!("../../desk/connections/mod.rs"),
            include_str!("../../desk/flows/mod.rs"),
            include_str!("../../desk/flows/read.rs"),
            include_str!("../../desk/flows/trial.rs"),
            include_str!("../../desk/people.rs"),
            include_str!("../../desk/password.rs"),
            include_str!("../../desk/tokens.rs"),
            include_str!("../../desk/login.rs"),
            include_str!("../../rules/silent.rs"),
            include_str!("../../rules/decide.rs"),
            include_str!("../../pipeline/mend.rs"),
            include_str!("../../pipeline/resolve.rs"),
            concat!(
                include_str!("../../pipeline/switches.rs"),
                include_str!("../../pipeline/perform.rs"),
                include_str!("../../pipeline/gate.rs"),
                include_str!("../needs.rs")
            ),
        ];
        // A text that goes on in the next line is one text.
        let sources: String =
            SOURCES.concat().split("\\\n").map(str::trim_start).collect::<Vec<_>>().concat();
        for (english, _) in ALL.iter().flat_map(|(sentences, _)| *sentences) {
            // Begun with one of two words.
            for part in english.split("{}").filter(|part| !part.starts_with("started by")) {
                // These two halves are put together there.
                let part = part.strip_prefix(" in that time, as far").unwrap_or(part);
                let part = part.trim_matches([' ', ':', ',', '«', '»', '[', ']', '`']);
                assert!(sources.contains(part), "nobody says `{part}` of `{english}`");
            }
        }
    }
}
