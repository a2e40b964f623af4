//! Records, tallies and the log head of a home, by one command or script, so of one instant.

use futures::future::try_join_all;
use redis::Value;
use roster_core::home::{Home, Key, Tally};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock};
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::keys::{field, tally_field};
use crate::store::Inner;
use crate::{head, keys, record};

/// Fields of a home at one instant.
pub(crate) struct Fields {
    pub(crate) clock: Timestamp,
    pub(crate) head: Head,
    /// In the order in which they were asked for.
    pub(crate) values: Vec<Option<Vec<u8>>>,
}

/// What one asking told: the clock, and by home the end of the log, the values, and whether a commit was cut off there.
struct Told {
    clock: String,
    head: Option<String>,
    values: Vec<Option<Vec<u8>>>,
    is_torn: bool,
}

pub(crate) async fn fields(store: &Inner, home: &Home, names: &[String]) -> Result<Fields, Fault> {
    let found = fields_of(store, &[(home, names)]).await?.pop();
    found.ok_or_else(|| bad("read", "no answer"))
}

/// Fields of several homes, each of one instant. From one node all come in one go; the nodes of a cluster are asked at
/// the same time.
pub(crate) async fn fields_of(store: &Inner, asks: &[(&Home, &[String])]) -> Result<Vec<Fields>, Fault> {
    let told = told_of(store, asks).await?;
    asks.iter().zip(told).map(|((home, _), told)| understood(store, home, told)).collect()
}

/// How long the logs of homes are. Of so many none is remembered for a commit to go on from.
pub(crate) async fn ends_of(store: &Inner, homes: &[Home]) -> Result<Vec<u64>, Fault> {
    let asks: Vec<(&Home, &[String])> = homes.iter().map(|home| (home, [].as_slice())).collect();
    let told = told_of(store, &asks).await?;
    homes.iter().zip(told).map(|(home, told)| Ok(head::read(home, told.head.as_deref())?.seq)).collect()
}

async fn told_of(store: &Inner, asks: &[(&Home, &[String])]) -> Result<Vec<Told>, Fault> {
    loop {
        let told = if store.quick.is_cluster() {
            try_join_all(asks.iter().map(|(home, names)| by_script(store, home, names))).await?
        } else {
            in_one_go(store, asks).await?
        };
        if told.iter().all(|told| !told.is_torn) {
            return Ok(told);
        }
        for ((home, _), _) in asks.iter().zip(&told).filter(|(_, told)| told.is_torn) {
            heal(store, home).await?;
        }
    }
}

/// Finishes a commit that was cut off in a home. Any script on all keys does; this one asks for nothing besides.
pub(crate) async fn heal(store: &Inner, home: &Home) -> Result<(), Fault> {
    let _none: Vec<usize> = store.quick.ask(&store.scripts.count, store.keys(home).all(), &[]).await?;
    Ok(())
}

fn understood(store: &Inner, home: &Home, told: Told) -> Result<Fields, Fault> {
    let head = head::read(home, told.head.as_deref())?;
    if head.seq > 0 {
        store.seen.set(home, head);
    }
    Ok(Fields { clock: clock_of(&store.clock, &told.clock)?, head, values: told.values })
}

async fn by_script(store: &Inner, home: &Home, names: &[String]) -> Result<Told, Fault> {
    let arguments: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
    let key = keys::home_key(&store.prefix, home);
    let (clock, head, values, is_torn) = store.quick.ask(&store.scripts.read, &[key], &arguments).await?;
    Ok(Told { clock, head, values, is_torn })
}

/// One command a home reads all of its fields at one instant; the clock comes last, so that it is behind none of them.
async fn in_one_go(store: &Inner, asks: &[(&Home, &[String])]) -> Result<Vec<Told>, Fault> {
    let mut pipeline = redis::pipe();
    for (home, names) in asks {
        let read = pipeline.cmd("HMGET").arg(keys::home_key(&store.prefix, home));
        read.arg(&[".head", keys::REDO]).arg(*names);
    }
    pipeline.cmd("TIME");
    let mut answers: Vec<Value> = store.quick.ask_together(&pipeline).await?;
    let time = answers.pop().ok_or_else(|| bad("read", "no answer"))?;
    let (seconds, micros): (i64, i64) = redis::from_redis_value(time).map_err(|error| bad("clock", error))?;
    let clock = (seconds * 1_000_000 + micros).to_string();
    let told = answers.into_iter().map(|answer| {
        let mut values: Vec<Option<Vec<u8>>> =
            redis::from_redis_value(answer).map_err(|error| bad("read", error))?;
        if values.len() < 2 {
            return Err(bad("read", "too few fields"));
        }
        let names = values.split_off(2);
        let is_torn = values[1].is_some();
        let head = values.swap_remove(0).map(String::from_utf8).transpose();
        let head = head.map_err(|error| bad("head", error))?;
        Ok(Told { clock: clock.clone(), head, values: names, is_torn })
    });
    told.collect()
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
