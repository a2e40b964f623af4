//! What an operation sees of its home.

use std::collections::{BTreeMap, BTreeSet};

use super::Roster;
use crate::actor::{Actor, Via};
use crate::facts::Request;
use crate::flows::sweep::Cut;
use crate::home::{Home, Key, Record, Tally, TheMember, TheOrganization, TypedKey};
use crate::id::{AccountId, ApiKeyId, OrganizationId, RoleId, UserId, Version};
use crate::known::Known;
use crate::log::Head;
use crate::model::{AccountStatus, ApiKey, Member, Organization, OrganizationStatus};
use crate::permission::RoleRef;
use crate::policy::{Roles, Standing, custom_roles};
use crate::refusal::Refusal;
use crate::store::{Store, StoreError, Stored};
use crate::time::Timestamp;

/// What an operation sees of its home. Remembers every key that was read.
#[derive(Debug)]
pub struct View<'a> {
    store: &'a dyn Store,
    pub(super) home: Home,
    actor: Actor,
    cuts: u32,
    known: Known,
    now: Timestamp,
    head: Option<Head>,
    /// Whom it is done to, with how often they have been removed from everything.
    pub(super) subject: Option<(UserId, Cut)>,
    pub(super) seen: BTreeMap<Key, Option<Stored>>,
}

impl<'a> View<'a> {
    /// A view of a home for a request, with nothing seen yet.
    pub fn new(roster: &'a Roster, home: Home, request: &Request) -> Self {
        let (store, known) = (roster.store.as_ref(), request.known.clone());
        let (actor, cuts, now) = (request.actor, request.cuts, Timestamp::EPOCH);
        Self { store, home, actor, cuts, known, now, head: None, subject: None, seen: BTreeMap::new() }
    }

    /// Reads keys in one round trip, so that `get` need not. What the request has read already is not read again.
    pub async fn fetch(&mut self, keys: impl IntoIterator<Item = Key> + Send) -> Result<(), StoreError> {
        let mut keys: Vec<Key> = keys.into_iter().filter(|key| !self.seen.contains_key(key)).collect();
        keys.retain(|key| !self.recall(key));
        if keys.is_empty() && self.head.is_some() {
            return Ok(());
        }
        keys.sort_unstable();
        keys.dedup();
        let mut read = self.store.read(&self.home, &keys, &[]).await?;
        self.now = self.now.max(read.now());
        self.head = Some(read.head);
        for key in keys {
            let found = read.records.remove(&key);
            self.seen.insert(key, found);
        }
        Ok(())
    }

    /// How tallies stand. What is decided by them must be checked in the commit.
    pub async fn tallies(&mut self, tallies: &[Tally]) -> Result<BTreeMap<Tally, i64>, StoreError> {
        if tallies.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(self.store.read(&self.home, &[], tallies).await?.tallies)
    }

    /// Whether the request has read a key when it began.
    fn recall(&mut self, key: &Key) -> bool {
        let Some(read) = self.known.of(&self.home, key) else { return false };
        self.now = self.now.max(read.now());
        self.head = Some(read.head);
        let found = read.records.get(key).cloned();
        self.seen.insert(key.clone(), found);
        true
    }

    /// The record under a key, as time has made it; of whom it is done to, as a removal from everything has left them.
    pub async fn get<K: TypedKey + Sync>(&mut self, key: &K) -> Result<Option<K::Record>, StoreError> {
        let key = key.key();
        self.fetch([key.clone()]).await?;
        let record = self.seen.get(&key).cloned().flatten().map(|stored| stored.record);
        Ok(record.map(|record| self.as_it_is(record)).and_then(K::pick))
    }

    fn as_it_is(&self, record: Record) -> Record {
        match (record.at(self.now), self.subject) {
            (Record::Member(member), Some((user, (cuts, cut_at)))) if member.user == user => {
                Record::Member(member.after_cuts(cuts, cut_at.max(member.joined_at)))
            }
            (record, _) => record,
        }
    }

    /// Reads roles of the organization's own and what replaces them, so that the standing made next knows them.
    pub async fn fetch_roles(
        &mut self,
        ids: impl IntoIterator<Item = RoleId> + Send,
    ) -> Result<(), StoreError> {
        let ids: Vec<RoleId> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.fetch(ids.iter().map(|id| Key::Role(*id)).collect::<Vec<_>>()).await?;
        let mut next = Vec::new();
        for id in &ids {
            if let Some(RoleRef::Custom(id)) = self.get(id).await?.and_then(|role| role.replaced_by) {
                next.push(Key::Role(id));
            }
        }
        if next.is_empty() { Ok(()) } else { self.fetch(next).await }
    }

    /// The roles of the organization's own that were read.
    pub fn roles(&self) -> Roles {
        Roles::of(self.seen.values().flatten().filter_map(|stored| match &stored.record {
            Record::Role(role) => Some(role.clone()),
            _ => None,
        }))
    }

    /// Who acts.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// The instant to decide by.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The organization and how the actor stands in it, by one round trip; by one more for those who hold roles on single
    /// accounts. The standing knows the roles that were read before it.
    pub async fn organization(&mut self) -> Result<(Option<Organization>, Standing), StoreError> {
        let own = match self.actor {
            Actor::ApiKey { key, .. } => vec![Key::ApiKey(key)],
            Actor::User { user, via: Via::ApiKey { key, .. } | Via::PersonalKey { key, .. } } => {
                vec![Key::Member(user), Key::ApiKey(key)]
            }
            Actor::User { user, .. } => vec![Key::Member(user)],
            Actor::Operator { .. } | Actor::Source { .. } | Actor::Visitor | Actor::System => Vec::new(),
        };
        self.fetch(own.into_iter().chain([Key::Organization])).await?;
        let organization = self.get(&TheOrganization).await?;
        let standing = match self.actor {
            Actor::Operator { .. } | Actor::Source { .. } | Actor::System => Standing::everything(),
            Actor::Visitor => Standing::none(),
            Actor::ApiKey { organization, key } => self.key_standing(organization, key).await?,
            Actor::User { user, via } => {
                let member = self.get(&TheMember(user)).await?.filter(|member| member.survives(self.cuts));
                if let Some(member) = &member {
                    self.fetch_roles(custom_roles(&member.access).collect::<Vec<_>>()).await?;
                }
                let standing = Standing::of_member(member.as_ref(), self.now);
                match via {
                    Via::PersonalKey { organization, key } => {
                        let key = self.get(&key).await?;
                        let bound = self.home == Home::Organization(organization);
                        let holds = personal_key_holds(key.as_ref(), member.as_ref(), self.now);
                        if bound && holds { standing } else { Standing::none() }
                    }
                    Via::Session { since, .. } => {
                        let cut = member.is_some_and(|member| member.has_cut(since));
                        if cut && standing.is_in() { Standing::stale() } else { standing }
                    }
                    Via::Operator { .. } | Via::Invitation { .. } => standing,
                    // These speak for the person in their own home only.
                    Via::Reset { .. } | Via::EmailChange { .. } => Standing::none(),
                    Via::ApiKey { organization, key } => {
                        standing.under(self.key_standing(organization, key).await?)
                    }
                }
            }
        };
        let standing = self.through_active(standing).await?;
        Ok((organization, standing.knowing(self.roles())))
    }

    async fn key_standing(
        &mut self,
        organization: OrganizationId,
        key: ApiKeyId,
    ) -> Result<Standing, StoreError> {
        if self.home != Home::Organization(organization) {
            return Ok(Standing::none());
        }
        let key = self.get(&key).await?;
        if let Some(key) = &key {
            self.fetch_roles(custom_roles(&key.access).collect::<Vec<_>>()).await?;
        }
        Ok(Standing::of_key(key.as_ref(), self.now))
    }

    /// The same without what is held on archived accounts (rule O8). Of those nothing is remembered, so that no commit of somebody
    /// with many accounts waits for what others do to them: an act on one of them reads it for itself, by [`View::stand_on`] where
    /// it needs nothing else of it.
    async fn through_active(&self, standing: Standing) -> Result<Standing, StoreError> {
        let accounts: Vec<Key> = standing.accounts().map(Key::Account).collect();
        if accounts.is_empty() {
            return Ok(standing);
        }
        let read = self.store.read(&self.home, &accounts, &[]).await?;
        let archived = read.records.into_values().filter_map(|stored| match stored.record {
            Record::Account(account) if account.status == AccountStatus::Archived => Some(account.id),
            _ => None,
        });
        Ok(standing.closed(archived.collect()))
    }

    /// The organization, visible to the actor and open: what almost every operation begins with.
    pub async fn open_organization(&mut self) -> Result<Visible, StoreError> {
        let (organization, standing) = self.organization().await?;
        Ok(Visible { organization, standing, operator: self.actor.is_operator() })
    }

    /// Of the accounts that an act touches, those on which the actor stands by a role on them alone: they are read, and guarded with
    /// the commit, so that of one that is archived in the same instant nobody makes use any more (rule O8).
    pub async fn stand_on(
        &mut self,
        mut visible: Visible,
        touched: impl IntoIterator<Item = AccountId>,
    ) -> Result<Visible, StoreError> {
        let own: BTreeSet<AccountId> = visible.standing.accounts().collect();
        let touched: BTreeSet<AccountId> =
            touched.into_iter().filter(|account| own.contains(account)).collect();
        self.fetch(touched.iter().map(|account| Key::Account(*account)).collect::<Vec<_>>()).await?;
        let archived = |account: &AccountId| match self.seen.get(&Key::Account(*account)) {
            Some(Some(Stored { record: Record::Account(it), .. })) => it.status == AccountStatus::Archived,
            _ => false,
        };
        visible.standing = visible.standing.closed(touched.into_iter().filter(archived).collect());
        Ok(visible)
    }

    /// Keys that were read whose record has ended by time and is not settled yet.
    pub(crate) fn due(&self) -> Vec<Key> {
        let ended = |stored: &Stored| stored.record.due().is_some_and(|due| due.at <= self.now);
        self.seen
            .iter()
            .filter(|(_, found)| found.as_ref().is_some_and(ended))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// A member who was read, as they are stored.
    pub(crate) fn member(&self, user: UserId) -> Option<&Member> {
        match &self.seen.get(&Key::Member(user))?.as_ref()?.record {
            Record::Member(member) => Some(member),
            _ => None,
        }
    }

    /// The version of a record that was read.
    pub fn version(&self, key: &Key) -> Option<Version> {
        self.seen.get(key)?.as_ref().map(|stored| stored.version)
    }
}

/// Whether a personal key lives at an instant, and its member has not been cut since it was made (rule M7).
pub(crate) fn personal_key_holds(key: Option<&ApiKey>, member: Option<&Member>, now: Timestamp) -> bool {
    let (Some(key), Some(member)) = (key, member) else { return false };
    key.user == Some(member.user) && key.is_live(now) && member.is_in(now) && !member.has_cut(key.created_at)
}

/// An organization as it was read, before it is known whether the actor may see it.
#[derive(Clone, Debug)]
pub struct Visible {
    organization: Option<Organization>,
    standing: Standing,
    operator: bool,
}

impl Visible {
    /// The organization and the actor's standing in it; 404 where there is none, 409 for an operator on a closed one.
    pub fn open(self) -> Result<(Organization, Standing), Refusal> {
        let organization = self.organization.ok_or(Refusal::NotFound)?;
        match organization.status {
            OrganizationStatus::Active if self.standing.is_stale() => Err(Refusal::ReauthenticationRequired),
            OrganizationStatus::Active if self.standing.is_in() => Ok((organization, self.standing)),
            OrganizationStatus::Closed if self.operator => Err(Refusal::OrganizationClosed),
            OrganizationStatus::Active | OrganizationStatus::Closed => Err(Refusal::NotFound),
        }
    }
}
