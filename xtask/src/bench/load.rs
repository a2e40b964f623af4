//! Load by wrk, in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::place::Place;
use super::table::Pace;
use super::{Data, Work};
use crate::repo::output;
use crate::servers::process::install;

const SCRIPT: &str = include_str!("load.lua");

/// Installs wrk if it is not there.
pub fn find() -> Result<()> {
    let there = || Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there() {
        install("wrk")?;
    }
    if there() { Ok(()) } else { bail!("wrk is not installed") }
}

/// A load on one place's data.
pub struct Load {
    folder: PathBuf,
    /// How many lines of each file have been written to. A role is changed on every line once before it is changed back.
    written: [u64; 2],
    /// How many members have been removed, from the other end.
    removed: [u64; 2],
    lines: [u64; 2],
}

impl Load {
    /// Nothing written yet.
    pub fn new(place: &Place) -> Result<Self> {
        let folder = place.scratch.path().to_owned();
        fs::write(folder.join("load.lua"), SCRIPT)?;
        let lines = [count(&folder.join("many"))?, count(&folder.join("large"))?];
        Ok(Self { folder, written: [0; 2], removed: [0; 2], lines })
    }

    /// Some seconds of it.
    pub fn run(&mut self, port: u16, work: Work, data: Data, concurrency: u32, seconds: u32) -> Result<Pace> {
        let which = data as usize;
        let from = match work {
            Work::Check | Work::Get | Work::List => 0,
            Work::Role => self.written[which],
            Work::Remove => self.removed[which],
        };
        let mut command = Command::new("wrk");
        command.args([
            "-t",
            "1",
            "-c",
            &concurrency.to_string(),
            "-d",
            &format!("{seconds}s"),
            "--timeout",
            "10s",
        ]);
        command.arg("-s").arg(self.folder.join("load.lua")).arg(format!("http://127.0.0.1:{port}"));
        command.env("BENCH_WORK", work.name()).env("BENCH_FROM", from.to_string());
        command.env("BENCH_LINES", self.folder.join(data.name()));
        let pace = read(&output(&mut command)?)?;
        let sent = pace.count + u64::from(concurrency);
        match work {
            Work::Check | Work::Get | Work::List => {}
            Work::Role => self.written[which] += sent,
            Work::Remove => self.removed[which] += sent,
        }
        if self.removed[which] > self.lines[which] {
            bail!("more members were removed than there are: the figure means nothing");
        }
        Ok(pace)
    }
}

fn count(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(u64::try_from(text.lines().count())?)
}

fn read(said: &[u8]) -> Result<Pace> {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().find_map(|line| line.strip_prefix("RESULT ")).context("wrk gave no result")?;
    let pace = Pace::from_json(&serde_json::from_str::<Value>(line)?)?;
    if let Some(failed) = pace.failed.filter(|failed| *failed > pace.count / 100) {
        bail!("{failed} of {} requests failed: the figure means nothing\n{said}", pace.count);
    }
    Ok(pace)
}
