//! How the account stands: logged in, logged out, unpaid. Invariant: what was asked is believed for a
//! short while only, and forgotten as soon as an answer blames the account.

use super::api::Api;
use super::wire::text;
use crate::domain::{Delay, Whose};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// So long an account that was fine is taken to be fine.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// Ids that are remembered: far more than one chat gets in the minute of a look.
const GIVEN: usize = 2000;

/// When the account was last seen to be fine.
#[derive(Default)]
pub struct Standing {
    fine: Mutex<Option<Timestamp>>,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
}

impl Standing {
    /// Asks, unless it was asked a moment ago, whether what is sent now goes out now.
    ///
    /// # Errors
    /// Why not.
    pub async fn awake(&self, api: &Api, now: Timestamp) -> Result<(), Delay> {
        if self.believed(now) {
            return Ok(());
        }
        let _turn = self.asking.lock().await;
        if self.believed(now) {
            return Ok(());
        }
        ask(api, false).await?;
        *self.fine.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    fn believed(&self, now: Timestamp) -> bool {
        let fine = *self.fine.lock().unwrap_or_else(PoisonError::into_inner);
        fine.is_some_and(|at| now.duration_since(at).abs() < BELIEVED)
    }

    /// The account was blamed: it is asked anew before the next message.
    pub fn doubt(&self, delay: &Delay) {
        if delay.whose != Whose::Item {
            *self.fine.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Asks how the account stands; `quietly` wakes no instance that sleeps.
///
/// # Errors
/// Why nothing can be sent now.
pub async fn ask(api: &Api, quietly: bool) -> Result<(), Delay> {
    let query = [("no_wakeup", "true".to_owned())];
    judge(&api.get("/status", if quietly { &query } else { &[] }).await?)
}

/// What the answer means. Words that nobody documents are no reason to stop.
pub fn judge(body: &Value) -> Result<(), Delay> {
    let said = text(body, "accountStatus").unwrap_or_default().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["paid", "expired"]) {
        return Err(Delay::access("the gateway's account is not paid"));
    }
    if has(&["qr", "logout", "logged out", "disconnect", "unauth", "not_auth", "not auth"]) {
        return Err(Delay::access(
            "WhatsApp is logged out: scan the QR code in the gateway's account",
        ));
    }
    if has(&["banned", "blocked"]) {
        return Err(Delay::access("WhatsApp banned the account's number"));
    }
    if matches!(said.as_str(), "init" | "loading") {
        return Err(Delay::connection(format!("the instance is starting ({said})")));
    }
    Ok(())
}

/// The ids of messages that the gateway gave to us: whatever is looked for, it is none of these.
#[derive(Default)]
pub struct Given(Mutex<VecDeque<String>>);

impl Given {
    pub fn tell(&self, id: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() == GIVEN {
            held.pop_front();
        }
        held.push_back(id.to_owned());
    }

    pub fn has(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|held| held == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_fine_or_says_whose_trouble_it_is() {
        for (status, whose) in [
            ("authenticated", None),
            ("", None),
            ("connected", None),
            ("init", Some(Whose::Connection)),
            ("loading", Some(Whose::Connection)),
            ("got qr code", Some(Whose::Access)),
            ("not_paid", Some(Whose::Access)),
            ("unauthorized", Some(Whose::Access)),
        ] {
            let judged = judge(&json!({ "accountStatus": status }));
            assert_eq!(judged.err().map(|delay| delay.whose), whose, "{status}");
        }
    }

    #[test]
    fn the_last_ids_are_remembered() {
        let given = Given::default();
        for number in 0..=GIVEN {
            given.tell(&number.to_string());
        }
        assert!(!given.has("0") && given.has("1") && given.has(&GIVEN.to_string()));
    }
}
