//! Private processes, each with a folder of its own, gone when they are dropped.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};

use super::PATIENCE;

/// A folder that is kept in memory, where there is one: a server there waits for no disk.
const MEMORY: &str = "/dev/shm";

/// A server has so long to quit.
const QUIT_WITHIN: Duration = Duration::from_secs(5);

/// As much must be free in memory.
const NEEDED: u64 = 4 << 30;

/// A process with a folder of its own.
pub struct Server {
    child: Child,
    folder: Folder,
}

/// A folder owned by whom the server runs as.
pub struct Folder {
    path: PathBuf,
    owner: Option<Owner>,
}

/// Somebody other than root.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

/// Where the files of tests and of their servers go: into memory, if enough is free, else on disk.
pub fn quick() -> PathBuf {
    let free = rustix::fs::statvfs(MEMORY).map_or(0, |shm| shm.f_bavail.saturating_mul(shm.f_frsize));
    if free >= NEEDED { PathBuf::from(MEMORY) } else { env::temp_dir() }
}

impl Folder {
    /// A new one under another, `name` and the number of this process in its name. As root it belongs to `user`.
    pub fn new(under: &Path, name: &str, user: &str) -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        let path = under.join(format!("{name}-{}-{n}", std::process::id()));
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

    /// A command run as the owner, in the folder, whose words go to a file there. Signals to our group miss it.
    pub fn command(&self, program: &Path, log: &str) -> Result<Command> {
        let mut command = Command::new(program);
        let log = fs::OpenOptions::new().append(true).create(true).open(self.path.join(log))?;
        command.current_dir(&self.path).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0);
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
    pub fn start<T>(
        folder: Folder,
        mut command: Command,
        log: &str,
        answers: impl Fn() -> Result<T>,
    ) -> Result<(Self, T)> {
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Self { child, folder };
        let begun = Instant::now();
        loop {
            let no_answer = match answers() {
                Ok(answer) => return Ok((server, answer)),
                Err(error) => error,
            };
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once ({status}):\n{}", server.folder.said(log));
            }
            if begun.elapsed() > PATIENCE {
                return Err(no_answer.context(format!("no answer:\n{}", server.folder.said(log))));
            }
            crate::interrupt::check()?;
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    /// Nothing in it is worth an orderly end; but Postgres ends its own processes when it is asked to quit. Whatever does
    /// not, as where a shell has told what it runs in the background to ignore it, is killed.
    fn drop(&mut self) {
        let quit = Command::new("kill").args(["-s", "QUIT", &self.child.id().to_string()]).status();
        let begun = Instant::now();
        let asked = quit.is_ok_and(|status| status.success());
        while asked && begun.elapsed() < QUIT_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Whether this runs as root.
pub fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(line.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0"))
}

/// Whether packages can be installed: as root on Debian.
pub fn may_install() -> Result<bool> {
    Ok(is_root()? && Path::new("/usr/bin/apt-get").exists())
}

/// Installs a Debian package, where this is Debian and we may. Services that it brings are not started.
pub fn install(package: &str) -> Result<()> {
    let by_hand = format!("install it: apt-get install {package}");
    if !may_install()? {
        bail!("{by_hand}");
    }
    eprintln!("Installing the Debian package {package}.");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        crate::repo::succeed(&mut command).context(by_hand.clone())
    };
    apt(&["update"])?;
    let _still = Still::new()?;
    let options = ["install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"];
    apt(&[options.as_slice(), &[package]].concat())
}

/// While this is there, Debian's packages start no service.
struct Still {
    policy: Option<&'static Path>,
}

impl Still {
    fn new() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self { policy: None });
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(Self { policy: Some(policy) })
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.policy.map(fs::remove_file) {
            eprintln!("/usr/sbin/policy-rc.d is left behind: {error}");
        }
    }
}
