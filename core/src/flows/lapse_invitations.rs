//! Invitations whose inviter has left: dead without this, and given up by it, so that they hold no seats (rules M7, S1).

use std::collections::BTreeMap;

use super::invite::{head_of, user_of};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::{Invitation, InvitationStatus, Inviter, Organization, OrganizationStatus};
use crate::op::{Roster, run};
use crate::ops::invitation::{InviterRead, LapseInvitations};
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::text::Email;
use crate::time::Timestamp;

/// So many invitations are looked through at a time.
const PAGE: u16 = 200;
/// So many end by one commit.
const AT_ONCE: usize = 100;

/// Ends pending invitations of an organization whose inviter has left: of these inviters, or of anybody. How many.
pub(crate) async fn lapse_invitations(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    of: Option<&[Inviter]>,
) -> Result<usize, OpError> {
    let (found, cuts) = candidates(roster, organization, of).await?;
    let mut ended = 0;
    for (n, some) in found.chunks(AT_ONCE).enumerate() {
        let invitations = some.to_vec();
        let operation = LapseInvitations { organization, invitations, cuts: cuts.clone(), invited: None };
        ended += run(roster, &request.as_system(&format!("lapse {n}")), &operation).await?.output;
    }
    Ok(ended)
}

/// Ends one invitation, if it is pending and its inviter has left, or whose address it is was removed since; whether that was
/// so.
pub(crate) async fn lapse_invitation(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    invitation: &Invitation,
) -> Result<bool, OpError> {
    if invitation.status != InvitationStatus::Pending {
        return Ok(false);
    }
    let mut cuts = BTreeMap::new();
    if let Some(user) = invitation.invited_by.user() {
        cuts.insert(user, cuts_of(roster, user).await?);
    }
    let user = if let Some(user) = user_of(roster, &invitation.email).await? {
        user
    } else {
        // The store is asked as much as about somebody: no time tells whoever bears a link whether its address is known.
        let nobody = UserId::from_uuid(uuid::Uuid::nil());
        head_of(roster, nobody).await?.map_or(nobody, |head| head.id)
    };
    let cut_at = head_of(roster, user).await?.and_then(|head| head.cut_at);
    let invited = Some((user, cut_at));
    let operation = LapseInvitations { organization, invitations: vec![invitation.id], cuts, invited };
    Ok(run(roster, &request.as_settling("lapse one"), &operation).await?.output > 0)
}

/// Ends the pending invitation of somebody's address in an organization, if they were removed from everything since it was sent:
/// nobody can accept it (rule M9), and it holds no seat any more. Whether there was one.
pub(crate) async fn lapse_invited(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    email: &Email,
    cut: (UserId, Timestamp),
) -> Result<bool, OpError> {
    let address = Key::InvitedAddress(email.key().to_owned());
    let home = Home::Organization(organization);
    let read = roster.store.read(&home, &[Key::Organization, address.clone()], &[]).await?;
    let found = |key: &Key| read.records.get(key).map(|stored| &stored.record);
    let open = matches!(
        found(&Key::Organization),
        Some(Record::Organization(Organization { status: OrganizationStatus::Active, .. }))
    );
    let Some(Record::InvitedAddress(_, invitation)) = found(&address).filter(|_| open) else {
        return Ok(false);
    };
    let (invitations, cuts) = (vec![*invitation], BTreeMap::new());
    let invited = Some((cut.0, Some(cut.1)));
    let operation = LapseInvitations { organization, invitations, cuts, invited };
    let request = request.as_system(&format!("lapse invited {organization}"));
    Ok(run(roster, &request, &operation).await?.output > 0)
}

/// Those that are dead by what is read of their inviters, each of whom is read once.
async fn candidates(
    roster: &Roster,
    organization: OrganizationId,
    of: Option<&[Inviter]>,
) -> Result<(Vec<InvitationId>, BTreeMap<UserId, u32>), StoreError> {
    let status = Some(InvitationStatus::Pending);
    let listing = Listing::Invitations { organization, status, scope: Scope::All };
    let mut page = PageRequest { after: None, limit: PAGE };
    let (mut ids, mut cuts, mut inviters) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in found.rows {
            let Record::Invitation(invitation) = row.stored.record else { continue };
            if !of.is_none_or(|of| of.iter().any(|it| is_same(it, &invitation.invited_by))) {
                continue;
            }
            let key = match invitation.invited_by {
                Inviter::User { id, .. } => Key::Member(id),
                Inviter::ApiKey { id } => Key::ApiKey(id),
                Inviter::Operator { .. } | Inviter::System => continue,
            };
            let user = invitation.invited_by.user();
            if let Some(user) = user
                && !cuts.contains_key(&user)
            {
                cuts.insert(user, cuts_of(roster, user).await?);
            }
            if !inviters.contains_key(&key) {
                inviters.insert(key.clone(), inviter(roster, organization, &key).await?);
            }
            let cuts = user.and_then(|user| cuts.get(&user)).copied().unwrap_or(0);
            if inviters.get(&key).is_some_and(|it| it.has_left(&invitation, cuts, found.now)) {
                ids.push(invitation.id);
            }
        }
        if !found.more {
            break;
        }
    }
    Ok((ids, cuts))
}

async fn inviter(
    roster: &Roster,
    organization: OrganizationId,
    key: &Key,
) -> Result<InviterRead, StoreError> {
    let home = Home::Organization(organization);
    let mut read = roster.store.read(&home, std::slice::from_ref(key), &[]).await?;
    Ok(match (key, read.records.remove(key).map(|stored| stored.record)) {
        (Key::ApiKey(_), Some(Record::ApiKey(key))) => InviterRead::Key(Some(key)),
        (Key::ApiKey(_), _) => InviterRead::Key(None),
        (_, Some(Record::Member(member))) => InviterRead::Member(Some(member)),
        _ => InviterRead::Member(None),
    })
}

fn is_same(one: &Inviter, other: &Inviter) -> bool {
    match (one, other) {
        (Inviter::User { id, .. }, Inviter::User { id: other, .. }) => id == other,
        (Inviter::ApiKey { id }, Inviter::ApiKey { id: other }) => id == other,
        _ => false,
    }
}

async fn cuts_of(roster: &Roster, user: UserId) -> Result<u32, StoreError> {
    Ok(head_of(roster, user).await?.map_or(0, |head| head.cuts))
}
