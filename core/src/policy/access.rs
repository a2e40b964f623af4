//! Who may do what to whom (rules M11, P1, P5, P6).

use std::collections::BTreeSet;
use std::fmt;

use super::roles::Roles;
use crate::actor::Actor;
use crate::id::{AccountId, UserId};
use crate::listing::Scope;
use crate::model::{Access, ApiKey, Member};
use crate::permission::{Permission, RoleRef};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Where a permission is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// On the whole: only organization-wide access gives it.
    Organization,
    /// On one account.
    Account(AccountId),
}

/// How an actor stands in one organization: every one of these must hold a permission. Roles of the organization's own
/// hold what they held when they were read.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    rights: Vec<Rights>,
    roles: Roles,
    archived: BTreeSet<AccountId>,
}

#[derive(Clone, PartialEq, Debug)]
enum Rights {
    None,
    /// A member whose session was begun before the last cut (rule M7).
    Stale,
    Of(Access),
}

impl Standing {
    /// Operators and Roster itself.
    pub fn everything() -> Self {
        Self { rights: Vec::new(), roles: Roles::default(), archived: BTreeSet::new() }
    }

    /// A stranger.
    pub fn none() -> Self {
        Self::of(Rights::None)
    }

    /// A member, if an authorization may rest on the membership at this instant.
    pub fn of_member(member: Option<&Member>, now: Timestamp) -> Self {
        let live = member.filter(|member| member.is_in(now));
        Self::of(live.map_or(Rights::None, |member| Rights::Of(member.access.clone())))
    }

    /// A member by a session that was begun before they were last cut off here (rule M7).
    pub fn stale() -> Self {
        Self::of(Rights::Stale)
    }

    /// Whether only a later sign-in shows the organization.
    pub fn is_stale(&self) -> bool {
        self.rights.contains(&Rights::Stale)
    }

    /// A key, while it lives.
    pub fn of_key(key: Option<&ApiKey>, now: Timestamp) -> Self {
        let live = key.filter(|key| key.is_live(now));
        Self::of(live.map_or(Rights::None, |key| Rights::Of(key.access.clone())))
    }

    fn of(rights: Rights) -> Self {
        Self { rights: vec![rights], roles: Roles::default(), archived: BTreeSet::new() }
    }

    /// The accounts on which single roles are held.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        let roles = self.rights.iter().filter_map(|rights| match rights {
            Rights::Of(Access::Accounts(roles)) => Some(roles),
            Rights::Of(Access::Organization(_)) | Rights::None | Rights::Stale => None,
        });
        roles.flat_map(|roles| roles.keys().copied())
    }

    /// The same, with some more accounts archived: nothing may be done any more by a role on one of them alone (rule O8).
    #[must_use]
    pub fn closed(mut self, archived: BTreeSet<AccountId>) -> Self {
        self.archived.extend(archived);
        self
    }

    /// The same with another's rights as a ceiling.
    #[must_use]
    pub fn under(mut self, ceiling: Self) -> Self {
        self.rights.extend(ceiling.rights);
        self
    }

    /// The same, knowing what custom roles hold.
    #[must_use]
    pub fn knowing(self, roles: Roles) -> Self {
        Self { roles, ..self }
    }

    /// The custom roles that it knows.
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Whether the organization is visible at all.
    pub fn is_in(&self) -> bool {
        !self.rights.contains(&Rights::None) && !self.is_stale()
    }

    /// Whether a permission is held.
    pub fn holds(&self, permission: &Permission, reach: Reach) -> bool {
        let reach = match reach {
            Reach::Account(account) if self.archived.contains(&account) => Reach::Organization,
            reach => reach,
        };
        self.rights
            .iter()
            .all(|rights| rights.role(reach).is_some_and(|role| self.roles.holds(role, permission)))
    }

    /// Whether a permission is held somewhere: what opens a list, whose rows are then cut to [`Standing::scope`].
    pub fn holds_somewhere(&self, permission: &Permission) -> bool {
        self.holds(permission, Reach::Organization)
            || match self.scope(permission) {
                Scope::All => true,
                Scope::Accounts(accounts) => !accounts.is_empty(),
            }
    }

    /// The accounts on which a permission is held.
    pub fn scope(&self, permission: &Permission) -> Scope {
        self.rights.iter().fold(Scope::All, |scope, rights| match (scope, rights) {
            (_, Rights::None | Rights::Stale) => Scope::Accounts(Vec::new()),
            (scope, Rights::Of(Access::Organization(role))) => {
                if self.roles.holds(*role, permission) {
                    scope
                } else {
                    Scope::Accounts(Vec::new())
                }
            }
            (scope, Rights::Of(Access::Accounts(roles))) => Scope::Accounts(
                roles
                    .iter()
                    .filter(|(account, role)| self.roles.holds(**role, permission) && scope.holds(**account))
                    .filter(|(account, _)| !self.archived.contains(account))
                    .map(|(account, _)| *account)
                    .collect(),
            ),
        })
    }

    /// Whether everything that a role holds is held here.
    fn covers(&self, role: RoleRef, reach: Reach) -> bool {
        self.rights.iter().all(|rights| rights.role(reach).is_some_and(|own| self.roles.covers(own, role)))
    }
}

impl Rights {
    fn role(&self, reach: Reach) -> Option<RoleRef> {
        match (self, reach) {
            (Self::None | Self::Stale, _) => None,
            (Self::Of(access), Reach::Organization) => access.organization_role(),
            (Self::Of(access), Reach::Account(account)) => access.role_on(account),
        }
    }
}

/// Judges acts on an organization.
pub trait AccessPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether the actor holds a permission of the catalogue where it is needed.
    fn require(&self, standing: &Standing, permission: &'static str, reach: Reach) -> Result<(), Refusal>;

    /// Whether the actor may grant an access: the owner's role to nobody, another role whose every permission they
    /// hold where it is granted.
    fn may_grant(&self, standing: &Standing, access: &Access) -> Result<(), Refusal>;

    /// Whether the actor may manage one who holds an access, on the whole or on one account.
    fn may_manage(&self, standing: &Standing, held: &Access, reach: Reach) -> Result<(), Refusal>;

    /// Whether the actor may change their own access from one to another: never upwards.
    fn may_change_own(
        &self,
        standing: &Standing,
        actor: &Actor,
        target: UserId,
        before: &Access,
        after: &Access,
    ) -> Result<(), Refusal>;
}

/// The rules of the product page.
#[derive(Debug)]
pub struct BuiltInAccess;

impl AccessPolicy for BuiltInAccess {
    fn require(&self, standing: &Standing, permission: &'static str, reach: Reach) -> Result<(), Refusal> {
        if standing.holds(&Permission::of(permission), reach) {
            Ok(())
        } else {
            Err(Refusal::lacks(permission))
        }
    }

    fn may_grant(&self, standing: &Standing, access: &Access) -> Result<(), Refusal> {
        if access.roles().contains(&RoleRef::OWNER) {
            return Err(Refusal::OwnerByTransferOnly);
        }
        let covered = match access {
            Access::Organization(role) => standing.covers(*role, Reach::Organization),
            Access::Accounts(roles) => {
                roles.iter().all(|(account, role)| standing.covers(*role, Reach::Account(*account)))
            }
        };
        if covered { Ok(()) } else { Err(Refusal::CannotGrantUnheld) }
    }

    fn may_manage(&self, standing: &Standing, held: &Access, reach: Reach) -> Result<(), Refusal> {
        let covered = match (held, reach) {
            (held, Reach::Account(account)) => {
                held.role_on(account).is_none_or(|role| standing.covers(role, reach))
            }
            (Access::Organization(role), Reach::Organization) => standing.covers(*role, reach),
            (Access::Accounts(roles), Reach::Organization) => {
                roles.iter().all(|(account, role)| standing.covers(*role, Reach::Account(*account)))
            }
        };
        if covered { Ok(()) } else { Err(Refusal::CannotGrantUnheld) }
    }

    fn may_change_own(
        &self,
        standing: &Standing,
        actor: &Actor,
        target: UserId,
        before: &Access,
        after: &Access,
    ) -> Result<(), Refusal> {
        if actor.user() != Some(target) {
            return Ok(());
        }
        let own = Standing::of(Rights::Of(before.clone())).knowing(standing.roles.clone());
        let raised = match after {
            Access::Organization(role) => !own.covers(*role, Reach::Organization),
            Access::Accounts(roles) => {
                roles.iter().any(|(account, role)| !own.covers(*role, Reach::Account(*account)))
            }
        };
        if raised { Err(Refusal::CannotGrantUnheld) } else { Ok(()) }
    }
}
