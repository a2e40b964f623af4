//! Which file is open. A server that goes on after a backup was moved over its file, or after that was removed, would write
//! into what has no name any more, and all of it would be gone with its last connection.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file by its path, its device and its number there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl Place {
    /// The file that is there now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), number: found.ino() })
    }

    /// One look at the folder, a few microseconds, so that it can be done at every call.
    pub(crate) fn still_there(&self) -> io::Result<()> {
        let what = match Self::of(&self.path) {
            Ok(found) if found == *self => return Ok(()),
            Ok(_) => "another file is there now",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it is not there any more",
            Err(error) => return Err(error),
        };
        Err(io::Error::other(format!(
            "{} was moved, removed or replaced while it was open ({what}): nothing is written any more; end this server, \
             then put the right file there and start it again: the same file with the -wal that is there, which holds its \
             newest commits, another without that -wal and -shm",
            self.path.display()
        )))
    }
}
