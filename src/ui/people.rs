//! People, tokens and the audit log, for admins. Invariant: a token's secret is on the page that made
//! it and on no other.

use super::frame::Frame;
use super::trouble::{self, page};
use crate::desk::audit::Entries;
use crate::desk::people::NewPerson;
use crate::desk::tokens::{Token, Wish};
use crate::desk::{Actor, Desk, Error, Person, Right, Role};
use crate::store::Acts;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use jiff::SignedDuration;
use serde::Deserialize;

/// Rows of the log on one page.
const PAGE: u32 = 100;
/// A token may be made for so many days at most; without a number it holds until it is revoked.
const DAYS: i64 = 3650;

#[derive(Template)]
#[template(path = "people.html", config = "src/ui/askama.toml")]
struct People<'a> {
    frame: &'a Frame,
    people: Vec<Person>,
    tokens: Vec<Token>,
    /// The secret of a token that was made just now.
    made: Option<String>,
    failed: Vec<String>,
}

#[derive(Template)]
#[template(path = "audit.html", config = "src/ui/askama.toml")]
struct Audit<'a> {
    frame: &'a Frame,
    entries: Entries,
    asked: Asked,
    /// The address of what was before these rows.
    older: Option<String>,
}

#[derive(Deserialize)]
pub struct Added {
    name: String,
    role: Role,
    password: String,
}

#[derive(Deserialize)]
pub struct NewRole {
    role: Role,
}

#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
}

/// The log that is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    who: String,
    #[serde(default)]
    act: String,
    #[serde(default)]
    about: String,
    before: Option<i64>,
}

/// `GET /people`.
pub async fn show(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
) -> Response {
    shown((&desk, &frame, &actor), None, None).await
}

/// Who looks at what.
type Look<'a> = (&'a Desk, &'a Frame, &'a Actor);

async fn shown(
    (desk, frame, actor): Look<'_>,
    made: Option<String>,
    failed: Option<Error>,
) -> Response {
    let register = desk.register(actor);
    let (people, tokens) = match (register.people().await, register.tokens().await) {
        (Ok(people), Ok(tokens)) => (people, tokens),
        (Err(error), _) | (_, Err(error)) => return trouble::of(frame, &error),
    };
    let code = match &failed {
        None => StatusCode::OK,
        Some(Error::Conflict(_)) => StatusCode::CONFLICT,
        Some(Error::NotFound(_)) => StatusCode::NOT_FOUND,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let failed = match failed {
        Some(Error::Invalid(wrong)) => {
            wrong.into_iter().map(|(field, why)| frame.wrong(&field, &why)).collect()
        }
        other => other.iter().map(ToString::to_string).collect(),
    };
    (code, page(&People { frame, people, tokens, made, failed })).into_response()
}

/// Back to the list, or what is wrong above it.
async fn done(look: Look<'_>, done: Result<(), Error>) -> Response {
    match done {
        Ok(()) => Redirect::to("/people").into_response(),
        Err(error @ (Error::Forbidden(_) | Error::Store(_))) => trouble::of(look.1, &error),
        Err(error) => shown(look, None, Some(error)).await,
    }
}

/// `POST /people`.
pub async fn add(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Form(added): Form<Added>,
) -> Response {
    let Added { name, role, password } = added;
    let new = NewPerson { name, role, password };
    let added = desk.register(&actor).add(&new).await;
    done((&desk, &frame, &actor), added).await
}

/// `POST /people/{name}/role`.
pub async fn role(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    Form(new): Form<NewRole>,
) -> Response {
    let changed = desk.register(&actor).set_role(&name, new.role).await;
    done((&desk, &frame, &actor), changed).await
}

/// `POST /people/{name}/password`.
pub async fn password(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    Form(new): Form<NewPassword>,
) -> Response {
    let changed = desk.register(&actor).set_password(&name, &new.password).await;
    done((&desk, &frame, &actor), changed).await
}

/// `POST /people/{name}/lock`.
pub async fn lock(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Response {
    let locked = desk.register(&actor).lock(&name).await;
    done((&desk, &frame, &actor), locked).await
}

/// `POST /people/{name}/unlock`.
pub async fn unlock(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Response {
    let unlocked = desk.register(&actor).unlock(&name).await;
    done((&desk, &frame, &actor), unlocked).await
}

/// `POST /tokens`: a box for each scope, and for how many days.
pub async fn make_token(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let values = |key: &'static str| fields.iter().filter(move |(name, _)| name == key);
    let scopes = values("scope").filter_map(|(_, word)| Right::of(word)).collect();
    let name = values("name").map(|(_, name)| name.clone()).next().unwrap_or_default();
    let days = values("days").find_map(|(_, days)| days.trim().parse::<i64>().ok());
    let now = desk.pipeline.clock.now();
    let until = days.and_then(|days| {
        let span = SignedDuration::from_hours(24 * days.clamp(1, DAYS));
        now.checked_add(span).ok()
    });
    let made = desk.register(&actor).make_token(&Wish { name, scopes, until }).await;
    let look = (&desk, &frame, &actor);
    match made {
        Ok(secret) => shown(look, Some(secret), None).await,
        Err(error) => done(look, Err(error)).await,
    }
}

/// `POST /tokens/{id}/revoke`.
pub async fn revoke(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Path(id): Path<i64>,
) -> Response {
    let revoked = desk.register(&actor).revoke(id).await;
    done((&desk, &frame, &actor), revoked).await
}

/// `GET /audit`.
pub async fn audit(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(actor): Extension<Actor>,
    Query(asked): Query<Asked>,
) -> Response {
    let acts = Acts {
        who: asked.who.trim().to_owned(),
        act: asked.act.trim().to_owned(),
        about: asked.about.trim().to_owned(),
        before: asked.before,
    };
    match desk.audit(&actor, &acts, PAGE).await {
        Ok(entries) => {
            let older = entries.next.map(|before| older(&acts, before));
            page(&Audit { frame: &frame, entries, asked, older })
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

fn older(acts: &Acts, before: i64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("/audit?"));
    for (key, value) in [("who", &acts.who), ("act", &acts.act), ("about", &acts.about)] {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    query.append_pair("before", &before.to_string()).finish()
}
