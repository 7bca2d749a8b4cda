//! Files out and in. Invariant: a file is passed on as a stream, never held whole; the address of a
//! file of Telegram's holds the token and is made only when it is fetched.

use super::Telegram;
use super::act::{reply, sent};
use super::client::GET_FILE;
use super::content::text_of;
use super::judge::Judged;
use crate::connectors::files::{FileRef, NoFile};
use crate::connectors::http::{FileStream, LARGEST_FILE, Sent};
use crate::domain::{Delay, Outcome};
use serde_json::{Map, Value, json};

/// The largest file that Telegram takes as a photo.
const LARGEST_PHOTO: u64 = 10 * 1024 * 1024;

/// A method and its field.
type Way = (&'static str, &'static str);

const DOCUMENT: Way = ("/bot{token}/sendDocument", "document");
const PHOTO: Way = ("/bot{token}/sendPhoto", "photo");
/// MIME types that Telegram plays.
const PLAYED: [(&str, Way); 6] = [
    ("video/mp4", ("/bot{token}/sendVideo", "video")),
    ("audio/mpeg", ("/bot{token}/sendAudio", "audio")),
    ("audio/mp4", ("/bot{token}/sendAudio", "audio")),
    ("audio/m4a", ("/bot{token}/sendAudio", "audio")),
    ("audio/ogg", ("/bot{token}/sendVoice", "voice")),
    ("audio/opus", ("/bot{token}/sendVoice", "voice")),
];
const PHOTOS: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// Sends the file of an effect. One that Telegram takes for no photo (its sides are too long) goes as
/// a document.
pub async fn send(own: &Telegram, input: &Map<String, Value>, chat: &str) -> Outcome {
    let Some(reference) = input.get("file") else {
        return Outcome::Refused("general: there is no file".to_owned());
    };
    let mut only_document = false;
    loop {
        let (file, stream) = match own.files.open(reference).await {
            Ok(opened) => opened,
            Err(NoFile::Never(why)) => return Outcome::Refused(format!("general: {why}")),
            Err(NoFile::Later(delay)) => return Outcome::Later(delay),
        };
        let stream = prepared(&file, stream);
        let way = if only_document { DOCUMENT } else { way(&file, &stream) };
        let judged = own.api.call_with(way, fields(input, chat), stream).await;
        let is_no_photo = matches!(&judged, Judged::Refused(refusal)
            if way == PHOTO && (refusal.says("photo") || refusal.says("image")));
        if !is_no_photo {
            return sent(judged, chat);
        }
        only_document = true;
    }
}

fn fields(input: &Map<String, Value>, chat: &str) -> Vec<(String, String)> {
    let mut fields = vec![("chat_id".to_owned(), chat.to_owned())];
    let caption = text_of(input.get("caption"));
    if !caption.is_empty() {
        fields.push(("caption".to_owned(), caption));
    }
    if let Some(reply) = reply(input, chat) {
        fields.push(("reply_parameters".to_owned(), reply.to_string()));
    }
    fields
}

/// The stream with the name and the type that the reference knows better.
fn prepared(file: &FileRef, stream: FileStream) -> FileStream {
    let is_known = |mime: &str| mime.contains('/') && mime != "application/octet-stream";
    let mime = if is_known(&stream.mime) || !is_known(&file.mime) {
        stream.mime.clone()
    } else {
        file.mime.clone()
    };
    let name = [&file.name, &stream.name].into_iter().find(|name| !name.is_empty());
    let name = name.cloned().unwrap_or_else(|| "file".to_owned());
    FileStream { name, mime, ..stream }
}

/// How Telegram shows a file of this type.
fn way(file: &FileRef, stream: &FileStream) -> Way {
    let mime = stream.mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if file.kind == "file" {
        return DOCUMENT;
    }
    let is_small = stream.size.or(file.size).is_some_and(|size| size <= LARGEST_PHOTO);
    if PHOTOS.contains(&mime.as_str()) {
        return if is_small { PHOTO } else { DOCUMENT };
    }
    PLAYED.iter().find(|(played, _)| *played == mime).map_or(DOCUMENT, |(_, way)| *way)
}

/// The method as far as the reference tells it.
pub fn preview(input: &Map<String, Value>) -> &'static str {
    let file =
        input.get("file").and_then(|file| serde_json::from_value::<FileRef>(file.clone()).ok());
    let Some(file) = file else { return DOCUMENT.0 };
    let chunks = Box::pin(futures_util::stream::empty());
    let none = FileStream { name: String::new(), mime: String::new(), size: None, chunks };
    way(&file, &prepared(&file, none)).0
}

/// Opens a file that a message named.
pub async fn open(own: &Telegram, file: &FileRef) -> Result<FileStream, NoFile> {
    let judged = own.api.call(GET_FILE, json!({ "file_id": file.id })).await;
    let told = match judged {
        Judged::Done(told) => told,
        Judged::Refused(refusal) => {
            return Err(NoFile::Never(format!(
                "Telegram does not give this file: {}",
                refusal.said
            )));
        }
        Judged::Later(delay) | Judged::Unknown(delay) => return Err(NoFile::Later(delay)),
    };
    if told.get("file_size").and_then(Value::as_u64).is_some_and(|size| size > LARGEST_FILE) {
        return Err(NoFile::Never("the file is larger than 20 MiB".to_owned()));
    }
    let path = text_of(told.get("file_path"));
    if path.is_empty() || path.starts_with('/') || path.contains("..") || path.contains(['?', '#'])
    {
        return Err(NoFile::Never(
            "the Bot API server keeps its files to itself (is it run with --local?)".to_owned(),
        ));
    }
    let ours = path.rsplit('/').next().unwrap_or_default();
    let name = if file.name.is_empty() { ours } else { &file.name };
    match own.api.download(&path, name).await {
        Ok(Ok(stream)) => Ok(prepared(file, stream)),
        Ok(Err(answer)) if answer.status == 404 => {
            Err(NoFile::Never("Telegram has this file no more".to_owned()))
        }
        Ok(Err(answer)) => Err(NoFile::Later(
            Delay::connection(format!("Telegram gives no file (HTTP {})", answer.status))
                .after(answer.retry_after),
        )),
        // What is too large is known before it begins, and never gets smaller.
        Err(failure) if failure.sent == Sent::No && failure.why.contains("larger") => {
            Err(NoFile::Never(failure.why))
        }
        Err(failure) => Err(NoFile::Later(failure.delay())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("image", "image/png", Some(5), "sendPhoto")]
    #[case("image", "image/png", Some(11 * 1024 * 1024), "sendDocument")]
    #[case("image", "image/jpeg", None, "sendDocument")]
    #[case("file", "image/png", Some(5), "sendDocument")]
    #[case("image", "image/svg+xml", Some(5), "sendDocument")]
    #[case("video", "video/mp4", Some(5), "sendVideo")]
    #[case("audio", "audio/mpeg", Some(5), "sendAudio")]
    #[case("audio", "audio/ogg; codecs=opus", Some(5), "sendVoice")]
    #[case("file", "application/pdf", Some(5), "sendDocument")]
    #[case("", "", None, "sendDocument")]
    fn a_file_is_sent_as_what_telegram_shows(
        #[case] kind: &str,
        #[case] mime: &str,
        #[case] size: Option<u64>,
        #[case] method: &str,
    ) {
        let file = json!({"connection": "a", "id": "b", "kind": kind, "mime": mime, "size": size});
        let input = json!({ "file": file });
        let way = preview(input.as_object().expect("a table"));
        assert!(way.ends_with(method), "{way}");
    }
}
