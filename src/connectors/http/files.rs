//! Files on their way through: an answer's body as a stream, and a stream as a request's body.
//! Invariant: a file is never held whole; one that grows beyond what was agreed breaks its exchange,
//! and so does a process that lost its leave to send.

use super::{Body, Client, Failure, NOT_OURS, Request, Response, Sent, Turn, no_turn};
use axum::body::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::multipart::{Form, Part};
use std::time::Duration;

/// The largest file that is passed on: 20 MiB, as in the CRM's chats.
pub const MOST: u64 = 20 * 1024 * 1024;
/// For the whole exchange of a file; every chunk asks anew whether we still may.
const WHOLE: Duration = Duration::from_secs(300);
/// MIME type of what is of no known kind.
const BYTES: &str = "application/octet-stream";

/// The bytes of a file as they come.
pub struct FileStream {
    pub name: String,
    pub mime: String,
    pub size: Option<u64>,
    pub chunks: BoxStream<'static, Result<Bytes, Broken>>,
}

/// Why a file ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// How a file is sent.
#[derive(Debug, Clone)]
pub enum Upload {
    /// The body is the file.
    Raw,
    /// A form with these fields, and the file in the field named last.
    Form(Vec<(String, String)>, &'static str),
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStream").field("mime", &self.mime).field("size", &self.size).finish()
    }
}

impl FileStream {
    /// The same, breaking off where more than `most` bytes come.
    fn at_most(self, most: u64) -> Self {
        let mut left = most;
        let chunks = self.chunks.map(move |chunk| {
            let chunk = chunk?;
            let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            left = left.checked_sub(size).ok_or_else(|| too_large(most))?;
            Ok(chunk)
        });
        Self { chunks: chunks.boxed(), ..self }
    }
}

fn too_large(most: u64) -> Broken {
    Broken(format!("the file is larger than {} MiB", most / 1024 / 1024))
}

impl Client {
    /// Asks for a file: the stream of a good answer's body, or an answer that is none.
    ///
    /// # Errors
    /// [`Failure`] where no answer came.
    pub async fn download(
        &self,
        request: Request,
        name: &str,
    ) -> Result<Result<FileStream, Response>, Failure> {
        let Some(Turn(pass)) = self.turn().await else { return Err(no_turn()) };
        let mut prepared = self.prepare(request)?;
        *prepared.timeout_mut() = Some(WHOLE);
        let answer = self.begin(prepared, &pass).await?;
        if !answer.status().is_success() {
            return self.read(answer).await.map(Err);
        }
        let text = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let size = text(CONTENT_LENGTH).and_then(|size| size.parse().ok());
        let mime = text(CONTENT_TYPE).unwrap_or_else(|| BYTES.to_owned());
        if size.is_some_and(|size| size > MOST) {
            return Err(Failure::unsent(too_large(MOST).0));
        }
        let client = self.clone();
        let chunks = stream::unfold((answer, pass), move |(mut answer, pass)| {
            let client = client.clone();
            async move {
                if !client.holds(&pass) {
                    return Some((Err(Broken(NOT_OURS.to_owned())), (answer, pass)));
                }
                let chunk = answer.chunk().await;
                let chunk = chunk.map_err(|error| Broken(Failure::of(error, WHOLE).why));
                chunk.transpose().map(|chunk| (chunk, (answer, pass)))
            }
        });
        let file = FileStream { name: name.to_owned(), mime, size, chunks: chunks.boxed() };
        Ok(Ok(file.at_most(MOST)))
    }

    /// Sends a file as it comes.
    ///
    /// # Errors
    /// [`Failure`] where no whole answer came; where the file itself broke off, it surely did not
    /// arrive.
    pub async fn upload(
        &self,
        request: Request,
        upload: Upload,
        file: FileStream,
    ) -> Result<Response, Failure> {
        let Some(Turn(pass)) = self.turn().await else { return Err(no_turn()) };
        let mut prepared = self.prepare(Request { body: Body::Empty, ..request })?;
        *prepared.timeout_mut() = Some(WHOLE);
        let broken = std::sync::Arc::new(std::sync::OnceLock::new());
        let file = watched(file.at_most(MOST), &broken);
        match upload {
            Upload::Raw => {
                let mime = HeaderValue::from_str(&file.mime);
                let mime = mime.unwrap_or(HeaderValue::from_static(BYTES));
                prepared.headers_mut().insert(CONTENT_TYPE, mime);
                if let Some(size) = file.size {
                    prepared.headers_mut().insert(CONTENT_LENGTH, size.into());
                }
                *prepared.body_mut() = Some(reqwest::Body::wrap_stream(file.chunks));
            }
            Upload::Form(fields, field) => {
                let form = form(fields, field, file)?;
                let kind = format!("multipart/form-data; boundary={}", form.boundary());
                let kind = HeaderValue::from_str(&kind);
                let kind = kind.map_err(|_| Failure::unsent("the form cannot be built"))?;
                prepared.headers_mut().insert(CONTENT_TYPE, kind);
                *prepared.body_mut() = Some(reqwest::Body::wrap_stream(form.into_stream()));
            }
        }
        let answer = self.begin(prepared, &pass).await;
        match (answer, broken.get()) {
            (Ok(answer), _) => self.read(answer).await,
            (Err(_), Some(why)) => Err(Failure { sent: Sent::No, why: String::clone(why) }),
            (Err(failure), None) => Err(failure),
        }
    }
}

/// Tells afterwards whether it was the file that broke.
fn watched(file: FileStream, broken: &std::sync::Arc<std::sync::OnceLock<String>>) -> FileStream {
    let broken = std::sync::Arc::clone(broken);
    let chunks = file.chunks.inspect(move |chunk| {
        if let Err(Broken(why)) = chunk {
            broken.get_or_init(|| format!("the file broke off: {why}"));
        }
    });
    FileStream { chunks: chunks.boxed(), ..file }
}

fn form(
    fields: Vec<(String, String)>,
    field: &'static str,
    file: FileStream,
) -> Result<Form, Failure> {
    let body = reqwest::Body::wrap_stream(file.chunks);
    let part = match file.size {
        Some(size) => Part::stream_with_length(body, size),
        None => Part::stream(body),
    };
    let part = part.file_name(file.name).mime_str(&file.mime);
    let part = part.map_err(|_| Failure::unsent("the file's MIME type is unusable"))?;
    let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
    Ok(form.part(field, part))
}
