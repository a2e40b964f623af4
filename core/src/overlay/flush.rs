//! What was committed in memory goes to the store below, much at a time.

use std::collections::BTreeSet;

use super::{Names, Overlay, together};
use crate::home::{Home, Key, Record};
use crate::id::CommitId;
use crate::store::{ChangeSet, CommitError, Write};

/// How many change sets go to the store below at a time, or a few more: what a chunk of an import comes to in pointers.
const GROUP: usize = 1_200;

impl Overlay {
    /// Commits to the store below what was committed here: new pointers first, then people, then organizations; pointers are
    /// changed and let go last. What commits are called that were put together. On an error what has been flushed stays and is
    /// told, and the overlay must not be used again.
    pub(crate) async fn flush(&self) -> Result<Names, CutShort> {
        let (pending, forgotten) = {
            let mut layer = self.layer();
            layer.bytes = 0;
            (std::mem::take(&mut layer.pending), std::mem::take(&mut layer.forgotten))
        };
        let flushed = self.flush_all(pending).await;
        for (home, subject) in forgotten {
            self.base.forget(&home, subject).await.map_err(CommitError::from)?;
        }
        flushed
    }

    async fn flush_all(&self, mut pending: Vec<ChangeSet>) -> Result<Names, CutShort> {
        pending.sort_by_key(rank);
        let mut waves: Vec<(u8, Vec<ChangeSet>)> = Vec::new();
        for set in pending {
            let rank = rank(&set);
            match waves.last_mut() {
                Some((last, wave)) if *last == rank => wave.push(set),
                _ => waves.push((rank, vec![set])),
            }
        }
        let (mut names, mut arrived) = (Names::default(), BTreeSet::new());
        for (_, wave) in waves {
            for round in together::together(wave, &mut names) {
                for group in groups(round) {
                    let mut failed = None;
                    for (set, outcome) in group.iter().zip(self.base.commit_all(&group).await) {
                        match outcome {
                            Ok(_) => drop(arrived.insert(set.id)),
                            // Whether that one is there is not known: this comes before all else.
                            Err(error @ CommitError::Store(_)) => failed = Some(error),
                            Err(error) => failed = failed.or(Some(error)),
                        }
                    }
                    if let Some(why) = failed {
                        return Err(CutShort { why, arrived, names });
                    }
                }
            }
        }
        Ok(names)
    }

    /// The last commit to a home that waits to be flushed and says something of a member.
    pub(crate) fn last_of_a_member(&self, home: &Home) -> Option<CommitId> {
        self.last(|set, record| set.home == *home && matches!(record, Record::Member(_)))
    }

    /// The same that makes an account.
    pub(crate) fn last_new_account(&self, home: &Home) -> Option<CommitId> {
        self.last(|set, record| {
            set.home == *home && matches!(record, Record::Account(_)) && makes(set, record)
        })
    }

    /// The same that makes a person.
    pub(crate) fn last_new_user(&self) -> Option<CommitId> {
        self.last(|set, record| matches!(record, Record::User(_)) && makes(set, record))
    }

    fn last(&self, is_it: impl Fn(&ChangeSet, &Record) -> bool) -> Option<CommitId> {
        let puts_it = |set: &ChangeSet| {
            set.writes.iter().any(|write| matches!(write, Write::Put(record) if is_it(set, record)))
        };
        self.layer().pending.iter().rfind(|set| puts_it(set)).map(|set| set.id)
    }
}

/// As many as go at a time; those of one home are not parted.
fn groups(round: Vec<Vec<ChangeSet>>) -> Vec<Vec<ChangeSet>> {
    let mut groups: Vec<Vec<ChangeSet>> = Vec::new();
    for chain in round {
        match groups.last_mut() {
            Some(group) if group.len() + chain.len() <= GROUP => group.extend(chain),
            _ => groups.push(chain),
        }
    }
    groups
}

/// A flush that has not come to its end.
#[derive(Debug)]
pub(crate) struct CutShort {
    /// The first commit that was not done, and why.
    pub(crate) why: CommitError,
    arrived: BTreeSet<CommitId>,
    names: Names,
}

impl CutShort {
    /// Whether a commit of the overlay is in the store below by this flush.
    pub(crate) fn has(&self, id: CommitId) -> bool {
        self.arrived.contains(&self.names.of(id).unwrap_or(id))
    }
}

impl From<CommitError> for CutShort {
    fn from(why: CommitError) -> Self {
        Self { why, arrived: BTreeSet::new(), names: Names::default() }
    }
}

/// Whether a record that a commit puts was not there before.
fn makes(set: &ChangeSet, record: &Record) -> bool {
    set.guards.get(&record.key()).is_some_and(Option::is_none)
}

/// A pointer is committed before what it leads to, and let go after it. What directories say of things that are there
/// changes after them. What a source makes is counted before it is made.
fn rank(set: &ChangeSet) -> u8 {
    match set.home {
        Home::Claim(_) | Home::Directory(..) | Home::Outbox(_) | Home::Webhooks(_) => {
            let is_there = |key: &Key| set.guards.get(key).is_some_and(Option::is_some);
            let late = |write: &Write| match write {
                Write::Remove(_) => true,
                Write::Put(record) => matches!(set.home, Home::Directory(..)) && is_there(&record.key()),
                Write::Add { .. } => false,
            };
            if set.writes.iter().any(late) { 4 } else { 0 }
        }
        Home::Stream(_, 0) => 0,
        Home::User(_) => 1,
        Home::Organization(_) => 2,
        Home::Deployment | Home::Feed | Home::Stream(..) | Home::Activity(_) => 3,
    }
}
