//! What Redis must let the user of the store run: every command of the scripts and of the client, on every key. A script
//! that is refused one of them between two writes leaves a home torn, so all are asked about before anything is opened.

use std::collections::BTreeSet;

use redis::{Script, Value, cmd};
use roster_core::health::Rule;
use roster_core::home::Home;
use roster_core::id::OrganizationId;
use uuid::Uuid;

use crate::config::RedisConfig;
use crate::connection::Connection;
use crate::error::OpenError;
use crate::keys;
use crate::open::{everywhere, hides};

/// On any key.
const ON_KEYS: [&str; 25] = [
    "DEL",
    "EXISTS",
    "GET",
    "HDEL",
    "HEXISTS",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HSCAN",
    "HSET",
    "HSETNX",
    "PEXPIREAT",
    "SET",
    "TYPE",
    "ZADD",
    "ZCARD",
    "ZLEXCOUNT",
    "ZRANGEBYLEX",
    "ZRANGEBYSCORE",
    "ZREM",
    "ZREMRANGEBYSCORE",
    "ZREVRANGEBYLEX",
    "ZSCORE",
];
/// On none. Without the last two nothing can be asked.
const BESIDE: [&str; 4] = ["INFO", "TIME", LOAD, RUN];
const LOAD: &str = "SCRIPT LOAD";
const RUN: &str = "EVALSHA";
/// What a cluster's client sends by itself.
const OF_CLUSTERS: [&str; 3] = ["ASKING", "CLUSTER SLOTS", "PING"];

const CHECK: &str = include_str!("lua/check.lua");

/// A command on a key, or on none.
struct Asked {
    name: &'static str,
    key: Option<String>,
}

impl Asked {
    /// As the script takes it.
    fn arguments(&self) -> Vec<String> {
        let words: Vec<&str> = self.name.split(' ').chain(self.key.as_deref()).collect();
        std::iter::once(words.len().to_string()).chain(words.into_iter().map(str::to_owned)).collect()
    }
}

/// That all of it may be run on every node that takes writes. A server that does not tell is believed.
pub(crate) async fn rule(
    config: &RedisConfig,
    connection: &Connection,
) -> Result<Rule<OpenError>, OpenError> {
    let asked = asked(config, connection.is_cluster());
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(CHECK);
    let mut run = cmd(RUN);
    run.arg(Script::new(CHECK).get_hash()).arg(0);
    for one in &asked {
        run.arg(one.arguments());
    }
    let mut answers = Vec::new();
    for (name, command) in [(LOAD, load), (RUN, run)] {
        match everywhere(connection, command).await {
            Ok(told) => answers = told,
            Err(OpenError::Redis { source }) if hides(&source) => return Ok(lacking(name.to_owned())),
            Err(error) => return Err(error),
        }
    }
    let Some(missing) = told(answers) else { return Ok(Rule::new(NAME, "not told", NEEDED, None)) };
    Ok(if missing.is_empty() {
        Rule::new(NAME, "all", NEEDED, None)
    } else {
        lacking(named(&asked, &missing, &config.prefix))
    })
}

/// What all nodes say; nothing where one of them does not tell.
fn told(answers: Vec<Value>) -> Option<BTreeSet<usize>> {
    let of_node = |told| redis::from_redis_value::<Option<Vec<usize>>>(told).ok().flatten();
    let all: Option<Vec<Vec<usize>>> = answers.into_iter().map(of_node).collect();
    Some(all?.into_iter().flatten().collect())
}

const NAME: &str = "commands";
const NEEDED: &str = "all that Roster runs";

/// Some are not to be run.
pub(crate) fn lacking(missing: String) -> Rule<OpenError> {
    Rule::new(NAME, format!("lacks {missing}"), NEEDED, Some(OpenError::Commands { missing }))
}

/// Every command, those on keys with a key of each kind.
fn asked(config: &RedisConfig, is_cluster: bool) -> Vec<Asked> {
    let homes = [Home::Deployment, Home::Organization(OrganizationId::from_uuid(Uuid::nil()))];
    let of_homes = homes.iter().flat_map(|home| keys::keys_of(&config.prefix, home));
    let keys: Vec<String> = of_homes.chain(keys::keys_beside(&config.prefix)).collect();
    let on_key = |key: &String| ON_KEYS.map(|name| Asked { name, key: Some(key.clone()) });
    let of_cluster = if is_cluster { OF_CLUSTERS.as_slice() } else { &[] };
    let beside = BESIDE.iter().chain(of_cluster).filter(|name| **name != RUN);
    keys.iter().flat_map(on_key).chain(beside.map(|name| Asked { name, key: None })).collect()
}

/// What is missing, in the words of whoever gives it.
fn named(asked: &[Asked], missing: &BTreeSet<usize>, prefix: &str) -> String {
    let of_missing = || asked.iter().enumerate().filter(|(n, _)| missing.contains(n)).map(|(_, one)| one);
    let is_shut =
        |key: &String| of_missing().filter(|one| one.key.as_ref() == Some(key)).count() == ON_KEYS.len();
    let keys: BTreeSet<&String> = asked.iter().filter_map(|one| one.key.as_ref()).collect();
    let shut: BTreeSet<&String> = keys.iter().copied().filter(|key| is_shut(key)).collect();
    let commands = of_missing().filter(|one| one.key.as_ref().is_none_or(|key| !shut.contains(key)));
    let commands: BTreeSet<&str> = commands.map(|one| one.name).collect();
    let mut told: Vec<String> = commands.into_iter().map(str::to_owned).collect();
    if let Some(key) = shut.first() {
        let all = shut.len() == keys.len();
        told.push(if all {
            format!("the keys {prefix}*, or all commands on them")
        } else {
            format!("keys such as {key}")
        });
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What stands between two ends, everywhere.
    fn between<'a>(text: &'a str, begin: &'a str, end: char) -> impl Iterator<Item = &'a str> {
        text.split(begin).skip(1).filter_map(move |rest| rest.split(end).next())
    }

    fn sources(folder: &str, kind: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|found| found == kind))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }

    fn is_command(word: &str) -> bool {
        word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase())
    }

    /// Words of commands in the scripts that are not their names.
    const OPTIONS: [&str; 1] = ["LIMIT"];

    /// No command is run that is not asked about, and none is asked for that is not run.
    #[test]
    fn every_command_of_the_scripts_and_the_client_is_known() {
        let mut run: BTreeSet<String> = BTreeSet::new();
        for script in sources("src/lua", "lua") {
            run.extend(between(&script, "'", '\'').filter(|word| is_command(word)).map(str::to_owned));
            assert!(!script.contains("redis.pcall('") && !script.contains("redis.call(\""));
        }
        for word in OPTIONS {
            assert!(run.remove(word), "{word}");
        }
        for source in sources("src", "rs") {
            let code = source.split("#[cfg(test)]").next().unwrap().to_owned();
            for begin in ["cmd(\"", "mark(store, \""] {
                run.extend(between(&code, begin, '"').filter(|word| is_command(word)).map(str::to_owned));
            }
        }
        for (container, whole) in [("SCRIPT", Some(LOAD)), ("CONFIG", None)] {
            assert!(run.remove(container), "{container}");
            run.extend(whole.map(str::to_owned));
        }
        let known: BTreeSet<String> = ON_KEYS.iter().chain(&BESIDE).map(|name| (*name).to_owned()).collect();
        // Named by a constant, and loaded by the client itself.
        run.extend([RUN.to_owned()]);
        assert_eq!(run, known);
    }

    /// The line for an administrator says the same.
    #[test]
    fn the_documentation_lists_every_command() {
        let text = include_str!("../../docs/STORAGE.md");
        let line = text.lines().find(|line| line.trim().starts_with("ACL SETUSER ")).unwrap();
        let told: BTreeSet<&str> = line.split(' ').filter_map(|word| word.strip_prefix('+')).collect();
        let all = ON_KEYS.iter().chain(&BESIDE).chain(&OF_CLUSTERS).chain(&["CONFIG GET"]);
        let all: Vec<String> = all.map(|name| name.to_lowercase().replace(' ', "|")).collect();
        assert_eq!(told, all.iter().map(String::as_str).collect());
    }

    /// What the script returns, as a server sends it.
    #[test]
    fn a_server_that_does_not_tell_is_told_from_one_that_allows_all() {
        let list = |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
        assert_eq!(told(vec![list(&[]), list(&[3, 1])]), Some(BTreeSet::from([1, 3])));
        assert_eq!(told(vec![list(&[])]), Some(BTreeSet::new()));
        assert_eq!(told(vec![list(&[1]), Value::Nil]), None);
    }

    #[test]
    fn what_is_missing_is_named_by_command_or_by_key() {
        let asked = asked(&RedisConfig::new("redis://localhost", [0; 32]), false);
        let name = |is_missing: &dyn Fn(&Asked) -> bool| {
            let missing = asked.iter().enumerate().filter(|(_, one)| is_missing(one)).map(|(n, _)| n);
            named(&asked, &missing.collect(), "roster:")
        };
        assert_eq!(name(&|one| one.name == "HDEL" || one.name == "TIME"), "HDEL, TIME");
        let of_meta = |one: &Asked| one.key.as_deref() == Some("roster:{meta}");
        assert_eq!(name(&of_meta), "keys such as roster:{meta}");
        assert_eq!(name(&|one| of_meta(one) || one.name == "ZADD"), "ZADD, keys such as roster:{meta}");
        let all = "the keys roster:*, or all commands on them";
        assert_eq!(name(&|one| one.key.is_some()), all);
    }
}
