//! Users, what they reach, and who asks.

use super::member::may_see;
use super::organization::visible_standing;
use super::{Rows, Shown};
use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::{resolve_account, resolve_user};
use crate::home::{Home, Key, Record, TheMember, TheUser};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Position, Scope};
use crate::model::{
    Access, Account, AccountStatus, DirectoryKind, Member, MemberStatus, Organization, OrganizationStatus,
    User,
};
use crate::op::{Roster, View};
use crate::permission::{Permission, RoleRef};
use crate::policy::Standing;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};

/// One row of what a user reaches.
#[derive(Clone, PartialEq, Debug)]
pub struct UserAccount {
    /// Where.
    pub organization: Organization,
    /// Which account.
    pub account: Account,
    /// As what.
    pub role: RoleRef,
    /// Whether it comes from organization-wide access.
    pub organization_wide: bool,
}

/// A membership of the one who asks.
#[derive(Clone, PartialEq, Debug)]
pub struct MembershipShown {
    /// Where.
    pub organization: Organization,
    /// What they reach.
    pub access: Access,
}

/// Who asks.
#[derive(Clone, PartialEq, Debug)]
pub struct Me {
    /// The actor.
    pub actor: Actor,
    /// The user, if it is one.
    pub user: Option<User>,
    /// Their memberships in open organizations.
    pub memberships: Vec<MembershipShown>,
}

/// The users of the deployment. Operators only.
pub async fn users(
    roster: &Roster,
    request: &Request,
    q: Option<String>,
    page: &PageRequest,
) -> Result<Rows<Shown<User>>, OpError> {
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    let listing = Listing::Directory { kind: DirectoryKind::Users, active: None, q };
    let mut page = page.clone();
    let mut rows = Vec::new();
    loop {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        for row in found.rows {
            let Record::DirectoryEntry(entry) = row.stored.record else {
                continue;
            };
            let Some(id) = entry.id.user() else { continue };
            rows.extend(record(roster, request, id).await?);
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

async fn record(roster: &Roster, request: &Request, id: UserId) -> Result<Option<Shown<User>>, OpError> {
    let mut view = View::new(roster, Home::User(id), request);
    let user = view.get(&TheUser).await?;
    Ok(user.zip(view.version(&Key::User)).map(|(value, version)| Shown { value, version }))
}

/// One user: for operators and the person; for others where they may see a membership, past ones too; else 404.
pub async fn user(roster: &Roster, request: &Request, named: &UserRef) -> Result<Shown<User>, OpError> {
    let id = resolve_user(roster, named).await?;
    let found = record(roster, request, id).await?.ok_or(Refusal::NotFound)?;
    if !request.actor.is_operator()
        && request.actor.user() != Some(id)
        && seen_in(roster, request, id).await?.is_empty()
    {
        return Err(Refusal::NotFound.into());
    }
    Ok(found)
}

/// The organizations in which the actor may see a person, past members too.
async fn seen_in(roster: &Roster, request: &Request, user: UserId) -> Result<Vec<OrganizationId>, OpError> {
    let mut seen = Vec::new();
    for organization in organizations_of_actor(roster, request).await? {
        let Some((_, standing)) = standing_in(roster, request, organization).await? else {
            continue;
        };
        if let Some(member) = membership(roster, request, organization, user, 0).await?
            && may_see(&standing, &member)
        {
            seen.push(organization);
        }
    }
    Ok(seen)
}

/// The organizations that the actor may be in, by id.
pub(super) async fn organizations_of_actor(
    roster: &Roster,
    request: &Request,
) -> Result<Vec<OrganizationId>, OpError> {
    match (request.actor.bound_to(), request.actor.user()) {
        (Some(own), _) => Ok(vec![own]),
        (None, Some(user)) => pointers(roster, user).await,
        (None, None) => Ok(Vec::new()),
    }
}

/// The organizations that a user may be in, by id. Pointers: whether they are is said by the organization.
pub(crate) async fn pointers(roster: &Roster, user: UserId) -> Result<Vec<OrganizationId>, OpError> {
    let mut page = PageRequest { after: None, limit: 500 };
    let mut all = Vec::new();
    loop {
        let found = roster.store.list(&Listing::Memberships { user }, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        all.extend(found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::Membership(at) => Some(at.organization),
            _ => None,
        }));
        if !found.more {
            return Ok(all);
        }
    }
}

async fn standing_in(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
) -> Result<Option<(Organization, Standing)>, OpError> {
    match visible_standing(roster, request, id).await {
        Ok((organization, standing)) => Ok(Some((organization.value, standing))),
        Err(OpError::Refused(Refusal::NotFound | Refusal::ReauthenticationRequired)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn membership(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
    cuts: u32,
) -> Result<Option<Member>, OpError> {
    let mut view = View::new(roster, Home::Organization(organization), request);
    let member = view.get(&TheMember(user)).await?;
    Ok(member.map(|member| member.after_cuts(cuts, view.now())))
}

/// What a user reaches: all of it for operators and the person, for others what lies in organizations and accounts
/// where they hold `members:read`; 404 where that is none of the person's. Ordered by organization, then account.
pub async fn user_accounts(
    roster: &Roster,
    request: &Request,
    named: &UserRef,
    page: &PageRequest,
) -> Result<Rows<UserAccount>, OpError> {
    let User { id, cuts, .. } = user(roster, request, named).await?.value;
    let whole = request.actor.is_operator() || request.actor.user() == Some(id);
    let within = if whole { pointers(roster, id).await? } else { seen_in(roster, request, id).await? };
    let limit = usize::from(page.limit);
    let mut rows: Vec<UserAccount> = Vec::new();
    for organization in within {
        let after = match &page.after {
            Some(after) if organization.to_string() < after.by => continue,
            Some(after) if organization.to_string() == after.by => {
                Some(Position { by: String::new(), id: after.id })
            }
            Some(_) | None => None,
        };
        let room = u16::try_from(limit + 1 - rows.len()).unwrap_or(u16::MAX);
        rows.extend(
            reached(roster, request, organization, (id, cuts), whole, PageRequest { after, limit: room })
                .await?,
        );
        if rows.len() > limit {
            rows.truncate(limit);
            let next = rows
                .last()
                .map(|row| Position { by: row.organization.id.to_string(), id: row.account.id.uuid() });
            return Ok(Rows { rows, next });
        }
    }
    Ok(Rows { rows, next: None })
}

/// Where an account of a user lives, for a request that names no organization. An external id is looked for in the
/// caller's own organization, else in those of the user that the caller may see; where the user is in none any more,
/// in those they were in.
pub async fn account_of_user(
    roster: &Roster,
    request: &Request,
    user: UserId,
    named: &AccountRef,
) -> Result<(OrganizationId, AccountId), OpError> {
    if let AccountRef::Id(_) = named {
        let (organization, account) = resolve_account(roster, named, &[]).await?;
        visible_standing(roster, request, organization).await?;
        return Ok((organization, account));
    }
    let (mut now, mut before) = (Vec::new(), Vec::new());
    let within = match request.actor.bound_to() {
        Some(own) => vec![own],
        None => pointers(roster, user).await?,
    };
    for organization in within {
        // Operators see closed ones too, in which nobody has an account any more.
        let seen = standing_in(roster, request, organization).await?;
        if !seen.is_some_and(|(organization, _)| organization.status == OrganizationStatus::Active) {
            continue;
        }
        match membership(roster, request, organization, user, 0).await? {
            Some(member) if member.status == MemberStatus::Former => before.push(organization),
            Some(_) => now.push(organization),
            None => {}
        }
    }
    match resolve_account(roster, named, &now).await {
        Err(OpError::Refused(Refusal::NotFound)) => resolve_account(roster, named, &before).await,
        found => found,
    }
}

async fn reached(
    roster: &Roster,
    request: &Request,
    id: OrganizationId,
    (user, cuts): (UserId, u32),
    whole: bool,
    page: PageRequest,
) -> Result<Vec<UserAccount>, OpError> {
    let Some((organization, standing)) = standing_in(roster, request, id).await? else {
        return Ok(Vec::new());
    };
    let Some(member) = membership(roster, request, id, user, cuts).await? else {
        return Ok(Vec::new());
    };
    if member.status != MemberStatus::Active || organization.status != OrganizationStatus::Active {
        return Ok(Vec::new());
    }
    let seen = if whole { Scope::All } else { standing.scope(&Permission::of("members:read")) };
    let scope = match &member.access {
        Access::Organization(_) => seen,
        Access::Accounts(roles) => {
            Scope::Accounts(roles.keys().copied().filter(|account| seen.holds(*account)).collect())
        }
    };
    let listing = Listing::Accounts { organization: id, status: Some(AccountStatus::Active), scope };
    let found = roster.store.list(&listing, &page).await?;
    Ok(found
        .rows
        .into_iter()
        .filter_map(|row| {
            let Record::Account(account) = row.stored.record else {
                return None;
            };
            let role = member.access.role_on(account.id)?;
            let organization_wide = member.access.organization_role().is_some();
            Some(UserAccount { organization: organization.clone(), account, role, organization_wide })
        })
        .collect())
}

/// Who asks, and where they are a member.
pub async fn me(roster: &Roster, request: &Request) -> Result<Me, OpError> {
    let Some(user) = request.actor.user() else {
        return Ok(Me { actor: request.actor, user: None, memberships: Vec::new() });
    };
    let mut memberships = Vec::new();
    for id in organizations_of_actor(roster, request).await? {
        let Some((organization, _)) = standing_in(roster, request, id).await? else {
            continue;
        };
        if let Some(member) = membership(roster, request, id, user, request.cuts).await? {
            memberships.push(MembershipShown { organization, access: member.access });
        }
    }
    let user = record(roster, request, user).await?.map(|shown| shown.value);
    Ok(Me { actor: request.actor, user, memberships })
}
