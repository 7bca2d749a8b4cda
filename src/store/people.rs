//! Who may come in. Invariant: there is always an admin who may, once there was one; who is shut out
//! or gets another password has no session left that was there before.

use super::sql::{Connection, Row, args, statements};
use super::{Error, Store};
use jiff::Timestamp;

statements! {
    ALL_OF_THEM = "person", "select id, name, role, password, created, changed, closed from person \
        order by name";
    ONE = "person", "select id, name, role, password, created, changed, closed from person \
        where name = $1";
    ADD = "person", "insert into person (name, role, password, created, changed) \
        values ($1, $2, $3, $4, $4) on conflict (name) do nothing returning id";
    ROLE = "person", "update person set role = $2, changed = $3 where id = $1";
    PASSWORD = "person", "update person set password = $2, changed = $3 where id = $1";
    CLOSE = "person", "update person set closed = $2, changed = $2 where id = $1 and closed is null";
    OPEN = "person", "update person set closed = null, changed = $2 where id = $1";
    OTHER_ADMINS = "person", "select count(*) as n from person \
        where role = 'admin' and closed is null and id <> $1";
    END_SESSIONS = "session", "delete from session where person = $1 and hash <> $2";
    ANYBODY = "person", "select count(*) as n from person where closed is null";
}

/// A person as the database holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    pub id: i64,
    pub name: String,
    pub role: String,
    /// The hash of the password, a PHC string.
    pub password: String,
    pub created: Timestamp,
    pub changed: Timestamp,
    pub closed: Option<Timestamp>,
}

/// What is changed of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Role(String),
    /// All sessions end but the one with the hash `keep`.
    Password {
        hash: String,
        keep: Option<String>,
    },
    /// May not come in any more; all sessions end.
    Close,
    Open,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    Done,
    Nobody,
    /// It is the only admin who may come in.
    LastAdmin,
}

impl Store {
    /// By name.
    pub async fn people(&self) -> Result<Vec<PersonRow>, Error> {
        self.reader().await?.fetch(ALL_OF_THEM, args![]).await?.iter().map(person).collect()
    }

    pub async fn person(&self, name: &str) -> Result<Option<PersonRow>, Error> {
        self.reader().await?.fetch_one(ONE, args![name]).await?.as_ref().map(person).transpose()
    }

    /// May anybody come in?
    pub async fn has_people(&self) -> Result<bool, Error> {
        Ok(self.reader().await?.fetch_row(ANYBODY, args![]).await?.int("n")? > 0)
    }

    /// False where there is somebody of that name.
    pub async fn add_person(
        &self,
        name: &str,
        role: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let args = args![name, role, password, now];
        let added = self.write(move |db| Box::pin(db.fetch_one(ADD, args))).await?;
        Ok(added.is_some())
    }

    pub async fn edit_person(
        &self,
        name: &str,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Edited, Error> {
        let name = name.to_owned();
        self.write(move |db| Box::pin(async move { edited(db, &name, &edit, now).await })).await
    }
}

async fn edited(
    db: &mut Connection,
    name: &str,
    edit: &Edit,
    now: Timestamp,
) -> Result<Edited, Error> {
    let Some(row) = db.fetch_one(ONE, args![name]).await? else { return Ok(Edited::Nobody) };
    let person = person(&row)?;
    let ceases = match edit {
        Edit::Role(role) => role != "admin",
        Edit::Close => true,
        Edit::Password { .. } | Edit::Open => false,
    };
    if ceases
        && person.role == "admin"
        && person.closed.is_none()
        && db.fetch_row(OTHER_ADMINS, args![person.id]).await?.int("n")? == 0
    {
        return Ok(Edited::LastAdmin);
    }
    match edit {
        Edit::Role(role) => db.execute(ROLE, args![person.id, role, now]).await?,
        Edit::Open => db.execute(OPEN, args![person.id, now]).await?,
        Edit::Close => {
            db.execute(CLOSE, args![person.id, now]).await?;
            db.execute(END_SESSIONS, args![person.id, ""]).await?
        }
        Edit::Password { hash, keep } => {
            db.execute(PASSWORD, args![person.id, hash, now]).await?;
            let keep = keep.as_deref().unwrap_or_default();
            db.execute(END_SESSIONS, args![person.id, keep]).await?
        }
    };
    Ok(Edited::Done)
}

pub(super) fn person(row: &Row) -> Result<PersonRow, Error> {
    Ok(PersonRow {
        id: row.int("id")?,
        name: row.owned("name")?,
        role: row.owned("role")?,
        password: row.owned("password")?,
        created: row.time("created")?,
        changed: row.time("changed")?,
        closed: row.opt_time("closed")?,
    })
}
