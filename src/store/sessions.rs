//! Sessions of the console, logins that failed, tokens of the API. Invariant: of a token only its hash
//! is here; a try to log in is counted before the password is looked at, so that many at once count
//! as many.

use super::people::{PersonRow, person};
use super::sql::{Row, args, json, statements};
use super::{Error, Store};
use jiff::{SignedDuration, Timestamp};

statements! {
    SESSION = "session", "select p.id, p.name, p.role, p.password, p.created, p.changed, p.closed, \
            s.seen, s.until from session s join person p on p.id = s.person \
        where s.hash = $1 and s.until > $2 and s.seen > $3 and p.closed is null";
    BEGIN = "session", "insert into session (hash, person, address, created, seen, until) \
        select cast($1 as text), id, cast($3 as text), cast($4 as bigint), cast($4 as bigint), \
            cast($5 as bigint) from person where id = $2 and closed is null \
            and password = $6 returning hash";
    SEEN = "session", "update session set seen = $2 where hash = $1 and seen < $2";
    END = "session", "delete from session where hash = $1";
    END_ALL = "session", "delete from session where person = $1";
    ENDED = "session", "delete from session where until <= $1";
    FAILED = "login_failure", "select count(*) as n, coalesce(max(at), 0) as last from login_failure \
        where key = $1 and at > $2";
    FAIL = "login_failure", "insert into login_failure (key, at) values ($1, $2) returning id";
    FORGET = "login_failure", "delete from login_failure where id = $1";
    FORGIVE = "login_failure", "delete from login_failure where key like $1 || '%'";
    OLD = "login_failure", "delete from login_failure where at <= $1";
    TOKENS = "api_token", "select id, name, scopes, maker, created, until, used, revoked \
        from api_token order by id";
    TOKEN = "api_token", "select id, name, scopes, maker, created, until, used, revoked \
        from api_token where hash = $1 and revoked is null and (until is null or until > $2)";
    MAKE = "api_token", "insert into api_token (name, hash, scopes, maker, created, until) \
        values ($1, $2, $3, $4, $5, $6) returning id";
    USED = "api_token", "update api_token set used = $2 where id = $1 and (used is null or used < $2)";
    REVOKE = "api_token", "update api_token set revoked = $2 where id = $1 and revoked is null \
        returning name";
}

/// A session that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub person: PersonRow,
    pub seen: Timestamp,
    pub until: Timestamp,
}

/// A session to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    pub hash: String,
    pub person: i64,
    /// The hash by which the password was found right: where it has been changed since, nobody comes
    /// in.
    pub password: String,
    pub address: String,
    pub until: Timestamp,
}

/// By what tries to log in are counted, and how long is waited after so many that failed.
#[derive(Debug, Clone)]
pub struct Counted {
    pub key: String,
    pub pause: fn(u64) -> SignedDuration,
}

/// May a password be tried?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Try {
    /// It is counted as failed, until `forgive`: a row for each key.
    Yes(Vec<i64>),
    Not {
        before: Timestamp,
    },
}

/// A token of the API, without its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<String>,
    pub maker: String,
    pub created: Timestamp,
    pub until: Option<Timestamp>,
    pub used: Option<Timestamp>,
    pub revoked: Option<Timestamp>,
}

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub name: String,
    pub hash: String,
    pub scopes: Vec<String>,
    pub maker: String,
    pub until: Option<Timestamp>,
}

impl Store {
    /// The session with this hash, if it lasts still and was seen since `seen`.
    pub async fn session(
        &self,
        hash: &str,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Option<SessionRow>, Error> {
        let found = self.reader().await?.fetch_one(SESSION, args![hash, now, seen]).await?;
        let session = |row: Row| {
            Ok(SessionRow {
                person: person(&row)?,
                seen: row.time("seen")?,
                until: row.time("until")?,
            })
        };
        found.map(session).transpose()
    }

    /// False where the person was shut out or got another password meanwhile.
    pub async fn begin_session(&self, new: NewSession, now: Timestamp) -> Result<bool, Error> {
        let NewSession { hash, person, password, address, until } = new;
        let args = args![hash, person, address, now, until, password];
        self.write(move |db| {
            Box::pin(async move {
                db.execute(ENDED, args![now]).await?;
                Ok(db.fetch_one(BEGIN, args).await?.is_some())
            })
        })
        .await
    }

    pub async fn see_session(&self, hash: &str, now: Timestamp) -> Result<(), Error> {
        let args = args![hash, now];
        self.write(move |db| Box::pin(async move { db.execute(SEEN, args).await.map(drop) })).await
    }

    pub async fn end_session(&self, hash: &str) -> Result<(), Error> {
        let args = args![hash];
        self.write(move |db| Box::pin(async move { db.execute(END, args).await.map(drop) })).await
    }

    /// All of a person.
    pub async fn end_sessions(&self, person: i64) -> Result<(), Error> {
        let args = args![person];
        self.write(move |db| Box::pin(async move { db.execute(END_ALL, args).await.map(drop) }))
            .await
    }

    /// Counts a try to log in, unless one of the keys has to wait. Failures before `since` count no
    /// more.
    pub async fn try_login(
        &self,
        keys: Vec<Counted>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Try, Error> {
        self.write(move |db| {
            Box::pin(async move {
                db.execute(OLD, args![since]).await?;
                let mut before = now;
                for counted in &keys {
                    let row = db.fetch_row(FAILED, args![&counted.key, since]).await?;
                    let pause = (counted.pause)(row.count("n")?);
                    let free = row.time("last")?.saturating_add(pause);
                    before = before.max(free.unwrap_or(now));
                }
                if before > now {
                    return Ok(Try::Not { before });
                }
                let mut rows = Vec::new();
                for counted in &keys {
                    rows.push(db.fetch_row(FAIL, args![&counted.key, now]).await?.int("id")?);
                }
                Ok(Try::Yes(rows))
            })
        })
        .await
    }

    /// The try was none that failed; nor does what failed before by keys that begin with these count
    /// any more.
    pub async fn forgive(&self, tried: Vec<i64>, keys: Vec<String>) -> Result<(), Error> {
        self.write(move |db| {
            Box::pin(async move {
                for id in tried {
                    db.execute(FORGET, args![id]).await?;
                }
                for key in keys {
                    db.execute(FORGIVE, args![key]).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Deletes sessions that ended and failures that count no more; answers how many rows.
    pub async fn delete_ended(&self, since: Timestamp, now: Timestamp) -> Result<u64, Error> {
        self.write(move |db| {
            Box::pin(async move {
                let sessions = db.execute(ENDED, args![now]).await?;
                Ok(sessions + db.execute(OLD, args![since]).await?)
            })
        })
        .await
    }

    pub async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        self.reader().await?.fetch(TOKENS, args![]).await?.iter().map(token).collect()
    }

    /// The token with this hash, if it holds.
    pub async fn token(&self, hash: &str, now: Timestamp) -> Result<Option<TokenRow>, Error> {
        let found = self.reader().await?.fetch_one(TOKEN, args![hash, now]).await?;
        found.as_ref().map(token).transpose()
    }

    /// Answers its number.
    pub async fn make_token(&self, new: NewToken, now: Timestamp) -> Result<i64, Error> {
        let scopes = json("api_token", &new.scopes)?;
        let args = args![new.name, new.hash, scopes, new.maker, now, new.until];
        self.write(move |db| Box::pin(async move { db.fetch_row(MAKE, args).await?.int("id") }))
            .await
    }

    pub async fn use_token(&self, id: i64, now: Timestamp) -> Result<(), Error> {
        let args = args![id, now];
        self.write(move |db| Box::pin(async move { db.execute(USED, args).await.map(drop) })).await
    }

    /// Its name; none where it does not hold anyway.
    pub async fn revoke_token(&self, id: i64, now: Timestamp) -> Result<Option<String>, Error> {
        let args = args![id, now];
        let revoked = self.write(move |db| Box::pin(db.fetch_one(REVOKE, args))).await?;
        revoked.map(|row| row.owned("name")).transpose()
    }
}

fn token(row: &Row) -> Result<TokenRow, Error> {
    Ok(TokenRow {
        id: row.int("id")?,
        name: row.owned("name")?,
        scopes: row.json("scopes")?,
        maker: row.owned("maker")?,
        created: row.time("created")?,
        until: row.opt_time("until")?,
        used: row.opt_time("used")?,
        revoked: row.opt_time("revoked")?,
    })
}
