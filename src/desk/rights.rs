//! Who may what. Invariant: a role's rights stand here and nowhere else; a token has rights of its own,
//! never more than its words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person is here for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything, changes nothing.
    Marketing,
    /// Also replays, retries, says what happened, starts and stops flows.
    Operator,
    /// Also makes people and tokens, and reads the audit log.
    Admin,
}

/// What can be allowed; also the scopes of API tokens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    Read,
    Act,
    Manage,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Marketing, Self::Operator, Self::Admin];

    /// All that it may.
    pub fn rights(self) -> Vec<Right> {
        Right::ALL.into_iter().filter(|right| self.may(*right)).collect()
    }

    pub fn may(self, right: Right) -> bool {
        match right {
            Right::Read => true,
            Right::Act => self >= Self::Operator,
            Right::Manage => self == Self::Admin,
        }
    }

    /// As it is stored and typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

impl Right {
    pub const ALL: [Self; 3] = [Self::Read, Self::Act, Self::Manage];

    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
            Self::Manage => "manage",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.word() == word)
    }
}

/// By which way somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    Console,
    Api,
    Command,
}

impl Door {
    pub fn word(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Command => "command",
        }
    }
}

/// Who asks: a person at the console, a token of the API, or whoever types a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person's login, `token:NAME`, or the name in the operating system.
    pub name: String,
    pub door: Door,
    pub rights: Vec<Right>,
    /// Where the request came from.
    pub address: Option<String>,
}

impl Actor {
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// # Errors
    /// [`super::Error::Forbidden`].
    pub fn must(&self, right: Right) -> Result<(), super::Error> {
        if self.may(right) { Ok(()) } else { Err(super::Error::Forbidden(self.name.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_what_those_below_it_have_and_one_more() {
        let rights = |role: Role| Right::ALL.into_iter().filter(|right| role.may(*right)).count();
        assert_eq!(Role::ALL.map(rights), [1, 2, 3]);
        for role in Role::ALL {
            assert_eq!(Role::of(role.word()), Some(role));
        }
        for right in Right::ALL {
            assert_eq!(Right::of(right.word()), Some(right));
        }
    }
}
