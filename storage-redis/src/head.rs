//! The end of a log as the home keeps it: `SEQ TIME HASH`, in microseconds and hexadecimal digits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use roster_core::home::Home;
use roster_core::log::{Head, hex};
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::keys::bytes;

/// As the scripts compare it.
pub(crate) fn text(head: &Head) -> String {
    format!("{} {} {}", head.seq, head.time.micros(), hex(&head.hash))
}

/// What stands there, or the start of an empty log.
pub(crate) fn read(home: &Home, text: Option<&str>) -> Result<Head, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Head::start(home)) };
    let mut parts = text.split(' ');
    let mut next = || parts.next().ok_or_else(|| bad("head", text));
    Ok(Head {
        seq: next()?.parse().map_err(|_| bad("head", text))?,
        time: Timestamp::from_micros(next()?.parse().map_err(|_| bad("head", text))?),
        hash: bytes(next()?).ok_or_else(|| bad("head", text))?,
    })
}

/// The ends of logs as last seen, so that most commits bring the right hash along. A wrong guess costs the script the
/// work of a hash, nothing else.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<Home, Head>>);

impl Seen {
    /// Beyond so many it forgets all.
    const MOST: usize = 10_000;

    pub(crate) fn get(&self, home: &Home) -> Head {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(home).copied().unwrap_or_else(|| Head::start(home))
    }

    pub(crate) fn set(&self, home: &Home, head: Head) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= Self::MOST {
            seen.clear();
        }
        seen.insert(home.clone(), head);
    }
}
