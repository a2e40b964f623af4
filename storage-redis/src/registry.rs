//! The names of all homes, in 64 sets. A name is believed only while the home holds something; it goes out when a home that
//! only points has become empty, since it may be somebody's address. On one server the script of a commit keeps it; in a
//! cluster it goes in before the home's first commit.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use redis::{cmd, pipe};
use roster_core::home::Home;

use crate::error::{Fault, bad};
use crate::keys::{self, REGISTRIES, registry, registry_of};
use crate::read;
use crate::store::Inner;

/// Puts a home's name in.
pub(crate) async fn add(store: &Inner, home: &Home) -> Result<(), Fault> {
    let name = home.to_string();
    let mut command = cmd("ZADD");
    command.arg(registry(&store.prefix, registry_of(&name))).arg(0).arg(name);
    Ok(store.quick.command(&command).await?)
}

/// Has a home's name there exactly if the home holds something, whoever else does the same meanwhile: by one script where
/// one server holds both. In a cluster nobody may stop between the act and looking again, so this runs in a task
/// of its own. Where it is not known how things stand the name goes back, since one whose home holds nothing is not
/// believed.
pub(crate) async fn settle(store: &Inner, home: &Home) -> Result<(), Fault> {
    let name = home.to_string();
    if !store.quick.is_cluster() {
        let mut keys = store.keys(home).into_all();
        keys.push(registry(&store.prefix, registry_of(&name)));
        // Done twice it is as done once.
        let _done: i64 = store.quick.ask(&store.scripts.settle, &keys, &[name.into_bytes()]).await?;
        return Ok(());
    }
    loop {
        let holds = holds_something(store, home).await?;
        let done = if holds { add(store, home).await } else { remove(store, home).await };
        let found = match done {
            Ok(()) => holds_something(store, home).await,
            Err(fault) => Err(fault),
        };
        match found {
            Ok(found) if found == holds => return Ok(()),
            Ok(_) => {}
            Err(fault) => {
                if !holds {
                    add(store, home).await?;
                }
                return Err(fault);
            }
        }
    }
}

async fn remove(store: &Inner, home: &Home) -> Result<(), Fault> {
    let name = home.to_string();
    let mut command = cmd("ZREM");
    command.arg(registry(&store.prefix, registry_of(&name))).arg(name);
    Ok(store.quick.command(&command).await?)
}

/// Which of these hold something.
async fn held(store: &Inner, homes: &[Home]) -> Result<Vec<bool>, Fault> {
    if store.quick.is_cluster() {
        return try_join_all(homes.iter().map(|home| holds_something(store, home))).await;
    }
    let mut told = Vec::with_capacity(homes.len());
    for some in homes.chunks(MANY) {
        told.extend(look(store, some).await?);
    }
    let mut held = Vec::with_capacity(homes.len());
    for (home, (holds, is_torn)) in homes.iter().zip(told) {
        held.push(if is_torn { holds_something(store, home).await? } else { holds });
    }
    Ok(held)
}

/// The most homes that are looked at in one go.
const MANY: usize = 200;

/// Homes among these in which nothing is kept. A cluster's are not looked at: each would be a call of its own, as reading
/// it is.
pub(crate) async fn missing(store: &Inner, homes: &[Home]) -> Result<BTreeSet<Home>, Fault> {
    if store.quick.is_cluster() {
        return Ok(BTreeSet::new());
    }
    let held = held(store, homes).await?;
    Ok(homes.iter().zip(held).filter(|(_, held)| !held).map(|(home, _)| home.clone()).collect())
}

async fn holds_something(store: &Inner, home: &Home) -> Result<bool, Fault> {
    let home = std::slice::from_ref(home);
    let mut told = look(store, home).await?;
    if told.iter().any(|(_, is_torn)| *is_torn) {
        // What was cut off may take away all that is there.
        read::heal(store, &home[0]).await?;
        told = look(store, home).await?;
    }
    Ok(told.iter().any(|(holds, _)| *holds))
}

/// Of each whether it holds something, and whether a commit was cut off there. In a cluster one home at a time.
async fn look(store: &Inner, homes: &[Home]) -> Result<Vec<(bool, bool)>, Fault> {
    let mut look = pipe();
    for home in homes {
        let key = keys::home_key(&store.prefix, home);
        look.cmd("EXISTS").arg(&key).cmd("HEXISTS").arg(&key).arg(keys::REDO);
    }
    let told: Vec<bool> = store.quick.ask_together(&look).await?;
    Ok(told.chunks_exact(2).map(|told| (told[0], told[1])).collect())
}

/// An answer of `homes`.
pub(crate) async fn homes(store: &Inner, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, Fault> {
    let limit = usize::from(limit);
    let mut after = after.map(ToString::to_string);
    let mut found = Vec::new();
    while found.len() < limit {
        let names = names(store, after.as_deref(), limit - found.len()).await?;
        let Some(last) = names.last() else { break };
        after = Some(last.clone());
        let homes = names.iter().map(|name| name.parse().map_err(|_| bad("name of a home", name)));
        let homes = homes.collect::<Result<Vec<Home>, Fault>>()?;
        let held = held(store, &homes).await?;
        found.extend(homes.into_iter().zip(held).filter(|(_, held)| *held).map(|(home, _)| home));
    }
    Ok(found)
}

/// An answer of `ends`.
pub(crate) async fn ends(store: &Inner, after: &Home, limit: u16) -> Result<Vec<(Home, u64)>, Fault> {
    let mut after = after.to_string();
    loop {
        let names = names(store, Some(&after), limit.into()).await?;
        let Some(last) = names.last() else { return Ok(Vec::new()) };
        after.clone_from(last);
        let homes = names.iter().map(|name| name.parse().map_err(|_| bad("name of a home", name)));
        let homes = homes.collect::<Result<Vec<Home>, Fault>>()?;
        let logs: Vec<Home> = homes.into_iter().filter(Home::has_log).collect();
        let mut ends = Vec::with_capacity(logs.len());
        for some in logs.chunks(MANY) {
            ends.extend(read::ends_of(store, some).await?);
        }
        let found: Vec<_> = logs.into_iter().zip(ends).filter(|(_, end)| *end > 0).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
}

/// The next names in order, at least one if there is any, at most so many.
async fn names(store: &Inner, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
    let each = limit / usize::from(REGISTRIES) * 2 + 8;
    let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
    let of_one = |n: u8| {
        let mut command = cmd("ZRANGEBYLEX");
        command.arg(registry(&store.prefix, n)).arg(&from).arg("+").arg("LIMIT").arg(0).arg(each);
        async move { store.bulk.command::<Vec<String>>(&command).await }
    };
    let lists = try_join_all((0..REGISTRIES).map(of_one)).await?;
    // A set that gave all it was asked for may hold more behind its last.
    let known_to = lists.iter().filter(|names| names.len() == each).filter_map(|names| names.last()).min();
    let mut names: Vec<String> =
        lists.iter().flatten().filter(|name| known_to.is_none_or(|end| *name <= end)).cloned().collect();
    names.sort_unstable();
    names.truncate(limit);
    Ok(names)
}
