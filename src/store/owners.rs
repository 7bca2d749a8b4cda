//! Who owns which connection, and which processes there are. Invariant: a connection has one owner at
//! most, who polls it and writes to it, so that its rate limit is exact; an owner that gives no sign
//! of life for the length of its lease is followed by another.
//!
//! Connections that one flow brings together (or that share a rate limit) are a *crew* and have one
//! owner. Leases are kept by the database's clock (`Connection::lease_clock`).

use super::hints::FREE;
use super::sql::{Connection, args, list, statements};
use super::{Error, Store};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

statements! {
    SIGN = "replica", "insert into replica (owner, version, listen, started, seen, loaded, connections, \
            heard, trouble) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
        on conflict (owner) do update set seen = excluded.seen, loaded = excluded.loaded, \
            connections = excluded.connections, heard = excluded.heard, trouble = excluded.trouble";
    ALIKE = "replica", "select count(*) as n from replica where seen > $1 and connections = $2";
    KNOWN = "replica", "select connections from replica where owner <> $1";
    REPLICAS = "replica", "select owner, version, listen, started, seen, loaded, heard, trouble from replica \
        order by started, owner";
    OWNERS = "connection_owner", "select connection, owner, lease_until from connection_owner";
    TAKE = "connection_owner", "insert into connection_owner (connection, owner, epoch, lease_until) \
            values ($1, $2, 1, $3) \
        on conflict (connection) do update set lease_until = excluded.lease_until, owner = excluded.owner, \
            epoch = connection_owner.epoch \
                + case when connection_owner.owner = excluded.owner then 0 else 1 end";
    HELD = "connection_owner", "select count(*) as n, min(lease_until) as until from connection_owner \
        where owner = $1 and lease_until > $2 and connection in (select value from json_each($3))";
    FREED = "connection_owner", "update connection_owner set owner = null, lease_until = $3 \
        where owner = $1 and connection in (select value from json_each($2))";
    FORGOTTEN = "replica", "delete from replica where seen <= $1";
    GONE = "replica", "delete from replica where owner = $1";
}

/// A process that ended without a word may come back with its flows for so long.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// An owner that gave up this lately may have sent a request as lately.
const HANDOVER: SignedDuration = SignedDuration::from_millis(1500);

/// A sign of life, and what this process is set up to own.
#[derive(Debug, Clone)]
pub struct Bid {
    pub owner: String,
    pub version: &'static str,
    pub listen: String,
    pub started: Timestamp,
    /// When the config and flows that it runs were read.
    pub loaded: Timestamp,
    /// The last call to all that it has acted upon.
    pub heard: i64,
    /// Why the last reload was refused.
    pub trouble: Option<String>,
    pub crews: Vec<Vec<String>>,
    /// The flows that it knows.
    pub flows: Vec<String>,
    /// Jobs under way, whose leases are kept too: they run out together with the connections'.
    pub jobs: Vec<i64>,
    pub lease: Duration,
}

/// What came of a bid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// Connections that are this process's for the length of the lease.
    pub owned: BTreeSet<String>,
    /// Of those, what should be given up as soon as nothing is under way there, since other processes
    /// have less.
    pub surplus: BTreeSet<String>,
    /// Some of it was another's a moment ago.
    pub handed_over: bool,
    /// Flows that this process does not know and another does, whose config may be newer: their jobs
    /// are not this one's to end, even while the other is away.
    pub foreign: BTreeSet<String>,
    /// So long until the soonest lease of another runs out, unless it is kept.
    pub soonest: Option<Duration>,
}

/// A process, as it showed itself.
#[derive(Debug, Clone, Serialize)]
pub struct Replica {
    pub owner: String,
    pub version: String,
    pub listen: String,
    pub started: Timestamp,
    /// By the database's clock where several processes share it.
    pub seen: Timestamp,
    pub loaded: Timestamp,
    pub heard: i64,
    pub trouble: Option<String>,
}

impl Store {
    /// Gives a sign of life, keeps what this process owns and takes what is free, up to a fair share
    /// of the crews (more only where nobody else comes for them).
    pub async fn own(&self, bid: Bid, now: Timestamp) -> Result<Share, Error> {
        self.write(move |db| Box::pin(own(db, bid, now))).await
    }

    /// Gives these connections up; others hear of it at once.
    pub async fn disown(
        &self,
        owner: &str,
        connections: &[String],
        now: Timestamp,
    ) -> Result<(), Error> {
        let (owner, connections) = (owner.to_owned(), connections.to_vec());
        self.write(move |db| Box::pin(async move { free(db, &owner, &connections, now).await }))
            .await
    }

    /// At the end of a process: it owns nothing and is no more.
    pub async fn sign_off(
        &self,
        owner: &str,
        connections: &[String],
        now: Timestamp,
    ) -> Result<(), Error> {
        let (owner, connections) = (owner.to_owned(), connections.to_vec());
        self.write(move |db| {
            Box::pin(async move {
                // Together: who hears that they are free must not count this process any more.
                db.execute(GONE, args![&owner]).await?;
                free(db, &owner, &connections, now).await
            })
        })
        .await
    }

    /// The processes that have shown themselves, and the time by which `seen` was written.
    pub async fn replicas(&self, now: Timestamp) -> Result<(Vec<Replica>, Timestamp), Error> {
        let mut db = self.reader().await?;
        let clock = db.lease_clock(now).await?;
        Ok((shown(&mut db).await?, clock))
    }
}

/// The processes that have shown themselves.
pub(super) async fn shown(db: &mut Connection) -> Result<Vec<Replica>, Error> {
    let rows = db.fetch(REPLICAS, args![]).await?;
    let replicas = rows.iter().map(|row| {
        Ok(Replica {
            owner: row.owned("owner")?,
            version: row.owned("version")?,
            listen: row.owned("listen")?,
            started: row.time("started")?,
            seen: row.time("seen")?,
            loaded: row.time("loaded")?,
            heard: row.int("heard")?,
            trouble: row.opt_text("trouble")?.map(str::to_owned),
        })
    });
    replicas.collect()
}

async fn free(
    connection: &mut Connection,
    owner: &str,
    connections: &[String],
    now: Timestamp,
) -> Result<(), Error> {
    // From now on, so that the next owner knows how long ago our last request may be.
    let clock = connection.lease_clock(now).await?;
    connection.execute(FREED, args![owner, list(connections), clock]).await?;
    connection.tell(FREE).await
}

/// Until when does this process own all of these connections, if it does? Asked in the transaction
/// that claims.
pub(super) async fn owned_until(
    connection: &mut Connection,
    owner: &str,
    needs: &[String],
    clock: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let held = connection.fetch_row(HELD, args![owner, clock, list(needs)]).await?;
    let all = usize::try_from(held.int("n")?).is_ok_and(|held| held == needs.len());
    if all { Ok(Some(held.opt_time("until")?.unwrap_or(clock))) } else { Ok(None) }
}

async fn own(connection: &mut Connection, bid: Bid, now: Timestamp) -> Result<Share, Error> {
    let clock = connection.lease_clock(now).await?;
    let names: BTreeSet<&String> = bid.crews.iter().flatten().collect();
    let listed = serde_json::json!({ "connections": names, "flows": bid.flows }).to_string();
    let args = args![
        &bid.owner,
        bid.version,
        &bid.listen,
        bid.started,
        clock,
        bid.loaded,
        &listed,
        bid.heard,
        bid.trouble.as_ref()
    ];
    connection.execute(SIGN, args).await?;
    let lease = SignedDuration::try_from(bid.lease).unwrap_or(SignedDuration::MAX);
    let quiet = clock.saturating_sub(lease).unwrap_or(Timestamp::MIN);
    let until = super::jobs::lease_end(clock, bid.lease);
    super::jobs::renew(connection, &bid.owner, &bid.jobs, until).await?;
    let alike: usize = connection.fetch_row(ALIKE, args![quiet, &listed]).await?.count("n")?;
    let mut held = BTreeMap::new();
    for row in connection.fetch(OWNERS, args![]).await? {
        let owner = row.opt_text("owner")?.map(str::to_owned);
        held.insert(row.owned("connection")?, (owner, row.time("lease_until")?));
    }
    let share = if connection.is_shared() {
        let foreign = foreign(connection, &bid, clock).await?;
        Share { foreign, ..share(&bid, &held, alike, (clock, quiet)) }
    } else {
        // The lock of the file says that nobody else is there.
        Share { owned: bid.crews.iter().flatten().cloned().collect(), ..Share::default() }
    };
    for name in &share.owned {
        connection.execute(TAKE, args![name, &bid.owner, until]).await?;
    }
    Ok(share)
}

async fn foreign(
    connection: &mut Connection,
    bid: &Bid,
    clock: Timestamp,
) -> Result<BTreeSet<String>, Error> {
    #[derive(serde::Deserialize)]
    struct Listed {
        flows: Vec<String>,
    }
    let since = clock.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
    connection.execute(FORGOTTEN, args![since]).await?;
    let mut foreign = BTreeSet::new();
    for row in connection.fetch(KNOWN, args![&bid.owner]).await? {
        foreign.extend(row.json::<Listed>("connections")?.flows);
    }
    foreign.retain(|flow| !bid.flows.contains(flow));
    Ok(foreign)
}

/// Connection → its owner, and until when.
type Held = BTreeMap<String, (Option<String>, Timestamp)>;

/// What a process keeps, takes and should give up. `quiet`: one lease ago.
fn share(bid: &Bid, held: &Held, alike: usize, (clock, quiet): (Timestamp, Timestamp)) -> Share {
    let fair = bid.crews.len().div_ceil(alike.max(1));
    let mine =
        |name: &String| held.get(name).is_some_and(|(owner, _)| owner.as_ref() == Some(&bid.owner));
    // Free, or ours already; `since`: it has been so since then.
    let free = |name: &String, since: Timestamp| match held.get(name) {
        None => since >= clock,
        Some((_, until)) => mine(name) || *until <= since,
    };
    let just_now = clock.saturating_sub(HANDOVER).unwrap_or(Timestamp::MIN);
    let others = held.values().filter(|(owner, until)| {
        *until > clock && owner.as_ref().is_some_and(|owner| *owner != bid.owner)
    });
    let soonest = others.map(|(_, until)| until.duration_since(clock)).min();
    let soonest = soonest.and_then(|left| Duration::try_from(left).ok());
    let mut share = Share { soonest, ..Share::default() };
    let mut crews = 0;
    let keeps = |crew: &&Vec<String>| crew.iter().any(mine);
    let ours = bid.crews.iter().filter(keeps);
    for crew in ours.chain(bid.crews.iter().filter(|crew| !keeps(crew))) {
        let may = crew.iter().all(|name| free(name, clock));
        let keeps = keeps(&crew);
        // Beyond the fair share: what is ours, and what nobody has come for.
        let forsaken = crew.iter().all(|name| free(name, quiet));
        if !may || (crews >= fair && !keeps && !forsaken) {
            continue;
        }
        crews += 1;
        share.owned.extend(crew.iter().cloned());
        share.handed_over |= crew
            .iter()
            .any(|name| held.get(name).is_some_and(|(_, until)| !mine(name) && *until >= just_now));
        if crews > fair && keeps {
            share.surplus.extend(crew.iter().cloned());
        }
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    fn bid(owner: &str, crews: &[&[&str]]) -> Bid {
        let crews = crews.iter().map(|crew| crew.iter().map(|name| (*name).to_owned()).collect());
        Bid {
            owner: owner.to_owned(),
            version: "1",
            listen: String::new(),
            started: at(0),
            loaded: at(0),
            heard: 0,
            trouble: None,
            crews: crews.collect(),
            flows: Vec::new(),
            jobs: Vec::new(),
            lease: Duration::from_secs(15),
        }
    }

    fn held(rows: &[(&str, Option<&str>, i64)]) -> Held {
        let rows = rows.iter().map(|(name, owner, until)| {
            ((*name).to_owned(), (owner.map(str::to_owned), at(*until)))
        });
        rows.collect()
    }

    fn names(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    const CREWS: &[&[&str]] = &[&["calls", "shop"], &["calls-b", "shop-b"]];

    #[test]
    fn the_first_takes_all_and_gives_up_half_when_a_second_comes() {
        let alone = share(&bid("a", CREWS), &held(&[]), 1, (at(20), at(5)));
        assert_eq!(names(&alone.owned), ["calls", "calls-b", "shop", "shop-b"]);
        let rows: Vec<_> = alone.owned.iter().map(|name| (name.as_str(), Some("a"), 35)).collect();
        let two = share(&bid("a", CREWS), &held(&rows), 2, (at(21), at(6)));
        assert_eq!(two.owned.len(), 4, "given up only when nothing is under way");
        assert_eq!(names(&two.surplus), ["calls-b", "shop-b"]);
        let second = share(&bid("b", CREWS), &held(&rows), 2, (at(21), at(6)));
        assert!(second.owned.is_empty(), "a lease is kept to: {second:?}");
    }

    #[test]
    fn a_crew_is_taken_whole_or_not() {
        let rows = held(&[("calls", Some("b"), 35)]);
        let share = share(&bid("a", CREWS), &rows, 1, (at(20), at(5)));
        assert_eq!(names(&share.owned), ["calls-b", "shop-b"]);
    }

    #[test]
    fn a_dead_owner_is_followed_when_its_lease_is_out() {
        let rows = held(&[("calls", Some("b"), 35), ("shop", Some("b"), 35)]);
        let crews: &[&[&str]] = &[&["calls", "shop"]];
        let early = share(&bid("a", crews), &rows, 1, (at(34), at(19)));
        assert!(early.owned.is_empty());
        assert_eq!(early.soonest, Some(Duration::from_secs(1)), "then it is looked at again");
        let followed = share(&bid("a", crews), &rows, 1, (at(35), at(20)));
        assert_eq!(followed.owned.len(), 2);
        assert!(followed.handed_over, "the other may have sent a request just now");
        assert!(!share(&bid("a", crews), &rows, 1, (at(40), at(25))).handed_over);
    }

    #[test]
    fn what_nobody_comes_for_is_taken_beyond_the_fair_share() {
        let free = held(&[
            ("calls", Some("a"), 35),
            ("shop", Some("a"), 35),
            ("calls-b", None, 10),
            ("shop-b", None, 10),
        ]);
        let soon = share(&bid("a", CREWS), &free, 2, (at(20), at(5)));
        assert_eq!(soon.owned.len(), 2, "it is left to the other for the length of a lease");
        let later = share(&bid("a", CREWS), &free, 2, (at(26), at(11)));
        assert_eq!(later.owned.len(), 4);
    }
}
