//! Writing all records anew in the newest schema, while the store is in use.

use redis::cmd;
use roster_core::home::Home;
use roster_core::store::{StoreClock, StoreError};

use crate::config::RedisConfig;
use crate::error::{Fault, OpenError};
use crate::record::{self, SCHEMA, UPCASTS, Upcast};
use crate::store::{Inner, RedisStore};
use crate::{index, keys, read, registry};

/// What an upgrade went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Upgraded {
    /// How many homes.
    pub homes: u64,
    /// How many records were written anew.
    pub records: u64,
}

/// Why an upgrade stopped; what was written anew by then stays so, and another goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed on the way.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Fault> for UpgradeError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.during("upgrade"))
    }
}

impl RedisStore {
    /// Brings every record up to this program's schema. `progress` hears how many homes are done.
    pub async fn upgrade(
        config: RedisConfig,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Upgraded, UpgradeError> {
        Self::upgrade_by(config, SCHEMA, UPCASTS, progress).await
    }

    /// The same for a schema and steps that are handed in, as a later program has them.
    pub async fn upgrade_by(
        config: RedisConfig,
        schema: u32,
        steps: &[Upcast],
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Upgraded, UpgradeError> {
        let store = Self::open(config, StoreClock::Server).await?;
        let store = store.inner();
        let (mut upgraded, mut after) = (Upgraded::default(), None);
        loop {
            let homes = registry::homes(store, after.as_ref(), 500).await?;
            let Some(last) = homes.last().cloned() else { break };
            for home in &homes {
                upgraded.records += of_home(store, home, schema, steps).await?;
                upgraded.homes += 1;
                progress(upgraded.homes);
            }
            after = Some(last);
        }
        let mut command = cmd("HSET");
        command.arg(keys::meta(&store.prefix)).arg("schema").arg(schema);
        let () = store.bulk.command(&command).await.map_err(Fault::from)?;
        Ok(upgraded)
    }
}

/// Goes through the fields of a home; one that is written meanwhile is in the new schema by that.
async fn of_home(store: &Inner, home: &Home, schema: u32, steps: &[Upcast]) -> Result<u64, Fault> {
    let place = store.keys(home);
    // A commit that was cut off may be of the older schema, too.
    read::heal(store, home).await?;
    let (mut cursor, mut written) = (0_u64, 0);
    loop {
        let mut scan = cmd("HSCAN");
        scan.arg(place.home()).arg(cursor).arg("COUNT").arg(500);
        let (next, fields): (u64, Vec<Vec<u8>>) = store.bulk.command(&scan).await?;
        for pair in fields.chunks_exact(2) {
            let known = std::str::from_utf8(&pair[0]).ok().and_then(keys::key).is_some();
            if known && record::schema_of(&pair[1]).is_some_and(|kept| kept < schema) {
                let stored = record::decode_by(&pair[1], steps)?;
                let anew = record::encode_as(schema, stored.version, &stored.record)?;
                let mut arguments = vec![pair[0].clone(), pair[1].clone(), anew];
                arguments.extend(index::lines(&stored.record).into_iter().map(String::into_bytes));
                written += store.bulk.call::<u64>(&store.scripts.rewrite, place.all(), &arguments).await?;
            }
        }
        cursor = next;
        if cursor == 0 {
            return Ok(written);
        }
    }
}
