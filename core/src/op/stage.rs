//! From a decision to the change set that is committed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{Decision, Event, Operation, Roster, View};
use crate::facts::Request;
use crate::home::{Key, Record, Tally};
use crate::id::{CommitId, UserId, Version};
use crate::log::{Body, Change, Detached, LogEntry};
use crate::model::Job;
use crate::store::{ChangeSet, Write};
use crate::time::Timestamp;

/// The change set of a decision: guards on all that was read and on what is new but for marks, tallies from the difference of the records.
pub(super) fn stage<O: Operation>(
    roster: &Roster,
    request: &Request,
    operation: &O,
    view: View<'_>,
    decision: &Decision<O::Output>,
    id: CommitId,
) -> ChangeSet {
    let mut guards: BTreeMap<Key, Option<Version>> = view
        .seen
        .iter()
        .map(|(key, found)| (key.clone(), found.as_ref().map(|stored| stored.version)))
        .collect();
    let mut writes: Vec<Write> = decision.puts.iter().cloned().map(Write::Put).collect();
    writes.extend(decision.removes.iter().cloned().map(Write::Remove));
    let is_mark = |record: &Record| matches!(record, Record::Note(note) if note.is_mark());
    for record in decision.puts.iter().filter(|record| !is_mark(record)) {
        guards.entry(record.key()).or_insert(None);
    }
    let (sums, job) = added(roster, request, &view, decision);
    writes.extend(job.map(|job| Write::Put(Record::Job(Box::new(job)))));
    writes.extend(sums.into_iter().map(|(tally, by, within)| Write::Add { tally, by, within }));
    let entry = view.home.has_log().then(|| {
        let about = operation.about();
        log_entry(roster, request, about, view.now(), id, decision.events.clone())
    });
    ChangeSet { id, home: view.home, not_after: operation.not_after(), guards, writes, entry }
}

/// A tally, what is added to it, and the bounds of the sum.
pub(super) type Added = (Tally, i64, RangeInclusive<i64>);

/// What a decision adds to tallies, with the bounds of each sum, and the job from whose hold it takes seats.
pub(super) fn added<T>(
    roster: &Roster,
    request: &Request,
    view: &View<'_>,
    decision: &Decision<T>,
) -> (Vec<Added>, Option<Job>) {
    let mut sums: BTreeMap<Tally, i64> = decision.checks.iter().map(|tally| (*tally, 0)).collect();
    let before = |key: &Key| view.seen.get(key).and_then(Option::as_ref).map(|stored| &stored.record);
    for record in &decision.puts {
        for (tally, weight) in record.weighs() {
            *sums.entry(tally).or_default() += weight;
        }
    }
    let gone = decision.puts.iter().map(Record::key).chain(decision.removes.iter().cloned());
    for (tally, weight) in gone.filter_map(|key| before(&key)).flat_map(Record::weighs) {
        *sums.entry(tally).or_default() -= weight;
    }
    let job = from_hold(request, view, &mut sums);
    let exact: BTreeMap<Tally, i64> = decision.exact.iter().copied().collect();
    for tally in exact.keys() {
        sums.entry(*tally).or_default();
    }
    let organization = decision.puts.iter().chain(before(&Key::Organization)).find_map(|record| {
        if let Record::Organization(organization) = record { Some(organization) } else { None }
    });
    let bounded = sums.into_iter().filter_map(|(tally, by)| {
        let within = match exact.get(&tally) {
            Some(sum) => (sum + by)..=(sum + by),
            None if by != 0 || decision.checks.contains(&tally) => {
                roster.policies.seats.range(tally, by, organization)
            }
            None => return None,
        };
        Some((tally, by, within))
    });
    (bounded.collect(), job)
}

/// The job for which it is done, with so many seats less as are taken by this and it holds: they go from one to the other, so
/// that nobody else gets them.
fn from_hold(request: &Request, view: &View<'_>, sums: &mut BTreeMap<Tally, i64>) -> Option<Job> {
    let fence = request.fence.as_ref().filter(|fence| fence.home == view.home)?;
    let Record::Job(job) = &view.seen.get(&Key::Job(fence.job))?.as_ref()?.record else { return None };
    let seats = sums.get_mut(&Tally::Seats)?;
    let taken = (*seats).min(job.seats_held);
    if taken <= 0 {
        return None;
    }
    *seats -= taken;
    Some(Job { seats_held: job.seats_held - taken, ..Job::clone(job) })
}

fn log_entry(
    roster: &Roster,
    request: &Request,
    about: Option<UserId>,
    time: Timestamp,
    id: CommitId,
    events: Vec<Event>,
) -> LogEntry {
    let salts = |n: u16| {
        let mut salt = [0_u8; 16];
        salt.copy_from_slice(&request.seed.derive(&format!("salt {id} {n}"))[..16]);
        salt
    };
    let mut personal = Detached::new(&salts);
    let changes: Vec<Change> =
        events.into_iter().map(|event| event.detach(&mut personal, &roster.links)).collect();
    // What somebody says of another is about the other.
    let about = about.or_else(|| request.actor.user());
    let subject = about.or_else(|| changes.first().and_then(|change| change.user));
    let reason = match (&request.reason, subject) {
        (None, _) => Value::Null,
        (Some(reason), Some(subject)) => personal.hide(subject, &json!(reason)),
        (Some(reason), None) => json!(reason),
    };
    let body = Body {
        actor: request.actor,
        request_id: request.request_id.clone(),
        reason,
        time,
        commit: id,
        changes,
    };
    LogEntry::new(&body, body.canonical(), personal.into_personal())
}
