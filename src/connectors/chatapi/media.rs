//! Opening a file that a message named. Invariant: the link is asked without our token, and it is in
//! no text; nothing but the gateway's own machine is asked in the clear.

use super::ChatApi;
use crate::connectors::files::{FileRef, NoFile};
use crate::connectors::http::{
    self, Body, Client, Failure, FileStream, Limits, Method, Options, Request, Response,
};
use crate::domain::Delay;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Hosts whose clients are kept.
const HOSTS: usize = 16;
/// Requests to one host of files.
const RATE: f64 = 10.0;

/// The clients of the hosts that hold files.
pub struct Media {
    connection: String,
    /// Files may be on this machine, as the gateway is.
    local: bool,
    limits: Limits,
    clients: Mutex<BTreeMap<String, Client>>,
}

impl Media {
    pub fn new(connection: &str, local: bool, limits: &Limits) -> Self {
        let (connection, limits) = (connection.to_owned(), limits.clone());
        Self { connection, local, limits, clients: Mutex::default() }
    }

    fn client(&self, origin: &str) -> Result<Client, NoFile> {
        let mut held = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = held.get(origin) {
            return Ok(client.clone());
        }
        let options = Options {
            connection: self.connection.clone(),
            base: origin.to_owned(),
            requests_per_second: RATE,
            limit_group: Some(format!("{origin} (files)")),
            timeout: http::TIMEOUT,
        };
        let client = Client::new(options, &self.limits);
        let client = client.map_err(|_| NoFile::Never("the file's link is unusable".to_owned()))?;
        if held.len() >= HOSTS {
            held.clear();
        }
        held.insert(origin.to_owned(), client.clone());
        Ok(client)
    }
}

/// Opens the file behind a link.
///
/// # Errors
/// Why there is none, or none now.
pub async fn open(own: &ChatApi, file: &FileRef) -> Result<FileStream, NoFile> {
    let (origin, path) = parts(&file.id)
        .filter(|(origin, _)| origin.starts_with("https://") || own.media.local)
        .ok_or_else(|| NoFile::Never("the file's link is unusable".to_owned()))?;
    let request = Request {
        method: Method::Get,
        template: "(file)",
        path: path.to_owned(),
        query: vec![],
        headers: vec![],
        body: Body::Empty,
    };
    let answer = own.media.client(origin)?.download(request, &file.name).await;
    match answer {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(response)) => Err(absent(&response)),
        Err(Failure { why, .. }) if why.contains("larger than") => Err(NoFile::Never(why)),
        Err(failure) => Err(NoFile::Later(Delay::item(format!("the file: {}", failure.why)))),
    }
}

fn absent(response: &Response) -> NoFile {
    let status = response.status;
    match status {
        400 | 401 | 403 | 404 | 410 => NoFile::Never(format!(
            "the file is gone (HTTP {status}): the gateway keeps files for 30 days"
        )),
        300..400 => NoFile::Never(format!("the file's link leads elsewhere (HTTP {status})")),
        _ => {
            let why = format!("the file cannot be read now (HTTP {status})");
            NoFile::Later(Delay::item(why).after(response.retry_after))
        }
    }
}

/// The origin of a link, and what follows it.
fn parts(link: &str) -> Option<(&str, &str)> {
    let start = link.find("://")? + 3;
    let end = link[start..].find(['/', '?', '#']).map_or(link.len(), |at| start + at);
    let (origin, path) = link.split_at(end);
    let path = path.split('#').next().unwrap_or_default();
    let known = origin.starts_with("https://") || origin.starts_with("http://");
    known.then_some((origin, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_an_origin_and_a_path() {
        for (link, expected) in [
            ("https://a.test/b/c.jpg?t=1#x", Some(("https://a.test", "/b/c.jpg?t=1"))),
            ("https://a.test", Some(("https://a.test", ""))),
            ("http://127.0.0.1:9?x", Some(("http://127.0.0.1:9", "?x"))),
            ("ftp://a.test/b", None),
            ("/b", None),
        ] {
            assert_eq!(parts(link), expected, "{link}");
        }
    }
}
