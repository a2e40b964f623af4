//! The backends that are built in: one line a backend. A new one is a word in [`Backend::NAMES`] and a line here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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
type Opener = for<'a> fn(&'a Config, &'a Secrets, Tables) -> Opening<'a>;
type Opening<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn Store>, Failure>> + Send + 'a>>;

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "redis")))]
compile_error!(
    "a program without a backend is of no use: build it with the feature `sqlite`, `postgres` or `redis`"
);

static BACKENDS: &[(Backend, Opener)] = &[
    #[cfg(feature = "sqlite")]
    (Backend::Sqlite, |config, secrets, _| Box::pin(sqlite::open(config, secrets))),
    #[cfg(feature = "postgres")]
    (Backend::Postgres, |config, secrets, tables| Box::pin(postgres::open(config, secrets, tables))),
    #[cfg(feature = "redis")]
    (Backend::Redis, |config, secrets, tables| Box::pin(redis::open(config, secrets, tables))),
];

/// Opens the store that the configuration names.
///
/// # Errors
/// It cannot be reached, it belongs to another master key, or this program was built without its backend.
pub async fn open(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Arc<dyn Store>, Failure> {
    let wanted = config.storage.backend;
    match BACKENDS.iter().find(|(backend, _)| *backend == wanted) {
        Some((_, opener)) => opener(config, secrets, tables).await,
        None => Err(Failure::Usage(format!(
            "this program was built without the storage backend \"{}\"; it has: {}",
            wanted.name(),
            BACKENDS.iter().map(|(backend, _)| backend.name()).collect::<Vec<_>>().join(", ")
        ))),
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::sync::Arc;

    use roster_core::store::{Store, StoreClock};
    use roster_storage_sqlite::{OpenError, SqliteConfig, SqliteStore};

    use super::{Config, Failure, Secrets};

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

    fn failure(error: &OpenError) -> Failure {
        match error {
            OpenError::AnotherKey { .. } => Failure::Failed(error.to_string()),
            OpenError::OldLibrary { .. }
            | OpenError::NetworkFileSystem { .. }
            | OpenError::NotADatabase { .. }
            | OpenError::AnotherProgram { .. }
            | OpenError::NewerSchema { .. }
            | OpenError::OlderSchema { .. }
            | OpenError::UnknownSchema { .. }
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

    use super::{Config, Failure, Secrets, Tables};

    pub async fn open(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Arc<dyn Store>, Failure> {
        let storage = &config.storage.postgres;
        let url = storage.url.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let postgres = PostgresConfig {
            connections: storage.connections,
            ..PostgresConfig::new(url, secrets.fingerprint)
        };
        if tables == Tables::MayBeMade {
            PostgresStore::migrate(&postgres).await.map_err(|error| failure(&error))?;
        }
        let opened = PostgresStore::open(postgres, StoreClock::Server).await;
        Ok(Arc::new(opened.map_err(|error| failure(&error))?))
    }

    fn failure(error: &OpenError) -> Failure {
        match error {
            OpenError::AnotherKey => Failure::Failed(error.to_string()),
            OpenError::Url { .. } => Failure::Usage(error.to_string()),
            OpenError::OldServer { .. }
            | OpenError::NotDurable { .. }
            | OpenError::InRecovery
            | OpenError::Encoding { .. }
            | OpenError::Empty
            | OpenError::NewerSchema { .. }
            | OpenError::OlderSchema { .. }
            | OpenError::UnknownSchema { .. }
            | OpenError::Database { .. } => Failure::Store(error.to_string()),
        }
    }
}

#[cfg(feature = "redis")]
mod redis {
    use std::sync::Arc;

    use roster_core::store::{Store, StoreClock};
    use roster_storage_redis::{Durability, OpenError, RedisConfig, RedisStore};
    use secrecy::ExposeSecret;

    use super::{Config, Failure, Secrets, Tables};
    use crate::config;

    pub async fn open(config: &Config, secrets: &Secrets, tables: Tables) -> Result<Arc<dyn Store>, Failure> {
        let storage = &config.storage.redis;
        let url = storage.url.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let redis = RedisConfig {
            prefix: storage.prefix.clone(),
            durability: match storage.durability {
                config::Durability::Full => Durability::Full,
                config::Durability::Relaxed => Durability::Relaxed,
            },
            declared_appendfsync: storage.appendfsync.clone(),
            ..RedisConfig::new(url, secrets.fingerprint)
        };
        if tables == Tables::MayBeMade {
            RedisStore::migrate(&redis).await.map_err(|error| failure(&error))?;
        }
        let opened = RedisStore::open(redis, StoreClock::Server).await;
        Ok(Arc::new(opened.map_err(|error| failure(&error))?))
    }

    fn failure(error: &OpenError) -> Failure {
        match error {
            OpenError::AnotherKey => Failure::Failed(error.to_string()),
            OpenError::Url { .. } => Failure::Usage(error.to_string()),
            OpenError::OldServer { .. }
            | OpenError::Setting { .. }
            | OpenError::ConfigHidden { .. }
            | OpenError::Replica
            | OpenError::ClusterNode
            | OpenError::NoCluster
            | OpenError::Empty
            | OpenError::NewerSchema { .. }
            | OpenError::Foreign { .. }
            | OpenError::Redis { .. } => Failure::Store(error.to_string()),
        }
    }
}
