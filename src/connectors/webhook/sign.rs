//! The signature of deliveries: HMAC-SHA256 in hex, with a secret that both sides know. Invariant:
//! compared in constant time; a delivery without its signature is nobody's.

use super::config::Signature;
use crate::connectors::door;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;

impl Signature {
    /// Do these headers sign this body?
    pub fn vouches(&self, headers: &[(String, String)], body: &[u8]) -> bool {
        let text = |wanted: &str| {
            headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let time = match &self.time_header {
            Some(name) => match text(name) {
                Some(time) => Some(time),
                None => return false,
            },
            None => None,
        };
        let given =
            text(&self.header).and_then(|given| bytes_of(given.strip_prefix(&self.prefix)?));
        let Some(given) = given else { return false };
        self.mac(time, body).is_some_and(|mac| mac.verify_slice(&given).is_ok())
    }

    /// The headers that sign this body.
    pub fn headers(&self, time: &str, body: &[u8]) -> Vec<(String, String)> {
        let time = self.time_header.as_ref().map(|name| (name.clone(), time.to_owned()));
        let signed = time.as_ref().map(|(_, time)| time.as_str());
        let Some(mac) = self.mac(signed, body) else { return vec![] };
        let hex = door::hex(&mac.finalize().into_bytes());
        let own = (self.header.clone(), format!("{}{hex}", self.prefix));
        std::iter::once(own).chain(time).collect()
    }

    fn mac(&self, time: Option<&str>, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.expose_secret().as_bytes()).ok()?;
        if let Some(time) = time {
            mac.update(time.as_bytes());
            mac.update(b".");
        }
        mac.update(body);
        Some(mac)
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.trim().chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    let byte = |pair: &[u32]| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok();
    pairs.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(time_header: Option<&str>) -> Signature {
        Signature {
            secret: "Jefe".into(),
            header: "x-signature".into(),
            prefix: "sha256=".into(),
            time_header: time_header.map(str::to_owned),
        }
    }

    /// RFC 4231, the second case.
    const BODY: &[u8] = b"what do ya want for nothing?";
    const HEX: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn a_body_is_signed_as_the_standard_says() {
        let headers = signature(None).headers("5", BODY);
        assert_eq!(headers, [("x-signature".to_owned(), format!("sha256={HEX}"))]);
        assert!(signature(None).vouches(&headers, BODY));
    }

    #[test]
    fn what_is_not_signed_so_is_nobodys() {
        let own = signature(None);
        let with = |value: &str| vec![("x-signature".to_owned(), value.to_owned())];
        for wrong in ["", "sha256=", HEX, &format!("sha256={}", &HEX[2..]), "sha256=zz", "sha256=5"]
        {
            assert!(!own.vouches(&with(wrong), BODY), "{wrong}");
        }
        assert!(own.vouches(&with(&format!("sha256={}", HEX.to_uppercase())), BODY));
        assert!(!own.vouches(&with(&format!("sha256={HEX}")), b"else"));
        assert!(!own.vouches(&[], BODY));
    }

    #[test]
    fn the_time_is_signed_too() {
        let own = signature(Some("x-time"));
        let mut headers = own.headers("1763640000", BODY);
        assert!(own.vouches(&headers, BODY) && headers.len() == 2);
        headers[1].1 = "1763640001".to_owned();
        assert!(!own.vouches(&headers, BODY));
        headers.truncate(1);
        assert!(!own.vouches(&headers, BODY), "no time");
    }
}
