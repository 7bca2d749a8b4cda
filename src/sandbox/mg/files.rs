//! Files of messages. Invariant: 20 MiB at most, and an id that nobody guesses.

use super::{Done, FILES, Incoming, LARGEST_FILE, Mg, refused};
use crate::sandbox::answer::Answer;
use serde_json::json;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone)]
pub struct File {
    pub mime: String,
    pub bytes: Vec<u8>,
}

impl File {
    pub fn kind(&self) -> &'static str {
        match self.mime.split('/').next() {
            Some("image") => "image",
            Some("audio") => "audio",
            Some("video") => "video",
            _ => "file",
        }
    }
}

impl Mg {
    pub fn upload(&mut self, incoming: &Incoming) -> Done {
        if incoming.bytes.is_empty() {
            return Err(refused("File is empty"));
        }
        if incoming.bytes.len() > LARGEST_FILE {
            return Err((413, "File is too large".to_owned()));
        }
        let mime = incoming.content_type.split(';').next().unwrap_or_default().trim().to_owned();
        let id = self.keep_file(File { mime, bytes: incoming.bytes.to_vec() });
        let file = &self.files[&id];
        let body = json!({ "id": id, "type": file.kind(), "size": file.bytes.len() });
        Ok(Answer::json(200, &body))
    }

    pub fn keep_file(&mut self, file: File) -> String {
        let digest = Sha256::digest(format!("file {}", self.files.len()));
        let text = hex(&digest);
        let cut = |from, to| text.get(from..to).unwrap_or_default();
        let parts = [cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32)];
        let id = parts.join("-");
        self.files.insert(id.clone(), file);
        id
    }

    pub fn file(&self, id: &str, url: &str) -> Done {
        let file = self.files.get(id).ok_or((404, "File not found".to_owned()))?;
        let body = json!({
            "id": id, "type": file.kind(), "size": file.bytes.len(), "mime_type": file.mime,
            "url": format!("{url}{FILES}/{id}?signature=sandbox"),
        });
        Ok(Answer::json(200, &body))
    }

    pub fn content(&self, id: &str) -> Done {
        let file = self.files.get(id).ok_or((404, "File not found".to_owned()))?;
        let mut answer = Answer::empty(200);
        answer.body.clone_from(&file.bytes);
        Ok(answer)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
