//! A receiver of webhooks: a server on this machine that keeps what it is sent, and answers as it is told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::{HeaderMap, Response, Uri};
use roster_cli::webhooks::HttpSender;
use roster_core::model::DeliveryError;
use roster_core::op::Roster;
use roster_core::webhooks::{Answered, Courier, Message, Sender, Webhooks};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long the sender of tests waits for an answer.
pub const PATIENCE: Duration = Duration::from_millis(400);

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Said {
    /// With a status.
    Status(u16),
    /// With a status and a header.
    With(u16, &'static str, String),
    /// Not at all.
    Nothing,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Got {
    /// Path and query.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub body: Vec<u8>,
}

impl Got {
    /// A header.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().expect("text")
    }

    /// The event.
    ///
    /// # Panics
    /// Where it is no JSON.
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Its type.
    pub fn kind(&self) -> String {
        crate::http::text(&self.event(), "/type")
    }

    /// Whether the library of Standard Webhooks signs it alike by a secret. Clocks of tests stand elsewhere, so the instant is
    /// not looked at.
    ///
    /// # Panics
    /// Where the secret is none.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).expect("a secret of Standard Webhooks");
        let timestamp = self.header("webhook-timestamp").parse().expect("seconds");
        let signed = webhook.sign(self.header("webhook-id"), timestamp, &self.body).expect("UTF-8");
        self.header("webhook-signature").split(' ').any(|signature| signature == signed)
    }

    /// Whether the library of Standard Webhooks takes it by a secret, now.
    ///
    /// # Panics
    /// Where the secret is none.
    pub fn is_taken_by(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).expect("a secret of Standard Webhooks");
        webhook.verify(&self.body, &self.headers).is_ok()
    }
}

#[derive(Debug, Default)]
struct Inner {
    got: Mutex<Vec<Got>>,
    next: Mutex<VecDeque<Said>>,
    always: Mutex<Option<Said>>,
    came: Notify,
}

/// A receiver. It is gone when it goes out of scope.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// A receiver on a free port, which takes everything.
    ///
    /// # Panics
    /// Where there is no port.
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { address, inner, task }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/hooks?to=1", self.address)
    }

    /// The same by a name.
    pub fn url_by_name(&self) -> String {
        format!("http://localhost:{}/", self.address.port())
    }

    /// How the next requests are answered, one each; those after them as before.
    pub fn answer(&self, next: impl IntoIterator<Item = Said>) {
        locked(&self.inner.next).extend(next);
    }

    /// How every further request is answered.
    pub fn always(&self, said: Option<Said>) {
        *locked(&self.inner.always) = said;
    }

    /// What has come since it was last asked.
    pub fn take(&self) -> Vec<Got> {
        std::mem::take(&mut *locked(&self.inner.got))
    }

    /// The types of what has come since it was last asked.
    pub fn kinds(&self) -> Vec<String> {
        self.take().iter().map(Got::kind).collect()
    }

    /// The one request that has come.
    ///
    /// # Panics
    /// Where it is another number.
    pub fn one(&self) -> Got {
        let mut got = self.take();
        assert_eq!(got.len(), 1, "{got:?}");
        got.remove(0)
    }

    /// Waits for a request, for ten seconds at the most.
    ///
    /// # Panics
    /// Where none comes.
    pub async fn next(&self) -> Got {
        let came = async {
            loop {
                let waiting = self.inner.came.notified();
                let first = {
                    let mut got = locked(&self.inner.got);
                    if got.is_empty() { None } else { Some(got.remove(0)) }
                };
                match first {
                    Some(got) => return got,
                    None => waiting.await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), came).await.expect("a request")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    locked(&inner.got).push(Got { target: uri.to_string(), headers, body: body.to_vec() });
    inner.came.notify_one();
    let next = locked(&inner.next).pop_front();
    let said = next.or_else(|| locked(&inner.always).clone()).unwrap_or(Said::Status(200));
    let (status, header) = match said {
        Said::Status(status) => (status, None),
        Said::With(status, name, value) => (status, Some((name, value))),
        Said::Nothing => return std::future::pending().await,
    };
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    // Long enough to be noticed if it were kept.
    response.body(Body::from("the receiver's own words ".repeat(100))).expect("a response")
}

/// Sends nothing anywhere, and takes that for done.
#[derive(Debug)]
pub struct Nowhere;

#[async_trait]
impl Sender for Nowhere {
    async fn send(&self, _: &Message) -> Result<Answered, DeliveryError> {
        Ok(Answered { status: 200, retry_after: None })
    }
}

/// A roster that sends events, also to this machine if that is allowed.
///
/// # Panics
/// Where TLS cannot be set up.
pub fn sending(roster: Roster, private_addresses: bool) -> Roster {
    let sender = HttpSender::trusting(private_addresses, PATIENCE, Vec::new()).expect("a sender");
    Roster { webhooks: Webhooks::by(Arc::new(sender), private_addresses), ..roster }
}

/// Sends everything that can be sent now.
///
/// # Panics
/// Where the store fails.
pub async fn send_all(roster: &Roster) {
    let courier = Courier::new(roster.clone()).expect("a sender");
    courier.work_off().await.expect("a store that answers");
}
