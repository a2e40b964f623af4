//! Who uses the database: an advisory lock on a connection of its own. The server lets go of it when the connection
//! ends, and looks after a silent client every few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use roster_core::presence::{Held, Presence, Stay};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, query_scalar};
use tokio::task::JoinHandle;
use tokio::time::timeout;

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
struct Lock {
    holding: JoinHandle<()>,
    lost: Arc<AtomicBool>,
}

#[async_trait]
impl Held for Lock {
    fn is_held(&self) -> bool {
        !self.lost.load(Ordering::SeqCst)
    }

    /// The connection ends with the task, and the lock with the connection.
    async fn leave(mut self: Box<Self>) {
        self.holding.abort();
        let _ended = (&mut self.holding).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.holding.abort();
    }
}

/// An answer of `enter`.
pub(crate) async fn enter(options: PgConnectOptions, presence: Presence) -> Result<Option<Stay>, Fault> {
    let lost = Arc::new(AtomicBool::new(false));
    let held = take(&options, presence).await?;
    Ok(held.map(|connection| {
        let holding = tokio::spawn(hold(options, presence, connection, Arc::clone(&lost)));
        Stay::new(Lock { holding, lost })
    }))
}

/// The number that is locked: of the schema that holds the tables, since a lock is of the whole database, which several
/// deployments may share. That of `public` is as it was before they could.
async fn place(connection: &mut PgConnection) -> Result<i64, Fault> {
    let place = query_scalar!(
        r#"SELECT $1::bigint # CASE WHEN namespace = to_regnamespace('public')::oid THEN 0
            ELSE namespace::bigint << 16 END AS "place!"
        FROM (SELECT coalesce((SELECT relnamespace FROM pg_class WHERE oid = to_regclass('roster_migrations')),
            (SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0::oid) AS namespace) AS found"#,
        LOCK
    );
    Ok(place.fetch_one(connection).await?)
}

async fn take(options: &PgConnectOptions, presence: Presence) -> Result<Option<PgConnection>, Fault> {
    let mut connection = options.connect().await?;
    connection.execute(LIMITS).await?;
    let place = place(&mut connection).await?;
    let taken = match presence {
        Presence::Serving => {
            let lock = query_scalar!(r#"SELECT pg_try_advisory_lock_shared($1) AS "taken!""#, place);
            lock.fetch_one(&mut connection).await?
        }
        Presence::Alone => {
            let lock = query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, place);
            lock.fetch_one(&mut connection).await?
        }
    };
    Ok(taken.then_some(connection))
}

/// Keeps the connection. Where it was lost, a server takes the lock again; whoever was alone may not be any more.
async fn hold(
    options: PgConnectOptions,
    presence: Presence,
    connection: PgConnection,
    lost: Arc<AtomicBool>,
) {
    let mut kept = Some(connection);
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Some(connection) = &mut kept
            && !matches!(timeout(PAUSE, connection.ping()).await, Ok(Ok(())))
        {
            tracing::warn!("the connection that says who uses the database was lost");
            kept = None;
            if presence == Presence::Alone {
                return lost.store(true, Ordering::SeqCst);
            }
        }
        if kept.is_none() {
            match timeout(PAUSE, take(&options, presence)).await {
                Ok(Ok(Some(connection))) => kept = Some(connection),
                Ok(Ok(None)) => return lost.store(true, Ordering::SeqCst),
                Ok(Err(_)) | Err(_) => tracing::debug!("the database does not answer yet"),
            }
        }
    }
}
