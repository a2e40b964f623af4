//! Filling an empty store with what another holds. Each home is checked first and then written by plain commands: what
//! a crash cuts off leaves the mark of half a deployment, and nothing opens that.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use redis::{Pipeline, cmd, pipe};
use roster_core::home::{Home, Key};
use roster_core::load::{Load, Part, already_there, check_parts, not_begun, not_chained, not_empty, refused};
use roster_core::log::{Head, LogEntry, Logged};
use roster_core::store::{StoreError, Stored};
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::keys::{self, HomeKeys};
use crate::store::Inner;
use crate::{head, index, log, read, record, registry};

/// How long a commit can be found again: 49 hours, in seconds.
const KEPT_SECONDS: i64 = 49 * 3600;
/// The field of the mark.
pub(crate) const HALF: &str = "half_loaded";

/// One step.
pub(crate) async fn step(store: &Inner, step: Load<'_>) -> Result<(), StoreError> {
    let during = |fault: Fault| fault.during("load");
    let begun = is_half(store).await.map_err(during)?;
    match step {
        Load::Begin if begun || !registry::homes(store, None, 1).await.map_err(during)?.is_empty() => {
            Err(not_empty())
        }
        Load::Begin => mark(store, "HSET", &[HALF, "1"]).await.map_err(during),
        Load::Parts(_) | Load::End if !begun => Err(not_begun()),
        Load::Parts(parts) => load(store, parts).await,
        Load::End => mark(store, "HDEL", &[HALF]).await.map_err(during),
    }
}

async fn is_half(store: &Inner) -> Result<bool, Fault> {
    let mut command = cmd("HEXISTS");
    command.arg(keys::meta(&store.prefix)).arg(HALF);
    Ok(store.bulk.command(&command).await?)
}

async fn mark(store: &Inner, name: &str, arguments: &[&str]) -> Result<(), Fault> {
    let mut command = cmd(name);
    command.arg(keys::meta(&store.prefix)).arg(arguments);
    Ok(store.bulk.command(&command).await?)
}

async fn load(store: &Inner, parts: &[Part]) -> Result<(), StoreError> {
    check_parts(parts)?;
    let mut homes: BTreeMap<&Home, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        homes.entry(&part.home).or_default().push(part);
    }
    let checked = homes.iter().map(|(home, parts)| check(store, home, parts));
    let checked = try_join_all(checked).await?;
    let during = |fault: Fault| fault.during("load");
    let written = homes.iter().zip(checked).map(|((home, parts), found)| write(store, home, parts, found));
    try_join_all(written).await.map(drop).map_err(during)
}

/// What a home's parts go on from.
struct Found {
    now: Timestamp,
    entries: Vec<LogEntry>,
}

/// That no record is there yet, and that each entry goes on from the one before.
async fn check(store: &Inner, home: &Home, parts: &[&Part]) -> Result<Found, StoreError> {
    let names = parts.iter().flat_map(|part| &part.records).map(|stored| keys::field(&stored.record.key()));
    let found = read::fields(store, home, &names.collect::<Vec<_>>()).await;
    let found = found.map_err(|fault| fault.during("load"))?;
    if found.values.iter().any(Option::is_some) {
        return Err(already_there(home));
    }
    let (mut end, mut entries): (Head, Vec<LogEntry>) = (found.head, Vec::new());
    for logged in parts.iter().flat_map(|part| &part.log) {
        let entry = logged.entry().map_err(|error| refused(error.to_string()))?;
        end = end.after(&entry);
        if end != logged.head() {
            return Err(not_chained(home, logged.seq));
        }
        entries.push(entry);
    }
    Ok(Found { now: found.clock, entries })
}

async fn write(store: &Inner, home: &Home, parts: &[&Part], found: Found) -> Result<(), Fault> {
    let place = store.keys(home);
    let mut writes = pipe();
    for part in parts {
        for stored in &part.records {
            put(&mut writes, &place, stored)?;
            if !home.has_log() {
                done(&mut writes, &place, stored.version.to_string(), found.now);
            }
        }
        for (tally, sum) in &part.tallies {
            writes.cmd("HSET").arg(place.home()).arg(keys::tally_field(*tally)).arg(*sum).ignore();
        }
    }
    let forgotten = found.now.plus_seconds(-KEPT_SECONDS);
    for (logged, entry) in parts.iter().flat_map(|part| &part.log).zip(&found.entries) {
        append(&mut writes, &place, logged, entry)?;
        if logged.time >= forgotten {
            done(&mut writes, &place, logged.commit.to_string(), logged.time);
        }
    }
    if let Some(last) = parts.iter().flat_map(|part| &part.log).last() {
        writes.cmd("HSET").arg(place.home()).arg(".head").arg(head::text(&last.head())).ignore();
    }
    if writes.is_empty() {
        return Ok(());
    }
    registry::add(store, home).await?;
    Ok(writes.query_async(&mut store.bulk.clone()).await?)
}

fn put(writes: &mut Pipeline, place: &HomeKeys, stored: &Stored) -> Result<(), Fault> {
    let field = keys::field(&stored.record.key());
    let value = record::encode(stored.version, &stored.record)?;
    writes.cmd("HSET").arg(place.home()).arg(&field).arg(value).ignore();
    let lines = index::lines(&stored.record);
    if lines.is_empty() {
        return Ok(());
    }
    let [_, of_fields, index, ..] = place.all() else { return Ok(()) };
    // As the scripts pack them.
    let packed = rmp_serde::to_vec(&lines).map_err(|error| bad("lines", error))?;
    writes.cmd("HSET").arg(of_fields).arg(&field).arg(packed).ignore();
    let add = writes.cmd("ZADD").arg(index);
    for line in &lines {
        add.arg(0).arg(line);
    }
    add.ignore();
    Ok(())
}

fn append(writes: &mut Pipeline, place: &HomeKeys, logged: &Logged, entry: &LogEntry) -> Result<(), Fault> {
    let [_, _, _, of_log, of_personal, who, _] = place.all() else { return Ok(()) };
    let number = format!("{:016x}", logged.seq);
    writes.cmd("HSET").arg(of_log).arg(&number).arg(log::value_of(logged)).ignore();
    if !logged.personal.is_empty() {
        writes.cmd("HSET").arg(of_personal).arg(&number).arg(log::text_of(&logged.personal)?).ignore();
    }
    for term in log::terms(entry) {
        writes.cmd("ZADD").arg(who).arg(0).arg(format!("{term}\0{number}")).ignore();
    }
    Ok(())
}

fn done(writes: &mut Pipeline, place: &HomeKeys, id: String, at: Timestamp) {
    if let [.., of_done] = place.all() {
        writes.cmd("ZADD").arg(of_done).arg(at.micros()).arg(id).ignore();
    }
}

/// The most homes whose fields are named in one go.
const MANY: usize = 200;

/// An answer of `without_receipts`, of people alone: their homes hold few records. Of a cluster's homes nothing is told, for
/// each would be a call of its own.
pub(crate) async fn without_receipts(store: &Inner, homes: &[Home]) -> Result<BTreeSet<Home>, Fault> {
    let mut without = BTreeSet::new();
    if store.quick.is_cluster() {
        return Ok(without);
    }
    let people: Vec<&Home> = homes.iter().filter(|home| matches!(home, Home::User(_))).collect();
    for some in people.chunks(MANY) {
        let mut look = pipe();
        for home in some {
            look.cmd("HKEYS").arg(keys::home_key(&store.prefix, home));
        }
        let told: Vec<Vec<String>> = store.bulk.ask_together(&look).await?;
        for (home, names) in some.iter().zip(told) {
            // A commit that was cut off may hold one whose name is not there yet.
            let tells =
                |name: &String| name == keys::REDO || matches!(keys::key(name), Some(Key::Receipt(_)));
            if !names.iter().any(tells) {
                without.insert((*home).clone());
            }
        }
    }
    Ok(without)
}

/// An answer of `records`: the names of a home's fields are read for each page, records only for this one.
pub(crate) async fn records(
    store: &Inner,
    home: &Home,
    after: Option<&Key>,
    limit: u16,
) -> Result<Vec<Stored>, Fault> {
    let (limit, mut after, mut page) = (usize::from(limit), after.cloned(), Vec::new());
    // A record that goes after its name was read leaves room for another: a short page is the end of the home.
    while page.len() < limit {
        let mut command = cmd("HKEYS");
        command.arg(store.keys(home).home());
        let names: Vec<String> = store.bulk.command(&command).await?;
        if names.iter().any(|name| name == keys::REDO) {
            // A commit that was cut off may hold a record whose name is not there yet.
            read::heal(store, home).await?;
            continue;
        }
        let mut found: Vec<Key> = names.iter().filter_map(|name| keys::key(name)).collect();
        found.retain(|key| after.as_ref().is_none_or(|after| key > after));
        found.sort_unstable();
        let more = found.len() > limit - page.len();
        found.truncate(limit - page.len());
        let names: Vec<String> = found.iter().map(keys::field).collect();
        // By the script that sees whether a commit was cut off.
        let values = read::fields(store, home, &names).await?.values;
        for value in values.into_iter().flatten() {
            page.push(record::decode(&value)?);
        }
        if !more {
            break;
        }
        after = found.pop();
    }
    Ok(page)
}
