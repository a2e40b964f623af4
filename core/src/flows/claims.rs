//! Unique names across homes: look up, take, free. A claim counts only while its target names it back.

use std::future::Future;
use std::time::Duration;

use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{UserId, Version};
use crate::model::{Claim, ClaimName, ClaimTarget, UserStatus};
use crate::op::{Roster, run};
use crate::ops::pointer::{DEAD_AFTER, FreeClaim, NOT_AFTER, TakeClaim, Took};
use crate::refusal::OpError;
use crate::store::{StoreError, Stored};
use crate::text::ExternalId;
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
        if roster.store.stands_still() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(OpError::Busy)
}

/// The target of a name that is in use now, without waiting for what is being made.
pub(crate) async fn target(roster: &Roster, name: &ClaimName) -> Result<Option<ClaimTarget>, StoreError> {
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
        (Some(Record::User(user)), ClaimName::Erased(_)) => user.status == UserStatus::Erased,
        _ => false,
    })
}

/// Names that lead to a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    target: ClaimTarget,
    /// Those to give back, each as it was when it was taken or read. One that was the target's already may be the work
    /// of another request, and is not among them.
    names: Vec<(ClaimName, Version)>,
    /// The thing that was to be made must be committed before this instant.
    pub not_after: Timestamp,
}

/// How taking names went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// All are ours.
    All(Held),
    /// This one is another's; none is kept.
    Not(ClaimName),
}

impl Held {
    const fn none(target: ClaimTarget) -> Self {
        Self { target, names: Vec::new(), not_after: Timestamp::from_micros(i64::MAX) }
    }

    /// The outcome of the act that the names were taken for; they are given back if it was refused. After a
    /// failure of the store they are left to die, for the thing may still come.
    pub(crate) async fn through<T>(
        &self,
        roster: &Roster,
        request: &Request,
        act: impl Future<Output = Result<T, OpError>>,
    ) -> Result<T, OpError> {
        let outcome = act.await;
        if matches!(outcome, Err(OpError::Refused(_) | OpError::Busy)) {
            self.give_back(roster, request).await?;
        }
        outcome
    }

    /// Frees those that the target does not bear and that nobody has taken anew.
    pub(crate) async fn give_back(&self, roster: &Roster, request: &Request) -> Result<(), OpError> {
        for (name, version) in &self.names {
            if !names_back(roster, name, self.target).await? {
                let operation = FreeClaim { name: name.clone(), version: *version };
                run(roster, &request.as_system("free"), &operation).await?;
                forget(roster, name).await?;
            }
        }
        Ok(())
    }
}

/// Nothing is kept of a name that nobody bears.
async fn forget(roster: &Roster, name: &ClaimName) -> Result<(), StoreError> {
    roster.store.forget(&Home::Claim(name.clone()), UserId::from_uuid(uuid::Uuid::nil())).await
}

/// Takes names for a target, in sorted order; all or none.
pub(crate) async fn take(
    roster: &Roster,
    request: &Request,
    names: &[ClaimName],
    target: ClaimTarget,
) -> Result<Taken, OpError> {
    let mut names = names.to_vec();
    names.sort();
    let mut held = Held::none(target);
    for name in names {
        let taken = take_one(roster, request, &name, target);
        let Some((took, version)) = held.through(roster, request, taken).await? else {
            held.give_back(roster, request).await?;
            return Ok(Taken::Not(name));
        };
        held.not_after = held.not_after.min(took.since.plus_seconds(NOT_AFTER));
        if took.anew {
            held.names.push((name, version));
        }
    }
    Ok(Taken::All(held))
}

async fn take_one(
    roster: &Roster,
    request: &Request,
    name: &ClaimName,
    target: ClaimTarget,
) -> Result<Option<(Took, Version)>, OpError> {
    if let ClaimName::UserExternalId(id) = name
        && is_erased(roster, id).await?
    {
        return Ok(None);
    }
    let over = match look_up(roster, name, target).await? {
        Lookup::Found(found) if found != target => return Ok(None),
        Lookup::Found(_) | Lookup::Free => None,
        Lookup::Dead(claim) => Some(claim),
    };
    let operation = TakeClaim { name: name.clone(), target, over };
    let done = run(roster, &request.as_system("take"), &operation).await?;
    Ok(done.output.zip(done.version))
}

/// What stands for an external id whose bearer was erased.
pub(crate) fn erased(roster: &Roster, id: &ExternalId) -> ClaimName {
    ClaimName::Erased(roster.links.pseudonym(id.as_str()))
}

/// Whether an erased person had an external id.
pub(crate) async fn is_erased(roster: &Roster, id: &ExternalId) -> Result<bool, StoreError> {
    Ok(target(roster, &erased(roster, id)).await?.is_some())
}

/// The names that lead to a target now, to be given back once it bears them no more.
pub(crate) async fn standing(
    roster: &Roster,
    names: &[ClaimName],
    target: ClaimTarget,
) -> Result<Held, StoreError> {
    let mut held = Held::none(target);
    for name in names {
        let mut read = roster.store.read(&Home::Claim(name.clone()), &[Key::Claim], &[]).await?;
        if let Some(Stored { record: Record::Claim(claim), version }) = read.records.remove(&Key::Claim)
            && claim.target == target
        {
            held.names.push((name.clone(), version));
        }
    }
    Ok(held)
}

/// Frees a name whose thing never came, or has let it go; whether it was one.
pub(crate) async fn sweep(roster: &Roster, request: &Request, name: &ClaimName) -> Result<bool, OpError> {
    let mut read = roster.store.read(&Home::Claim(name.clone()), &[Key::Claim], &[]).await?;
    let Some(Stored { record: Record::Claim(claim), version }) = read.records.remove(&Key::Claim) else {
        return Ok(false);
    };
    let dead =
        read.clock > claim.since.plus_seconds(DEAD_AFTER) && !names_back(roster, name, claim.target).await?;
    if dead {
        let operation = FreeClaim { name: name.clone(), version };
        run(roster, &request.as_system("sweep"), &operation).await?;
        forget(roster, name).await?;
    }
    Ok(dead)
}
