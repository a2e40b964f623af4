//! Dropping what names a person: values and salts beside the entries of a log. The names of homes that are empty go by
//! themselves.

use roster_core::home::Home;
use roster_core::id::UserId;
use roster_core::log::{LogFilter, Personal};

use crate::error::Fault;
use crate::log::{self, text_of};
use crate::registry;
use crate::store::Inner;

/// Entries of one look.
const PAGE: u16 = 200;

pub(crate) async fn forget(store: &Inner, home: &Home, subject: UserId) -> Result<(), Fault> {
    if !home.has_log() {
        return registry::settle(store, home).await;
    }
    let (filter, keys) = (LogFilter::of_user(subject), store.keys(home));
    let mut after = 0;
    loop {
        let entries = log::entries(store, home, after, PAGE, &filter).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        let next = last.seq;
        let mut changed = false;
        for entry in entries {
            let kept: Vec<Personal> =
                entry.personal.iter().filter(|value| value.subject != subject).cloned().collect();
            if kept.len() == entry.personal.len() {
                continue;
            }
            let number = format!("{:016x}", entry.seq).into_bytes();
            let arguments = [number, text_of(&entry.personal)?, text_of(&kept)?];
            let done: u64 = store.bulk.ask(&store.scripts.forget, keys.all(), &arguments).await?;
            // Another has left out something else of it: look again.
            changed |= done == 0;
        }
        if !changed {
            after = next;
        }
    }
}
