//! What Calltouch lets an author of flows look up: its site, and nothing else (its API has no lists
//! of sites, sources or tags). Invariant: a site is shown only after Calltouch answered for it.

use super::{Calltouch, check};
use crate::connectors::port::{ListOffer, Listing};
use crate::domain::Delay;
use serde_json::json;

pub static LISTS: [ListOffer; 1] =
    [ListOffer { name: "sites", about: "the site of this connection; Calltouch lists no others" }];

/// Reads one of [`LISTS`].
///
/// # Errors
/// Calltouch does not answer for the site, or there is no such list.
pub async fn read(own: &Calltouch, name: &str) -> Result<Listing, Delay> {
    if name != "sites" {
        return Err(Delay::setup(format!("Calltouch has no list `{name}`")));
    }
    check::probe(own).await?;
    let site = &own.reader.site;
    let zone = site.zone.iana_name().unwrap_or("UTC");
    let rows = vec![vec![json!(site.id), json!(site.connection), json!(zone)]];
    Ok(Listing { columns: &["id", "connection", "timezone"], rows })
}
