//! Making a role: never with a permission that its maker lacks (rule M11).

use std::collections::BTreeSet;

use super::{fields, may_hold, not_a_system_name, not_too_many};
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::{OrganizationId, RoleId};
use crate::model::Role;
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::permission::Permission;
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;

/// Makes a role.
#[derive(Debug)]
pub struct CreateRole {
    /// Whose.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: Name,
    /// What it holds.
    pub permissions: BTreeSet<Permission>,
}

impl Operation for CreateRole {
    type State = Visible;
    type Output = Role;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Visible, StoreError> {
        view.open_organization().await
    }

    fn decide(&self, visible: Visible, facts: &Facts) -> Result<Decision<Role>, Refusal> {
        let (_, standing) = visible.open()?;
        not_too_many(&self.permissions)?;
        facts.policies.access.require(&standing, "roles:manage", Reach::Organization)?;
        may_hold(&standing, &self.permissions)?;
        not_a_system_name(&self.name)?;
        let role = Role {
            id: RoleId::from_uuid(facts.fresh("role")),
            name: self.name.clone(),
            permissions: self.permissions.clone(),
            replaced_by: None,
            created_at: facts.now,
        };
        let event = Event::new("role.created", "role", role.id).after(fields(&role));
        Ok(Decision::unchanged(role.clone()).put(Record::Role(role)).event(event))
    }
}
