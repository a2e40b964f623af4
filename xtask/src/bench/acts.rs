//! Acts that take long: an import, somebody who leaves everything, events by the batch.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Scale;
use super::place::Place;
use super::table::{Act, Acts};
use crate::repo::output;

/// Has them all done on a server of their own.
pub fn measure(place: &Place, scale: &Scale) -> Result<Acts> {
    let rows = scale.rows.to_string();
    let at = if place.backend == "sqlite" {
        place.scratch.path().join("rows").display().to_string()
    } else {
        place.address.clone()
    };
    let limit = output(place.tool().args(["raw-rows", &at, "--rows", &rows]))?;
    let limit: Value = serde_json::from_slice(&limit)?;
    let key = output(place.roster().args(["operator-key", "create", "bench"]))?;
    let key = String::from_utf8(key)?;
    let server = place.serve()?;
    let mut tool: Command = place.tool();
    tool.arg("acts").arg(format!("http://127.0.0.1:{}", server.port)).arg(key.trim());
    tool.args(["--rows", &rows, "--places", &scale.places.to_string()]);
    tool.args(["--batches", &scale.batches.to_string()]);
    let said = String::from_utf8(output(&mut tool)?)?;
    let act = |line: &str| -> Result<Act> { Act::from_json(&serde_json::from_str(line)?) };
    let done: Vec<Act> = said.lines().map(act).collect::<Result<_>>()?;
    for act in &done {
        println!("  {}", act.line());
    }
    let number = |name: &str| limit[name].as_f64().with_context(|| format!("no {name} in {limit}"));
    let limit_rows = number("count")? / number("seconds")?;
    Ok(Acts { done, limit_rows, memory_mib: server.memory_mib()? })
}
