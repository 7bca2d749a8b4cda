//! Passwords and tokens. Invariant: a password is kept as an argon2id hash and a token as a SHA-256
//! hash, neither can be read back; however many log in at once, only a few processors are busy.

use super::Error;
use crate::store;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Passwords that are hashed at a time; each takes 19 MiB and some 20 ms of a processor.
static HASHING: Semaphore = Semaphore::const_new(2);
/// Who waits longer for a turn is sent away.
const PATIENCE: Duration = Duration::from_secs(8);

pub const SHORTEST: usize = 12;
/// More is no password, but work for us.
const LONGEST: usize = 1000;

/// Of no password: what is verified where there is nobody of that name, so that it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGVhZGxpbmsgaXMgaGVyZQ\
                      $9mMXrPDW1hmNtB2ZqVIxZSNcBRxDAnKsu0RA8pFwc4E";

/// What is wrong with a password for this person.
pub fn wrong(name: &str, password: &str) -> Option<&'static str> {
    if password.chars().count() < SHORTEST {
        return Some("12 characters at least");
    }
    if password.len() > LONGEST {
        return Some("1000 characters at most");
    }
    let distinct: std::collections::BTreeSet<char> = password.chars().collect();
    if distinct.len() < 4 || password.to_lowercase() == name {
        return Some("too easy to guess");
    }
    None
}

/// # Errors
/// Too many at once.
pub async fn hash(password: &str) -> Result<String, Error> {
    let password = password.to_owned();
    let hashed = apart(move || Argon2::default().hash_password(password.as_bytes()));
    let hashed = hashed.await?.map_err(|error| failed(&error.to_string()))?;
    Ok(hashed.to_string())
}

/// Is it the password of this hash? Without a hash it is not, and that takes as long.
///
/// # Errors
/// Too many at once.
pub async fn is_right(password: &str, hash: Option<&str>) -> Result<bool, Error> {
    if password.len() > LONGEST {
        return Ok(false);
    }
    let (password, known) = (password.to_owned(), hash.is_some());
    let hash = hash.unwrap_or(NOBODY).to_owned();
    let verified = apart(move || {
        let parsed = PasswordHash::new(&hash);
        parsed
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    });
    Ok(verified.await? && known)
}

#[expect(clippy::disallowed_methods, reason = "as many at a time as there are permits")]
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let turn = tokio::time::timeout(PATIENCE, HASHING.acquire()).await;
    let Ok(Ok(turn)) = turn else { return Err(failed("too many log in at once; try again")) };
    let done = tokio::task::spawn_blocking(move || {
        // Held until the work ends, though its caller goes away.
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| failed(&error.to_string()))
}

fn failed(why: &str) -> Error {
    Error::Store(store::Error::Unavailable(why.to_owned()))
}

/// 256 bits that nobody can guess, in hex.
///
/// # Errors
/// The system has no randomness.
pub fn random() -> Result<String, Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| failed(&error.to_string()))?;
    Ok(hex(&bytes))
}

/// SHA-256, in hex. Of 256 random bits no slower hash is needed.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_is_the_password() {
        let hashed = hash("correct horse battery").await.expect("a hash");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_eq!(is_right("correct horse battery", Some(&hashed)).await, Ok(true));
        assert_eq!(is_right("correct horse batterz", Some(&hashed)).await, Ok(false));
        assert_eq!(is_right("correct horse battery", None).await, Ok(false));
        assert_eq!(is_right("x", Some("no hash")).await, Ok(false));
    }

    /// Else a name that nobody has would be answered at once.
    #[test]
    fn the_hash_of_nobody_is_a_hash_of_the_same_cost() {
        let parsed = PasswordHash::new(NOBODY).expect("a hash");
        let params = argon2::Params::try_from(&parsed).expect("parameters");
        let usual = argon2::Params::default();
        let cost = |params: &argon2::Params| (params.m_cost(), params.t_cost(), params.p_cost());
        assert_eq!(cost(&params), cost(&usual));
        assert!(parsed.salt.is_some() && parsed.hash.is_some());
    }

    #[test]
    fn passwords_are_long_and_tokens_differ() {
        assert!(wrong("anna", "eleven char").is_some());
        assert!(wrong("anna", "двенадцатьзн").is_none());
        assert!(wrong("anna-petrovna", "Anna-Petrovna").is_some());
        assert!(wrong("anna", "aaaaaaaaaaaaaaaa").is_some());
        assert!(wrong("anna", &"ab1d".repeat(300)).is_some());
        let (one, two) = (random().expect("bits"), random().expect("bits"));
        assert!(one != two && one.len() == 64);
    }
}
