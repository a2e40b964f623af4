//! Owners who do not follow their trait: somebody has come for whom a post waits, or a trait says another, and whoever did
//! that died, or found the store silent, before the owner was looked for (rules T2, T3).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::map_owner::{looked_for, map_owner, mappings_in};
use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AccountId, JobId, OrganizationId};
use crate::ingest::as_external_id;
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::customer::{Customer, Mapped, Mappings, TheMapped};
use crate::model::{Post, Posts, Traits, Work};
use crate::op::{Roster, preflight};
use crate::ops::post::{MapOwner, MappedOwner};
use crate::refusal::OpError;
use crate::store::{StoreError, Stored};

/// How many accounts are looked at together.
const CHUNK: u16 = 200;

/// What traits said when owners were last looked for.
type Notes = BTreeMap<Uuid, Mapped>;

/// The owner of an account, or of the organization for none, with what is to be held against it.
struct Owned<'a> {
    account: Option<AccountId>,
    posts: &'a Posts,
    traits: &'a Traits,
}

impl<'a> Owned<'a> {
    fn of(record: &'a Record) -> Option<Self> {
        match record {
            Record::Account(it) => Some(Self { account: Some(it.id), posts: &it.posts, traits: &it.traits }),
            Record::Organization(it) => Some(Self { account: None, posts: &it.posts, traits: &it.traits }),
            _ => None,
        }
    }

    fn waits(&self) -> bool {
        matches!(self.posts.account_owner, Some(Post::Mapping { user: None, .. }))
    }

    /// Whether it may lag: it waits, or what its trait says by the mapping in force is not what the owner was last looked for
    /// by. One that was never looked at may if its trait names somebody.
    fn may_lag(&self, note: Option<&Mapped>, mappings: &Mappings) -> bool {
        let Some(by) = mappings.of(self.account) else { return false };
        let named = self.traits.get(by).and_then(as_external_id);
        let mapped = matches!(self.posts.account_owner, Some(Post::Mapping { .. }));
        if named.is_none() && !mapped {
            return false;
        }
        match note {
            Some(note) if note.by.as_ref() == Some(by) => self.waits() || note.external != named,
            // What was set or emptied by hand since holds until the trait changes (rule T3).
            Some(_) => mapped,
            None => !matches!(self.posts.account_owner, Some(Post::Manual { .. })),
        }
    }
}

/// Of what an organization holds, the accounts, and itself for none, whose owner would be another if they were looked for
/// now. None while a job is to look at all of them.
pub(crate) async fn lagging_owners(
    roster: &Roster,
    organization: OrganizationId,
    held: &[Stored],
) -> Result<Vec<Option<AccountId>>, StoreError> {
    let notes = notes(held.iter().map(|stored| &stored.record));
    let (mappings, mut lagging) = (mappings_in(roster, organization).await?, Vec::new());
    for owned in held.iter().filter_map(|stored| Owned::of(&stored.record)) {
        let TheMapped(subject) = TheMapped::of(organization, owned.account);
        if owned.may_lag(notes.get(&subject), &mappings)
            && is_another(roster, organization, &owned, &mappings).await?
        {
            lagging.push(owned.account);
        }
    }
    if !lagging.is_empty() && is_looked_at(roster, organization).await? {
        lagging.clear();
    }
    Ok(lagging)
}

/// Whether a job has begun to look at the owners of an organization, or is about to.
async fn is_looked_at(roster: &Roster, organization: OrganizationId) -> Result<bool, StoreError> {
    for home in [Home::Organization(organization), Home::Deployment] {
        let now = roster.store.read(&home, &[], &[]).await?.now();
        let mut after = Some(Key::Job(JobId::from_uuid(Uuid::nil())));
        while let Some(behind) = after.take() {
            for stored in roster.store.records(&home, Some(&behind), CHUNK).await? {
                let Record::Job(job) = &stored.record else { break };
                if matches!(job.work, Work::MapOwners { .. })
                    && !(job.cancelled || job.status.is_finished())
                    && job.not_before <= now
                {
                    return Ok(true);
                }
                after = Some(stored.record.key());
            }
        }
    }
    Ok(false)
}

/// Whether the owner would be another if they were looked for now.
async fn is_another(
    roster: &Roster,
    organization: OrganizationId,
    owned: &Owned<'_>,
    mappings: &Mappings,
) -> Result<bool, StoreError> {
    let seen = async {
        let mapped_by = mappings.of(owned.account).cloned();
        let named = mapped_by.as_ref().and_then(|name| owned.traits.get(name));
        let external = named.and_then(as_external_id);
        let note = TheMapped::of(organization, owned.account).key();
        let read =
            roster.store.read(&Home::Organization(organization), std::slice::from_ref(&note), &[]).await?;
        let last = read.records.get(&note).map(|stored| stored.version);
        let (user, erased) = match &external {
            Some(external) => looked_for(roster, external).await?,
            None => (None, false),
        };
        let name = crate::model::PostName { account: owned.account, key_role: None };
        let operation = MapOwner { organization, name, mapped_by, external, erased, user, last, set: false };
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        preflight(roster, &system, &operation).await
    };
    match Box::pin(seen).await {
        Ok(outcome) => Ok(matches!(outcome, MappedOwner::Changed(_))),
        Err(OpError::Store(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Looks again at the owners of an organization that may lag; how many posts are another's now.
pub(crate) async fn map_lagging_owners(
    roster: &Roster,
    organization: OrganizationId,
) -> Result<usize, OpError> {
    let mappings = mappings_in(roster, organization).await?;
    let mut changed = 0;
    if mappings.organization_owner_trait.is_some() {
        let home = Home::Organization(organization);
        let read = roster.store.read(&home, &[Key::Organization], &[]).await?;
        let held: Vec<Stored> = read.records.into_values().collect();
        changed += map_again(roster, organization, &mappings, &held).await?;
    }
    let listing = Listing::Accounts { organization, status: None, scope: Scope::All };
    let mut page = PageRequest { after: None, limit: CHUNK };
    let mut more = mappings.account_owner_trait.is_some();
    while more {
        let found = roster.store.list(&listing, &page).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        more = found.more;
        let held: Vec<Stored> = found.rows.into_iter().map(|row| row.stored).collect();
        changed += map_again(roster, organization, &mappings, &held).await?;
    }
    Ok(changed)
}

async fn map_again(
    roster: &Roster,
    organization: OrganizationId,
    mappings: &Mappings,
    held: &[Stored],
) -> Result<usize, OpError> {
    let owned: Vec<Owned<'_>> = held.iter().filter_map(|stored| Owned::of(&stored.record)).collect();
    let keys: Vec<Key> = owned.iter().map(|it| TheMapped::of(organization, it.account).key()).collect();
    let read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let notes = notes(read.records.values().map(|stored| &stored.record));
    let mut changed = 0;
    for it in owned {
        let TheMapped(subject) = TheMapped::of(organization, it.account);
        let note = notes.get(&subject);
        // What was never looked at is, too: a job for its mapping finds it done.
        if note.is_some() && !it.may_lag(note, mappings) {
            continue;
        }
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        let done = Box::pin(map_owner(roster, &system, organization, it.account, None)).await?;
        changed += usize::from(matches!(done, MappedOwner::Changed(_)));
    }
    Ok(changed)
}

fn notes<'a>(records: impl Iterator<Item = &'a Record>) -> Notes {
    let notes = records.filter_map(|record| match record {
        Record::Customer(it) => match &**it {
            Customer::Mapped(note) => Some((note.subject, note.clone())),
            _ => None,
        },
        _ => None,
    });
    notes.collect()
}
