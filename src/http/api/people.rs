//! People, tokens and the audit log, for a token that may manage. Invariant: a password and a token's
//! secret come in or go out once and are in no other answer.

use super::Answer;
use super::ask::{Asked, Checked, Given, Named, Wrong, bounded, within};
use super::paging::{LIMIT, Paged, limit};
use crate::desk::audit::Entry;
use crate::desk::people::{NewPerson, Person};
use crate::desk::tokens::{Token, Wish};
use crate::desk::{Actor, Desk, Right, Role};
use crate::http::problem::Problem;
use crate::store::Acts;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Nothing is answered but that it is done.
type Done = Result<StatusCode, Problem>;

/// Everybody who may log in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct People {
    pub items: Vec<Person>,
}

/// All tokens, those that hold no more too.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tokens {
    pub items: Vec<Token>,
}

/// Somebody to let in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPerson {
    /// What is typed at login: letters, digits, and . _ - @
    #[serde(default)]
    #[schema(
        required = true,
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._@-]+$",
        example = "anna"
    )]
    name: String,
    #[serde(default)]
    #[schema(required = true, value_type = Role)]
    role: Option<Role>,
    /// 12 characters at least, not too easy to guess.
    #[serde(default)]
    #[schema(required = true, min_length = 12, max_length = 1000, format = Password,
        example = "correct horse battery staple")]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    #[serde(default)]
    #[schema(required = true, value_type = Role)]
    role: Option<Role>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// 12 characters at least, not too easy to guess.
    #[serde(default)]
    #[schema(required = true, min_length = 12, max_length = 1000, format = Password,
        example = "correct horse battery staple")]
    password: String,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    #[serde(default)]
    #[schema(
        required = true,
        min_length = 1,
        max_length = 64,
        pattern = "\\S",
        example = "reports"
    )]
    name: String,
    #[serde(default)]
    #[schema(required = true, min_items = 1, max_items = 3, example = json!(["read"]))]
    scopes: Vec<Right>,
    /// When it ends; without end where it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// The token, for the only time.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeToken {
    /// To be sent as `Authorization: Bearer …`; it is not shown again.
    token: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// A person, `token:NAME`, or a name of the operating system.
    #[param(min_length = 1, max_length = 200, example = "token:reports")]
    who: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "retry")]
    act: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "job:17")]
    about: Option<String>,
    /// Rows of a page.
    #[serde(default = "limit")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    limit: u32,
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,18}$")]
    cursor: Option<i64>,
}

impl Checked for AuditQuery {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        within(&mut wrong, "limit", self.limit, LIMIT);
        wrong
    }
}

impl Checked for AddPerson {
    fn wrong(&self) -> Wrong {
        let mut wrong = needed(self.role);
        bounded(&mut wrong, "name", Some(&self.name), 64);
        bounded(&mut wrong, "password", Some(&self.password), 1000);
        wrong
    }
}

impl Checked for NewRole {
    fn wrong(&self) -> Wrong {
        needed(self.role)
    }
}

impl Checked for NewPassword {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "password", Some(&self.password), 1000);
        wrong
    }
}

impl Checked for NewToken {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "name", Some(&self.name), 64);
        if self.scopes.is_empty() || self.scopes.len() > Right::ALL.len() {
            wrong.push(("scopes".to_owned(), "one to three of read, act, manage".to_owned()));
        }
        wrong
    }
}

fn needed(role: Option<Role>) -> Wrong {
    let missing = role.is_none().then(|| ("role".to_owned(), "is needed".to_owned()));
    missing.into_iter().collect()
}

/// Everybody who may log in.
#[utoipa::path(
    get,
    path = "/people",
    tag = "People",
    operation_id = "list_people",
    responses((status = 200, description = "All of them.", body = People)),
)]
pub async fn people(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
) -> Answer<People> {
    Ok(Json(People { items: desk.register(&actor).people().await? }))
}

/// Lets somebody in.
#[utoipa::path(
    post,
    path = "/people",
    tag = "People",
    operation_id = "add_person",
    request_body = AddPerson,
    responses((status = 204, description = "They may log in.")),
)]
pub async fn add(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Given(given): Given<AddPerson>,
) -> Done {
    let AddPerson { name, role, password } = given;
    let role = role.unwrap_or(Role::Marketing);
    desk.register(&actor).add(&NewPerson { name, role, password }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives somebody another role.
#[utoipa::path(
    post,
    path = "/people/{name}/role",
    tag = "People",
    operation_id = "change_role",
    params(("name" = String, Path, description = "Their name.", min_length = 1, max_length = 64,
        example = "anna")),
    request_body = NewRole,
    responses((status = 204, description = "They have it.")),
)]
pub async fn role(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
    Given(given): Given<NewRole>,
) -> Done {
    desk.register(&actor).set_role(&name, given.role.unwrap_or(Role::Marketing)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives somebody another password; all their sessions end.
#[utoipa::path(
    post,
    path = "/people/{name}/password",
    tag = "People",
    operation_id = "change_password",
    params(("name" = String, Path, description = "Their name.", min_length = 1, max_length = 64,
        example = "anna")),
    request_body = NewPassword,
    responses((status = 204, description = "They have it.")),
)]
pub async fn password(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
    Given(given): Given<NewPassword>,
) -> Done {
    desk.register(&actor).set_password(&name, &given.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shuts somebody out; all their sessions end.
#[utoipa::path(
    post,
    path = "/people/{name}/lock",
    tag = "People",
    operation_id = "lock_person",
    params(("name" = String, Path, description = "Their name.", min_length = 1, max_length = 64,
        example = "anna")),
    responses((status = 204, description = "They are out.")),
)]
pub async fn lock(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
) -> Done {
    desk.register(&actor).lock(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets somebody in again.
#[utoipa::path(
    post,
    path = "/people/{name}/unlock",
    tag = "People",
    operation_id = "unlock_person",
    params(("name" = String, Path, description = "Their name.", min_length = 1, max_length = 64,
        example = "anna")),
    responses((status = 204, description = "They may come in.")),
)]
pub async fn unlock(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
) -> Done {
    desk.register(&actor).unlock(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All tokens, without their secrets.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "People",
    operation_id = "list_tokens",
    responses((status = 200, description = "All of them.", body = Tokens)),
)]
pub async fn tokens(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
) -> Answer<Tokens> {
    Ok(Json(Tokens { items: desk.register(&actor).tokens().await? }))
}

/// Makes a token.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "People",
    operation_id = "make_token",
    request_body = NewToken,
    responses((status = 200, description = "The token, for the only time.", body = MadeToken)),
)]
pub async fn make(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Given(given): Given<NewToken>,
) -> Answer<MadeToken> {
    let NewToken { name, scopes, until } = given;
    let token = desk.register(&actor).make_token(&Wish { name, scopes, until }).await?;
    Ok(Json(MadeToken { token }))
}

/// Revokes a token; it holds no more.
#[utoipa::path(
    post,
    path = "/tokens/{id}/revoke",
    tag = "People",
    operation_id = "revoke_token",
    params(("id" = i64, Path, description = "Its number.", example = 3)),
    responses((status = 204, description = "It holds no more.")),
)]
pub async fn revoke(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
) -> Done {
    desk.register(&actor).revoke(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What people and tokens did, newest first.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "People",
    operation_id = "list_audit",
    params(AuditQuery),
    responses((status = 200, description = "A page of the log.", body = Paged<Entry>)),
)]
pub async fn audit(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Asked(asked): Asked<AuditQuery>,
) -> Answer<Paged<Entry>> {
    let AuditQuery { who, act, about, limit, cursor } = asked;
    let [who, act, about] = [who, act, about].map(Option::unwrap_or_default);
    let acts = Acts { who, act, about, before: cursor };
    let entries = desk.audit(&actor, &acts, limit).await?;
    let next = entries.next.map(|next| next.to_string());
    Ok(Json(Paged { items: entries.rows, next }))
}
