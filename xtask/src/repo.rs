//! The working tree, and how commands run in it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Folders that hold nothing of ours, where git cannot tell.
const NOT_OURS: [&str; 3] = ["target", ".git", "roster-data"];

/// The working tree.
pub struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The tree that this tool belongs to.
    pub fn find() -> Result<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own.parent().context("xtask must lie in a folder of the workspace")?;
        Ok(Self { root: root.to_owned() })
    }

    /// A path below the root.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// The text of a file below the root.
    pub fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.join(path)).with_context(|| format!("cannot read {path}"))
    }

    /// A command that runs at the root.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs this, without what it says of this program alone: build scripts that look at it would be run
    /// anew, and all that hangs on them built anew, in every second build.
    pub fn cargo(&self) -> Command {
        let mut cargo = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os() {
            let of_this = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
            if name.to_str().is_some_and(|name| of_this.iter().any(|start| name.starts_with(start))) {
                cargo.env_remove(&name);
            }
        }
        cargo
    }

    /// Whether `cargo NAME` is installed.
    pub fn has_cargo(&self, name: &str) -> bool {
        let mut cargo = self.cargo();
        cargo.args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        cargo.status().is_ok_and(|status| status.success())
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> Result<PathBuf> {
        let metadata = output(self.cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: serde_json::Value = serde_json::from_slice(&metadata)?;
        Ok(metadata["target_directory"].as_str().context("cargo names no target directory")?.into())
    }

    /// A new empty folder beside cargo's own output, gone when it is dropped.
    pub fn scratch(&self, name: &str) -> Result<Scratch> {
        let path = self.target()?.join("xtask").join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch { path })
    }

    /// The files that git tracks and that are there, sorted; all files that look like ours where git does not answer.
    pub fn files(&self) -> Result<Vec<String>> {
        let tracked = self.command("git").args(["ls-files", "-z"]).stderr(Stdio::null()).output();
        let mut files: Vec<String> = match tracked {
            Ok(output) if output.status.success() && !output.stdout.is_empty() => {
                String::from_utf8(output.stdout)
                    .context("a file name is not UTF-8")?
                    .split_terminator('\0')
                    .map(str::to_owned)
                    .filter(|path| self.join(path).is_file())
                    .collect()
            }
            Ok(_) | Err(_) => walk(&self.root, "")?,
        };
        files.sort_unstable();
        Ok(files)
    }
}

/// A folder that goes when it is dropped.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}

/// How a command ended.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot run {}", shown(command)))
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// What a command that must succeed prints.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", shown(command), output.status);
    }
    Ok(output.stdout)
}

/// A length of time for people.
pub fn spoken(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn walk(root: &Path, below: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a file name is not UTF-8")?;
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            files.extend(walk(root, &path)?);
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_spoken() {
        assert_eq!(spoken(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(spoken(Duration::from_secs(59)), "59 s");
        assert_eq!(spoken(Duration::from_secs(192)), "3 min 12 s");
    }

    #[test]
    fn walking_finds_what_git_tracks() {
        let repo = Repo::find().unwrap();
        let walked = walk(&repo.root, "").unwrap();
        for path in ["xtask/src/repo.rs", "Cargo.toml", ".cargo/config.toml"] {
            assert!(walked.iter().any(|walked| walked == path), "{path}");
        }
        assert!(!walked.iter().any(|path| path.starts_with(".git/") || path.starts_with("target/")));
    }

    #[test]
    fn commands_are_shown_without_the_path_of_the_program() {
        assert_eq!(shown(Command::new("/usr/bin/cargo").args(["fmt", "--check"])), "cargo fmt --check");
    }
}
