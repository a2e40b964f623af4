//! Sources, without their write keys. Operators only.

use super::{Rows, Shown, documents, visible_standing};
use crate::facts::Request;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, SourceId};
use crate::listing::PageRequest;
use crate::model::customer::{Customer, CustomerKey, Groups, Source, TheSource};
use crate::op::{Roster, View};
use crate::permission::RoleRef;
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};

/// One source.
pub async fn source(roster: &Roster, request: &Request, id: SourceId) -> Result<Shown<Source>, OpError> {
    let mut view = View::new(roster, Home::Deployment, request);
    let value = view.get(&TheSource(id)).await?.ok_or(Refusal::NotFound)?;
    require_operator(request)?;
    let version = view.version(&TheSource(id).key()).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
}

/// All of them.
pub async fn sources(
    roster: &Roster,
    request: &Request,
    page: &PageRequest,
) -> Result<Rows<Source>, OpError> {
    require_operator(request)?;
    let key = |id| CustomerKey::Source(SourceId::from_uuid(id));
    let pick = |it| if let Customer::Source(it) = it { Some((it.id.uuid(), it)) } else { None };
    Ok(documents(roster, &Home::Deployment, key, pick, page).await?)
}

/// 404 for a role that the one organization to which groups go does not have.
pub async fn require_default_role(roster: &Roster, groups: &Groups, role: RoleRef) -> Result<(), OpError> {
    let (Groups::One(organization), RoleRef::Custom(role)) = (groups, role) else { return Ok(()) };
    let key = Key::Role(role);
    let home = Home::Organization(*organization);
    let read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    if read.records.contains_key(&key) { Ok(()) } else { Err(Refusal::NotFound.into()) }
}

pub(super) fn require_operator(request: &Request) -> Result<(), OpError> {
    if request.actor.is_operator() { Ok(()) } else { Err(Refusal::lacks("operator").into()) }
}

/// 403 for one who does not hold `customers:read` on the whole organization.
pub async fn require_customers(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<(), OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    Ok(roster.policies.access.require(&standing, "customers:read", Reach::Organization)?)
}
