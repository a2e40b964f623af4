//! A TCP proxy that does harm when it is told to: it cuts connections after so many bytes, swallows, holds back or
//! changes what is answered.
#![expect(clippy::unwrap_used, reason = "a test whose proxy does not work has failed")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What goes wrong, counted from when it is set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Harm {
    /// Nothing.
    #[default]
    None,
    /// After so many bytes one way, the connection on which they went is cut; those that come later are not.
    CutOnce(Way, u64),
    /// The same, and from then on every connection is: the server is out of reach.
    CutForGood(Way, u64),
    /// Each connection by which these bytes are sent to the server is cut behind them, however often; the others work.
    CutBehind(Vec<u8>),
    /// Nothing that the server says arrives; connections stay open.
    SwallowReplies,
    /// Each piece of a reply is held back for so long.
    Delay(Duration),
    /// In replies, these bytes become those, as many.
    Replace(Vec<(Vec<u8>, Vec<u8>)>),
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To the server.
    Request,
    /// From the server.
    Reply,
}

/// A proxy before one server. Gone when it is dropped, with its connections.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    cut: Notify,
}

#[derive(Debug, Default)]
struct State {
    harm: Harm,
    requested: u64,
    replied: u64,
    is_down: bool,
}

/// What to do with a piece.
enum Verdict {
    Pass(Vec<u8>),
    Swallow,
    Hold(Vec<u8>, Duration),
    Cut(Vec<u8>),
}

impl Proxy {
    /// One before the server at an address.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let listening = tokio::spawn(listen(listener, server, Arc::clone(&shared)));
        Self { address, shared, listening }
    }

    /// From now on this goes wrong, and bytes are counted anew.
    ///
    /// # Panics
    /// Never: nobody panics while holding the state.
    pub fn set(&self, harm: Harm) {
        *self.shared.state.lock().unwrap() = State { harm, ..State::default() };
    }

    /// How many bytes went since the harm was set: to the server, and from it.
    ///
    /// # Panics
    /// Never: nobody panics while holding the state.
    pub fn counted(&self) -> (u64, u64) {
        let state = self.shared.state.lock().unwrap();
        (state.requested, state.replied)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().is_down = true;
        self.shared.cut.notify_waiters();
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if !shared.state.lock().unwrap().is_down
                && let Ok(upstream) = TcpStream::connect(server).await
            {
                connection(client, upstream, &shared).await;
            }
        });
    }
}

/// Until one way ends; then both do.
async fn connection(client: TcpStream, server: TcpStream, shared: &Shared) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let cut = shared.cut.notified();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = cut => {}
        () = pump(from_client, to_server, Way::Request, shared) => {}
        () = pump(from_server, to_client, Way::Reply, shared) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    way: Way,
    shared: &Shared,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut before = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let verdict = shared.state.lock().unwrap().judge(way, &mut before, &buffer[..read]);
        let (bytes, goes_on) = match verdict {
            Verdict::Pass(bytes) => (bytes, true),
            Verdict::Swallow => (Vec::new(), true),
            Verdict::Hold(bytes, time) => {
                tokio::time::sleep(time).await;
                (bytes, true)
            }
            Verdict::Cut(bytes) => (bytes, false),
        };
        let written = to.write_all(&bytes).await;
        if !goes_on && shared.state.lock().unwrap().is_down {
            shared.cut.notify_waiters();
        }
        if written.is_err() || !goes_on {
            return;
        }
    }
}

impl State {
    /// By a piece, and by the end of those before it on the same connection.
    fn judge(&mut self, way: Way, end: &mut Vec<u8>, piece: &[u8]) -> Verdict {
        let count = if way == Way::Request { &mut self.requested } else { &mut self.replied };
        let before = *count;
        *count += piece.len() as u64;
        if self.is_down {
            return Verdict::Cut(Vec::new());
        }
        match &self.harm {
            Harm::CutOnce(cut, after) | Harm::CutForGood(cut, after) if *cut == way && *count >= *after => {
                self.is_down = matches!(self.harm, Harm::CutForGood(..));
                let passed = usize::try_from(after.saturating_sub(before)).unwrap();
                if !self.is_down {
                    self.harm = Harm::None;
                }
                Verdict::Cut(piece[..passed].to_vec())
            }
            Harm::CutBehind(bytes) if way == Way::Request => {
                end.extend_from_slice(piece);
                if end.windows(bytes.len()).any(|some| some == bytes) {
                    return Verdict::Cut(piece.to_vec());
                }
                // A piece may end anywhere in them.
                end.drain(..(end.len() + 1).saturating_sub(bytes.len()));
                Verdict::Pass(piece.to_vec())
            }
            Harm::SwallowReplies if way == Way::Reply => Verdict::Swallow,
            Harm::Delay(time) if way == Way::Reply => Verdict::Hold(piece.to_vec(), *time),
            Harm::Replace(words) if way == Way::Reply => Verdict::Pass(replaced(piece, words)),
            _ => Verdict::Pass(piece.to_vec()),
        }
    }
}

fn replaced(piece: &[u8], words: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = piece.to_vec();
    for (from, to) in words {
        assert_eq!(from.len(), to.len(), "the protocol counts bytes");
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}
