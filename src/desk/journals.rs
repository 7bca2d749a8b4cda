//! The journals of leads, deals and messages, as people look through them. Invariant: a page waits
//! for no far side: a code whose name is not at hand is shown as it is.

use super::names::Known;
use super::{Desk, Error};
use crate::rules::Book;
use crate::store::listing::{
    Column, DealFilter, Journal, LanesOfDeals, LeadFilter, Listed, Mark, MessageFilter, Slice,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The span that a page shows where none was asked for.
const SPAN: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Rows of a page, and the most that one may have.
const ROWS: u32 = 50;
const MOST: u32 = 1000;

/// A page of a journal, as it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<F> {
    pub filter: F,
    /// None: 31 days before `until`.
    pub from: Option<Timestamp>,
    /// Not included; none: an hour from now (far sides' clocks may be ahead).
    pub until: Option<Timestamp>,
    /// `next` of the page before.
    pub after: Option<Mark>,
    /// Rows of a page; none: 50, at most 1000.
    pub most: Option<u32>,
}

/// A page of a journal.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// `after` of the next page; none: this is the last.
    pub next: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Not included.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// A code of a far side, and its name where that is at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Named {
    pub code: String,
    pub name: Option<String>,
}

impl Named {
    /// What people read: the name, else the code.
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.code)
    }
}

/// A call, request or chat.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LeadView {
    pub row: i64,
    pub connection: String,
    /// `call`, `request`, `chat`.
    pub kind: String,
    pub id: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub name: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// Key of its event, for its story; none: only the journal showed it.
    pub event: Option<String>,
    /// waiting, deciding, acted, skipped, incomplete, stuck; none: nothing was decided about it.
    pub outcome: Option<String>,
    pub why: Option<String>,
    pub orders: Vec<ThingView>,
}

/// A foreign thing that a lead became.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ThingView {
    pub connection: String,
    /// `order`, `deal`, `customer`.
    pub kind: String,
    pub id: String,
    /// What people call it.
    pub number: Option<String>,
}

/// A deal as we wrote it last.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DealView {
    pub row: i64,
    pub connection: String,
    pub id: String,
    pub number: Option<String>,
    /// When the order was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub status: Option<Named>,
    /// Decimal text.
    pub revenue: Option<String>,
    pub currency: Option<String>,
    pub manager: Option<Named>,
    pub funnel: Option<Named>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// None: «Лид не найден».
    pub lead: Option<DealLeadView>,
    #[schema(value_type = String, format = DateTime)]
    pub changed: Timestamp,
    /// When its next update is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due: Option<Timestamp>,
    /// When its order was deleted or merged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub gone: Option<Timestamp>,
    /// The id of what it was merged into.
    pub became: Option<String>,
    /// What its story is found by.
    pub story: String,
}

/// The lead of a deal.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DealLeadView {
    pub kind: String,
    pub id: String,
    /// Key of its event, for its story.
    pub event: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

/// A message.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct MessageView {
    pub row: i64,
    pub connection: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `in`, `out`.
    pub direction: String,
    /// As the messenger knows them.
    pub person: Option<String>,
    /// A phone or an e-mail, where one is known.
    pub contact: Option<String>,
    /// Cut after some hundred characters.
    pub text: Option<String>,
    /// How many.
    pub files: u32,
    /// received; waiting, queued, sent, delivered, read, error, refused, unknown.
    pub state: String,
    pub why: Option<String>,
    /// Key of its event, for its story.
    pub event: Option<String>,
}

/// Where the updates of a connection's deals wait: a flow's lanes are those of the first connection
/// that it writes to.
fn lanes(book: &Book) -> LanesOfDeals {
    let mut lanes = LanesOfDeals::new();
    for bound in book.flows() {
        let Some((owner, step)) = book.writes_to(bound).zip(bound.flow.steps.first()) else {
            continue;
        };
        for connection in bound.connections(&step.role) {
            lanes.entry(connection.clone()).or_default().insert(owner.to_owned());
        }
    }
    lanes
}

impl Desk {
    /// A page of the journal of leads.
    pub async fn leads(&self, query: &Query<LeadFilter>) -> Result<Page<LeadView>, Error> {
        let slice = self.slice(query);
        let listed = self.pipeline.store.listed_leads(&query.filter, &slice).await?;
        Ok(page(&slice, listed, lead))
    }

    /// A page of the journal of deals.
    pub async fn deals(&self, query: &Query<DealFilter>) -> Result<Page<DealView>, Error> {
        let slice = self.slice(query);
        let lanes = lanes(&self.pipeline.setup().book);
        let listed = self.pipeline.store.listed_deals_in(&query.filter, &slice, &lanes).await?;
        let codes = self.codes();
        Ok(page(&slice, listed, |row| deal(row, &codes)))
    }

    /// A page of the journal of messages.
    pub async fn messages(&self, query: &Query<MessageFilter>) -> Result<Page<MessageView>, Error> {
        let slice = self.slice(query);
        let listed = self.pipeline.store.listed_messages(&query.filter, &slice).await?;
        Ok(page(&slice, listed, message))
    }

    /// What a column of a journal holds in a span, with names beside codes, to choose from.
    pub async fn choices(
        &self,
        journal: Journal,
        column: Column,
        (from, until): (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Vec<Named>, Error> {
        let (from, until) = span(self.pipeline.clock.now(), from, until);
        let held = self.pipeline.store.known_values(journal, column, from, until).await?;
        let codes = self.codes();
        let known = match column {
            Column::Status => codes.statuses,
            Column::Funnel => codes.funnels,
            _ => Known::default(),
        };
        Ok(held.into_iter().map(|code| Named { name: known.name(&code), code }).collect())
    }

    /// The codes that the deals of our flows have.
    fn codes(&self) -> Codes {
        Codes {
            statuses: self.names.of(&self.pipeline, "statuses"),
            funnels: self.names.of(&self.pipeline, "sites"),
        }
    }

    fn slice<F>(&self, query: &Query<F>) -> Slice {
        let (from, until) = span(self.pipeline.clock.now(), query.from, query.until);
        let most = query.most.unwrap_or(ROWS).clamp(1, MOST);
        Slice { from, until, after: query.after, most }
    }
}

fn span(
    now: Timestamp,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> (Timestamp, Timestamp) {
    let ahead = now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
    let until = until.unwrap_or(ahead);
    (from.unwrap_or_else(|| until.saturating_sub(SPAN).unwrap_or(Timestamp::MIN)), until)
}

fn page<R, T>(slice: &Slice, listed: Listed<R>, shown: impl FnMut(R) -> T) -> Page<T> {
    Page {
        rows: listed.rows.into_iter().map(shown).collect(),
        next: listed.next.map(|mark| mark.to_string()),
        from: slice.from,
        until: slice.until,
    }
}

fn lead(row: crate::store::listing::LeadRow) -> LeadView {
    let of = |sort: &str| {
        let mine = row.contacts.iter().filter_map(|contact| contact.strip_prefix(sort));
        mine.map(str::to_owned).collect()
    };
    LeadView {
        phones: of("phone:"),
        emails: of("email:"),
        row: row.row,
        connection: row.connection,
        kind: row.kind,
        id: row.id,
        at: row.at,
        name: row.name,
        source: row.source,
        medium: row.medium,
        campaign: row.campaign,
        event: row.event,
        outcome: row.outcome,
        why: row.why,
        orders: row
            .orders
            .into_iter()
            .map(|thing| ThingView {
                connection: thing.connection,
                kind: thing.kind,
                id: thing.id,
                number: thing.number,
            })
            .collect(),
    }
}

struct Codes {
    statuses: Known,
    funnels: Known,
}

fn deal(row: crate::store::listing::DealRow, codes: &Codes) -> DealView {
    let named = |code: Option<String>, known: &Known| {
        code.map(|code| Named { name: known.name(&code), code })
    };
    DealView {
        story: format!("order:{}", row.id),
        row: row.row,
        connection: row.connection,
        id: row.id,
        number: row.number,
        at: row.at,
        status: named(row.status, &codes.statuses),
        revenue: row.revenue,
        currency: row.currency,
        manager: row.manager.map(|code| Named { code, name: None }),
        funnel: named(row.funnel, &codes.funnels),
        source: row.source,
        medium: row.medium,
        campaign: row.campaign,
        lead: row.lead.map(|lead| DealLeadView {
            event: format!("{}:{}", lead.kind, lead.id),
            kind: lead.kind,
            id: lead.id,
            at: lead.at,
        }),
        changed: row.changed,
        due: row.due,
        gone: row.gone,
        became: row.became,
    }
}

fn message(row: crate::store::listing::MessageRow) -> MessageView {
    let contact = row.contact.map(|contact| match contact.split_once(':') {
        Some((_, bare)) => bare.to_owned(),
        None => contact,
    });
    MessageView {
        contact,
        row: row.row,
        connection: row.connection,
        at: row.at,
        direction: row.direction,
        person: row.person,
        text: row.text,
        files: row.files,
        state: row.state,
        why: row.why,
        event: row.event,
    }
}
