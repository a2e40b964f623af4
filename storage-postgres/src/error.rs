//! What went wrong, sorted into the kinds of the contract; and why a database is not opened.

use roster_core::home::Home;
use roster_core::store::{StoreError, StoreErrorKind};

/// Why a database is not opened: a sentence that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error(
        "storage.postgres.url is no address of a database ({source}): write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Url {
        /// Why.
        source: sqlx::Error,
    },
    /// The server is older than what was tested.
    #[error("this is Postgres {found}: use 14 or newer")]
    OldServer {
        /// Its version.
        found: String,
    },
    /// A crash would lose what was acknowledged.
    #[error("{setting} is {found}: a crash would lose what was acknowledged; set it to {needed}")]
    NotDurable {
        /// Which setting.
        setting: &'static str,
        /// How it stands.
        found: String,
        /// How it must stand.
        needed: &'static str,
    },
    /// The server takes no writes.
    #[error("this server is in recovery, a standby: give the address of the primary in storage.postgres.url")]
    InRecovery,
    /// Text would not be kept as it is.
    #[error("this database has the encoding {found}: make one with ENCODING 'UTF8'")]
    Encoding {
        /// Which.
        found: String,
    },
    /// There are no tables yet.
    #[error("this database has no tables of Roster's yet: run `roster migrate`")]
    Empty,
    /// The tables are ahead of this program.
    #[error(
        "this database was written by a newer Roster (schema {found}, this program knows {known}): start that version, or restore a backup made before"
    )]
    NewerSchema {
        /// What the database has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The tables are behind this program.
    #[error(
        "this database has an older schema ({found}, this program needs {known}): back it up, then run `roster migrate`"
    )]
    OlderSchema {
        /// What the database has.
        found: i64,
        /// What this program needs.
        known: i64,
    },
    /// A migration differs from the one that was applied, or stopped half-way.
    #[error(
        "this database has a schema that this program does not know ({detail}): restore a backup, or start the program that wrote it"
    )]
    UnknownSchema {
        /// What differs.
        detail: String,
    },
    /// A migration did not come to its locks.
    #[error(
        "the tables cannot be migrated while another session holds one of them, such as a pg_dump: a migration waits to be applied, those before it stay; let that end (pg_stat_activity and pg_locks name it), then run `roster migrate`"
    )]
    Locked,
    /// A copy into the database did not come to its end.
    #[error(
        "this database holds half of a deployment, from a copy that did not come to its end: copy again into an empty database"
    )]
    HalfLoaded,
    /// The database was first opened with another key.
    #[error("this database belongs to another master key: start with the key that it was made with")]
    AnotherKey,
    /// Postgres itself refuses, or does not answer.
    #[error("the database cannot be opened: {source}; check storage.postgres.url, and that the server runs")]
    Database {
        /// Why.
        source: sqlx::Error,
    },
}

/// What goes wrong within a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Postgres, within a statement.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// None is free in time, or none can be made.
    #[error("no connection: {0}")]
    NoConnection(sqlx::Error),
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
    /// A home that was to be made and is not there.
    pub(crate) fn homeless(home: &Home) -> Self {
        Self::Row { column: "name", detail: format!("{home} was not made") }
    }

    /// Whether the connection cannot be used any more. It can if the server itself has refused something.
    pub(crate) fn is_broken_connection(&self) -> bool {
        match self {
            Self::Row { .. } | Self::NoConnection(_) | Self::Sql(sqlx::Error::RowNotFound) => false,
            Self::Sql(error) => code(error).is_none_or(|code| is_of_connection(&code)),
        }
    }

    /// As the contract has it, for a call of which nothing was sent to COMMIT.
    pub(crate) fn during(&self, operation: &'static str) -> StoreError {
        let kind = match self {
            Self::Sql(error) => kind(error),
            Self::NoConnection(sqlx::Error::PoolTimedOut) => StoreErrorKind::Busy,
            // Whatever it says, such as that a password is wrong now: nothing was read that could be corrupt.
            Self::NoConnection(_) => StoreErrorKind::Unavailable,
            Self::Row { .. } => StoreErrorKind::Corrupt,
        };
        StoreError { kind, operation, detail: self.to_string() }
    }

    /// The same for a COMMIT that failed. Where the server itself refused it, nothing is left behind; of anything else,
    /// such as a connection that broke, nobody knows.
    pub(crate) fn at_commit(&self) -> StoreError {
        let error = self.during("commit");
        let refused = matches!(self, Self::Sql(sqlx::Error::Database(found)) if found.code().is_some_and(|code| !is_of_connection(&code)));
        if refused { error } else { StoreError { kind: StoreErrorKind::OutcomeUnknown, ..error } }
    }

    /// Whether one set is to blame, and the others would go well without it.
    pub(crate) fn is_of_one_set(&self) -> bool {
        match self {
            Self::Row { .. } => true,
            Self::NoConnection(_) => false,
            Self::Sql(error) => {
                code(error).is_some_and(|code| code.starts_with("23") || code.starts_with("22"))
            }
        }
    }
}

/// The server has ended the connection, or is about to.
fn is_of_connection(code: &str) -> bool {
    ["08", "25P", "57P", "58", "XX"].iter().any(|class| code.starts_with(class))
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// By SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::PoolTimedOut => StoreErrorKind::Busy,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            StoreErrorKind::Unavailable
        }
        sqlx::Error::Protocol(_) => StoreErrorKind::Unavailable,
        sqlx::Error::Database(_) => match code(error).as_deref() {
            // Serialization failure, deadlock, lock not available, statement timeout.
            Some("40001" | "40P01" | "55P03" | "57014") => StoreErrorKind::Busy,
            // Connection, resources, operator intervention, system; a primary that has become a standby.
            Some(code) if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
                StoreErrorKind::Unavailable
            }
            // No writes on a standby, by either code; a session that idled too long.
            Some("25006" | "0A000" | "25P03" | "25P04") => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Corrupt,
        },
        _ => StoreErrorKind::Corrupt,
    }
}
