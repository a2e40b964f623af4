//! Figures: how they are summed up and shown.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::reports::{self, Reported};

/// How fast something went.
#[derive(Clone, Copy)]
pub struct Pace {
    pub count: u64,
    /// Requests that were not answered with a success, where that is counted.
    pub failed: Option<u64>,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Pace {
    /// From what a tool prints.
    pub fn from_json(said: &Value) -> Result<Self> {
        let number = |name: &str| said[name].as_f64().with_context(|| format!("no {name} in {said}"));
        let count = said["count"].as_u64().with_context(|| format!("no count in {said}"))?;
        let per_second = number("count")? / number("seconds")?;
        let failed = said["failed"].as_u64();
        Ok(Self { count, failed, per_second, p50_us: number("p50_us")?, p99_us: number("p99_us")? })
    }
}

/// Roster, then the raw limit.
#[derive(Clone, Copy)]
pub struct Turn {
    pub ours: Pace,
    pub limit: Pace,
}

/// One line of the table.
pub struct Figure {
    work: &'static str,
    data: &'static str,
    concurrency: u32,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    limit_per_second: f64,
    limit_p50_us: f64,
    limit_p99_us: f64,
    ratio: f64,
}

impl Figure {
    /// Medians of the turns.
    pub fn new(work: &'static str, data: &'static str, concurrency: u32, turns: &[Turn]) -> Self {
        let of = |value: fn(&Turn) -> f64| median(turns.iter().map(value).collect());
        Self {
            work,
            data,
            concurrency,
            per_second: of(|turn| turn.ours.per_second),
            p50_us: of(|turn| turn.ours.p50_us),
            p99_us: of(|turn| turn.ours.p99_us),
            limit_per_second: of(|turn| turn.limit.per_second),
            limit_p50_us: of(|turn| turn.limit.p50_us),
            limit_p99_us: of(|turn| turn.limit.p99_us),
            ratio: of(|turn| turn.ours.per_second / turn.limit.per_second),
        }
    }

    /// The figure in one line, in Markdown.
    pub fn line(&self) -> String {
        format!(
            "| {:<16} | {:<5} | {:>2} | {:>6.0} | {:>6.2} | {:>6.2} | {:>6.0} | {:>6.2} | {:>6.2} | {:>5.2} |",
            self.work,
            self.data,
            self.concurrency,
            self.per_second,
            self.p50_us / 1e3,
            self.p99_us / 1e3,
            self.limit_per_second,
            self.limit_p50_us / 1e3,
            self.limit_p99_us / 1e3,
            self.ratio
        )
    }

    fn json(&self) -> Value {
        json!({
            "work": self.work, "data": self.data, "concurrency": self.concurrency, "per_second": self.per_second,
            "p50_us": self.p50_us, "p99_us": self.p99_us, "limit_per_second": self.limit_per_second,
            "limit_p50_us": self.limit_p50_us, "limit_p99_us": self.limit_p99_us, "ratio": self.ratio,
        })
    }
}

/// All about one store.
pub struct Report {
    pub backend: &'static str,
    pub version: String,
    pub start_ms: Option<f64>,
    pub memory_mib: Option<f64>,
    pub figures: Vec<Figure>,
    pub acts: Option<Acts>,
    pub reports: Vec<Reported>,
}

/// What takes long.
pub struct Acts {
    pub done: Vec<Act>,
    /// Rows a second of inserts of many rows.
    pub limit_rows: f64,
    pub memory_mib: f64,
}

/// So many things of one kind, and how long they took together.
pub struct Act {
    pub work: String,
    pub count: u64,
    pub seconds: f64,
}

impl Act {
    /// From a line of JSON.
    pub fn from_json(said: &Value) -> Result<Self> {
        let work = said["work"].as_str().with_context(|| format!("no work in {said}"))?.to_owned();
        let count = said["count"].as_u64().with_context(|| format!("no count in {said}"))?;
        let seconds = said["seconds"].as_f64().with_context(|| format!("no seconds in {said}"))?;
        Ok(Self { work, count, seconds })
    }

    /// The act in one line, in Markdown.
    pub fn line(&self) -> String {
        let rate = self.rate();
        format!("| {:<24} | {:>7} | {:>9.3} | {:>8.0} |", self.work, self.count, self.seconds, rate)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

impl Acts {
    fn text(&self) -> String {
        let mut text = "\n| act | of | seconds | a second |\n| --- | --: | --: | --: |\n".to_owned();
        for act in &self.done {
            text += &act.line();
            text.push('\n');
        }
        let end = format!(
            "\nInserts of many rows, the limit of an import: {:.0} rows a second. At most {:.0} MiB of memory.\n",
            self.limit_rows, self.memory_mib
        );
        text + &end
    }

    fn json(&self) -> Value {
        let act = |act: &Act| json!({"work": act.work, "count": act.count, "seconds": act.seconds});
        json!({
            "done": self.done.iter().map(act).collect::<Vec<_>>(), "limit_rows": self.limit_rows,
            "memory_mib": self.memory_mib,
        })
    }
}

impl Report {
    /// Nothing measured yet.
    pub fn new(backend: &'static str, version: String) -> Self {
        let (figures, reports) = (Vec::new(), Vec::new());
        Self { backend, version, start_ms: None, memory_mib: None, figures, acts: None, reports }
    }

    /// What was measured, as tables in Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("\n{} ({})\n", self.backend, self.version);
        if !self.figures.is_empty() {
            text += "\n| work | data | at a time | a second | p50 ms | p99 ms | limit a second | limit p50 ms | limit p99 ms | ratio |\n";
            text += "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n";
        }
        for figure in &self.figures {
            text += &figure.line();
            text.push('\n');
        }
        if let (Some(start), Some(memory)) = (self.start_ms, self.memory_mib) {
            let end = format!(
                "\nFrom start to first answer {start:.0} ms. At most {memory:.0} MiB of memory under this load.\n"
            );
            text += &end;
        }
        if let Some(acts) = &self.acts {
            text += &acts.text();
        }
        if !self.reports.is_empty() {
            text += &reports::text(&self.reports);
        }
        text
    }

    fn json(&self) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        let reports: Vec<&Value> = self.reports.iter().map(Reported::json).collect();
        json!({
            "backend": self.backend, "version": self.version, "start_ms": self.start_ms,
            "memory_mib": self.memory_mib, "figures": figures, "acts": self.acts.as_ref().map(Acts::json),
            "reports": reports,
        })
    }
}

/// Writes everything to a file.
pub fn write_json(path: &Path, reports: &[Report]) -> Result<()> {
    let all: Vec<Value> = reports.iter().map(Report::json).collect();
    let text = serde_json::to_string_pretty(&all)? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_second: f64) -> Pace {
        Pace { count: 1, failed: None, per_second, p50_us: 1_000.0, p99_us: 2_000.0 }
    }

    #[test]
    fn the_ratio_is_the_median_of_the_ratios_of_the_turns() {
        let turns = [(100.0, 200.0), (10.0, 40.0), (300.0, 400.0)];
        let turns = turns.map(|(ours, limit)| Turn { ours: pace(ours), limit: pace(limit) });
        let figure = Figure::new("check", "many", 16, &turns);
        assert!((figure.ratio - 0.5).abs() < 1e-9 && (figure.per_second - 100.0).abs() < 1e-9);
        assert!(figure.line().ends_with("|  0.50 |"), "{}", figure.line());
    }
}
