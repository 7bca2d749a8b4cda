//! How long lists are read: page by page, by a cursor. Invariant: a cursor names a place in the list,
//! not a number of rows, so that what arrives meanwhile neither shifts nor doubles a row.

use super::Answer;
use crate::desk::journals::Page;
use crate::store::listing::Mark;
use axum::Json;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Rows of a page: the fewest and the most.
pub const LIMIT: (u32, u32) = (1, 500);

/// Rows of a page where nobody says how many.
pub fn limit() -> u32 {
    100
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Paged<T> {
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; null: this is the last.
    pub next: Option<String>,
}

impl<T> Paged<T> {
    pub fn answer(page: Page<T>) -> Answer<Self> {
        Ok(Json(Self { items: page.rows, next: page.next }))
    }
}

/// `next` of the page before.
#[derive(Debug, Clone, Copy)]
pub struct Cursor(pub Mark);

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mark = text.parse().map_err(|_| D::Error::custom("is no `next` of this list"))?;
        Ok(Self(mark))
    }
}
