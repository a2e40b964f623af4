//! A private Postgres.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Folder, Server, free_port, install};

/// Tells the tests where the server is.
pub const VARIABLE: &str = "ROSTER_TEST_POSTGRES_URL";

const LOG: &str = "postgres.log";

/// A running one.
pub struct Postgres {
    _server: Server,
    /// For one who may do everything.
    pub url: String,
    /// As the program says it.
    pub version: String,
}

/// Starts one on a free port; installs Debian's package if there is none.
pub fn start() -> Result<Postgres> {
    if find().is_none() {
        leave_the_packages_own_alone()?;
        install(&["postgresql"])?;
    }
    let programs = find().context("there is no initdb under /usr/lib/postgresql")?;
    let folder = Folder::new("roster-postgres", "postgres")?;
    let data = folder.path().join("data");
    let mut init = folder.command(&programs.join("initdb"), LOG)?;
    init.args(["--username=roster", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    if !init.arg("-D").arg(&data).status()?.success() {
        bail!("initdb failed:\n{}", folder.said(LOG));
    }
    let port = free_port()?.to_string();
    let mut command = folder.command(&programs.join("postgres"), LOG)?;
    command.arg("-D").arg(&data).args(["-p", &port, "-k"]).arg(folder.path());
    for setting in ["listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=256MB"] {
        command.args(["-c", setting]);
    }
    let ready = programs.join("pg_isready");
    let answers = || {
        let mut asked = Command::new(&ready);
        asked.args(["-q", "-h", "127.0.0.1", "-p", &port]).stdout(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    };
    let server = Server::start(folder, command, LOG, answers)?;
    let version = crate::repo::output(Command::new(programs.join("postgres")).arg("--version"))?;
    let version = String::from_utf8_lossy(&version).trim().replace("postgres (PostgreSQL) ", "");
    Ok(Postgres { _server: server, url: format!("postgres://roster@127.0.0.1:{port}/postgres"), version })
}

/// The folder of the newest programs that Debian keeps beside each other.
fn find() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(|entry| Some((version(&entry.path())?, entry.path()))).max()?;
    Some(newest.1.join("bin")).filter(|programs| programs.join("initdb").exists())
}

/// Debian's package would make a cluster and start it.
fn leave_the_packages_own_alone() -> Result<()> {
    let settings = Path::new("/etc/postgresql-common/createcluster.conf");
    if super::is_root()? && !settings.exists() {
        fs::create_dir_all("/etc/postgresql-common")?;
        fs::write(settings, "create_main_cluster = false\n")?;
    }
    Ok(())
}
