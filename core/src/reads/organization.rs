//! Organizations, their seats and transfers.

use super::post::as_held;
use super::user::organizations_of_actor;
use super::{Rows, Shown};
use crate::facts::Request;
use crate::flows::sweep::cuts_of;
use crate::home::{Home, Key, Record, Tally, TheMember};
use crate::id::{OrganizationId, TransferId, Version};
use crate::listing::{Listing, PageRequest, Position};
use crate::model::{
    Card, DirectoryKind, Organization, OrganizationStatus, Transfer, TransferState, UserStatus,
};
use crate::op::{Roster, View, settle_inviters, unsettled};
use crate::ops::ownership::Ground;
use crate::permission::Permission;
use crate::policy::{Reach, Standing};
use crate::refusal::{OpError, Refusal};
use crate::text::{search_keys, search_matches};

/// An organization with what stands beside its record.
#[derive(Clone, PartialEq, Debug)]
pub struct OrganizationShown {
    /// The record and its version.
    pub organization: Shown<Organization>,
    /// What lists show of the owner.
    pub owner: Card,
    /// Whether the owner is suspended (rule L9).
    pub owner_unavailable: bool,
    /// Seats in use.
    pub used: i64,
}

/// Seats paid for and in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeatsShown {
    /// Paid for; none is unlimited.
    pub purchased: Option<u32>,
    /// In use.
    pub used: i64,
}

/// The organization and the actor's standing in it. Operators see closed ones too; others 404.
pub async fn visible_standing(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
) -> Result<(Shown<Organization>, Standing), OpError> {
    let mut view = View::new(roster, Home::Organization(id), request);
    let (organization, standing) = view.organization().await?;
    let organization = organization.ok_or(Refusal::NotFound)?;
    if organization.status == OrganizationStatus::Active && standing.is_stale() {
        return Err(Refusal::ReauthenticationRequired.into());
    }
    let open = organization.status == OrganizationStatus::Active && standing.is_in();
    if !open && !request.actor.is_operator() {
        return Err(Refusal::NotFound.into());
    }
    let version = view.version(&Key::Organization).ok_or(Refusal::NotFound)?;
    Ok((Shown { value: organization, version }, standing))
}

/// 404 where the actor sees no organization: what every route below an organization begins with.
pub async fn require_visible(roster: &Roster, request: &Request, id: OrganizationId) -> Result<(), OpError> {
    visible_standing(roster, request, id).await.map(|_| ())
}

/// 403 unless `roles:read` is held on the whole.
pub async fn require_roles(roster: &Roster, request: &Request, id: OrganizationId) -> Result<(), OpError> {
    let (_, standing) = visible_standing(roster, request, id).await?;
    Ok(roster.policies.access.require(&standing, "roles:read", Reach::Organization)?)
}

/// 403 unless a permission is held somewhere in the organization.
pub(crate) fn somewhere(standing: &Standing, permission: &'static str) -> Result<(), Refusal> {
    if standing.holds_somewhere(&Permission::of(permission)) {
        Ok(())
    } else {
        Err(Refusal::lacks(permission))
    }
}

/// One organization.
pub async fn organization(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
) -> Result<OrganizationShown, OpError> {
    let (organization, standing) = visible_standing(roster, request, id).await?;
    somewhere(&standing, "organization:read")?;
    beside(roster, request, organization).await
}

/// One organization as the answer to an act on it: whoever may act is shown what came of it.
pub async fn organization_acted_on(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
) -> Result<OrganizationShown, OpError> {
    let (organization, _) = visible_standing(roster, request, id).await?;
    beside(roster, request, organization).await
}

async fn beside(
    roster: &Roster,
    request: &Request,
    organization: Shown<Organization>,
) -> Result<OrganizationShown, OpError> {
    let (id, owner) = (organization.value.id, organization.value.owner);
    let mut view = View::new(roster, Home::Organization(id), request);
    let mut organization = organization;
    let holders = organization.value.posts.holders();
    view.fetch(holders.chain([owner]).map(Key::Member).collect::<Vec<_>>()).await?;
    organization.version = shown_version(&mut view, &organization).await?;
    let card = view.get(&TheMember(owner)).await?.map(|member| member.card).unwrap_or_default();
    organization.value.posts = as_held(&mut view, &organization.value.posts).await?;
    let read = roster.store.read(&Home::User(owner), &[Key::User], &[]).await?;
    let available = matches!(
        read.records.get(&Key::User).map(|stored| &stored.record),
        Some(Record::User(user)) if user.status == UserStatus::Active
    );
    let used = used_seats(roster, request, id).await?;
    Ok(OrganizationShown { organization, owner: card, owner_unavailable: !available, used })
}

/// The version that is shown of an organization: who holds posts on it may have left.
async fn shown_version(view: &mut View<'_>, organization: &Shown<Organization>) -> Result<Version, OpError> {
    let holders: Vec<Key> = organization.value.posts.holders().map(Key::Member).collect();
    if !holders.is_empty() {
        view.fetch(holders).await?;
    }
    Ok(view.showing(organization.version, &Record::Organization(organization.value.clone())))
}

/// Seats in use: the tally without what has ended by time, and without what was invited by those who have.
async fn used_seats(roster: &Roster, request: &Request, id: OrganizationId) -> Result<i64, OpError> {
    let home = Home::Organization(id);
    let (used, inviters) = held_seats(roster, &home).await?;
    match settle_inviters(roster, request, &home, inviters).await {
        Ok(false) => Ok(used),
        Ok(true) => Ok(held_seats(roster, &home).await?.0),
        Err(error) => {
            tracing::warn!(%error, "what was invited by those whose time has ended counts as seats in use");
            Ok(used)
        }
    }
}

async fn held_seats(roster: &Roster, home: &Home) -> Result<(i64, Vec<Key>), OpError> {
    let read = roster.store.read(home, &[], &[Tally::Seats]).await?;
    let held = read.tallies.get(&Tally::Seats).copied().unwrap_or(0);
    let ended = unsettled(roster.store.as_ref(), home, read.now()).await?;
    Ok((held - ended.seats, ended.inviters))
}

/// Seats; needs `organization:read` on the whole.
pub async fn seats(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
) -> Result<Shown<SeatsShown>, OpError> {
    let (organization, standing) = visible_standing(roster, request, id).await?;
    roster.policies.access.require(&standing, "organization:read", Reach::Organization)?;
    let seats =
        SeatsShown { purchased: organization.value.purchased, used: used_seats(roster, request, id).await? };
    let mut view = View::new(roster, Home::Organization(id), request);
    Ok(Shown { value: seats, version: shown_version(&mut view, &organization).await? })
}

/// The organizations of the deployment by their ids: all for operators, for others those they are in.
pub async fn organizations(
    roster: &Roster,
    request: &Request,
    status: Option<OrganizationStatus>,
    q: Option<String>,
    page: &PageRequest,
) -> Result<Rows<OrganizationShown>, OpError> {
    if !request.actor.is_operator() {
        return own_organizations(roster, request, status, q.as_deref(), page).await;
    }
    let active = status.map(|status| status == OrganizationStatus::Active);
    let listing = Listing::Directory { kind: DirectoryKind::Organizations, active, q };
    let mut page = page.clone();
    let mut rows = Vec::new();
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in found.rows {
            let Record::DirectoryEntry(entry) = row.stored.record else {
                continue;
            };
            let Some(id) = entry.id.organization() else {
                continue;
            };
            match organization(roster, request, id).await {
                Ok(shown) if status.is_none_or(|status| status == shown.organization.value.status) => {
                    rows.push(shown);
                }
                Ok(_) | Err(OpError::Refused(Refusal::NotFound)) => {}
                Err(error) => return Err(error),
            }
            if rows.len() == usize::from(page.limit) {
                let next =
                    Some(row.position).filter(|position| found.more || page.after.as_ref() != Some(position));
                return Ok(Rows { rows, next });
            }
        }
        if !found.more {
            return Ok(Rows { rows, next: None });
        }
    }
}

/// Those that the actor is in, found from their side: as many as there are of others cost nothing.
async fn own_organizations(
    roster: &Roster,
    request: &Request,
    status: Option<OrganizationStatus>,
    q: Option<&str>,
    page: &PageRequest,
) -> Result<Rows<OrganizationShown>, OpError> {
    let limit = usize::from(page.limit);
    let fits = |it: &Organization| {
        let keys = search_keys(Some(&it.name), None, it.external_id.as_ref());
        status.is_none_or(|status| status == it.status) && q.is_none_or(|q| search_matches(&keys, q))
    };
    let mut rows = Vec::new();
    for id in organizations_of_actor(roster, request).await? {
        if page.after.as_ref().is_some_and(|after| id.uuid() <= after.id) {
            continue;
        }
        match organization(roster, request, id).await {
            Ok(shown) if fits(&shown.organization.value) => rows.push(shown),
            Ok(_)
            | Err(OpError::Refused(
                Refusal::NotFound | Refusal::Forbidden(_) | Refusal::ReauthenticationRequired,
            )) => {}
            Err(error) => return Err(error),
        }
        if rows.len() > limit {
            break;
        }
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more).map(|row| row.organization.value.id.uuid());
    Ok(Rows { rows, next: last.map(|id| Position { by: String::new(), id }) })
}

/// One transfer of ownership. An offer that nobody can accept any more, for either has left or another owns the
/// organization by now, is over, though it was never answered; whether that is so, and its version tells nothing of it.
pub async fn transfer(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
    transfer: TransferId,
) -> Result<(Shown<Transfer>, bool), OpError> {
    let (organization, standing) = visible_standing(roster, request, id).await?;
    let mut view = View::new(roster, Home::Organization(id), request);
    let mut value = view.get(&transfer).await?.ok_or(Refusal::NotFound)?;
    somewhere(&standing, "organization:read")?;
    let version = view.shown_version(&Key::Transfer(transfer)).ok_or(Refusal::NotFound)?;
    let mut is_gone = false;
    if value.state == TransferState::Pending {
        let ground = Ground::load(&mut view, &value).await?;
        let (cuts, _) = cuts_of(roster, request, value.to).await?;
        is_gone = ground.is_gone(&organization.value, &value, cuts, view.now());
        if is_gone {
            value.state = TransferState::Expired;
        }
    }
    Ok((Shown { value, version }, is_gone))
}
