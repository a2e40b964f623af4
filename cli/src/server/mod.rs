//! The HTTP server around the API: takes connections, and ends without cutting what is under way.

mod connection;
mod signals;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use roster_core::stop::Stop;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::connection::most as most_connections;
pub use self::signals::Signals;
use crate::failure::Failure;

/// How long requests under way may still take after a signal.
pub const GRACE: Duration = Duration::from_secs(10);

/// A server on a socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
    stop: Stop,
    room: Arc<Semaphore>,
}

impl Server {
    /// A router on a socket that listens; `stop` is given with the first signal.
    pub fn new(listener: TcpListener, router: Router, stop: Stop) -> Self {
        Self { listener, router, stop, room: Arc::new(Semaphore::new(connection::most())) }
    }

    /// Serves until a signal comes; then `readyz` fails, new requests are refused, and those under way may finish.
    ///
    /// # Errors
    /// A second signal has cut requests that were under way.
    pub async fn run(self, signals: &mut Signals) -> Result<(), Failure> {
        let open = GracefulShutdown::new();
        loop {
            tokio::select! {
                biased;
                () = signals.next() => break,
                (stream, room) = self.next_connection() => {
                    let connection = connection::serve(stream, self.router.clone(), true);
                    spawn(open.watch(connection), room);
                }
            }
        }
        self.stop.give();
        tracing::info!("stopping: requests under way have {} s to finish", GRACE.as_secs());
        self.drain(open, signals).await
    }

    /// Connections without a request are closed at once. New ones are still taken, so that probes see the refusal.
    async fn drain(self, open: GracefulShutdown, signals: &mut Signals) -> Result<(), Failure> {
        let mut done = pin!(open.shutdown());
        let mut grace = pin!(tokio::time::sleep(GRACE));
        loop {
            tokio::select! {
                biased;
                () = &mut done => {
                    tracing::info!("stopped");
                    return Ok(());
                }
                () = signals.next() => {
                    return Err(Failure::Failed(
                        "a second signal ended the server; requests under way were cut".to_owned(),
                    ));
                }
                () = &mut grace => {
                    tracing::warn!("stopped: requests that took too long were cut");
                    return Ok(());
                }
                (stream, room) = self.next_connection() => {
                    spawn(connection::serve(stream, self.router.clone(), false), room);
                }
            }
        }
    }

    /// Waits for room, so that a flood of connections is left to the kernel's queue.
    async fn next_connection(&self) -> (TcpStream, OwnedSemaphorePermit) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        (connection::accept(&self.listener).await, room)
    }
}

fn spawn(connection: impl Future<Output = hyper::Result<()>> + Send + 'static, room: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended badly");
        }
        drop(room);
    });
}
