//! Opening a database: refused, with a sentence that says what to change, unless everything the contract needs is
//! there.

use std::str::FromStr;

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, query, query_scalar};

use crate::config::PostgresConfig;
use crate::error::OpenError;
use crate::pool::Pool;
use crate::schema::MIGRATIONS;

/// The oldest server that is good enough, as `server_version_num` says it.
const MINIMUM: i32 = 140_000;

/// Checks the database and connects.
pub(crate) async fn open(config: &PostgresConfig) -> Result<Pool, OpenError> {
    let options = options(config)?;
    let mut connection = connect(&options).await?;
    match schema(&mut connection).await? {
        Schema::Empty => return Err(OpenError::Empty),
        Schema::Ours { applied, known } if applied < known => {
            return Err(OpenError::OlderSchema { found: applied, known });
        }
        Schema::Ours { .. } => {}
    }
    check_key(&mut connection, config).await?;
    connection.close().await.map_err(database)?;
    Ok(pool(config, options))
}

/// Brings an older database up to this program's schema; makes the tables if there are none. Of two at a time one waits.
pub(crate) async fn migrate(config: &PostgresConfig) -> Result<(), OpenError> {
    let mut connection = connect(&options(config)?).await?;
    schema(&mut connection).await?;
    let done = MIGRATIONS.run_direct(None, &mut connection, false).await;
    done.map_err(|error| match error {
        MigrateError::Execute(source) => database(source),
        other => OpenError::UnknownSchema { detail: other.to_string() },
    })?;
    check_key(&mut connection, config).await?;
    connection.close().await.map_err(database)
}

fn options(config: &PostgresConfig) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(&config.url).map_err(|source| OpenError::Url { source })?;
    Ok(options.application_name("roster").statement_cache_capacity(200).disable_statement_logging())
}

/// Limits are set by statement: a pooler between would not pass them on as parameters of the start.
fn pool(config: &PostgresConfig, options: PgConnectOptions) -> Pool {
    let limit = config.statement_timeout.as_millis();
    let settings = format!(
        "SET statement_timeout = {limit}; SET lock_timeout = {limit}; \
         SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = on"
    );
    Pool::new(options, settings, config.connections, config.acquire_timeout)
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let mut connection = options.connect().await.map_err(database)?;
    let found = query!(
        r#"SELECT current_setting('server_version_num')::int AS "number!", current_setting('server_version') AS "version!",
           current_setting('fsync') AS "fsync!", current_setting('full_page_writes') AS "full_page_writes!",
           current_setting('synchronous_commit') AS "synchronous_commit!",
           current_setting('server_encoding') AS "encoding!", pg_is_in_recovery() AS "in_recovery!""#
    );
    let found = found.fetch_one(&mut connection).await.map_err(database)?;
    if found.number < MINIMUM {
        return Err(OpenError::OldServer { found: found.version });
    }
    for (setting, value) in [("fsync", found.fsync), ("full_page_writes", found.full_page_writes)] {
        if value != "on" {
            return Err(OpenError::NotDurable { setting, found: value, needed: "on" });
        }
    }
    if found.synchronous_commit == "off" {
        let (setting, found) = ("synchronous_commit", found.synchronous_commit);
        return Err(OpenError::NotDurable { setting, found, needed: "on" });
    }
    if found.in_recovery {
        return Err(OpenError::InRecovery);
    }
    if found.encoding != "UTF8" {
        return Err(OpenError::Encoding { found: found.encoding });
    }
    Ok(connection)
}

fn database(source: sqlx::Error) -> OpenError {
    OpenError::Database { source }
}

enum Schema {
    Empty,
    Ours { applied: i64, known: i64 },
}

/// What the database holds, if this program knows it.
async fn schema(connection: &mut PgConnection) -> Result<Schema, OpenError> {
    let table = MIGRATIONS.table_name.as_ref();
    let there = query_scalar!(r#"SELECT to_regclass($1) IS NOT NULL AS "there!""#, table);
    if !there.fetch_one(&mut *connection).await.map_err(database)? {
        return Ok(Schema::Empty);
    }
    let unknown = |detail: String| OpenError::UnknownSchema { detail };
    let half = connection.dirty_version(table).await.map_err(|error| unknown(error.to_string()))?;
    if let Some(half) = half {
        return Err(unknown(format!("migration {half} stopped half-way")));
    }
    let applied = connection.list_applied_migrations(table).await;
    let applied = applied.map_err(|error| unknown(error.to_string()))?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::NewerSchema { found, known });
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

/// The first opening leaves the key's fingerprint; later ones must bear the same.
async fn check_key(connection: &mut PgConnection, config: &PostgresConfig) -> Result<(), OpenError> {
    let ours = config.fingerprint.as_slice();
    query!("INSERT INTO meta (name, value) VALUES ('key_fingerprint', $1) ON CONFLICT DO NOTHING", ours)
        .execute(&mut *connection)
        .await
        .map_err(database)?;
    let kept = query_scalar!("SELECT value FROM meta WHERE name = 'key_fingerprint'");
    let kept = kept.fetch_one(connection).await.map_err(database)?;
    if kept == ours { Ok(()) } else { Err(OpenError::AnotherKey) }
}
