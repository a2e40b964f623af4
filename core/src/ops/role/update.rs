//! Editing a role: it acts at the next check on all who hold it.

use std::collections::BTreeSet;

use super::{fields, may_hold, not_a_system_name, not_too_many};
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::Role;
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::permission::{Permission, RoleRef};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RolePatch {
    /// The name.
    pub name: Option<Name>,
    /// All that it holds.
    pub permissions: Option<BTreeSet<Permission>>,
}

/// Applies a patch to a role. What is added must be held by the actor; lowering is always possible.
#[derive(Debug)]
pub struct UpdateRole {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub role: RoleRef,
    /// What.
    pub patch: RolePatch,
}

impl Operation for UpdateRole {
    type State = (Visible, Option<Role>);
    type Output = Role;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        match self.role {
            RoleRef::System(_) => None,
            RoleRef::Custom(id) => Some(Key::Role(id)),
        }
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let found = match self.role {
            RoleRef::System(_) => None,
            RoleRef::Custom(id) => view.get(&id).await?,
        };
        Ok((view.open_organization().await?, found))
    }

    fn decide(&self, (visible, found): Self::State, facts: &Facts) -> Result<Decision<Role>, Refusal> {
        let (_, standing) = visible.open()?;
        if let Some(permissions) = &self.patch.permissions {
            not_too_many(permissions)?;
        }
        let before = match self.role {
            RoleRef::System(_) => None,
            RoleRef::Custom(_) => {
                Some(found.filter(|role| role.replaced_by.is_none()).ok_or(Refusal::NotFound)?)
            }
        };
        facts.policies.access.require(&standing, "roles:manage", Reach::Organization)?;
        let before = before.ok_or(Refusal::SystemRole)?;
        let after = Role {
            name: self.patch.name.clone().unwrap_or_else(|| before.name.clone()),
            permissions: self.patch.permissions.clone().unwrap_or_else(|| before.permissions.clone()),
            ..before.clone()
        };
        may_hold(&standing, after.permissions.difference(&before.permissions))?;
        not_a_system_name(&after.name)?;
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event =
            Event::new("role.updated", "role", before.id).before(fields(&before)).after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(Record::Role(after)).event(event))
    }
}
