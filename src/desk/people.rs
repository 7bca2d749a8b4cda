//! Who works here: people, their roles, their passwords. Invariant: the last admin stays one; a
//! password is in no answer and in no row but as a hash; every change of it leaves a row in the log.

use super::audit::{self, Note};
use super::{Actor, Desk, Error, Right, Role, password};
use crate::clock::Clock;
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
/// Cheap to clone.
#[derive(Clone)]
pub struct Register {
    pub store: Store,
    pub actor: Actor,
    pub clock: Clock,
}

impl Desk {
    pub fn register(&self, actor: &Actor) -> Register {
        let (store, clock) = (self.pipeline.store.clone(), self.pipeline.clock.clone());
        Register { store, actor: actor.clone(), clock }
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

impl Register {
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
        let note = about("person.add", &name).with(json!({ "role": new.role.word() }));
        let (register, new) = (self.clone(), new.clone());
        let work = async move {
            let mut wrong = Vec::new();
            wrong.extend(wrong_name(&name).map(|why| ("name".to_owned(), why.to_owned())));
            let weak = password::wrong(&name, &new.password);
            wrong.extend(weak.map(|why| ("password".to_owned(), why.to_owned())));
            if !wrong.is_empty() {
                return Err(Error::Invalid(wrong));
            }
            let hash = password::hash(&new.password).await?;
            let (role, now) = (new.role.word(), register.clock.now());
            match register.store.add_person(&name, role, &hash, now).await? {
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
        let note = about("person.role", &name).with(json!({ "role": role.word() }));
        self.edited(note, name, Edit::Role(role.word().to_owned())).await
    }

    /// Shuts somebody out and ends all their sessions.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn lock(&self, name: &str) -> Result<(), Error> {
        let name = plain(name);
        self.edited(about("person.lock", &name), name, Edit::Close).await
    }

    /// Lets somebody in again, also who was slowed down for wrong passwords.
    ///
    /// # Errors
    /// As [`Self::set_role`].
    pub async fn unlock(&self, name: &str) -> Result<(), Error> {
        let name = plain(name);
        let note = about("person.unlock", &name);
        let register = self.clone();
        let work = async move {
            register.edit(&name, Edit::Open).await?;
            register.forgive(&name).await
        };
        self.noted(note, work).await
    }

    /// Gives somebody another password; all their sessions end.
    ///
    /// # Errors
    /// As [`Self::set_role`], and a password that is too weak.
    pub async fn set_password(&self, name: &str, new: &str) -> Result<(), Error> {
        let (name, new) = (plain(name), new.to_owned());
        let note = about("person.password", &name);
        let register = self.clone();
        let work = async move {
            let hash = strong(&name, &new, "password").await?;
            register.edit(&name, Edit::Password { hash, keep: None }).await?;
            register.forgive(&name).await
        };
        self.noted(note, work).await
    }

    async fn edited(&self, note: Note, name: String, edit: Edit) -> Result<(), Error> {
        let register = self.clone();
        self.noted(note, async move { register.edit(&name, edit).await }).await
    }

    async fn edit(&self, name: &str, edit: Edit) -> Result<(), Error> {
        match self.store.edit_person(name, edit, self.clock.now()).await? {
            Edited::Done => Ok(()),
            Edited::Nobody => Err(Error::NotFound(format!("person {name}"))),
            Edited::LastAdmin => {
                Err(Error::Conflict(format!("{name} is the only admin: make another one first")))
            }
        }
    }

    /// Wrong passwords of before count no more.
    async fn forgive(&self, name: &str) -> Result<(), Error> {
        Ok(self.store.forgive(Vec::new(), vec![super::login::key_of_name(name)]).await?)
    }

    /// Does it if the actor may manage, and writes down how it ended, also where who asked has gone.
    pub(super) async fn noted<T: Send + 'static>(
        &self,
        note: Note,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let Self { store, actor, clock } = self.clone();
        let work = async move { work.await.map(|done| (done, Value::Null)) };
        audit::written_down((store, clock), actor, Right::Manage, note, work).await
    }
}

fn about(act: &'static str, name: &str) -> Note {
    Note::done(act, format!("person:{name}"))
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
