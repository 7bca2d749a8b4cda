//! The whole story of an event, from raw to answers: what `why` prints. Invariant: one story is read
//! from one state of the database, and reading it changes nothing.

use super::sql::{Connection, Row, args, list, statements};
use super::{
    Attempt, DecisionStory, Delivery, Error, FoundJob, FoundStory, JobStory, Mend, StepStory,
    Store, Story, claim, entities, events, links,
};
use crate::domain::contact::contact_key;
use crate::domain::{Entity, Event, Link};
use std::collections::{BTreeMap, BTreeSet};

statements! {
    BY_KEY = "event_key", "select event_id from event_key where key = $1 or tail = $1 \
        order by event_id desc limit $2";
    BY_LINK = "link", "select distinct k.event_id from link l join event_key k \
        on k.connection = l.from_connection and k.key = l.from_id \
        where l.from_kind = 'event' and l.to_id = $1 and (cast($2 as text) is null or l.to_kind = $2) \
        order by k.event_id desc limit $3";
    BY_CONTACT = "job_lane", "select distinct j.event_id from job_lane m join job j on j.id = m.job_id \
        where m.contact = $1 order by j.event_id desc limit $2";
    EVENT = "event", "select id, connection, kind, key, aliases, provisional, registered, asked, fields \
        from event where id = $1";
    DELIVERIES = "raw", "select r.id, r.channel, r.content_type, r.received, length(r.body) as bytes \
        from raw_event c join raw r on r.id = c.raw_id where c.event_id = $1 order by r.id";
    JOBS = "job", "select id, flow, state, registered, due, tries, why from job \
        where event_id = $1 or id in (select job_id from job_event where event_id = $1) order by id";
    LANES = "job_lane", "select lane from job_lane where job_id = $1 order by lane";
    BODIES = "raw", "select id, substr(body, 1, 65536) as body from raw \
        where id in (select value from json_each($1))";
    EXACT = "event_key", "select event_id from event_key where connection = $1 and key = $2";
    DECISIONS = "decision", "select id, created, event, asked, flow_hash, facts, decision from decision \
        where job_id = $1 order by id";
    MENDS = "mend", "select at, what, step, who, why from mend where job_id = $1 order by id";
    STEPS = "step", "select id, name, connection, operation, input, key, state, output from step \
        where decision_id = $1 order by position";
    ATTEMPTS = "attempt", "select started, ended, result, why from attempt \
        where step_id = $1 order by id";
    LINKS = "link", "select from_kind, from_connection, from_id, to_connection, to_kind, to_id, made \
        from link where from_kind = 'event' and from_connection = $1 \
        and from_id in (select value from json_each($2)) order by made, id";
}

/// Stories of one answer.
const MOST: u32 = 50;
/// What people name without saying what it is.
const ORDER: &str = "order";
/// Kinds of things that share the id of an order, and are remembered.
const KINDS: [&str; 2] = [ORDER, "deal"];

impl Store {
    /// The whole story of every event that `query` names: an event key, a far-side id (of a lead, an
    /// order, a customer; `order:17` or bare), an order's number as it was last sent, a phone in any
    /// mask, or an e-mail. Newest first, at most 50.
    pub async fn story(&self, query: &str) -> Result<Vec<Story>, Error> {
        let mut db = self.snapshot().await?;
        let found = named(&mut db, query.trim()).await?;
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        let mut stories = Vec::new();
        for event in found.into_iter().rev().take(most) {
            stories.push(story(&mut db, event).await?);
        }
        Ok(stories)
    }

    /// As [`Store::story`], but only where each stands.
    pub async fn found(&self, query: &str) -> Result<Vec<FoundStory>, Error> {
        let mut db = self.snapshot().await?;
        let found = named(&mut db, query.trim()).await?;
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        let mut stories = Vec::new();
        for id in found.into_iter().rev().take(most) {
            let event = events::event(&db.fetch_row(EVENT, args![id]).await?)?;
            let jobs = db.fetch(JOBS, args![id]).await?;
            let keys: Vec<&str> = event.keys().collect();
            let linked = db.fetch(LINKS, args![&event.connection, list(&keys)]).await?;
            stories.push(FoundStory {
                jobs: jobs.iter().map(brief).collect::<Result<_, _>>()?,
                links: linked.iter().map(links::link).collect::<Result<_, _>>()?,
                event,
            });
        }
        Ok(stories)
    }

    /// The story of one event: of this connection and with this key.
    pub async fn story_of(&self, connection: &str, key: &str) -> Result<Option<Story>, Error> {
        let mut db = self.snapshot().await?;
        match db.fetch_one(EXACT, args![connection, key]).await? {
            Some(row) => story(&mut db, row.int("event_id")?).await.map(Some),
            None => Ok(None),
        }
    }

    /// The bodies of these deliveries, each cut at 64 KiB.
    pub async fn bodies(&self, deliveries: &[i64]) -> Result<BTreeMap<i64, Vec<u8>>, Error> {
        let rows = self.reader().await?.fetch(BODIES, args![list(deliveries)]).await?;
        rows.iter().map(|row| Ok((row.int("id")?, row.blob("body")?))).collect()
    }
}

/// Ids of the events that a person means, oldest first.
async fn named(connection: &mut Connection, query: &str) -> Result<BTreeSet<i64>, Error> {
    let mut found = BTreeSet::new();
    let mut keep = |rows: Vec<Row>| -> Result<(), Error> {
        for row in rows {
            found.insert(row.int("event_id")?);
        }
        Ok(())
    };
    keep(connection.fetch(BY_KEY, args![query, MOST]).await?)?;
    let (kind, id) = query.split_once(':').map_or((None, query), |(kind, id)| (Some(kind), id));
    keep(connection.fetch(BY_LINK, args![id, kind, MOST]).await?)?;
    for contact in contacts(kind, id) {
        keep(connection.fetch(BY_CONTACT, args![contact, MOST]).await?)?;
    }
    if found.is_empty() && !id.is_empty() {
        for id in entities::numbered(connection, id, MOST).await? {
            let rows = connection.fetch(BY_CONTACT, args![format!("{ORDER}:{id}"), MOST]).await?;
            found
                .extend(rows.iter().map(|row| row.int("event_id")).collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(found)
}

/// As they stand in lanes: a contact by its own key, an order by its id.
fn contacts(kind: Option<&str>, id: &str) -> Vec<String> {
    match kind {
        Some("phone" | "email") => contact_key(id).into_iter().collect(),
        // A deal has the id of its order.
        Some("deal") => vec![format!("{ORDER}:{id}")],
        Some(kind) => vec![format!("{kind}:{id}")],
        None => contact_key(id).into_iter().chain([format!("{ORDER}:{id}")]).collect(),
    }
}

async fn story(connection: &mut Connection, id: i64) -> Result<Story, Error> {
    let event = events::event(&connection.fetch_row(EVENT, args![id]).await?)?;
    let deliveries = connection.fetch(DELIVERIES, args![id]).await?;
    let mut jobs = Vec::new();
    for row in connection.fetch(JOBS, args![id]).await? {
        jobs.push(job(connection, &row).await?);
    }
    let keys: Vec<&str> = event.keys().collect();
    let linked = connection.fetch(LINKS, args![&event.connection, list(&keys)]).await?;
    let links: Vec<Link> = linked.iter().map(links::link).collect::<Result<_, _>>()?;
    let things = things(connection, &event, &jobs, &links).await?;
    Ok(Story {
        deliveries: deliveries.iter().map(delivery).collect::<Result<_, _>>()?,
        jobs,
        links,
        things,
        event,
    })
}

/// What is remembered of the orders that the lanes and links name, and of their deals.
async fn things(
    connection: &mut Connection,
    event: &Event,
    jobs: &[JobStory],
    links: &[Link],
) -> Result<Vec<Entity>, Error> {
    let mut connections = BTreeSet::from([event.connection.as_str()]);
    let mut ids = BTreeSet::new();
    for lane in jobs.iter().flat_map(|job| &job.lanes) {
        let (owner, contact) = lane.split_once('|').unwrap_or_default();
        if let Some((_, id)) = contact.split_once(':').filter(|(kind, _)| KINDS.contains(kind)) {
            connections.insert(owner);
            ids.insert(id);
        }
    }
    for link in links.iter().filter(|link| KINDS.contains(&link.to_kind.as_str())) {
        connections.insert(&link.to_connection);
        ids.insert(&link.to_id);
    }
    let (connections, ids): (Vec<_>, Vec<_>) =
        (connections.into_iter().collect(), ids.into_iter().collect());
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    entities::about(connection, &connections, &KINDS, &ids).await
}

fn brief(row: &Row) -> Result<FoundJob, Error> {
    Ok(FoundJob {
        id: row.int("id")?,
        flow: row.owned("flow")?,
        state: row.job_state("state")?,
        why: row.opt_text("why")?.map(str::to_owned),
    })
}

fn delivery(row: &Row) -> Result<Delivery, Error> {
    Ok(Delivery {
        id: row.int("id")?,
        channel: row.owned("channel")?,
        content_type: row.owned("content_type")?,
        received: row.time("received")?,
        bytes: row.count("bytes")?,
    })
}

async fn job(connection: &mut Connection, row: &Row) -> Result<JobStory, Error> {
    let id = row.int("id")?;
    let lanes = connection.fetch(LANES, args![id]).await?;
    let mut decisions = Vec::new();
    for row in connection.fetch(DECISIONS, args![id]).await? {
        decisions.push(decision(connection, &row).await?);
    }
    let mends = connection.fetch(MENDS, args![id]).await?;
    Ok(JobStory {
        id,
        flow: row.owned("flow")?,
        state: row.job_state("state")?,
        registered: row.time("registered")?,
        due: row.time("due")?,
        tries: row.count("tries")?,
        why: row.opt_text("why")?.map(str::to_owned),
        lanes: lanes.iter().map(|row| row.owned("lane")).collect::<Result<_, _>>()?,
        decisions,
        mends: mends.iter().map(mend).collect::<Result<_, _>>()?,
    })
}

fn mend(row: &Row) -> Result<Mend, Error> {
    Ok(Mend {
        at: row.time("at")?,
        what: row.owned("what")?,
        step: row.opt_text("step")?.map(str::to_owned),
        who: row.opt_text("who")?.map(str::to_owned),
        why: row.opt_text("why")?.map(str::to_owned),
    })
}

async fn decision(connection: &mut Connection, row: &Row) -> Result<DecisionStory, Error> {
    let mut steps = Vec::new();
    for step in connection.fetch(STEPS, args![row.int("id")?]).await? {
        let attempts = connection.fetch(ATTEMPTS, args![step.int("id")?]).await?;
        steps.push(StepStory {
            name: step.owned("name")?,
            effect: claim::effect(&step)?,
            state: step.step_state("state")?,
            output: step.opt_json("output")?,
            attempts: attempts.iter().map(attempt).collect::<Result<_, _>>()?,
        });
    }
    Ok(DecisionStory {
        at: row.time("created")?,
        flow_hash: row.owned("flow_hash")?,
        event: row.json("event")?,
        asked: row.opt_json("asked")?,
        facts: row.json("facts")?,
        decision: row.json("decision")?,
        steps,
    })
}

fn attempt(row: &Row) -> Result<Attempt, Error> {
    Ok(Attempt {
        started: row.time("started")?,
        ended: row.opt_time("ended")?,
        result: row.opt_text("result")?.map(str::to_owned),
        why: row.opt_text("why")?.map(str::to_owned),
    })
}
