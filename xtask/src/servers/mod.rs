//! Throw-away servers for tests: private processes on free ports, gone when they are dropped.

pub mod postgres;

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process with a folder of its own.
pub struct Server {
    child: Child,
    folder: Folder,
}

/// A folder under the system's temporary one, owned by whom the server runs as.
pub struct Folder {
    path: PathBuf,
    owner: Option<Owner>,
}

/// Somebody other than root.
#[derive(Clone, Copy)]
pub struct Owner {
    user: u32,
    group: u32,
}

impl Folder {
    /// A new one, `name` and the number of this process in its name. As root it belongs to `user`.
    pub fn new(name: &str, user: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let owner = if is_root()? { Some(Owner::named(user)?) } else { None };
        if let Some(owner) = owner {
            chown(&path, Some(owner.user), Some(owner.group))?;
        }
        Ok(Self { path, owner })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command run as the owner, in the folder, whose words go to a file there.
    pub fn command(&self, program: &Path, log: &str) -> Result<Command> {
        let mut command = Command::new(program);
        let log = fs::OpenOptions::new().append(true).create(true).open(self.path.join(log))?;
        command.current_dir(&self.path).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if let Some(owner) = self.owner {
            command.uid(owner.user).gid(owner.group);
        }
        Ok(command)
    }

    /// What a file in the folder says, for an error.
    pub fn said(&self, log: &str) -> String {
        fs::read_to_string(self.path.join(log)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}

impl Owner {
    fn named(user: &str) -> Result<Self> {
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let line = users.lines().find(|line| line.split(':').next() == Some(user));
        let line = line.with_context(|| format!("there is no user {user:?} to run the server as"))?;
        let mut numbers = line.split(':').skip(2);
        let mut number = || numbers.next().and_then(|text| text.parse().ok());
        match (number(), number()) {
            (Some(user), Some(group)) => Ok(Self { user, group }),
            _ => bail!("/etc/passwd has no numbers for {user:?}"),
        }
    }
}

impl Server {
    /// Starts a process and waits until it answers.
    pub fn start(
        folder: Folder,
        mut command: Command,
        log: &str,
        answers: impl Fn() -> bool,
    ) -> Result<Self> {
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Self { child, folder };
        let begun = Instant::now();
        while !answers() {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once ({status}):\n{}", server.folder.said(log));
            }
            if begun.elapsed() > PATIENCE {
                bail!("the server does not answer:\n{}", server.folder.said(log));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    /// Nothing in it is worth an orderly end.
    fn drop(&mut self) {
        let quit = Command::new("kill").args(["-s", "QUIT", &self.child.id().to_string()]).status();
        if !quit.is_ok_and(|status| status.success()) {
            let _gone = self.child.kill();
        }
        let _ended = self.child.wait();
    }
}

/// Whether this runs as root.
pub fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(line.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0"))
}

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Installs Debian packages, where this is Debian and we may.
pub fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!("install it: apt-get install {}", packages.join(" "));
    if !is_root()? || !Path::new("/usr/bin/apt-get").exists() {
        bail!("{by_hand}");
    }
    println!("Installing the Debian packages {}.", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        crate::repo::succeed(&mut command).context(by_hand.clone())
    };
    apt(&["update"])?;
    let options = ["install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"];
    apt(&[options.as_slice(), packages].concat())
}
