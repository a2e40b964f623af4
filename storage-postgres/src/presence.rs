//! Who uses the database: an advisory lock on a connection of its own. The server lets go of it when the connection
//! ends, and looks after a silent client every few seconds.

use std::time::Duration;

use roster_core::presence::{Presence, Stay};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, query_scalar};
use tokio::task::JoinHandle;

use crate::error::Fault;

/// What is locked: the bytes `Roster`, and 1 for presence.
const LOCK: i64 = 0x526f_7374_6572_0001;
/// Between two looks after the connection.
const PAUSE: Duration = Duration::from_secs(5);
/// A client whose machine is gone is noticed within 25 seconds. Nothing else limits how long this connection idles.
const LIMITS: &str =
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
     SET idle_session_timeout = 0; SET statement_timeout = '5s'";

/// The task that holds the lock, ended with the stay.
struct Held(JoinHandle<()>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer of `enter`.
pub(crate) async fn enter(options: PgConnectOptions, presence: Presence) -> Result<Option<Stay>, Fault> {
    let held = take(&options, presence).await?;
    Ok(held.map(|connection| Stay::new(Held(tokio::spawn(hold(options, presence, connection))))))
}

async fn take(options: &PgConnectOptions, presence: Presence) -> Result<Option<PgConnection>, Fault> {
    let mut connection = options.connect().await?;
    connection.execute(LIMITS).await?;
    let taken = match presence {
        Presence::Serving => {
            let lock = query_scalar!(r#"SELECT pg_try_advisory_lock_shared($1) AS "taken!""#, LOCK);
            lock.fetch_one(&mut connection).await?
        }
        Presence::Alone => {
            let lock = query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, LOCK);
            lock.fetch_one(&mut connection).await?
        }
    };
    Ok(taken.then_some(connection))
}

/// Keeps the connection, and takes the lock again where the connection was lost.
async fn hold(options: PgConnectOptions, presence: Presence, connection: PgConnection) {
    let mut kept = Some(connection);
    loop {
        tokio::time::sleep(PAUSE).await;
        let lost = match &mut kept {
            Some(connection) => connection.ping().await.err(),
            None => None,
        };
        if let Some(error) = lost {
            tracing::warn!(%error, "the connection that says who uses the database was lost");
            kept = None;
        }
        if kept.is_none() {
            match take(&options, presence).await {
                Ok(taken) => kept = taken,
                Err(error) => tracing::debug!(%error, "the database does not answer yet"),
            }
        }
    }
}
