//! Handing a letter over: to a mail server, or as a file into a folder.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Severity;
use lettre::{Address, Message};
use roster_core::mail::{Carrier, Undelivered, Written};
use roster_core::text::Email;
use tokio::time::timeout;

use super::server::Server;
use super::words::Words;

/// How long a mail server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a letter may take from connecting to the last answer: a connection has a limit for connecting only.
const WHOLE: Duration = Duration::from_mins(1);
const NO_STARTTLS: &str = "the mail server offers no STARTTLS, and nothing goes to it unencrypted";
const NO_LOGIN: &str = "the mail server takes no password, by PLAIN or by LOGIN";
const OUT_OF_TURN: &str = "the mail server answers out of turn";
const NOT_ASCII: &str = "the mail server takes plain ASCII only";
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
    host: String,
    port: u16,
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
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
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let (tls, credentials) = (server.tls(authorities)?, server.credentials());
        Ok(Self { host: server.host().to_owned(), port: server.port(), tls, hello, credentials, from, words })
    }

    /// Whether the server answers, and takes the password.
    pub async fn reach(&self) -> Result<(), String> {
        let reached = async {
            let mut connection = self.connection().await?;
            let answers = connection.test_connected().await;
            connection.quit().await.map(|_| answers).map_err(|error| failed(&error))
        };
        match timeout(WHOLE, reached).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it does not answer as a mail server does".to_owned()),
            Ok(Err(refused)) => Err(format!("{}: start it, or correct mail.url", refused.why)),
            Err(_) => Err(format!("{LATE}: start it, or correct mail.url")),
        }
    }

    /// A new one, encrypted as it is wanted, on which the password was taken.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Undelivered> {
        let mut connection = self.encrypted().await.map_err(|error| failed(&error))?;
        // What stood behind the answer to STARTTLS was said before anybody was known: it answers nothing that is asked from
        // here on. Nothing was asked, so nothing can have come since.
        let left_over = timeout(Duration::ZERO, connection.read_response()).await;
        if left_over.is_ok() {
            return Err(Undelivered { why: OUT_OF_TURN.to_owned(), for_good: false });
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(|error| failed(&error))?;
        }
        Ok(connection)
    }

    async fn encrypted(&self) -> Result<AsyncSmtpConnection, Error> {
        let at_once = if let Tls::Wrapper(parameters) = &self.tls { Some(parameters.clone()) } else { None };
        let (server, hello) = ((self.host.as_str(), self.port), &self.hello);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), hello, at_once, None).await?;
        match &self.tls {
            Tls::Opportunistic(_) if !connection.can_starttls() => {}
            Tls::Opportunistic(parameters) | Tls::Required(parameters) => {
                connection.starttls(parameters.clone(), hello).await?;
            }
            Tls::Wrapper(_) | Tls::None => {}
        }
        Ok(connection)
    }
}

#[async_trait]
impl Carrier for Smtp {
    async fn carry(&self, letter: &Written) -> Result<(), Undelivered> {
        let message = message(&self.from, &self.words, letter)?;
        let handed_over = async {
            let mut connection = self.connection().await?;
            let outcome = hand_over(&mut connection, &message).await;
            // What the server says to a goodbye changes nothing of that, nor does it if it says nothing.
            drop(tokio::spawn(async move { timeout(PATIENCE, connection.abort()).await }));
            outcome
        };
        let late = |_| Err(Undelivered { why: LATE.to_owned(), for_good: false });
        timeout(WHOLE, handed_over).await.unwrap_or_else(late)
    }
}

/// One letter over a connection (RFC 5321, section 3.3). That a server goes on (354) is the one answer that can be told from
/// those before it: where it comes in its turn, what follows is about the letter, and no answer that was left over.
async fn hand_over(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), Undelivered> {
    let not_now = |why: &str| Undelivered { why: why.to_owned(), for_good: false };
    let (envelope, bytes) = (message.envelope(), message.formatted());
    let addresses = || envelope.from().into_iter().chain(envelope.to());
    let mut parameters = Vec::new();
    for (is_ascii, extension, parameter) in [
        (
            addresses().all(|address| address.to_string().is_ascii()),
            Extension::SmtpUtfEight,
            MailParameter::SmtpUtfEight,
        ),
        (bytes.is_ascii(), Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime)),
    ] {
        if !is_ascii {
            if !connection.server_info().supports_feature(extension) {
                return Err(not_now(NOT_ASCII));
            }
            parameters.push(parameter);
        }
    }
    let failed = |error: Error| failed(&error);
    connection.command(Mail::new(envelope.from().cloned(), parameters)).await.map_err(failed)?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(failed)?;
    }
    if !connection.command(Data).await.map_err(failed)?.has_code(354) {
        return Err(not_now(OUT_OF_TURN));
    }
    let answer = connection.message(&bytes).await.map_err(failed)?;
    if answer.code().severity == Severity::PositiveCompletion { Ok(()) } else { Err(not_now(OUT_OF_TURN)) }
}

fn failed(error: &Error) -> Undelivered {
    let about_us = error.status().is_some_and(|it| it.to_string().starts_with("53"));
    Undelivered { why: reason(error), for_good: error.is_permanent() && !about_us }
}

/// What went wrong, without what the server wrote, which may hold an address.
fn reason(error: &Error) -> String {
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
fn tls_failed(error: &Error) -> bool {
    let first = std::error::Error::source(error);
    let mut causes = std::iter::successors(first, |cause| cause.source());
    let garbled = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::InvalidData;
    error.is_tls() || causes.any(|cause| cause.downcast_ref().is_some_and(garbled))
}

#[cfg(test)]
#[path = "carriers_tests.rs"]
mod tests;
