//! Changing an account's own fields, and bringing it back from the archive (rules O8, T1).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId};
use crate::model::customer::{AccountClock, TheAccountClock};
use crate::model::{Account, AccountStatus, TraitPatch};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{ExternalId, Name};

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccountPatch {
    /// The name.
    pub name: Option<Name>,
    /// The vendor's id, settable once.
    pub external_id: Option<ExternalId>,
    /// Active or archived.
    pub status: Option<AccountStatus>,
    /// Traits to merge.
    pub traits: TraitPatch,
}

/// Applies a patch to an account.
#[derive(Debug)]
pub struct UpdateAccount {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub account: AccountId,
    /// What.
    pub patch: AccountPatch,
}

/// What is there before.
#[derive(Debug)]
pub struct UpdateAccountRead {
    visible: Visible,
    account: Option<Account>,
    taken: Option<AccountId>,
    clock: Option<AccountClock>,
}

impl Operation for UpdateAccount {
    type State = UpdateAccountRead;
    type Output = Account;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Account(self.account))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<UpdateAccountRead, StoreError> {
        let visible = view.open_organization().await?;
        let visible = view.stand_on(visible, [self.account]).await?;
        let account = view.get(&self.account).await?;
        let taken = match &self.patch.external_id {
            Some(external) => view.get(external).await?,
            None => None,
        };
        let clock = match &self.patch.name {
            Some(_) => view.get(&TheAccountClock(self.account)).await?,
            None => None,
        };
        Ok(UpdateAccountRead { visible, account, taken, clock })
    }

    fn decide(&self, read: UpdateAccountRead, facts: &Facts) -> Result<Decision<Account>, Refusal> {
        let (_, standing) = read.visible.open()?;
        let before = read.account.ok_or(Refusal::NotFound)?;
        let patch = &self.patch;
        let traits = before.traits.merged(&patch.traits)?;
        let after = Account {
            name: patch.name.clone().unwrap_or_else(|| before.name.clone()),
            external_id: patch.external_id.clone().or_else(|| before.external_id.clone()),
            status: patch.status.unwrap_or(before.status),
            traits,
            ..before.clone()
        };
        let (policy, reach) = (facts.policies.access.as_ref(), Reach::Account(self.account));
        let only_status = Account { status: before.status, ..after.clone() } == before;
        if after.status != before.status {
            policy.require(&standing, "accounts:archive", reach)?;
        }
        if after.status == before.status || !only_status {
            policy.require(&standing, "accounts:update", reach)?;
        }
        if before.external_id.is_some() && before.external_id != after.external_id {
            return Err(Refusal::ExternalIdImmutable);
        }
        if read.taken.is_some_and(|taken| taken != self.account) {
            return Err(Refusal::ExternalIdExists);
        }
        let renamed = read.clock.filter(|_| before.name != after.name);
        let decision = changed(&before, after);
        Ok(match renamed {
            Some(mut clock) => {
                clock.name.overrule(facts.now);
                decision.put(clock.into())
            }
            None => decision,
        })
    }
}

/// An account that changes, with its line in the log.
pub(super) fn changed(before: &Account, after: Account) -> Decision<Account> {
    if after == *before {
        return Decision::unchanged(after);
    }
    let action = match after.status {
        AccountStatus::Archived if before.status == AccountStatus::Active => "account.archived",
        AccountStatus::Active | AccountStatus::Archived => "account.updated",
    };
    let event = Event::new(action, "account", after.id).before(fields(before)).after(fields(&after));
    let decision = Decision::unchanged(after.clone()).put(Record::Account(after.clone())).event(event);
    match &after.external_id {
        Some(external) if before.external_id.is_none() => {
            decision.put(Record::AccountExternalId(external.clone(), after.id))
        }
        Some(_) | None => decision,
    }
}

fn fields(account: &Account) -> serde_json::Value {
    json!({
        "name": account.name, "external_id": account.external_id, "status": account.status, "traits": account.traits,
    })
}
