//! Who works here: people, their roles, what they like to see. Invariant: nobody can lock themselves
//! out, and the last admin stays one; a password is in no answer and in no row but as a hash.

use super::{Actor, Role};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A person who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Person {
    pub id: i64,
    /// What is typed at login, lower case.
    pub name: String,
    pub role: Role,
    /// `ru` or `en`; `None`: that of `[console]`.
    pub language: Option<String>,
    /// `light` or `dark`; `None`: what the browser says.
    pub theme: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When password, role or lock were changed last.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Timestamp,
    /// Since when they may not come in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed: Option<Timestamp>,
}

/// Who looks at a page: the guard of sessions puts it beside the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    pub person: Person,
    pub actor: Actor,
    /// What each form sends back in its field `csrf`, and scripts in the header `x-csrf`.
    pub csrf: String,
    /// `ru` or `en`: the person's, else that of `[console]`.
    pub language: String,
    /// `light`, `dark` or `auto`.
    pub theme: String,
    /// Names the session; not its token.
    pub session: String,
}
