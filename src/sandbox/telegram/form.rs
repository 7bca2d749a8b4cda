//! The fields of a call: JSON, a form, a multipart body with a file, or the query. Invariant: the bytes
//! of a file are those that were sent.

use serde_json::{Map, Value};

/// What a call was given.
#[derive(Debug, Default, Clone)]
pub struct Fields {
    values: Map<String, Value>,
    /// The field that it stood in, and the file.
    pub file: Option<(String, Uploaded)>,
}

#[derive(Debug, Clone)]
pub struct Uploaded {
    pub name: String,
    pub mime: String,
    pub bytes: Vec<u8>,
}

impl Fields {
    pub fn read(query: &[u8], content_type: &str, body: &[u8]) -> Self {
        let mut fields = Self::default();
        fields.take_pairs(query);
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" => {
                if let Ok(Value::Object(values)) = serde_json::from_slice(body) {
                    fields.values.extend(values);
                }
            }
            "application/x-www-form-urlencoded" => fields.take_pairs(body),
            "multipart/form-data" => {
                if let Some((_, boundary)) = content_type.split_once("boundary=") {
                    fields.take_parts(boundary.trim_matches('"'), body);
                }
            }
            _ => {}
        }
        fields
    }

    /// Those of a call that stands in the answer to a delivery.
    pub fn of(values: Map<String, Value>) -> Self {
        Self { values, file: None }
    }

    pub fn text(&self, name: &str) -> String {
        match self.values.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    /// A table or a list, which forms carry as a JSON text.
    pub fn nested(&self, name: &str) -> Value {
        match self.values.get(name) {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            other => other.cloned().unwrap_or_default(),
        }
    }

    fn take_pairs(&mut self, text: &[u8]) {
        for (name, value) in form_urlencoded::parse(text) {
            self.values.insert(name.into_owned(), value.into_owned().into());
        }
    }

    fn take_parts(&mut self, boundary: &str, body: &[u8]) {
        let mark = format!("--{boundary}");
        let mut rest = body;
        while let Some(start) = find(rest, mark.as_bytes()) {
            rest = &rest[start + mark.len()..];
            let end = find(rest, mark.as_bytes()).unwrap_or(rest.len());
            let Some(blank) = find(&rest[..end], b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&rest[..blank]).into_owned();
            let bytes = &rest[blank + 4..end];
            let bytes = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
            let Some(name) = quoted(&head, "; name=\"") else { continue };
            match quoted(&head, "filename=\"") {
                Some(file) => {
                    let mime = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(':')?;
                        name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
                    });
                    let mime = mime.unwrap_or_default();
                    let uploaded = Uploaded { name: file, mime, bytes: bytes.to_vec() };
                    self.file = Some((name, uploaded));
                }
                None => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    self.values.insert(name, text.into());
                }
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn quoted(head: &str, before: &str) -> Option<String> {
    let (_, after) = head.split_once(before)?;
    Some(after.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_bytes() {
        let mut body = b"--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n--X\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
        body.extend([0xff, 0xd8, 0x00, 0x0d, 0x0a]);
        body.extend(b"\r\n--X--\r\n");
        let fields = Fields::read(b"a=1", "multipart/form-data; boundary=X", &body);
        assert_eq!((fields.number("chat_id"), fields.text("a").as_str()), (Some(5), "1"));
        let (name, file) = fields.file.expect("a file");
        assert_eq!(
            (name.as_str(), file.name.as_str(), file.mime.as_str()),
            ("photo", "a.jpg", "image/jpeg")
        );
        assert_eq!(file.bytes, [0xff, 0xd8, 0x00, 0x0d, 0x0a]);
    }
}
