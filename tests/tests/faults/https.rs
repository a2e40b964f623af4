//! Events sent by https: to whoever proves to be the host that the URL names, and to nobody else (rule X2).

use std::sync::Arc;
use std::time::Duration;

use roster_cli::webhooks::HttpSender;
use roster_core::model::DeliveryError;
use roster_core::webhooks::{Answered, Message, Sender};
use roster_tests::private_server::Folder;
use roster_tests::private_server::certificates::{authority, certified};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

fn certificate(folder: &Folder, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.at(name)).unwrap()
}

/// TLS as `localhost`, by the certificate in a folder.
pub(super) fn acceptor(folder: &Folder) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_file(folder.at("made.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate(folder, "made.crt")], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that answers one request after the other with a status; its port.
async fn server(folder: &Folder, status: u16) -> u16 {
    let acceptor = acceptor(folder);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"{}") {
                head.push(stream.read_u8().await.unwrap());
            }
            let said = format!("HTTP/1.1 {status} So\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    });
    port
}

fn message(url: &str) -> Message {
    let (id, signature) = ("evt_1".to_owned(), "v1,x".to_owned());
    Message { url: url.parse().unwrap(), id, timestamp: 1, signature, body: b"{}".to_vec() }
}

#[tokio::test]
async fn x2_https_is_spoken_with_whom_the_url_names_only() {
    let folder = Folder::new();
    authority(folder.path(), "ours");
    authority(folder.path(), "another");
    certified(folder.path());
    let port = server(&folder, 429).await;
    let trusting = |name: &str| {
        let authorities = vec![certificate(&folder, name)];
        HttpSender::trusting(true, Duration::from_secs(10), authorities).unwrap()
    };
    let named = message(&format!("https://localhost:{port}/hooks"));
    let taken = Answered { status: 429, retry_after: Some(7) };
    assert_eq!(trusting("ours.crt").send(&named).await, Ok(taken));
    assert_eq!(trusting("another.crt").send(&named).await, Err(DeliveryError::Tls));
    let by_number = message(&format!("https://127.0.0.1:{port}/hooks"));
    assert_eq!(trusting("ours.crt").send(&by_number).await, Err(DeliveryError::Tls));
    let plain = message(&format!("http://localhost:{port}/hooks"));
    assert_eq!(trusting("ours.crt").send(&plain).await, Err(DeliveryError::Connection));
    let nowhere = message("https://nowhere.test/");
    assert_eq!(trusting("ours.crt").send(&nowhere).await, Err(DeliveryError::RefusedAddress));
    let careful = HttpSender::trusting(false, Duration::from_secs(10), Vec::new()).unwrap();
    assert_eq!(careful.send(&named).await, Err(DeliveryError::RefusedAddress));
    let free = roster_tests::private_server::free_port();
    let nobody = message(&format!("http://127.0.0.1:{free}/"));
    assert_eq!(trusting("ours.crt").send(&nobody).await, Err(DeliveryError::Connection));
}
