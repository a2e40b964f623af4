//! Sending events over HTTP: to the addresses that were judged and no others, by no proxy, and without following anybody
//! elsewhere.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use roster_core::model::DeliveryError;
use roster_core::webhooks::{Answered, Message, Sender, is_public};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::{Host, Url};

/// How long a receiver may take from the look-up of its name to its answer.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How long one of several addresses may take to connect.
const CONNECTING: Duration = Duration::from_secs(5);
/// The largest head of an answer, in bytes.
const HEAD: usize = 64 * 1024;
const AGENT: &str = concat!("Roster/", env!("CARGO_PKG_VERSION"));

/// Sends messages over HTTP/1.1, each over a connection of its own.
pub struct HttpSender {
    tls: TlsConnector,
    private_addresses: bool,
    patience: Duration,
}

impl fmt::Debug for HttpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSender")
            .field("private_addresses", &self.private_addresses)
            .finish_non_exhaustive()
    }
}

impl HttpSender {
    /// A sender that trusts whom this machine trusts.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(private_addresses: bool) -> Result<Self, String> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            tracing::warn!(
                "this machine trusts no certificate authority: no webhook can be reached by https"
            );
        }
        Self::trusting(private_addresses, PATIENCE, found.certs)
    }

    /// A sender that trusts these, and waits so long.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn trusting(
        private_addresses: bool,
        patience: Duration,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), private_addresses, patience })
    }

    async fn post(&self, message: &Message) -> Result<Answered, DeliveryError> {
        let url = Url::parse(message.url.as_str()).map_err(|_| DeliveryError::RefusedAddress)?;
        let request = request(&url, message)?;
        let stream = connected(&self.judged(&url).await?).await?;
        if url.scheme() != "https" {
            return exchange(stream, request).await;
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| DeliveryError::RefusedAddress)?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| {
            let broken = error.get_ref().is_none_or(|inner| !inner.is::<tokio_rustls::rustls::Error>());
            if broken { DeliveryError::Connection } else { DeliveryError::Tls }
        })?;
        exchange(stream, request).await
    }

    /// The addresses of a host to which something may be sent. They are looked up here and nowhere else.
    async fn judged(&self, url: &Url) -> Result<Vec<SocketAddr>, DeliveryError> {
        let port = url.port_or_known_default().ok_or(DeliveryError::Connection)?;
        let found: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => {
                tokio::net::lookup_host((name, port)).await.into_iter().flatten().collect()
            }
            None => Vec::new(),
        };
        let good: Vec<SocketAddr> =
            found.into_iter().filter(|it| self.private_addresses || is_public(it.ip())).collect();
        if good.is_empty() { Err(DeliveryError::RefusedAddress) } else { Ok(good) }
    }
}

#[async_trait]
impl Sender for HttpSender {
    async fn send(&self, message: &Message) -> Result<Answered, DeliveryError> {
        timeout(self.patience, self.post(message)).await.unwrap_or(Err(DeliveryError::Timeout))
    }
}

async fn connected(addresses: &[SocketAddr]) -> Result<TcpStream, DeliveryError> {
    let mut failed = DeliveryError::Connection;
    for address in addresses {
        match timeout(CONNECTING, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) => failed = DeliveryError::Connection,
            Err(_) => failed = DeliveryError::Timeout,
        }
    }
    Err(failed)
}

fn request(url: &Url, message: &Message) -> Result<Request<Full<Bytes>>, DeliveryError> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    Request::builder()
        .method(Method::POST)
        .uri(target)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.timestamp)
        .header("webhook-signature", &message.signature)
        .body(Full::new(Bytes::from(message.body.clone())))
        .map_err(|_| DeliveryError::Connection)
}

/// One request and the head of its answer; the body is not read.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answered, DeliveryError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_: hyper::Error| DeliveryError::Connection;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What came before the end is told all the same.
        _ = connection => answer.await,
    };
    let answer = answer.map_err(broken)?;
    let retry_after =
        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Ok(Answered { status: answer.status().as_u16(), retry_after })
}
