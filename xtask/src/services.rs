//! `cargo xtask services`: the servers of the tests, for trying a store by hand.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};

use crate::interrupt;
use crate::repo::Repo;
use crate::servers::Kind;
use crate::test::Stores;

/// Starts them, prints what to export, and stays until Ctrl-C or the end of the input.
pub fn run(repo: &Repo, stores: &Stores) -> Result<ExitCode> {
    let (ended, ending) = mpsc::channel();
    let told = ended.clone();
    interrupt::listen(move || {
        let _sent = told.send(());
    })?;
    let servers = stores.servers(repo).context("the servers did not start")?;
    for (kind, url) in &servers.addresses {
        println!("{}", exported(*kind, url));
    }
    let until = if io::stdin().is_terminal() { "Ctrl-C" } else { "the input ends" };
    eprintln!("They run until {until}.");
    thread::spawn(move || {
        let _end = io::stdin().read_to_end(&mut Vec::new());
        let _sent = ended.send(());
    });
    let _signal_or_end = ending.recv();
    Ok(ExitCode::SUCCESS)
}

/// For both terminals, and for tests that are run without `cargo xtask test`.
fn exported(kind: Kind, url: &str) -> String {
    let (backend, setting) = match kind {
        Kind::Postgres => ("postgres", "POSTGRES"),
        Kind::Redis | Kind::RedisCluster => ("redis", "REDIS"),
    };
    format!(
        "export ROSTER_STORAGE__BACKEND={backend} ROSTER_STORAGE__{setting}__URL={url}\n\
         export {}={url}",
        kind.variable()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_export_is_what_the_configuration_reads() {
        let said = exported(Kind::RedisCluster, "redis://127.0.0.1:1,redis://127.0.0.1:2");
        let url = "redis://127.0.0.1:1,redis://127.0.0.1:2";
        let lines = [
            format!("export ROSTER_STORAGE__BACKEND=redis ROSTER_STORAGE__REDIS__URL={url}"),
            format!("export ROSTER_TEST_REDIS_CLUSTER_URL={url}"),
        ];
        assert_eq!(said, lines.join("\n"));
        assert!(
            exported(Kind::Postgres, "postgres://x")
                .contains(" ROSTER_STORAGE__POSTGRES__URL=postgres://x\n")
        );
    }
}
