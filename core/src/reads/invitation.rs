//! Invitations, and what their links show.

use super::organization::{somewhere, visible_standing};
use super::{Rows, Shown};
use crate::facts::Request;
use crate::flows::{lapse_invitation, note_shown_link, read_link, settle_invitation};
use crate::home::{Home, Key, Record, TheOrganization};
use crate::id::{InvitationId, OrganizationId};
use crate::known::Known;
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::{Invitation, InvitationStatus, OrganizationStatus};
use crate::op::{Roster, View};
use crate::ops::member::require_on;
use crate::permission::{Permission, RoleRef};
use crate::policy::{Standing, custom_roles};
use crate::refusal::{OpError, Refusal};
use crate::secret::InvitationLink;
use crate::text::Name;
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
    let listing = Listing::Invitations { organization, status, scope: scope.clone() };
    let found = roster.store.list(&listing, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let rows = found.rows.into_iter().filter_map(|row| match row.stored.record.at(found.now) {
        Record::Invitation(value) => Some(Shown { value: cut(value, &scope), version: row.stored.version }),
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
    Ok(Shown { value: cut(shown.value, &scope), ..shown })
}

/// An invitation as one may see it who sees so much: on which other accounts it gives what is not theirs to know.
fn cut(invitation: Invitation, scope: &Scope) -> Invitation {
    Invitation { access: scope.of(&invitation.access), ..invitation }
}

/// The current link of a pending invitation, for those who may manage it. That it was shown is noted before.
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
    let to = InvitationLink { organization, invitation: id, number: shown.value.link };
    if !request.actor.is_operator() {
        note_shown_link(roster, request, to).await?;
    }
    Ok((roster.links.invitation_url(&to), shown.value.expires_at))
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
    // Whoever stands for it may have left by time, whoever it is for been removed, and nobody has written down that it is dead.
    if view.due().contains(&Key::Invitation(id))
        || lapse_invitation(roster, request, organization, &value).await?
    {
        return settled(roster, request, organization, id).await.map(|shown| (shown, standing));
    }
    Ok((Shown { value, version }, standing))
}

/// The invitation after it was written down that it has expired, so that no clock brings it back.
async fn settled(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<Shown<Invitation>, OpError> {
    settle_invitation(roster, request, organization, id).await?;
    let request = Request { known: Known::default(), ..request.clone() };
    let mut view = View::new(roster, Home::Organization(organization), &request);
    let value = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    let version = view.version(&Key::Invitation(id)).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
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
        settle_invitation(roster, request, link.organization, link.invitation).await?;
    }
    let status = if lapse_invitation(roster, request, link.organization, &invitation).await? {
        InvitationStatus::Revoked
    } else {
        invitation.status
    };
    Ok(InvitationPreview::of(organization.name, &Invitation { status, ..invitation }))
}
