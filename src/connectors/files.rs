//! Files that one connection names and another sends. Invariant: a file is opened by the connection
//! that named it, when it is sent, and passed on as a stream; what is named in an event, a plan or
//! the store is a reference without a secret.

use super::http::FileStream;
use super::port::Connector;
use crate::domain::Delay;
use crate::domain::offer::{Field, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A file as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// The connection that can open it.
    pub connection: String,
    /// What that connection knows it by.
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mime: String,
    /// Bytes, where the far side says how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `image`, `file`, `audio`, `video`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// The shape of a [`FileRef`] in offers.
pub const FILE: Kind = Kind::Record(&[
    field("connection", Kind::Text, "The connection that can open it"),
    field("id", Kind::Text, "What that connection knows it by"),
    field("name", Kind::Text, "Its name, where it has one"),
    field("mime", Kind::Text, "Its MIME type, where it is known"),
    field("size", Kind::Number, "Bytes, where it is known"),
    field("kind", Kind::Text, "`image`, `file`, `audio` or `video`"),
]);

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, codes: None, about }
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFile {
    /// It is gone, too large, or never was one.
    Never(String),
    Later(Delay),
}

/// Who can open files: all connectors of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<String, Weak<dyn Connector>>>>);

impl Files {
    /// Tells who there is; the connectors hold this registry, so it holds them weakly.
    pub fn tell(&self, connectors: &BTreeMap<String, Arc<dyn Connector>>) {
        let known = connectors.iter().map(|(name, held)| (name.clone(), Arc::downgrade(held)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known.collect();
    }

    /// Opens a file by the reference that an effect holds.
    ///
    /// # Errors
    /// Why there is none, or none now.
    pub async fn open(&self, reference: &Value) -> Result<(FileRef, FileStream), NoFile> {
        let file: FileRef = serde_json::from_value(reference.clone())
            .map_err(|_| NoFile::Never("this names no file".to_owned()))?;
        let connector = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&file.connection).and_then(Weak::upgrade)
        };
        let Some(connector) = connector else {
            return Err(NoFile::Never(format!("there is no connection {}", file.connection)));
        };
        let stream = connector.open(&file).await?;
        Ok((file, stream))
    }
}
