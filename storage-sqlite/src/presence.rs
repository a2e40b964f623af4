//! Who uses the file: a lock on a file beside it, which the system lets go of when a process ends, however it ends.
//! A file of its own, because closing the database's would let go of every lock that `SQLite` has on it in this process.

use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use roster_core::presence::{Presence, Stay};
use roster_core::store::{StoreError, StoreErrorKind};

/// An answer of `enter`.
pub(crate) fn enter(database: &Path, presence: Presence) -> Result<Option<Stay>, StoreError> {
    let failed = |error: io::Error| StoreError {
        kind: StoreErrorKind::Unavailable,
        operation: "enter",
        detail: error.to_string(),
    };
    // By whatever link the file is opened, the lock is beside the file itself, as SQLite's own files are.
    let mut beside = database.canonicalize().map_err(failed)?.into_os_string();
    beside.push("-presence");
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(beside).map_err(failed)?;
    let locked = match presence {
        Presence::Serving => file.try_lock_shared(),
        Presence::Alone => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(Some(Stay::with(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
