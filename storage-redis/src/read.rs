//! Records, tallies and the log head of one home, by one script, so of one instant.

use roster_core::home::{Home, Key, Tally};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock};
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::keys::{field, tally_field};
use crate::store::Inner;
use crate::{head, record};

/// Fields of a home at one instant.
pub(crate) struct Fields {
    pub(crate) clock: Timestamp,
    pub(crate) head: Head,
    /// In the order in which they were asked for.
    pub(crate) values: Vec<Option<Vec<u8>>>,
}

pub(crate) async fn fields(store: &Inner, home: &Home, names: &[String]) -> Result<Fields, Fault> {
    let arguments: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
    let keys = store.keys(home);
    let (clock, head, values) = loop {
        let (clock, head, values, torn): (String, Option<String>, Vec<Option<Vec<u8>>>, bool) =
            store.quick.ask(&store.scripts.read, &keys.all()[..1], &arguments).await?;
        if !torn {
            break (clock, head, values);
        }
        // Any other script finishes it; this one asks for nothing besides.
        let _none: Vec<usize> = store.quick.ask(&store.scripts.count, keys.all(), &[]).await?;
    };
    let head = head::read(home, head.as_deref())?;
    if head.seq > 0 {
        store.seen.set(home, head);
    }
    Ok(Fields { clock: clock_of(&store.clock, &clock)?, head, values })
}

/// The instant that rules: the server's, as a script printed it, or the one handed in.
pub(crate) fn clock_of(clock: &StoreClock, server: &str) -> Result<Timestamp, Fault> {
    match clock {
        StoreClock::Given(clock) => Ok(clock.now()),
        StoreClock::Server => server.parse().map(Timestamp::from_micros).map_err(|error| bad("clock", error)),
    }
}

/// An answer of `read`.
pub(crate) async fn read(store: &Inner, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, Fault> {
    let names: Vec<String> =
        keys.iter().map(field).chain(tallies.iter().map(|tally| tally_field(*tally))).collect();
    let found = fields(store, home, &names).await?;
    let mut read = Read {
        clock: found.clock,
        head: found.head,
        records: [].into(),
        tallies: tallies.iter().map(|tally| (*tally, 0)).collect(),
    };
    let (records, sums) = found.values.split_at(keys.len());
    for (key, value) in keys.iter().zip(records) {
        if let Some(value) = value {
            read.records.insert(key.clone(), record::decode(value)?);
        }
    }
    for (tally, value) in tallies.iter().zip(sums) {
        if let Some(value) = value {
            read.tallies.insert(*tally, number("tally", value)?);
        }
    }
    Ok(read)
}

/// A number in decimal digits.
pub(crate) fn number(what: &'static str, digits: &[u8]) -> Result<i64, Fault> {
    let text = std::str::from_utf8(digits).map_err(|error| bad(what, error))?;
    text.parse().map_err(|error| bad(what, error))
}
