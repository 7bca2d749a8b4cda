//! What the tables of settings of all connections have in common. Invariant: what is wrong stands in
//! the section, at its key and with the mend.

use super::http;
use crate::config::Section;
use crate::diagnosis::Problem;
use secrecy::{ExposeSecret, SecretString};

/// What guards a door has at least so many characters.
const SHORT_SECRET: usize = 16;

/// The client of a connection; `None` where there is a problem.
pub fn client(
    section: &mut Section,
    options: http::Options,
    limits: &http::Limits,
) -> Option<http::Client> {
    match http::Client::new(options, limits) {
        Ok(client) => Some(client),
        Err(why) => {
            let key = if why.contains("time-out") { "timeout" } else { "url" };
            section.problem(key, Problem::error(why));
            None
        }
    }
}

/// `hook_secret`, which guards the door; without it there is no door.
pub fn hook_secret(section: &mut Section) -> Option<SecretString> {
    let secret = section.secret("hook_secret")?;
    if secret.expose_secret().chars().count() < SHORT_SECRET {
        let problem =
            Problem::warning("a short secret can be guessed, and it is all that guards the door")
                .mend(format!("write {SHORT_SECRET} random characters or more"));
        section.problem("hook_secret", problem);
    }
    Some(secret)
}

/// `requests_per_second`; `None` where it is no rate.
pub fn rate(section: &mut Section, default: f64) -> Option<f64> {
    let rate = section.number("requests_per_second", default);
    if rate <= 0.0 {
        let problem = Problem::error("the rate must be above 0");
        section.problem("requests_per_second", problem.mend(format!("write {default}")));
        return None;
    }
    Some(rate)
}
