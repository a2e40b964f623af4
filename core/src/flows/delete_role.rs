//! Deleting a role: the deciding commit, then whoever named it is written anew.

use crate::facts::Request;
use crate::home::{Home, Key, Record, Tally, Uses};
use crate::id::{OrganizationId, RoleId, TransferId};
use crate::listing::{Listing, MemberSort, PageRequest, Row, Scope};
use crate::model::{Access, InvitationStatus, TransferState};
use crate::op::{Roster, run};
use crate::ops::role::{DeleteRole, DropRole, RewriteRole};
use crate::permission::RoleRef;
use crate::refusal::{OpError, Refusal, RoleUses};

/// So many offers of ownership are looked through at a time.
const OFFERS: u16 = 100;

/// Deletes a role; what it is used by stands in the refusal. With a replacement, everybody holds that one from the
/// deciding commit on; what comes after it changes nothing that is true.
pub async fn delete_role(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    role: RoleRef,
    replace_with: Option<RoleRef>,
) -> Result<(), OpError> {
    let operation = DeleteRole { organization, role, replace_with };
    let mut outcome = run(roster, request, &operation).await;
    if let (Err(OpError::Refused(Refusal::RoleInUse(_))), RoleRef::Custom(id)) = (&outcome, role) {
        let mut used = uses(roster, organization, id).await?;
        if used.replacements > 0 {
            // Those that it took the place of may be named by nobody any more.
            left_to_rounds(tidy_roles(roster, request, organization).await);
            let again = Request { if_match: request.if_match.clone(), ..request.step("again") };
            outcome = run(roster, &again, &operation).await;
            used = uses(roster, organization, id).await?;
        }
        if let Err(OpError::Refused(Refusal::RoleInUse(_))) = outcome {
            return Err(Refusal::RoleInUse(used).into());
        }
    }
    outcome?;
    left_to_rounds(tidy_roles(roster, request, organization).await);
    Ok(())
}

/// What is true does not wait for it.
fn left_to_rounds(tidied: Result<usize, OpError>) {
    if let Err(error) = tidied {
        tracing::warn!(%error, "done, but some still name a role that was replaced: the next hourly round writes them anew");
    }
}

/// How often a role is named.
async fn uses(roster: &Roster, organization: OrganizationId, role: RoleId) -> Result<RoleUses, OpError> {
    let tallies = Uses::ALL.map(|uses| Tally::Uses(uses, role));
    let read = roster.store.read(&Home::Organization(organization), &[], &tallies).await?;
    let [members, invitations, api_keys, replacements] =
        tallies.map(|tally| read.tallies.get(&tally).copied().unwrap_or(0));
    Ok(RoleUses { members, invitations, api_keys, replacements })
}

/// Finishes what is left of every replaced role of an organization, earlier ones too. How many there were.
pub async fn tidy_roles(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<usize, OpError> {
    let listing = Listing::Roles { organization };
    let mut page = PageRequest { after: None, limit: 200 };
    let mut replaced = 0;
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in &found.rows {
            if let Record::Role(role) = &row.stored.record
                && role.replaced_by.is_some()
            {
                tidy(roster, request, organization, role.id).await?;
                replaced += 1;
            }
        }
        if !found.more {
            return Ok(replaced);
        }
    }
}

async fn tidy(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    role: RoleId,
) -> Result<(), OpError> {
    let members = Listing::Members {
        organization,
        status: None,
        account: None,
        role: Some(RoleRef::Custom(role)),
        q: None,
        sort: MemberSort::Id,
        descending: false,
        scope: Scope::All,
    };
    let status = Some(InvitationStatus::Pending);
    let invitations = Listing::Invitations { organization, status, scope: Scope::All };
    // What is accepted meanwhile becomes a member, who is looked for last.
    for listing in [invitations, Listing::ApiKeys { organization }, members] {
        let mut page = PageRequest { after: None, limit: 100 };
        loop {
            let found = roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let rewrite = naming(organization, role, &found.rows);
            if !rewrite.is_empty() {
                run(roster, &request.as_system("role"), &rewrite).await?;
            }
            if !found.more {
                break;
            }
        }
    }
    rewrite_offers(roster, request, organization, role).await?;
    match run(roster, &request.as_system("role"), &DropRole { organization, role }).await {
        // An invitation that time has ended may name it still, until that is written down.
        Ok(_) | Err(OpError::Refused(Refusal::RoleInUse(_))) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Of offers that wait for an answer the owner becomes what took the place of the role. None names it from the deciding commit on.
async fn rewrite_offers(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    role: RoleId,
) -> Result<(), OpError> {
    let mut after = Key::Transfer(TransferId::from_uuid(uuid::Uuid::nil()));
    loop {
        let found = roster.store.records(&Home::Organization(organization), Some(&after), OFFERS).await?;
        let mut rewrite = RewriteRole::of(organization, role);
        let whole = found.len() == usize::from(OFFERS);
        let Some(last) = found.last() else { return Ok(()) };
        let more = whole && matches!(last.record, Record::Transfer(_));
        after = last.record.key();
        for stored in found {
            let Record::Transfer(it) = stored.record else { break };
            if it.state == TransferState::Pending && it.previous_owner_role == RoleRef::Custom(role) {
                rewrite.offers.push(it.id);
            }
        }
        if !rewrite.is_empty() {
            run(roster, &request.as_system("role"), &rewrite).await?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Those of some rows that name a role.
fn naming(organization: OrganizationId, role: RoleId, rows: &[Row]) -> RewriteRole {
    let mut rewrite = RewriteRole::of(organization, role);
    let names = |access: &Access| access.roles().contains(&RoleRef::Custom(role));
    for row in rows {
        match &row.stored.record {
            Record::Member(member) => rewrite.members.push(member.user),
            Record::ApiKey(key) if names(&key.access) => rewrite.keys.push(key.id),
            Record::Invitation(invitation) if names(&invitation.access) => {
                rewrite.invitations.push(invitation.id);
            }
            _ => {}
        }
    }
    rewrite
}
