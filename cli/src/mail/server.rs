//! Where a mail server is, and how what is said to it is kept from others.

use std::path::Path;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use url::Url;

/// When TLS begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encryption {
    /// With the first byte (RFC 8314).
    Wrapped,
    /// By STARTTLS, before anything else; a server without it gets nothing (RFC 3207).
    Required,
    /// By STARTTLS where the server offers it.
    Offered,
    /// Never.
    None,
}

/// A mail server, as an address names it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    url: Url,
    /// When TLS begins.
    pub encryption: Encryption,
}

impl Server {
    /// `smtp://` or `smtps://`, with `?tls=required`, `offered` or `none` at the end of the former. Without it TLS is required
    /// where a password is to be sent to another machine.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url: Url = text.parse().map_err(|_| "is no address of a mail server".to_owned())?;
        if !matches!(url.scheme(), "smtp" | "smtps") || url.host_str().is_none_or(str::is_empty) {
            return Err("is no address of a mail server".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(
                "has something behind the server: write `/` and `#` of a password as %2F and %23".to_owned()
            );
        }
        if !url.username().is_empty() && url.password().is_none() {
            return Err("names a user and no password".to_owned());
        }
        let server = Self { encryption: Encryption::Wrapped, url };
        let guarded = server.url.password().is_some() && !server.is_local();
        let encryption = match (server.url.scheme(), server.url.query()) {
            ("smtps", None) => Encryption::Wrapped,
            ("smtp", None) if guarded => Encryption::Required,
            ("smtp", None | Some("tls=offered" | "tls=opportunistic")) => Encryption::Offered,
            ("smtp", Some("tls=required")) => Encryption::Required,
            ("smtp", Some("tls=none")) => Encryption::None,
            ("smtps", _) => {
                return Err("is smtps://, which is TLS from the first byte: it ends with the port".to_owned());
            }
            _ => {
                return Err(
                    "ends with what is not known: `?tls=` goes with required, offered or none".to_owned()
                );
            }
        };
        if guarded && matches!(encryption, Encryption::Offered | Encryption::None) {
            return Err(
                "would let a password go unencrypted to another machine: leave `?tls=` out".to_owned()
            );
        }
        Ok(Self { encryption, ..server })
    }

    fn is_local(&self) -> bool {
        matches!(self.host(), "localhost" | "127.0.0.1" | "::1")
    }

    /// Its name or number.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// As the address says, else what is usual (RFC 6409, RFC 8314).
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(match self.encryption {
            Encryption::Wrapped => 465,
            _ if self.url.password().is_some() => 587,
            _ => 25,
        })
    }

    /// By whom letters come, where the server wants to know.
    pub fn credentials(&self) -> Option<Credentials> {
        let password = self.url.password()?;
        Some(Credentials::new(super::decoded(self.url.username()), super::decoded(password)))
    }

    /// TLS, by certificates of this machine's authorities and of those in a file.
    pub fn tls(&self, authorities: Option<&Path>) -> Result<Tls, String> {
        let mut parameters = TlsParameters::builder(self.host().to_owned());
        if let Some(path) = authorities {
            parameters = parameters.add_root_certificate(read(path)?);
        }
        let parameters = parameters.build().map_err(|bad| format!("TLS cannot be used: {bad}"))?;
        Ok(match self.encryption {
            Encryption::Wrapped => Tls::Wrapper(parameters),
            Encryption::Required => Tls::Required(parameters),
            Encryption::Offered => Tls::Opportunistic(parameters),
            Encryption::None => Tls::None,
        })
    }

    /// Without a secret.
    pub fn shown(&self) -> String {
        let port = self.url.port().map_or_else(String::new, |port| format!(":{port}"));
        let how = match self.encryption {
            Encryption::Wrapped => "",
            Encryption::Required => ", by STARTTLS only",
            Encryption::Offered => ", by STARTTLS where it is offered",
            Encryption::None => ", unencrypted",
        };
        format!("by {}://{}{port}{how}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

/// Certificates of authorities, in PEM.
fn read(path: &Path) -> Result<Certificate, String> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let marked = String::from_utf8_lossy(&text).contains("-----BEGIN CERTIFICATE-----");
    let certificate = Certificate::from_pem(&text).ok().filter(|_| marked);
    certificate.ok_or_else(|| format!("{shown} holds no certificate in PEM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_required_where_a_password_would_be_seen() {
        for (text, encryption, port) in [
            ("smtps://mail.example.com", Encryption::Wrapped, 465),
            ("smtps://u:p@mail.example.com:4650", Encryption::Wrapped, 4650),
            ("smtp://u:p@mail.example.com", Encryption::Required, 587),
            ("smtp://u:p@mail.example.com?tls=required", Encryption::Required, 587),
            ("smtp://mail.example.com?tls=required", Encryption::Required, 25),
            ("smtp://mail.example.com", Encryption::Offered, 25),
            ("smtp://mail.example.com/?tls=offered", Encryption::Offered, 25),
            ("smtp://mail.example.com?tls=none", Encryption::None, 25),
            ("smtp://u:p@localhost", Encryption::Offered, 587),
            ("smtp://u:p@[::1]:26?tls=none", Encryption::None, 26),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!((server.encryption, server.port()), (encryption, port), "{text}");
        }
    }

    #[test]
    fn what_would_not_be_heeded_is_refused() {
        for (text, told) in [
            ("smtp://u:p@mail.example.com?tls=offered", "would let a password go unencrypted"),
            ("smtp://u:p@mail.example.com?tls=none", "would let a password go unencrypted"),
            ("smtp://mail.example.com?tls=maybe", "ends with what is not known"),
            ("smtp://mail.example.com?tls=required&x=1", "ends with what is not known"),
            ("smtps://mail.example.com?tls=none", "TLS from the first byte"),
            ("smtp://u@mail.example.com", "names a user and no password"),
            ("smtp://", "is no address of a mail server"),
            ("imap://mail.example.com", "is no address of a mail server"),
        ] {
            let bad = Server::parse(text).unwrap_err();
            assert!(bad.contains(told), "{text}: {bad}");
        }
    }

    #[test]
    fn only_certificates_are_taken_for_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(read(&path).unwrap_err().contains("cannot be read"));
        std::fs::write(&path, "nothing of the sort").unwrap();
        assert!(read(&path).unwrap_err().contains("holds no certificate"));
    }
}
