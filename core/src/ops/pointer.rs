//! Pointers: names, directory entries, the list of organizations in a user's home.

use crate::facts::Facts;
use crate::home::{Home, Record, TheClaim, TheMembership};
use crate::id::{OrganizationId, UserId};
use crate::model::{Claim, ClaimName, ClaimTarget, DirectoryEntry, Membership};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// A pointer leads nowhere for good when it is older than this and its target is silent, in seconds.
pub const DEAD_AFTER: i64 = 60;
/// How long after its pointer a thing may be committed, in seconds.
pub const NOT_AFTER: i64 = 20;

/// Takes a unique name for a thing about to be made: since when it has it, or nothing if another does.
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
    type Output = Option<Timestamp>;

    fn home(&self) -> Home {
        Home::Claim(self.name.clone())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.get(&TheClaim).await?, view.now()))
    }

    fn decide(&self, (found, now): Self::State, _: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        match found {
            Some(claim) if claim.target != self.target && self.over.as_ref() != Some(&claim) => {
                Ok(Decision::unchanged(None))
            }
            Some(_) | None => {
                let claim = Claim { target: self.target, since: now };
                Ok(Decision::unchanged(Some(now)).put(Record::Claim(claim)))
            }
        }
    }
}

/// Frees a name that leads to nothing any more.
#[derive(Debug)]
pub struct FreeClaim {
    /// The name.
    pub name: ClaimName,
    /// Only if it is still this thing's.
    pub target: ClaimTarget,
}

impl Operation for FreeClaim {
    type State = Option<Claim>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Claim(self.name.clone())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheClaim).await
    }

    fn decide(&self, found: Option<Claim>, _: &Facts) -> Result<Decision<()>, Refusal> {
        let ours = found.is_some_and(|claim| claim.target == self.target);
        let nothing = Decision::unchanged(());
        Ok(if ours { nothing.remove(crate::home::Key::Claim) } else { nothing })
    }
}

/// Puts a thing into its directory, or refreshes it there.
#[derive(Debug)]
pub struct PutDirectoryEntry {
    /// The entry.
    pub entry: DirectoryEntry,
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
        let same = found.is_some_and(|found| found == self.entry);
        Ok(if same { nothing } else { nothing.put(Record::DirectoryEntry(self.entry.clone())) })
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

impl Operation for PointToOrganization {
    type State = Option<Membership>;
    type Output = ();

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheMembership(self.organization)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let pointer = Membership { organization: self.organization };
        Ok(if found.is_some() { nothing } else { nothing.put(Record::Membership(pointer)) })
    }
}
