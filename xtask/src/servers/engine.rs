//! Whether a Docker engine answers, asked without the crates that speak to it.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an engine may listen.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    Socket(PathBuf),
    Tcp(String),
}

/// Whether one answers, where testcontainers would look for it.
pub fn answers() -> bool {
    let variable = |name| env::var(name).ok();
    let host = variable("DOCKER_HOST");
    addresses(host.as_deref(), variable("XDG_RUNTIME_DIR"), variable("HOME")).iter().any(is_answering)
}

/// `DOCKER_HOST` if it is set, else the usual sockets.
fn addresses(host: Option<&str>, runtime: Option<String>, home: Option<String>) -> Vec<Address> {
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        let tcp = ["tcp://", "http://", "https://"].iter().find_map(|scheme| host.strip_prefix(scheme));
        return match (host.strip_prefix("unix://"), tcp) {
            (Some(path), _) => vec![Address::Socket(path.into())],
            (None, Some(address)) => vec![Address::Tcp(address.trim_end_matches('/').to_owned())],
            (None, None) => Vec::new(),
        };
    }
    let below = |folder: Option<String>, path| folder.map(|folder| PathBuf::from(folder).join(path));
    let sockets = [
        Some(PathBuf::from("/var/run/docker.sock")),
        below(runtime, ".docker/run/docker.sock"),
        below(home.clone(), ".docker/run/docker.sock"),
        below(home, ".docker/desktop/docker.sock"),
    ];
    sockets.into_iter().flatten().map(Address::Socket).collect()
}

fn is_answering(address: &Address) -> bool {
    match address {
        Address::Socket(path) => UnixStream::connect(path).is_ok_and(|stream| {
            let limited = stream.set_read_timeout(Some(PATIENCE)).is_ok();
            limited && is_ping_answered(stream)
        }),
        // One that wants TLS is not asked further.
        Address::Tcp(address) => TcpStream::connect(address).is_ok_and(|stream| {
            let limited = stream.set_read_timeout(Some(PATIENCE)).is_ok();
            limited && (env::var_os("DOCKER_TLS_VERIFY").is_some() || is_ping_answered(stream))
        }),
    }
}

fn is_ping_answered(mut stream: impl Read + Write) -> bool {
    let mut answer = [0; 12];
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.")
        && answer.ends_with(b" 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_engine_is_the_only_one() {
        let named = |host| addresses(Some(host), None, None);
        assert_eq!(named("unix:///run/x.sock"), [Address::Socket("/run/x.sock".into())]);
        assert_eq!(named("tcp://127.0.0.1:2375/"), [Address::Tcp("127.0.0.1:2375".to_owned())]);
        assert_eq!(named("ssh://somewhere"), []);
    }

    #[test]
    fn without_a_name_the_usual_sockets_are_tried() {
        let found = addresses(Some(""), Some("/run/user/1".to_owned()), None);
        let sockets = ["/var/run/docker.sock", "/run/user/1/.docker/run/docker.sock"];
        assert_eq!(found, sockets.map(|path| Address::Socket(path.into())));
    }

    #[test]
    fn what_does_not_listen_does_not_answer() {
        assert!(!is_answering(&Address::Socket("/nonexistent/docker.sock".into())));
        assert!(!is_answering(&Address::Tcp("127.0.0.1:1".to_owned())));
    }

    #[test]
    fn a_ping_is_answered_with_200() {
        struct Spoken(&'static [u8]);
        impl Read for Spoken {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(into)
            }
        }
        impl Write for Spoken {
            fn write(&mut self, sent: &[u8]) -> std::io::Result<usize> {
                Ok(sent.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert!(is_ping_answered(Spoken(b"HTTP/1.0 200 OK\r\n\r\nOK")));
        assert!(!is_ping_answered(Spoken(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")));
        assert!(!is_ping_answered(Spoken(b"")));
    }
}
