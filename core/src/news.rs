//! Who waits for the next entry of a log: woken by what this process commits, and for what others commit by a look at
//! the end of the log every half second, one for all who wait in the process. Nothing of the store is held meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::home::Home;
use crate::store::{ChangeSet, CommitError, Committed, Store, StoreError};

/// How long nobody looks after somebody has looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is known in this process of the ends of logs that somebody waits for.
#[derive(Debug, Default)]
pub struct News {
    watched: Mutex<HashMap<Home, Weak<Watch>>>,
}

#[derive(Debug)]
struct Watch {
    end: watch::Sender<u64>,
    looked: Mutex<Option<Instant>>,
}

impl News {
    /// Tells of a commit that was made by this process.
    pub fn hear(&self, changes: &ChangeSet, outcome: &Result<Committed, CommitError>) {
        if let Ok(Committed::Now(Some(head))) = outcome {
            self.tell(&changes.home, head.seq);
        }
    }

    /// Until the log of a home goes beyond an entry. The store may fail meanwhile: then nothing is known to be new.
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

/// The number of a log's last entry.
async fn end_of(store: &dyn Store, home: &Home) -> Result<u64, StoreError> {
    Ok(store.read(home, &[], &[]).await?.head.seq)
}
