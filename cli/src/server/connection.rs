//! One connection: HTTP/1.1 within limits of time, size and number, so that slow and many clients do no harm.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::middleware::AddExtension;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use roster_api::peer::Peer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

/// How long a client may take to send a request's head, and how long a connection may rest before it: a little
/// longer than the 60 s for which common load balancers keep one, so that they do not use one that is being closed.
const HEAD_LIMIT: Duration = Duration::from_secs(65);
/// How large a request's head may be; a larger one is answered 431.
const HEAD_SIZE: usize = 32 * 1024;
/// How long a client may leave an answer unread.
#[cfg(target_os = "linux")]
const UNREAD_LIMIT: Duration = Duration::from_secs(30);
/// How many connections may be open.
const MOST: u64 = 4_000;
/// Pause when a connection cannot be taken, for want of files or memory.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection being served.
pub type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<AddExtension<Router, Peer>>>;

/// Serves a connection: one request, or many after each other.
pub fn serve(stream: TcpStream, router: Router, many: bool) -> Connection {
    let from = stream.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let service = Extension(Peer(from)).layer(router);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_header_size(HEAD_SIZE)
        .keep_alive(many)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

/// The next connection. Failures are logged, and the next one is waited for.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tune(&stream);
                return stream;
            }
            // The client has gone before it was taken.
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers go out at once, and a client that does not read them is given up. A failure shows in the next use.
fn tune(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(UNREAD_LIMIT.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(stream, millis).ok();
    }
}

/// How many connections may be open: never more than half of the files that this process may open.
///
/// Many systems allow 1,024 files until a process asks for more.
pub fn most() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|files| files < 2 * MOST) {
        let most = limit.maximum.map_or(2 * MOST, |most| most.min(2 * MOST));
        let raised = Rlimit { current: Some(most), ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(MOST.min(files / 2)).unwrap_or(usize::MAX).max(1)
}
