//! Access as bodies name it.

use roster_core::ops::member::AccessAsk;
use roster_core::permission::RoleRef;
use roster_core::reference::AccountRef;
use serde::Deserialize;

use crate::error::Problem;

/// `{type: "organization", role}` or `{type: "accounts", accounts: [{account, role}]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum AccessBody {
    /// Every account with one role.
    Organization {
        /// The role.
        role: RoleRef,
    },
    /// Roles on named accounts.
    Accounts {
        /// The accounts.
        accounts: Vec<GrantBody>,
    },
}

/// A role on an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    account: AccountRef,
    role: RoleRef,
}

impl AccessBody {
    /// What the core is asked for.
    pub fn ask(&self) -> AccessAsk {
        match self {
            Self::Organization { role } => AccessAsk::Organization(*role),
            Self::Accounts { accounts } => AccessAsk::Accounts(
                accounts.iter().map(|grant| (grant.account.clone(), grant.role)).collect(),
            ),
        }
    }
}

/// `{roles: [{role, accounts: [...] | "all"}]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesBody {
    roles: Vec<RoleRow>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleRow {
    role: RoleRef,
    accounts: Accounts,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected an array of accounts, or \"all\"")]
enum Accounts {
    All(All),
    Named(Vec<AccountRef>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum All {
    All,
}

impl RolesBody {
    /// What the core is asked for; `all` stands alone.
    pub fn ask(&self) -> Result<AccessAsk, Problem> {
        if let Some(n) = self.roles.iter().position(|row| matches!(row.accounts, Accounts::All(All::All))) {
            return match self.roles.as_slice() {
                [one] => Ok(AccessAsk::Organization(one.role)),
                _ => Err(Problem::invalid(format!("/roles/{n}/accounts"), "`all` must be the only entry")),
            };
        }
        let mut rows = Vec::new();
        for row in &self.roles {
            if let Accounts::Named(accounts) = &row.accounts {
                rows.extend(accounts.iter().map(|account| (account.clone(), row.role)));
            }
        }
        Ok(AccessAsk::Accounts(rows))
    }
}
