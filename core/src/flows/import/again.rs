//! Whom a file names again further on. What is foreseen of the others need not be kept: so a file of a million rows is
//! gone through in little memory.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::ImportLine;
use super::ahead::claims;
use crate::model::ClaimName;

/// For every name in a file the last part that says it, by a hash: two names that share one are kept the longer for it.
#[derive(Debug, Default)]
pub(crate) struct Again {
    hash: RandomState,
    last: HashMap<u64, u32>,
}

impl Again {
    /// Takes in a part; they come in their order.
    pub(crate) fn note(&mut self, part: u32, lines: &[ImportLine]) {
        for claim in lines.iter().filter_map(|line| line.row.as_ref().ok()).flat_map(claims) {
            self.last.insert(self.hash.hash_one(&claim), part);
        }
    }

    /// Whether a part after this one says a name.
    pub(crate) fn after(&self, part: u32, name: &ClaimName) -> bool {
        self.last.get(&self.hash.hash_one(name)).is_some_and(|last| *last > part)
    }
}
