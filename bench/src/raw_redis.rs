//! The least that a commit on Redis can be: one script that reads and writes a head, puts a record and adds a log entry,
//! through as many connections as there are writers.

use std::time::{Duration, Instant};

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::{Client, Script};

use crate::raw::say;

/// Homes, and records of each.
const HOMES: u64 = 100;
const RECORDS: u64 = 1_000;

const COMMIT: &str = "
local seq = tonumber(redis.call('HGET', KEYS[1], 'head') or '0') + 1
redis.call('HSET', KEYS[2], seq, ARGV[3])
redis.call('HSET', KEYS[1], 'head', seq, ARGV[1], ARGV[2])
return seq";

/// Writes for so long, and prints how it went.
pub async fn run(url: &str, writers: usize, millis: u64) -> Result<()> {
    let client = Client::open(url)?;
    let begun = Instant::now();
    let end = begun + Duration::from_millis(millis);
    let mut tasks = Vec::new();
    for which in (0_u64..).take(writers) {
        let connection = client.get_multiplexed_async_connection().await?;
        tasks.push(tokio::spawn(write(connection, which, end)));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    say(times, begun.elapsed());
    Ok(())
}

async fn write(mut connection: MultiplexedConnection, which: u64, end: Instant) -> Result<Vec<Duration>> {
    let (script, record, entry) = (Script::new(COMMIT), [b'r'; 200], [b'e'; 400]);
    let (mut times, mut n) = (Vec::new(), which * 7_919);
    while Instant::now() < end {
        let begun = Instant::now();
        n += 1;
        let (home, id) = (n % HOMES, n * 31 % RECORDS);
        let mut call = script.key(format!("raw:{{{home}}}"));
        call.key(format!("raw:{{{home}}}:log")).arg(id).arg(record.as_slice()).arg(entry.as_slice());
        let _seq: u64 = call.invoke_async(&mut connection).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
