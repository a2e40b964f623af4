//! What went wrong, sorted into the kinds of the contract; and why a database is not opened.

use roster_core::home::Home;
use roster_core::store::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

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
            Self::Sql(error) => after(error) == After::Broken,
        }
    }

    /// Whether the server no longer knows what this connection has prepared, or would answer otherwise: nothing of the
    /// transaction is done, and on another connection it goes well.
    pub(crate) fn is_of_prepared(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        code(error).is_some_and(|code| PREPARED.contains(&code.as_str()))
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
        let refused = matches!(self, Self::Sql(error) if after(error) == After::Kept);
        if refused { error } else { StoreError { kind: StoreErrorKind::OutcomeUnknown, ..error } }
    }

    /// Whether one set is to blame, and the others would go well without it.
    pub(crate) fn is_of_one_set(&self) -> bool {
        match self {
            Self::Row { .. } => true,
            Self::NoConnection(_) => false,
            Self::Sql(error) => code(error).is_some_and(|code| is_of_one(&code)),
        }
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// What a connection is good for after an error. Where it is broken at COMMIT nobody knows what became of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    Kept,
    Broken,
}

/// Anything but a word of the server's is of a connection that broke.
fn after(error: &sqlx::Error) -> After {
    let found = error.as_database_error().and_then(|found| found.try_downcast_ref::<PgDatabaseError>());
    found.map_or(After::Broken, |found| after_word(found.severity(), found.code()))
}

/// After FATAL the server has ended the session, after PANIC all of them, whatever the code says.
fn after_word(severity: PgSeverity, code: &str) -> After {
    match severity {
        PgSeverity::Fatal | PgSeverity::Panic => After::Broken,
        _ => class(code).after,
    }
}

/// What one set brings with it; but not that no transaction has a number any more.
fn is_of_one(code: &str) -> bool {
    code != NUMBERLESS && ["22", "23", "54"].iter().any(|class| code.starts_with(class))
}

/// Errors that begin alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Class {
    kind: StoreErrorKind,
    after: After,
}

/// A prepared statement is not there, is there already, or would answer in other columns than when it was prepared: a
/// pooler in another mode, DISCARD ALL, a column that an administrator has changed.
const PREPARED: [&str; 3] = ["0A000", "26000", "42P05"];

/// Transactions have no numbers left until VACUUM was run.
const NUMBERLESS: &str = "54000";

/// By SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>, the longest beginning that fits. Any other
/// is a mistake of this program's, or of what is kept.
const CLASSES: [(&str, StoreErrorKind, After); 29] = [
    // The connection.
    ("08", StoreErrorKind::Unavailable, After::Broken),
    (PREPARED[0], StoreErrorKind::Unavailable, After::Broken),
    (PREPARED[1], StoreErrorKind::Unavailable, After::Broken),
    (PREPARED[2], StoreErrorKind::Unavailable, After::Broken),
    // No writes on a standby; an error that was not heard of; a session that idled too long.
    ("25006", StoreErrorKind::Unavailable, After::Kept),
    ("25P", StoreErrorKind::Unavailable, After::Broken),
    // Whoever connects, to what, and what they may do there.
    ("28", StoreErrorKind::Unavailable, After::Broken),
    ("3D", StoreErrorKind::Unavailable, After::Broken),
    ("42501", StoreErrorKind::Unavailable, After::Kept),
    // Another transaction was first; whether this one ended well is not known.
    ("40", StoreErrorKind::Busy, After::Kept),
    ("40002", StoreErrorKind::Corrupt, After::Kept),
    ("40003", StoreErrorKind::Unavailable, After::Broken),
    // Disk, memory, connections.
    ("53", StoreErrorKind::Unavailable, After::Kept),
    ("53300", StoreErrorKind::Unavailable, After::Broken),
    // Anything else of this class is too large.
    (NUMBERLESS, StoreErrorKind::Unavailable, After::Kept),
    ("54", StoreErrorKind::Corrupt, After::Kept),
    // Something else uses it; a lock was not to be had in time.
    ("55", StoreErrorKind::Unavailable, After::Kept),
    ("55006", StoreErrorKind::Busy, After::Kept),
    ("55P03", StoreErrorKind::Busy, After::Kept),
    // Taken back by a limit or an administrator; the server ends, starts, or drops the database.
    ("57", StoreErrorKind::Unavailable, After::Kept),
    ("57014", StoreErrorKind::Busy, After::Kept),
    ("57P", StoreErrorKind::Unavailable, After::Broken),
    // Disk errors; a configuration file; a snapshot that is too old.
    ("58", StoreErrorKind::Unavailable, After::Broken),
    ("F0", StoreErrorKind::Unavailable, After::Kept),
    ("72", StoreErrorKind::Busy, After::Kept),
    // What is kept contradicts itself.
    ("22", StoreErrorKind::Corrupt, After::Kept),
    ("23", StoreErrorKind::Corrupt, After::Kept),
    ("42", StoreErrorKind::Corrupt, After::Kept),
    ("XX", StoreErrorKind::Corrupt, After::Broken),
];

fn class(code: &str) -> Class {
    let fits = CLASSES.iter().filter(|(begin, ..)| code.starts_with(begin));
    let found = fits.max_by_key(|(begin, ..)| begin.len());
    found.map_or(Class { kind: StoreErrorKind::Corrupt, after: After::Kept }, |(_, kind, after)| Class {
        kind: *kind,
        after: *after,
    })
}

fn kind(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::PoolTimedOut => StoreErrorKind::Busy,
        sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_) => StoreErrorKind::Unavailable,
        sqlx::Error::Database(_) => code(error).map_or(StoreErrorKind::Corrupt, |code| class(&code).kind),
        _ => StoreErrorKind::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_their_codes() {
        let (kept, broken) = (After::Kept, After::Broken);
        for (codes, kind, after) in [
            (&["40001", "40P01", "55P03", "55006", "57014", "72000"][..], StoreErrorKind::Busy, kept),
            (&["08006", "26000", "42P05", "0A000", "40003"], StoreErrorKind::Unavailable, broken),
            (&["57P01", "57P02", "57P03", "57P04", "57P05", "58030"], StoreErrorKind::Unavailable, broken),
            (&["25P02", "25P03", "28P01", "3D000", "53300"], StoreErrorKind::Unavailable, broken),
            (
                &["42501", "25006", "53100", "53200", "53400", "54000", "55000"],
                StoreErrorKind::Unavailable,
                kept,
            ),
            (&["23503", "23514", "22001", "42P01", "42703", "54001", "P0001"], StoreErrorKind::Corrupt, kept),
            (&["XX000", "XX001", "XX002"], StoreErrorKind::Corrupt, broken),
        ] {
            for code in codes {
                assert_eq!(class(code), Class { kind, after }, "{code}");
            }
        }
    }

    #[test]
    fn what_ends_the_session_is_broken_whatever_the_code() {
        for code in ["53100", "23514", "40001", "P0001"] {
            assert_eq!(after_word(PgSeverity::Error, code), After::Kept, "{code}");
            for severity in [PgSeverity::Fatal, PgSeverity::Panic] {
                assert_eq!(after_word(severity, code), After::Broken, "{severity:?} {code}");
            }
        }
        assert_eq!(after_word(PgSeverity::Error, "57P01"), After::Broken);
        assert_eq!(after(&sqlx::Error::WorkerCrashed), After::Broken);
    }

    #[test]
    fn one_set_is_to_blame_for_what_it_brings_with_it() {
        for (code, is_of) in
            [("22001", true), ("23514", true), ("54001", true), ("54000", false), ("53100", false)]
        {
            assert_eq!(is_of_one(code), is_of, "{code}");
        }
    }

    /// Each line counts for something, and none stands twice.
    #[test]
    fn every_line_of_the_table_is_found() {
        for (begin, kind, after) in CLASSES {
            assert_eq!(class(&format!("{begin:~<5}")), Class { kind, after }, "{begin}");
            assert_eq!(CLASSES.iter().filter(|(other, ..)| *other == begin).count(), 1, "{begin}");
        }
    }
}
