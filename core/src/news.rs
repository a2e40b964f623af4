//! Who waits for the next entry of a log: woken by what this process commits, and for what others commit by a look at
//! the end of the log every half second, one for all who wait in the process. Nothing of the store is held meanwhile.
//!
//! And which logs this process has committed to, for whoever gathers that.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::home::{Home, Key};
use crate::model::FeedKey;
use crate::store::{ChangeSet, CommitError, Committed, Store, StoreError, Write};

/// How long nobody looks after somebody has looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Of more logs than this it is not remembered that they were committed to.
const MOST_GATHERED: usize = 100_000;

/// What is known in this process of the ends of logs.
#[derive(Debug, Default)]
pub struct News {
    watched: Mutex<HashMap<Home, Weak<Watch>>>,
    gathered: Mutex<Option<BTreeMap<Home, u64>>>,
    bell: Notify,
}

#[derive(Debug)]
struct Watch {
    end: watch::Sender<u64>,
    looked: Mutex<Option<Instant>>,
}

impl News {
    /// Tells of a commit that was made by this process.
    pub fn hear(&self, changes: &ChangeSet, outcome: &Result<Committed, CommitError>) {
        match outcome {
            Ok(Committed::Now(Some(head))) => {
                self.tell(&changes.home, head.seq);
                self.remember(&changes.home, head.seq);
            }
            Ok(Committed::Now(None)) if changes.home == Home::Feed => {
                let reached = changes.writes.iter().find_map(feed_end);
                self.tell(&Home::Feed, reached.unwrap_or_default());
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// From now on it is remembered which logs this process has committed to, until they are [taken](Self::take_gathered).
    pub fn gather(&self) {
        self.gathered_logs().get_or_insert_default();
    }

    /// Until there is something to take.
    pub async fn gathered(&self) {
        while self.gathered_logs().as_ref().is_none_or(BTreeMap::is_empty) {
            self.bell.notified().await;
        }
    }

    /// The logs with their ends as this process knows them.
    pub fn take_gathered(&self) -> BTreeMap<Home, u64> {
        self.gathered_logs().as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn remember(&self, home: &Home, seq: u64) {
        let mut gathered = self.gathered_logs();
        let Some(logs) = gathered.as_mut() else { return };
        if logs.len() < MOST_GATHERED || logs.contains_key(home) {
            let end = logs.entry(home.clone()).or_default();
            *end = seq.max(*end);
            self.bell.notify_one();
        }
    }

    fn gathered_logs(&self) -> MutexGuard<'_, Option<BTreeMap<Home, u64>>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the log of a home, or the feed, goes beyond an entry. The store may fail meanwhile: then nothing is known to be new.
    pub async fn beyond(&self, store: &dyn Store, home: &Home, seq: u64) {
        let watch = self.watch(home);
        let mut end = watch.end.subscribe();
        loop {
            if watch.may_look() {
                match end_of(store, home).await {
                    Ok(seen) => watch.tell(seen),
                    Err(error) => tracing::debug!(%error, "the end of a log cannot be looked at"),
                }
            }
            if *end.borrow_and_update() > seq {
                return;
            }
            tokio::time::timeout(LOOK_EVERY, end.changed()).await.ok();
        }
    }

    fn tell(&self, home: &Home, seq: u64) {
        let watch = self.watched().get(home).and_then(Weak::upgrade);
        if let Some(watch) = watch {
            watch.tell(seq);
        }
    }

    fn watch(&self, home: &Home) -> Arc<Watch> {
        let mut watched = self.watched();
        if let Some(watch) = watched.get(home).and_then(Weak::upgrade) {
            return watch;
        }
        watched.retain(|_, watch| watch.strong_count() > 0);
        let watch = Arc::new(Watch { end: watch::Sender::new(0), looked: Mutex::default() });
        watched.insert(home.clone(), Arc::downgrade(&watch));
        watch
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Home, Weak<Watch>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn tell(&self, seq: u64) {
        self.end.send_if_modified(|end| {
            let newer = seq > *end;
            *end = seq.max(*end);
            newer
        });
    }

    /// Whether it is time to look again; whoever is told so looks.
    fn may_look(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if due {
            *looked = Some(Instant::now());
        }
        due
    }
}

/// Where the feed ends, of the write that says so.
fn feed_end(write: &Write) -> Option<u64> {
    let Write::Put(record) = write else { return None };
    record.feed_line().filter(|line| line.key == FeedKey::end()).map(|line| line.reached)
}

/// The number of a log's last entry, or of the feed's.
pub(crate) async fn end_of(store: &dyn Store, home: &Home) -> Result<u64, StoreError> {
    if *home == Home::Feed {
        let key = Key::Feed(FeedKey::end());
        let read = store.read(home, std::slice::from_ref(&key), &[]).await?;
        let end = read.records.get(&key).and_then(|stored| stored.record.feed_line());
        return Ok(end.map_or(0, |line| line.reached));
    }
    Ok(store.read(home, &[], &[]).await?.head.seq)
}
