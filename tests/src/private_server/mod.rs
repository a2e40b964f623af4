//! Servers of a test's own, which it can configure, kill and start again: private processes on free ports, with data
//! in a temporary folder, gone when they are dropped.
#![expect(clippy::unwrap_used, reason = "a test whose server does not start has failed")]

pub mod certificates;
pub mod pgbouncer;
pub mod postgres;
pub mod redis;

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A temporary folder of the user that the server runs as: somebody else if we are root, else ourselves.
#[derive(Debug)]
pub struct Folder {
    // Taken down before the folder goes.
    disk: Option<SmallDisk>,
    dir: TempDir,
    owner: Option<(u32, u32)>,
}

impl Folder {
    /// An empty one.
    ///
    /// # Panics
    /// Where we are root and there is nobody else.
    pub fn new() -> Self {
        let folder = Self { disk: None, dir: tempfile::tempdir().unwrap(), owner: is_root().then(owner) };
        folder.give(folder.path());
        folder
    }

    /// An empty one on a disk of its own, of so many KiB, which can be full. Where this machine allows that to nobody, or
    /// not to us, it is said, past whoever keeps what tests say, and there is none.
    pub fn small(size: u32) -> Option<Self> {
        let mut folder = Self::new();
        match SmallDisk::over(folder.path(), size) {
            Ok(disk) => folder.disk = Some(disk),
            Err(why) => {
                let said =
                    format!("NOT TESTED: what happens where a disk is full, since none can be made: {why}\n");
                std::io::stderr().write_all(said.as_bytes()).ok();
                return None;
            }
        }
        folder.give(folder.path());
        Some(folder)
    }

    /// Takes up all room there but so many bytes.
    ///
    /// # Panics
    /// Where something else than a lack of room is in the way.
    pub fn fill(&self, all_but: u64) {
        let mut ballast = fs::File::create(self.path().join(BALLAST)).unwrap();
        let zeros = [0; 4 << 10];
        let mut taken = 0;
        loop {
            match ballast.write(&zeros) {
                Ok(written) => taken += written as u64,
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
        ballast.set_len(taken.checked_sub(all_but).unwrap()).unwrap();
    }

    /// Gives back the room that was taken up.
    ///
    /// # Panics
    /// Where none was.
    pub fn make_room(&self) {
        fs::remove_file(self.path().join(BALLAST)).unwrap();
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it, as text.
    ///
    /// # Panics
    /// Where the system's temporary folder is not UTF-8.
    pub fn at(&self, name: &str) -> String {
        self.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file in it that only its owner reads.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.give(&path);
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// A command run there as the owner; what it says goes to a file.
    ///
    /// # Panics
    /// Where the file cannot be opened.
    pub fn command(&self, program: &Path) -> Command {
        let log = fs::OpenOptions::new().append(true).create(true).open(self.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// What the commands said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

/// What takes up the room.
const BALLAST: &str = "ballast";

/// A file system in memory over a folder.
#[derive(Debug)]
struct SmallDisk(PathBuf);

/// What such a file system is called, before the number of the process that made it.
const DISK: &str = "roster-tests-";

impl SmallDisk {
    fn over(folder: &Path, size: u32) -> Result<Self, String> {
        take_down_left();
        let mut mount = Command::new("mount");
        let name = format!("{DISK}{}", std::process::id());
        mount.args(["-t", "tmpfs", "-o", &format!("mode=0700,size={size}k"), &name]).arg(folder);
        let ran = mount.output().map_err(|error| format!("mount: {error}"))?;
        if ran.status.success() {
            Ok(Self(folder.to_owned()))
        } else {
            Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned())
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        take_down(&self.0);
    }
}

/// Also where somebody has a file there open still.
fn take_down(folder: &Path) {
    let _gone = Command::new("umount").arg("--lazy").arg(folder).stderr(Stdio::null()).status();
}

/// Takes down what processes that were killed have left mounted.
fn take_down_left() {
    let mounted = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for folder in mounted.lines().filter_map(left_by_the_dead) {
        take_down(folder);
        // Another may have been quicker.
        let _gone = fs::remove_dir(folder);
    }
}

/// Where a line of `/proc/mounts` is of one of these file systems, and nobody bears the number any more: its folder.
fn left_by_the_dead(line: &str) -> Option<&Path> {
    let (name, rest) = line.split_once(' ')?;
    let process: u32 = name.strip_prefix(DISK)?.parse().ok()?;
    let (folder, rest) = rest.split_once(' ')?;
    let is_dead = rest.starts_with("tmpfs ") && !Path::new(&format!("/proc/{process}")).exists();
    is_dead.then_some(Path::new(folder))
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// A running process and its children.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it and waits until it answers. `None` if it ended before that.
    ///
    /// # Panics
    /// Where it neither answers nor ends.
    pub fn start(folder: &Folder, mut command: Command, answers: impl Fn() -> bool) -> Option<Self> {
        let mut process = Self(command.spawn().unwrap());
        let begun = Instant::now();
        while !answers() {
            if process.0.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not answer:\n{}", folder.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(process)
    }

    /// `kill -9`, of the process and all its children: what a crash of the machine would leave of them.
    ///
    /// # Panics
    /// Where it cannot be waited for.
    pub fn kill(&mut self) {
        let children = children(self.0.id());
        self.0.kill().unwrap();
        for child in children {
            // One that has seen its parent die may have gone by itself.
            let _gone = Command::new("kill").args(["-s", "KILL", &child]).stderr(Stdio::null()).status();
        }
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.kill();
        }
    }
}

/// The processes whose parent this one is, by `/proc`.
fn children(parent: u32) -> Vec<String> {
    let parent = parent.to_string();
    let is_child = |process: &String| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&parent)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_child).collect()
}

/// A port that nobody listens on now.
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program, wherever it is found first.
///
/// # Panics
/// Where it is not installed: a test that needs it is not passed over.
fn program(name: &str, package: &str) -> PathBuf {
    found(name).unwrap_or_else(|| panic!("{}", missing(name, package)))
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    places.into_iter().map(|place| place.join(name)).find(|program| program.exists())
}

fn missing(name: &str, package: &str) -> String {
    format!(
        "{name} is not installed: run `cargo xtask test`, which installs it, or apt-get install {package}"
    )
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    line.split_whitespace().nth(1) == Some("0")
}

/// The numbers of whom servers run as where we are root, since neither Postgres nor its pooler does: a user that their
/// packages bring, or one that is always there.
fn owner() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line_of = |name: &str| users.lines().find(|line| line.split(':').next() == Some(name));
    let line = ["postgres", "redis", "nobody"].into_iter().find_map(line_of).unwrap();
    let numbers: Vec<u32> = line.split(':').skip(2).take(2).map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1])
}
