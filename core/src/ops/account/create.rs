//! Making an account.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId};
use crate::model::{Account, AccountStatus, TraitPatch, Traits};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{ExternalId, Name};
use crate::time::Timestamp;

/// Makes an account in an organization.
#[derive(Debug)]
pub struct CreateAccount {
    /// Where.
    pub organization: OrganizationId,
    /// Its id, claimed already.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// What is known of it.
    pub traits: TraitPatch,
    /// The pointer leads here until then.
    pub not_after: Option<Timestamp>,
}

/// What is there before.
#[derive(Debug)]
pub struct CreateAccountRead {
    visible: Visible,
    /// Made by this very request before.
    made: Option<Account>,
    taken: Option<AccountId>,
}

impl Operation for CreateAccount {
    type State = CreateAccountRead;
    type Output = Account;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<CreateAccountRead, StoreError> {
        let visible = view.open_organization().await?;
        let external = self.external_id.iter().cloned().map(Key::AccountExternalId);
        view.fetch(external.chain([Key::Account(self.id)])).await?;
        let made = view.get(&self.id).await?;
        let taken = match &self.external_id {
            Some(external) => view.get(external).await?,
            None => None,
        };
        Ok(CreateAccountRead { visible, made, taken })
    }

    fn decide(&self, read: CreateAccountRead, facts: &Facts) -> Result<Decision<Account>, Refusal> {
        let (_, standing) = read.visible.open()?;
        let traits = Traits::default().merged(&self.traits)?;
        facts.policies.access.require(&standing, "accounts:create", Reach::Organization)?;
        if let Some(made) = read.made {
            return Ok(Decision::unchanged(made));
        }
        if read.taken.is_some() {
            return Err(Refusal::ExternalIdExists);
        }
        let account = Account {
            id: self.id,
            external_id: self.external_id.clone(),
            name: self.name.clone(),
            status: AccountStatus::Active,
            traits,
            posts: crate::model::Posts::default(),
            created_at: facts.now,
        };
        let mut created = json!({"name": self.name, "external_id": self.external_id});
        if !account.traits.is_empty() {
            created["traits"] = json!(account.traits);
        }
        let event = Event::new("account.created", "account", self.id).after(created);
        let decision = Decision::unchanged(account.clone()).put(Record::Account(account)).event(event);
        Ok(match &self.external_id {
            Some(external) => decision.put(Record::AccountExternalId(external.clone(), self.id)),
            None => decision,
        })
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
