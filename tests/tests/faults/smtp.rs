//! Letters over TLS, to whom the address names, after a login, and never to be read on the way (rule I9).

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roster_cli::config::{Config, Flags};
use roster_cli::mail::MailSettings;
use roster_core::mail::Written;
use roster_tests::private_server::Folder;
use roster_tests::private_server::certificates::{authority, certified};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::https::acceptor;

/// The user `roster` with the password `s3cr@t:/`.
const LOGIN: &str = "\0roster\0s3cr@t:/";
const WRITTEN: &str = "roster:s3cr%40t%3A%2F";

/// How a server does TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Never,
    StartTls,
    FromTheFirstByte,
    /// Somebody on the way answers in the clear what is to be asked under TLS, and lets nothing of that through.
    AnsweredBefore,
}

/// What a server has come to know.
#[derive(Default, Debug)]
struct Known {
    letters: Vec<String>,
    /// What it was told that others could read.
    in_the_clear: String,
    logins: usize,
}

/// To STARTTLS, EHLO, MAIL, RCPT, DATA and the letter.
const ANSWERED_BEFORE: &str = "220 go on\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 queued";

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

struct Server {
    port: u16,
    known: Arc<Mutex<Known>>,
}

impl Server {
    async fn start(folder: &Folder, manner: Manner) -> Self {
        let acceptor = acceptor(folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let known = Arc::<Mutex<Known>>::default();
        let kept = Arc::clone(&known);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), manner, Arc::clone(&kept)));
            }
        });
        Self { port, known }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    manner: Manner,
    known: Arc<Mutex<Known>>,
) -> Option<()> {
    if manner == Manner::FromTheFirstByte {
        let stream = acceptor.accept(stream).await.ok()?;
        let mut wire = BufReader::new(Box::new(stream) as Box<dyn Wire>);
        say(&mut wire, "220 mail.example.com").await?;
        return talk(&mut wire, None, true, &known).await.map(drop);
    }
    let mut wire = BufReader::new(stream);
    say(&mut wire, "220 mail.example.com").await?;
    let offers = matches!(manner, Manner::StartTls | Manner::AnsweredBefore);
    let begun = if manner == Manner::AnsweredBefore { ANSWERED_BEFORE } else { "220 go on" };
    if talk(&mut wire, offers.then_some(begun), false, &known).await? {
        let stream = acceptor.accept(wire.into_inner()).await.ok()?;
        if manner == Manner::AnsweredBefore {
            let mut wire = BufReader::new(stream);
            while hear(&mut wire).await.is_some() {}
            return None;
        }
        talk(&mut BufReader::new(stream), None, true, &known).await?;
    }
    Some(())
}

async fn say(wire: &mut BufReader<impl Wire>, text: &str) -> Option<()> {
    wire.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    wire.flush().await.ok()
}

async fn hear(wire: &mut BufReader<impl Wire>) -> Option<String> {
    let mut line = String::new();
    wire.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line)
}

/// One conversation (RFC 5321, RFC 4954), until it ends or TLS is to begin.
async fn talk(
    wire: &mut BufReader<impl Wire>,
    offers: Option<&str>,
    secure: bool,
    known: &Mutex<Known>,
) -> Option<bool> {
    loop {
        let line = hear(wire).await?;
        if !secure {
            known.lock().unwrap().in_the_clear.push_str(&line);
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" if offers.is_some() => say(wire, "250-mail.example.com\r\n250 STARTTLS").await?,
            "EHLO" => say(wire, "250-mail.example.com\r\n250 AUTH PLAIN").await?,
            "STARTTLS" => {
                say(wire, offers.unwrap_or("502 not here")).await?;
                return Some(offers.is_some());
            }
            "AUTH" if line.trim_end().ends_with(&STANDARD.encode(LOGIN)) => {
                known.lock().unwrap().logins += 1;
                say(wire, "235 welcome").await?;
            }
            "AUTH" => say(wire, "535 no").await?,
            "DATA" => {
                say(wire, "354 go on").await?;
                let mut letter = String::new();
                while !letter.ends_with("\r\n.\r\n") {
                    letter.push_str(&hear(wire).await?);
                }
                known.lock().unwrap().letters.push(letter);
                say(wire, "250 ok").await?;
            }
            "QUIT" => {
                say(wire, "221 bye").await?;
                return Some(false);
            }
            _ => say(wire, "250 ok").await?,
        }
    }
}

fn settings(url: &str, ca: &Path) -> MailSettings {
    let env = [
        ("ROSTER_MAIL__URL", url.to_owned()),
        ("ROSTER_MAIL__FROM", "roster@example.com".to_owned()),
        ("ROSTER_MAIL__CA_FILE", ca.display().to_string()),
    ];
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value));
    Config::load(&Flags::default(), env, Path::new("/nowhere")).unwrap().mail.unwrap()
}

fn letter() -> Written {
    Written {
        to: "rita@example.com".parse().unwrap(),
        kind: "invitation",
        reference: "mai_1.inv_1.1".to_owned(),
        fields: json!({
            "organization": "Cloud", "inviter": "Anna", "name": null,
            "url": "https://roster.example.com/invitations/secret", "expires_at": "2026-01-01T10:30:00.000Z",
        }),
    }
}

/// An address: the way, the login, the server, and what stands behind.
fn url(way: &str, login: &str, server: &Server, end: &str) -> String {
    format!("{way}://{login}localhost:{}{end}", server.port)
}

fn certificates() -> Folder {
    let folder = Folder::new();
    authority(folder.path(), "ours");
    authority(folder.path(), "another");
    certified(folder.path());
    folder
}

#[tokio::test]
async fn i9_letters_go_over_tls_after_a_login_by_an_authority_of_ones_own() {
    let folder = certificates();
    let login = format!("{WRITTEN}@");
    for (manner, way, end) in [
        (Manner::StartTls, "smtp", "?tls=required"),
        (Manner::StartTls, "smtp", ""),
        (Manner::FromTheFirstByte, "smtps", ""),
    ] {
        let server = Server::start(&folder, manner).await;
        let mail = settings(&url(way, &login, &server, end), &folder.path().join("ours.crt"));
        mail.reach().await.unwrap();
        mail.carrier().unwrap().carry(&letter()).await.unwrap();
        let known = server.known();
        assert_eq!((known.letters.len(), known.logins), (1, 2), "{manner:?}");
        assert!(known.letters[0].contains("https://roster.example.com/invitations/secret"));
        let clear = &known.in_the_clear;
        assert!(!clear.contains("AUTH") && !clear.contains("rita"), "{manner:?}: {clear}");
        let shown = format!("{mail:?} {}", mail.shown());
        assert!(!shown.contains("s3cr"), "{shown}");
    }
}

#[tokio::test]
async fn i9_nothing_is_said_to_a_mail_server_that_cannot_be_trusted() {
    let folder = certificates();
    let login = format!("{WRITTEN}@");
    let untrusted = "the mail server cannot be trusted: TLS failed";
    for (manner, way, end, authority, told) in [
        (Manner::StartTls, "smtp", "", "another.crt", untrusted),
        (Manner::FromTheFirstByte, "smtps", "", "another.crt", untrusted),
        (
            Manner::Never,
            "smtp",
            "?tls=required",
            "ours.crt",
            "the mail server offers no STARTTLS, and nothing goes to it unencrypted",
        ),
    ] {
        let server = Server::start(&folder, manner).await;
        let mail = settings(&url(way, &login, &server, end), &folder.path().join(authority));
        let refused = mail.carrier().unwrap().carry(&letter()).await.unwrap_err();
        assert_eq!((refused.why.as_str(), refused.for_good), (told, false), "{manner:?}");
        assert!(mail.reach().await.unwrap_err().starts_with(told), "{manner:?}");
        let known = server.known();
        assert_eq!((known.letters.len(), known.logins), (0, 0));
        let clear = &known.in_the_clear;
        assert!(!clear.contains("AUTH") && !clear.contains("rita"), "{manner:?}: {clear}");
    }
}

/// What was said in the clear answers nothing that is asked under TLS.
#[tokio::test]
async fn i9_a_letter_is_not_sent_because_somebody_on_the_way_says_so() {
    let folder = certificates();
    let server = Server::start(&folder, Manner::AnsweredBefore).await;
    let mail = settings(&url("smtp", "", &server, "?tls=required"), &folder.path().join("ours.crt"));
    let refused = mail.carrier().unwrap().carry(&letter()).await.unwrap_err();
    assert_eq!((refused.why.as_str(), refused.for_good), ("the mail server answers out of turn", false));
    assert!(!server.known().in_the_clear.contains("rita"));
}

/// The name in the certificate is the one in the address.
#[tokio::test]
async fn i9_a_mail_server_is_who_the_address_names() {
    let folder = certificates();
    let server = Server::start(&folder, Manner::FromTheFirstByte).await;
    let by_number = format!("smtps://127.0.0.1:{}", server.port);
    let mail = settings(&by_number, &folder.path().join("ours.crt"));
    let refused = mail.carrier().unwrap().carry(&letter()).await.unwrap_err();
    assert_eq!(refused.why, "the mail server cannot be trusted: TLS failed");
}

#[tokio::test]
async fn i9_a_wrong_password_is_told_and_the_letter_waits() {
    let folder = certificates();
    let server = Server::start(&folder, Manner::FromTheFirstByte).await;
    let mail = settings(&url("smtps", "roster:wrong@", &server, ""), &folder.path().join("ours.crt"));
    let refused = mail.carrier().unwrap().carry(&letter()).await.unwrap_err();
    let told = "the mail server answered 535: it does not take this user and password";
    assert_eq!((refused.why.as_str(), refused.for_good), (told, false));
    assert_eq!(server.known().letters.len(), 0);
}
