//! Flags that say what somebody reaches.

use clap::Args;
use roster_core::ops::member::AccessAsk;
use roster_core::permission::RoleRef;
use roster_core::reference::AccountRef;

/// One role on named accounts, or on all of them.
#[derive(Debug, Args)]
pub struct AccessArgs {
    /// The role: admin, member, viewer or a `rol_` id.
    #[arg(long)]
    role: RoleRef,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Reach {
    /// An account on which the role is held, by id or `ext:VALUE`; once per account.
    #[arg(long, value_name = "ACCOUNT")]
    account: Vec<AccountRef>,
    /// The role is held on every account, future ones too.
    #[arg(long)]
    all_accounts: bool,
}

impl AccessArgs {
    /// As core takes it.
    pub fn ask(self) -> AccessAsk {
        if self.reach.all_accounts {
            AccessAsk::Organization(self.role)
        } else {
            AccessAsk::Accounts(self.reach.account.into_iter().map(|account| (account, self.role)).collect())
        }
    }
}

/// One role on named accounts, or on all of them, if anything is said of it.
#[derive(Debug, Args)]
pub struct SomeAccess {
    /// The role: admin, member, viewer or a `rol_` id.
    #[arg(long, requires = "some_reach")]
    role: Option<RoleRef>,
    /// An account on which the role is held, by id or `ext:VALUE`; once per account.
    #[arg(long, value_name = "ACCOUNT", group = "some_reach", requires = "role")]
    account: Vec<AccountRef>,
    /// The role is held on every account, future ones too.
    #[arg(long, group = "some_reach", requires = "role", conflicts_with = "account")]
    all_accounts: bool,
}

impl SomeAccess {
    /// As core takes it.
    pub fn ask(self) -> Option<AccessAsk> {
        let role = self.role?;
        Some(if self.all_accounts {
            AccessAsk::Organization(role)
        } else {
            AccessAsk::Accounts(self.account.into_iter().map(|account| (account, role)).collect())
        })
    }
}

/// The whole of what somebody reaches.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WholeAccess {
    /// One role on every account, future ones too.
    #[arg(long, value_name = "ROLE")]
    all_accounts: Option<RoleRef>,
    /// A role on one account, by id or `ext:VALUE`; once per account.
    #[arg(long, value_name = "ACCOUNT=ROLE", value_parser = parse_grant)]
    grant: Vec<(AccountRef, RoleRef)>,
    /// Nothing at all.
    #[arg(long)]
    none: bool,
}

impl WholeAccess {
    /// Whether it takes everything away.
    pub const fn is_nothing(&self) -> bool {
        self.none
    }

    /// As core takes it.
    pub fn ask(self) -> AccessAsk {
        match self.all_accounts {
            Some(role) => AccessAsk::Organization(role),
            None => AccessAsk::Accounts(self.grant),
        }
    }
}

/// Another access in place of the whole, if one is named.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub struct OtherAccess {
    /// One role on every account, future ones too, in place of what is reached now.
    #[arg(long, value_name = "ROLE")]
    all_accounts: Option<RoleRef>,
    /// A role on one account, by id or `ext:VALUE`, in place of what is reached now; once per account.
    #[arg(long, value_name = "ACCOUNT=ROLE", value_parser = parse_grant)]
    grant: Vec<(AccountRef, RoleRef)>,
}

impl OtherAccess {
    /// As core takes it.
    pub fn ask(self) -> Option<AccessAsk> {
        match self.all_accounts {
            Some(role) => Some(AccessAsk::Organization(role)),
            None if self.grant.is_empty() => None,
            None => Some(AccessAsk::Accounts(self.grant)),
        }
    }
}

/// The last `=` parts them: an external id may hold one, a role does not.
fn parse_grant(text: &str) -> Result<(AccountRef, RoleRef), String> {
    let (account, role) = text.rsplit_once('=').ok_or("write it as ACCOUNT=ROLE")?;
    let account = account.parse::<AccountRef>().map_err(|bad| bad.to_string())?;
    Ok((account, role.parse::<RoleRef>().map_err(|bad| bad.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_parted_at_the_last_sign() {
        let (account, role) = parse_grant("ext:a=b=viewer").unwrap();
        assert_eq!((account.to_string().as_str(), role.to_string().as_str()), ("ext:a=b", "viewer"));
        assert!(parse_grant("ext:a").is_err() && parse_grant("ext:a=boss").is_err());
    }
}
