//! The same facts from Redis, by one pipelined read a request, on one multiplexed connection as Roster has it.

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script, cmd};
use roster_core::home::Record;
use roster_core::id::OrganizationId;
use roster_core::model::Member;

use super::Facts;

/// The version and the number of the schema stand before a record.
const HEADER: usize = 28;

/// The first members by id, and their records.
const LIST: &str = "
local lines = redis.call('ZRANGE', KEYS[2], '[member\\0', '(member\\0\\255', 'BYLEX', 'LIMIT', 0, 101)
local names = {}
for n, line in ipairs(lines) do names[n] = string.sub(line, 9) end
return redis.call('HMGET', KEYS[1], unpack(names))";

/// What goes wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("not a record: {0}")]
    Record(String),
}

/// A connection that many use at a time.
#[derive(Clone)]
pub(super) struct Store {
    connection: MultiplexedConnection,
    list: Script,
}

impl Store {
    /// Connects.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let connection = Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { connection, list: Script::new(LIST) })
    }

    /// The role on the account.
    pub(super) async fn check(&self, facts: &Facts) -> Result<Option<String>, Failed> {
        type Found = ((u64, u64), Vec<Option<Vec<u8>>>, Vec<Option<Vec<u8>>>);
        let with = |kind: char, id: uuid::Uuid| format!("{kind}:{}", id.simple());
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("HMGET").arg(organization(facts.organization)).arg(&[
            ".head".to_owned(),
            "o".to_owned(),
            with('m', facts.user.uuid()),
            with('a', facts.account.uuid()),
            with('k', facts.key.uuid()),
        ]);
        pipe.cmd("HMGET").arg(format!("roster:{{{}}}", facts.user)).arg("u");
        let (_time, found, user): Found = pipe.query_async(&mut self.connection.clone()).await?;
        let mut records = Vec::new();
        for value in found.iter().skip(1).chain(&user) {
            records.push(there(value.as_ref())?);
        }
        let role = records.iter().find_map(|record| match record {
            Record::Member(member) => member.access.role_on(facts.account),
            _ => None,
        });
        Ok(role.map(|role| role.to_string()))
    }

    /// The first 100 members.
    pub(super) async fn list(&self, of: OrganizationId) -> Result<Vec<Member>, Failed> {
        let home = organization(of);
        let mut call = self.list.key(&home);
        call.key(format!("{home}:index"));
        let found: Vec<Option<Vec<u8>>> = call.invoke_async(&mut self.connection.clone()).await?;
        found.iter().map(|value| there(value.as_ref()).and_then(member)).collect()
    }

    /// One member, with the organization and a key beside it.
    pub(super) async fn member(&self, facts: &Facts) -> Result<Member, Failed> {
        let mut get = cmd("HMGET");
        get.arg(organization(facts.organization)).arg(format!("m:{}", facts.user.uuid().simple()));
        get.arg(&[".head".to_owned(), "o".to_owned(), format!("k:{}", facts.key.uuid().simple())]);
        let found: Vec<Option<Vec<u8>>> = get.query_async(&mut self.connection.clone()).await?;
        for value in found.iter().skip(2) {
            there(value.as_ref())?;
        }
        there(found.first().and_then(Option::as_ref)).and_then(member)
    }
}

fn organization(id: OrganizationId) -> String {
    format!("roster:{{{id}}}")
}

/// What is not there is no fact: a limit that finds nothing would be none.
fn there(value: Option<&Vec<u8>>) -> Result<Record, Failed> {
    let value = value.ok_or_else(|| Failed::Record("missing".into()))?;
    let body = value.get(HEADER..).unwrap_or_default();
    rmp_serde::from_slice(body).map_err(|error| Failed::Record(error.to_string()))
}

fn member(record: Record) -> Result<Member, Failed> {
    match record {
        Record::Member(member) => Ok(member),
        _ => Err(Failed::Record("another kind".into())),
    }
}
