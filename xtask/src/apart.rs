//! Tests that start servers of their own on this machine, which `--without-private-servers` leaves out.

use std::fs;

use anyhow::Result;

use crate::repo::{Repo, Scratch};

/// By test binary.
const APART: [(&str, &[&str]); 4] = [
    (
        "cli",
        &[
            "full::nothing_that_was_answered_is_lost_where_there_is_no_room",
            "kill::nothing_that_was_answered_is_lost",
            "storage::a_redis_is_reached_by_tls",
            "storage::a_relaxed_store_says_so",
        ],
    ),
    (
        "faults",
        &[
            "pooler::the_api_works_through_a_pooler_in_session_mode",
            "pooler::the_core_of_the_contract_holds_through_a_pooler_in_session_mode",
            "refused::a_server_that_would_lose_data_in_a_crash_is_refused",
            "refused::a_standby_is_refused",
            "tls::the_servers_certificate_is_checked_when_that_is_asked_for",
        ],
    ),
    ("postgres", &["a_commit_of_500_writes_takes_few_statements"]),
    (
        "redis",
        &[
            "a_look_names_what_would_be_refused",
            "a_primary_that_becomes_a_replica_answers_nothing",
            "a_replica_and_half_a_cluster_are_refused",
            "a_server_older_than_7_is_refused",
            "a_server_that_does_not_say_how_durable_it_is_must_be_declared",
            "an_emptied_server_does_not_answer_a_ping_well",
            "connections_that_break_lose_nothing",
            "everysec_is_accepted_when_that_is_said",
            "full_memory_is_unavailable_and_nothing_is_done",
            "cluster::a_master_that_hands_over_to_its_replica_loses_nothing",
            "cluster::a_master_that_is_killed_loses_nothing",
            "cluster::one_master_that_would_lose_data_is_refused",
            "cluster::slots_that_are_handed_on_lose_nothing",
            "ending::a_file_that_ends_within_a_commit_holds_nothing_of_it",
            "what_would_lose_data_is_refused_at_the_start",
        ],
    ),
];

/// Has cargo-nextest run all the others, whatever else it is given: what its command line says narrows further.
pub struct Others {
    folder: Scratch,
}

impl Others {
    /// By a file that lasts as long as this.
    pub fn new(repo: &Repo) -> Result<Self> {
        let folder = repo.scratch("others")?;
        fs::write(folder.path().join(FILE), format!("[profile.default]\ndefault-filter = '{}'\n", filter()))?;
        Ok(Self { folder })
    }

    /// What cargo-nextest is told.
    pub fn arguments(&self) -> [String; 2] {
        let file = self.folder.path().join(FILE);
        ["--tool-config-file".to_owned(), format!("xtask:{}", file.display())]
    }
}

const FILE: &str = "nextest.toml";

fn filter() -> String {
    let of_binary = |(binary, tests): (&str, &[&str])| {
        let tests: Vec<String> = tests.iter().map(|test| format!("test(={test})")).collect();
        format!("(binary(={binary}) & ({}))", tests.join(" | "))
    };
    format!("not ({})", APART.map(of_binary).join(" | "))
}

/// Which they are, for the end of a run.
pub fn said() -> String {
    let lines =
        APART.iter().flat_map(|(binary, tests)| tests.iter().map(move |test| format!("  {binary} {test}")));
    let lines: Vec<String> = lines.collect();
    format!(
        "Left out by --without-private-servers, {} tests that start servers of their own:\n{}",
        lines.len(),
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What starts one.
    const STARTS: [&str; 5] =
        ["Postgres::new(", "Postgres::with(", "Pgbouncer::before(", "Redis::with(", "RedisCluster::with("];

    /// Each test of a file that starts a server itself, and each whose file does so for it, is known by its name.
    #[test]
    fn those_that_start_servers_are_listed() {
        let repo = Repo::find().unwrap();
        let mut there: Vec<(String, String, bool)> = Vec::new();
        for path in repo.files().unwrap() {
            let place = path.strip_prefix("tests/tests/").or(path.strip_prefix("cli/tests/"));
            let Some(place) = place.and_then(|place| place.strip_suffix(".rs")) else { continue };
            let (binary, module) = place.split_once('/').unwrap_or((place, "main"));
            let text = repo.read(&path).unwrap();
            for test in text.split("#[tokio::test").flat_map(|part| part.split("#[test]")).skip(1) {
                let name = test.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).unwrap().0;
                let name = if module == "main" { name.to_owned() } else { format!("{module}::{name}") };
                let starts = STARTS.iter().any(|start| test.contains(start));
                there.push((binary.to_owned(), name, starts));
            }
        }
        let listed = |binary: &str, name: &str| {
            APART.iter().any(|(known, tests)| *known == binary && tests.contains(&name))
        };
        for (binary, name, _) in there.iter().filter(|(.., starts)| *starts) {
            assert!(listed(binary, name), "{binary} {name} starts a server of its own");
        }
        for (binary, tests) in APART {
            for name in tests {
                let known = there.iter().any(|(of, test, _)| of == binary && test == name);
                assert!(known, "there is no test {binary} {name}");
            }
        }
        assert!(there.len() > 100, "the files are found");
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert!(
            filter().contains("(binary(=postgres) & (test(=a_commit_of_500_writes_takes_few_statements)))")
        );
        assert!(said().starts_with("Left out by --without-private-servers, 25 tests that"), "{}", said());
    }
}
