//! The settings of a connection. Invariant: every problem of the table is reported, and secrets stay
//! wrapped.

use super::reading::{FIELDS, Shape, Tests};
use super::template;
use crate::config::Section;
use crate::connectors::http;
use crate::connectors::settings;
use crate::diagnosis::{Problem, suggest};
use secrecy::SecretString;
use serde_json::Value;

const RATE: f64 = 5.0;
const BODY: &str = r#"{"chat": "{chat}", "text": "{text}"}"#;

/// `[connections.NAME]` with `connector = "webhook"`.
pub struct Settings {
    pub options: http::Options,
    pub hook_secret: Option<SecretString>,
    pub signature: Option<Signature>,
    pub sign_sends: bool,
    pub shape: Shape,
    pub send: Option<Sending>,
}

/// How deliveries are signed.
pub struct Signature {
    pub secret: SecretString,
    /// Names in lower case, as they arrive.
    pub header: String,
    pub prefix: String,
    pub time_header: Option<String>,
}

/// How a message is sent.
pub struct Sending {
    pub path: String,
    pub body: Value,
    /// Where the answer has its id.
    pub id: String,
    pub key: Option<(String, SecretString)>,
}

impl Settings {
    /// Reads the table; `None` where a problem makes the connection unusable. Every key is asked for
    /// in any case, so that all problems are found.
    pub fn read(name: &str, section: &mut Section) -> Option<Self> {
        let options = options(name, section);
        let hook_secret = settings::hook_secret(section);
        let signature = signature(section);
        let sign_sends = section.flag("sign_sends", false);
        if sign_sends && signature.is_none() {
            let problem = Problem::error("there is no `sign_secret` to sign with");
            section.problem("sign_sends", problem.mend("write `sign_secret`"));
        }
        let shape = shape(section);
        let send = send(section);
        Some(Self {
            options: options?,
            hook_secret,
            signature,
            sign_sends,
            shape: shape?,
            send: send?,
        })
    }
}

fn options(name: &str, section: &mut Section) -> Option<http::Options> {
    let url = section.required_text("url", "the root of the addresses that we send to");
    let base = if url.is_empty() {
        None
    } else {
        http::base_url(&url).map_err(|why| section.problem("url", Problem::error(why))).ok()
    };
    let rate = settings::rate(section, RATE);
    let limit_group = section.text("limit_group");
    let timeout = section.duration("timeout", http::TIMEOUT);
    Some(http::Options {
        connection: name.to_owned(),
        base: base?,
        requests_per_second: rate?,
        limit_group,
        timeout,
    })
}

fn signature(section: &mut Section) -> Option<Signature> {
    let secret = section.secret("sign_secret");
    let header = section.text("sign_header").unwrap_or_else(|| "X-Signature".to_owned());
    let prefix = section.text("sign_prefix").unwrap_or_else(|| "sha256=".to_owned());
    let time_header = section.text("sign_time_header").map(|name| name.to_lowercase());
    Some(Signature { secret: secret?, header: header.to_lowercase(), prefix, time_header })
}

fn shape(section: &mut Section) -> Option<Shape> {
    let tests = |section: &mut Section, key: &str| -> Tests {
        section.table_of_texts(key).into_iter().collect()
    };
    let (when, unless) = (tests(section, "when"), tests(section, "unless"));
    let own = tests(section, "own");
    let fields = section.table_of_texts("fields");
    let mut sound = true;
    for field in fields.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
        let problem = Problem::error(format!("`{field}` is no field of a message"));
        section.problem("fields", problem.mend(suggest(field, FIELDS)));
        sound = false;
    }
    for must in ["id", "chat"] {
        if !fields.contains_key(must) {
            let problem =
                Problem::error(format!("nothing says where the message's `{must}` stands"));
            section.problem("fields", problem.mend(format!("write fields.{must} = \"path\"")));
            sound = false;
        }
    }
    sound.then_some(Shape { when, unless, own, fields })
}

/// `None`: wrong; `Some(None)`: nothing can be sent.
fn send(section: &mut Section) -> Option<Option<Sending>> {
    let path = section.text("send_path");
    let body = section.text("send_body").unwrap_or_else(|| BODY.to_owned());
    let id = section.text("send_id").unwrap_or_else(|| "id".to_owned());
    let header = section.text("send_header").unwrap_or_else(|| "Authorization".to_owned());
    let secret = section.secret("send_secret");
    let mut sound = true;
    let parsed = serde_json::from_str::<Value>(&body).ok();
    if parsed.is_none() {
        let problem = Problem::error("this is no JSON").mend(format!("write '{BODY}'"));
        section.problem("send_body", problem);
        sound = false;
    }
    let texts = [("send_path", path.clone().unwrap_or_default()), ("send_body", body)];
    for (key, text) in texts {
        if let Some(place) = template::unknown(&text) {
            let problem = Problem::error(format!("nothing is called {{{place}}}"));
            let known = template::PLACES.map(|place| format!("{{{place}}}")).join(", ");
            section.problem(key, problem.mend(format!("known: {known}")));
            sound = false;
        }
    }
    let is_header = !header.is_empty()
        && header.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if !is_header {
        let problem = Problem::error("this is no name of a header").mend("write \"Authorization\"");
        section.problem("send_header", problem);
        sound = false;
    }
    if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/')) {
        let problem = Problem::error(format!("`{path}` does not begin with /"));
        section.problem("send_path", problem.mend(format!("write \"/{path}\"")));
        sound = false;
    }
    if !sound {
        return None;
    }
    let key = secret.map(|secret| (header, secret));
    Some(path.and_then(|path| Some(Sending { path, body: parsed?, id, key })))
}
