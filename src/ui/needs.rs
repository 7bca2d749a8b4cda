//! What waits for a person, one by one and in bulk. Invariant: what is done to many names the reason
//! that they share, or each of them; nothing is done by looking.

use super::acts::back_to;
use super::frame::Frame;
use super::trouble;
use super::values::Fields;
use crate::desk::acts::{Act, Bulk};
use crate::desk::needs::{Need, NeedFilter, NeedGroup, NeedKind, Needs};
use crate::desk::{Actor, Desk, Error};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

/// Rows of a page.
const ROWS: u32 = 50;
/// What the page is filtered by.
const FILTER: [&str; 4] = ["kind", "flow", "connection", "reason"];
/// Acts that a person may do to many at once.
const BULK: [Act; 4] = [Act::Retry, Act::Skip, Act::Reread, Act::Dismiss];

#[derive(Template)]
#[template(path = "needs.html", config = "src/ui/askama.toml")]
struct Page<'a> {
    frame: &'a Frame,
    needs: &'a Needs,
    filter: &'a NeedFilter,
    /// What is filtered by, for the bulk form.
    chosen: Option<&'a NeedGroup>,
    filtered: bool,
    more: Option<String>,
    /// What can be done to those that are chosen.
    acts: Vec<Act>,
    /// The filter, for the forms to come back to.
    shown: String,
}

/// What an act is called.
pub fn act_word(frame: &Frame, act: &Act) -> &'static str {
    let w = &frame.w.acts;
    match act {
        Act::Replay => w.replay,
        Act::Retry => w.retry,
        Act::Arrived => w.arrived,
        Act::Again => w.again,
        Act::Skip => w.skip,
        Act::Reread => w.reread,
        Act::Dismiss => w.dismiss,
        Act::Poll => w.poll,
        Act::Start => w.start,
        Act::Stop => w.stop,
    }
}

pub fn kind_word(frame: &Frame, kind: &NeedKind) -> &'static str {
    let w = &frame.w.needs;
    match kind {
        NeedKind::Job => w.job,
        NeedKind::Unknown => w.unknown,
        NeedKind::Delivery => w.delivery,
        NeedKind::Connection => w.connection,
        NeedKind::Drift => w.drift,
        NeedKind::Reload => w.reload,
    }
}

fn kind_code(kind: NeedKind) -> &'static str {
    match kind {
        NeedKind::Job => "job",
        NeedKind::Unknown => "unknown",
        NeedKind::Delivery => "delivery",
        NeedKind::Connection => "connection",
        NeedKind::Drift => "drift",
        NeedKind::Reload => "reload",
    }
}

/// A row among the chosen. Jobs and deliveries are counted apart, so that a number alone would name one
/// of each: `job-3`, `delivery-3`.
pub fn chosen(need: &Need) -> String {
    format!("{}-{}", word_of(need.kind == NeedKind::Delivery), need.id)
}

/// Names a row, whatever stands before it.
pub fn row_key(need: &Need) -> String {
    let step = need.step.as_deref().unwrap_or_default();
    match need.id {
        0 => {
            let of = need.connection.as_deref().unwrap_or_default();
            format!("{}-{of}-{}", kind_code(need.kind), need.reason)
        }
        _ if step.is_empty() => chosen(need),
        _ => format!("{}-{step}", chosen(need)),
    }
}

/// Some acts end a thing, and want a word.
fn wants_word(act: &Act) -> bool {
    matches!(act, Act::Skip | Act::Dismiss)
}

fn word_of(is_delivery: bool) -> &'static str {
    if is_delivery { "delivery" } else { "job" }
}

fn kind_of(code: &str) -> Option<NeedKind> {
    let all = [
        NeedKind::Job,
        NeedKind::Unknown,
        NeedKind::Delivery,
        NeedKind::Connection,
        NeedKind::Drift,
        NeedKind::Reload,
    ];
    all.into_iter().find(|kind| kind_code(*kind) == code)
}

/// The query that shows a group's rows.
pub fn group_query(group: &NeedGroup) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    out.append_pair("kind", kind_code(group.kind));
    out.append_pair(of_key(group.kind), &group.of);
    out.append_pair("reason", &group.reason);
    out.finish()
}

/// Is the group about a flow or about a connection?
pub fn of_key(kind: NeedKind) -> &'static str {
    match kind {
        NeedKind::Job | NeedKind::Unknown => "flow",
        _ => "connection",
    }
}

fn filter(fields: &Fields) -> NeedFilter {
    NeedFilter {
        kind: fields.get("kind").and_then(kind_of),
        flow: fields.owned("flow"),
        connection: fields.owned("connection"),
        reason: fields.owned("reason"),
    }
}

/// `GET /needs`.
pub async fn needs(State(desk): State<Desk>, frame: Frame) -> Response {
    let fields = Fields::of(&frame.query);
    let filter = filter(&fields);
    let read = desk.needs(&filter, fields.get("after"), ROWS).await;
    match read {
        Ok(needs) => trouble::page(&page(&frame, &fields, &filter, &needs)),
        Err(error) => trouble::of(&frame, &error),
    }
}

fn page<'a>(
    frame: &'a Frame,
    fields: &Fields,
    filter: &'a NeedFilter,
    needs: &'a Needs,
) -> Page<'a> {
    let chosen = needs.groups.iter().find(|group| {
        let of = if of_key(group.kind) == "flow" { &filter.flow } else { &filter.connection };
        filter.reason.as_ref() == Some(&group.reason)
            && of.as_ref().is_none_or(|of| *of == group.of)
    });
    let mut acts: Vec<Act> = needs.rows.iter().flat_map(|need| need.acts.iter().copied()).collect();
    acts.sort();
    acts.dedup();
    acts.retain(|act| BULK.contains(act));
    let more = needs.next.as_ref();
    Page {
        frame,
        needs,
        chosen,
        acts,
        filtered: !fields.only(&FILTER).is_empty(),
        shown: fields.only(&FILTER),
        more: more.map(|next| {
            format!(
                "/needs?{}",
                fields.with(&["after", "done", "left", "more"], &[("after", next)])
            )
        }),
        filter,
    }
}

#[cfg(test)]
pub(super) fn text(frame: &Frame, filter: &NeedFilter, needs: &Needs) -> String {
    page(frame, &Fields::default(), filter, needs).render().expect("a page")
}

/// `POST /needs`: one act on the chosen, or on all of one reason.
pub async fn act(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    frame: Frame,
    body: String,
) -> Response {
    let fields = Fields::of(&body);
    let asked = asked(&fields);
    let others = asked.as_ref().map_or(0, |(_, others)| *others);
    let done = match asked {
        Ok((bulk, _)) => desk.bulk(&actor, &bulk).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(done) => {
            let shown = Fields::of(fields.get("shown").unwrap_or_default()).only(&FILTER);
            let to = if shown.is_empty() { String::new() } else { format!("?{shown}") };
            back_to(&format!("/needs{to}"), &done, others)
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

/// What is asked for, and how many of the chosen it is nothing for.
fn asked(fields: &Fields) -> Result<(Bulk, usize), Error> {
    let wrong = |field: &str, why: &str| Error::Invalid(vec![(field.to_owned(), why.to_owned())]);
    let word = fields.get("act").unwrap_or_default();
    let act = BULK.into_iter().find(|act| act.word() == word);
    let act = act.ok_or_else(|| wrong("act", "there is no such act"))?;
    let kind = word_of(matches!(act, Act::Reread | Act::Dismiss));
    let of_kind = |chosen: &str| -> Option<i64> {
        chosen.strip_prefix(kind)?.strip_prefix('-')?.parse().ok()
    };
    let ids: Vec<i64> = fields.all("id").filter_map(of_kind).collect();
    let reason = fields.owned("reason");
    if ids.is_empty() && reason.is_none() {
        return Err(wrong("id", "nothing is chosen that this can be done to"));
    }
    let others = fields.all("id").count() - ids.len();
    let why = fields.owned("why");
    let (flow, connection) = (fields.owned("flow"), fields.owned("connection"));
    Ok((Bulk { act, ids, flow, connection, reason, why }, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_name_when_others_come_before_it() {
        let need = Need {
            kind: NeedKind::Unknown,
            id: 17,
            at: jiff::Timestamp::UNIX_EPOCH,
            flow: None,
            connection: Some("shop".into()),
            event: None,
            story: None,
            why: "12 away".into(),
            reason: "# away".into(),
            step: Some("create".into()),
            mend: String::new(),
            body: None,
            acts: Vec::new(),
        };
        assert_eq!(row_key(&need), "job-17-create");
        let delivery = Need { kind: NeedKind::Delivery, step: None, ..need.clone() };
        assert_eq!(row_key(&delivery), "delivery-17");
        let drift = Need { kind: NeedKind::Drift, id: 0, step: None, ..need };
        assert_eq!(row_key(&drift), "drift-shop-# away");
    }

    #[test]
    fn nothing_is_done_to_everything_by_mistake() {
        let refused = |body: &str| matches!(asked(&Fields::of(body)), Err(Error::Invalid(_)));
        assert!(refused("act=retry"));
        assert!(refused("act=replay&id=job-1"));
        assert!(refused("id=job-1&why=x"));
        assert!(refused("act=skip&id=delivery-1&why=x") && refused("act=dismiss&id=1&why=x"));
        let body = "act=skip&id=job-1&id=job-2&id=delivery-3&why=+old+";
        let (bulk, others) = asked(&Fields::of(body)).expect("a bulk act");
        assert_eq!((bulk.act, bulk.ids, bulk.why.as_deref()), (Act::Skip, vec![1, 2], Some("old")));
        assert_eq!(others, 1);
        let bulk = asked(&Fields::of("act=retry&reason=no+such+status&flow=call-to-order"));
        let (bulk, _) = bulk.expect("a bulk act");
        assert!(bulk.ids.is_empty() && bulk.reason.as_deref() == Some("no such status"));
    }
}
