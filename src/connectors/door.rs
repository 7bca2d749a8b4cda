//! What connectors need at their doors: comparing secrets, and digests of what came in. Invariant: how
//! long a comparison takes tells nothing of the secret, not even its length.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Is this the secret that we hold? Digests have one length, so that comparing takes one time.
pub fn is_same(held: &SecretString, given: &str) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    digest(held.expose_secret()).as_slice().ct_eq(digest(given).as_slice()).into()
}

/// SHA-256 in hex: the same for the same bytes, and short enough for a key.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_the_same() {
        let held = SecretString::from("correct horse");
        assert!(is_same(&held, "correct horse"));
        for wrong in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!is_same(&held, wrong), "{wrong}");
        }
        assert!(digest(b"").starts_with("e3b0c442") && hex(&[0, 15, 255]) == "000fff");
    }
}
