//! Deleting a role: one that nobody holds, or with another in its place at once (rule P2).

use serde_json::json;

use super::fields;
use crate::facts::Facts;
use crate::home::{Home, Key, Record, Tally, Uses};
use crate::id::OrganizationId;
use crate::model::{Access, Role};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::permission::RoleRef;
use crate::policy::{Reach, custom_roles};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Deletes a role. With a replacement it stays behind, pointing to that one, until nobody names it any more.
#[derive(Debug)]
pub struct DeleteRole {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub role: RoleRef,
    /// What those who hold it hold from now on.
    pub replace_with: Option<RoleRef>,
}

impl Operation for DeleteRole {
    type State = (Visible, Option<Role>);
    type Output = ();

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
        if let Some(next) = self.replace_with {
            view.fetch_roles(custom_roles(&Access::Organization(next))).await?;
        }
        Ok((view.open_organization().await?, found))
    }

    fn decide(&self, (visible, found): Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let (_, standing) = visible.open()?;
        if self.replace_with == Some(self.role) {
            return Err(Refusal::invalid("#replace_with", "name another role"));
        }
        let before = match self.role {
            RoleRef::System(_) => None,
            RoleRef::Custom(_) => {
                Some(found.filter(|role| role.replaced_by.is_none()).ok_or(Refusal::NotFound)?)
            }
        };
        if self.replace_with.is_some_and(|next| !standing.roles().stands(next)) {
            return Err(Refusal::NotFound);
        }
        let policy = facts.policies.access.as_ref();
        policy.require(&standing, "roles:manage", Reach::Organization)?;
        let before = before.ok_or(Refusal::SystemRole)?;
        let event = Event::new("role.deleted", "role", before.id)
            .before(fields(&before))
            .after(json!({"replaced_by": self.replace_with}));
        let mut decision = Decision::unchanged(()).event(event);
        // A chain of replacements would be more than one hop.
        decision.checks = vec![Tally::Uses(Uses::Replacements, before.id)];
        if let Some(next) = self.replace_with {
            policy.may_grant(&standing, &Access::Organization(next))?;
            return Ok(decision.put(Record::Role(Role { replaced_by: Some(next), ..before })));
        }
        decision.checks = Uses::ALL.map(|uses| Tally::Uses(uses, before.id)).into();
        Ok(decision.remove(Key::Role(before.id)))
    }
}
