//! Unique names across homes: look up, take, free. A claim counts only while its target names it back.

use std::time::Duration;

use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::model::{Claim, ClaimName, ClaimTarget};
use crate::op::{Roster, run};
use crate::ops::pointer::{DEAD_AFTER, FreeClaim, NOT_AFTER, TakeClaim};
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::time::Timestamp;

/// What a name leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Lookup {
    /// Nothing.
    Free,
    /// A thing that names it back.
    Found(ClaimTarget),
    /// A thing that never came, or has let the name go: may be taken over.
    Dead(Claim),
}

/// Looks a name up; waits up to 2 s for a thing that others are making, then answers `Busy`. A name taken for
/// `ours`, which is still to be made, is as good as free: a request cut off in the middle finds its own claims.
pub(super) async fn look_up(roster: &Roster, name: &ClaimName, ours: ClaimTarget) -> Result<Lookup, OpError> {
    for _ in 0..20 {
        let read = roster.store.read(&Home::Claim(name.clone()), &[Key::Claim], &[]).await?;
        let Some(Record::Claim(claim)) = read.records.get(&Key::Claim).map(|stored| stored.record.clone())
        else {
            return Ok(Lookup::Free);
        };
        if names_back(roster, name, claim.target).await? {
            return Ok(Lookup::Found(claim.target));
        }
        if claim.target == ours {
            return Ok(Lookup::Free);
        }
        if read.clock > claim.since.plus_seconds(DEAD_AFTER) {
            return Ok(Lookup::Dead(claim));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(OpError::Busy)
}

/// The target of a name that is in use now, without waiting for what is being made.
pub(super) async fn target(roster: &Roster, name: &ClaimName) -> Result<Option<ClaimTarget>, StoreError> {
    let read = roster.store.read(&Home::Claim(name.clone()), &[Key::Claim], &[]).await?;
    match read.records.get(&Key::Claim).map(|stored| &stored.record) {
        Some(Record::Claim(claim)) if names_back(roster, name, claim.target).await? => Ok(Some(claim.target)),
        _ => Ok(None),
    }
}

async fn names_back(roster: &Roster, name: &ClaimName, target: ClaimTarget) -> Result<bool, StoreError> {
    let (home, key) = match (target, name) {
        (ClaimTarget::User(user), _) => (Home::User(user), Key::User),
        (ClaimTarget::Organization(organization), ClaimName::Account(account)) => {
            (Home::Organization(organization), Key::Account(*account))
        }
        (ClaimTarget::Organization(organization), _) => (Home::Organization(organization), Key::Organization),
    };
    let read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    Ok(match (read.records.get(&key).map(|stored| &stored.record), name) {
        (Some(Record::User(user)), ClaimName::Email(key)) => {
            user.email.as_ref().is_some_and(|email| email.key() == key)
        }
        (Some(Record::User(user)), ClaimName::UserExternalId(id)) => user.external_id.as_ref() == Some(id),
        (Some(Record::Organization(it)), ClaimName::OrganizationExternalId(id)) => {
            it.external_id.as_ref() == Some(id)
        }
        (Some(Record::Organization(it)), ClaimName::Slug(slug)) => it.slug == *slug,
        (Some(Record::Account(_)), ClaimName::Account(_)) => true,
        _ => false,
    })
}

/// How taking names went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// All are ours; the thing must be committed before this instant.
    All(Timestamp),
    /// This one is another's; none is kept.
    Not(ClaimName),
}

/// Takes names for a target, in sorted order; all or none.
pub(super) async fn take(
    roster: &Roster,
    request: &Request,
    names: &[ClaimName],
    target: ClaimTarget,
) -> Result<Taken, OpError> {
    let mut names = names.to_vec();
    names.sort();
    let mut not_after = None;
    for (n, name) in names.iter().enumerate() {
        let since = take_one(roster, request, name, target).await;
        match since {
            Ok(Some(since)) => {
                let end = since.plus_seconds(NOT_AFTER);
                not_after = Some(not_after.map_or(end, |other: Timestamp| other.min(end)));
            }
            Ok(None) => {
                free(roster, request, &names[..n], target).await?;
                return Ok(Taken::Not(name.clone()));
            }
            Err(error) => {
                free(roster, request, &names[..n], target).await?;
                return Err(error);
            }
        }
    }
    Ok(Taken::All(not_after.unwrap_or(Timestamp::from_micros(i64::MAX))))
}

async fn take_one(
    roster: &Roster,
    request: &Request,
    name: &ClaimName,
    target: ClaimTarget,
) -> Result<Option<Timestamp>, OpError> {
    let over = match look_up(roster, name, target).await? {
        Lookup::Found(found) if found != target => return Ok(None),
        Lookup::Found(_) | Lookup::Free => None,
        Lookup::Dead(claim) => Some(claim),
    };
    let label = format!("take {}", over.as_ref().map_or(0, |claim| claim.since.micros()));
    let operation = TakeClaim { name: name.clone(), target, over };
    Ok(run(roster, &request.as_system(&label), &operation).await?.output)
}

/// Frees names that are this target's and that it does not bear.
pub(super) async fn free(
    roster: &Roster,
    request: &Request,
    names: &[ClaimName],
    target: ClaimTarget,
) -> Result<(), OpError> {
    for name in names {
        if names_back(roster, name, target).await? {
            continue;
        }
        let operation = FreeClaim { name: name.clone(), target };
        run(roster, &request.as_system("free"), &operation).await?;
    }
    Ok(())
}
