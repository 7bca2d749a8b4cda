//! What a person enters at a far side so that it calls us. Invariant: the words are those of the far
//! side's own pages; the secret in them is shown to who asked, and kept nowhere.

use serde::Serialize;

/// Stands for an address that nobody has told yet.
pub const YOUR_HOST: &str = "https://YOUR-HOST";

/// The form to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// Who it is entered at.
    #[serde(skip)]
    pub side: &'static str,
    /// Where over there.
    pub place: &'static str,
    /// The form, from top to bottom: what the field is called and what is entered.
    pub entries: Vec<(&'static str, String)>,
    /// What of it is secret.
    #[serde(skip)]
    pub secret: &'static str,
    /// The kind of event that a call makes; none: a call is answered and leaves nothing here.
    #[serde(skip)]
    pub event: Option<&'static str>,
    /// What a person does to see it work.
    pub try_it: &'static str,
}
