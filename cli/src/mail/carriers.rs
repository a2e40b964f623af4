//! Handing a letter over: to a mail server, or as a file into a folder.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use roster_core::mail::{Carrier, Undelivered, Written};
use roster_core::text::Email;
use tokio::time::timeout;

use super::server::Server;
use super::words::Words;

/// How long a mail server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a letter may take from connecting to the last answer: the transport has a limit for connecting only.
const WHOLE: Duration = Duration::from_mins(1);
const NO_STARTTLS: &str = "the mail server offers no STARTTLS, and nothing goes to it unencrypted";
const NO_LOGIN: &str = "the mail server takes no password, by PLAIN or by LOGIN";
const LATE: &str = "the mail server did not answer in time";

/// Sent by a program: others do not answer (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn message(from: &Mailbox, words: &Words, letter: &Written) -> Result<Message, Undelivered> {
    let for_good = |why: String| Undelivered { why, for_good: true };
    let worded =
        words.of(letter).map_err(|bad| for_good(format!("its text cannot be made: {}", bad.kind())))?;
    let to = envelope(&letter.to).ok_or_else(|| for_good("no mail goes to this address".to_owned()))?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(worded.subject)
        .message_id(Some(format!("<{}@{}>", letter.reference, from.email.domain())))
        .header(AutoSubmitted)
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, worded.plain))
                .singlepart(part(ContentType::TEXT_HTML, worded.html)),
        )
        .map_err(|bad| for_good(format!("it cannot be put together: {bad}")))
}

/// The address as mail servers know it: the mailbox as it was typed, the domain in ASCII (RFC 5891).
fn envelope(to: &Email) -> Option<Address> {
    let (mailbox, _) = to.as_str().rsplit_once('@')?;
    let (_, domain) = to.key().rsplit_once('@')?;
    Address::new(mailbox, domain).ok()
}

/// One form of a letter. ASCII goes as it is, with lines as long as RFC 5322 allows them (section 2.1.1), so that a link stays
/// whole for whoever reads the source.
fn part(kind: ContentType, text: String) -> SinglePart {
    let plain = text.is_ascii() && text.lines().all(|line| line.len() < 900);
    let part = SinglePart::builder().header(kind);
    if plain {
        let lines: String = text.lines().flat_map(|line| [line, "\r\n"]).collect();
        let encoding = ContentTransferEncoding::SevenBit;
        return part.body(Body::dangerous_pre_encoded(lines.into_bytes(), encoding));
    }
    part.body(text)
}

/// Writes each letter into a folder, as `REFERENCE.eml`.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    from: Mailbox,
    words: Words,
}

impl Folder {
    pub const fn new(path: PathBuf, from: Mailbox, words: Words) -> Self {
        Self { path, from, words }
    }

    /// Whether the folder, or the first above it that is there, is one.
    pub fn reach(&self) -> Result<(), String> {
        let there = self.path.ancestors().find(|path| path.exists());
        match there {
            Some(path) if !path.is_dir() => Err(format!("{} is no folder: name another one", path.display())),
            Some(_) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Carrier for Folder {
    async fn carry(&self, letter: &Written) -> Result<(), Undelivered> {
        let bytes = message(&self.from, &self.words, letter)?.formatted();
        let (folder, name) = (self.path.clone(), format!("{}.eml", letter.reference));
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Undelivered { why: format!("the folder: {error}"), for_good: false }),
            Err(_) => Err(Undelivered { why: "writing fell over".to_owned(), for_good: false }),
        }
    }
}

/// Nobody finds half a letter; what is in it is for this user alone.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!(".{name}.new"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, folder.join(name))
}

/// Hands each letter to a mail server, over a connection of its own: an answer that was not asked for is read by nobody.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    words: Words,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Smtp {
    /// With the authorities in a file, beside those of this machine.
    pub fn new(
        server: &Server,
        authorities: Option<&Path>,
        from: Mailbox,
        words: Words,
    ) -> Result<Self, String> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host())
            .port(server.port())
            .tls(server.tls(authorities)?)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some(credentials) = server.credentials() {
            builder = builder.credentials(credentials);
        }
        Ok(Self { transport: builder.build(), from, words })
    }

    /// Whether the server answers, and takes the password.
    pub async fn reach(&self) -> Result<(), String> {
        match timeout(WHOLE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it does not answer as a mail server does".to_owned()),
            Ok(Err(error)) => Err(format!("{}: start it, or correct mail.url", reason(&error))),
            Err(_) => Err(format!("{LATE}: start it, or correct mail.url")),
        }
    }
}

#[async_trait]
impl Carrier for Smtp {
    async fn carry(&self, letter: &Written) -> Result<(), Undelivered> {
        let message = message(&self.from, &self.words, letter)?;
        match timeout(WHOLE, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Err(_) => Err(Undelivered { why: LATE.to_owned(), for_good: false }),
            Ok(Err(error)) => {
                let about_us = error.status().is_some_and(|it| it.to_string().starts_with("53"));
                Err(Undelivered { why: reason(&error), for_good: error.is_permanent() && !about_us })
            }
        }
    }
}

/// What went wrong, without what the server wrote, which may hold an address.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(status) if status.to_string() == "530" => {
            format!("the mail server answered {status}: it wants a user and password, or STARTTLS, first")
        }
        Some(status) if status.to_string().starts_with("53") => {
            format!("the mail server answered {status}: it does not take this user and password")
        }
        Some(status) => format!("the mail server answered {status}"),
        None if error.is_timeout() => LATE.to_owned(),
        None if tls_failed(error) => "the mail server cannot be trusted: TLS failed".to_owned(),
        None if error.is_client() && error.to_string().contains("STARTTLS") => NO_STARTTLS.to_owned(),
        None if error.is_client() && error.to_string().contains("authentication") => NO_LOGIN.to_owned(),
        None => "the mail server cannot be reached".to_owned(),
    }
}

/// Whether it was TLS that failed: a handshake that did is told as a connection that could not be made.
fn tls_failed(error: &lettre::transport::smtp::Error) -> bool {
    let first = std::error::Error::source(error);
    let mut causes = std::iter::successors(first, |cause| cause.source());
    let garbled = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::InvalidData;
    error.is_tls() || causes.any(|cause| cause.downcast_ref().is_some_and(garbled))
}

#[cfg(test)]
#[path = "carriers_tests.rs"]
mod tests;
