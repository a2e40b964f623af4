//! Opening a store: refused, with a sentence that says what to change, unless everything the contract needs is there.

use std::collections::BTreeMap;

use redis::{Cmd, Value, cmd};
use roster_core::health::{Check, Inspection, Reach};
use roster_core::log::hex;

use crate::config::{Durability, RedisConfig};
use crate::connection::{Connection, connect};
use crate::error::OpenError;
use crate::keys;
use crate::load::HALF;
use crate::record::SCHEMA;

/// The oldest server that is good enough.
const MINIMUM: (u32, u32) = (7, 0);

/// Checks the server and what it holds, and connects twice.
pub(crate) async fn open(config: &RedisConfig) -> Result<(Connection, Connection), OpenError> {
    let quick = connect(config).await?;
    check_server(config, &quick).await?;
    check_meta(config, &quick).await?;
    Ok((quick, connect(config).await?))
}

/// Looks at the server, its settings and what it holds; changes nothing.
pub(crate) async fn inspect(config: &RedisConfig, with_key: bool) -> Result<Inspection, OpenError> {
    let told = |good: bool, found: &'static str, bad: &'static str| if good { found } else { bad };
    let connection = match connect(config).await {
        Ok(connection) => connection,
        Err(error @ OpenError::Url { .. }) => return Err(error),
        Err(error) => {
            let check = Check::new("server", "does not answer", "answers").or(Some(error));
            return Ok(Inspection { reach: Reach::Nothing, checks: vec![check] });
        }
    };
    let server = check_server(config, &connection).await.err();
    let durability = config.durability.name();
    let needed = format!("7.0 or newer, a primary, an append-only file, for durability {durability}");
    let found = told(server.is_none(), "as needed", "not as needed");
    let mut checks = vec![Check::new("server", found, needed).or(server)];
    let content = match check_meta(config, &connection).await {
        Err(OpenError::AnotherKey) if !with_key => None,
        checked => checked.err(),
    };
    let reach = if matches!(content, Some(OpenError::Empty)) { Reach::Empty } else { Reach::Whole };
    let found = told(content.is_none(), "as needed", "not as needed");
    let needed = format!("a whole deployment of schema {SCHEMA}, with the same master key");
    checks.push(Check::new("content", found, needed).or(content));
    Ok(Inspection { reach, checks })
}

/// Leaves the schema and the master key's fingerprint, if nothing is there.
pub(crate) async fn migrate(config: &RedisConfig) -> Result<(), OpenError> {
    let connection = connect(config).await?;
    check_server(config, &connection).await?;
    let fingerprint = hex(&config.fingerprint);
    for (field, value) in [("schema", SCHEMA.to_string()), ("key_fingerprint", fingerprint)] {
        let mut command = cmd("HSETNX");
        command.arg(keys::meta(&config.prefix)).arg(field).arg(value);
        let () = connection.command(&command).await.map_err(|error| foreign_or(config, error))?;
    }
    check_meta(config, &connection).await
}

async fn check_meta(config: &RedisConfig, connection: &Connection) -> Result<(), OpenError> {
    let mut command = cmd("HMGET");
    command.arg(keys::meta(&config.prefix)).arg("schema").arg("key_fingerprint").arg(HALF);
    let found: (Option<String>, Option<String>, Option<String>) =
        connection.command(&command).await.map_err(|error| foreign_or(config, error))?;
    let (Some(schema), Some(fingerprint), half) = found else { return Err(OpenError::Empty) };
    let foreign = |detail: String| OpenError::Foreign { prefix: config.prefix.clone(), detail };
    let schema: u32 = schema.parse().map_err(|_| foreign(format!("schema {schema:?}")))?;
    if schema > SCHEMA {
        return Err(OpenError::NewerSchema { found: schema, known: SCHEMA });
    }
    if half.is_some() {
        return Err(OpenError::HalfLoaded);
    }
    if fingerprint == hex(&config.fingerprint) { Ok(()) } else { Err(OpenError::AnotherKey) }
}

fn foreign_or(config: &RedisConfig, source: redis::RedisError) -> OpenError {
    if source.code() == Some("WRONGTYPE") {
        OpenError::Foreign { prefix: config.prefix.clone(), detail: source.to_string() }
    } else {
        OpenError::Redis { source }
    }
}

/// Every node that takes writes.
async fn check_server(config: &RedisConfig, connection: &Connection) -> Result<(), OpenError> {
    let many = config.urls().len() > 1;
    for info in everywhere(connection, cmd("INFO")).await? {
        let info = Info::read(&info);
        let version = info.get("redis_version");
        if number(version) < MINIMUM {
            return Err(OpenError::OldServer { found: version.to_owned() });
        }
        match (info.get("cluster_enabled") == "1", many) {
            (true, false) => return Err(OpenError::ClusterNode),
            (false, true) => return Err(OpenError::NoCluster),
            _ => {}
        }
        if info.get("role") != "master" {
            return Err(OpenError::Replica);
        }
    }
    check_settings(config, connection).await
}

async fn check_settings(config: &RedisConfig, connection: &Connection) -> Result<(), OpenError> {
    let mut command = cmd("CONFIG");
    command.arg("GET").arg("append*").arg("maxmemory-policy");
    let found = match everywhere(connection, command).await {
        Ok(found) => found,
        Err(OpenError::Redis { source }) if hides(&source) => {
            let declared = config.declared_appendfsync.as_deref();
            let declared = declared.ok_or_else(|| OpenError::ConfigHidden { detail: source.to_string() })?;
            return appendfsync(config.durability, declared);
        }
        Err(error) => return Err(error),
    };
    for settings in found {
        let settings: BTreeMap<String, String> = redis::from_redis_value(settings).unwrap_or_default();
        let get = |name: &str| settings.get(name).cloned().unwrap_or_default();
        if get("appendonly") != "yes" {
            return Err(refused("appendonly", get("appendonly"), LOST, "yes"));
        }
        appendfsync(config.durability, &get("appendfsync"))?;
        let policy = get("maxmemory-policy");
        if policy != "noeviction" {
            return Err(refused(
                "maxmemory-policy",
                policy,
                "full memory would throw records away",
                "noeviction",
            ));
        }
    }
    Ok(())
}

const LOST: &str = "a crash would lose what was acknowledged";

fn appendfsync(durability: Durability, found: &str) -> Result<(), OpenError> {
    match (durability, found) {
        (_, "always") | (Durability::Relaxed, "everysec") => Ok(()),
        (Durability::Relaxed, _) => Err(refused("appendfsync", found.to_owned(), LOST, "everysec or always")),
        (Durability::Full, "everysec") => Err(refused(
            "appendfsync",
            found.to_owned(),
            "a power cut would lose about the last second of what was acknowledged (accept that with storage.redis.durability = \"relaxed\")",
            "always",
        )),
        (Durability::Full, _) => Err(refused("appendfsync", found.to_owned(), LOST, "always")),
    }
}

fn refused(setting: &'static str, found: String, why: &'static str, needed: &'static str) -> OpenError {
    OpenError::Setting { setting, found, why, needed }
}

/// Whether an administrator has taken the command away.
fn hides(error: &redis::RedisError) -> bool {
    let text = error.to_string();
    error.code() == Some("NOPERM") || text.contains("unknown command") || text.contains("NOPERM")
}

/// One answer of each node that takes writes.
async fn everywhere(connection: &Connection, command: Cmd) -> Result<Vec<Value>, OpenError> {
    use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
    let reached = |source| OpenError::Redis { source };
    match connection {
        Connection::One(_) => Ok(vec![connection.command(&command).await.map_err(reached)?]),
        Connection::Cluster(cluster) => {
            let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            let answer = cluster.clone().route_command(command, all).await.map_err(reached)?;
            Ok(match answer {
                Value::Map(nodes) => nodes.into_iter().map(|(_, answer)| answer).collect(),
                one => vec![one],
            })
        }
    }
}

/// What INFO says.
struct Info(BTreeMap<String, String>);

impl Info {
    fn read(answer: &Value) -> Self {
        let text: String = redis::from_redis_value_ref(answer).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// The first two parts of a version.
fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(number("7.0.15") >= MINIMUM && number("10.0.0") >= MINIMUM);
        assert!(number("6.2.14") < MINIMUM && number("") < MINIMUM);
    }
}
