//! Opening a store: refused, with a sentence that says what to change, unless everything the contract needs is there.

use std::collections::BTreeMap;

use redis::{Cmd, Value, cmd};
use roster_core::health::{Check, Durability, Inspection, Reach, Rule};
use roster_core::log::hex;

use crate::commands;
use crate::config::RedisConfig;
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
    Rule::all_hold(server_rules(config, &quick).await?)?;
    Rule::all_hold(content_rules(config, &quick, true).await?)?;
    let bulk = quick.beside(config).await?;
    Ok((quick, bulk))
}

/// Looks at every rule and changes nothing; at the key only where there is one.
pub(crate) async fn inspect(config: &RedisConfig, with_key: bool) -> Result<Inspection, OpenError> {
    let connection = match connect(config).await {
        Ok(connection) => connection,
        Err(error @ OpenError::Url { .. }) => return Err(error),
        Err(error) => {
            let check = Check::new("server", "does not answer", "answers").or(Some(error));
            return Ok(Inspection { reach: Reach::Nothing, checks: vec![check] });
        }
    };
    let mut rules = server_rules(config, &connection).await?;
    if rules.iter().any(|rule| matches!(rule.refusal, Some(OpenError::Commands { .. }))) {
        // What it holds may not be looked at.
        return Ok(Inspection { reach: Reach::Whole, checks: Rule::checks(rules) });
    }
    let content = content_rules(config, &connection, with_key).await?;
    let empty = content.iter().any(|rule| matches!(rule.refusal, Some(OpenError::Empty)));
    rules.extend(content);
    let reach = if empty { Reach::Empty } else { Reach::Whole };
    Ok(Inspection { reach, checks: rules.into_iter().map(line).collect() })
}

/// The line of a rule. What `serve` does by itself is no problem.
fn line(rule: Rule<OpenError>) -> Check {
    match rule.refusal {
        Some(OpenError::Empty) => rule.check.put_right_by(
            "nothing of Roster's is there yet: `roster serve` and `roster migrate` prepare it; every other command asks for \
             that first",
        ),
        _ => rule.check,
    }
}

/// Leaves the schema and the master key's fingerprint, if nothing is there.
pub(crate) async fn migrate(config: &RedisConfig) -> Result<(), OpenError> {
    let connection = connect(config).await?;
    Rule::all_hold(server_rules(config, &connection).await?)?;
    let fingerprint = hex(&config.fingerprint);
    for (field, value) in [("schema", SCHEMA.to_string()), ("key_fingerprint", fingerprint)] {
        let mut command = cmd("HSETNX");
        command.arg(keys::meta(&config.prefix)).arg(field).arg(value);
        let () = connection.command(&command).await.map_err(|error| foreign_or(config, error))?;
    }
    Rule::all_hold(content_rules(config, &connection, true).await?)
}

type Rules = Vec<Rule<OpenError>>;

/// What stands under the prefix.
async fn content_rules(
    config: &RedisConfig,
    connection: &Connection,
    with_key: bool,
) -> Result<Rules, OpenError> {
    let mut command = cmd("HMGET");
    command.arg(keys::meta(&config.prefix)).arg("schema").arg("key_fingerprint").arg(HALF);
    let found: (Option<String>, Option<String>, Option<String>) =
        connection.command(&command).await.map_err(|error| foreign_or(config, error))?;
    let (Some(schema), Some(fingerprint), half) = found else {
        return Ok(vec![Rule::new("schema", "none", SCHEMA, Some(OpenError::Empty))]);
    };
    let newer = match schema.parse::<u32>() {
        Ok(found) => (found > SCHEMA).then_some(OpenError::NewerSchema { found, known: SCHEMA }),
        Err(_) => Some(OpenError::Foreign {
            prefix: config.prefix.clone(),
            detail: format!("its schema is {schema:?}"),
        }),
    };
    let whole = if half.is_some() { "half of a deployment" } else { "a whole deployment" };
    let mut rules = vec![
        Rule::new("schema", schema, SCHEMA, newer),
        Rule::new("content", whole, "a whole deployment", half.map(|_| OpenError::HalfLoaded)),
    ];
    if with_key {
        let same = fingerprint == hex(&config.fingerprint);
        let found = if same { "this one" } else { "another" };
        rules.push(Rule::new("master key", found, "this one", (!same).then_some(OpenError::AnotherKey)));
    }
    Ok(rules)
}

fn foreign_or(config: &RedisConfig, source: redis::RedisError) -> OpenError {
    if source.code() == Some("WRONGTYPE") {
        OpenError::Foreign { prefix: config.prefix.clone(), detail: source.to_string() }
    } else {
        OpenError::Redis { source }
    }
}

/// What every node that takes writes must be.
async fn server_rules(config: &RedisConfig, connection: &Connection) -> Result<Rules, OpenError> {
    let many = config.urls().len() > 1;
    let infos = match everywhere(connection, cmd("INFO")).await {
        Err(OpenError::Redis { source }) if hides(&source) => {
            let rule = commands::rule(config, connection).await?;
            let is_named = rule.refusal.is_some();
            return Ok(vec![if is_named { rule } else { commands::lacking("INFO".to_owned()) }]);
        }
        infos => infos?,
    };
    let mut rules: Rules = infos.iter().flat_map(|info| node_rules(&Info::read(info), many)).collect();
    if !rules
        .iter()
        .any(|rule| matches!(rule.refusal, Some(OpenError::OldServer { .. } | OpenError::Replica)))
    {
        rules.push(commands::rule(config, connection).await?);
    }
    rules.extend(setting_rules(config, connection).await?);
    // Nodes that are alike take one line.
    let mut told: Rules = Vec::new();
    for rule in rules {
        if told.iter().all(|told| told.check != rule.check) {
            told.push(rule);
        }
    }
    Ok(told)
}

fn node_rules(info: &Info, many: bool) -> Rules {
    let version = info.get("redis_version");
    let old = (number(version) < MINIMUM).then(|| OpenError::OldServer { found: version.to_owned() });
    let mode = |cluster: bool| if cluster { "a Redis Cluster" } else { "one server" };
    let clustered = info.get("cluster_enabled") == "1";
    let odd = match (clustered, many) {
        (true, false) => Some(OpenError::ClusterNode),
        (false, true) => Some(OpenError::NoCluster),
        _ => None,
    };
    let role = info.get("role");
    let file = if info.get("aof_enabled") == "1" { "yes" } else { "no" };
    let (policy, lost) = (info.get("maxmemory_policy"), "full memory would throw records away");
    vec![
        Rule::new("Redis version", version, "7.0 or newer", old),
        Rule::new("kind", mode(clustered), mode(many), odd),
        Rule::new("role", role, "master", (role != "master").then_some(OpenError::Replica)),
        setting("appendonly", file, "yes", file == "yes", LOST),
        setting("maxmemory-policy", policy, "noeviction", policy == "noeviction", lost),
    ]
}

async fn setting_rules(config: &RedisConfig, connection: &Connection) -> Result<Rules, OpenError> {
    let mut command = cmd("CONFIG");
    command.arg("GET").arg("*appendfsync*");
    let found = match everywhere(connection, command).await {
        Ok(found) => found,
        Err(OpenError::Redis { source }) if hides(&source) => return Ok(vec![declared(config, &source)]),
        Err(error) => return Err(error),
    };
    let of_node = |settings: Value| {
        let settings: BTreeMap<String, String> = redis::from_redis_value(settings).unwrap_or_default();
        let word = |name: &str| settings.get(name).map_or("", String::as_str);
        [appendfsync(config.durability, word("appendfsync")), during_rewrites(word(DURING_REWRITES))]
    };
    Ok(found.into_iter().flat_map(of_node).collect())
}

const LOST: &str = "a crash would lose what was acknowledged";

/// Where the server does not say how durable it is, the configuration must.
fn declared(config: &RedisConfig, source: &redis::RedisError) -> Rule<OpenError> {
    if let Some(declared) = &config.declared_appendfsync {
        return appendfsync(config.durability, declared);
    }
    let refusal = OpenError::ConfigHidden { detail: source.to_string() };
    Rule::new("appendfsync", "hidden", "told or declared", Some(refusal))
}

fn appendfsync(durability: Durability, found: &str) -> Rule<OpenError> {
    let (needed, good) = match durability {
        Durability::Full => ("always", found == "always"),
        Durability::Relaxed => ("everysec or always", matches!(found, "always" | "everysec")),
    };
    let why = match found {
        "everysec" => {
            "a power cut would lose about the last second of what was acknowledged (accept that with storage.redis.durability = \"relaxed\")"
        }
        _ => LOST,
    };
    setting("appendfsync", found, needed, good, why)
}

const DURING_REWRITES: &str = "no-appendfsync-on-rewrite";

/// The log is to be written through while the server rewrites it, too: that can take long.
fn during_rewrites(found: &str) -> Rule<OpenError> {
    let why = "a power cut while the server rewrites its log would lose what was acknowledged meanwhile";
    setting(DURING_REWRITES, found, "no", found == "no", why)
}

fn setting(
    setting: &'static str,
    found: &str,
    needed: &'static str,
    good: bool,
    why: &'static str,
) -> Rule<OpenError> {
    let refusal = OpenError::Setting { setting, found: found.to_owned(), why, needed };
    Rule::new(setting, found, needed, (!good).then_some(refusal))
}

/// Whether an administrator has taken the command away.
pub(crate) fn hides(error: &redis::RedisError) -> bool {
    let text = error.to_string();
    error.code() == Some("NOPERM") || text.contains("unknown command") || text.contains("NOPERM")
}

/// One answer of each node that takes writes.
pub(crate) async fn everywhere(connection: &Connection, command: Cmd) -> Result<Vec<Value>, OpenError> {
    use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
    let reached = |source| OpenError::Redis { source };
    match connection {
        Connection::One(_) => Ok(vec![connection.command(&command).await.map_err(reached)?]),
        Connection::Cluster(cluster) => {
            let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            let answer = cluster.clone().route_command(command, all).await.map_err(reached)?;
            let answers = match answer {
                Value::Map(nodes) => nodes.into_iter().map(|(_, answer)| answer).collect(),
                one => vec![one],
            };
            // What one node refuses stands among the others' answers.
            answers.into_iter().map(|answer| answer.extract_error().map_err(reached)).collect()
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
