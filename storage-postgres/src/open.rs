//! Opening a database: refused, with a sentence that says what to change, unless everything the contract needs is
//! there.

use std::str::FromStr;
use std::time::Duration;

use roster_core::health::{Check, Inspection, Reach, Rule};
use sqlx::migrate::{Migrate, MigrateError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, query, query_scalar};
use tokio::time::sleep;

use crate::config::PostgresConfig;
use crate::error::OpenError;
use crate::load::is_half;
use crate::pool::Pool;
use crate::schema::{MIGRATIONS, newest};

/// The oldest server that is good enough, as `server_version_num` says it.
const MINIMUM: i32 = 140_000;

/// Checks the database and connects.
pub(crate) async fn open(config: &PostgresConfig) -> Result<Pool, OpenError> {
    let options = options(config)?;
    let mut connection = connect(&options).await?;
    Rule::all_hold(server_rules(&mut connection).await?)?;
    Rule::all_hold(schema_rules(&mut connection).await?)?;
    Rule::all_hold(vec![whole_rule(&mut connection).await?])?;
    leave_key(&mut connection, config).await?;
    Rule::all_hold(vec![key_rule(&mut connection, config).await?])?;
    connection.close().await.map_err(database)?;
    Ok(pool(config, options))
}

/// Looks at every rule and changes nothing; at the key only where there is one.
pub(crate) async fn inspect(config: &PostgresConfig, with_key: bool) -> Result<Inspection, OpenError> {
    let options = options(config)?;
    let mut connection = match connect(&options).await {
        Ok(connection) => connection,
        Err(error) => {
            let check = Check::new("server", "does not answer", "answers").or(Some(error));
            return Ok(Inspection { reach: Reach::Nothing, checks: vec![check] });
        }
    };
    let mut rules = server_rules(&mut connection).await?;
    let schema = schema_rules(&mut connection).await?;
    let there = schema.iter().all(|rule| !matches!(rule.refusal, Some(OpenError::Empty)));
    rules.extend(schema);
    if there {
        rules.push(whole_rule(&mut connection).await?);
    }
    if there && with_key {
        rules.push(key_rule(&mut connection, config).await?);
    }
    connection.close().await.map_err(database)?;
    let reach = if there { Reach::Whole } else { Reach::Empty };
    Ok(Inspection { reach, checks: rules.into_iter().map(line).collect() })
}

/// The line of a rule. What `serve` does by itself is no problem.
fn line(rule: Rule<OpenError>) -> Check {
    match rule.refusal {
        Some(OpenError::Empty) => rule.check.put_right_by(
            "there are no tables yet: `roster serve` and `roster migrate` make them; every other command asks for that first",
        ),
        Some(OpenError::OlderSchema { .. }) => rule.check.put_right_by(
            "the tables are of an older version: `roster serve` and `roster migrate` bring them up, so make a backup first; \
             every other command asks for that first",
        ),
        _ => rule.check,
    }
}

/// Brings an older database up to this program's schema; makes the tables if there are none. Of two at a time one waits.
pub(crate) async fn migrate(config: &PostgresConfig) -> Result<(), OpenError> {
    let mut connection = connect(&options(config)?).await?;
    Rule::all_hold(server_rules(&mut connection).await?)?;
    let found = schema(&mut connection).await?;
    if let Schema::Ours { applied: 1.., .. } = found {
        // Whoever may not open it may not change it either.
        Rule::all_hold(vec![whole_rule(&mut connection).await?])?;
        Rule::all_hold(vec![key_rule(&mut connection, config).await?])?;
    }
    // Where nothing is missing nothing is tried: it would take the right to make tables, and where a schema of the role's own
    // has come before the one that holds them, it would make all of them there once more.
    if !matches!(found, Schema::Ours { applied, known } if applied == known) {
        apply(&mut connection, config.statement_timeout.min(LOCK_LIMIT)).await?;
    }
    leave_key(&mut connection, config).await?;
    Rule::all_hold(vec![key_rule(&mut connection, config).await?])?;
    connection.close().await.map_err(database)
}

/// How long a migration waits for a lock at a time. Whoever comes to the table meanwhile waits behind it, the servers that
/// are running too.
const LOCK_LIMIT: Duration = Duration::from_secs(3);
/// How often it is tried, with pauses as long between.
const LOCK_TRIES: u32 = 20;

/// Applies what is missing. Each migration is a transaction: one that cannot have its locks soon is undone and tried again,
/// so that others come to the tables between.
async fn apply(connection: &mut PgConnection, limit: Duration) -> Result<(), OpenError> {
    let setting = format!("SET lock_timeout = {}", limit.as_millis().max(1));
    sqlx::query(AssertSqlSafe(setting)).execute(&mut *connection).await.map_err(database)?;
    for n in 1..=LOCK_TRIES {
        match MIGRATIONS.run_direct(None, &mut *connection, false).await {
            Ok(()) => return Ok(()),
            Err(error) if is_locked(&error) => {
                tracing::warn!(
                    "a migration waits for what another session holds, such as a pg_dump or another migration \
                     (try {n} of {LOCK_TRIES})"
                );
                sleep(limit).await;
            }
            Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
                return Err(database(source));
            }
            Err(other) => return Err(OpenError::UnknownSchema { detail: other.to_string() }),
        }
    }
    Err(OpenError::Locked)
}

/// The lock was not to be had within the limit, or each waited for the other's.
fn is_locked(error: &MigrateError) -> bool {
    let (MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) = error else {
        return false;
    };
    source.as_database_error().is_some_and(|error| matches!(error.code().as_deref(), Some("55P03" | "40P01")))
}

fn options(config: &PostgresConfig) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(&config.url).map_err(|source| OpenError::Url { source })?;
    Ok(options.application_name("roster").statement_cache_capacity(200).disable_statement_logging())
}

/// Limits are set by statement: a pooler between would not pass them on as parameters of the start. Statements are
/// planned once a connection: those that take arrays would be planned anew for every length, which takes longer than
/// they do. A plan made while a table was small must not read all of it once it has grown: every statement has an index.
fn pool(config: &PostgresConfig, options: PgConnectOptions) -> Pool {
    let limit = config.statement_timeout.as_millis();
    let settings = format!(
        "SET statement_timeout = {limit}; SET lock_timeout = {limit}; \
         SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = on; \
         SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
    );
    Pool::new(options, settings, config.connections, config.acquire_timeout)
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    options.connect().await.map_err(database)
}

/// What the server and the database must be.
async fn server_rules(connection: &mut PgConnection) -> Result<Vec<Rule<OpenError>>, OpenError> {
    let found = query!(
        r#"SELECT current_setting('server_version_num')::int AS "number!", current_setting('server_version') AS "version!",
           current_setting('fsync') AS "fsync!", current_setting('full_page_writes') AS "full_page_writes!",
           current_setting('synchronous_commit') AS "synchronous_commit!",
           current_setting('server_encoding') AS "encoding!", pg_is_in_recovery() AS "in_recovery!""#
    );
    let found = found.fetch_one(connection).await.map_err(database)?;
    let old = (found.number < MINIMUM).then(|| OpenError::OldServer { found: found.version.clone() });
    let role = if found.in_recovery { "a standby in recovery" } else { "a primary" };
    let foreign = (found.encoding != "UTF8").then(|| OpenError::Encoding { found: found.encoding.clone() });
    Ok(vec![
        Rule::new("Postgres version", &found.version, "14 or newer", old),
        durable("fsync", &found.fsync, |value| value == "on"),
        durable("full_page_writes", &found.full_page_writes, |value| value == "on"),
        durable("synchronous_commit", &found.synchronous_commit, |value| value != "off"),
        Rule::new("server", role, "a primary", found.in_recovery.then_some(OpenError::InRecovery)),
        Rule::new("encoding", &found.encoding, "UTF8", foreign),
    ])
}

fn durable(setting: &'static str, found: &str, good: fn(&str) -> bool) -> Rule<OpenError> {
    let refusal = OpenError::NotDurable { setting, found: found.to_owned(), needed: "on" };
    Rule::new(setting, found, "on", (!good(found)).then_some(refusal))
}

fn database(source: sqlx::Error) -> OpenError {
    OpenError::Database { source }
}

enum Schema {
    Empty,
    Ours { applied: i64, known: i64 },
}

/// What the tables must be.
async fn schema_rules(connection: &mut PgConnection) -> Result<Vec<Rule<OpenError>>, OpenError> {
    let rule = |found: String, refusal| Rule::new("schema", found, newest(), refusal);
    Ok(vec![match schema(connection).await {
        Ok(Schema::Empty) => rule("none".to_owned(), Some(OpenError::Empty)),
        Ok(Schema::Ours { applied: found, known }) => {
            rule(found.to_string(), (found < known).then_some(OpenError::OlderSchema { found, known }))
        }
        Err(OpenError::NewerSchema { found, known }) => {
            rule(found.to_string(), Some(OpenError::NewerSchema { found, known }))
        }
        Err(unknown @ OpenError::UnknownSchema { .. }) => rule("unknown".to_owned(), Some(unknown)),
        Err(error) => return Err(error),
    }])
}

/// Nothing but a whole deployment is worked on.
async fn whole_rule(connection: &mut PgConnection) -> Result<Rule<OpenError>, OpenError> {
    let half = is_half(connection).await.map_err(database)?;
    let found = if half { "half of a deployment" } else { "whole" };
    Ok(Rule::new("content", found, "whole", half.then_some(OpenError::HalfLoaded)))
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
    let known = newest();
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

/// The number of the last migration that was applied.
pub(crate) async fn applied(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let applied = connection.list_applied_migrations(&MIGRATIONS.table_name).await;
    let applied = applied.map_err(|error| match error {
        MigrateError::Execute(source) => source,
        other => sqlx::Error::Protocol(other.to_string()),
    })?;
    Ok(applied.iter().map(|migration| migration.version).max().unwrap_or(0))
}

/// The first opening leaves the key's fingerprint.
async fn leave_key(connection: &mut PgConnection, config: &PostgresConfig) -> Result<(), OpenError> {
    let ours = config.fingerprint.as_slice();
    query!("INSERT INTO meta (name, value) VALUES ('key_fingerprint', $1) ON CONFLICT DO NOTHING", ours)
        .execute(connection)
        .await
        .map_err(database)?;
    Ok(())
}

/// Later ones must bear the same.
async fn key_rule(
    connection: &mut PgConnection,
    config: &PostgresConfig,
) -> Result<Rule<OpenError>, OpenError> {
    let kept = query_scalar!("SELECT value FROM meta WHERE name = 'key_fingerprint'");
    let kept = kept.fetch_optional(connection).await.map_err(database)?;
    let (found, refusal) = match kept {
        None => ("none yet", None),
        Some(kept) if kept == config.fingerprint => ("the same", None),
        Some(_) => ("another", Some(OpenError::AnotherKey)),
    };
    Ok(Rule::new("key of the store", found, "the same master key", refusal))
}
