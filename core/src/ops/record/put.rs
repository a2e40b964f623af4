//! Registering a record, or changing what is registered.

use super::{fields, reach};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember, TheRecordTypes, TheSuccessions};
use crate::id::{AccountId, OrganizationId, RecordId, UserId};
use crate::model::{AccountStatus, Holding, HoldingName, HoldingTypes, MAX_TYPES, Member, Successions};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::member::find_accounts;
use crate::reference::AccountRef;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{ExternalId, Name, RecordType};

/// Registers something that a user owns, or replaces what is registered of it.
#[derive(Debug)]
pub struct PutRecord {
    /// Where.
    pub organization: OrganizationId,
    /// What kind of thing.
    pub kind: RecordType,
    /// The vendor's id.
    pub external_id: ExternalId,
    /// Who owns it.
    pub owner: UserId,
    /// How often that one has been removed from everything, as it was read before.
    pub cuts: u32,
    /// On which account it lies.
    pub account: Option<AccountRef>,
    /// What people call it.
    pub title: Option<Name>,
}

/// What [`PutRecord`] did.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordPut {
    /// The record after it.
    pub holding: Holding,
    /// Whether it is new.
    pub created: bool,
}

/// What is there before.
#[derive(Debug)]
pub struct PutRead {
    visible: Visible,
    owner: Option<Member>,
    account: Option<(AccountId, AccountStatus)>,
    types: HoldingTypes,
    successions: Option<Successions>,
    before: Option<Holding>,
}

impl Operation for PutRecord {
    type State = PutRead;
    type Output = RecordPut;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Holding(self.name()))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<PutRead, StoreError> {
        let name = self.name();
        let keys = [Key::Member(self.owner), Key::RecordTypes, Key::Successions, Key::Holding(name.clone())];
        view.fetch(keys).await?;
        let account = match &self.account {
            Some(named) => find_accounts(view, &[named]).await?.pop().flatten(),
            None => None,
        };
        let before = view.get(&name).await?;
        let visible = view.open_organization().await?;
        Ok(PutRead {
            visible: view.stand_on(visible, before.as_ref().and_then(|before| before.account)).await?,
            owner: view.get(&TheMember(self.owner)).await?,
            account,
            types: view.get(&TheRecordTypes).await?.unwrap_or_default(),
            successions: view.get(&TheSuccessions).await?,
            before,
        })
    }

    fn decide(&self, read: PutRead, facts: &Facts) -> Result<Decision<RecordPut>, Refusal> {
        let (_, standing) = read.visible.open()?;
        let owner = read.owner.ok_or(Refusal::NotFound)?;
        let account = match (&self.account, read.account) {
            (Some(_), None) => return Err(Refusal::NotFound),
            (_, found) => found.map(|(id, _)| id),
        };
        let successions = read.successions.unwrap_or_default();
        let before = read.before.as_ref().map(|stored| successions.apply(stored));
        let policy = facts.policies.access.as_ref();
        policy.require(&standing, "records:manage", reach(account))?;
        if let Some(before) = &before {
            policy.require(&standing, "records:manage", reach(before.account))?;
        }
        let kept = before.as_ref().is_some_and(|before| before.owner == self.owner);
        if !kept {
            owner.clone().able(self.cuts, facts.now)?;
        }
        let (types, kind_number) = self.number(read.types)?;
        let holding = Holding {
            id: before.as_ref().map_or_else(|| RecordId::from_uuid(facts.fresh("record")), |it| it.id),
            kind: self.kind.clone(),
            kind_number,
            external_id: self.external_id.clone(),
            owner: self.owner,
            after: successions.next,
            account,
            title: self.title.clone(),
            created_at: before.as_ref().map_or(facts.now, |before| before.created_at),
        };
        let output = RecordPut { holding: holding.clone(), created: before.is_none() };
        if before.as_ref() == Some(&holding) {
            return Ok(Decision::unchanged(output));
        }
        let decision = Decision::unchanged(output).put(Record::Holding(holding.clone()));
        let decision = types.into_iter().map(Record::RecordTypes).fold(decision, Decision::put);
        let decision = match &read.before {
            Some(stored) => settled(decision, successions, stored),
            None => decision,
        };
        let action = if before.is_none() { "record.created" } else { "record.reassigned" };
        let event = Event { user: Some(self.owner), ..Event::new(action, "record", holding.id) }
            .before(before.as_ref().map(|before| fields(before, Some(&owner))).unwrap_or_default())
            .after(fields(&holding, Some(&owner)));
        Ok(decision.event(event))
    }
}

impl PutRecord {
    fn name(&self) -> HoldingName {
        HoldingName::new(&self.kind, &self.external_id)
    }

    /// The number of the type, and the types with it where it is new.
    fn number(&self, mut types: HoldingTypes) -> Result<(Option<HoldingTypes>, u16), Refusal> {
        if let Some(number) = types.number(&self.kind) {
            return Ok((None, number));
        }
        let number = u16::try_from(types.0.len()).unwrap_or(u16::MAX);
        if types.0.len() >= MAX_TYPES {
            let text = format!("an organization has at most {MAX_TYPES} types of records");
            return Err(Refusal::invalid("#type", text));
        }
        types.0.push(self.kind.clone());
        Ok((Some(types), number))
    }
}

/// The same with a hand-over that has one record less to rewrite, if the record was handed over.
pub(super) fn settled<T>(
    decision: Decision<T>,
    mut successions: Successions,
    stored: &Holding,
) -> Decision<T> {
    let before = successions.clone();
    successions.settle(stored);
    if successions == before { decision } else { decision.put_over(Record::Successions(successions)) }
}
