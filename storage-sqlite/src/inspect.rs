//! What a file must be: each rule once, for the refusals at the opening and for a look that changes nothing.

use std::path::Path;

use roster_core::health::{Check, Inspection, Reach, Rule};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection, query_scalar};

use crate::config::SqliteConfig;
use crate::error::{OpenError, is_not_a_database};
use crate::load::is_half;
use crate::open::{Schema, database, folder, schema};
use crate::schema::newest;

/// The oldest library that is good enough: it has the fix of the WAL-reset bug.
const MINIMUM: (u32, u32, u32) = (3, 51, 3);

type Rules = Vec<Rule<OpenError>>;

/// Looks at every rule and makes nothing; at the key only where there is one.
pub(crate) async fn inspect(config: &SqliteConfig, with_key: bool) -> Inspection {
    if !config.path.exists() {
        let place = nearest(&config.path);
        let file = Check::new("database", "not there yet", "a database of Roster's; made when needed");
        let checks = match file_system_rule(&place) {
            Ok(rule) => vec![rule.check, file],
            Err(error) => vec![file.or(Some(error))],
        };
        return Inspection { reach: Reach::Empty, checks };
    }
    let mut rules = Vec::new();
    match look(config, with_key, &mut rules).await {
        Ok(reach) => Inspection { reach, checks: rules.into_iter().map(line).collect() },
        Err(error) => {
            let mut checks: Vec<Check> = rules.into_iter().map(line).collect();
            checks.push(Check::new("database", "cannot be read", "a database of Roster's").or(Some(error)));
            Inspection { reach: Reach::Nothing, checks }
        }
    }
}

/// The line of a rule. What every command does by itself is no problem.
fn line(rule: Rule<OpenError>) -> Check {
    match rule.refusal {
        Some(OpenError::OlderSchema { .. }) => rule.check.put_right_by(
            "the file is of an older version: `roster migrate`, `roster serve` and most other commands bring it up, so make a backup first",
        ),
        _ => rule.check,
    }
}

/// The folder that the file would be made in, or the nearest above it that is there.
pub(crate) fn nearest(path: &Path) -> std::path::PathBuf {
    let folder = folder(path);
    folder.ancestors().find(|above| above.exists()).map_or_else(|| ".".into(), Path::to_owned)
}

async fn look(config: &SqliteConfig, with_key: bool, rules: &mut Rules) -> Result<Reach, OpenError> {
    rules.push(file_system_rule(&config.path)?);
    let options = SqliteConnectOptions::new().filename(&config.path).read_only(true);
    let options = options.busy_timeout(config.busy_timeout).disable_statement_logging();
    let mut connection = options.connect().await.map_err(|source| refuse(config, source))?;
    rules.push(library_rule(&mut connection, config).await?);
    let schema = schema_rules(&mut connection, config).await?;
    let ours = schema.iter().all(|rule| {
        matches!(rule.refusal, None | Some(OpenError::OlderSchema { .. } | OpenError::NewerSchema { .. }))
    });
    let there = schema.iter().all(|rule| rule.check.found != EMPTY);
    rules.extend(schema);
    if ours && there {
        rules.push(whole_rule(&mut connection, config).await?);
        if with_key {
            rules.push(key_rule(&mut connection, config).await?);
        }
    }
    connection.close().await.map_err(|source| database(config, source))?;
    Ok(if there { Reach::Whole } else { Reach::Empty })
}

/// Why a file is not opened by `SQLite` itself.
pub(crate) fn refuse(config: &SqliteConfig, source: sqlx::Error) -> OpenError {
    if is_not_a_database(&source) {
        return OpenError::NotADatabase { path: config.path.clone() };
    }
    database(config, source)
}

/// That the file is on a disk of this machine.
pub(crate) fn file_system_rule(path: &Path) -> Result<Rule<OpenError>, OpenError> {
    let stat = rustix::fs::statfs(path)
        .map_err(|error| OpenError::File { path: path.to_owned(), source: error.into() })?;
    let name = network_file_system(stat.f_type);
    let refusal = name.map(|name| OpenError::NetworkFileSystem { path: folder(path), name });
    Ok(Rule::new("file system", name.unwrap_or("of this machine"), "of this machine", refusal))
}

/// That the library is new enough.
pub(crate) async fn library_rule(
    connection: &mut SqliteConnection,
    config: &SqliteConfig,
) -> Result<Rule<OpenError>, OpenError> {
    let version = query_scalar!(r#"SELECT sqlite_version() AS "version!: String""#);
    let found = version.fetch_one(connection).await.map_err(|source| refuse(config, source))?;
    let refusal = is_too_old(&found).then(|| OpenError::OldLibrary { found: found.clone() });
    let (major, minor, patch) = MINIMUM;
    Ok(Rule::new("SQLite version", found, format!("{major}.{minor}.{patch} or newer"), refusal))
}

const EMPTY: &str = "none yet";

/// That the tables are Roster's and current.
pub(crate) async fn schema_rules(
    connection: &mut SqliteConnection,
    config: &SqliteConfig,
) -> Result<Rules, OpenError> {
    let of_schema = |found: String, refusal| Rule::new("schema", found, newest(), refusal);
    let older = |found, known| OpenError::OlderSchema { path: config.path.clone(), found, known };
    Ok(vec![match schema(connection, config).await {
        Ok(Schema::Empty) => of_schema(EMPTY.to_owned(), None),
        Ok(Schema::Ours { applied, known }) => {
            of_schema(applied.to_string(), (applied < known).then(|| older(applied, known)))
        }
        Err(newer @ OpenError::NewerSchema { found, .. }) => of_schema(found.to_string(), Some(newer)),
        Err(unknown @ OpenError::UnknownSchema { .. }) => of_schema("unknown".to_owned(), Some(unknown)),
        Err(foreign @ OpenError::AnotherProgram { .. }) => {
            Rule::new("database", "another program's", "Roster's", Some(foreign))
        }
        Err(error) => return Err(error),
    }])
}

/// That nothing but a whole deployment is worked on.
pub(crate) async fn whole_rule(
    connection: &mut SqliteConnection,
    config: &SqliteConfig,
) -> Result<Rule<OpenError>, OpenError> {
    let half = is_half(connection).await.map_err(|source| database(config, source))?;
    let found = if half { "half of a deployment" } else { "whole" };
    let refusal = half.then(|| OpenError::HalfLoaded { path: config.path.clone() });
    Ok(Rule::new("content", found, "whole", refusal))
}

/// That the file bears the key's fingerprint, if any.
pub(crate) async fn key_rule(
    connection: &mut SqliteConnection,
    config: &SqliteConfig,
) -> Result<Rule<OpenError>, OpenError> {
    let kept = query_scalar!("SELECT value FROM meta WHERE name = 'key_fingerprint'");
    let kept = kept.fetch_optional(connection).await.map_err(|source| database(config, source))?;
    let (found, refusal) = match kept {
        None => ("none yet", None),
        Some(kept) if kept == config.fingerprint => ("the same", None),
        Some(_) => ("another", Some(OpenError::AnotherKey { path: config.path.clone() })),
    };
    Ok(Rule::new("key of the store", found, "the same master key", refusal))
}

/// The name of a file system that is not on this machine, by the magic number that `statfs` answers on Linux.
/// FUSE is refused too: what lies behind it cannot be told.
fn network_file_system(magic: i64) -> Option<&'static str> {
    match magic & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x6573_5546 => Some("FUSE"),
        0x0102_1997 => Some("9P"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x00c3_6400 => Some("Ceph"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x0116_1970 => Some("GFS2"),
        0x7461_636f => Some("OCFS2"),
        0x564c => Some("NCP"),
        _ => None,
    }
}

fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) < MINIMUM
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
