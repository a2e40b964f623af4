//! What a leaving plan shows (rule L6).

use std::collections::BTreeMap;

use super::key::{SeenKey, as_they_stand, seen_keys};
use super::made_by;
use super::organization::visible_standing;
use crate::facts::Request;
use crate::flows::resolve_user;
use crate::flows::sweep::sweep_before;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::{Access, ApiKey, InvitationStatus, Note, NoteKey, Organization, PostName, Webhook};
use crate::op::{Roster, View};
use crate::ops::leaving::{LeavingMode, PlanRead};
use crate::permission::{Permission, RoleRef};
use crate::policy::Reach;
use crate::reference::UserRef;
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::text::RecordType;
use crate::time::Timestamp;

/// A leaving plan.
#[derive(Clone, PartialEq, Debug)]
pub struct LeavingPlan {
    /// Who.
    pub user: UserId,
    /// How they would go.
    pub mode: LeavingMode,
    /// What they lose: accounts with a role each, `None` for all of them.
    pub accounts_lost: Vec<(Option<AccountId>, RoleRef)>,
    /// The organization, where they own it and must hand it over first.
    pub owned: Option<Organization>,
    /// Records that they own, by type.
    pub records: BTreeMap<RecordType, i64>,
    /// Their personal keys, which end with the membership, and keys of the organization that they made, which stay.
    pub api_keys: Vec<SeenKey>,
    /// Webhooks that they made, which belong to the organization and stay.
    pub webhooks: Vec<Webhook>,
    /// Pending invitations that they stand for.
    pub pending_invitations: i64,
    /// Posts that they hold.
    pub posts: Vec<PostName>,
    /// Seats that are free afterwards: the member's, and those of the invitations that are taken back with them.
    pub seats_freed: i64,
    /// What must still be so when the plan is executed.
    pub revision: String,
}

/// The plan of a member; needs `members:read` on the whole.
pub async fn leaving_plan(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    named: &UserRef,
    mode: LeavingMode,
) -> Result<LeavingPlan, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let user = resolve_user(roster, named).await?;
    if standing.holds(&Permission::of("members:read"), Reach::Organization) {
        // What is planned is what the execution finds.
        sweep_before(roster, request, organization, user).await?;
    }
    let mut view = View::new(roster, Home::Organization(organization), request);
    let plan = PlanRead::load(&mut view, user, None).await?.open()?;
    roster.policies.access.require(&standing, "members:read", Reach::Organization)?;
    let api_keys = if standing.holds(&Permission::of("api_keys:read"), Reach::Organization) {
        keys_of(roster, organization, user).await?
    } else {
        Vec::new()
    };
    let webhooks = if standing.holds(&Permission::of("webhooks:manage"), Reach::Organization) {
        made_by(roster, organization, user).await?
    } else {
        Vec::new()
    };
    let member = plan.scene.known()?;
    let accounts_lost = match &member.access {
        Access::Organization(role) => vec![(None, *role)],
        Access::Accounts(roles) => roles.iter().map(|(account, role)| (Some(*account), *role)).collect(),
    };
    let (pending, held) = match plan.invitations {
        0 => (0, 0),
        _ => pending_of(roster, organization, user, view.now()).await?,
    };
    Ok(LeavingPlan {
        user,
        mode,
        accounts_lost,
        owned: Some(plan.scene.organization.clone()).filter(|organization| organization.owner == user),
        records: plan.records.clone(),
        api_keys,
        webhooks,
        pending_invitations: pending,
        posts: plan.scene.held.posts().iter().cloned().collect(),
        seats_freed: plan.seats_freed() + held,
        revision: plan.revision,
    })
}

/// The personal keys of somebody, and those of the organization that they made.
async fn keys_of(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<SeenKey>, OpError> {
    let (mut keys, mut page) = (Vec::new(), PageRequest { after: None, limit: 200 });
    loop {
        let found = roster.store.list(&Listing::ApiKeys { organization }, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        let live = found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::ApiKey(key) if key.is_live(found.now) => Some(key),
            _ => None,
        });
        let (own, shared): (Vec<_>, Vec<_>) = live.partition(|key| key.user.is_some());
        let own = own.into_iter().filter(|key| key.user == Some(user)).collect();
        let own = as_they_stand(roster, organization, own).await?;
        keys.extend(own.into_iter().filter(|key| key.is_live(found.now)));
        keys.extend(made_among(roster, organization, user, shared).await?);
        if !found.more {
            return Ok(seen_keys(roster, organization, keys).await?);
        }
    }
}

/// Those of some keys of the organization that somebody made.
async fn made_among(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
    keys: Vec<ApiKey>,
) -> Result<Vec<ApiKey>, StoreError> {
    let notes: Vec<Key> = keys.iter().map(|key| Key::Note(NoteKey::KeyMaker(key.id))).collect();
    if notes.is_empty() {
        return Ok(keys);
    }
    let read = roster.store.read(&Home::Organization(organization), &notes, &[]).await?;
    let made = |key: &ApiKey| {
        let note = read.records.get(&Key::Note(NoteKey::KeyMaker(key.id)));
        matches!(note.map(|stored| &stored.record), Some(Record::Note(Note::KeyMaker { user: maker, .. })) if *maker == user)
    };
    Ok(keys.into_iter().filter(made).collect())
}

/// Invitations that somebody stands for and that may still be accepted, and the seats that they hold.
async fn pending_of(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
    now: Timestamp,
) -> Result<(i64, i64), StoreError> {
    let status = Some(InvitationStatus::Pending);
    let listing = Listing::Invitations { organization, status, scope: Scope::All };
    let (mut pending, mut seats, mut page) = (0, 0, PageRequest { after: None, limit: 200 });
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in found.rows {
            let Record::Invitation(invitation) = row.stored.record else { continue };
            let invitation = invitation.at(now);
            if invitation.invited_by.user() == Some(user) && invitation.status == InvitationStatus::Pending {
                pending += 1;
                seats += invitation.seats();
            }
        }
        if !found.more {
            return Ok((pending, seats));
        }
    }
}
