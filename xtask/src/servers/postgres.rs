//! A private Postgres process.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::process::{Folder, Server, install, is_root};
use super::{ANSWER, free_ports, program};

/// What every server of the tests is told; each test has a database and a few connections.
pub const SETTINGS: [&str; 4] =
    ["max_connections=300", "shared_buffers=256MB", "max_wal_size=256MB", "min_wal_size=64MB"];

const LOG: &str = "postgres.log";

/// A running one.
pub struct Postgres {
    _server: Server,
    /// For one who may do everything.
    pub url: String,
    /// As the program says it.
    pub version: String,
}

/// Starts one on a free port, with its files below a folder; installs Debian's package if there is none.
pub fn start(under: &Path) -> Result<Postgres> {
    install_missing()?;
    let programs = find().context("there is no initdb under /usr/lib/postgresql, nor on the PATH")?;
    let folder = Folder::new(under, "roster-postgres", "postgres")?;
    let data = folder.path().join("data");
    let mut init = folder.command(&programs.join("initdb"), LOG)?;
    init.args(["--username=roster", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    if !init.arg("-D").arg(&data).status()?.success() {
        bail!("initdb failed:\n{}", folder.said(LOG));
    }
    let [port] = free_ports()?;
    let mut command = folder.command(&programs.join("postgres"), LOG)?;
    command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(folder.path());
    for setting in ["listen_addresses=127.0.0.1"].iter().chain(&SETTINGS) {
        command.args(["-c", setting]);
    }
    let at = (Ipv4Addr::LOCALHOST, port).into();
    let (server, version) = Server::start(folder, command, LOG, || version(at, ANSWER))?;
    Ok(Postgres { _server: server, url: url(at), version })
}

/// The address of a server for clients.
pub fn url(at: SocketAddr) -> String {
    format!("postgres://roster@{at}/postgres")
}

/// The version of a server that lets everybody in, once it does. `patience` is how long each step may take.
pub fn version(at: SocketAddr, patience: Duration) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&greeting())?;
    let mut version = None;
    loop {
        match message(&mut stream)? {
            (b'S', body) => version = parameter(&body, "server_version").or(version),
            (b'Z', _) => break,
            (b'E', body) => bail!("{}", String::from_utf8_lossy(&body).replace('\0', " ")),
            _ => {}
        }
    }
    version.context("the server says no version")
}

/// The start of a conversation, in version 3 of the protocol.
fn greeting() -> Vec<u8> {
    let words = b"user\0roster\0database\0postgres\0\0";
    let length = u8::try_from(8 + words.len()).unwrap_or(u8::MAX);
    [&[0, 0, 0, length, 0, 3, 0, 0], words.as_slice()].concat()
}

/// The next message: its kind and its body.
fn message(stream: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_be_bytes(length).checked_sub(4).filter(|length| *length < 1 << 16);
    let mut body = vec![0; usize::try_from(length.context("not an answer of Postgres")?)?];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}

/// The value in a message about a parameter, if it is this one; without what a distribution adds.
fn parameter(body: &[u8], name: &str) -> Option<String> {
    let mut words = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let (found, value) = (words.next()?, words.next()?);
    (found == name).then(|| value.split(' ').next().unwrap_or_default().to_owned())
}

/// Installs Debian's package if there is none.
pub fn install_missing() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    leave_the_packages_own_alone()?;
    install("postgresql")
}

/// The folder of the newest programs that Debian keeps beside each other; else of those on the `PATH`.
pub fn find() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    // Beside a server of one version there may be clients alone of another.
    let whole = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    let newest = whole.filter_map(|path| Some((version(&path)?, path))).max();
    newest.map(|(_, path)| path.join("bin")).or_else(|| Some(program("initdb")?.parent()?.to_owned()))
}

/// Debian's package would make a cluster and start it.
fn leave_the_packages_own_alone() -> Result<()> {
    let settings = Path::new("/etc/postgresql-common/createcluster.conf");
    if is_root()? && !settings.exists() {
        fs::create_dir_all("/etc/postgresql-common")?;
        fs::write(settings, "create_main_cluster = false\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_says_how_long_it_is() {
        let greeting = greeting();
        assert_eq!(usize::from(greeting[3]), greeting.len());
    }

    #[test]
    fn messages_are_read_one_by_one() {
        let mut sent = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x1bserver_version\x0015.9 (D\0".as_slice();
        assert_eq!(message(&mut sent).unwrap(), (b'R', vec![0; 4]));
        let (kind, body) = message(&mut sent).unwrap();
        assert_eq!((kind, parameter(&body, "server_version")), (b'S', Some("15.9".to_owned())));
        assert_eq!(parameter(&body, "time_zone"), None);
        assert!(message(&mut b"HTTP/1.1 400".as_slice()).is_err());
    }
}
