//! Opening a file: refused, with a sentence that says what to change, unless everything the contract needs is there.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use roster_core::health::Rule;
use sqlx::migrate::{Migrate, MigrateError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, query, query_scalar};

use crate::config::SqliteConfig;
use crate::error::OpenError;
use crate::inspect::{file_system_rule, key_rule, library_rule, nearest, refuse, schema_rules, whole_rule};
use crate::place::Place;
use crate::pool::Pool;
use crate::schema::{APPLICATION_ID, MIGRATIONS, newest};

/// The connections of an open file.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) readers: Pool,
    pub(crate) writer: Pool,
}

/// Checks the file, makes it if it is missing, and connects.
pub(crate) async fn open(config: &SqliteConfig) -> Result<Pools, OpenError> {
    Rule::all_hold(vec![file_system_rule(&nearest(&config.path))?])?;
    let _alone = stand_alone(&config.path).await?;
    let mut connection = connect(config).await?;
    Rule::all_hold(schema_rules(&mut connection, config).await?)?;
    if let Schema::Empty = schema(&mut connection, config).await? {
        apply_migrations(&mut connection, config).await?;
    }
    Rule::all_hold(vec![whole_rule(&mut connection, config).await?])?;
    leave_key(&mut connection, config).await?;
    let place = Place::of(&config.path);
    let place = place.map_err(|source| OpenError::File { path: config.path.clone(), source })?;
    connection.close().await.map_err(|source| database(config, source))?;
    let readers = pool(config, place.clone(), config.readers.max(1), true);
    Ok(Pools { readers, writer: pool(config, place, 1, false) })
}

/// Brings an older file up to this program's schema; makes it if it is missing.
pub(crate) async fn migrate(config: &SqliteConfig) -> Result<(), OpenError> {
    Rule::all_hold(vec![file_system_rule(&nearest(&config.path))?])?;
    let _alone = stand_alone(&config.path).await?;
    let mut connection = connect(config).await?;
    if let Schema::Ours { applied: 1.., .. } = schema(&mut connection, config).await? {
        // Whoever may not open it may not change it either.
        Rule::all_hold(vec![whole_rule(&mut connection, config).await?])?;
        Rule::all_hold(vec![key_rule(&mut connection, config).await?])?;
    }
    apply_migrations(&mut connection, config).await?;
    leave_key(&mut connection, config).await?;
    connection.close().await.map_err(|source| database(config, source))
}

/// Makes the folder (0700) unless it is there, and holds it against others who open a file there at the same time.
/// The folder is locked, not the file: closing a file lets go of every lock that `SQLite` has on it in this process.
async fn stand_alone(path: &Path) -> Result<File, OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    // Of a link, the folder of the file it leads to.
    let folder = folder(&path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    let locked = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let open = File::open(&folder)?;
            open.lock()?;
            Ok(open)
        }
    });
    let locked = locked.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    locked.map_err(|source| OpenError::File { path: folder, source })
}

async fn connect(config: &SqliteConfig) -> Result<SqliteConnection, OpenError> {
    make_file(&config.path)?;
    Rule::all_hold(vec![file_system_rule(&config.path)?])?;
    let connected = options(config).connect().await;
    let mut connection = connected.map_err(|source| refuse(config, source))?;
    Rule::all_hold(vec![library_rule(&mut connection, config).await?])?;
    Ok(connection)
}

fn options(config: &SqliteConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&config.path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(config.busy_timeout)
        // What is deleted is overwritten: an erasure reaches the file.
        .pragma("secure_delete", "ON")
        .statement_cache_capacity(200)
        .disable_statement_logging()
}

/// The writer keeps so many KiB of pages, so that a commit of many records is not written out before its end and read again,
/// and leaves the log alone for as many pages, so that what changes again and again is copied into the file once.
const WRITER_CACHE: &str = "-32768";
const CHECKPOINT_PAGES: &str = "4000";

fn pool(config: &SqliteConfig, place: Place, connections: u32, reads_only: bool) -> Pool {
    let options = if reads_only {
        options(config).pragma("query_only", "ON")
    } else {
        options(config).pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    };
    Pool::new(options, place, connections, config.busy_timeout)
}

pub(crate) fn database(config: &SqliteConfig, source: sqlx::Error) -> OpenError {
    OpenError::Database { path: config.path.clone(), source }
}

/// Makes the file (0600) unless it is there. `-wal` and `-shm` get the same mode from `SQLite`.
fn make_file(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(OpenError::File { path: path.to_owned(), source: error })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(crate) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// What a database holds.
pub(crate) enum Schema {
    Empty,
    Ours { applied: i64, known: i64 },
}

/// What the file holds, if this program knows it.
pub(crate) async fn schema(
    connection: &mut SqliteConnection,
    config: &SqliteConfig,
) -> Result<Schema, OpenError> {
    let failed = |source| database(config, source);
    let tables = query_scalar!(r#"SELECT count(*) AS "tables!: i64" FROM sqlite_schema"#);
    if tables.fetch_one(&mut *connection).await.map_err(failed)? == 0 {
        return Ok(Schema::Empty);
    }
    // A PRAGMA has no column that the macro could type.
    let application = sqlx::query_scalar::<_, i64>("PRAGMA application_id");
    if application.fetch_one(&mut *connection).await.map_err(failed)? != APPLICATION_ID {
        return Err(OpenError::AnotherProgram { path: config.path.clone() });
    }
    let unknown = |detail: String| OpenError::UnknownSchema { path: config.path.clone(), detail };
    if let Some(half) =
        connection.dirty_version(&MIGRATIONS.table_name).await.map_err(|e| unknown(e.to_string()))?
    {
        return Err(unknown(format!("migration {half} stopped half-way")));
    }
    let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await;
    let applied = applied.map_err(|error| unknown(error.to_string()))?;
    let known = newest();
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::NewerSchema { path: config.path.clone(), found, known });
    }
    for migration in &applied {
        let same = MIGRATIONS
            .iter()
            .any(|ours| ours.version == migration.version && ours.checksum == migration.checksum);
        if !same {
            return Err(unknown(format!("migration {} is not this program's", migration.version)));
        }
    }
    Ok(Schema::Ours { applied: found, known })
}

/// The number of the last migration that was applied.
pub(crate) async fn applied(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await;
    let applied = applied.map_err(|error| match error {
        MigrateError::Execute(source) => source,
        other => sqlx::Error::Protocol(other.to_string()),
    })?;
    Ok(applied.iter().map(|migration| migration.version).max().unwrap_or(0))
}

async fn apply_migrations(connection: &mut SqliteConnection, config: &SqliteConfig) -> Result<(), OpenError> {
    // `Migrator::run` makes a future that cannot be sent between threads.
    MIGRATIONS.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::Execute(source) => database(config, source),
        other => OpenError::UnknownSchema { path: config.path.clone(), detail: other.to_string() },
    })
}

/// The first opening leaves the key's fingerprint; later ones must bear the same.
async fn leave_key(connection: &mut SqliteConnection, config: &SqliteConfig) -> Result<(), OpenError> {
    let ours = config.fingerprint.as_slice();
    query!("INSERT OR IGNORE INTO meta (name, value) VALUES ('key_fingerprint', ?)", ours)
        .execute(&mut *connection)
        .await
        .map_err(|source| database(config, source))?;
    Rule::all_hold(vec![key_rule(connection, config).await?])
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
