//! The backends that are built in: one line a backend. A new one is a word in [`Backend::NAMES`] and a line here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use roster_core::health::Inspection;
use roster_core::store::Store;

use crate::config::{Backend, Config};
use crate::failure::Failure;
use crate::secrets::Secrets;

/// Whether a store may be made or migrated. One file on this machine always is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tables {
    /// By `serve` and `migrate`.
    MayBeMade,
    /// By any other command, which many may run at a time and at any version.
    MustBeThere,
}

/// Opens a store.
type Opener = for<'a> fn(&'a Config, &'a Secrets, Tables) -> Work<'a, Arc<dyn Store>>;
/// Looks at a store without changing anything, with the key's fingerprint if there is a key.
type Inspector = for<'a> fn(&'a Config, Option<[u8; 32]>) -> Work<'a, Inspection>;
/// Writes records anew that are kept in an older schema.
type Upgrader = for<'a> fn(&'a Config, &'a Secrets, Heard<'a>) -> Work<'a, Upgraded>;
/// Hears how many homes are done.
pub type Heard<'a> = &'a mut (dyn FnMut(u64) + Send);
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// What an upgrade went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Upgraded {
    /// How many homes.
    pub homes: u64,
    /// How many records were written anew.
    pub records: u64,
}

/// A backend by name, and what can be done with it.
struct Line {
    backend: Backend,
    open: Opener,
    inspect: Inspector,
    upgrade: Upgrader,
}

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "redis")))]
compile_error!(
    "a program without a backend is of no use: build it with the feature `sqlite`, `postgres` or `redis`"
);

static BACKENDS: &[Line] = &[
    #[cfg(feature = "sqlite")]
    Line {
        backend: Backend::Sqlite,
        open: |config, secrets, _| Box::pin(sqlite::open(config, secrets)),
        inspect: |config, key| Box::pin(sqlite::inspect(config, key)),
        upgrade: |config, secrets, _| Box::pin(migrated(config, secrets)),
    },
    #[cfg(feature = "postgres")]
    Line {
        backend: Backend::Postgres,
        open: |config, secrets, tables| Box::pin(postgres::open(config, secrets, tables)),
        inspect: |config, key| Box::pin(postgres::inspect(config, key)),
        upgrade: |config, secrets, _| Box::pin(migrated(config, secrets)),
    },
    #[cfg(feature = "redis")]
    Line {
        backend: Backend::Redis,
        open: |config, secrets, tables| Box::pin(redis::open(config, secrets, tables)),
        inspect: |config, key| Box::pin(redis::inspect(config, key)),
        upgrade: |config, secrets, heard| Box::pin(redis::upgrade(config, secrets, heard)),
    },
];

/// In tables, records are of the schema that the tables have, which must be there: `migrate` brings them up.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
async fn migrated(config: &Config, secrets: &Secrets) -> Result<Upgraded, Failure> {
    open(config, secrets, Tables::MustBeThere).await.map(|_| Upgraded::default())
}

/// Opens the store that the configuration names.
///
/// # Errors
/// It cannot be reached, it belongs to another master key, or this program was built without its backend.
pub async fn open(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Arc<dyn Store>, Failure> {
    (line(config)?.open)(config, secrets, tables).await
}

/// Looks at everything that the store must be.
///
/// # Errors
/// Its address cannot be read, or this program was built without its backend.
pub async fn inspect(config: &Config, key: Option<[u8; 32]>) -> Result<Inspection, Failure> {
    (line(config)?.inspect)(config, key).await
}

/// Writes records anew that are kept in an older schema.
///
/// # Errors
/// The store does not open, or fails on the way; doing it again goes on from there.
pub async fn upgrade(config: &Config, secrets: &Secrets, heard: Heard<'_>) -> Result<Upgraded, Failure> {
    (line(config)?.upgrade)(config, secrets, heard).await
}

fn line(config: &Config) -> Result<&'static Line, Failure> {
    let wanted = config.storage.backend;
    BACKENDS.iter().find(|line| line.backend == wanted).ok_or_else(|| {
        Failure::Usage(format!(
            "this program was built without the storage backend \"{}\"; it has: {}",
            wanted.name(),
            BACKENDS.iter().map(|line| line.backend.name()).collect::<Vec<_>>().join(", ")
        ))
    })
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::sync::Arc;

    use roster_core::store::{Store, StoreClock};
    use roster_storage_sqlite::{OpenError, SqliteConfig, SqliteStore};

    use super::{Config, Failure, Inspection, Secrets};

    pub async fn open(config: &Config, secrets: &Secrets) -> Result<Arc<dyn Store>, Failure> {
        let sqlite = SqliteConfig::new(&config.storage.sqlite.path, secrets.fingerprint);
        let opened = match SqliteStore::open(sqlite.clone(), StoreClock::Server).await {
            Err(OpenError::OlderSchema { .. }) => {
                SqliteStore::migrate(&sqlite).await.map_err(|error| failure(&error))?;
                SqliteStore::open(sqlite, StoreClock::Server).await
            }
            opened => opened,
        };
        Ok(Arc::new(opened.map_err(|error| failure(&error))?))
    }

    pub async fn inspect(config: &Config, key: Option<[u8; 32]>) -> Result<Inspection, Failure> {
        let sqlite = SqliteConfig::new(&config.storage.sqlite.path, key.unwrap_or_default());
        Ok(SqliteStore::inspect(&sqlite, key.is_some()).await)
    }

    fn failure(error: &OpenError) -> Failure {
        match error {
            OpenError::AnotherKey { .. }
            | OpenError::OldLibrary { .. }
            | OpenError::NetworkFileSystem { .. }
            | OpenError::AnotherProgram { .. }
            | OpenError::NewerSchema { .. }
            | OpenError::UnknownSchema { .. }
            | OpenError::HalfLoaded { .. } => Failure::Failed(error.to_string()),
            OpenError::OlderSchema { .. }
            | OpenError::NotADatabase { .. }
            | OpenError::File { .. }
            | OpenError::Database { .. } => Failure::Store(error.to_string()),
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::Arc;

    use roster_core::store::{Store, StoreClock};
    use roster_storage_postgres::{OpenError, PostgresConfig, PostgresStore};
    use secrecy::ExposeSecret;

    use super::{Config, Failure, Inspection, Secrets, Tables};

    pub async fn open(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Arc<dyn Store>, Failure> {
        let postgres = postgres(config, secrets.fingerprint);
        if tables == Tables::MayBeMade {
            PostgresStore::migrate(&postgres).await.map_err(|error| failure(&error))?;
        }
        let opened = PostgresStore::open(postgres, StoreClock::Server).await;
        Ok(Arc::new(opened.map_err(|error| failure(&error))?))
    }

    pub async fn inspect(config: &Config, key: Option<[u8; 32]>) -> Result<Inspection, Failure> {
        let postgres = postgres(config, key.unwrap_or_default());
        PostgresStore::inspect(&postgres, key.is_some()).await.map_err(|error| failure(&error))
    }

    fn postgres(config: &Config, fingerprint: [u8; 32]) -> PostgresConfig {
        let storage = &config.storage.postgres;
        let url = storage.url.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        PostgresConfig { connections: storage.connections, ..PostgresConfig::new(url, fingerprint) }
    }

    fn failure(error: &OpenError) -> Failure {
        match error {
            OpenError::AnotherKey
            | OpenError::OldServer { .. }
            | OpenError::NotDurable { .. }
            | OpenError::InRecovery
            | OpenError::Encoding { .. }
            | OpenError::NewerSchema { .. }
            | OpenError::UnknownSchema { .. }
            | OpenError::HalfLoaded => Failure::Failed(error.to_string()),
            OpenError::Url { .. } => Failure::Usage(error.to_string()),
            OpenError::Empty
            | OpenError::OlderSchema { .. }
            | OpenError::Locked
            | OpenError::Database { .. } => Failure::Store(error.to_string()),
        }
    }
}

#[cfg(feature = "redis")]
mod redis {
    use std::sync::Arc;

    use roster_core::store::{Store, StoreClock};
    use roster_storage_redis::{OpenError, RedisConfig, RedisStore, UpgradeError};
    use secrecy::ExposeSecret;

    use super::{Config, Failure, Heard, Inspection, Secrets, Tables, Upgraded};

    pub async fn open(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Arc<dyn Store>, Failure> {
        let redis = redis(config, secrets.fingerprint);
        if tables == Tables::MayBeMade {
            RedisStore::migrate(&redis).await.map_err(|error| failure(&error))?;
        }
        let opened = RedisStore::open(redis, StoreClock::Server).await;
        Ok(Arc::new(opened.map_err(|error| failure(&error))?))
    }

    pub async fn inspect(config: &Config, key: Option<[u8; 32]>) -> Result<Inspection, Failure> {
        let redis = redis(config, key.unwrap_or_default());
        RedisStore::inspect(&redis, key.is_some()).await.map_err(|error| failure(&error))
    }

    pub async fn upgrade(config: &Config, secrets: &Secrets, heard: Heard<'_>) -> Result<Upgraded, Failure> {
        match RedisStore::upgrade(redis(config, secrets.fingerprint), heard).await {
            Ok(done) => Ok(Upgraded { homes: done.homes, records: done.records }),
            Err(UpgradeError::Open(error)) => Err(failure(&error)),
            Err(UpgradeError::Store(error)) => Err(error.into()),
        }
    }

    fn redis(config: &Config, fingerprint: [u8; 32]) -> RedisConfig {
        let storage = &config.storage.redis;
        let url = storage.url.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        RedisConfig {
            prefix: storage.prefix.clone(),
            durability: storage.durability,
            declared_appendfsync: storage.appendfsync.clone(),
            ..RedisConfig::new(url, fingerprint)
        }
    }

    fn failure(error: &OpenError) -> Failure {
        match error {
            OpenError::AnotherKey
            | OpenError::OldServer { .. }
            | OpenError::Setting { .. }
            | OpenError::ConfigHidden { .. }
            | OpenError::Commands { .. }
            | OpenError::Replica
            | OpenError::ClusterNode
            | OpenError::NoCluster
            | OpenError::HalfLoaded
            | OpenError::NewerSchema { .. }
            | OpenError::Foreign { .. } => Failure::Failed(error.to_string()),
            OpenError::Url { .. } => Failure::Usage(error.to_string()),
            OpenError::Empty | OpenError::Redis { .. } => Failure::Store(error.to_string()),
        }
    }
}
