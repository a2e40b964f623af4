//! Letters on a real socket: a mail server that takes them, refuses them, hangs, hangs up, or answers twice.

use std::sync::{Arc, Mutex};

use roster_core::mail::{Carrier, Undelivered, Written};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// How a server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Takes,
    /// Addresses beyond ASCII too (RFC 6531).
    TakesAll,
    RefusesForNow,
    RefusesForGood,
    HangsUp,
    Hangs,
    NeverSaysGoodbye,
    /// To this (the greeting, a verb, the letter), or to everything; and takes the letter, or refuses it.
    AnswersTwice {
        to: &'static str,
        takes: bool,
    },
}

impl Manner {
    fn answers_twice(self, verb: &str) -> bool {
        matches!(self, Self::AnswersTwice { to, .. } if to == verb || to == "all")
    }
}

/// A mail server; what it took.
async fn server(manner: Manner) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move { talk(stream, manner, &kept).await });
        }
    });
    (port, taken)
}

/// One conversation (RFC 5321).
async fn talk(stream: TcpStream, manner: Manner, kept: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut letter = None::<String>;
    let (mut say, mut verb) = ("220 mail.example.com\r\n".to_owned(), "greeting".to_owned());
    loop {
        if manner.answers_twice(&verb) {
            say = format!("{say}{say}");
        }
        stream.write_all(say.as_bytes()).await.ok()?;
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        while let Some(text) = &mut letter {
            if line == ".\r\n" {
                let taken =
                    letter.take().filter(|_| !matches!(manner, Manner::AnswersTwice { takes: false, .. }));
                kept.lock().unwrap().extend(taken);
                break;
            }
            text.push_str(&line);
            line.clear();
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        }
        verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        say = match (verb.as_str(), manner) {
            (".", Manner::AnswersTwice { takes: false, .. }) => "554 not this one\r\n",
            ("EHLO", Manner::TakesAll) => "250-mail.example.com\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            ("MAIL", Manner::TakesAll) if !line.ends_with(" SMTPUTF8 BODY=8BITMIME\r\n") => "555 how so\r\n",
            ("MAIL", Manner::RefusesForNow) => "451 try again later\r\n",
            ("RCPT", Manner::RefusesForGood) => "550 <rita@example.com> is not here\r\n",
            ("DATA", Manner::HangsUp) => return None,
            ("DATA", Manner::Hangs) | ("QUIT", Manner::NeverSaysGoodbye) => std::future::pending().await,
            ("DATA", _) => {
                letter = Some(String::new());
                "354 go on\r\n"
            }
            ("QUIT", _) => "221 bye\r\n",
            _ => "250 ok\r\n",
        }
        .to_owned();
    }
}

fn letter() -> Written {
    Written {
        to: "rita@example.com".parse().unwrap(),
        kind: "invitation",
        reference: "mai_1.inv_1.1".to_owned(),
        fields: json!({
            "organization": "Cloud", "inviter": "Anna", "name": null,
            "url": format!("https://roster.example.com/invitations/rkl_{}", "0".repeat(112)),
            "expires_at": "2026-01-01T10:30:00.000Z",
        }),
    }
}

/// How it ended, and what was taken by the end of the conversation.
async fn carried(manner: Manner) -> (Result<(), Undelivered>, Vec<String>) {
    carried_to("rita@example.com", manner).await
}

async fn carried_to(to: &str, manner: Manner) -> (Result<(), Undelivered>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server::parse(&format!("smtp://127.0.0.1:{port}")).unwrap();
    let from = "Roster <roster@example.com>".parse().unwrap();
    let smtp = Smtp::new(&server, None, from, Words::load(None).unwrap()).unwrap();
    let (letter, taken) = (Written { to: to.parse().unwrap(), ..letter() }, Mutex::default());
    let talk = async { talk(listener.accept().await.unwrap().0, manner, &taken).await };
    let (outcome, _) = tokio::join!(async { smtp.carry(&letter).await }, talk);
    (outcome, taken.into_inner().unwrap())
}

#[tokio::test]
async fn i9_a_server_takes_a_letter_as_plain_text_and_as_html() {
    let (outcome, taken) = carried(Manner::Takes).await;
    assert_eq!((outcome, taken.len()), (Ok(()), 1));
    let text = &taken[0];
    for part in [
        "From: Roster <roster@example.com>\r\n",
        "To: rita@example.com\r\n",
        "Subject: Anna invites you to Cloud\r\n",
        "Message-ID: <mai_1.inv_1.1@example.com>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let url = format!("https://roster.example.com/invitations/rkl_{}", "0".repeat(112));
    assert_eq!(text.matches(&url).count(), 2, "the link is whole in both: {text}");
}

#[tokio::test]
async fn i9_what_a_server_refuses_is_told_without_the_address() {
    let (outcome, _) = carried(Manner::RefusesForNow).await;
    let refused = outcome.unwrap_err();
    assert_eq!((refused.why.as_str(), refused.for_good), ("the mail server answered 451", false));
    let (outcome, taken) = carried(Manner::RefusesForGood).await;
    let refused = outcome.unwrap_err();
    assert_eq!((refused.why.as_str(), refused.for_good), ("the mail server answered 550", true));
    assert_eq!(taken.len(), 0);
}

#[tokio::test]
async fn i9_an_address_beyond_ascii_goes_to_a_server_that_takes_such() {
    let (outcome, taken) = carried_to("rit\u{e1}@example.com", Manner::Takes).await;
    assert_eq!(
        (outcome.unwrap_err().why.as_str(), taken.len()),
        ("the mail server takes plain ASCII only", 0)
    );
    let (outcome, taken) = carried_to("rit\u{e1}@example.com", Manner::TakesAll).await;
    assert_eq!((outcome, taken.len()), (Ok(()), 1));
}

#[tokio::test]
async fn i9_a_server_without_starttls_gets_nothing_where_that_is_required() {
    let (port, taken) = server(Manner::Takes).await;
    for login in ["", "roster:secret@"] {
        let url = format!("smtp://{login}127.0.0.1:{port}?tls=required");
        let from = "roster@example.com".parse().unwrap();
        let server = Server::parse(&url).unwrap();
        let smtp = Smtp::new(&server, None, from, Words::load(None).unwrap()).unwrap();
        let refused = smtp.carry(&letter()).await.unwrap_err();
        let told = "the mail server offers no STARTTLS, and nothing goes to it unencrypted";
        assert_eq!((refused.why.as_str(), refused.for_good), (told, false));
        assert!(smtp.reach().await.unwrap_err().starts_with(told));
    }
    assert_eq!(*taken.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn i9_a_server_that_hangs_up_or_answers_twice_ends_in_one_way_or_the_other() {
    let (outcome, taken) = carried(Manner::HangsUp).await;
    assert_eq!((outcome.unwrap_err().for_good, taken.len()), (false, 0));
    for to in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", ".", "all"] {
        for takes in [true, false] {
            let (outcome, taken) = carried(Manner::AnswersTwice { to, takes }).await;
            assert!(taken.len() <= 1, "twice to {to}: nothing is sent twice");
            assert!(outcome.is_err() || taken.len() == 1, "twice to {to}: said to be sent, and was not");
            if to == "." {
                let told = outcome.map_err(|refused| refused.for_good);
                assert_eq!(told, if takes { Ok(()) } else { Err(true) }, "the first is the answer");
            }
        }
    }
}

#[tokio::test]
async fn i9_a_letter_that_was_taken_is_sent_though_the_server_never_says_goodbye() {
    let (port, taken) = server(Manner::NeverSaysGoodbye).await;
    let server = Server::parse(&format!("smtp://127.0.0.1:{port}")).unwrap();
    let from = "roster@example.com".parse().unwrap();
    let smtp = Smtp::new(&server, None, from, Words::load(None).unwrap()).unwrap();
    let outcome = timeout(PATIENCE / 2, smtp.carry(&letter())).await;
    assert_eq!((outcome, taken.lock().unwrap().len()), (Ok(Ok(())), 1));
}

#[tokio::test(start_paused = true)]
async fn i9_a_server_that_hangs_is_given_up() {
    let (port, _) = server(Manner::Hangs).await;
    let server = Server::parse(&format!("smtp://127.0.0.1:{port}")).unwrap();
    let smtp =
        Smtp::new(&server, None, "roster@example.com".parse().unwrap(), Words::load(None).unwrap()).unwrap();
    let refused = smtp.carry(&letter()).await.unwrap_err();
    assert!(!refused.for_good);
}

#[tokio::test]
async fn i9_a_folder_gets_one_file_a_letter_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let within = tempfile::tempdir().unwrap();
    let folder = within.path().join("a/letters");
    let from = "roster@example.com".parse().unwrap();
    let carrier = Folder::new(folder.clone(), from, Words::load(None).unwrap());
    carrier.carry(&letter()).await.unwrap();
    carrier.carry(&letter()).await.unwrap();
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["mai_1.inv_1.1.eml"]);
    let file = folder.join("mai_1.inv_1.1.eml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(file).unwrap().contains("\r\nSubject: Anna invites you to Cloud\r\n"));
    std::fs::write(within.path().join("file"), "").unwrap();
    let from = "roster@example.com".parse().unwrap();
    let blocked = Folder::new(within.path().join("file"), from, Words::load(None).unwrap());
    assert!(blocked.reach().is_err());
    assert!(!blocked.carry(&letter()).await.unwrap_err().for_good);
}

#[test]
fn domains_are_written_in_ascii() {
    let envelope = |text: &str| envelope(&text.parse().unwrap()).unwrap().to_string();
    assert_eq!(envelope("Rita@B\u{fc}cher.example.com"), "Rita@xn--bcher-kva.example.com");
    assert_eq!(envelope("rita@example.com"), "rita@example.com");
}
