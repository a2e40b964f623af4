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
    /// The user may not do all that is done.
    #[error(
        "Redis does not let this user run all that Roster runs, so that a commit could stop half-way; it lacks: {missing}; allow that by ACL SETUSER and rename no command: docs/STORAGE.md has the whole line"
    )]
    Commands {
        /// Commands, and keys.
        missing: String,
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

    /// The same for a commit: where the server did not answer, nobody knows, unless it was not reached at all; nor where
    /// it takes rights away while a script runs, since the next one finishes what is half done. The client of a cluster
    /// sends again by itself and shows the last error only, so there nobody knows in any case.
    pub(crate) fn at_commit(&self, is_cluster: bool) -> StoreError {
        let error = self.during("commit");
        let unknown = match self {
            Self::Redis(found) if is_cluster => found.code() != Some("OOM"),
            Self::Redis(found) => is_of_rights(found) || was_cut_off(found) && !found.is_connection_refusal(),
            Self::Bad { .. } => false,
        };
        if unknown { StoreError { kind: StoreErrorKind::OutcomeUnknown, ..error } } else { error }
    }
}

/// Whether the connection broke or the answer did not come in time, so that a read may be asked again.
pub(crate) fn was_cut_off(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

/// By the word that an answer of the server begins with, and by what it says besides where that word is no more than
/// `ERR`, <https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors>. Any other is a mistake of a
/// script's, or of what is kept.
const ANSWERS: [(&str, &str, StoreErrorKind); 22] = [
    // Nothing runs now, but will in a moment: a long script, a slot that is handed on.
    ("BUSY", "", StoreErrorKind::Busy),
    ("TRYAGAIN", "", StoreErrorKind::Busy),
    ("ASK", "", StoreErrorKind::Busy),
    ("MOVED", "", StoreErrorKind::Busy),
    ("ERR", "max number of clients", StoreErrorKind::Busy),
    ("ERR", "Script killed", StoreErrorKind::Busy),
    // Memory or disk is full, or a snapshot fails.
    ("OOM", "", StoreErrorKind::Unavailable),
    ("MISCONF", "", StoreErrorKind::Unavailable),
    // It starts, or is no primary, or has lost the others.
    ("LOADING", "", StoreErrorKind::Unavailable),
    ("READONLY", "", StoreErrorKind::Unavailable),
    ("MASTERDOWN", "", StoreErrorKind::Unavailable),
    ("NOREPLICAS", "", StoreErrorKind::Unavailable),
    ("CLUSTERDOWN", "", StoreErrorKind::Unavailable),
    // Another user, password or right than at the start.
    ("NOAUTH", "", StoreErrorKind::Unavailable),
    ("WRONGPASS", "", StoreErrorKind::Unavailable),
    ("NOPERM", "", StoreErrorKind::Unavailable),
    ("DENIED", "", StoreErrorKind::Unavailable),
    // Scripts went with a server that started again, or one cannot be ended.
    ("NOSCRIPT", "", StoreErrorKind::Unavailable),
    ("UNKILLABLE", "", StoreErrorKind::Unavailable),
    // What 7.0 says of rights within a script, and of a command that an administrator has renamed.
    ("ERR", OF_SCRIPTS, StoreErrorKind::Unavailable),
    ("ERR", "unknown command", StoreErrorKind::Unavailable),
    ("ERR", "Unknown Redis command", StoreErrorKind::Unavailable),
];

const OF_SCRIPTS: &str = "The user executing the script can't";

/// Whether something may not be run that could be at the start.
fn is_of_rights(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    error.code() == Some("NOPERM")
        || [OF_SCRIPTS, "Unknown Redis command"].iter().any(|part| detail.contains(part))
}

fn kind(error: &RedisError) -> StoreErrorKind {
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::AuthenticationFailed
        | ErrorKind::ClusterConnectionNotFound => StoreErrorKind::Unavailable,
        _ => {
            let (code, detail) = (error.code().unwrap_or_default(), error.detail().unwrap_or_default());
            let found = ANSWERS.iter().find(|(word, part, _)| *word == code && detail.contains(part));
            found.map_or(StoreErrorKind::Corrupt, |(.., kind)| *kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server answers, as the client reads it.
    fn answer(line: &str) -> Fault {
        let told = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        told.extract_error().unwrap_err().into()
    }

    #[test]
    fn answers_are_sorted_by_their_words() {
        for (line, kind) in [
            ("BUSY Redis is busy running a script.", StoreErrorKind::Busy),
            ("TRYAGAIN Multiple keys request during rehashing of slot", StoreErrorKind::Busy),
            ("ERR max number of clients reached", StoreErrorKind::Busy),
            ("OOM command not allowed when used memory > 'maxmemory'.", StoreErrorKind::Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", StoreErrorKind::Unavailable),
            ("LOADING Redis is loading the dataset in memory", StoreErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", StoreErrorKind::Unavailable),
            ("MASTERDOWN Link with MASTER is down", StoreErrorKind::Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", StoreErrorKind::Unavailable),
            ("CLUSTERDOWN Hash slot not served", StoreErrorKind::Unavailable),
            ("NOAUTH Authentication required.", StoreErrorKind::Unavailable),
            ("WRONGPASS invalid username-password pair or user is disabled.", StoreErrorKind::Unavailable),
            ("NOPERM User roster has no permissions to run the 'hdel' command", StoreErrorKind::Unavailable),
            (
                "ERR The user executing the script can't run this command or subcommand script: 75258441",
                StoreErrorKind::Unavailable,
            ),
            ("ERR unknown command 'EVALSHA', with args beginning with:", StoreErrorKind::Unavailable),
            ("ERR wrong number of arguments for 'hset' command", StoreErrorKind::Corrupt),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreErrorKind::Corrupt),
            ("ROSTER roster:{deployment} is a string", StoreErrorKind::Corrupt),
        ] {
            let told = answer(line).during("read");
            assert_eq!(told.kind, kind, "{line}");
            let word = line.split(' ').nth(1).unwrap();
            assert!(told.detail.contains(word), "{line}: {}", told.detail);
        }
    }

    /// A script may have written before it was refused something; of what it is refused before that, nothing is done.
    #[test]
    fn a_commit_that_was_refused_half_way_is_unknown() {
        let ended = |line: &str, is_cluster: bool| answer(line).at_commit(is_cluster).kind;
        assert_eq!(ended("NOPERM ACL failure in script", false), StoreErrorKind::OutcomeUnknown);
        let of_keys = "ERR The user executing the script can't access at least one of the keys";
        assert_eq!(ended(of_keys, false), StoreErrorKind::OutcomeUnknown);
        assert_eq!(ended("OOM command not allowed", false), StoreErrorKind::Unavailable);
        assert_eq!(ended("READONLY no", false), StoreErrorKind::Unavailable);
        assert_eq!(ended("READONLY no", true), StoreErrorKind::OutcomeUnknown);
        assert_eq!(ended("OOM command not allowed", true), StoreErrorKind::Unavailable);
    }
}
