//! What waits for a person, and acts on much of it at once. Invariant: an act on many names them — by
//! number, flow, connection or reason — and nothing is done about everything by an empty body.

use super::Answer;
use super::ask::{Asked, Checked, Given, Wrong, bounded, within};
use super::jobs::MOST_WHY;
use super::paging::{LIMIT, limit};
use crate::desk::acts::{Act, Bulk, Done};
use crate::desk::needs::{NeedFilter, NeedKind, Needs};
use crate::desk::{Actor, Desk, Error};
use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// So many are named by number at once.
const MOST_IDS: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NeedQuery {
    #[param(inline, example = "job")]
    kind: Option<NeedKind>,
    #[param(min_length = 1, max_length = 200, example = "call-to-order")]
    flow: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "shop")]
    connection: Option<String>,
    /// The reason without its numbers, as a group has it.
    #[param(min_length = 1, max_length = 200)]
    reason: Option<String>,
    /// Rows of a page.
    #[serde(default = "limit")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    limit: u32,
    /// `next` of the page before.
    #[param(min_length = 1, max_length = 200)]
    cursor: Option<String>,
}

impl Checked for NeedQuery {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        within(&mut wrong, "limit", self.limit, LIMIT);
        wrong
    }
}

/// Which of them; at least one way to name them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "flow": "call-to-order", "why": "the CRM was down" }))]
pub struct Many {
    /// Jobs or deliveries by number; the other fields are not looked at then.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub ids: Vec<i64>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = "\\S")]
    pub flow: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = "\\S")]
    pub connection: Option<String>,
    /// The reason that they share, as a group has it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1000, pattern = "\\S")]
    pub reason: Option<String>,
    /// Kept with each and in the audit log; needed to skip and to dismiss.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub why: Option<String>,
}

impl Checked for Many {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        if self.ids.len() > MOST_IDS {
            wrong.push(("ids".to_owned(), format!("has more than {MOST_IDS} numbers")));
        }
        bounded(&mut wrong, "flow", self.flow.as_deref(), 200);
        bounded(&mut wrong, "connection", self.connection.as_deref(), 200);
        bounded(&mut wrong, "reason", self.reason.as_deref(), 1000);
        bounded(&mut wrong, "why", self.why.as_deref(), MOST_WHY);
        let named = [&self.flow, &self.connection, &self.reason];
        if self.ids.is_empty() && named.into_iter().all(Option::is_none) {
            let why = "name them: ids, or a flow, a connection or a reason";
            wrong.push(("ids".to_owned(), why.to_owned()));
        }
        wrong
    }
}

impl Many {
    async fn have(self, act: Act, desk: &Desk, actor: &Actor) -> Answer<Done> {
        let Self { ids, flow, connection, reason, why } = self;
        Ok(Json(desk.bulk(actor, &Bulk { act, ids, flow, connection, reason, why }).await?))
    }
}

/// Everything that waits for a person: refused, unknown, unreadable, stuck.
#[utoipa::path(
    get,
    path = "/needs",
    tag = "Needs",
    operation_id = "list_needs",
    params(NeedQuery),
    responses((status = 200, description = "Groups of all, and a page of rows.", body = Needs)),
)]
pub async fn needs(State(desk): State<Desk>, Asked(asked): Asked<NeedQuery>) -> Answer<Needs> {
    let NeedQuery { kind, flow, connection, reason, limit, cursor } = asked;
    let filter = NeedFilter { kind, flow, connection, reason };
    let needs = desk.needs(&filter, cursor.as_deref(), limit).await;
    // Here the mark of a page goes by another name.
    let needs = needs.map_err(|error| match error {
        Error::Invalid(wrong) => {
            let renamed = wrong.into_iter().map(|(field, why)| match field.as_str() {
                "after" => ("cursor".to_owned(), why),
                _ => (field, why),
            });
            Error::Invalid(renamed.collect())
        }
        other => other,
    });
    Ok(Json(needs?))
}

/// Decides parked jobs anew, at most 1000 at a time.
#[utoipa::path(
    post,
    path = "/needs/retry",
    tag = "Needs",
    operation_id = "retry_needs",
    request_body = Many,
    responses((status = 200, description = "What waits now, and what was left.", body = Done)),
)]
pub async fn retry(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Given(given): Given<Many>,
) -> Answer<Done> {
    given.have(Act::Retry, &desk, &actor).await
}

/// Ends parked jobs, with a word; at most 1000 at a time.
#[utoipa::path(
    post,
    path = "/needs/skip",
    tag = "Needs",
    operation_id = "skip_needs",
    request_body = Many,
    responses((status = 200, description = "What has ended, and what was left.", body = Done)),
)]
pub async fn skip(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Given(given): Given<Many>,
) -> Answer<Done> {
    given.have(Act::Skip, &desk, &actor).await
}

/// Reads unreadable deliveries again, at most 1000 at a time.
#[utoipa::path(
    post,
    path = "/needs/reread",
    tag = "Needs",
    operation_id = "reread_needs",
    request_body = Many,
    responses((status = 200, description = "What is read again, and what was left.", body = Done)),
)]
pub async fn reread(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Given(given): Given<Many>,
) -> Answer<Done> {
    given.have(Act::Reread, &desk, &actor).await
}

/// Lets unreadable deliveries rest, with a word; at most 1000 at a time.
#[utoipa::path(
    post,
    path = "/needs/dismiss",
    tag = "Needs",
    operation_id = "dismiss_needs",
    request_body = Many,
    responses((status = 200, description = "What is at rest, and what was left.", body = Done)),
)]
pub async fn dismiss(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Given(given): Given<Many>,
) -> Answer<Done> {
    given.have(Act::Dismiss, &desk, &actor).await
}
