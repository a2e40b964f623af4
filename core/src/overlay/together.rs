//! Commits to one home put together, so that a file of many rows is not as many commits.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use uuid::Uuid;

use crate::home::{Home, Key, Tally};
use crate::id::CommitId;
use crate::log::{Body, LogEntry, Personal, digest, shift_marks};
use crate::store::{ChangeSet, MAX_WRITES, Write};
use crate::time::Timestamp;

/// How many changes an entry may hold: whoever reads one of them reads them all.
const MOST_CHANGES: usize = 100;

/// How many bytes of bodies and personal values go into one entry, for the same reason.
const MOST_BYTES: usize = 256 << 10;

/// The same commits with as few as there may be to each home. Each does at once what those that it stands for do one after the
/// other, and its entry holds their changes in their order. They come in rounds, to be sent one after the other, and each round
/// by home: one that guards what the one before it in its home writes goes in the same round, since without that it comes to
/// nothing; of others nobody could tell.
pub(super) fn together(sets: Vec<ChangeSet>, names: &mut Names) -> Vec<Vec<Vec<ChangeSet>>> {
    let mut homes: BTreeMap<Home, Vec<ChangeSet>> = BTreeMap::new();
    for mut set in sets {
        names.renew(&mut set.guards);
        homes.entry(set.home.clone()).or_default().push(set);
    }
    let mut rounds: Vec<Vec<Vec<ChangeSet>>> = Vec::new();
    for joined in homes.into_values().map(|sets| of_one_home(sets, names)) {
        for (n, chain) in chains(joined).into_iter().enumerate() {
            match rounds.get_mut(n) {
                Some(round) => round.push(chain),
                None => rounds.push(vec![chain]),
            }
        }
    }
    rounds
}

/// Commits to one home, cut where one does not rest on the one before it.
fn chains(sets: Vec<ChangeSet>) -> Vec<Vec<ChangeSet>> {
    let mut chains: Vec<Vec<ChangeSet>> = Vec::new();
    for set in sets {
        match chains.last_mut() {
            Some(chain) if chain.last().is_some_and(|before| rests_on(&set, before.id)) => chain.push(set),
            _ => chains.push(vec![set]),
        }
    }
    chains
}

/// Whether a commit comes to nothing without another.
fn rests_on(set: &ChangeSet, before: CommitId) -> bool {
    set.guards.values().any(|version| *version == Some(before))
}

fn of_one_home(sets: Vec<ChangeSet>, names: &mut Names) -> Vec<ChangeSet> {
    if sets.len() == 1 {
        return sets;
    }
    let (mut done, mut open) = (Vec::new(), None::<Joined>);
    for mut set in sets {
        let Some(part) = Joined::of(&set) else {
            done.extend(names.close(open.take()));
            names.renew(&mut set.guards);
            done.push(set);
            continue;
        };
        open = match open.take() {
            Some(before) if before.fits(&part) => Some(before.then(part)),
            before => {
                done.extend(names.close(before));
                Some(part)
            }
        };
    }
    done.extend(names.close(open));
    done
}

/// What commits are called now that have been put together.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<CommitId, CommitId>);

impl Names {
    fn close(&mut self, joined: Option<Joined>) -> Option<ChangeSet> {
        let mut joined = joined?;
        self.renew(&mut joined.guards);
        let ids = joined.ids.clone();
        let set = joined.close();
        self.0.extend(ids.into_iter().map(|id| (id, set.id)));
        Some(set)
    }

    /// What a commit is called now, if that is something else.
    pub(super) fn of(&self, id: CommitId) -> Option<CommitId> {
        self.0.get(&id).copied()
    }

    /// What one of them wrote bears the name of all.
    pub(super) fn renew(&self, guards: &mut BTreeMap<Key, Option<CommitId>>) {
        for version in guards.values_mut().flatten() {
            *version = self.0.get(version).copied().unwrap_or(*version);
        }
    }
}

/// Commits to one home on the way to be one.
struct Joined {
    home: Home,
    ids: Vec<CommitId>,
    not_after: Option<Timestamp>,
    guards: BTreeMap<Key, Option<CommitId>>,
    records: BTreeMap<Key, Write>,
    sums: BTreeMap<Tally, (i64, RangeInclusive<i64>)>,
    log: Option<Log>,
}

/// Their entries.
struct Log {
    body: Body,
    time: Timestamp,
    personal: Vec<Personal>,
    bytes: usize,
}

impl Joined {
    /// One commit; nothing where it must stay alone: it names what a tally has to be, or its entry cannot be read.
    fn of(set: &ChangeSet) -> Option<Self> {
        let (mut records, mut sums) = (BTreeMap::new(), BTreeMap::new());
        for write in &set.writes {
            match write {
                Write::Put(record) => drop(records.insert(record.key(), write.clone())),
                Write::Remove(key) => drop(records.insert(key.clone(), write.clone())),
                Write::Add { within, .. } if within.start() == within.end() => return None,
                Write::Add { tally, by, within } => add(&mut sums, *tally, *by, within.clone()),
            }
        }
        let log = match &set.entry {
            None => None,
            Some(entry) => Some(Log {
                body: serde_json::from_slice(&entry.body).ok()?,
                time: entry.time,
                personal: entry.personal.clone(),
                bytes: entry.body.len() + entry.personal.iter().map(|it| it.value.len()).sum::<usize>(),
            }),
        };
        let (home, ids, guards) = (set.home.clone(), vec![set.id], set.guards.clone());
        Some(Self { home, ids, not_after: set.not_after, guards, records, sums, log })
    }

    /// Whether what comes next may be done together with this: by the same actor, for the same reason, and not too much.
    fn fits(&self, next: &Self) -> bool {
        let alike = match (&self.log, &next.log) {
            (None, None) => true,
            (Some(log), Some(more)) => log.fits(more),
            _ => false,
        };
        alike && self.writes() + next.writes() <= MAX_WRITES
    }

    fn writes(&self) -> usize {
        self.records.len() + self.sums.len()
    }

    fn then(mut self, next: Self) -> Self {
        for (key, expected) in next.guards {
            // What was written here has the version that was looked for, or nobody would have come so far.
            if !self.records.contains_key(&key) {
                self.guards.entry(key).or_insert(expected);
            }
        }
        self.ids.extend(next.ids);
        self.not_after = self.not_after.into_iter().chain(next.not_after).min();
        self.records.extend(next.records);
        for (tally, (by, within)) in next.sums {
            add(&mut self.sums, tally, by, within);
        }
        if let (Some(log), Some(more)) = (&mut self.log, next.log) {
            log.take(more);
        }
        self
    }

    fn close(self) -> ChangeSet {
        let id = name(&self.ids);
        let added = self.sums.into_iter().map(|(tally, (by, within))| Write::Add { tally, by, within });
        let entry = self.log.map(|log| {
            let body = Body { commit: id, ..log.body };
            let entry = LogEntry::new(&body, body.canonical(), log.personal);
            LogEntry { time: log.time, ..entry }
        });
        ChangeSet {
            id,
            home: self.home,
            not_after: self.not_after,
            guards: self.guards,
            writes: self.records.into_values().chain(added).collect(),
            entry,
        }
    }
}

impl Log {
    /// Whether both are of one act, or one of them says of nothing who did it.
    fn fits(&self, more: &Self) -> bool {
        let (body, next) = (&self.body, &more.body);
        let said = body.reason.is_null() && next.reason.is_null();
        let one = body.actor == next.actor && body.request_id == next.request_id;
        let few = body.changes.len() + next.changes.len() <= MOST_CHANGES;
        let few = few && self.bytes + more.bytes <= MOST_BYTES;
        said && few && (one || body.changes.is_empty() || next.changes.is_empty())
    }

    fn take(&mut self, more: Self) {
        self.bytes += more.bytes;
        if self.body.changes.is_empty() {
            (self.body.actor, self.body.request_id) = (more.body.actor, more.body.request_id.clone());
        }
        let shift = u16::try_from(self.personal.len()).unwrap_or(u16::MAX);
        for mut change in more.body.changes {
            shift_marks(&mut change.before, shift);
            shift_marks(&mut change.after, shift);
            self.body.changes.push(change);
        }
        let moved = more.personal.into_iter().map(|it| Personal { n: it.n.saturating_add(shift), ..it });
        self.personal.extend(moved);
        self.body.time = self.body.time.max(more.body.time);
        self.time = self.time.max(more.time);
    }
}

/// Adds up; the sum of all has to lie where each of them had to.
fn add(
    sums: &mut BTreeMap<Tally, (i64, RangeInclusive<i64>)>,
    tally: Tally,
    by: i64,
    within: RangeInclusive<i64>,
) {
    let (sum, range) = sums.entry(tally).or_insert((0, i64::MIN..=i64::MAX));
    *sum += by;
    *range = *range.start().max(within.start())..=*range.end().min(within.end());
}

/// The first's instant, and the rest by all of them, so that others put together have another name.
fn name(ids: &[CommitId]) -> CommitId {
    let [first, _, ..] = ids else {
        return ids.first().copied().unwrap_or_else(|| CommitId::from_uuid(Uuid::nil()));
    };
    let all: Vec<u8> = ids.iter().flat_map(|id| id.uuid().into_bytes()).collect();
    let (mut bytes, sum) = (first.uuid().into_bytes(), digest(&all));
    // The variant's two bits stay.
    bytes[8] = (bytes[8] & 0xc0) | (sum[8] & 0x3f);
    bytes[9..].copy_from_slice(&sum[9..16]);
    CommitId::from_uuid(Uuid::from_bytes(bytes))
}

#[cfg(test)]
#[path = "together_tests.rs"]
mod tests;
