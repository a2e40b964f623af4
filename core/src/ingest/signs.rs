//! Signs of people, gathered over a slice so that each person's are written at once (rule T7).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Unapplied;
use super::batch::{Batch, Slice};
use super::places::Memberships;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, MemberStatus, OrganizationStatus};
use crate::op::{Roster, run};
use crate::ops::stream::{Observe, Sign};
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Why a message is not counted where a person's day has no room for it.
const NO_ROOM: &str = "too_many_events";
/// Why a message is not counted that names an organization which is closed.
const CLOSED: &str = "organization_closed";
/// How many organizations a letter names at the most.
const NAMED: usize = 20;

/// Whether a letter is about a message that counts, though not everywhere. It only tells, and is not replayed.
pub(super) fn counts_somewhere(reason: &str) -> bool {
    reason.strip_prefix(NO_ROOM).is_some_and(|rest| rest.starts_with(':'))
}

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

    /// Writes them down. The messages that some organization has no room for, each with the reason of its letter.
    pub(super) async fn observe(
        mut self,
        roster: &Roster,
        batch: &Batch<'_>,
        slice: &Slice,
    ) -> Result<Vec<(usize, String)>, OpError> {
        let mut observing = Observing {
            roster,
            batch,
            slice,
            counted: BTreeSet::new(),
            refused: BTreeMap::new(),
            closed: BTreeSet::new(),
        };
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
        Ok(observing.letters())
    }
}

/// What signs are written down in.
struct Observing<'a> {
    roster: &'a Roster,
    batch: &'a Batch<'a>,
    slice: &'a Slice,
    /// The messages that count somewhere.
    counted: BTreeSet<usize>,
    /// Those that somebody's day has no room for, with the organizations where it has none.
    refused: BTreeMap<usize, Vec<OrganizationId>>,
    /// Those that name an organization that is closed.
    closed: BTreeSet<usize>,
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
        let (member, closed) = match seen_in(self.roster, organization, user).await.map_err(Unapplied::from) {
            Ok(found) => found,
            Err(Unapplied::Dead(_)) => (None, false),
            Err(Unapplied::Later(error)) => return Err(error),
        };
        // Of a closed organization nobody is a member any more (rule O7): nothing counts there from then on.
        if closed {
            self.closed.extend(within.iter().map(|sign| sign.message));
            return Ok(());
        }
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
        for message in refused {
            self.refused.entry(message).or_default().push(organization);
        }
        Ok(())
    }

    /// The reasons of letters. One that counts somewhere names where it does not, the first few of these: said again it
    /// would count twice where it does.
    fn letters(self) -> Vec<(usize, String)> {
        let Self { counted, refused, closed, .. } = self;
        let reason = |(message, organizations): (usize, Vec<OrganizationId>)| {
            let mut reason = NO_ROOM.to_owned();
            if counted.contains(&message) {
                for (n, organization) in organizations.iter().take(NAMED).enumerate() {
                    let between = if n == 0 { ':' } else { ',' };
                    write!(reason, "{between}{organization}").ok();
                }
                if organizations.len() > NAMED {
                    reason.push_str(",...");
                }
            }
            (message, reason)
        };
        let of_closed = closed.into_iter().map(|message| (message, CLOSED.to_owned()));
        refused.into_iter().map(reason).chain(of_closed).collect()
    }
}

/// Whether somebody was a member at an instant, as far as their membership now tells.
pub(super) fn was_in(member: &Member, at: Timestamp) -> bool {
    let then = member.at(at);
    then.status == MemberStatus::Active || then.cut_at.is_some_and(|cut| at <= cut)
}

/// Somebody's membership now.
pub(super) async fn standing(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<Member>, StoreError> {
    Ok(seen_in(roster, organization, user).await?.0)
}

/// The same, and whether the organization is closed.
async fn seen_in(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<(Option<Member>, bool), StoreError> {
    let keys = [Key::Member(user), Key::Organization];
    let mut read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let closed = matches!(
        read.records.get(&Key::Organization).map(|stored| &stored.record),
        Some(Record::Organization(it)) if it.status == OrganizationStatus::Closed
    );
    let member = match read.records.remove(&Key::Member(user)).map(|stored| stored.record) {
        Some(Record::Member(member)) => Some(member),
        _ => None,
    };
    Ok((member, closed))
}
