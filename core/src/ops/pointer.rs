//! Pointers: names, directory entries, the list of organizations in a user's home.

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheClaim, TheMembership, TheUser};
use crate::id::{OrganizationId, UserId, Version};
use crate::model::{
    Claim, ClaimName, ClaimTarget, DirectoryEntry, DirectoryId, Membership, User, UserStatus,
};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// A pointer leads nowhere for good when it is older than this and its target is silent, in seconds.
pub const DEAD_AFTER: i64 = 60;
/// How long after its pointer a thing may be committed, in seconds.
pub const NOT_AFTER: i64 = 20;

/// A name that a thing has now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Took {
    /// Since when.
    pub since: Timestamp,
    /// Whether it had not been this thing's already.
    pub anew: bool,
}

/// Takes a unique name for a thing about to be made; nothing if another has it.
#[derive(Debug)]
pub struct TakeClaim {
    /// The name.
    pub name: ClaimName,
    /// For what.
    pub target: ClaimTarget,
    /// A dead claim that may be taken over, as it was read.
    pub over: Option<Claim>,
}

impl Operation for TakeClaim {
    type State = (Option<Claim>, Timestamp);
    type Output = Option<Took>;

    fn home(&self) -> Home {
        Home::Claim(self.name.clone())
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Claim)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.get(&TheClaim).await?, view.now()))
    }

    fn decide(&self, (found, now): Self::State, _: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        match found {
            Some(claim) if claim.target != self.target && self.over.as_ref() != Some(&claim) => {
                Ok(Decision::unchanged(None))
            }
            found => {
                let anew = found.is_none_or(|claim| claim.target != self.target);
                let claim = Claim { target: self.target, since: now };
                Ok(Decision::unchanged(Some(Took { since: now, anew })).put(Record::Claim(claim)))
            }
        }
    }
}

/// Frees a name, unless it was taken anew.
#[derive(Debug)]
pub struct FreeClaim {
    /// The name.
    pub name: ClaimName,
    /// As it was taken or read.
    pub version: Version,
}

impl Operation for FreeClaim {
    type State = Option<Version>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Claim(self.name.clone())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheClaim).await?;
        Ok(view.version(&Key::Claim))
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        Ok(if found == Some(self.version) { nothing.remove(Key::Claim) } else { nothing })
    }
}

/// Puts a thing into its directory, or refreshes it there.
#[derive(Debug)]
pub struct PutDirectoryEntry {
    /// The entry.
    pub entry: DirectoryEntry,
    /// Whether to write it also where it stands already, so that it counts as young: the thing is still to be made.
    pub anew: bool,
}

impl Operation for PutDirectoryEntry {
    type State = Option<DirectoryEntry>;
    type Output = ();

    fn home(&self) -> Home {
        Home::directory(self.entry.id)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.entry.id).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let same = !self.anew && found.is_some_and(|found| found == self.entry);
        Ok(if same { nothing } else { nothing.put(Record::DirectoryEntry(self.entry.clone())) })
    }
}

/// Takes a thing that never came out of its directory.
#[derive(Debug)]
pub struct RemoveDirectoryEntry {
    /// Which.
    pub id: DirectoryId,
    /// Only as it was read.
    pub version: Version,
}

impl Operation for RemoveDirectoryEntry {
    type State = Option<Version>;
    type Output = ();

    fn home(&self) -> Home {
        Home::directory(self.id)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.id).await?;
        Ok(view.version(&Key::DirectoryEntry(self.id)))
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let same = found == Some(self.version);
        Ok(if same { nothing.remove(Key::DirectoryEntry(self.id)) } else { nothing })
    }
}

/// Notes in a user's home that they may be in an organization.
#[derive(Debug)]
pub struct PointToOrganization {
    /// Who.
    pub user: UserId,
    /// Where.
    pub organization: OrganizationId,
}

/// What a membership that begins now must survive: it goes into the membership, so that one that was under way when its
/// person was removed from everything does not count (rule M5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cuts {
    /// How often they have been removed from everything.
    pub number: u32,
    /// When that was the last time.
    pub last: Option<Timestamp>,
}

/// The person is read with the pointer: a removal from everything either comes before, and is told, or finds the pointer.
/// One who was erased goes nowhere any more.
impl Operation for PointToOrganization {
    type State = (Option<Membership>, Option<User>);
    type Output = Cuts;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::Membership(self.organization), Key::User]).await?;
        Ok((view.get(&TheMembership(self.organization)).await?, view.get(&TheUser).await?))
    }

    fn decide(&self, (found, user): Self::State, _: &Facts) -> Result<Decision<Cuts>, Refusal> {
        if user.as_ref().is_some_and(|user| user.status == UserStatus::Erased) {
            return Err(Refusal::NotFound);
        }
        let cuts = user.map_or(Cuts::default(), |user| Cuts { number: user.cuts, last: user.cut_at });
        let nothing = Decision::unchanged(cuts);
        let pointer = Membership { organization: self.organization };
        Ok(if found.is_some() { nothing } else { nothing.put(Record::Membership(pointer)) })
    }
}
