//! Carriers of mail: over SMTP, or into a folder.

mod carriers;
mod server;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lettre::message::Mailbox;
use roster_core::mail::Carrier;
use roster_core::text::Email;
use secrecy::{ExposeSecret, SecretString};

use self::carriers::{Folder, Smtp};
use self::server::Server;
use self::words::Words;

/// Section `mail` once an address is set.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// `smtp://`, `smtps://` or `file:`, with its password; checked already.
    pub url: SecretString,
    /// Whom mail comes from.
    pub from: String,
    /// A file with authorities whose certificates the server may have, beside those of this machine.
    pub ca_file: Option<PathBuf>,
    /// A folder with an operator's own texts.
    pub templates: Option<PathBuf>,
    /// Who is written to of alerts.
    pub alerts_to: Vec<Email>,
}

impl PartialEq for MailSettings {
    fn eq(&self, other: &Self) -> bool {
        let url = |it: &Self| it.url.expose_secret().to_owned();
        let rest =
            |it: &Self| (it.from.clone(), it.ca_file.clone(), it.templates.clone(), it.alerts_to.clone());
        (url(self), rest(self)) == (url(other), rest(other))
    }
}

impl Eq for MailSettings {}

impl MailSettings {
    /// Who carries mail, or what is wrong with the settings.
    pub fn carrier(&self) -> Result<Arc<dyn Carrier>, String> {
        let from: Mailbox = self.from.parse().map_err(|_| format!("\"{}\" is no address", self.from))?;
        let words = Words::load(self.templates.as_deref())?;
        Ok(match Place::parse(self.url.expose_secret())? {
            Place::Folder(folder) => Arc::new(Folder::new(folder, from, words)),
            Place::Server(server) => Arc::new(Smtp::new(&server, self.ca_file.as_deref(), from, words)?),
        })
    }

    /// Whether the authorities that are named can be used.
    pub fn check_authorities(&self) -> Result<(), String> {
        match (&self.ca_file, Place::parse(self.url.expose_secret())?) {
            (Some(path), Place::Server(server)) => server.tls(Some(path)).map(drop),
            (Some(_), Place::Folder(_)) => Err("goes only with a mail server".to_owned()),
            (None, _) => Ok(()),
        }
    }

    /// Whether mail gets there, without sending any.
    pub async fn reach(&self) -> Result<(), String> {
        let from: Mailbox = self.from.parse().map_err(|_| format!("\"{}\" is no address", self.from))?;
        let words = Words::load(self.templates.as_deref())?;
        match Place::parse(self.url.expose_secret())? {
            Place::Folder(folder) => Folder::new(folder, from, words).reach(),
            Place::Server(server) => Smtp::new(&server, self.ca_file.as_deref(), from, words)?.reach().await,
        }
    }

    /// Where mail goes, without a secret.
    pub fn shown(&self) -> String {
        match Place::parse(self.url.expose_secret()) {
            Ok(Place::Folder(folder)) => format!("into {}", folder.display()),
            Ok(Place::Server(server)) => server.shown(),
            Err(bad) => bad,
        }
    }
}

/// Where an address of the settings leads.
#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Server(Server),
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("names no folder".to_owned())
            } else {
                Ok(Self::Folder(Path::new(path).to_owned()))
            };
        }
        Server::parse(text).map(Self::Server)
    }
}

/// What is wrong with an address of the settings, if anything.
pub fn check_url(text: &str) -> Result<(), String> {
    Place::parse(text).map(drop)
}

/// What a part of an address says, percent-encoded or not (RFC 3986, section 2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        if let Some(byte) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%')
        {
            bytes.push(byte);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
