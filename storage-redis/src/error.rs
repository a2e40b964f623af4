//! What went wrong, sorted into the kinds of the contract; and why a store is not opened.

use std::fmt::Display;

use redis::{ErrorKind, RedisError};
use roster_core::store::{StoreError, StoreErrorKind};

/// Why a store is not opened: a sentence that says what to change.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error(
        "storage.redis.url is no address of Redis ({detail}): write redis://USER:PASSWORD@HOST:PORT, or several with commas between for a Redis Cluster"
    )]
    Url {
        /// Why.
        detail: String,
    },
    /// The server is older than what was tested.
    #[error("this is Redis {found}: use 7.0 or newer")]
    OldServer {
        /// Its version.
        found: String,
    },
    /// A crash would lose what was acknowledged.
    #[error("{setting} is {found}: {why}; set it to {needed} in redis.conf")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// How it stands.
        found: String,
        /// What would happen.
        why: &'static str,
        /// How it must stand.
        needed: &'static str,
    },
    /// The server does not say how durable it is.
    #[error(
        "this server does not answer CONFIG GET ({detail}): allow it to this user, or declare what is set there by storage.redis.appendfsync = \"always\""
    )]
    ConfigHidden {
        /// What it says.
        detail: String,
    },
    /// The server takes no writes.
    #[error("this server is a replica: give the address of its primary in storage.redis.url")]
    Replica,
    /// One address of a cluster would reach a part of the data.
    #[error(
        "this server is a node of a Redis Cluster: give the addresses of several nodes, with commas between, in storage.redis.url"
    )]
    ClusterNode,
    /// Several addresses, but no cluster.
    #[error(
        "storage.redis.url names several servers, but they are no Redis Cluster: give the address of one"
    )]
    NoCluster,
    /// A copy into this Redis did not come to its end.
    #[error(
        "this Redis holds half of a deployment under this prefix, from a copy that did not come to its end: copy again into an empty one, or under another storage.redis.prefix"
    )]
    HalfLoaded,
    /// Nothing of Roster's is there yet.
    #[error("this Redis holds nothing of Roster's yet: run `roster migrate`")]
    Empty,
    /// The records are ahead of this program.
    #[error(
        "this Redis was written by a newer Roster (schema {found}, this program knows {known}): start that version, or restore a backup made before"
    )]
    NewerSchema {
        /// What is there.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// What is there was not written by Roster.
    #[error(
        "what stands under the prefix {prefix:?} is not Roster's ({detail}): set another storage.redis.prefix"
    )]
    Foreign {
        /// The prefix.
        prefix: String,
        /// What was found.
        detail: String,
    },
    /// The store was first opened with another key.
    #[error("this store belongs to another master key: start with the key that it was made with")]
    AnotherKey,
    /// Redis itself refuses, or does not answer.
    #[error("Redis cannot be reached: {source}; check storage.redis.url, and that the server runs")]
    Redis {
        /// Why.
        source: RedisError,
    },
}

/// What goes wrong within a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Redis or the connection to it.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A value that core could not have written.
    #[error("{what}: {detail}")]
    Bad {
        /// Where.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
}

/// A value that core could not have written.
pub(crate) fn bad(what: &'static str, detail: impl Display) -> Fault {
    Fault::Bad { what, detail: detail.to_string() }
}

impl Fault {
    /// As the contract has it, for a call that writes nothing.
    pub(crate) fn during(&self, operation: &'static str) -> StoreError {
        let kind = match self {
            Self::Redis(error) => kind(error),
            Self::Bad { .. } => StoreErrorKind::Corrupt,
        };
        StoreError { kind, operation, detail: self.to_string() }
    }

    /// The same for a commit: where the server did not answer, nobody knows, unless it was not reached at all. The
    /// client of a cluster sends again by itself and shows the last error only, so there nobody knows in any case.
    pub(crate) fn at_commit(&self, is_cluster: bool) -> StoreError {
        let error = self.during("commit");
        let unknown = match self {
            Self::Redis(found) if is_cluster => found.code() != Some("OOM"),
            Self::Redis(found) => was_cut_off(found) && !found.is_connection_refusal(),
            Self::Bad { .. } => false,
        };
        if unknown { StoreError { kind: StoreErrorKind::OutcomeUnknown, ..error } } else { error }
    }
}

/// Whether the connection broke or the answer did not come in time, so that a read may be asked again.
pub(crate) fn was_cut_off(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

fn says(error: &RedisError, part: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(part))
}

/// By the word that an answer of the server begins with.
fn kind(error: &RedisError) -> StoreErrorKind {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::AuthenticationFailed
        | ErrorKind::ClusterConnectionNotFound => StoreErrorKind::Unavailable,
        _ => match error.code() {
            Some("BUSY" | "TRYAGAIN" | "ASK" | "MOVED") => StoreErrorKind::Busy,
            // A plain error is a mistake of a script's, but for these.
            Some("ERR")
                if ["max number of clients", "Script killed"].iter().any(|part| says(error, part)) =>
            {
                StoreErrorKind::Busy
            }
            Some(
                "OOM" | "LOADING" | "READONLY" | "MASTERDOWN" | "MISCONF" | "CLUSTERDOWN" | "NOAUTH"
                | "NOPERM" | "WRONGPASS" | "NOREPLICAS" | "NOSCRIPT" | "DENIED" | "UNKILLABLE",
            ) => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Corrupt,
        },
    }
}
