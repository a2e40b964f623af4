//! From a decision to the change set that is committed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Decision, Event, Operation, Roster, View};
use crate::facts::Request;
use crate::home::{Key, Record, Tally};
use crate::id::{CommitId, UserId, Version};
use crate::log::{Body, Change, Detached, LogEntry};
use crate::model::Job;
use crate::store::{ChangeSet, Write};
use crate::time::Timestamp;

/// The change set of a decision: guards on all that was read, tallies from the difference of the records.
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
    let mut sums: BTreeMap<Tally, i64> = decision.checks.iter().map(|tally| (*tally, 0)).collect();
    let mut writes = Vec::new();
    let before = |key: &Key| view.seen.get(key).and_then(Option::as_ref).map(|stored| &stored.record);
    for record in &decision.puts {
        let key = record.key();
        for (tally, weight) in record.weighs() {
            *sums.entry(tally).or_default() += weight;
        }
        for (tally, weight) in before(&key).map(Record::weighs).unwrap_or_default() {
            *sums.entry(tally).or_default() -= weight;
        }
        guards.entry(key).or_insert(None);
        writes.push(Write::Put(record.clone()));
    }
    for key in &decision.removes {
        for (tally, weight) in before(key).map(Record::weighs).unwrap_or_default() {
            *sums.entry(tally).or_default() -= weight;
        }
        writes.push(Write::Remove(key.clone()));
    }
    writes.extend(from_hold(request, &view, &mut sums).map(|job| Write::Put(Record::Job(Box::new(job)))));
    let organization = decision.puts.iter().chain(before(&Key::Organization)).find_map(|record| {
        if let Record::Organization(organization) = record { Some(organization) } else { None }
    });
    let exact: BTreeMap<Tally, i64> = decision.exact.iter().copied().collect();
    for tally in exact.keys() {
        sums.entry(*tally).or_default();
    }
    for (tally, by) in sums {
        let within = match exact.get(&tally) {
            Some(sum) => (sum + by)..=(sum + by),
            None if by != 0 || decision.checks.contains(&tally) => {
                roster.policies.seats.range(tally, by, organization)
            }
            None => continue,
        };
        writes.push(Write::Add { tally, by, within });
    }
    let entry = view.home.has_log().then(|| {
        let about = operation.about();
        log_entry(roster, request, about, view.now(), id, decision.events.clone())
    });
    ChangeSet { id, home: view.home, not_after: operation.not_after(), guards, writes, entry }
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
