//! The one way from an operation to a durable change.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::stage::{Added, added, stage};
use super::sweep::{is_unswept, subject_of, sweep_subject};
use super::{Decision, Operation, Roster, View};
use crate::actor::Actor;
use crate::facts::{Expected, Facts, Request, Seed};
use crate::flows::{lapse_invitations, resolve_waiting};
use crate::home::{Home, Key, Record, Tally};
use crate::id::{CommitId, UserId, Version};
use crate::listing::{Listing, PageRequest};
use crate::model::{Access, Inviter, Member, MemberStatus, NoteKey, Receipt};
use crate::ops::invitation::let_go;
use crate::ops::job::is_held;
use crate::refusal::{OpError, Refusal, RefusalKind};
use crate::settle::SettleDue;
use crate::store::{ChangeSet, CommitError, Store, StoreError, Write};
use crate::time::Timestamp;

/// How often a decision is made afresh when others change what it read.
pub const TRIES: u32 = 5;

/// So much that has ended is written down by one commit.
const SETTLED_AT_ONCE: u16 = 100;

/// What was done.
#[derive(Clone, PartialEq, Debug)]
pub struct Done<T> {
    /// The operation's output.
    pub output: T,
    /// The version that the thing acted on bears now.
    pub version: Option<Version>,
}

/// Turns what was done into the sealed answer that a receipt keeps.
pub type Seal<'a, T> = &'a (dyn Fn(&Done<T>) -> Vec<u8> + Send + Sync);

/// Loads, decides and commits; decides afresh when others changed what was read.
pub async fn run<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<Done<O::Output>, OpError> {
    run_sealed(roster, request, operation, None).await
}

/// [`run`] that leaves a receipt with the sealed answer, when the request asks for one.
pub async fn run_sealed<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    seal: Option<Seal<'_, O::Output>>,
) -> Result<Done<O::Output>, OpError> {
    let outcome = attempt(roster, request, operation, seal).await;
    heard(roster, operation, &outcome);
    outcome
}

async fn attempt<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    seal: Option<Seal<'_, O::Output>>,
) -> Result<Done<O::Output>, OpError> {
    let mut request = request.clone();
    let mut settled_for_room = false;
    let mut inviting = BTreeSet::new();
    let mut attempt = 0;
    while attempt < TRIES {
        attempt += 1;
        let view = match prepare(roster, &request, operation, attempt).await? {
            Prepared::Settled(expected) => {
                request.if_match = expected;
                continue;
            }
            Prepared::Decided(view) => view,
        };
        let (view, decision) = *view;
        let receipt = request.receipt.filter(|_| seal.is_some());
        let subject = operation.subject();
        let before = subject.as_ref().and_then(|subject| view.shown_subject(subject));
        if decision.is_empty() && receipt.is_none() {
            return Ok(Done { output: decision.output, version: before });
        }
        let id = fresh_id(roster);
        let done_version = match subject.and_then(|subject| decision.find(&subject)) {
            _ if decision.is_empty() => before,
            Some(record) => Some(view.showing(id, record)),
            None => Some(id),
        };
        let gone = let_go(&view.seen, &decision.puts, &decision.removes);
        let come = who_comes(&view, &decision.puts);
        let mut staged = stage(roster, &request, operation, view, &decision, id);
        let gone = who_may_have_invited(gone, &mut staged, &inviting);
        let done = Done { output: decision.output, version: done_version };
        if let (Some(draft), Some(seal)) = (receipt, seal) {
            staged.writes.push(Write::Put(Record::Receipt(Receipt {
                id: draft.id,
                digest: draft.digest,
                // It is never run again: nothing is drawn from this.
                seed: [0; 32],
                seed_millis: 0,
                answer: Some(seal(&done)),
                created_at: staged.entry.as_ref().map_or(Timestamp::EPOCH, |entry| entry.time),
            })));
        }
        if let Some(opening) = &request.opening {
            opening.write(roster).await?;
        }
        request.known.spend();
        match roster.store.commit(&staged).await {
            Ok(_) => {
                tidy(roster, &request, &staged.home, &gone).await;
                if let Home::Organization(organization) = staged.home {
                    for user in come {
                        Box::pin(resolve_waiting(roster, &request, organization, user)).await;
                    }
                }
                return Ok(done);
            }
            Err(CommitError::Conflict(_)) => {
                roster.observer.conflicted(operation.name());
                if attempt < TRIES {
                    roster.observer.retried(operation.name());
                }
                back_off(roster, attempt).await;
            }
            Err(CommitError::TooLate) => return Err(OpError::Busy),
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(CommitError::OutOfBounds(Tally::Invitations(user))) if inviting.insert(user) => {}
            Err(CommitError::OutOfBounds(tally)) => {
                let room =
                    !settled_for_room && settle_due(roster, &request, operation.home(), attempt).await?;
                if !room {
                    return Err(operation.out_of_bounds(tally).into());
                }
                settled_for_room = true;
            }
        }
    }
    Err(Refusal::Conflict.into())
}

/// Gives back the seats of invitations whose inviter has left by this. They are dead without it.
async fn tidy(roster: &Roster, request: &Request, home: &Home, gone: &[Inviter]) {
    if let (Home::Organization(organization), false) = (home, gone.is_empty()) {
        let lapse = lapse_invitations(roster, request, *organization, Some(gone));
        if let Err(error) = Box::pin(lapse).await {
            tracing::warn!(%error, "invitations of one who has left hold seats until one is needed");
        }
    }
}

/// Those of some who leave by a commit that may stand for pending invitations. Of the others, the commit makes sure that
/// they stand for none.
fn who_may_have_invited(
    some: Vec<Inviter>,
    staged: &mut ChangeSet,
    inviting: &BTreeSet<UserId>,
) -> Vec<Inviter> {
    let counted: BTreeSet<Tally> = staged
        .writes
        .iter()
        .filter_map(|write| if let Write::Add { tally, .. } = write { Some(*tally) } else { None })
        .collect();
    let (may, none): (Vec<_>, Vec<_>) = some.into_iter().partition(|inviter| {
        inviter
            .user()
            .is_none_or(|user| inviting.contains(&user) || counted.contains(&Tally::Invitations(user)))
    });
    let tallies = none.iter().filter_map(Inviter::user).map(Tally::Invitations);
    staged.writes.extend(tallies.map(|tally| Write::Add { tally, by: 0, within: 0..=0 }));
    may
}

/// Who reaches more after a decision, or bears an external id now, by whatever act: posts may wait for them (rule T3).
fn who_comes(view: &View<'_>, puts: &[Record]) -> Vec<UserId> {
    let before = |user: UserId| match view.seen.get(&Key::Member(user)) {
        Some(Some(stored)) => match &stored.record {
            Record::Member(member) => Some(member),
            _ => None,
        },
        _ => None,
    };
    let come = puts.iter().filter_map(|record| match record {
        Record::Member(after) if reaches_more(before(after.user), after) => Some(after.user),
        _ => None,
    });
    come.collect()
}

fn reaches_more(before: Option<&Member>, after: &Member) -> bool {
    if after.status != MemberStatus::Active || after.card.external_id.is_none() {
        return false;
    }
    let Some(before) = before.filter(|it| it.status == MemberStatus::Active) else { return true };
    before.card.external_id != after.card.external_id
        || before.starts_at != after.starts_at
        || match (&before.access, &after.access) {
            (Access::Organization(_), _) => false,
            (Access::Accounts(_), Access::Organization(_)) => true,
            (Access::Accounts(before), Access::Accounts(after)) => {
                after.keys().any(|account| !before.contains_key(account))
            }
        }
}

/// The same without commit: what would be done, or the refusal. Bounds of tallies are checked as they stand.
pub async fn preflight<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<O::Output, OpError> {
    let outcome = foresee(roster, request, operation).await;
    heard(roster, operation, &outcome);
    outcome
}

/// Tells of a refusal.
fn heard<O: Operation, T>(roster: &Roster, operation: &O, outcome: &Result<T, OpError>) {
    if let Err(OpError::Refused(refusal)) = outcome {
        roster.observer.refused(operation.name(), refusal.code());
    }
}

async fn foresee<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
) -> Result<O::Output, OpError> {
    let mut again = false;
    loop {
        let (view, decision) = decide(roster, request, operation).await?;
        let (mut adds, _) = added(roster, request, &view, &decision);
        // Tallies are read after the records: where only that may be why there is no room, the commit finds out.
        adds.retain(|(tally, ..)| !matches!(operation.out_of_bounds(*tally), Refusal::Conflict));
        let Some(tally) = without_room(roster, &view.home, &adds).await? else {
            return Ok(decision.output);
        };
        if again || tally != Tally::Seats {
            return Err(operation.out_of_bounds(tally).into());
        }
        // What has lapsed holds no seat; and this very thing may have been done between the two reads.
        any_lapsed(roster, request, &view.home).await?;
        again = true;
    }
}

/// A tally to which not so much can be added as is to be.
async fn without_room(roster: &Roster, home: &Home, adds: &[Added]) -> Result<Option<Tally>, OpError> {
    if adds.is_empty() {
        return Ok(None);
    }
    let tallies: Vec<Tally> = adds.iter().map(|(tally, ..)| *tally).collect();
    let read = roster.store.read(home, &[], &tallies).await?;
    for (tally, by, within) in adds {
        let sum = read.tallies.get(tally).copied().unwrap_or(0) + by;
        let fits = within.contains(&sum)
            || (*tally == Tally::Seats
                && within.contains(&(sum - unsettled(roster.store.as_ref(), home, read.now()).await?.seats)));
        if !fits {
            return Ok(Some(*tally));
        }
    }
    Ok(None)
}

/// What has ended by time though nobody has written it down.
#[derive(Debug, Default)]
pub struct Unsettled {
    /// Seats that it holds.
    pub seats: i64,
    /// Members, and ends of keys, among it: there may be invitations by them, which end with them.
    pub inviters: Vec<Key>,
}

/// What has ended in a home by an instant and is not written down.
pub async fn unsettled<S: Store + ?Sized>(
    store: &S,
    home: &Home,
    now: Timestamp,
) -> Result<Unsettled, StoreError> {
    let listing = Listing::Due { home: home.clone(), until: now };
    let mut page = PageRequest { after: None, limit: 500 };
    let mut ended = Unsettled::default();
    loop {
        let found = store.list(&listing, &page).await?;
        for due in found.rows.iter().filter_map(|row| row.stored.record.due()) {
            ended.seats += due.seats;
            if matches!(due.key, Key::Member(_) | Key::Note(NoteKey::KeyEnd(_))) {
                ended.inviters.push(due.key);
            }
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(ended);
        }
    }
}

/// Writes down the end of those who may have invited, and of what was invited by them; whether there were any.
pub(crate) async fn settle_inviters(
    roster: &Roster,
    request: &Request,
    home: &Home,
    mut inviters: Vec<Key>,
) -> Result<bool, OpError> {
    let tally = |key: &Key| if let Key::Member(user) = key { Some(Tally::Invitations(*user)) } else { None };
    let tallies: Vec<Tally> = inviters.iter().filter_map(tally).collect();
    if !tallies.is_empty() {
        let read = roster.store.read(home, &[], &tallies).await?;
        inviters.retain(|key| tally(key).is_none_or(|of| read.tallies.get(&of).is_some_and(|sum| *sum > 0)));
    }
    if inviters.is_empty() {
        return Ok(false);
    }
    settle(roster, request, home.clone(), inviters, 200).await?;
    Ok(true)
}

enum Prepared<'a, T> {
    /// With what `If-Match` asks for from now on.
    Settled(Option<Expected>),
    Decided(Box<(View<'a>, Decision<T>)>),
}

async fn prepare<'a, O: Operation>(
    roster: &'a Roster,
    request: &Request,
    operation: &O,
    attempt: u32,
) -> Result<Prepared<'a, O::Output>, OpError> {
    let mut view = View::new(roster, operation.home(), request);
    let (state, subject) =
        tokio::join!(load(request, operation, &mut view), subject_of(roster, request, operation));
    let state = state?;
    view.subject = subject?;
    if is_unswept(&view) {
        // Judged by what they are already: where nothing comes of it, that is not written down either.
        let (view, decision) = Box::pin(decide(roster, request, operation)).await?;
        if decision.events.is_empty() {
            return Ok(Prepared::Decided(Box::new((view, decision))));
        }
        return Ok(Prepared::Settled(sweep_subject(roster, request, &view).await?));
    }
    let due = view.due();
    if !due.is_empty() && request.actor != Actor::System {
        let knew = operation.subject().and_then(|subject| view.shown_version(&subject));
        let settled = settle(roster, request, view.home.clone(), due, attempt).await?;
        // Who asked for what was shown is not outdated by its being written down.
        let expected = match (request.if_match.clone(), settled) {
            (Some(expected), Some(version)) if expected.fits(knew) => Some(expected.or(version)),
            (expected, _) => expected,
        };
        return Ok(Prepared::Settled(expected));
    }
    let decision = judge(roster, request, operation, state, &view)?;
    Ok(Prepared::Decided(Box::new((view, decision))))
}

/// Whom it is done to is taken for what they are to one who has been removed from everything.
async fn decide<'a, O: Operation>(
    roster: &'a Roster,
    request: &Request,
    operation: &O,
) -> Result<(View<'a>, Decision<O::Output>), OpError> {
    let mut view = View::new(roster, operation.home(), request);
    view.subject = subject_of(roster, request, operation).await?;
    let state = load(request, operation, &mut view).await?;
    let decision = judge(roster, request, operation, state, &view)?;
    Ok((view, decision))
}

async fn load<O: Operation>(
    request: &Request,
    operation: &O,
    view: &mut View<'_>,
) -> Result<O::State, OpError> {
    if let Some(draft) = request.receipt
        && let Some(found) = view.get(&draft.id).await?.filter(|found| found.is_live(view.now()))
    {
        if found.digest != draft.digest {
            return Err(Refusal::IdempotencyMismatch.into());
        }
        if let Some(answer) = found.answer {
            return Err(OpError::Replay(answer));
        }
    }
    if let Some(fence) = request.fence.as_ref().filter(|fence| fence.home == view.home)
        && view.get(&fence.job).await?.is_none_or(|job| job.is_to_stop() || !is_held(&job, fence.holder))
    {
        return Err(OpError::Lost);
    }
    let state = operation.load(view).await?;
    if let Some(subject) = operation.subject()
        && (request.if_match.is_some() || view.has_holders(&subject))
    {
        view.fetch_shown(subject).await?;
    }
    Ok(state)
}

/// Decides, with `If-Match` between what is forbidden and what is in conflict.
fn judge<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    state: O::State,
    view: &View<'_>,
) -> Result<Decision<O::Output>, Refusal> {
    let facts = Facts {
        actor: request.actor,
        now: view.now(),
        policies: Arc::clone(&roster.policies),
        seed: request.seed,
    };
    let decided = operation.decide(state, &facts);
    let outdated = match (&request.if_match, operation.subject()) {
        (Some(expected), Some(subject)) => !expected.fits(view.shown_subject(&subject)),
        _ => false,
    };
    match decided {
        Err(refusal) if !outdated || !matches!(refusal.kind(), RefusalKind::Conflict | RefusalKind::Gone) => {
            Err(refusal)
        }
        Ok(decision) if !outdated => Ok(decision),
        Ok(_) | Err(_) => Err(Refusal::PreconditionFailed),
    }
}

/// Settles these records. Of a named type, as what follows: who calls it need not be looked into with it.
fn settle<'a>(
    roster: &'a Roster,
    request: &'a Request,
    home: Home,
    keys: Vec<Key>,
    attempt: u32,
) -> BoxFuture<'a, Result<Option<Version>, OpError>> {
    Box::pin(async move {
        lapse_with_keys(roster, request, &home, &keys).await?;
        let mut version = None;
        for (n, keys) in keys.chunks(usize::from(SETTLED_AT_ONCE)).enumerate() {
            let system = request.as_settling(&format!("settle {attempt} {n}"));
            let operation = SettleDue { home: home.clone(), keys: keys.to_vec() };
            match run(roster, &system, &operation).await {
                Ok(done) => version = done.version,
                Err(OpError::Refused(Refusal::Conflict)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(version)
    })
}

/// Ends what was invited by keys of which the end is about to be written down. Before: of a note that is gone nobody would
/// know what is left to do.
pub(crate) async fn lapse_with_keys(
    roster: &Roster,
    request: &Request,
    home: &Home,
    ended: &[Key],
) -> Result<(), OpError> {
    let keys = ended.iter().filter_map(|key| match key {
        Key::Note(NoteKey::KeyEnd(id)) => Some(Inviter::ApiKey { id: *id }),
        _ => None,
    });
    let keys: Vec<Inviter> = keys.collect();
    if let (Home::Organization(organization), false) = (home, keys.is_empty()) {
        lapse_invitations(roster, &request.as_settling("lapse with keys"), *organization, Some(&keys))
            .await?;
    }
    Ok(())
}

/// Settles all that has ended in a home, and ends invitations whose inviter has left; whether there was anything.
fn settle_due<'a>(
    roster: &'a Roster,
    request: &'a Request,
    home: Home,
    attempt: u32,
) -> BoxFuture<'a, Result<bool, OpError>> {
    Box::pin(async move {
        let now = roster.store.read(&home, &[], &[]).await?.now();
        let listing = Listing::Due { home: home.clone(), until: now };
        let page = PageRequest { after: None, limit: SETTLED_AT_ONCE };
        let mut before = Vec::new();
        loop {
            let found = roster.store.list(&listing, &page).await?;
            let keys: Vec<Key> = found.rows.iter().map(|row| row.stored.record.key()).collect();
            if keys.is_empty() || keys == before {
                break;
            }
            settle(roster, request, home.clone(), keys.clone(), 100 + attempt).await?;
            before = keys;
        }
        Ok(any_lapsed(roster, request, &home).await? || !before.is_empty())
    })
}

/// Ends invitations whose inviter has left; whether there were any.
fn any_lapsed<'a>(
    roster: &'a Roster,
    request: &'a Request,
    home: &'a Home,
) -> BoxFuture<'a, Result<bool, OpError>> {
    Box::pin(async move {
        let Home::Organization(id) = home else { return Ok(false) };
        if roster.store.was_looked_through(home) {
            return Ok(false);
        }
        Ok(lapse_invitations(roster, &request.as_settling("lapse"), *id, None).await? > 0)
    })
}

/// A commit id is never drawn from the request: one who asks again may mean another state of the home, in which what
/// was committed before has been undone.
fn fresh_id(roster: &Roster) -> CommitId {
    CommitId::from_uuid(Seed::draw(roster.entropy.as_ref()).uuid("commit"))
}

/// Waits a random while, longer with each try, so that those who lost do not lose together again.
/// Waits a while before the next attempt, not as long as others do.
pub(crate) async fn back_off(roster: &Roster, attempt: u32) {
    let [random, ..] = roster.entropy.bytes();
    let millis = u64::from(random) * u64::from(attempt) / 32;
    tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
}
