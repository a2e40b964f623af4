//! What went wrong, sorted into the kinds of the contract; and why a file is not opened.

use std::path::PathBuf;

use roster_core::store::{StoreError, StoreErrorKind};

/// Why a file is not opened: a sentence that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The library is older than what was tested.
    #[error("this program is linked with SQLite {found}: link it with 3.51.3 or newer")]
    OldLibrary {
        /// Its version.
        found: String,
    },
    /// Locks and memory maps do not hold there.
    #[error("{} is on a network file system ({name}): choose a folder on a disk of this machine in storage.sqlite.path", path.display())]
    NetworkFileSystem {
        /// The folder.
        path: PathBuf,
        /// Which kind.
        name: &'static str,
    },
    /// The file holds something else.
    #[error("{} is not a SQLite database: choose another file in storage.sqlite.path", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is another program's.
    #[error("{} is a SQLite database of another program: choose another file in storage.sqlite.path", path.display())]
    AnotherProgram {
        /// The file.
        path: PathBuf,
    },
    /// The tables are ahead of this program.
    #[error("{} was written by a newer Roster (schema {found}, this program knows {known}): start that version, or restore a backup made before", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// What the file has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The tables are behind this program.
    #[error("{} has an older schema ({found}, this program needs {known}): back it up, then run `roster migrate`", path.display())]
    OlderSchema {
        /// The file.
        path: PathBuf,
        /// What the file has.
        found: i64,
        /// What this program needs.
        known: i64,
    },
    /// A migration differs from the one that was applied, or stopped half-way.
    #[error("{} has a schema that this program does not know ({detail}): restore a backup, or start the program that wrote it", path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// A copy into the file did not come to its end.
    #[error("{} holds half of a deployment, from a copy that did not come to its end: remove the file with those beside it and copy again", path.display())]
    HalfLoaded {
        /// The file.
        path: PathBuf,
    },
    /// The file was first opened with another key.
    #[error("{} belongs to another master key: start with the key that it was made with", path.display())]
    AnotherKey {
        /// The file.
        path: PathBuf,
    },
    /// The folder or the file cannot be made or read.
    #[error("{} cannot be opened: {source}; check the path and who may write there", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `SQLite` itself refuses.
    #[error("{} cannot be opened: {source}; check the disk, and whether another program holds the file", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
}

/// What goes wrong within a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// `SQLite` or the pool.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A row that core could not have written.
    #[error("{column}: {detail}")]
    Row {
        /// Where.
        column: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl Fault {
    /// As the contract has it, for a call.
    pub(crate) fn during(&self, operation: &'static str) -> StoreError {
        let kind = match self {
            Self::Sql(error) => kind(error),
            Self::Row { .. } => StoreErrorKind::Corrupt,
        };
        let advice =
            if self.code() == Some(codes::FULL) { " (free some disk space; nothing was done)" } else { "" };
        StoreError { kind, operation, detail: format!("{self}{advice}") }
    }

    /// The same for a COMMIT that failed. A full disk or a lock leaves nothing behind; of anything else, such as a
    /// failed fsync, nobody knows.
    pub(crate) fn at_commit(&self) -> StoreError {
        let known = matches!(self.code(), Some(codes::FULL | codes::BUSY));
        let error = self.during("commit");
        if known { error } else { StoreError { kind: StoreErrorKind::OutcomeUnknown, ..error } }
    }

    /// Whether the connection is as good as before: `SQLite` has answered, be it with an error.
    pub(crate) const fn leaves_the_connection(&self) -> bool {
        matches!(self, Self::Row { .. } | Self::Sql(sqlx::Error::Database(_)))
    }

    /// Whether only the statement failed, and the transaction around it stands.
    pub(crate) fn is_of_one_set(&self) -> bool {
        match self {
            Self::Row { .. } => true,
            Self::Sql(_) => self.code() == Some(codes::CONSTRAINT),
        }
    }

    fn code(&self) -> Option<i64> {
        if let Self::Sql(error) = self { primary_code(error) } else { None }
    }
}

/// Primary result codes, <https://www.sqlite.org/rescode.html>.
mod codes {
    pub(super) const BUSY: i64 = 5;
    pub(super) const LOCKED: i64 = 6;
    pub(super) const NOMEM: i64 = 7;
    pub(super) const READONLY: i64 = 8;
    pub(super) const INTERRUPT: i64 = 9;
    pub(super) const IOERR: i64 = 10;
    pub(super) const FULL: i64 = 13;
    pub(super) const CANTOPEN: i64 = 14;
    pub(super) const PROTOCOL: i64 = 15;
    pub(super) const CONSTRAINT: i64 = 19;
    pub(super) const NOTADB: i64 = 26;
}

fn primary_code(error: &sqlx::Error) -> Option<i64> {
    error.as_database_error()?.code()?.parse::<i64>().ok().map(|code| code & 0xff)
}

/// Whether the file is no database at all.
pub(crate) fn is_not_a_database(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(codes::NOTADB)
}

fn kind(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::PoolTimedOut => StoreErrorKind::Busy,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => {
            StoreErrorKind::Unavailable
        }
        sqlx::Error::Database(_) => match primary_code(error) {
            Some(codes::BUSY | codes::LOCKED | codes::PROTOCOL) => StoreErrorKind::Busy,
            Some(
                codes::NOMEM
                | codes::READONLY
                | codes::INTERRUPT
                | codes::IOERR
                | codes::FULL
                | codes::CANTOPEN,
            ) => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Corrupt,
        },
        _ => StoreErrorKind::Corrupt,
    }
}
