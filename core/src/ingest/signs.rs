//! Signs of people, gathered over a slice so that each person's are written at once (rule T7).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::PoisonError;

use uuid::Uuid;

use super::Unapplied;
use super::batch::{Batch, Slice};
use super::places::Memberships;
use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{OrganizationId, SourceId, UserId};
use crate::model::customer::{Early, EarlyPart, Groups, Sign, Source, TheEarly};
use crate::model::{Member, MemberStatus, OrganizationStatus, UserStatus};
use crate::op::{Roster, run};
use crate::ops::stream::{ForgetEarly, KeepEarly, Observe};
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
    /// Where nothing does: they count wherever the person was a member then. What somebody did before they were in any
    /// organization counts in those that the source puts them into.
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
            let early = observing.keep_early(user, &anywhere).await?;
            // What waits counts: said again it would wait twice.
            observing.counted.extend(early.iter().flat_map(|early| &early.signs).map(|sign| sign.message));
            let mut memberships = Memberships::of(user);
            while let Some(some) = memberships.next(roster).await? {
                for organization in some {
                    let within = self.within.remove(&(user, organization)).unwrap_or_default();
                    observing.note(user, organization, within, &anywhere, early.as_ref()).await?;
                }
            }
        }
        for ((user, organization), within) in self.within {
            observing.note(user, organization, within, &[], None).await?;
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
    /// Keeps those signs of somebody that are older than any membership of theirs; what there is of this part then.
    async fn keep_early(&self, user: UserId, anywhere: &[Sign]) -> Result<Option<EarlyPart>, OpError> {
        let mut early: Vec<Sign> = anywhere.to_vec();
        let mut memberships = Memberships::of(user);
        while let Some(some) = memberships.next(self.roster).await? {
            for organization in some {
                let (Some(member), false) = found_in(self.roster, organization, user).await? else {
                    continue;
                };
                early.retain(|sign| !was_in(&member, sign.at) || is_early_for(&member, sign.at));
                if early.is_empty() {
                    return Ok(None);
                }
            }
        }
        let part = (self.batch.inbox.id, self.slice.number);
        let new = EarlyPart { part, came_at: self.batch.inbox.received_at, signs: early };
        let keep = KeepEarly { source: self.batch.source.id, user, part: new };
        let kept = run(self.roster, &self.batch.whole.as_system("early"), &keep).await?.output;
        let kept = kept.parts.into_iter().find(|kept| kept.part == part);
        if kept.is_some() {
            self.batch.early.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
        }
        Ok(kept)
    }

    /// Notes what was said of somebody in one organization, in one commit. What waits for other organizations too, it
    /// notes as that.
    async fn note(
        &mut self,
        user: UserId,
        organization: OrganizationId,
        within: Vec<Sign>,
        anywhere: &[Sign],
        early: Option<&EarlyPart>,
    ) -> Result<(), OpError> {
        let (member, closed) = found_in(self.roster, organization, user).await?;
        // Of a closed organization nobody is a member any more (rule O7): nothing counts there from then on.
        if closed {
            self.closed.extend(within.iter().map(|sign| sign.message));
            return Ok(());
        }
        if member.as_ref().is_some_and(Member::is_deleted) {
            return Ok(());
        }
        let since = member.as_ref().and_then(|member| member.deleted_at);
        let counts = |sign: &Sign| Some(sign.at) > since;
        let there = |sign: &Sign| counts(sign) && member.as_ref().is_some_and(|it| was_in(it, sign.at));
        let waits = |sign: &Sign| early.is_some_and(|early| early.signs.contains(sign));
        let anywhere = anywhere.iter().filter(|sign| there(sign) && !waits(sign)).cloned();
        let signs: Vec<Sign> = within.into_iter().filter(counts).chain(anywhere).collect();
        let early = early.and_then(|early| among(early, there));
        if signs.is_empty() && early.is_none() {
            return Ok(());
        }
        let (source, part) = (self.batch.source.id, Some((self.batch.inbox.id, self.slice.number)));
        let early = early.into_iter().collect();
        let operation = Observe { source, organization, user, since, part, signs, early };
        let refused = run(self.roster, &self.batch.whole.step("observe"), &operation).await?.output;
        let all = operation.all().map(|sign| sign.message);
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

/// Whether an instant lies before somebody was in an organization, as far as their membership now tells.
fn is_early_for(member: &Member, at: Timestamp) -> bool {
    at < member.joined_at && member.cut_at.is_none_or(|cut| cut < at)
}

/// A part with those of its signs only.
fn among(early: &EarlyPart, of: impl Fn(&Sign) -> bool) -> Option<EarlyPart> {
    let signs: Vec<Sign> = early.signs.iter().filter(|sign| of(sign)).cloned().collect();
    (!signs.is_empty()).then(|| EarlyPart { signs, ..early.clone() })
}

/// Counts in an organization that a source has put somebody into what it said of them before they were in any.
pub(super) async fn give_early(
    roster: &Roster,
    request: &Request,
    source: &Source,
    organization: OrganizationId,
    user: UserId,
) -> Result<(), OpError> {
    // What one organization only is told of counts there at once.
    if matches!(source.groups, Groups::One(_)) {
        return Ok(());
    }
    let key = TheEarly(user).key();
    let read = roster.store.read(&Home::Stream(source.id, 1), std::slice::from_ref(&key), &[]).await?;
    let now = read.now();
    let Some(Early { parts, .. }) = read.records.into_values().find_map(|it| TheEarly::pick(it.record))
    else {
        return Ok(());
    };
    let (Some(member), false) = found_in(roster, organization, user).await? else { return Ok(()) };
    let since = member.deleted_at;
    let counts = |sign: &Sign| Some(sign.at) > since && was_in(&member, sign.at);
    let waiting = parts.iter().filter(|part| part.waits(now));
    let early: Vec<EarlyPart> = waiting.filter_map(|part| among(part, counts)).collect();
    if member.is_deleted() || early.is_empty() {
        return Ok(());
    }
    let observe =
        Observe { source: source.id, organization, user, since, part: None, signs: Vec::new(), early };
    let refused = run(roster, request, &observe).await?.output.len();
    if refused > 0 {
        tracing::warn!(source = %source.id, %organization, refused, "a day has no room for what waited");
    }
    Ok(())
}

/// Takes away what has waited too long of what a source said of people, and what waits of people who were erased.
pub(super) async fn forget_early(roster: &Roster, source: SourceId) -> Result<(), OpError> {
    let home = Home::Stream(source, 1);
    let mut after = TheEarly(UserId::from_uuid(Uuid::nil())).key();
    loop {
        let found = roster.store.records(&home, Some(&after), 400).await?;
        let waiting = found.into_iter().map_while(|stored| TheEarly::pick(stored.record));
        let users: Vec<UserId> = waiting.map(|early| early.user).collect();
        let Some(last) = users.last() else { return Ok(()) };
        after = TheEarly(*last).key();
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        forget_early_of_erased(roster, &system, source, users.clone()).await?;
        run(roster, &system, &ForgetEarly { source, users, all: false }).await?;
    }
}

/// Takes away what waits of people who were erased while it was on its way (rule L5).
pub(super) async fn forget_erased(roster: &Roster, batch: &Batch<'_>) -> Result<(), OpError> {
    let all = std::mem::take(&mut *batch.early.lock().unwrap_or_else(PoisonError::into_inner));
    forget_early_of_erased(roster, &batch.whole.as_system("erased early"), batch.source.id, all).await
}

/// The same of some people. A worker that has died may have left it.
pub(super) async fn forget_early_of_erased(
    roster: &Roster,
    system: &Request,
    source: SourceId,
    some: impl IntoIterator<Item = UserId> + Send,
) -> Result<(), OpError> {
    let mut users = Vec::new();
    for user in some.into_iter().collect::<Vec<_>>() {
        let read = roster.store.read(&Home::User(user), &[Key::User], &[]).await?;
        let record = read.records.get(&Key::User).map(|stored| &stored.record);
        if matches!(record, Some(Record::User(user)) if user.status == UserStatus::Erased) {
            users.push(user);
        }
    }
    for users in users.chunks(400) {
        let forget = ForgetEarly { source, users: users.to_vec(), all: true };
        run(roster, system, &forget).await?;
    }
    Ok(())
}

/// Somebody's membership, nothing where it cannot be read, and whether the organization is closed.
async fn found_in(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<(Option<Member>, bool), OpError> {
    match seen_in(roster, organization, user).await.map_err(Unapplied::from) {
        Ok(found) => Ok(found),
        Err(Unapplied::Dead(_)) => Ok((None, false)),
        Err(Unapplied::Later(error)) => Err(error),
    }
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
