//! From the bytes of a webhook to named texts. Invariant: no byte is lost to a wrong charset
//! without need, garbage is refused with a reason, and equal deliveries have equal digests.
//!
//! Calltouch sends GET queries and URL-encoded forms; JSON and multipart come from relays. Texts
//! are UTF-8; one that is not is read in the charset of the content type, else as windows-1251
//! (old Russian relays), which reads any byte.

use encoding_rs::{Encoding, WINDOWS_1251};
use percent_encoding::percent_decode;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Path and text, in the order of the body. A table inside JSON (`client.phone`) and a bracketed
/// form name (`client[phone]`) give a dotted path; the items of a list share their path.
pub type Pairs = Vec<(String, String)>;

/// Differs between repeats of one delivery, so it does not tell deliveries apart.
const SENDING_TIME: &str = "sendingtimestamp";

/// The deliveries of a body: one, or several where JSON carries a list.
///
/// # Errors
/// Why the body cannot be read.
pub fn decode(content_type: &str, body: &[u8]) -> Result<Vec<Pairs>, String> {
    let kind = Kind::of(content_type);
    let looks_like_json =
        matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
    if kind.mime == "application/json" || kind.mime.ends_with("+json") || looks_like_json {
        match serde_json::from_str::<Value>(&kind.text(body)) {
            Ok(value) => return json(&value),
            Err(_) if looks_like_json && kind.mime.ends_with("x-www-form-urlencoded") => {}
            Err(fault) => {
                return Err(format!(
                    "the body is no JSON (line {}, column {})",
                    fault.line(),
                    fault.column()
                ));
            }
        }
    }
    let pairs = match &kind.boundary {
        Some(boundary) => multipart(&kind, boundary.as_bytes(), body),
        None => form(&kind, body),
    };
    if pairs.is_empty() { Err("the body holds no fields".to_owned()) } else { Ok(vec![pairs]) }
}

/// A digest that is equal for a repeat of the same delivery, whatever the order of its fields and
/// whichever of the formats carried it.
pub fn digest(content_type: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    match decode(content_type, body) {
        Err(_) => hash.update(body),
        Ok(deliveries) => {
            for mut pairs in deliveries {
                pairs.retain(|(path, text)| {
                    !text.is_empty() && plain(path).rsplit('.').next() != Some(SENDING_TIME)
                });
                // Stable: the items of a list keep their order.
                pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
                for part in pairs.iter().flat_map(|(path, text)| [path, text]) {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
                hash.update(u64::MAX.to_be_bytes());
            }
        }
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A name as it is compared: `utm_source`, `utmSource` and `UTM-Source` are one.
pub fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | ']'))
        .map(|c| if c == '[' { '.' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

/// What a content type says.
struct Kind {
    mime: String,
    charset: Option<&'static Encoding>,
    boundary: Option<String>,
}

impl Kind {
    fn of(content_type: &str) -> Self {
        let mut parts = content_type.split(';');
        let mime = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut kind = Self { mime, charset: None, boundary: None };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "charset" => kind.charset = Encoding::for_label(value.as_bytes()),
                "boundary" if kind.mime == "multipart/form-data" && !value.is_empty() => {
                    kind.boundary = Some(value.to_owned());
                }
                _ => {}
            }
        }
        kind
    }

    fn text(&self, bytes: &[u8]) -> String {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
            Err(_) => {
                let charset = self.charset.filter(|charset| *charset != encoding_rs::UTF_8);
                charset.unwrap_or(WINDOWS_1251).decode(bytes).0.into_owned()
            }
        }
    }
}

fn form(kind: &Kind, body: &[u8]) -> Pairs {
    let text = |bytes: &[u8]| {
        let spaced: Vec<u8> =
            bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        kind.text(&percent_decode(&spaced).collect::<Vec<u8>>()).trim().to_owned()
    };
    body.strip_prefix(b"?")
        .unwrap_or(body)
        .split(|byte| *byte == b'&')
        .filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            Some((text(&pair[..at]), text(&pair[at + 1..])))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

/// The text parts of `multipart/form-data`; files are passed over.
fn multipart(kind: &Kind, boundary: &[u8], body: &[u8]) -> Pairs {
    let fence = [b"--", boundary].concat();
    let mut pairs = Pairs::new();
    let mut rest = body;
    while let Some(at) = find(rest, &fence) {
        rest = &rest[at + fence.len()..];
        let part = &rest[..find(rest, &fence).unwrap_or(rest.len())];
        let Some(end) = find(part, b"\r\n\r\n") else { continue };
        let head = kind.text(&part[..end]);
        let Some(name) = parameter(&head, "name") else { continue };
        if parameter(&head, "filename").is_none() {
            pairs.push((name, kind.text(&part[end + 4..]).trim().to_owned()));
        }
    }
    pairs
}

/// `name="…"` of a part's head.
fn parameter(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.split(':').next().is_some_and(|l| l.eq_ignore_ascii_case("content-disposition"))
    })?;
    line.split(';').find_map(|part| {
        let (held, value) = part.split_once('=')?;
        (held.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(text: &[u8], sought: &[u8]) -> Option<usize> {
    text.windows(sought.len()).position(|window| window == sought)
}

fn json(value: &Value) -> Result<Vec<Pairs>, String> {
    let items = match value {
        Value::Object(_) => std::slice::from_ref(value),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => items,
        _ => return Err("the JSON is no table of fields".to_owned()),
    };
    let deliveries: Vec<Pairs> = items
        .iter()
        .map(|item| {
            let mut pairs = Pairs::new();
            flatten("", item, &mut pairs);
            pairs
        })
        .collect();
    if deliveries.iter().any(Vec::is_empty) {
        return Err("the JSON holds no fields".to_owned());
    }
    Ok(deliveries)
}

fn flatten(path: &str, value: &Value, pairs: &mut Pairs) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, pairs);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(path, item, pairs)),
        scalar => {
            if let Some(text) = scalar_text(scalar) {
                pairs.push((path.to_owned(), text));
            }
        }
    }
}

/// A JSON scalar as a form would carry it; null is no text.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
