//! Numbers beside the records of a home.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::id::{RoleId, UserId};
use crate::model::Access;
use crate::policy::custom_roles;

/// A number that many commits change without conflict, with bounds checked inside the commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tally {
    /// Seats in use in an organization.
    Seats,
    /// Accounts of an organization that are not archived.
    ActiveAccounts,
    /// How often a role of the organization's own is named, and by what.
    Uses(Uses, RoleId),
    /// Records that somebody owns, by the number of their type.
    Holdings(UserId, u16),
    /// Pending invitations that somebody stands for.
    Invitations(UserId),
}

/// What names a role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uses {
    /// Active members.
    Members,
    /// Pending invitations.
    Invitations,
    /// Keys.
    ApiKeys,
    /// Roles that it replaces.
    Replacements,
}

impl Uses {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Members, Self::Invitations, Self::ApiKeys, Self::Replacements];

    /// What an access adds.
    pub fn of(self, access: &Access) -> impl Iterator<Item = (Tally, i64)> {
        custom_roles(access).map(move |role| (Tally::Uses(self, role), 1))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Members => "role_members",
            Self::Invitations => "role_invitations",
            Self::ApiKeys => "role_api_keys",
            Self::Replacements => "role_replacements",
        }
    }
}

impl Tally {
    /// Those that are not about one role.
    pub const ALL: [Self; 2] = [Self::Seats, Self::ActiveAccounts];

    /// The name that stores keep.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Seats => "seats".into(),
            Self::ActiveAccounts => "active_accounts".into(),
            Self::Uses(uses, role) => format!("{}:{role}", uses.name()).into(),
            Self::Holdings(owner, kind) => format!("records:{owner}:{kind}").into(),
            Self::Invitations(user) => format!("invitations:{user}").into(),
        }
    }

    /// A tally from the name that stores keep.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None => Self::ALL.into_iter().find(|tally| tally.name() == name),
            Some(("records", rest)) => {
                let (owner, kind) = rest.split_once(':')?;
                Some(Self::Holdings(owner.parse().ok()?, kind.parse().ok()?))
            }
            Some(("invitations", user)) => Some(Self::Invitations(user.parse().ok()?)),
            Some((kind, role)) => {
                let uses = Uses::ALL.into_iter().find(|uses| uses.name() == kind)?;
                Some(Self::Uses(uses, role.parse().ok()?))
            }
        }
    }
}
