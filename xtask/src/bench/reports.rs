//! Reports: the first page of accounts by when their owners were last seen, beside the same by SQL.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Scale;
use super::place::Place;
use crate::repo::{Repo, output, succeed};

/// A report on some accounts, spread over some organizations.
pub struct Reported {
    accounts: u64,
    organizations: u64,
    seconds: f64,
    /// By SQL, where the store has any.
    limit_seconds: Option<f64>,
    times: Option<f64>,
    memory_mib: f64,
    said: Value,
}

/// On stores of their own.
pub fn measure(repo: &Repo, backend: &'static str, scale: &Scale) -> Result<Vec<Reported>> {
    let mut done = Vec::new();
    for (accounts, organizations) in scale.reports {
        let place = Place::new(repo, backend)?;
        let tool = |task: &str| -> Command {
            let mut tool = place.tool();
            tool.arg(task).arg("--config").arg(place.config());
            if backend != "redis" {
                tool.args(["--beside", &place.address]);
            }
            tool.args(["--accounts", &accounts.to_string(), "--organizations", &organizations.to_string()]);
            tool
        };
        succeed(&mut tool("seed-reports"))?;
        let said = output(tool("reports").args(["--turns", &scale.turns.to_string()]))?;
        let reported = Reported::from_json(serde_json::from_slice(&said)?)?;
        println!("  {}", reported.line());
        done.push(reported);
    }
    Ok(done)
}

impl Reported {
    fn from_json(said: Value) -> Result<Self> {
        let number = |name: &str| said[name].as_f64().with_context(|| format!("no {name} in {said}"));
        let count = |name: &str| said[name].as_u64().with_context(|| format!("no {name} in {said}"));
        Ok(Self {
            accounts: count("count")?,
            organizations: count("organizations")?,
            seconds: number("seconds")?,
            limit_seconds: said["limit_seconds"].as_f64(),
            times: said["ratio"].as_f64(),
            memory_mib: number("memory_mib")?,
            said,
        })
    }

    /// The figure in one line, in Markdown.
    fn line(&self) -> String {
        let shown = |number: Option<f64>| number.map_or_else(String::new, |number| format!("{number:.3}"));
        let times = self.times.map_or_else(String::new, |times| format!("{times:.1}"));
        format!(
            "| {:>7} | {:>6} | {:>7.3} | {:>7} | {:>5} | {:>4.0} |",
            self.accounts,
            self.organizations,
            self.seconds,
            shown(self.limit_seconds),
            times,
            self.memory_mib
        )
    }

    /// As the tool said it.
    pub const fn json(&self) -> &Value {
        &self.said
    }
}

/// A table in Markdown.
pub fn text(all: &[Reported]) -> String {
    let mut text = "\n| accounts | in organizations | seconds | by SQL | times | MiB |\n| --: | --: | --: | --: | --: | --: |\n"
        .to_owned();
    for one in all {
        text += &one.line();
        text.push('\n');
    }
    text
}
