//! Deleting a role: the deciding commit, then whoever named it is written anew.

use super::refresh::tidied;
use crate::facts::Request;
use crate::home::{Home, Record, Tally, Uses};
use crate::id::{OrganizationId, RoleId};
use crate::listing::{Listing, MemberSort, PageRequest, Scope};
use crate::op::{Roster, run};
use crate::ops::role::{DeleteRole, DropRole, RewriteRole};
use crate::permission::RoleRef;
use crate::refusal::{OpError, Refusal, RoleUses};

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
    match (run(roster, request, &operation).await, role) {
        (Err(OpError::Refused(Refusal::RoleInUse(_))), RoleRef::Custom(id)) => {
            return Err(Refusal::RoleInUse(uses(roster, organization, id).await?).into());
        }
        (outcome, _) => outcome?,
    };
    tidied(tidy_roles(roster, request, organization).await);
    Ok(())
}

/// How often a role is named.
async fn uses(roster: &Roster, organization: OrganizationId, role: RoleId) -> Result<RoleUses, OpError> {
    let tallies = Uses::ALL.map(|uses| Tally::Uses(uses, role));
    let read = roster.store.read(&Home::Organization(organization), &[], &tallies).await?;
    let [members, invitations, api_keys, replacements] =
        tallies.map(|tally| read.tallies.get(&tally).copied().unwrap_or(0));
    Ok(RoleUses { members, invitations, api_keys, replacements })
}

/// Finishes what is left of every replaced role of an organization, earlier ones too.
pub async fn tidy_roles(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
) -> Result<(), OpError> {
    let listing = Listing::Roles { organization };
    let mut page = PageRequest { after: None, limit: 200 };
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in &found.rows {
            if let Record::Role(role) = &row.stored.record
                && role.replaced_by.is_some()
            {
                tidy(roster, request, organization, role.id).await?;
            }
        }
        if !found.more {
            return Ok(());
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
    for listing in [members, Listing::ApiKeys { organization }] {
        let mut page = PageRequest { after: None, limit: 100 };
        loop {
            let found = roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let mut rewrite = RewriteRole { organization, role, members: Vec::new(), keys: Vec::new() };
            for row in &found.rows {
                match &row.stored.record {
                    Record::Member(member) => rewrite.members.push(member.user),
                    Record::ApiKey(key) if key.access.roles().contains(&RoleRef::Custom(role)) => {
                        rewrite.keys.push(key.id);
                    }
                    _ => {}
                }
            }
            if !rewrite.members.is_empty() || !rewrite.keys.is_empty() {
                run(roster, &request.as_system("role"), &rewrite).await?;
            }
            if !found.more {
                break;
            }
        }
    }
    match run(roster, &request.as_system("role"), &DropRole { organization, role }).await {
        // An invitation may name it still, until it is accepted or ends.
        Ok(_) | Err(OpError::Refused(Refusal::RoleInUse(_))) => Ok(()),
        Err(error) => Err(error),
    }
}
