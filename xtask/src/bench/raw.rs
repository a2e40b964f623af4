//! The raw limit of writes: one transaction that locks a head row, updates the row and inserts one log row.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::place::Place;
use super::table::Pace;
use super::{Data, Scale};
use crate::repo::{output, succeed};
use crate::servers::process::install;

/// How it is measured.
pub enum Raw {
    /// By the bench's own writers: no tool measures a library that is built in, nor a script of ours by its keys.
    Own(Box<dyn Fn() -> Command>),
    Postgres(Pgbench),
}

/// pgbench with two scripts.
pub struct Pgbench {
    address: String,
    folder: PathBuf,
}

impl Raw {
    /// Makes the tables.
    pub fn new(place: &Place, scale: &Scale) -> Result<Self> {
        let folder = place.scratch.path().to_owned();
        if place.backend == "postgres" {
            return Ok(Self::Postgres(Pgbench::new(place.address.clone(), folder, scale)?));
        }
        let program = place.tool().get_program().to_owned();
        let at = if place.backend == "redis" { place.address.clone().into() } else { folder.join("raw") };
        Ok(Self::Own(Box::new(move || {
            let mut command = Command::new(&program);
            command.arg("raw").arg(&at);
            command
        })))
    }

    /// Some seconds of it through so many connections.
    pub fn run(&mut self, data: Data, connections: u32, seconds: u32) -> Result<Pace> {
        match self {
            Self::Own(tool) => {
                let (writers, millis) = (connections.to_string(), (1_000 * seconds).to_string());
                let said = output(tool().args(["--writers", &writers, "--millis", &millis]))?;
                Pace::from_json(&serde_json::from_slice::<Value>(&said)?)
            }
            Self::Postgres(pgbench) => pgbench.run(data, connections, seconds),
        }
    }
}

impl Pgbench {
    fn new(address: String, folder: PathBuf, scale: &Scale) -> Result<Self> {
        let there = Command::new("pgbench").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !there {
            install("postgresql-contrib")?;
        }
        let Scale { organizations, members, large, .. } = scale;
        let tables = format!(
            "CREATE SCHEMA raw;
             CREATE TABLE raw.heads (home bigint PRIMARY KEY, seq bigint NOT NULL, hash bytea NOT NULL)
                 WITH (fillfactor = 70);
             CREATE TABLE raw.facts (home bigint NOT NULL, id bigint NOT NULL, role text NOT NULL, version uuid NOT NULL,
                 PRIMARY KEY (home, id));
             CREATE TABLE raw.log (home bigint NOT NULL, seq bigint NOT NULL, body bytea NOT NULL,
                 PRIMARY KEY (home, seq));
             INSERT INTO raw.heads SELECT n, 0, sha256('') FROM generate_series(0, {organizations}) n;
             INSERT INTO raw.facts SELECT home, id, 'viewer', gen_random_uuid()
                 FROM generate_series(0, {organizations} - 1) home, generate_series(0, {members} - 1) id;
             INSERT INTO raw.facts SELECT {organizations}, id, 'viewer', gen_random_uuid()
                 FROM generate_series(0, {large} - 1) id;
             ANALYZE raw.heads, raw.facts"
        );
        succeed(Command::new("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-c", &tables, &address]))?;
        for (data, homes, ids) in [
            (Data::Many, format!("random(0, {organizations} - 1)"), members),
            (Data::Large, organizations.to_string(), large),
        ] {
            fs::write(folder.join(format!("{}.sql", data.name())), script(&homes, *ids))?;
        }
        Ok(Self { address, folder })
    }

    fn run(&self, data: Data, connections: u32, seconds: u32) -> Result<Pace> {
        let logs = self.folder.join("pgbench");
        fs::create_dir_all(&logs)?;
        let mut pgbench = Command::new("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-j", "1", "-l"]).current_dir(&logs).stderr(Stdio::null());
        pgbench.args(["-c", &connections.to_string(), "-T", &seconds.to_string()]);
        pgbench.arg("-f").arg(self.folder.join(format!("{}.sql", data.name()))).arg(&self.address);
        let said = String::from_utf8_lossy(&output(&mut pgbench)?).into_owned();
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        let rate: f64 = rate.with_context(|| format!("pgbench says no rate:\n{said}"))?.parse()?;
        let times = times(&logs)?;
        fs::remove_dir_all(&logs)?;
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        let count = u64::try_from(times.len())?;
        Ok(Pace { count, failed: None, per_second: rate, p50_us: at(50), p99_us: at(99) })
    }
}

fn script(home: &str, ids: u32) -> String {
    format!(
        "\\set home {home}
\\set id random(0, {ids} - 1)
BEGIN;
SELECT seq, hash FROM raw.heads WHERE home = :home FOR NO KEY UPDATE \\gset
UPDATE raw.facts SET role = 'member', version = gen_random_uuid() WHERE home = :home AND id = :id;
UPDATE raw.heads SET seq = :seq + 1, hash = sha256(int8send(:seq)) WHERE home = :home;
INSERT INTO raw.log (home, seq, body) VALUES (:home, :seq + 1, decode(repeat('ab', 400), 'hex'));
COMMIT;
"
    )
}

/// The time of each transaction, in microseconds, sorted: the third column of pgbench's logs.
fn times(logs: &Path) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for file in fs::read_dir(logs)? {
        let text = fs::read_to_string(file?.path())?;
        times.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
