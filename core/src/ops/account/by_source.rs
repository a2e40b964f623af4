//! What sources say about accounts (rules G2, G4).

use super::update::{AccountPatch, UpdateAccount};
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{AccountId, OrganizationId, SourceId};
use crate::model::customer::{AccountClock, TheAccountClock};
use crate::model::{Account, TraitPatch};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;
use crate::time::Timestamp;

/// Sets name and traits of an account, each as far as no later message set it. A name that was given by hand stays until
/// a source says another than before.
#[derive(Debug)]
pub struct SetAccountBySource {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub account: AccountId,
    /// Which source says so.
    pub source: SourceId,
    /// When it said so.
    pub at: Timestamp,
    /// Its name, if it said one.
    pub name: Option<Name>,
    /// Its traits.
    pub traits: TraitPatch,
}

impl SetAccountBySource {
    fn update(&self, patch: AccountPatch) -> UpdateAccount {
        UpdateAccount { organization: self.organization, account: self.account, patch }
    }
}

impl Operation for SetAccountBySource {
    type State = (<UpdateAccount as Operation>::State, Option<Account>, AccountClock);
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Account(self.account))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let clock = view.get(&TheAccountClock(self.account)).await?;
        let clock = clock.unwrap_or_else(|| AccountClock::new(self.account));
        let account = view.get(&self.account).await?;
        Ok((self.update(AccountPatch::default()).load(view).await?, account, clock))
    }

    fn decide(
        &self,
        (read, account, mut clock): Self::State,
        facts: &Facts,
    ) -> Result<Decision<()>, Refusal> {
        let account = account.ok_or(Refusal::NotFound)?;
        let before = clock.clone();
        let said = |name| clock.name.take(&mut clock.at, self.source, name, Some(&account.name), self.at);
        let name = self.name.as_ref().and_then(said);
        let traits = crate::ops::source::news(&self.traits, &account.traits, &mut clock.at, self.at);
        let patch = AccountPatch { name, traits, ..AccountPatch::default() };
        let decision = self.update(patch).decide(read, facts)?.giving(());
        Ok(if before == clock { decision } else { decision.put(clock.into()) })
    }
}
