//! Owners that traits name (rules T2, T3): the mapping in force, whom the trait names, who that is, then the post.

use super::claims;
use super::find_user;
use super::map_later::await_start;
use super::refresh::tidied;
use crate::facts::{NOTHING, Request};
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AccountId, OrganizationId, UserId, Version};
use crate::ingest::as_external_id;
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::customer::{Customer, Mappings, TheMappings};
use crate::model::{Access, MemberStatus, Post, PostName, Posts, Traits, UserStatus};
use crate::op::{Roster, TRIES, run};
use crate::ops::post::{MapOwner, MappedOwner};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::store::{Read, StoreError};

/// The mappings in force: the organization's own beat the deployment's.
async fn mappings(roster: &Roster, home: &Home) -> Result<Mappings, StoreError> {
    Ok(shown_mappings(roster, home).await?.0)
}

/// The same with their version.
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

/// Has the owner of an account, or of the organization, follow its trait. The post changes or not.
pub async fn map_owner(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: Option<AccountId>,
) -> Result<MappedOwner, OpError> {
    let home = Home::Organization(organization);
    let subject = account.map_or(Key::Organization, Key::Account);
    let whole = mappings(roster, &Home::Deployment).await?;
    for attempt in 0..TRIES {
        let read = roster.store.read(&home, &[subject.clone(), TheMappings.key()], &[]).await?;
        let Some((posts, traits)) = place(&read, &subject) else { return Ok(MappedOwner::Unchanged) };
        let own = kept(&read);
        let mapped_by = match account {
            Some(_) => own.account_owner_trait.or_else(|| whole.account_owner_trait.clone()),
            None => own.organization_owner_trait.or_else(|| whole.organization_owner_trait.clone()),
        };
        if mapped_by.is_none() && !matches!(posts.account_owner, Some(Post::Mapping { .. })) {
            return Ok(MappedOwner::Unchanged);
        }
        let external = mapped_by.as_ref().and_then(|name| traits.get(name)).and_then(as_external_id);
        let (user, erased) = match &external {
            Some(external) => match find_user(roster, &UserRef::External(external.clone())).await {
                Ok(user) if user.status == UserStatus::Erased => (None, true),
                Ok(user) => (Some((user.id, user.cuts)), false),
                Err(OpError::Refused(Refusal::NotFound)) => {
                    (None, claims::is_erased(roster, external).await?)
                }
                Err(error) => return Err(error),
            },
            None => (None, false),
        };
        let name = PostName { account, key_role: None };
        // Before the post waits for them: what is queued in vain does no harm, and a failure leaves nothing half done.
        if let Some((user, _)) = user {
            await_start(roster, request, organization, account, user).await?;
        }
        let operation = MapOwner { organization, name, mapped_by, external, erased, user };
        let step = request.as_system(&format!("map owner {attempt}"));
        match run(roster, &step, &operation).await?.output {
            MappedOwner::Outdated => {}
            // No membership has told of it where there is none. What was written goes with the next look.
            _ if is_gone(roster, user).await? => {}
            done => return Ok(done),
        }
    }
    Err(Refusal::Conflict.into())
}

/// Whether somebody who was found has been erased since.
async fn is_gone(roster: &Roster, found: Option<(UserId, u32)>) -> Result<bool, OpError> {
    match found {
        Some((user, _)) => Ok(find_user(roster, &user.into()).await?.status == UserStatus::Erased),
        None => Ok(false),
    }
}

fn place<'a>(read: &'a Read, subject: &Key) -> Option<(&'a Posts, &'a Traits)> {
    match read.records.get(subject).map(|stored| &stored.record) {
        Some(Record::Account(it)) => Some((&it.posts, &it.traits)),
        Some(Record::Organization(it)) => Some((&it.posts, &it.traits)),
        _ => None,
    }
}

/// What comes after an act by which somebody joined: posts that waited for them are theirs (rule T3). If it fails they
/// wait on, until the trait is set or mapped again.
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
        map_owner(roster, request, organization, None).await?;
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
        map_owner(roster, &request.step(&account.to_string()), organization, Some(account)).await?;
    }
    Ok(())
}
