//! From the access that a request names to the access that is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::home::{Key, TypedKey};
use crate::id::{AccountId, RoleId};
use crate::model::{Access, AccessOverLimit, AccountStatus, MAX_ACCOUNTS};
use crate::op::View;
use crate::permission::RoleRef;
use crate::policy::{AccessPolicy, Reach, Roles, Standing};
use crate::reference::AccountRef;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// An access as a request names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccessAsk {
    /// Every account with one role.
    Organization(RoleRef),
    /// Roles on named accounts.
    Accounts(Vec<(AccountRef, RoleRef)>),
}

/// What the organization's home says about the accounts of an [`AccessAsk`].
#[derive(Debug)]
pub struct AskRead {
    found: Vec<Option<(AccountId, AccountStatus)>>,
    roles: Roles,
}

impl AccessAsk {
    /// Nothing at all.
    pub const NONE: Self = Self::Accounts(Vec::new());

    /// Reads the accounts and roles named. Comes before the actor's standing is made, which knows these roles then.
    pub async fn load(&self, view: &mut View<'_>) -> Result<AskRead, StoreError> {
        let (named, accounts): (Vec<RoleRef>, Vec<&AccountRef>) = match self {
            Self::Organization(role) => (vec![*role], Vec::new()),
            Self::Accounts(rows) => rows.iter().map(|(account, role)| (*role, account)).unzip(),
        };
        view.fetch_roles(custom(&named).collect::<Vec<_>>()).await?;
        let found = if accounts.is_empty() { Vec::new() } else { find_accounts(view, &accounts).await? };
        Ok(AskRead { found, roles: view.roles() })
    }

    /// The access meant; 404 for unknown accounts and roles, 422 for one account twice or too many.
    pub fn resolve(&self, read: &AskRead) -> Result<Granting, Refusal> {
        match self {
            Self::Organization(role) => {
                known_role(&read.roles, *role)?;
                Ok(Granting { access: Access::Organization(*role), archived: BTreeSet::new() })
            }
            Self::Accounts(rows) => {
                let mut roles = BTreeMap::new();
                let mut archived = BTreeSet::new();
                for ((_, role), (account, status)) in
                    rows.iter().zip(&read.found).filter_map(|(row, found)| Some((row, (*found)?)))
                {
                    if roles.insert(account, *role).is_some() {
                        return Err(Refusal::invalid("/access", "an account can be named once only"));
                    }
                    if status == AccountStatus::Archived {
                        archived.insert(account);
                    }
                }
                // What cannot be is said before what is not there.
                let access =
                    if rows.len() > MAX_ACCOUNTS { Err(AccessOverLimit) } else { Access::accounts(roles) };
                let access = access.map_err(|over| Refusal::invalid("/access", over.to_string()))?;
                if read.found.iter().any(Option::is_none) {
                    return Err(Refusal::NotFound);
                }
                rows.iter().try_for_each(|(_, role)| known_role(&read.roles, *role))?;
                Ok(Granting { access, archived })
            }
        }
    }
}

/// Finds accounts by id or external id, in two round trips at the most.
pub async fn find_accounts(
    view: &mut View<'_>,
    accounts: &[&AccountRef],
) -> Result<Vec<Option<(AccountId, AccountStatus)>>, StoreError> {
    view.fetch(accounts.iter().map(|account| match account {
        AccountRef::Id(id) => Key::Account(*id),
        AccountRef::External(external) => external.key(),
    }))
    .await?;
    let mut ids = Vec::with_capacity(accounts.len());
    for account in accounts {
        ids.push(match account {
            AccountRef::Id(id) => Some(*id),
            AccountRef::External(external) => view.get(external).await?,
        });
    }
    view.fetch(ids.iter().flatten().map(|id| Key::Account(*id))).await?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(match id {
            Some(id) => view.get(&id).await?.map(|account| (id, account.status)),
            None => None,
        });
    }
    Ok(found)
}

/// An access about to be given.
#[derive(Clone, PartialEq, Debug)]
pub struct Granting {
    /// What.
    pub access: Access,
    /// Which of its accounts are archived.
    pub archived: BTreeSet<AccountId>,
}

impl Granting {
    /// Refuses what would be given anew on an archived account.
    pub fn none_archived_anew(&self, before: &Access) -> Result<(), Refusal> {
        let anew =
            self.archived.iter().any(|account| before.role_on(*account) != self.access.role_on(*account));
        if anew { Err(Refusal::AccountGone) } else { Ok(()) }
    }
}

/// Requires a permission on everything that an access reaches: on the whole for organization-wide or empty access.
pub fn require_on(
    policy: &dyn AccessPolicy,
    standing: &Standing,
    permission: &'static str,
    access: &Access,
) -> Result<(), Refusal> {
    match access {
        Access::Accounts(roles) if !roles.is_empty() => roles
            .keys()
            .try_for_each(|account| policy.require(standing, permission, Reach::Account(*account))),
        Access::Accounts(_) | Access::Organization(_) => {
            policy.require(standing, permission, Reach::Organization)
        }
    }
}

/// 404 for a role that does not exist, or that is being replaced.
pub(crate) fn known_role(roles: &Roles, role: RoleRef) -> Result<(), Refusal> {
    if roles.stands(role) { Ok(()) } else { Err(Refusal::NotFound) }
}

/// The custom roles among these.
pub(crate) fn custom(roles: &[RoleRef]) -> impl Iterator<Item = RoleId> {
    roles.iter().filter_map(|role| match role {
        RoleRef::System(_) => None,
        RoleRef::Custom(id) => Some(*id),
    })
}
