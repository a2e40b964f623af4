//! Archiving an account: access through it ends in that commit (rule O8).

use super::update::changed;
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{AccountId, OrganizationId};
use crate::model::{Account, AccountStatus};
use crate::op::{Decision, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Archives an account; the last active one stays. Archiving an archived one changes nothing.
#[derive(Debug)]
pub struct ArchiveAccount {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub account: AccountId,
}

impl Operation for ArchiveAccount {
    type State = (Visible, Option<Account>);
    type Output = Account;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Account(self.account))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = view.open_organization().await?;
        Ok((visible, view.get(&self.account).await?))
    }

    fn decide(&self, (visible, account): Self::State, facts: &Facts) -> Result<Decision<Account>, Refusal> {
        let (_, standing) = visible.open()?;
        let before = account.ok_or(Refusal::NotFound)?;
        facts.policies.access.require(&standing, "accounts:archive", Reach::Account(self.account))?;
        let after = Account { status: AccountStatus::Archived, ..before.clone() };
        Ok(changed(&before, after))
    }
}
