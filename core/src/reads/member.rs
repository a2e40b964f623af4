//! Members.

use super::account::account_id;
use super::organization::{somewhere, visible_standing};
use super::{Rows, Shown};
use crate::facts::Request;
use crate::flows::resolve_user;
use crate::flows::sweep::cuts_of;
use crate::home::{Home, Record, TheMember};
use crate::id::{OrganizationId, UserId};
use crate::listing::{Listing, MemberSort, PageRequest, Position, Scope, sortable};
use crate::model::{Access, Member, MemberStatus};
use crate::op::{Roster, View};
use crate::permission::{Permission, RoleRef};
use crate::policy::{Reach, Standing};
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};
use crate::report::{People, presences};
use crate::time::Timestamp;

/// Which members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberFilter {
    /// Only this status.
    pub status: Option<MemberStatus>,
    /// Only those who reach this account.
    pub account: Option<AccountRef>,
    /// Only those who hold this role.
    pub role: Option<RoleRef>,
    /// Search text.
    pub q: Option<String>,
    /// Order.
    pub sort: MemberSort,
    /// In the order in which they were last seen instead; those who never were come first.
    pub by_last_seen: bool,
    /// Turned round.
    pub descending: bool,
}

/// A member as an account's list shows them.
#[derive(Clone, PartialEq, Debug)]
pub struct AccountMember {
    /// The member.
    pub member: Shown<Member>,
    /// Their role on the account.
    pub role: RoleRef,
    /// Whether it comes from organization-wide access.
    pub organization_wide: bool,
}

/// A member, and when they were last seen in the organization.
#[derive(Clone, PartialEq, Debug)]
pub struct SeenMember {
    /// The member.
    pub member: Shown<Member>,
    /// When, if ever.
    pub last_seen_at: Option<Timestamp>,
}

/// How many members are looked at in one go.
const SLICE: u16 = 200;

/// One member, former ones too, as far as the actor may see: 404 for one who never was, 403 for one out of reach.
pub async fn member(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    named: &UserRef,
) -> Result<Shown<Member>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let user = resolve_user(roster, named).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    view.get(&TheMember(user)).await?.ok_or(Refusal::NotFound)?;
    let cuts = cuts_of(roster, request, user).await?;
    let (value, version) = view.shown_member(user, cuts).ok_or(Refusal::NotFound)?;
    if request.actor.user() != Some(user) && !may_see(&standing, &value) {
        return Err(Refusal::lacks("members:read").into());
    }
    let scope = standing.scope(&Permission::of("members:read"));
    Ok(Shown { value: cut(value, &scope, request), version })
}

/// A member with the part of their access that the actor may see: all of their own.
fn cut(member: Member, scope: &Scope, request: &Request) -> Member {
    if request.actor.user() == Some(member.user) {
        return member;
    }
    Member { access: scope.of(&member.access), ..member }
}

/// Whether `members:read` is held on the whole, or on an account that the member reaches.
pub(super) fn may_see(standing: &Standing, member: &Member) -> bool {
    let permission = Permission::of("members:read");
    standing.holds(&permission, Reach::Organization)
        || match (&member.access, standing.scope(&permission)) {
            (Access::Organization(_), Scope::Accounts(accounts)) => !accounts.is_empty(),
            (Access::Accounts(roles), scope) => roles.keys().any(|account| scope.holds(*account)),
            (Access::Organization(_), Scope::All) => true,
        }
}

/// Members of an organization that the actor may see.
pub async fn members(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    filter: &MemberFilter,
    page: &PageRequest,
) -> Result<Rows<Shown<Member>>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let account = match &filter.account {
        None => None,
        Some(named) => Some(account_id(roster, request, organization, named).await?),
    };
    match account {
        None => somewhere(&standing, "members:read")?,
        Some(account) => {
            roster.policies.access.require(&standing, "members:read", Reach::Account(account))?;
        }
    }
    let scope = standing.scope(&Permission::of("members:read"));
    let MemberFilter { status, role, q, sort, descending, .. } = filter.clone();
    let listing =
        Listing::Members { organization, status, account, role, q, sort, descending, scope: scope.clone() };
    let found = roster.store.list(&listing, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let rows = found.rows.into_iter().filter_map(|row| match row.stored.record.at(found.now) {
        Record::Member(value) => {
            Some(Shown { value: cut(value, &scope, request), version: row.stored.version })
        }
        _ => None,
    });
    Ok(Rows { rows: rows.collect(), next })
}

/// The same with when each was last seen, in that order: everybody is looked at for each page.
pub async fn members_by_last_seen(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    filter: &MemberFilter,
    page: &PageRequest,
) -> Result<Rows<SeenMember>, OpError> {
    let order = |one: &Position, other: &Position| {
        let order = one.cmp(other);
        if filter.descending { order.reverse() } else { order }
    };
    let by_id = MemberFilter { sort: MemberSort::Id, descending: false, ..filter.clone() };
    let most = usize::from(page.limit) + 1;
    let mut best: Vec<(Position, SeenMember)> = Vec::new();
    let mut slice = PageRequest { after: None, limit: SLICE };
    loop {
        let found = members(roster, request, organization, &by_id, &slice).await?;
        let users: Vec<UserId> = found.rows.iter().map(|row| row.value.user).collect();
        let mut presences = presences(roster.store.as_ref(), organization, &users).await?;
        let mut people = People::default();
        for row in &found.rows {
            people.add(row.value.clone(), presences.remove(&row.value.user));
        }
        for member in found.rows {
            let last_seen_at = people.seen(member.value.user).and_then(|presence| presence.last_seen_at);
            let by = last_seen_at.map(sortable).unwrap_or_default();
            let position = Position { by, id: member.value.user.uuid() };
            if page.after.as_ref().is_none_or(|after| order(&position, after).is_gt()) {
                let at = best.partition_point(|(known, _)| order(known, &position).is_lt());
                best.insert(at, (position, SeenMember { member, last_seen_at }));
                best.truncate(most);
            }
        }
        match found.next {
            Some(next) => slice.after = Some(next),
            None => break,
        }
    }
    let more = best.len() == most;
    best.truncate(usize::from(page.limit));
    let next = best.last().map(|(position, _)| position.clone()).filter(|_| more);
    Ok(Rows { rows: best.into_iter().map(|(_, row)| row).collect(), next })
}

/// Active members with access to an account, from either source.
pub async fn account_members(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    named: &AccountRef,
    filter: &MemberFilter,
    page: &PageRequest,
) -> Result<Rows<AccountMember>, OpError> {
    let filter = MemberFilter { account: Some(named.clone()), ..filter.clone() };
    let found = members(roster, request, organization, &filter, page).await?;
    let account = account_id(roster, request, organization, named).await?;
    let rows = found.rows.into_iter().filter_map(|member| {
        let role = member.value.access.role_on(account)?;
        let organization_wide = member.value.access.organization_role().is_some();
        Some(AccountMember { member, role, organization_wide })
    });
    Ok(Rows { rows: rows.collect(), next: found.next })
}
