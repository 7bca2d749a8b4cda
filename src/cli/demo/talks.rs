//! Conversations in the demo: people write on Telegram and WhatsApp, a manager answers in the CRM's chat.
//! Invariant: what is told of a message stands on a far side: in the CRM's chats, or at the messenger.

use super::show::Screen;
use crate::sandbox::chatapi::message::{FileSpec, MessageSpec, Writing};
use crate::sandbox::ledger::Ledger;
use crate::sandbox::mg::people::Writing as Answer;
use crate::sandbox::{Does, Sandbox};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Before the first word of each, and between two.
const FIRST: [Duration; 2] = [Duration::from_millis(1500), Duration::from_millis(2600)];
const BETWEEN: Duration = Duration::from_millis(2200);

/// Who says what next.
enum Turn {
    Person(&'static str),
    /// With a picture.
    Shows(&'static str),
    Manager(&'static str),
}

/// What is waited for.
enum Under {
    /// So many messages in the CRM's chat.
    Arrival(usize),
    /// The state of the answer with this id; the one that was told last.
    Answer(u64, &'static str),
}

/// One conversation.
struct Talk {
    /// For people.
    place: &'static str,
    /// The messenger's connection.
    channel: &'static str,
    chat: String,
    name: &'static str,
    /// The state that an answer comes to at last: who tells of reading, tells of it.
    last: &'static str,
    turns: VecDeque<Turn>,
    under: Option<Under>,
    next: Instant,
}

/// All of them.
pub struct Talks(Vec<Talk>);

impl Talks {
    pub fn new() -> Self {
        let telegram = Talk {
            place: "Telegram",
            channel: "telegram-main",
            chat: "700000001".to_owned(),
            name: "Анна",
            last: "sent",
            turns: VecDeque::from([
                Turn::Person("Здравствуйте! Серый диван ещё есть?"),
                Turn::Manager("Да, два в наличии. Отложить?"),
                Turn::Person("Один, пожалуйста"),
            ]),
            under: None,
            next: Instant::now() + FIRST[0],
        };
        let whatsapp = Talk {
            place: "WhatsApp",
            channel: "whatsapp-main",
            chat: "79163000001@c.us".to_owned(),
            name: "Пётр",
            last: "seen",
            turns: VecDeque::from([
                Turn::Shows("Подойдёт к такому полу?"),
                Turn::Manager("Подойдёт. Привезём завтра с 10 до 14"),
                Turn::Person("Жду"),
            ]),
            under: None,
            next: Instant::now() + FIRST[1],
        };
        Self(vec![telegram, whatsapp])
    }

    /// Whose turn it is says something.
    pub async fn act(&mut self, sandbox: &Sandbox, screen: &Screen) {
        for talk in &mut self.0 {
            if talk.under.is_none() && Instant::now() >= talk.next {
                talk.go_on(sandbox, screen).await;
            }
        }
    }

    /// Shows what has come of it since.
    pub fn look(&mut self, sandbox: &Sandbox, screen: &Screen) {
        if self.pending() == 0 {
            return;
        }
        let ledger = sandbox.ledger_of(&["conversations"]);
        for talk in &mut self.0 {
            talk.look(&ledger, screen);
        }
    }

    /// What is on its way.
    pub fn pending(&self) -> usize {
        self.0.iter().filter(|talk| talk.under.is_some()).count()
    }
}

impl Talk {
    async fn go_on(&mut self, sandbox: &Sandbox, screen: &Screen) {
        let Some(turn) = self.turns.pop_front() else { return };
        let ledger = sandbox.ledger_of(&["conversations"]);
        let held = ledger.conversation(self.channel, &self.chat);
        let there = held.map_or(0, |held| held.messages.len());
        self.under = match turn {
            Turn::Person(text) => {
                screen.line(self.place, &format!("{} writes: {text}", self.name));
                self.write(sandbox, text, false).await;
                Some(Under::Arrival(there + 1))
            }
            Turn::Shows(text) => {
                screen.line(self.place, &format!("{} sends a picture: {text}", self.name));
                self.write(sandbox, text, true).await;
                Some(Under::Arrival(there + 1))
            }
            Turn::Manager(text) => {
                let answer = Answer {
                    channel: self.channel.to_owned(),
                    chat: self.chat.clone(),
                    text: text.to_owned(),
                    ..Answer::default()
                };
                screen.line("the CRM's chat", &format!("a manager answers {}: {text}", self.name));
                sandbox.write(answer).ok().map(|id| Under::Answer(id, "sending"))
            }
        };
    }

    async fn write(&self, sandbox: &Sandbox, text: &str, picture: bool) {
        if let Ok(chat) = self.chat.parse() {
            let (name, text) = (Some(self.name.to_owned()), text.to_owned());
            // There is a bot.
            drop(sandbox.telegram(&Does { chat: Some(chat), name, text, ..Does::default() }));
            return;
        }
        let file = FileSpec {
            name: "floor.jpg".to_owned(),
            mime: "image/jpeg".to_owned(),
            size: Some(40_000),
            text: String::new(),
        };
        let message = MessageSpec {
            from: self.chat.clone(),
            name: self.name.to_owned(),
            text: text.to_owned(),
            file: picture.then_some(file),
            ..MessageSpec::default()
        };
        sandbox.whatsapp(&Writing::of(message)).await;
    }

    fn look(&mut self, ledger: &Ledger, screen: &Screen) {
        let held = ledger.conversation(self.channel, &self.chat);
        let messages = held.map(|held| held.messages.as_slice()).unwrap_or_default();
        let ended = match &mut self.under {
            None => return,
            Some(Under::Arrival(wanted)) => {
                let there = messages.get(wanted.saturating_sub(1));
                if let Some(message) = there {
                    let files = match message.files.len() {
                        0 => "",
                        _ => ", with its picture",
                    };
                    screen.good("the CRM's chat", &format!("→ it is there{files}"));
                }
                there.is_some()
            }
            Some(Under::Answer(id, told)) => {
                let Some(message) = messages.iter().find(|message| message.id == *id) else {
                    return;
                };
                if message.state != *told {
                    *told = message.state;
                    let word = match message.state {
                        "seen" => "read",
                        "failed" => "could not be sent",
                        state => state,
                    };
                    screen.good(self.place, &format!("→ {word}; the CRM shows it"));
                }
                message.state == self.last || message.state == "failed"
            }
        };
        if ended {
            self.under = None;
            self.next = Instant::now() + BETWEEN;
        }
    }
}
