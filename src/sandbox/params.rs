//! Request parameters as PHP reads them: `a[b][]=c` in a query, an urlencoded body or a multipart
//! body. Invariant: nothing is rejected here; what cannot be read is simply not a parameter.

use serde_json::Value;
use std::collections::BTreeMap;

/// Parameters in the order they came, each under its bracket path.
#[derive(Debug, Default, Clone)]
pub struct Params {
    entries: Vec<(Vec<String>, String)>,
    json: Option<Value>,
}

/// What stands under one key of a bracket group such as `filter[…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    One(String),
    Many(Vec<String>),
    Nested(Vec<(Vec<String>, String)>),
}

impl Params {
    /// Reads a query string or an urlencoded body.
    pub fn urlencoded(text: &[u8]) -> Self {
        let entries = form_urlencoded::parse(text)
            .map(|(name, value)| (bracket_path(&name), value.into_owned()))
            .collect();
        Self { entries, json: None }
    }

    /// Reads a body by its content type. A JSON body has no parameters, as on the far side.
    pub fn body(content_type: &str, bytes: &[u8]) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::urlencoded(bytes),
            "multipart/form-data" => boundary(content_type)
                .map(|boundary| Self::multipart(&boundary, bytes))
                .unwrap_or_default(),
            "application/json" => {
                Self { json: serde_json::from_slice(bytes).ok(), ..Self::default() }
            }
            _ => Self::default(),
        }
    }

    fn multipart(boundary: &str, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut entries = Vec::new();
        for part in text.split(&format!("--{boundary}")).skip(1) {
            let Some((head, value)) = part.split_once("\r\n\r\n") else { continue };
            let Some(name) = part_name(head) else { continue };
            let value = value.strip_suffix("\r\n").unwrap_or(value);
            entries.push((bracket_path(&name), value.to_owned()));
        }
        Self { entries, json: None }
    }

    /// A JSON body, for the far side that reads one.
    pub fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }

    /// The last plain value of this name, as PHP takes it.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .rev()
            .find(|(path, _)| path.len() == 1 && path[0] == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a list `name[]=…`, `name[0]=…`.
    pub fn many(&self, name: &str) -> Vec<&str> {
        self.entries
            .iter()
            .filter(|(path, _)| path.len() == 2 && path[0] == name && is_position(&path[1]))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The keys of a group `name[key]…`.
    pub fn group(&self, name: &str) -> BTreeMap<String, Given> {
        let mut group: BTreeMap<String, Given> = BTreeMap::new();
        for (path, value) in self.entries.iter().filter(|(path, _)| path[0] == name) {
            let [_, key, rest @ ..] = path.as_slice() else { continue };
            match rest {
                [] => {
                    group.insert(key.clone(), Given::One(value.clone()));
                }
                [position] if is_position(position) => match group.get_mut(key) {
                    Some(Given::Many(values)) => values.push(value.clone()),
                    _ => {
                        group.insert(key.clone(), Given::Many(vec![value.clone()]));
                    }
                },
                _ => match group.get_mut(key) {
                    Some(Given::Nested(values)) => values.push((rest.to_vec(), value.clone())),
                    _ => {
                        let first = vec![(rest.to_vec(), value.clone())];
                        group.insert(key.clone(), Given::Nested(first));
                    }
                },
            }
        }
        group
    }

    /// All plain parameters, the last of each name.
    pub fn plain(&self) -> BTreeMap<String, String> {
        let plain = self.entries.iter().filter(|(path, _)| path.len() == 1);
        plain.map(|(path, value)| (path[0].clone(), value.clone())).collect()
    }
}

fn is_position(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_digit())
}

/// `filter[ids][]` → `filter`, `ids`, ``.
fn bracket_path(name: &str) -> Vec<String> {
    let Some((first, mut rest)) = name.split_once('[') else { return vec![name.to_owned()] };
    let mut path = vec![first.to_owned()];
    while let Some((inside, after)) = rest.split_once(']') {
        path.push(inside.to_owned());
        match after.strip_prefix('[') {
            Some(next) => rest = next,
            None => break,
        }
    }
    path
}

fn boundary(content_type: &str) -> Option<String> {
    let (_, after) = content_type.split_once("boundary=")?;
    let text = after.split(';').next()?.trim().trim_matches('"');
    (!text.is_empty()).then(|| text.to_owned())
}

fn part_name(head: &str) -> Option<String> {
    let (_, after) = head.split_once("name=\"")?;
    Some(after.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_empty_indexed_and_encoded_are_one_list() {
        for query in [
            "filter[ids][]=1&filter[ids][]=2",
            "filter[ids][0]=1&filter[ids][1]=2",
            "filter%5Bids%5D%5B%5D=1&filter%5Bids%5D%5B%5D=2",
        ] {
            let filter = Params::urlencoded(query.as_bytes()).group("filter");
            assert_eq!(filter["ids"], Given::Many(vec!["1".into(), "2".into()]), "{query}");
        }
    }

    #[test]
    fn nested_keys_keep_their_path() {
        let filter = Params::urlencoded(b"filter[customFields][nps][min]=5").group("filter");
        let nested = vec![(vec!["nps".into(), "min".into()], "5".into())];
        assert_eq!(filter["customFields"], Given::Nested(nested));
    }

    #[test]
    fn multipart_fields_are_read() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"order\"\r\n\r\n{\"a\":1}\r\n--X\r\nContent-Disposition: form-data; name=\"site\"\r\n\r\nmain\r\n--X--\r\n";
        let params = Params::body("multipart/form-data; boundary=X", body.as_bytes());
        assert_eq!(params.one("order"), Some("{\"a\":1}"));
        assert_eq!(params.one("site"), Some("main"));
    }

    #[test]
    fn a_json_body_has_no_parameters() {
        let params = Params::body("application/json", b"{\"order\":{}}");
        assert_eq!(params.one("order"), None);
        assert_eq!(params.json(), Some(&serde_json::json!({"order": {}})));
    }
}
