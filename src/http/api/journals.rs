//! Leads, deals and messages, page by page. Invariant: a page begins where the last one ended, whatever
//! arrived meanwhile.

use super::Answer;
use super::ask::{Asked, Checked, Wrong, within};
use super::paging::{Cursor, LIMIT, Paged, limit};
use crate::desk::Desk;
use crate::desk::journals::{DealView, LeadView, MessageView, Query};
use crate::store::listing::{DealFilter, LeadFilter, MessageFilter};
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeadQuery {
    /// A phone in any mask, an e-mail, an id (`call:900000001`, or bare). Exact, over the whole
    /// journal: `from` and `until` do not bind it.
    #[param(min_length = 1, max_length = 200, example = "+7 999 000-00-01")]
    search: Option<String>,
    /// Which connection it came from.
    #[param(min_length = 1, max_length = 200, example = "calltouch-main")]
    connection: Option<String>,
    /// `call`, `request` or `chat`.
    #[param(min_length = 1, max_length = 200, example = "call")]
    kind: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "yandex")]
    source: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "cpc")]
    medium: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "brand")]
    campaign: Option<String>,
    /// What became of it: `waiting`, `deciding`, `acted`, `skipped`, `incomplete`, `stuck`.
    #[param(min_length = 1, max_length = 200, example = "acted")]
    outcome: Option<String>,
    /// Not before; 31 days before `until` where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Before; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    until: Option<Timestamp>,
    /// Rows of a page.
    #[serde(default = "limit")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    limit: u32,
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,14}-[0-9]{1,18}$")]
    cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DealQuery {
    /// A phone in any mask, an e-mail, a number, an id (`order:17`, or bare). Exact, over the whole
    /// journal: `from` and `until` do not bind it.
    #[param(min_length = 1, max_length = 200, example = "17A")]
    search: Option<String>,
    /// Which connection it was written to.
    #[param(min_length = 1, max_length = 200, example = "calltouch-main")]
    connection: Option<String>,
    /// The status's code.
    #[param(min_length = 1, max_length = 200, example = "new")]
    status: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "yandex")]
    source: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "cpc")]
    medium: Option<String>,
    #[param(min_length = 1, max_length = 200, example = "brand")]
    campaign: Option<String>,
    /// The manager's code.
    #[param(min_length = 1, max_length = 200, example = "3")]
    manager: Option<String>,
    /// The funnel's code.
    #[param(min_length = 1, max_length = 200, example = "main")]
    funnel: Option<String>,
    /// Only those with a lead, or only those without.
    linked: Option<bool>,
    /// Not before; 31 days before `until` where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Before; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    until: Option<Timestamp>,
    /// Rows of a page.
    #[serde(default = "limit")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    limit: u32,
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,14}-[0-9]{1,18}$")]
    cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// A phone in any mask, an e-mail, an id. Exact, over the whole journal: `from` and `until` do not
    /// bind it.
    #[param(min_length = 1, max_length = 200, example = "79990000001")]
    search: Option<String>,
    /// By which connection it came or went.
    #[param(min_length = 1, max_length = 200, example = "telegram")]
    connection: Option<String>,
    /// `in` or `out`.
    #[param(min_length = 1, max_length = 200, example = "in")]
    direction: Option<String>,
    /// `received`, `waiting`, `queued`, `sent`, `delivered`, `read`, `error`, `refused`, `unknown`.
    #[param(min_length = 1, max_length = 200, example = "received")]
    state: Option<String>,
    /// Not before; 31 days before `until` where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Before; now where it is left out.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    until: Option<Timestamp>,
    /// Rows of a page.
    #[serde(default = "limit")]
    #[param(minimum = 1, maximum = 500, default = 100, example = 100)]
    limit: u32,
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,14}-[0-9]{1,18}$")]
    cursor: Option<Cursor>,
}

impl Checked for LeadQuery {
    fn wrong(&self) -> Wrong {
        limited(self.limit)
    }
}

impl Checked for DealQuery {
    fn wrong(&self) -> Wrong {
        limited(self.limit)
    }
}

impl Checked for MessageQuery {
    fn wrong(&self) -> Wrong {
        limited(self.limit)
    }
}

fn limited(limit: u32) -> Wrong {
    let mut wrong = Wrong::new();
    within(&mut wrong, "limit", limit, LIMIT);
    wrong
}

/// Leads: calls, requests and chats, newest first.
#[utoipa::path(
    get,
    path = "/leads",
    tag = "Journals",
    operation_id = "list_leads",
    params(LeadQuery),
    responses((status = 200, description = "A page of leads.", body = Paged<LeadView>)),
)]
pub async fn leads(
    State(desk): State<Desk>,
    Asked(asked): Asked<LeadQuery>,
) -> Answer<Paged<LeadView>> {
    let filter = LeadFilter {
        connection: asked.connection,
        kind: asked.kind,
        source: asked.source,
        medium: asked.medium,
        campaign: asked.campaign,
        outcome: asked.outcome,
        search: asked.search,
    };
    let LeadQuery { from, until, limit, cursor, .. } = asked;
    let query =
        Query { filter, from, until, after: cursor.map(|cursor| cursor.0), most: Some(limit) };
    Paged::answer(desk.leads(&query).await?)
}

/// Deals as we wrote them last, newest first.
#[utoipa::path(
    get,
    path = "/deals",
    tag = "Journals",
    operation_id = "list_deals",
    params(DealQuery),
    responses((status = 200, description = "A page of deals.", body = Paged<DealView>)),
)]
pub async fn deals(
    State(desk): State<Desk>,
    Asked(asked): Asked<DealQuery>,
) -> Answer<Paged<DealView>> {
    let filter = DealFilter {
        connection: asked.connection,
        status: asked.status,
        source: asked.source,
        medium: asked.medium,
        campaign: asked.campaign,
        manager: asked.manager,
        funnel: asked.funnel,
        linked: asked.linked,
        search: asked.search,
    };
    let DealQuery { from, until, limit, cursor, .. } = asked;
    let query =
        Query { filter, from, until, after: cursor.map(|cursor| cursor.0), most: Some(limit) };
    Paged::answer(desk.deals(&query).await?)
}

/// Messages in both directions, newest first.
#[utoipa::path(
    get,
    path = "/messages",
    tag = "Journals",
    operation_id = "list_messages",
    params(MessageQuery),
    responses((status = 200, description = "A page of messages.", body = Paged<MessageView>)),
)]
pub async fn messages(
    State(desk): State<Desk>,
    Asked(asked): Asked<MessageQuery>,
) -> Answer<Paged<MessageView>> {
    let filter = MessageFilter {
        connection: asked.connection,
        direction: asked.direction,
        state: asked.state,
        search: asked.search,
    };
    let MessageQuery { from, until, limit, cursor, .. } = asked;
    let query =
        Query { filter, from, until, after: cursor.map(|cursor| cursor.0), most: Some(limit) };
    Paged::answer(desk.messages(&query).await?)
}
