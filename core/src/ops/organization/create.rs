//! Making an organization: its record, its owner's membership and its first accounts in one commit (rule O1).

use serde_json::json;

use crate::actor::Actor;
use crate::facts::Facts;
use crate::home::{Home, Record, TheOrganization};
use crate::id::{AccountId, OrganizationId, SourceId, UserId};
use crate::model::customer::{AccountClock, Instants, NAME, SaidName};
use crate::model::{
    Access, Account, AccountStatus, Card, Member, Organization, OrganizationStatus, Settings, Traits,
};
use crate::op::{Decision, Event, Operation, View};
use crate::permission::RoleRef;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{ExternalId, Name, Slug};
use crate::time::Timestamp;

/// Makes an organization. Operators only, and sources for which an operator has named the owner.
#[derive(Debug)]
pub struct CreateOrganization {
    /// Its id, which its pointers name already.
    pub id: OrganizationId,
    /// Its name.
    pub name: Name,
    /// Its slug, claimed already.
    pub slug: Slug,
    /// The vendor's id, claimed already.
    pub external_id: Option<ExternalId>,
    /// The owner, who exists already.
    pub owner: UserId,
    /// What lists show of the owner.
    pub card: Card,
    /// How often the owner has been removed from everything, as it was read before.
    pub cuts: u32,
    /// Seats paid for; at least 1.
    pub purchased: Option<u32>,
    /// At least one.
    pub accounts: Vec<FirstAccount>,
    /// The source whose group it is, if it is one's.
    pub told: Option<Told>,
    /// The pointers lead here until then.
    pub not_after: Option<Timestamp>,
}

/// That a source has told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Which; an operator has named the owner for it.
    pub by: SourceId,
    /// When the source said its name; the epoch if it only gave an id.
    pub named_at: Timestamp,
}

/// An account made with its organization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstAccount {
    /// Its id, claimed already.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
}

impl Operation for CreateOrganization {
    type State = Option<Organization>;
    type Output = OrganizationId;

    fn home(&self) -> Home {
        Home::Organization(self.id)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheOrganization).await
    }

    fn decide(
        &self,
        found: Option<Organization>,
        facts: &Facts,
    ) -> Result<Decision<OrganizationId>, Refusal> {
        let sent = |told: Told| facts.actor == Actor::Source { source: told.by };
        if !facts.actor.is_operator() && !self.told.is_some_and(sent) {
            return Err(Refusal::lacks("organization:create"));
        }
        if found.is_some() {
            return Ok(Decision::unchanged(self.id));
        }
        let organization = Organization {
            id: self.id,
            external_id: self.external_id.clone(),
            name: self.name.clone(),
            slug: self.slug.clone(),
            status: OrganizationStatus::Active,
            owner: self.owner,
            purchased: self.purchased,
            settings: Settings::default(),
            traits: Traits::default(),
            posts: crate::model::Posts::default(),
            created_at: facts.now,
        };
        let created = Event::new("organization.created", "organization", self.id).after(json!({
            "name": self.name, "slug": self.slug, "external_id": self.external_id, "owner": self.owner,
            "seats": {"purchased": self.purchased},
        }));
        let owner =
            Member::joining(self.owner, self.card.clone(), Access::Organization(RoleRef::OWNER), facts.now);
        let owner = Member { epoch: self.cuts, ..owner };
        let joined = Event::member("member.added", self.owner).after(json!({
            "access": owner.access, "email": self.card.email, "name": self.card.name,
            "external_id": self.card.external_id,
        }));
        let decision = Decision::unchanged(self.id)
            .put(Record::Organization(organization))
            .event(created)
            .put(Record::Member(owner))
            .event(joined);
        let decision = match self.told {
            Some(told) => decision.put(self.named(told).into()),
            None => decision,
        };
        Ok(self.accounts.iter().fold(decision, |decision, account| account.make(decision, facts)))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}

impl CreateOrganization {
    /// That its name is the source's, so that the name follows what the source says later.
    fn named(&self, told: Told) -> AccountClock {
        let said = (told.named_at > Timestamp::EPOCH)
            .then(|| SaidName::first(told.by, self.name.clone(), told.named_at));
        AccountClock {
            at: Instants([(NAME.to_owned(), told.named_at)].into()),
            name: said.unwrap_or_default(),
            ..AccountClock::new(AccountClock::of(self.id).0)
        }
    }
}

impl FirstAccount {
    fn make<T>(&self, decision: Decision<T>, facts: &Facts) -> Decision<T> {
        let account = Account {
            id: self.id,
            external_id: self.external_id.clone(),
            name: self.name.clone(),
            status: AccountStatus::Active,
            traits: Traits::default(),
            posts: crate::model::Posts::default(),
            created_at: facts.now,
        };
        let event = Event::new("account.created", "account", self.id)
            .after(json!({"name": self.name, "external_id": self.external_id}));
        let decision = decision.put(Record::Account(account)).event(event);
        match &self.external_id {
            Some(external) => decision.put(Record::AccountExternalId(external.clone(), self.id)),
            None => decision,
        }
    }
}
