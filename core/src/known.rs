//! What a request read when it began, so that what it goes on to do need not read it again.
//!
//! A request reads after it was sent, and every commit guards what was decided on: facts of its beginning are as good
//! as facts of a moment later. They are used until the request commits something, and no longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::home::{Home, Key};
use crate::store::Read;

/// Reads of a request, of a home each. Cheap to clone; clones are of the same request.
#[derive(Clone, Default, Debug)]
pub struct Known {
    reads: Vec<Arc<Kept>>,
    spent: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Kept {
    home: Home,
    keys: BTreeSet<Key>,
    read: Read,
}

impl Known {
    /// With a read more: `keys` were asked for.
    #[must_use]
    pub fn with(mut self, home: Home, keys: impl IntoIterator<Item = Key>, read: Read) -> Self {
        self.reads.push(Arc::new(Kept { home, keys: keys.into_iter().collect(), read }));
        self
    }

    /// A read of a home that asked for a key, unless something was committed since.
    pub(crate) fn of(&self, home: &Home, key: &Key) -> Option<&Read> {
        if self.spent.load(Ordering::SeqCst) {
            return None;
        }
        let kept = self.reads.iter().find(|kept| kept.home == *home && kept.keys.contains(key))?;
        Some(&kept.read)
    }

    /// Something is about to be committed.
    pub(crate) fn spend(&self) {
        self.spent.store(true, Ordering::SeqCst);
    }
}
