//! Everything that waits for a person. Invariant: reads only; a page begins where the last one ended,
//! whatever was settled meanwhile.

pub mod groups;
mod view;

pub use view::*;

use super::acts::Act;
use super::overview::report::Report;
use super::story::story_id;
use super::{Desk, Error};
use crate::pipeline::resolve;
use crate::store::Parked;
use crate::store::status::{House, UnreadableRow};
use groups::{alike, shown, still_open};
use jiff::Timestamp;

/// Rows of one page at most.
const MOST: u32 = 500;
/// Rows of one look into the store.
const PAGE: u32 = 200;
/// So many rows are looked at for one page, however few of them the filter leaves.
const LOOKED_AT: usize = 10_000;
/// So many characters of a body are shown.
const BODY: usize = 2000;

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Jobs(Timestamp, i64),
    Deliveries(i64),
}

impl Mark {
    const FIRST: Self = Self::Jobs(Timestamp::MAX, i64::MAX);

    fn of(text: &str) -> Option<Self> {
        if let Some(id) = text.strip_prefix("d-") {
            return id.parse().ok().map(Self::Deliveries);
        }
        let (at, id) = text.strip_prefix("j-")?.split_once('-')?;
        let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
        Some(Self::Jobs(at, id.parse().ok()?))
    }

    fn text(self) -> String {
        match self {
            Self::Jobs(at, id) => format!("j-{}-{id}", at.as_millisecond()),
            Self::Deliveries(id) => format!("d-{id}"),
        }
    }
}

impl NeedFilter {
    fn takes(&self, need: &Need) -> bool {
        let is = |wanted: &Option<String>, held: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| held == Some(wanted))
        };
        self.kind.is_none_or(|kind| kind == need.kind)
            && is(&self.flow, need.flow.as_deref())
            && is(&self.connection, need.connection.as_deref())
            && is(&self.reason, Some(&need.reason))
    }

    fn may_be(&self, kinds: &[NeedKind]) -> bool {
        self.kind.is_none_or(|kind| kinds.contains(&kind))
    }
}

impl Desk {
    /// A page of what waits, and all of it grouped by reason. `after`: `next` of the page before;
    /// `most` rows, at most 500.
    ///
    /// # Errors
    /// The mark is none, or the store's.
    pub async fn needs(
        &self,
        filter: &NeedFilter,
        after: Option<&str>,
        most: u32,
    ) -> Result<Needs, Error> {
        let mark = match after {
            None => Mark::FIRST,
            Some(text) => Mark::of(text).ok_or_else(|| {
                Error::Invalid(vec![("after".to_owned(), "this is no mark of ours".to_owned())])
            })?,
        };
        let most = usize::try_from(most.clamp(1, MOST)).unwrap_or(1);
        let look = self.look().await?;
        let report = look.report();
        let groups = shown(&look.house, &report);
        let mut rows = Vec::new();
        if after.is_none() {
            rows = unnumbered(&look.house, &report);
            rows.retain(|need| filter.takes(need));
        }
        let most = most + rows.len();
        let next = self.numbered(filter, mark, most, &mut rows).await?;
        self.with_bodies(&mut rows).await?;
        Ok(Needs {
            total: groups.iter().map(|group| group.count).sum(),
            more: groups.iter().any(|group| group.more),
            groups,
            rows,
            next: next.map(Mark::text),
        })
    }

    /// Puts beside deliveries how they begin.
    async fn with_bodies(&self, rows: &mut [Need]) -> Result<(), Error> {
        let is_delivery = |need: &&mut Need| need.kind == NeedKind::Delivery;
        let ids: Vec<i64> = rows.iter_mut().filter(is_delivery).map(|need| need.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let bodies = self.pipeline.store.bodies(&ids).await?;
        for need in rows.iter_mut().filter(is_delivery) {
            let body = bodies.get(&need.id).map(|body| String::from_utf8_lossy(body));
            need.body = body.map(|body| body.chars().take(BODY).collect());
        }
        Ok(())
    }

    /// Jobs, then deliveries, each the newest first, until there are `most` rows; where to go on.
    async fn numbered(
        &self,
        filter: &NeedFilter,
        mut mark: Mark,
        most: usize,
        rows: &mut Vec<Need>,
    ) -> Result<Option<Mark>, Error> {
        let store = &self.pipeline.store;
        let mut seen = 0;
        loop {
            let (page, last) = match mark {
                Mark::Jobs(due, id) if filter.may_be(&[NeedKind::Job, NeedKind::Unknown]) => {
                    let flow = filter.flow.as_deref();
                    let page = store.parked_before((due, id), flow, PAGE).await?;
                    let marked = |held: &Parked| Mark::Jobs(held.due, held.job.id);
                    let page: Vec<_> = page.iter().map(|held| (marked(held), job(held))).collect();
                    let last = page.last().map(|(mark, _)| *mark);
                    (page, Some(last.unwrap_or(Mark::Deliveries(i64::MAX))))
                }
                Mark::Jobs(..) => (Vec::new(), Some(Mark::Deliveries(i64::MAX))),
                Mark::Deliveries(id) if filter.may_be(&[NeedKind::Delivery]) => {
                    let from = filter.connection.as_deref();
                    let page = store.unreadable_before(id, from, PAGE).await?;
                    let marked = |held: &UnreadableRow| Mark::Deliveries(held.id);
                    let page: Vec<_> =
                        page.iter().map(|held| (marked(held), delivery(held))).collect();
                    let last = page.last().map(|(mark, _)| *mark);
                    (page, last)
                }
                Mark::Deliveries(_) => (Vec::new(), None),
            };
            seen += page.len();
            for (at, need) in page {
                if rows.len() >= most {
                    return Ok(Some(mark));
                }
                mark = at;
                rows.extend(Some(need).filter(|need| filter.takes(need)));
            }
            match last {
                None => return Ok(None),
                Some(_) if seen > LOOKED_AT => return Ok(Some(mark)),
                Some(last) => mark = last,
            }
        }
    }

    /// The numbers of the jobs and deliveries that a filter names, and whether there are more than
    /// `most`.
    pub(super) async fn needing(
        &self,
        filter: &NeedFilter,
        most: usize,
    ) -> Result<(Vec<Need>, bool), Error> {
        let (mut rows, mut mark) = (Vec::new(), Mark::FIRST);
        // However many others stand before them.
        loop {
            match self.numbered(filter, mark, most, &mut rows).await? {
                Some(next) if rows.len() < most => mark = next,
                next => return Ok((rows, next.is_some())),
            }
        }
    }
}

fn job(held: &Parked) -> Need {
    let why = held.job.why.clone().unwrap_or_else(|| "no reason was kept".to_owned());
    let asks = why.ends_with(resolve::ASKS);
    let (kind, acts) = if asks {
        (NeedKind::Unknown, vec![Act::Arrived, Act::Again, Act::Skip])
    } else {
        (NeedKind::Job, vec![Act::Retry, Act::Skip])
    };
    Need {
        kind,
        id: held.job.id,
        at: held.job.changed,
        flow: Some(held.job.flow.clone()),
        connection: Some(held.job.connection.clone()),
        story: Some(story_id(&held.job.connection, &held.job.event)),
        event: Some(held.job.event.clone()),
        reason: alike(&why),
        why,
        step: held.step.clone().filter(|_| asks),
        mend: String::new(),
        body: None,
        acts,
    }
}

fn delivery(held: &UnreadableRow) -> Need {
    let why = held.why.clone().unwrap_or_else(|| "no reason was kept".to_owned());
    Need {
        kind: NeedKind::Delivery,
        id: held.id,
        at: held.received,
        flow: None,
        connection: Some(held.connection.clone()),
        event: None,
        story: None,
        reason: alike(&why),
        why,
        step: None,
        mend: String::new(),
        body: None,
        acts: vec![Act::Reread, Act::Dismiss],
    }
}

/// What waits and has no number: it stands on the first page.
fn unnumbered(house: &House, report: &Report) -> Vec<Need> {
    let base = |kind: NeedKind, at: Timestamp, why: String| Need {
        kind,
        id: 0,
        at,
        flow: None,
        connection: None,
        event: None,
        story: None,
        reason: alike(&why),
        why,
        step: None,
        mend: String::new(),
        body: None,
        acts: Vec::new(),
    };
    let mut rows = Vec::new();
    for process in &report.processes {
        rows.extend(process.trouble.clone().map(|why| Need {
            mend: "mend the files, then `leadlink reload`; what ran before runs on".to_owned(),
            ..base(NeedKind::Reload, process.seen, why)
        }));
    }
    for held in &report.connections {
        let connection = Some(held.name.clone());
        if let Some(state) = held.state.as_deref().filter(|state| *state != "ready") {
            let why = held.why.clone().unwrap_or_else(|| state.to_owned());
            rows.push(Need {
                connection: connection.clone(),
                mend: "it is probed, and opens by itself as soon as it answers".to_owned(),
                acts: vec![Act::Poll],
                ..base(NeedKind::Connection, held.since.unwrap_or(report.at), why)
            });
        }
        for problem in &held.drift {
            let text = |name: &str| {
                problem.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
            };
            rows.push(Need {
                connection: connection.clone(),
                mend: text("mend"),
                ..base(NeedKind::Drift, held.looked.unwrap_or(report.at), text("title"))
            });
        }
    }
    let open = |state: &str| state == "stuck" || still_open(state);
    for step in house.unknown.iter().filter(|step| !open(step.state)) {
        let why = format!("nobody knows whether {} of step {} happened", step.operation, step.name);
        rows.push(Need {
            id: step.job,
            flow: Some(step.flow.clone()),
            connection: Some(step.connection.clone()),
            step: Some(step.name.clone()),
            mend: "look at the far side; the job itself is through".to_owned(),
            ..base(NeedKind::Unknown, step.started.unwrap_or(report.at), why)
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let at = Timestamp::from_millisecond(1_700_000_000_123).expect("a time");
        for mark in [Mark::Jobs(at, 17), Mark::Deliveries(4)] {
            assert_eq!(Mark::of(&mark.text()), Some(mark));
        }
        for text in ["", "j-", "j-1", "d-x", "17", "j-x-1"] {
            assert_eq!(Mark::of(text), None, "{text}");
        }
    }
}
