//! The names of all homes, in 64 sets. A name goes in before the home's first commit and is believed only while the
//! home holds something; it goes out when a home that only points has become empty, since it may be somebody's address.

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

/// Has a home's name there exactly if the home holds something, whoever else does the same meanwhile. Between taking a
/// name out and looking again nobody may stop: this runs in a task of its own. Where it is not known how things stand the
/// name goes back, since one whose home holds nothing is not believed.
pub(crate) async fn settle(store: &Inner, home: &Home) -> Result<(), Fault> {
    if holds_something(store, home).await? {
        return add(store, home).await;
    }
    let name = home.to_string();
    let mut command = cmd("ZREM");
    command.arg(registry(&store.prefix, registry_of(&name))).arg(name);
    let taken: Result<(), Fault> = store.quick.command(&command).await.map_err(Fault::from);
    let holds = match &taken {
        Ok(()) => holds_something(store, home).await,
        Err(_) => Ok(true),
    };
    if !matches!(holds, Ok(false)) {
        add(store, home).await?;
    }
    taken.and(holds.map(drop))
}

async fn holds_something(store: &Inner, home: &Home) -> Result<bool, Fault> {
    let place = store.keys(home);
    let mut look = pipe();
    look.cmd("EXISTS").arg(place.home()).cmd("HEXISTS").arg(place.home()).arg(keys::REDO);
    let (mut holds, is_torn): (bool, bool) = store.quick.ask_together(&look).await?;
    if is_torn {
        // What was cut off may take away all that is there.
        read::heal(store, home).await?;
        (holds, _) = store.quick.ask_together::<(bool, bool)>(&look).await?;
    }
    Ok(holds)
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
        let held = try_join_all(homes.iter().map(|home| holds_something(store, home))).await?;
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
        let ends = try_join_all(logs.iter().map(|home| end(store, home))).await?;
        let found: Vec<_> = logs.into_iter().zip(ends).filter(|(_, end)| *end > 0).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
}

async fn end(store: &Inner, home: &Home) -> Result<u64, Fault> {
    Ok(read::fields(store, home, &[]).await?.head.seq)
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
