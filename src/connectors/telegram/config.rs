//! The settings of a connection. Invariant: every problem of the table is reported, and secrets
//! stay wrapped.

use crate::config::Section;
use crate::connectors::door;
use crate::connectors::http;
use crate::connectors::settings;
use crate::diagnosis::Problem;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Telegram's own servers; a server of one's own has another.
const URL: &str = "https://api.telegram.org";
/// The documented limit for one bot is about 30 a second, "deliberately unspecified".
const RATE: f64 = 25.0;
/// From one message in a chat to the next: about so much is allowed.
const CHAT_PAUSE: Duration = Duration::from_secs(1);
const POLL_EVERY: Duration = Duration::from_secs(1);
const SHORTEST_POLL: Duration = Duration::from_secs(1);
const LONGEST_SECRET_TOKEN: usize = 256;
/// Where Telegram's own servers deliver.
const PORTS: [u16; 4] = [443, 80, 88, 8443];
/// A long poll ends so long before the time-out of its request.
const SLACK: Duration = Duration::from_secs(3);
/// The server caps a long poll here.
const LONGEST_POLL: u64 = 50;

/// How updates come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Webhook,
    Poll,
}

/// `[connections.NAME]` with `connector = "telegram"`.
pub struct Settings {
    pub options: http::Options,
    pub token: SecretString,
    /// The bot's own id: the digits before the colon of its token.
    pub bot: String,
    pub mode: Mode,
    pub hook_secret: Option<SecretString>,
    /// What Telegram puts into the header of its deliveries.
    pub secret_token: SecretString,
    /// Where the door is reached from outside, without a trailing slash.
    pub public: Option<String>,
    pub poll_every: Duration,
    /// From one message in a chat to the next.
    pub chat_pause: Duration,
    /// How long the far side holds back the answer to a poll, in seconds.
    pub poll_wait: u64,
}

impl Settings {
    /// Reads the table; `None` where a problem makes the connection unusable. Every key is asked
    /// for in any case, so that all problems are found.
    pub fn read(name: &str, section: &mut Section) -> Option<Self> {
        let url = section.text("url").unwrap_or_else(|| URL.to_owned());
        let base = http::base_url(&url).map_err(|why| section.problem("url", Problem::error(why)));
        let token = token(section);
        let hook_secret = settings::hook_secret(section);
        let mode = mode(section, hook_secret.is_some());
        let secret_token = secret_token(section);
        let public = public(section, base.as_deref().is_ok_and(|base| base == URL));
        let poll_every = poll_every(section);
        let rate = settings::rate(section, RATE);
        let chat_pause = section.duration("chat_pause", CHAT_PAUSE);
        let limit_group = section.text("limit_group");
        let timeout = section.duration("timeout", http::TIMEOUT);
        let token = token?;
        let bot = bot_of(token.expose_secret());
        let own = if bot.is_empty() { name } else { &bot };
        let derived = || derived(&token, hook_secret.as_ref());
        Some(Self {
            options: http::Options {
                connection: name.to_owned(),
                base: base.ok()?,
                requests_per_second: rate?,
                // The limits are the bot's, and not the host's.
                limit_group: Some(limit_group.unwrap_or_else(|| format!("telegram:{own}"))),
                timeout,
            },
            mode: mode?,
            secret_token: secret_token?.unwrap_or_else(derived),
            public: public?,
            poll_every: poll_every?,
            chat_pause,
            poll_wait: timeout.saturating_sub(SLACK).as_secs().min(LONGEST_POLL),
            bot,
            hook_secret,
            token,
        })
    }
}

fn token(section: &mut Section) -> Option<SecretString> {
    let token = section.required_secret("token", "the token that @BotFather gave the bot");
    let text = token.expose_secret();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ':' | '_' | '-');
    if text.is_empty() {
        return None;
    }
    if !text.chars().all(fits) {
        let problem = Problem::error("holds characters that no token of a bot has");
        section.problem("token", problem.mend("copy it anew from @BotFather: 123456:ABC-DEF…"));
        return None;
    }
    Some(token)
}

fn bot_of(token: &str) -> String {
    let id = token.split_once(':').map_or("", |(id, _)| id);
    if id.chars().all(|digit| digit.is_ascii_digit()) { id.to_owned() } else { String::new() }
}

/// By webhook where there is a door, else by polls.
fn mode(section: &mut Section, has_door: bool) -> Option<Mode> {
    let default = if has_door { "webhook" } else { "poll" };
    let mode = section.choice("mode", &["webhook", "poll"], default);
    if mode == "poll" {
        return Some(Mode::Poll);
    }
    if !has_door {
        let problem = Problem::error("a webhook needs a door, and there is no `hook_secret`");
        section.problem("mode", problem.mend("write `hook_secret`, or mode = \"poll\""));
        return None;
    }
    Some(Mode::Webhook)
}

fn secret_token(section: &mut Section) -> Option<Option<SecretString>> {
    let Some(secret) = section.secret("secret_token") else { return Some(None) };
    let text = secret.expose_secret();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if text.len() <= LONGEST_SECRET_TOKEN && text.chars().all(fits) {
        return Some(Some(secret));
    }
    let problem = Problem::error("Telegram takes 1 to 256 characters of A-Z, a-z, 0-9, _ and -");
    let mend = "leave it out: one is made of `hook_secret` and `token`";
    section.problem("secret_token", problem.mend(mend));
    None
}

/// A secret of the same life as those that it is made of, and that tells nothing of them.
fn derived(token: &SecretString, hook_secret: Option<&SecretString>) -> SecretString {
    let mut digest = Sha256::new();
    digest.update(b"leadlink telegram secret_token\0");
    digest.update(token.expose_secret().as_bytes());
    digest.update(b"\0");
    digest.update(hook_secret.map_or("", |secret| secret.expose_secret()).as_bytes());
    door::hex(&digest.finalize()).into()
}

fn public(section: &mut Section, is_telegrams_own: bool) -> Option<Option<String>> {
    let Some(text) = section.text("public") else { return Some(None) };
    let address = match http::base_url(&text) {
        Ok(address) => address,
        Err(why) => {
            section.problem("public", Problem::error(why));
            return None;
        }
    };
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if is_telegrams_own && port.is_some_and(|port| !PORTS.contains(&port)) {
        let problem = Problem::error("Telegram delivers to the ports 443, 80, 88 and 8443 alone");
        section.problem("public", problem.mend("write an address with one of these ports"));
        return None;
    }
    Some(Some(address))
}

fn poll_every(section: &mut Section) -> Option<Duration> {
    let every = section.duration("poll_every", POLL_EVERY);
    if every < SHORTEST_POLL {
        let problem = Problem::error("polls are 1 s apart at least").mend("write \"1s\"");
        section.problem("poll_every", problem);
        return None;
    }
    Some(every)
}
