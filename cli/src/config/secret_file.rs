//! Reads a secret out of a file that nobody else can read.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;
use secrecy::zeroize::Zeroizing;

use super::problem::Fault;

/// More than any secret; keeps a wrong path such as `/dev/zero` from filling the memory.
const MAX_BYTES: u64 = 64 * 1024;
const OTHERS: u32 = 0o077;

/// The text of the file; `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, Fault> {
    let unreadable = |error| {
        let fix = "make it a text file that this user can read, or name another one";
        Fault::new(format!("{} cannot be read: {error}", path.display()), fix)
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    check_mode(path, &file)?;
    // Room for the whole text at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_BYTES).unwrap_or(0)));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Some(text))
}

/// Whether a file that is there is for this user alone, as [`read`] wants it.
pub(super) fn check(path: &Path) -> Result<(), Fault> {
    match File::open(path) {
        Ok(file) => check_mode(path, &file),
        // What cannot be read is said by whoever reads it.
        Err(_) => Ok(()),
    }
}

/// Refuses a file that group or others can use. Where the mode cannot be changed, because the file system is
/// mounted read-only (secrets of Kubernetes and Docker, mode 0444 or 0440), who can reach it is the
/// platform's doing.
fn check_mode(path: &Path, file: &File) -> Result<(), Fault> {
    let path_text = path.display();
    let failed = |error: std::io::Error| {
        Fault::new(format!("{path_text} cannot be examined: {error}"), "check the file and its folder")
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let mounted = rustix::fs::fstatvfs(file).map_err(|error| failed(error.into()))?;
    if mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let problem = format!("{path_text} can be used by other users (mode {:04o})", mode & 0o7777);
    Err(Fault::new(problem, format!("run: chmod 600 {}", shell_quoted(&path_text.to_string()))))
}

/// The text as one word of a shell.
pub fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=@:,".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_file_that_others_can_use_is_refused_with_the_command_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's a key");
        write(&path, "text\n").unwrap();
        for (mode, allowed) in [
            (0o600, true),
            (0o400, true),
            (0o700, true),
            (0o640, false),
            (0o644, false),
            (0o604, false),
            (0o620, false),
        ] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let result = read(&path);
            assert_eq!(result.is_ok(), allowed, "{mode:o}");
            if let Err(fault) = result {
                let quoted = path.display().to_string().replace('\'', r"'\''");
                assert_eq!(fault.fix, format!("run: chmod 600 '{quoted}'"));
            }
        }
    }

    #[test]
    fn a_missing_file_is_none_and_a_folder_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none")), Ok(None));
        set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(read(folder.path()).unwrap_err().problem.contains("cannot be read"));
    }
}
