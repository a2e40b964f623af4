//! Who may do what to whom (rules M11, P1, P5, P6).

use std::fmt;

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

/// How an actor stands in one organization: every one of these must hold a permission.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing(Vec<Rights>);

#[derive(Clone, PartialEq, Debug)]
enum Rights {
    None,
    Of(Access),
}

impl Standing {
    /// Operators and Roster itself.
    pub const fn everything() -> Self {
        Self(Vec::new())
    }

    /// A stranger.
    pub fn none() -> Self {
        Self(vec![Rights::None])
    }

    /// A member, if an authorization may rest on the membership at this instant.
    pub fn of_member(member: Option<&Member>, now: Timestamp) -> Self {
        let live = member.filter(|member| member.is_in(now));
        Self(vec![live.map_or(Rights::None, |member| Rights::Of(member.access.clone()))])
    }

    /// A key, while it lives.
    pub fn of_key(key: Option<&ApiKey>, now: Timestamp) -> Self {
        let live = key.filter(|key| key.is_live(now));
        Self(vec![live.map_or(Rights::None, |key| Rights::Of(key.access.clone()))])
    }

    /// The same with another's rights as a ceiling.
    #[must_use]
    pub fn under(mut self, ceiling: Self) -> Self {
        self.0.extend(ceiling.0);
        self
    }

    /// Whether the organization is visible at all.
    pub fn is_in(&self) -> bool {
        !self.0.contains(&Rights::None)
    }

    /// Whether a permission is held.
    pub fn holds(&self, permission: &Permission, reach: Reach) -> bool {
        self.0.iter().all(|rights| rights.holds(permission, reach))
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
        self.0.iter().fold(Scope::All, |scope, rights| match (scope, rights) {
            (_, Rights::None) => Scope::Accounts(Vec::new()),
            (scope, Rights::Of(Access::Organization(role))) => {
                if role_holds(*role, permission) {
                    scope
                } else {
                    Scope::Accounts(Vec::new())
                }
            }
            (scope, Rights::Of(Access::Accounts(roles))) => Scope::Accounts(
                roles
                    .iter()
                    .filter(|(account, role)| role_holds(**role, permission) && scope.holds(**account))
                    .map(|(account, _)| *account)
                    .collect(),
            ),
        })
    }

    /// Whether everything that a role holds is held here.
    fn covers(&self, role: RoleRef, reach: Reach) -> bool {
        let RoleRef::System(role) = role else {
            return self.0.is_empty();
        };
        self.0.iter().all(|rights| match rights.role(reach) {
            Some(RoleRef::System(own)) => own.covers(role),
            Some(RoleRef::Custom(_)) | None => false,
        })
    }
}

impl Rights {
    fn role(&self, reach: Reach) -> Option<RoleRef> {
        match (self, reach) {
            (Self::None, _) => None,
            (Self::Of(access), Reach::Organization) => access.organization_role(),
            (Self::Of(access), Reach::Account(account)) => access.role_on(account),
        }
    }

    fn holds(&self, permission: &Permission, reach: Reach) -> bool {
        self.role(reach).is_some_and(|role| role_holds(role, permission))
    }
}

/// Whether a role holds a permission. There are no custom roles yet, so one that is named holds nothing.
pub(crate) fn role_holds(role: RoleRef, permission: &Permission) -> bool {
    match role {
        RoleRef::System(role) => role.holds(permission),
        RoleRef::Custom(_) => false,
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
        actor: &Actor,
        target: UserId,
        before: &Access,
        after: &Access,
    ) -> Result<(), Refusal> {
        if actor.user() != Some(target) {
            return Ok(());
        }
        let own = Standing(vec![Rights::Of(before.clone())]);
        let raised = match after {
            Access::Organization(role) => !own.covers(*role, Reach::Organization),
            Access::Accounts(roles) => {
                roles.iter().any(|(account, role)| !own.covers(*role, Reach::Account(*account)))
            }
        };
        if raised { Err(Refusal::CannotGrantUnheld) } else { Ok(()) }
    }
}
