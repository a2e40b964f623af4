//! What may be asked, and how proptest makes it up.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::reference::{Account, User};

/// How many people there are.
pub const USERS: usize = 6;
/// How many addresses they contest.
pub const EMAILS: usize = 8;

/// From the least to the most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    Viewer,
    Member,
    Admin,
    Owner,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    Organization(Role),
    Accounts(BTreeMap<Account, Role>),
}

impl Access {
    pub const fn none() -> Self {
        Self::Accounts(BTreeMap::new())
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Accounts(roles) if roles.is_empty())
    }

    /// The role on an account, from either kind, or on the whole.
    pub fn on(&self, on: Option<Account>) -> Option<Role> {
        match (self, on) {
            (Self::Organization(role), _) => Some(*role),
            (Self::Accounts(roles), Some(account)) => roles.get(&account).copied(),
            (Self::Accounts(_), None) => None,
        }
    }

    pub fn lines(&self) -> Vec<(Option<Account>, Role)> {
        self.by_line().into_iter().collect()
    }

    pub fn by_line(&self) -> BTreeMap<Option<Account>, Role> {
        match self {
            Self::Organization(role) => [(None, *role)].into(),
            Self::Accounts(roles) => roles.iter().map(|(account, role)| (Some(*account), *role)).collect(),
        }
    }

    /// On the accounts that there are.
    pub fn within(&self, accounts: usize) -> Self {
        match self {
            Self::Organization(_) => self.clone(),
            Self::Accounts(roles) => {
                Self::Accounts(roles.iter().map(|(account, role)| (account % accounts, *role)).collect())
            }
        }
    }
}

#[derive(Clone, Debug)]
pub enum Act {
    Advance(u8),
    Add { user: User, access: Access, expires_in: Option<u8> },
    SetRole(Account, User, Role),
    ReplaceAccess(User, Access),
    RemoveFromAccount(Account, User),
    RemoveMany(Account, Vec<User>),
    Remove(User),
    Leave,
    Transfer(User, Role),
    SetSeats(Option<u32>),
    SetActive(Account, bool),
    CreateAccount,
    SetExpiry(User, Option<u8>),
    Close,
    ChangeEmail(User, usize),
}

/// An act by a person, or by the operator.
#[derive(Clone, Debug)]
pub struct Step {
    pub actor: Option<User>,
    pub act: Act,
}

fn user() -> impl Strategy<Value = User> {
    0..USERS
}

/// Mostly one who begins as a member.
fn actor() -> impl Strategy<Value = Option<User>> {
    prop_oneof![
        6 => Just(None),
        9 => (0..4_usize).prop_map(Some),
        1 => user().prop_map(Some),
    ]
}

fn account() -> impl Strategy<Value = Account> {
    0..3_usize
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        4 => Just(Role::Viewer),
        6 => Just(Role::Member),
        6 => Just(Role::Admin),
        1 => Just(Role::Owner),
    ]
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        1 => role().prop_map(Access::Organization),
        2 => btree_map(account(), role(), 0..3).prop_map(Access::Accounts),
    ]
}

fn seconds() -> impl Strategy<Value = u8> {
    1..=100_u8
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        40 => (user(), access(), option::weighted(0.3, seconds()))
            .prop_map(|(user, access, expires_in)| Act::Add { user, access, expires_in }),
        30 => (account(), user(), role()).prop_map(|(account, user, role)| Act::SetRole(account, user, role)),
        30 => (user(), access()).prop_map(|(user, access)| Act::ReplaceAccess(user, access)),
        25 => (account(), user()).prop_map(|(account, user)| Act::RemoveFromAccount(account, user)),
        10 => (account(), vec(user(), 1..5)).prop_map(|(account, users)| Act::RemoveMany(account, users)),
        15 => user().prop_map(Act::Remove),
        10 => Just(Act::Leave),
        20 => (user(), role()).prop_map(|(to, role)| Act::Transfer(to, role)),
        15 => option::weighted(0.8, 0..6_u32).prop_map(Act::SetSeats),
        15 => (account(), any::<bool>()).prop_map(|(account, active)| Act::SetActive(account, active)),
        5 => Just(Act::CreateAccount),
        15 => (user(), option::weighted(0.7, seconds())).prop_map(|(user, s)| Act::SetExpiry(user, s)),
        20 => seconds().prop_map(Act::Advance),
        10 => (user(), 0..EMAILS).prop_map(|(user, email)| Act::ChangeEmail(user, email)),
        1 => Just(Act::Close),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (actor(), act()).prop_map(|(actor, act)| Step { actor, act })
}

/// What one case does.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..most)
}
