//! Files on their way into the CRM's chats and out of them. Invariant: each is a stream from its
//! source to its target; one that cannot be passed on leaves a line in its message, never a gap.

use super::Chats;
use super::client::{FILE, Gateway, Judged};
use super::post::Item;
use crate::connectors::files::{FileRef, NoFile};
use crate::connectors::http::{self, Body, FileStream, LARGEST_FILE, Method, Request, Sent};
use crate::connectors::retailcrm::wire;
use crate::domain::Delay;
use crate::domain::event::is_empty;
use serde_json::{Map, Value};
use std::sync::PoisonError;

/// Hosts whose clients are kept.
const MOST_STORES: usize = 16;

/// The files of a message, as far as they got.
#[derive(Debug, Default)]
pub struct Passed {
    pub items: Vec<Item>,
    pub lost: Vec<String>,
}

/// Why they did not get through.
pub enum Stop {
    Later(Delay),
    /// The gateway does not know us.
    Stale(String),
}

/// Passes the files of an input on to the gateway.
///
/// # Errors
/// Why not now.
pub async fn pass_on(
    chats: &Chats,
    gateway: &Gateway,
    input: &Map<String, Value>,
) -> Result<Passed, Stop> {
    let mut passed = Passed::default();
    let files = input.get("files").map(wire::listed).unwrap_or_default();
    for file in files.into_iter().filter(|file| !is_empty(file)) {
        let (file, stream) = match chats.files.open(file).await {
            Ok(opened) => opened,
            Err(NoFile::Never(why)) => {
                passed.lost.push(line(file, &why));
                continue;
            }
            Err(NoFile::Later(delay)) => return Err(Stop::Later(delay)),
        };
        if stream.size.or(file.size).is_some_and(|size| size > LARGEST_FILE) {
            passed.lost.push(line(&serde_json::json!(file), "larger than 20 MB"));
            continue;
        }
        let name = if file.name.is_empty() { stream.name.clone() } else { file.name.clone() };
        match gateway.uploaded(stream).await {
            Judged::Success(body) => match wire::text(body.get("id")) {
                Some(id) => {
                    let told = wire::text(body.get("type"));
                    let kind =
                        if file.kind.is_empty() { told.unwrap_or_default() } else { file.kind };
                    passed.items.push(Item { id, kind, name });
                }
                None => {
                    let why = "the CRM's chats took a file and gave it no id";
                    return Err(Stop::Later(Delay::item(why)));
                }
            },
            Judged::Stranger(status) => {
                let why = format!("the CRM's chats refuse the module's token (HTTP {status})");
                return Err(Stop::Stale(why));
            }
            Judged::Refused(_, said) => passed.lost.push(line(&serde_json::json!(file), &said)),
            // A file that is there twice does no harm.
            Judged::Later { delay, .. } => return Err(Stop::Later(delay)),
        }
    }
    Ok(passed)
}

fn line(file: &Value, why: &str) -> String {
    let name = wire::text(file.get("name")).or_else(|| wire::text(file.get("kind")));
    format!("[{}: {why}]", name.filter(|name| !name.is_empty()).unwrap_or_else(|| "file".into()))
}

/// Opens a file that a manager sent: the gateway tells where it lies.
///
/// # Errors
/// Why there is none, or none now.
pub async fn open(chats: &Chats, file: &FileRef) -> Result<FileStream, NoFile> {
    let known = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '-';
    if file.id.is_empty() || !file.id.chars().all(known) {
        return Err(NoFile::Never("this is no id of a file".to_owned()));
    }
    let too_large = || NoFile::Never("the file is larger than 20 MiB".to_owned());
    if file.size.is_some_and(|size| size > LARGEST_FILE) {
        return Err(too_large());
    }
    let body = told(chats, file).await?;
    let url = wire::text(body.get("url")).or_else(|| wire::text(body.get("Url")));
    let Some(url) = url.filter(|url| !url.is_empty()) else {
        return Err(NoFile::Never("the CRM does not say where the file lies".to_owned()));
    };
    let (origin, path) = split(&url).ok_or_else(|| no_address("it has no path"))?;
    let client = store(chats, origin)?;
    let request = Request {
        method: Method::Get,
        template: "(a file of the CRM's chats)",
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Empty,
    };
    let stream = match client.download(request, &file.name).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(answer)) if matches!(answer.status, 404 | 410) => {
            return Err(NoFile::Never("the file is gone".to_owned()));
        }
        Ok(Err(answer)) => {
            let why = format!("the CRM's file cannot be read (HTTP {})", answer.status);
            return Err(NoFile::Later(Delay::item(why)));
        }
        // What is too large is known before it begins, and never gets smaller.
        Err(failure) if failure.sent == Sent::No && failure.why.contains("larger") => {
            return Err(too_large());
        }
        Err(failure) => return Err(NoFile::Later(Delay::item(failure.why))),
    };
    let mime = wire::text(body.get("mime_type")).filter(|mime| !mime.is_empty());
    Ok(FileStream { mime: mime.unwrap_or_else(|| stream.mime.clone()), ..stream })
}

/// What the gateway says of a file.
async fn told(chats: &Chats, file: &FileRef) -> Result<Value, NoFile> {
    for again in [false, true] {
        let link = chats.link().await.map_err(NoFile::Later)?;
        let path = FILE.replace("{id}", &file.id);
        match link.gateway.asked(link.gateway.request(Method::Get, FILE, path)).await {
            Judged::Success(body) => return Ok(body),
            Judged::Stranger(_) if !again => chats.forget(&link),
            Judged::Refused(_, said) => return Err(NoFile::Never(said)),
            judged => return judged.done("the file").map_err(NoFile::Later),
        }
    }
    Err(NoFile::Later(Delay::item("the CRM's chats refuse the module's token")))
}

fn no_address(why: &str) -> NoFile {
    NoFile::Never(format!("the CRM names no usable address of the file: {why}"))
}

/// `https://host` and `/path?query`.
fn split(url: &str) -> Option<(&str, &str)> {
    let host = url.find("://")? + 3;
    let path = host + url.get(host..)?.find('/')?;
    Some((url.get(..path)?, url.get(path..)?))
}

/// The client of a host where files lie.
fn store(chats: &Chats, origin: &str) -> Result<http::Client, NoFile> {
    let mut stores = chats.stores.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = stores.get(origin) {
        return Ok(client.clone());
    }
    let options = http::Options {
        connection: chats.connection.clone(),
        base: origin.to_owned(),
        requests_per_second: chats.config.requests_per_second,
        limit_group: Some(format!("{} files", chats.connection)),
        timeout: chats.timeout,
    };
    let client = http::Client::new(options, &chats.limits).map_err(|why| no_address(&why))?;
    if stores.len() >= MOST_STORES {
        stores.clear();
    }
    stores.insert(origin.to_owned(), client.clone());
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_origin_and_a_path() {
        let cut = split("https://s3.example.test:8443/a/b?sign=1#x");
        assert_eq!(cut, Some(("https://s3.example.test:8443", "/a/b?sign=1#x")));
        for odd in ["", "https://host", "/a/b", "mailto:a@b"] {
            assert_eq!(split(odd), None, "{odd}");
        }
    }
}
