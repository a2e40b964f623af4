//! Owners that traits name (rules T2, T3): the mapping in force, whom the trait names, who that is, then the post.

use std::collections::BTreeMap;

use super::claims;
use super::find_user;
use super::map_later::await_start;
use super::refresh::tidied;
use crate::facts::{NOTHING, Request};
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AccountId, OrganizationId, UserId, Version};
use crate::ingest::as_external_id;
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::customer::{Customer, Mappings, TheMapped, TheMappings};
use crate::model::{Access, MemberStatus, Post, PostName, Posts, TraitPatch, Traits, UserStatus};
use crate::op::{Roster, TRIES, run};
use crate::ops::post::{MapOwner, MappedOwner};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::store::{Read, StoreError};
use crate::text::ExternalId;

/// The mappings in force in an organization: its own beat the deployment's.
pub(crate) async fn mappings_in(
    roster: &Roster,
    organization: OrganizationId,
) -> Result<Mappings, StoreError> {
    let own = shown_mappings(roster, &Home::Organization(organization)).await?.0;
    Ok(own.over(&shown_mappings(roster, &Home::Deployment).await?.0))
}

/// The mappings that a home holds, with their version.
pub async fn shown_mappings(roster: &Roster, home: &Home) -> Result<(Mappings, Version), StoreError> {
    let key = TheMappings.key();
    let read = roster.store.read(home, std::slice::from_ref(&key), &[]).await?;
    Ok((kept(&read), read.records.get(&key).map_or(NOTHING, |stored| stored.version)))
}

fn kept(read: &Read) -> Mappings {
    match read.records.get(&TheMappings.key()).map(|stored| &stored.record) {
        Some(Record::Customer(it)) => match &**it {
            Customer::Mappings(mappings) => mappings.clone(),
            _ => Mappings::default(),
        },
        _ => Mappings::default(),
    }
}

/// Has the owner of an account, or of the organization, follow its trait. The post changes or not: one that was set by hand
/// only where the trait says something else than when it was looked at last, or is among those that were just set.
pub async fn map_owner(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: Option<AccountId>,
    set: Option<&TraitPatch>,
) -> Result<MappedOwner, OpError> {
    let home = Home::Organization(organization);
    let subject = account.map_or(Key::Organization, Key::Account);
    for attempt in 0..TRIES {
        let whole = shown_mappings(roster, &Home::Deployment).await?.0;
        let read = roster.store.read(&home, &[subject.clone(), TheMappings.key()], &[]).await?;
        let Some((posts, traits)) = place(&read, &subject) else { return Ok(MappedOwner::Unchanged) };
        let mapped_by = kept(&read).over(&whole).of(account).cloned();
        if mapped_by.is_none() && !matches!(posts.account_owner, Some(Post::Mapping { .. })) {
            return Ok(MappedOwner::Unchanged);
        }
        let external = mapped_by.as_ref().and_then(|name| traits.get(name)).and_then(as_external_id);
        let set = mapped_by.as_ref().zip(set).is_some_and(|(name, set)| set.0.contains_key(name.as_str()));
        let name = PostName { account, key_role: None };
        // Before the person: their erasure leaves another.
        let last = noted(roster, &home, TheMapped::of(organization, account)).await?;
        let (user, erased) = match &external {
            Some(external) => looked_for(roster, external).await?,
            None => (None, false),
        };
        // Before the post waits for them: what is queued in vain does no harm, and a failure leaves nothing half done.
        if let Some((user, _)) = user {
            await_start(roster, request, organization, account, user).await?;
        }
        let operation =
            MapOwner { organization, name, mapped_by, external: external.clone(), erased, user, last, set };
        let step = request.as_system(&format!("map owner {attempt}"));
        match run(roster, &step, &operation).await?.output {
            MappedOwner::Outdated => {}
            MappedOwner::Unchanged => return Ok(MappedOwner::Unchanged),
            // Where the mapping was another meanwhile, an erasure has not found them here.
            done @ MappedOwner::Changed(_) => match &external {
                Some(external) if !erased && looked_for(roster, external).await?.1 => {}
                Some(_) | None => return Ok(done),
            },
        }
    }
    Err(Refusal::Conflict.into())
}

/// The version of the note of what a trait said when its owner was last looked for.
async fn noted(roster: &Roster, home: &Home, note: TheMapped) -> Result<Option<Version>, StoreError> {
    let key = note.key();
    let read = roster.store.read(home, std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.get(&key).map(|stored| stored.version))
}

/// Who bears an external id, with how often they have been removed from everything, and whether an erased person bore it.
pub(super) async fn looked_for(
    roster: &Roster,
    external: &ExternalId,
) -> Result<(Option<(UserId, u32)>, bool), OpError> {
    match find_user(roster, &UserRef::External(external.clone())).await {
        Ok(user) if user.status == UserStatus::Erased => Ok((None, true)),
        Ok(user) => Ok((Some((user.id, user.cuts)), false)),
        Err(OpError::Refused(Refusal::NotFound)) => Ok((None, claims::is_erased(roster, external).await?)),
        Err(error) => Err(error),
    }
}

/// Looks again at posts that came to wait for people by a flush: whoever was erased between being looked for and the flush
/// was not found there by the erasure (rule L5).
pub(crate) async fn map_again_where_erased(
    roster: &Roster,
    request: &Request,
    waiting: BTreeMap<ExternalId, Vec<(OrganizationId, Option<AccountId>)>>,
) -> Result<(), OpError> {
    for (external, places) in waiting {
        if !looked_for(roster, &external).await?.1 {
            continue;
        }
        for (organization, account) in places {
            let at = account.map_or_else(|| organization.to_string(), |account| account.to_string());
            map_owner(roster, &request.step(&at), organization, account, None).await?;
        }
    }
    Ok(())
}

fn place<'a>(read: &'a Read, subject: &Key) -> Option<(&'a Posts, &'a Traits)> {
    match read.records.get(subject).map(|stored| &stored.record) {
        Some(Record::Account(it)) => Some((&it.posts, &it.traits)),
        Some(Record::Organization(it)) => Some((&it.posts, &it.traits)),
        _ => None,
    }
}

/// What comes after an act by which somebody joined: posts that waited for them are theirs (rule T3). If it fails they
/// wait on, until the trait is set or mapped again, or the hourly round or a repair looks.
pub(crate) async fn resolve_waiting(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
) {
    tidied(resolve(roster, request, organization, user).await);
}

async fn resolve(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
) -> Result<(), OpError> {
    let home = Home::Organization(organization);
    let read = roster.store.read(&home, &[Key::Organization, Key::Member(user)], &[]).await?;
    let Some(Record::Member(member)) = read.records.get(&Key::Member(user)).map(|it| &it.record) else {
        return Ok(());
    };
    let Some(external) = member.card.external_id.clone().filter(|_| member.status == MemberStatus::Active)
    else {
        return Ok(());
    };
    let waits = |posts: &Posts| matches!(&posts.account_owner, Some(Post::Mapping { external_id, user: None, .. }) if *external_id == external);
    if place(&read, &Key::Organization).is_some_and(|(posts, _)| waits(posts)) {
        map_owner(roster, request, organization, None, None).await?;
    }
    let mut waiting = Vec::new();
    match &member.access {
        Access::Accounts(roles) => {
            let keys: Vec<Key> = roles.keys().map(|account| Key::Account(*account)).collect();
            let read = roster.store.read(&home, &keys, &[]).await?;
            waiting.extend(read.records.values().filter_map(|stored| match &stored.record {
                Record::Account(account) if waits(&account.posts) => Some(account.id),
                _ => None,
            }));
        }
        Access::Organization(_) => {
            let listing = Listing::Accounts { organization, status: None, scope: Scope::All };
            let mut page = PageRequest { after: None, limit: 200 };
            loop {
                let found = roster.store.list(&listing, &page).await?;
                waiting.extend(found.rows.iter().filter_map(|row| match &row.stored.record {
                    Record::Account(account) if waits(&account.posts) => Some(account.id),
                    _ => None,
                }));
                page.after = found.rows.last().map(|row| row.position.clone());
                if !found.more {
                    break;
                }
            }
        }
    }
    for account in waiting {
        map_owner(roster, &request.step(&account.to_string()), organization, Some(account), None).await?;
    }
    Ok(())
}
