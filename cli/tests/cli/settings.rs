//! What is set of people's lives and limits, seen in what servers answer that were started with it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::Place;
use crate::server::Server;
use crate::stores::on_every_store;

/// Each other than it is if nobody says.
const ONE: [(&str, &str); 13] = [
    ("ROSTER_PASSWORDS__MEMORY", "8"),
    ("ROSTER_PASSWORDS__PASSES", "1"),
    ("ROSTER_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ("ROSTER_POLICY__INVITATION__SHORTEST", "1s"),
    ("ROSTER_POLICY__OFFER__LIFE", "1s"),
    ("ROSTER_SESSIONS__IDLE", "1s"),
    ("ROSTER_PASSWORDS__RESET_LIFE", "1s"),
    ("ROSTER_LIMITS__SIGN_IN", "2/1h"),
    ("ROSTER_LIMITS__ACCEPT", "1/1h"),
    ("ROSTER_LIMITS__INVITE", "1/1h"),
    ("ROSTER_LIMITS__INVITE_FROM", "2/1h"),
    ("ROSTER_LIMITS__PEER", "2/1h"),
    ("ROSTER_LINKS__INVITATION", "https://app.example.com/join?token={token}"),
];

/// Of a second server on the same store.
const OTHER: [(&str, &str); 8] = [
    ("ROSTER_PASSWORDS__MEMORY", "8"),
    ("ROSTER_PASSWORDS__PASSES", "1"),
    ("ROSTER_SESSIONS__LIFE", "1s"),
    ("ROSTER_LIMITS__PASSWORD_RESET", "1/1h"),
    ("ROSTER_LIMITS__EMAIL_CHANGE", "1/1h"),
    ("ROSTER_LIMITS__PEER", "2/1h"),
    ("ROSTER_MAIL__URL", "file:./letters"),
    ("ROSTER_MAIL__FROM", "roster@example.com"),
];

const ACME: &str = "/v1/organizations/ext:acme";
const PASSWORD: &str = "correct horse battery";

/// What an answer comes to: its status, and the code of a refusal.
fn told((status, body): &(u16, Value)) -> String {
    format!("{status} {}", body["code"].as_str().unwrap_or_default()).trim_end().to_owned()
}

fn token(url: &str) -> &str {
    url.trim().rsplit(['/', '=']).next().unwrap()
}

/// Who may sign in with this password.
fn sign_in(server: &Server, name: &str, password: &str, headers: &str) -> (u16, Value) {
    let body = json!({"email": format!("{name}@example.com"), "password": password});
    server.try_call("POST", "/v1/sessions", headers, Some(&body)).unwrap()
}

/// How many letters have gone to somebody.
fn letters(place: &Place, to: &str) -> usize {
    let files = fs::read_dir(place.path().join("letters")).into_iter().flatten().flatten();
    let letters = files.map(|file| file.path()).filter(|path| path.extension() == Some("eml".as_ref()));
    let letters = letters.map(|path| fs::read_to_string(path).unwrap_or_default());
    let address = format!("{to}@example.com");
    letters
        .filter(|letter| letter.lines().any(|line| line.starts_with("To: ") && line.contains(&address)))
        .count()
}

fn a_letter_comes(place: &Place, to: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while letters(place, to) == 0 {
        assert!(Instant::now() < until, "no letter comes to {to}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Nobody is short of seats.
fn roomy() -> Place {
    let place = Place::with_acme();
    place.done("organization seats ext:acme --purchased unlimited");
    place
}

on_every_store! {
    /// I1, L8, O4: what is begun lives as long as is set, and sessions end unused or by age as is set where they are shown.
    fn i1_o4_l8_lives_are_those_that_are_set() {
        let place = roomy();
        let link = place.done("invitation create rita@example.com --organization ext:acme --role member --all-accounts");
        let key = place.done("operator-key create tests").trim().to_owned();
        let [one, other] = [&ONE[..], &OTHER[..]].map(|set| Server::start_amid(&place, set, "--log-level warn"));
        let sign_up = json!({"name": "Rita", "password": PASSWORD});
        let accept = format!("/v1/invitations/{}/accept", token(&link));
        assert_eq!(one.try_call("POST", &accept, "", Some(&sign_up)).unwrap().0, 200);
        let session = |server: &Server| {
            let begun = sign_in(server, "rita", PASSWORD, "");
            assert_eq!(begun.0, 201, "{begun:?}");
            begun.1["token"].as_str().unwrap().to_owned()
        };
        let (unused, short) = (session(&one), session(&other));

        let invitations = format!("{ACME}/invitations");
        let ask = json!({"email": "ivy@example.com", "access": {"type": "organization", "role": "viewer"}});
        let made = one.call("POST", &invitations, &key, Some(&ask)).1["id"].as_str().unwrap().to_owned();
        let invitation = format!("{invitations}/{made}");
        let link = one.call("GET", &format!("{invitation}/link"), &key, None);
        let url = link.1["url"].as_str().unwrap();
        assert!(url.starts_with("https://app.example.com/join?token="), "{url}");
        let ivy = format!("/v1/invitations/{}/accept", token(url));
        let second = json!({"expires_in": 1});
        assert_eq!(told(&other.call("PATCH", &invitation, &key, Some(&second))), "422 invalid", "an hour at least");
        assert_eq!(told(&one.call("PATCH", &invitation, &key, Some(&second))), "200");
        let offer = json!({"to": "ext:bob", "require_acceptance": true});
        let transfers = format!("{ACME}/ownership-transfers");
        let offer = one.call("POST", &transfers, &key, Some(&offer)).1["id"].as_str().unwrap().to_owned();
        let reset = place.run_with(&ONE, "user password-reset ext:bob").stdout;
        let reset = format!("/v1/password-resets/{}", token(&reset));

        std::thread::sleep(Duration::from_millis(1_100));
        let me = |server: &Server, token: &str| told(&server.call("GET", "/v1/me", token, None));
        assert_eq!([me(&one, &unused), me(&other, &unused)], ["401 unauthenticated", "200"], "idle");
        assert_eq!(me(&other, &short), "401 unauthenticated", "life");
        let accepted = one.call("POST", &format!("{transfers}/{offer}/accept"), &key, Some(&json!({})));
        assert_eq!(told(&accepted), "410 offer_expired");
        let set = json!({"password": PASSWORD});
        assert_eq!(told(&one.try_call("POST", &reset, "", Some(&set)).unwrap()), "410 reset_expired");
        // A try that fails counts; a second is one too many.
        let tries = [0, 1].map(|_| told(&one.try_call("POST", &ivy, "", Some(&sign_up)).unwrap()));
        assert_eq!(tries, ["410 invitation_expired", "429 rate_limited"]);
        assert_eq!(told(&other.try_call("POST", &ivy, "", Some(&sign_up)).unwrap()), "410 invitation_expired");
    }

    /// Limits are those that are set, of an account, an address, an organization and a peer; whom a proxy speaks for is
    /// believed of those that are named, and of them the last word only.
    fn limits_and_proxies_are_those_that_are_set() {
        let place = roomy();
        let key = place.done("operator-key create tests").trim().to_owned();
        let [one, other] = [&ONE[..], &OTHER[..]].map(|set| Server::start_amid(&place, set, "--log-level warn"));
        let wrong = |server: &Server, name: &str, from: &str| told(&sign_in(server, name, "wrong horse", from));
        let (failed, limited) = ("401 invalid_credentials", "429 rate_limited");
        assert_eq!([0; 3].map(|_| wrong(&one, "bob", "")), [failed, failed, limited], "an account");
        assert_eq!([wrong(&one, "ada", ""), wrong(&other, "bob", "")], [failed, failed], "another, or elsewhere");

        let from = |said: &str| format!("X-Forwarded-For: {said}\r\n");
        for (n, (said, expected)) in [
            ("198.51.100.1", failed),
            ("198.51.100.1", failed),
            ("198.51.100.1", limited),
            ("198.51.100.2", failed),
            ("203.0.113.7, 198.51.100.1", limited),
            ("203.0.113.7\r\nX-Forwarded-For: 198.51.100.1", limited),
            ("198.51.100.1, 203.0.113.7", failed),
            ("198.51.100.1, 127.0.0.1", limited),
        ].into_iter().enumerate() {
            assert_eq!(wrong(&one, &format!("nobody{n}"), &from(said)), expected, "{n}: {said}");
        }
        let unknown = [0, 1, 2, 3].map(|n| wrong(&other, &format!("nobody{n}"), &from("198.51.100.1")));
        assert_eq!(unknown, [failed; 4], "nobody is named whose word is believed");

        let (invitations, wide) = (format!("{ACME}/invitations"), json!({"type": "organization", "role": "viewer"}));
        let invite = |name: &str| {
            let ask = json!({"email": format!("{name}@example.com"), "access": wide});
            one.call("POST", &invitations, &key, Some(&ask))
        };
        let made = invite("ivy");
        let again = format!("{invitations}/{}/resend", made.1["id"].as_str().unwrap());
        assert_eq!((made.0, told(&one.call("POST", &again, &key, Some(&json!({}))))), (201, limited.to_owned()), "an address");
        assert_eq!(other.call("POST", &again, &key, Some(&json!({}))).0, 200);
        assert_eq!(["jon", "kim"].map(|name| told(&invite(name))), ["201", limited], "an organization");

        let behalf = format!("Authorization: Bearer {key}\r\nRoster-On-Behalf-Of: ext:ada\r\n");
        let moves = ["a1", "a2"].map(|name| {
            let to = json!({"email": format!("{name}@example.com")});
            told(&other.try_call("POST", "/v1/me/email", &behalf, Some(&to)).unwrap())
        });
        assert_eq!(moves, ["202", limited], "changes of address");
        for (name, letters_by_then) in [("bob", 1), ("bob", 1), ("ada", 1)] {
            let to = json!({"email": format!("{name}@example.com")});
            assert_eq!(other.try_call("POST", "/v1/password-resets", "", Some(&to)).unwrap().0, 202);
            a_letter_comes(&place, name);
            assert_eq!(letters(&place, name), letters_by_then, "resets of an address");
        }
        assert_eq!(letters(&place, "bob"), 1, "resets of an address");
    }
}
