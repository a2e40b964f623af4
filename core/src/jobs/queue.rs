//! What a worker knows of the jobs that are not done, so that it reads only those whose turn may have come, however many
//! wait for theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use crate::home::{Home, Key, Record};
use crate::id::{JobId, Version};
use crate::listing::{Listing, PageRequest, Position, Row};
use crate::model::{DirectoryKind, Work};
use crate::observe::Observer;
use crate::ops::job::Later;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;

/// How often all of them are listed, and for how long at most what was read of one is believed, in seconds.
const WHOLE: i64 = 30;
/// New ones are looked for among those whose ids were drawn so many seconds ago or later: that is a while before they are
/// noted, by a clock that may be slow.
const MARGIN: i64 = 60;
/// How many are read in one turn only to count them.
const PEEKS: usize = 20;
/// How long it is believed that somebody is at one, and what was read only to count them, in seconds.
const BELIEVED: i64 = 10;

/// The jobs that are not done.
#[derive(Debug)]
pub(super) struct Queue {
    open: BTreeMap<JobId, Open>,
    listed_at: Option<Timestamp>,
    now: Timestamp,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// The home that holds it.
    pub(super) home: Home,
    /// The version of the entry that leads to it.
    pub(super) version: Version,
    kind: Option<&'static str>,
    /// Since when it could be worked on.
    since: Timestamp,
    /// What was read of it holds until then.
    until: Timestamp,
    standing: Standing,
}

/// What is known of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It waits to be taken.
    Waiting,
    /// It waits to be taken again.
    BackedOff,
    /// Its time has not come.
    Ahead,
    /// Somebody is at it.
    Leased,
}

impl Default for Queue {
    fn default() -> Self {
        Self { open: BTreeMap::new(), listed_at: None, now: Timestamp::EPOCH }
    }
}

impl Queue {
    /// Lists what is new, and from time to time everything.
    pub(super) async fn refresh(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let whole = self.listed_at.is_none_or(|at| self.now < at || self.now >= at.plus_seconds(WHOLE));
        let from =
            (!whole).then(|| Position { by: String::new(), id: drawn_at(self.now.plus_seconds(-MARGIN)) });
        let listing = Listing::Directory { kind: DirectoryKind::Jobs, active: Some(true), q: None };
        let mut page = PageRequest { after: from.clone(), limit: 200 };
        let mut found = BTreeMap::new();
        loop {
            let rows = store.list(&listing, &page).await?;
            self.now = rows.now;
            page.after = rows.rows.last().map(|row| row.position.clone());
            found.extend(rows.rows.iter().filter_map(open));
            if !rows.more {
                break;
            }
        }
        if from.is_none() {
            self.listed_at = Some(self.now);
        }
        let listed = |id: &JobId| from.as_ref().is_none_or(|from| id.uuid() > from.id);
        self.open
            .retain(|id, known| !listed(id) || found.get(id).is_some_and(|it| it.version == known.version));
        for (id, it) in found {
            self.open.entry(id).or_insert(it);
        }
        Ok(())
    }

    /// The instant of the last listing.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Those whose turn may have come, the oldest first.
    pub(super) fn ready(&self) -> Vec<JobId> {
        self.open.iter().filter(|(_, open)| open.is_ready(self.now)).map(|(id, _)| *id).collect()
    }

    /// Whether one is of a kind that must end.
    pub(super) fn must_end(&self, id: JobId) -> bool {
        let kind = self.open.get(&id).and_then(|open| open.kind);
        kind.is_some_and(|kind| Work::MUST_END.contains(&kind))
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Open> {
        self.open.get(&id)
    }

    /// It is done, or was never there.
    pub(super) fn drop(&mut self, id: JobId) {
        self.open.remove(&id);
    }

    /// It is not to be taken yet.
    pub(super) fn later(&mut self, id: JobId, later: Later) {
        // Whoever is at it may give it back before its time, as a server does that ends.
        let latest = self.now.plus_seconds(if later.leased { BELIEVED } else { WHOLE });
        if let Some(open) = self.open.get_mut(&id) {
            open.kind = Some(later.kind);
            open.until = later.until.min(latest);
            open.since = later.since;
            open.standing = match (later.leased, later.again) {
                (true, _) => Standing::Leased,
                (false, true) => Standing::BackedOff,
                (false, false) => Standing::Ahead,
            };
        }
    }

    /// Tells how many of each kind wait, and for how long the oldest has. What others may have taken is read before it
    /// counts as the oldest.
    pub(super) async fn tell(
        &mut self,
        store: &dyn Store,
        busy: &BTreeSet<JobId>,
        observer: &dyn Observer,
    ) -> Result<(), StoreError> {
        let mut peeks = PEEKS;
        let unknown: Vec<JobId> =
            self.open.iter().filter(|(_, it)| it.kind.is_none()).map(|(id, _)| *id).take(PEEKS).collect();
        for id in unknown {
            peeks -= 1;
            self.peek(store, id).await?;
        }
        for kind in Work::KINDS {
            let oldest = loop {
                let mut waiting = self.waiting(kind, busy);
                match waiting.next() {
                    Some((id, open)) if peeks > 0 && open.until <= self.now => {
                        let id = *id;
                        drop(waiting);
                        peeks -= 1;
                        self.peek(store, id).await?;
                    }
                    first => break first.map(|(_, open)| open.since),
                }
            };
            let count = u64::try_from(self.waiting(kind, busy).count()).unwrap_or(u64::MAX);
            let micros = oldest.map_or(0, |since| self.now.micros() - since.micros());
            observer.jobs_waiting(kind, count, Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        }
        Ok(())
    }

    fn waiting<'a>(
        &'a self,
        kind: &'static str,
        busy: &'a BTreeSet<JobId>,
    ) -> impl Iterator<Item = (&'a JobId, &'a Open)> {
        let waits = move |open: &Open| match open.standing {
            Standing::Waiting | Standing::BackedOff => true,
            Standing::Ahead | Standing::Leased => open.is_ready(self.now),
        };
        self.open
            .iter()
            .filter(move |(id, open)| open.kind == Some(kind) && waits(open) && !busy.contains(*id))
    }

    /// Reads one, only to know more of it.
    async fn peek(&mut self, store: &dyn Store, id: JobId) -> Result<(), StoreError> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        let read = store.read(&open.home, &[Key::Job(id)], &[]).await?;
        match read.records.get(&Key::Job(id)).map(|stored| &stored.record) {
            Some(Record::Job(job)) if !job.status.is_finished() => {
                if let Some(later) = Later::of(job, read.now()) {
                    self.later(id, later);
                } else {
                    (open.kind, open.since) = (Some(job.work.kind()), Later::since(job));
                    open.waits_until(self.now);
                }
            }
            // Whoever takes it next finds that it is done, or was never there.
            _ => open.waits_until(self.now),
        }
        Ok(())
    }
}

impl Open {
    /// Whether it is worth a look. One that only waits for room always is.
    fn is_ready(&self, now: Timestamp) -> bool {
        self.standing == Standing::Waiting || self.until <= now
    }

    fn waits_until(&mut self, now: Timestamp) {
        (self.standing, self.until) = (Standing::Waiting, now.plus_seconds(BELIEVED));
    }
}

/// As an entry tells of it.
fn open(row: &Row) -> Option<(JobId, Open)> {
    let Record::DirectoryEntry(entry) = &row.stored.record else { return None };
    let version = row.stored.version;
    let millis = i64::try_from(version.unix_millis()).unwrap_or(i64::MAX);
    let since = Timestamp::from_micros(millis.saturating_mul(1_000));
    let (kind, until, standing) = (entry.job_kind(), Timestamp::EPOCH, Standing::Waiting);
    Some((entry.id.job()?, Open { home: entry.home()?, version, kind, since, until, standing }))
}

/// The first id that may have been drawn at an instant.
fn drawn_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.micros() / 1_000).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}
