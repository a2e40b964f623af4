//! Signs of people, gathered over a slice so that each person's are written at once (rule T7).

use std::collections::{BTreeMap, BTreeSet};

use super::Unapplied;
use super::batch::{Batch, Slice};
use super::places::Memberships;
use crate::home::{Home, Record, TypedKey};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, MemberStatus};
use crate::op::{Roster, run};
use crate::ops::stream::{Observe, Sign};
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::time::Timestamp;

/// What messages say that people did.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Where the message or its source says in which organization.
    within: BTreeMap<(UserId, OrganizationId), Vec<Sign>>,
    /// Where nothing does: they count wherever the person was a member then.
    anywhere: BTreeMap<UserId, Vec<Sign>>,
}

impl Signs {
    /// Notes one.
    pub(super) fn add(&mut self, user: UserId, within: Option<OrganizationId>, sign: Sign) {
        match within {
            Some(organization) => self.within.entry((user, organization)).or_default().push(sign),
            None => self.anywhere.entry(user).or_default().push(sign),
        }
    }

    /// Writes them down. The messages that no organization has room for, of those that are about any.
    pub(super) async fn observe(
        mut self,
        roster: &Roster,
        batch: &Batch<'_>,
        slice: &Slice,
    ) -> Result<BTreeSet<usize>, OpError> {
        let mut observing =
            Observing { roster, batch, slice, counted: BTreeSet::new(), refused: BTreeSet::new() };
        for (user, anywhere) in std::mem::take(&mut self.anywhere) {
            let mut memberships = Memberships::of(user);
            while let Some(some) = memberships.next(roster).await? {
                for organization in some {
                    let within = self.within.remove(&(user, organization)).unwrap_or_default();
                    observing.note(user, organization, within, &anywhere).await?;
                }
            }
        }
        for ((user, organization), within) in self.within {
            observing.note(user, organization, within, &[]).await?;
        }
        // What counts anywhere would count there twice if it was replayed.
        Ok(&observing.refused - &observing.counted)
    }
}

/// What signs are written down in.
struct Observing<'a> {
    roster: &'a Roster,
    batch: &'a Batch<'a>,
    slice: &'a Slice,
    /// The messages that count somewhere.
    counted: BTreeSet<usize>,
    /// Those that somebody's day has no room for.
    refused: BTreeSet<usize>,
}

impl Observing<'_> {
    /// Notes what was said of somebody in one organization, in one commit.
    async fn note(
        &mut self,
        user: UserId,
        organization: OrganizationId,
        within: Vec<Sign>,
        anywhere: &[Sign],
    ) -> Result<(), OpError> {
        let member = match standing(self.roster, organization, user).await.map_err(Unapplied::from) {
            Ok(member) => member,
            Err(Unapplied::Dead(_)) => None,
            Err(Unapplied::Later(error)) => return Err(error),
        };
        if member.as_ref().is_some_and(Member::is_deleted) {
            return Ok(());
        }
        let since = member.as_ref().and_then(|member| member.deleted_at);
        let there = |sign: &&Sign| member.as_ref().is_some_and(|it| was_in(it, sign.at));
        let anywhere = anywhere.iter().filter(there).cloned();
        let counts = |sign: &Sign| Some(sign.at) > since;
        let signs: Vec<Sign> = within.into_iter().chain(anywhere).filter(counts).collect();
        if signs.is_empty() {
            return Ok(());
        }
        let (source, part) = (self.batch.source.id, (self.batch.inbox.id, self.slice.number));
        let operation = Observe { source, organization, user, since, part, signs };
        let refused = run(self.roster, &self.batch.whole.step("observe"), &operation).await?.output;
        let all = operation.signs.iter().map(|sign| sign.message);
        self.counted.extend(all.filter(|message| !refused.contains(message)));
        self.refused.extend(refused);
        Ok(())
    }
}

/// Whether somebody was a member at an instant, as far as their membership now tells.
fn was_in(member: &Member, at: Timestamp) -> bool {
    let then = member.at(at);
    then.status == MemberStatus::Active || then.cut_at.is_some_and(|cut| at <= cut)
}

/// Somebody's membership now.
pub(super) async fn standing(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<Member>, StoreError> {
    let key = crate::home::TheMember(user).key();
    let read = roster.store.read(&Home::Organization(organization), std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.get(&key).and_then(|stored| match &stored.record {
        Record::Member(member) => Some(member.clone()),
        _ => None,
    }))
}
