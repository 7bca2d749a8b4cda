//! Who works here: people, their roles, their passwords. Invariant: the last admin stays one; a
//! password is in no answer and in no row but as a hash; every change of it leaves a row in the log.

use super::audit::{self, Note};
use super::{Actor, Desk, Error, Right, Role, password};
use crate::store::{Edit, Edited, PersonRow, Store};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A person who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Person {
    pub id: i64,
    /// What is typed at login, lower case.
    pub name: String,
    pub role: Role,
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When password, role or lock were changed last.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Timestamp,
    /// Since when they may not come in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed: Option<Timestamp>,
}

/// Who looks at a page: the guard of sessions puts it beside the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    pub person: Person,
    pub actor: Actor,
    /// What each form sends back in its field `csrf`, and scripts in the header `x-csrf`.
    pub csrf: String,
    /// Names the session; not its token.
    pub session: String,
}

/// A person to add.
#[derive(Clone, Deserialize, ToSchema)]
pub struct NewPerson {
    pub name: String,
    pub role: Role,
    pub password: String,
}

impl std::fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewPerson({}, {})", self.name, self.role.word())
    }
}

/// People and tokens, for one who may manage them: the console's and the API's, and of commands.
pub struct Register<'a> {
    pub store: &'a Store,
    pub actor: &'a Actor,
    pub now: Timestamp,
}

impl Desk {
    pub fn register<'a>(&'a self, actor: &'a Actor) -> Register<'a> {
        Register { store: &self.pipeline.store, actor, now: self.pipeline.clock.now() }
    }
}

/// The person of a row, if its role is one.
pub(super) fn person(row: PersonRow) -> Option<Person> {
    let role = Role::of(&row.role)?;
    let PersonRow { id, name, created, changed, closed, .. } = row;
    Some(Person { id, name, role, created, changed, closed })
}

/// A name as it is kept and compared.
pub fn plain(name: &str) -> String {
    name.trim().to_lowercase()
}

fn wrong_name(name: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_alphanumeric() || "._-@".contains(c);
    if name.is_empty() || name.chars().count() > 64 {
        return Some("1 to 64 characters");
    }
    (!name.chars().all(fits)).then_some("letters, digits, and . _ - @")
}

impl Register<'_> {
    /// # Errors
    /// The actor may not, or the store's.
    pub async fn people(&self) -> Result<Vec<Person>, Error> {
        self.actor.must(Right::Manage)?;
        Ok(self.store.people().await?.into_iter().filter_map(person).collect())
    }

    /// # Errors
    /// The actor may not, what is wrong with name or password, or the store's.
    pub async fn add(&self, new: &NewPerson) -> Result<(), Error> {
        let name = plain(&new.name);
        let note = self.about("person.add", &name).with(json!({ "role": new.role.word() }));
        let work = async {
            let mut wrong = Vec::new();
            wrong.extend(wrong_name(&name).map(|why| ("name".to_owned(), why.to_owned())));
            let weak = password::wrong(&name, &new.password);
            wrong.extend(weak.map(|why| ("password".to_owned(), why.to_owned())));
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let hash = password::hash(&new.password).await?;
            match self.store.add_person(&name, new.role.word(), &hash, self.now).await? {
                true => Ok(()),
                false => Err(Error::Conflict(format!("there is somebody of the name {name}"))),
            }
        };
        self.noted(note, work).await
    }

    /// # Errors
    /// The actor may not, nobody is of that name, it is the last admin, or the store's.
    pub async fn set_role(&self, name: &str, role: Role) -> Result<(), Error> {
        let name = plain(name);
        let note = self.about("person.role", &name).with(json!({ "role": role.word() }));
        self.noted(note, self.edit(&name, Edit::Role(role.word().to_owned()))).await
    }

    /// Shuts somebody out and ends all their sessions.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn lock(&self, name: &str) -> Result<(), Error> {
        let name = plain(name);
        self.noted(self.about("person.lock", &name), self.edit(&name, Edit::Close)).await
    }

    /// Lets somebody in again, also who was slowed down for wrong passwords.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn unlock(&self, name: &str) -> Result<(), Error> {
        let name = plain(name);
        let work = async {
            self.edit(&name, Edit::Open).await?;
            Ok(self.store.forgive(Vec::new(), vec![super::login::key_of_name(&name)]).await?)
        };
        self.noted(self.about("person.unlock", &name), work).await
    }

    /// Gives somebody another password; all their sessions end.
    ///
    /// # Errors
    /// As [`Self::set_role`], and a password that is too weak.
    pub async fn set_password(&self, name: &str, new: &str) -> Result<(), Error> {
        let name = plain(name);
        let work = async {
            let hash = strong(&name, new, "password").await?;
            self.edit(&name, Edit::Password { hash, keep: None }).await?;
            Ok(self.store.forgive(Vec::new(), vec![super::login::key_of_name(&name)]).await?)
        };
        self.noted(self.about("person.password", &name), work).await
    }

    async fn edit(&self, name: &str, edit: Edit) -> Result<(), Error> {
        match self.store.edit_person(name, edit, self.now).await? {
            Edited::Done => Ok(()),
            Edited::Nobody => Err(Error::NotFound(format!("person {name}"))),
            Edited::LastAdmin => {
                Err(Error::Conflict(format!("{name} is the only admin: make another one first")))
            }
        }
    }

    fn about(&self, act: &'static str, name: &str) -> Note {
        Note::done(act, format!("person:{name}")).with(Value::Null)
    }

    /// Does it if the actor may manage, and writes down how it ended.
    pub(super) async fn noted<T>(
        &self,
        note: Note,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = match self.actor.must(Right::Manage) {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        let note = match &done {
            Ok(_) => note,
            Err(error) => note.refused(error),
        };
        audit::write(self.store, self.actor, note, self.now).await;
        done
    }
}

/// The hash of a password that is strong enough.
async fn strong(name: &str, new: &str, field: &str) -> Result<String, Error> {
    if let Some(why) = password::wrong(name, new) {
        return Err(Error::Invalid(vec![(field.to_owned(), why.to_owned())]));
    }
    password::hash(new).await
}

impl Desk {
    /// A person changes their own password; their other sessions end.
    ///
    /// # Errors
    /// The present password is wrong, the new one too weak, or the store's.
    pub async fn own_password(&self, visitor: &Visitor, old: &str, new: &str) -> Result<(), Error> {
        let note = Note::done("password", format!("person:{}", visitor.person.name));
        let (desk, visitor) = (self.clone(), visitor.clone());
        let (actor, old, new) = (visitor.actor.clone(), old.to_owned(), new.to_owned());
        let work = async move {
            let (store, now) = (&desk.pipeline.store, desk.pipeline.clock.now());
            let name = &visitor.person.name;
            // Who sits down at another's open page must not guess either.
            let address = visitor.actor.address.as_deref().unwrap_or_default();
            let entry = desk.prove(name, &old, address).await;
            entry.map_err(|refused| match refused {
                super::login::Refused::Failed(error) => error,
                other => Error::Invalid(vec![("old".to_owned(), other.to_string())]),
            })?;
            let hash = strong(name, &new, "new").await?;
            let keep = Some(visitor.session.clone());
            match store.edit_person(name, Edit::Password { hash, keep }, now).await? {
                Edited::Done => Ok(()),
                _ => Err(Error::NotFound(format!("person {name}"))),
            }
        };
        self.act(&actor, Right::Read, note, work).await
    }
}
