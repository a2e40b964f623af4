//! Roles of an organization's own.

use super::Shown;
use super::organization::visible_standing;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, RoleId};
use crate::listing::{Listing, PageRequest};
use crate::model::Role;
use crate::op::{Roster, View};
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};

/// One role; needs `roles:read` on the whole. One that is being replaced is gone.
pub async fn role(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: RoleId,
) -> Result<Shown<Role>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    let found = view.get(&id).await?.filter(|role| role.replaced_by.is_none());
    let value = found.ok_or(Refusal::NotFound)?;
    roster.policies.access.require(&standing, "roles:read", Reach::Organization)?;
    let version = view.version(&Key::Role(id)).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
}

/// All of them, by id; needs `roles:read` on the whole.
pub async fn roles(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<Vec<Role>, OpError> {
    super::require_roles(roster, request, organization).await?;
    let mut page = PageRequest { after: None, limit: 200 };
    let mut roles = Vec::new();
    loop {
        let found = roster.store.list(&Listing::Roles { organization }, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        roles.extend(found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::Role(role) if role.replaced_by.is_none() => Some(role),
            _ => None,
        }));
        if !found.more {
            return Ok(roles);
        }
    }
}
