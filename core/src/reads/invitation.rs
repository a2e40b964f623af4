//! Invitations, and what their links show.

use super::organization::{somewhere, visible_standing};
use super::{Rows, Shown, pointers};
use crate::facts::Request;
use crate::flows::{read_link, settle_invitation};
use crate::home::{Home, Key, Record, TheOrganization};
use crate::id::{InvitationId, OrganizationId};
use crate::known::Known;
use crate::listing::{Listing, PageRequest};
use crate::model::{ClaimName, ClaimTarget, Invitation, InvitationStatus, OrganizationStatus};
use crate::op::{Roster, View};
use crate::ops::member::require_on;
use crate::permission::{Permission, RoleRef};
use crate::policy::{Standing, custom_roles};
use crate::refusal::{OpError, Refusal};
use crate::secret::InvitationLink;
use crate::text::{Email, Name};
use crate::time::Timestamp;

/// What a link shows to whoever bears it: no address.
#[derive(Clone, PartialEq, Debug)]
pub struct InvitationPreview {
    /// The name of the organization.
    pub organization: Name,
    /// The role, where there is one only.
    pub role: Option<RoleRef>,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// How the invitation stands.
    pub status: InvitationStatus,
}

impl InvitationPreview {
    /// Of an invitation to an organization of a name.
    pub fn of(organization: Name, invitation: &Invitation) -> Self {
        let role = match invitation.access.roles().as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        Self { organization, role, expires_at: invitation.expires_at, status: invitation.status }
    }
}

/// Invitations; a member who may read them on some accounts only sees those that reach one of these.
pub async fn invitations(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    status: Option<InvitationStatus>,
    page: &PageRequest,
) -> Result<Rows<Shown<Invitation>>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    somewhere(&standing, "invitations:read")?;
    let scope = standing.scope(&Permission::of("invitations:read"));
    let found = roster.store.list(&Listing::Invitations { organization, status, scope }, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let rows = found.rows.into_iter().filter_map(|row| match row.stored.record.at(found.now) {
        Record::Invitation(value) => Some(Shown { value, version: row.stored.version }),
        _ => None,
    });
    Ok(Rows { rows: rows.collect(), next })
}

/// One invitation.
pub async fn invitation(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<Shown<Invitation>, OpError> {
    let (shown, standing) = found(roster, request, organization, id).await?;
    let scope = standing.scope(&Permission::of("invitations:read"));
    if !scope.meets(&shown.value.access) {
        return Err(Refusal::lacks("invitations:read").into());
    }
    Ok(shown)
}

/// The current link of a pending invitation, for those who may manage it.
pub async fn invitation_link(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<(String, Timestamp), OpError> {
    let (shown, standing) = found(roster, request, organization, id).await?;
    let policy = roster.policies.access.as_ref();
    require_on(policy, &standing, "invitations:manage", &shown.value.access)?;
    let request = &Request { known: Known::default(), ..request.clone() };
    let mut view = View::new(roster, Home::Organization(organization), request);
    view.fetch_roles(custom_roles(&shown.value.access).collect::<Vec<_>>()).await?;
    let (_, standing) = view.organization().await?;
    policy.may_grant(&standing, &shown.value.access)?;
    if shown.value.status != InvitationStatus::Pending {
        return Err(Refusal::InvitationNotPending.into());
    }
    if !request.actor.is_operator() && is_elsewhere(roster, &shown.value.email, organization).await? {
        return Err(Refusal::lacks("operator").into());
    }
    let to = InvitationLink { organization, invitation: id, number: shown.value.link };
    Ok((roster.links.invitation_url(&to), shown.value.expires_at))
}

/// Whether the address is that of somebody without a password who may be in another organization. Who signs up by a
/// link sets the password of that person everywhere, so only an operator may hand such a link on.
async fn is_elsewhere(roster: &Roster, email: &Email, here: OrganizationId) -> Result<bool, OpError> {
    let claim = Home::Claim(ClaimName::email(email));
    let read = roster.store.read(&claim, &[Key::Claim], &[]).await?;
    let Some(Record::Claim(claim)) = read.records.get(&Key::Claim).map(|stored| &stored.record) else {
        return Ok(false);
    };
    let ClaimTarget::User(user) = claim.target else { return Ok(false) };
    let read = roster.store.read(&Home::User(user), &[Key::Credential], &[]).await?;
    if read.records.contains_key(&Key::Credential) {
        return Ok(false);
    }
    Ok(pointers(roster, user).await?.into_iter().any(|organization| organization != here))
}

async fn found(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<(Shown<Invitation>, Standing), OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    let value = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    let version = view.version(&Key::Invitation(id)).ok_or(Refusal::NotFound)?;
    Ok((Shown { value, version }, standing))
}

/// What a link shows. It consumes nothing; one that was replaced answers 410.
pub async fn invitation_preview(
    roster: &Roster,
    request: &Request,
    token: &str,
) -> Result<InvitationPreview, OpError> {
    let link = read_link(roster, token)?;
    let mut view = View::new(roster, Home::Organization(link.organization), request);
    view.fetch([Key::Organization, Key::Invitation(link.invitation)]).await?;
    let organization = view.get(&TheOrganization).await?;
    let organization = organization.filter(|it| it.status == OrganizationStatus::Active);
    let invitation = view.get(&link.invitation).await?;
    let (Some(organization), Some(invitation)) = (organization, invitation) else {
        return Err(Refusal::NotFound.into());
    };
    if invitation.link != link.number {
        return Err(Refusal::InvitationRevoked.into());
    }
    if !view.due().is_empty() {
        settle_invitation(roster, request, link).await?;
    }
    Ok(InvitationPreview::of(organization.name, &invitation))
}
