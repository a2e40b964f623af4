//! "May this user do this here?" (rule P4). Read afresh every time; nothing is remembered.

use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{AccountStatus, MemberStatus, OrganizationStatus, UserStatus};
use crate::op::Roster;
use crate::permission::{Permission, RoleRef};
use crate::policy::Roles;
use crate::refusal::OpError;
use crate::store::{AccessFacts, AccessKey};

/// One question; `None` for what is not known, which answers `not_found`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckAsk {
    /// Who.
    pub user: Option<UserId>,
    /// In which organization.
    pub organization: Option<OrganizationId>,
    /// On what.
    pub on: CheckOn,
    /// What.
    pub permission: Permission,
}

/// On what a permission is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckOn {
    /// On the whole: only organization-wide access allows.
    Organization,
    /// On an account; `None` for one that is not known.
    Account(Option<AccountId>),
}

impl CheckOn {
    pub(super) const fn account(self) -> Option<AccountId> {
        match self {
            Self::Organization => None,
            Self::Account(account) => account,
        }
    }

    /// The same, where no such account is there.
    pub(super) const fn unknown(self) -> Self {
        match self {
            Self::Organization => Self::Organization,
            Self::Account(_) => Self::Account(None),
        }
    }
}

/// Why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckReason {
    /// Allowed.
    Granted,
    /// Something named is not there.
    NotFound,
    /// Not a member, not any more, or not yet.
    NoMembership,
    /// Deactivated.
    Deactivated,
    /// The membership has ended by time.
    Expired,
    /// The person is suspended everywhere.
    Suspended,
    /// A member who does not reach the account.
    NoAccess,
    /// The role there does not hold it.
    RoleLacksPermission,
}

impl CheckReason {
    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::NotFound => "not_found",
            Self::NoMembership => "no_membership",
            Self::Deactivated => "deactivated",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::NoAccess => "no_access",
            Self::RoleLacksPermission => "role_lacks_permission",
        }
    }
}

/// Where access comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleSource {
    /// A role on the account.
    Account,
    /// Organization-wide access.
    Organization,
}

impl RoleSource {
    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Organization => "organization",
        }
    }
}

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckAnswer {
    /// Why; allowed exactly when granted.
    pub reason: CheckReason,
    /// The role found and where it comes from.
    pub role: Option<(RoleRef, RoleSource)>,
}

impl CheckAnswer {
    /// For what is not there.
    pub const NOT_FOUND: Self = Self { reason: CheckReason::NotFound, role: None };
}

/// Answers many questions by one round trip. Where strangers are not known, one who never was in the organization
/// is `not_found`, as one who does not exist.
pub async fn check(
    roster: &Roster,
    asks: &[CheckAsk],
    strangers_known: bool,
) -> Result<Vec<CheckAnswer>, OpError> {
    let keys: Vec<AccessKey> = asks
        .iter()
        .map(|ask| AccessKey {
            organization: ask.organization,
            user: ask.user,
            account: ask.on.account(),
            api_key: None,
        })
        .collect();
    let facts = roster.store.access(&keys).await?;
    Ok(asks.iter().zip(&facts).map(|(ask, facts)| answer(ask, facts, strangers_known)).collect())
}

/// The decision, from the facts alone.
pub(super) fn answer(ask: &CheckAsk, facts: &AccessFacts, strangers_known: bool) -> CheckAnswer {
    let no = |reason| CheckAnswer { reason, role: None };
    let account_missing = ask.on != CheckOn::Organization && facts.account.is_none();
    let stranger = facts.member.is_none() && !strangers_known;
    if facts.organization != Some(OrganizationStatus::Active) || account_missing || stranger {
        return no(CheckReason::NotFound);
    }
    match facts.user {
        None | Some(UserStatus::Erased) => return no(CheckReason::NotFound),
        Some(UserStatus::Suspended) => return no(CheckReason::Suspended),
        Some(UserStatus::Active) => {}
    }
    let Some(member) = &facts.member else {
        return no(CheckReason::NoMembership);
    };
    if member.epoch < facts.cuts && member.organization_role != Some(RoleRef::OWNER) {
        return no(CheckReason::NoMembership);
    }
    match member.status {
        _ if member.expires_at.is_some_and(|end| end <= facts.now) => return no(CheckReason::Expired),
        MemberStatus::Former => return no(CheckReason::NoMembership),
        MemberStatus::Deactivated => return no(CheckReason::Deactivated),
        MemberStatus::Active => {}
    }
    if member.starts_at.is_some_and(|start| start > facts.now) {
        return no(CheckReason::NoMembership);
    }
    let role = match (member.organization_role, member.account_role) {
        (Some(role), _) => Some((role, RoleSource::Organization)),
        (None, Some(role)) if ask.on != CheckOn::Organization => Some((role, RoleSource::Account)),
        (None, _) => None,
    };
    let Some((held, source)) = role.filter(|_| facts.account != Some(AccountStatus::Archived)) else {
        return no(CheckReason::NoAccess);
    };
    let roles = Roles::of(facts.roles.iter().cloned());
    let Some(held) = roles.effective(held) else {
        return no(CheckReason::NoAccess);
    };
    let granted = roles.holds(held, &ask.permission);
    let reason = if granted { CheckReason::Granted } else { CheckReason::RoleLacksPermission };
    CheckAnswer { reason, role: Some((held, source)) }
}
