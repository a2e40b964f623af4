//! Access: every account with one role, or roles on named accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::permission::RoleRef;

/// The most accounts that one access may name.
pub const MAX_ACCOUNTS: usize = 1_000;

/// What a member or key reaches. In JSON: `{"type": "organization", "role": …}` or
/// `{"type": "accounts", "accounts": [{"account": …, "role": …}]}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Shape", into = "Shape")]
pub enum Access {
    /// Every account, future ones too, with one role.
    Organization(RoleRef),
    /// Roles on named accounts; may be empty.
    Accounts(BTreeMap<AccountId, RoleRef>),
}

/// More accounts than [`MAX_ACCOUNTS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at most 1000 accounts can be named; use organization-wide access instead")]
pub struct AccessOverLimit;

impl Access {
    /// No access: what a former member has.
    pub const NONE: Self = Self::Accounts(BTreeMap::new());

    /// Roles on named accounts, within the limit.
    pub fn accounts(roles: BTreeMap<AccountId, RoleRef>) -> Result<Self, AccessOverLimit> {
        if roles.len() > MAX_ACCOUNTS { Err(AccessOverLimit) } else { Ok(Self::Accounts(roles)) }
    }

    /// Whether nothing is reached.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Accounts(roles) if roles.is_empty())
    }

    /// The organization-wide role, if the access is of that kind.
    pub fn organization_role(&self) -> Option<RoleRef> {
        match self {
            Self::Organization(role) => Some(*role),
            Self::Accounts(_) => None,
        }
    }

    /// The role on an account, from either kind.
    pub fn role_on(&self, account: AccountId) -> Option<RoleRef> {
        match self {
            Self::Organization(role) => Some(*role),
            Self::Accounts(roles) => roles.get(&account).copied(),
        }
    }

    /// The same with one role in the place of another.
    #[must_use]
    pub fn with_role(&self, from: RoleRef, to: RoleRef) -> Self {
        let turned = |role: RoleRef| if role == from { to } else { role };
        match self {
            Self::Organization(role) => Self::Organization(turned(*role)),
            Self::Accounts(roles) => {
                Self::Accounts(roles.iter().map(|(account, role)| (*account, turned(*role))).collect())
            }
        }
    }

    /// Every role that the access holds somewhere.
    pub fn roles(&self) -> Vec<RoleRef> {
        match self {
            Self::Organization(role) => vec![*role],
            Self::Accounts(roles) => {
                let mut held: Vec<_> = roles.values().copied().collect();
                held.sort_unstable();
                held.dedup();
                held
            }
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Shape {
    Organization { role: RoleRef },
    Accounts { accounts: Vec<Grant> },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    account: AccountId,
    role: RoleRef,
}

impl From<Shape> for Access {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Organization { role } => Self::Organization(role),
            Shape::Accounts { accounts } => {
                Self::Accounts(accounts.into_iter().map(|grant| (grant.account, grant.role)).collect())
            }
        }
    }
}

impl From<Access> for Shape {
    fn from(access: Access) -> Self {
        match access {
            Access::Organization(role) => Self::Organization { role },
            Access::Accounts(roles) => Self::Accounts {
                accounts: roles.into_iter().map(|(account, role)| Grant { account, role }).collect(),
            },
        }
    }
}
