//! The reference store: everything in memory, behind one lock. What it answers, every store answers.

pub(crate) mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::RwLock;

use crate::health::{Description, Durability};
use crate::home::{Home, Key, Record, Tally};
use crate::id::{RoleId, UserId};
use crate::listing::{Listing, Page, PageRequest};
use crate::load::{Load, Part, check_parts, not_begun, not_empty};
use crate::log::{LogFilter, Logged};
use crate::model::{Role, SHARDS};
use crate::presence::{Presence, Stay};
use crate::store::{
    AccessFacts, AccessKey, ChangeSet, Clock, CommitError, Committed, Dump, MemberFacts, Read, Store,
    StoreError, Stored, replacements,
};
use crate::time::Timestamp;

use data::HomeData;

/// The memory store. Its clock is handed in.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    homes: Mutex<BTreeMap<Home, HomeData>>,
    half: AtomicBool,
    present: Arc<RwLock<()>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, homes: Mutex::default(), half: AtomicBool::default(), present: Arc::default() }
    }

    /// A store that holds the same, with a clock of its own.
    #[must_use]
    pub fn copied(&self, clock: Arc<dyn Clock>) -> Self {
        Self { homes: Mutex::new(self.homes().clone()), ..Self::new(clock) }
    }

    fn homes(&self) -> MutexGuard<'_, BTreeMap<Home, HomeData>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        Ok(self.homes().get(home).unwrap_or(&HomeData::new(home)).read(self.clock.now(), keys, tallies))
    }

    async fn missing(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let there = self.homes();
        Ok(homes.iter().filter(|home| !there.contains_key(home)).cloned().collect())
    }

    async fn without_receipts(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let there = self.homes();
        let holds_one = |home: &&Home| there.get(*home).is_some_and(HomeData::has_receipts);
        Ok(homes.iter().filter(|home| !holds_one(home)).cloned().collect())
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let mut homes = self.homes();
        let now = self.clock.now();
        homes.entry(changes.home.clone()).or_insert_with(|| HomeData::new(&changes.home)).commit(changes, now)
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>> {
        let mut outcomes = Vec::with_capacity(sets.len());
        for set in sets {
            outcomes.push(self.commit(set).await);
        }
        outcomes
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let homes = self.homes();
        let in_homes: Vec<&HomeData> = match (listing, listing.home()) {
            (_, Some(home)) => homes.get(&home).into_iter().collect(),
            (Listing::Directory { kind, .. }, None) => {
                (0..SHARDS).filter_map(|shard| homes.get(&Home::Directory(*kind, shard))).collect()
            }
            (_, None) => Vec::new(),
        };
        Ok(data::page_of(&in_homes, listing, page, self.clock.now()))
    }

    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        let homes = self.homes();
        let clock = self.clock.now();
        Ok(asks.iter().map(|ask| facts(&homes, ask, clock)).collect())
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        let homes = self.homes();
        let Some(data) = homes.get(home) else {
            return Ok(Vec::new());
        };
        Ok(data
            .log
            .iter()
            .filter(|logged| logged.seq > after)
            .filter(|logged| filter.wants(logged))
            .take(limit.into())
            .cloned()
            .collect())
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let homes = self.homes();
        let mut names: Vec<(String, &Home)> = homes
            .iter()
            .filter(|(_, data)| !data.is_empty())
            .map(|(home, _)| (home.to_string(), home))
            .filter(|(name, _)| *name > after)
            .collect();
        names.sort();
        Ok(names.into_iter().take(limit.into()).map(|(_, home)| home.clone()).collect())
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        Ok(self.homes().get(home).unwrap_or(&HomeData::new(home)).dump())
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        Ok(self.homes().get(home).unwrap_or(&HomeData::new(home)).records_after(after, limit))
    }

    async fn load(&self, step: Load<'_>) -> Result<(), StoreError> {
        let mut homes = self.homes();
        match step {
            Load::Begin
                if self.half.load(Ordering::SeqCst) || homes.values().any(|data| !data.is_empty()) =>
            {
                Err(not_empty())
            }
            Load::Begin => {
                self.half.store(true, Ordering::SeqCst);
                Ok(())
            }
            Load::Parts(_) | Load::End if !self.half.load(Ordering::SeqCst) => Err(not_begun()),
            Load::Parts(parts) => {
                check_parts(parts)?;
                load(&mut homes, parts)
            }
            Load::End => {
                self.half.store(false, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        let mut homes = self.homes();
        let empty = homes.get(home).is_some_and(|data| data.is_empty() && !home.has_log());
        if empty {
            homes.remove(home);
        } else if let Some(data) = homes.get_mut(home) {
            for logged in &mut data.log {
                logged.personal.retain(|value| value.subject != subject);
            }
        }
        Ok(())
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        Ok(match presence {
            Presence::Serving => Arc::clone(&self.present).try_read_owned().ok().map(Stay::with),
            Presence::Alone => Arc::clone(&self.present).try_write_owned().ok().map(Stay::with),
        })
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        Ok(Description { backend: "memory", durability: Durability::Full, schema: 1, known_schema: 1 })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Adds parts to copies of their homes, and puts them in place when all went well.
fn load(homes: &mut BTreeMap<Home, HomeData>, parts: &[Part]) -> Result<(), StoreError> {
    let mut loaded = BTreeMap::new();
    for part in parts {
        let kept = || homes.get(&part.home).cloned().unwrap_or_else(|| HomeData::new(&part.home));
        loaded.entry(part.home.clone()).or_insert_with(kept).load(part)?;
    }
    homes.extend(loaded);
    Ok(())
}

fn facts(homes: &BTreeMap<Home, HomeData>, ask: &AccessKey, clock: Timestamp) -> AccessFacts {
    let organization = ask.organization.and_then(|id| homes.get(&Home::Organization(id)));
    let user = ask.user.and_then(|id| homes.get(&Home::User(id)));
    let find = |key: Option<Key>| {
        let (data, key) = organization.zip(key)?;
        data.records.get(&key).map(|stored| &stored.record)
    };
    let pick_user = |data: &HomeData| match data.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) => Some(user.clone()),
        _ => None,
    };
    let facts = AccessFacts {
        now: organization.map_or(clock, |data| data.head.time.max(clock)),
        organization: match find(Some(Key::Organization)) {
            Some(Record::Organization(organization)) => Some(organization.status),
            _ => None,
        },
        user: user.and_then(pick_user).map(|user| user.status),
        cuts: user.and_then(pick_user).map_or(0, |user| user.cuts),
        member: match find(ask.user.map(Key::Member)) {
            Some(Record::Member(member)) => {
                let (organization_role, account_role) = MemberFacts::roles(&member.access, ask.account);
                Some(MemberFacts {
                    status: member.status,
                    starts_at: member.starts_at,
                    expires_at: member.expires_at,
                    epoch: member.epoch,
                    organization_role,
                    account_role,
                })
            }
            _ => None,
        },
        account: match find(ask.account.map(Key::Account)) {
            Some(Record::Account(account)) => Some(account.status),
            _ => None,
        },
        api_key: match find(ask.api_key.map(Key::ApiKey)) {
            Some(Record::ApiKey(key)) => Some(key.clone()),
            _ => None,
        },
        roles: Vec::new(),
    };
    let named = facts.custom_roles();
    let read = |ids: Vec<RoleId>| -> Vec<Role> {
        let found = ids.into_iter().map(|id| find(Some(Key::Role(id))));
        found
            .filter_map(
                |record| if let Some(Record::Role(role)) = record { Some(role.clone()) } else { None },
            )
            .collect()
    };
    let roles = read(named);
    let next = read(replacements(&roles));
    facts.with_roles(roles.into_iter().chain(next).collect())
}
