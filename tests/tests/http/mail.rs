//! What is mailed, to whom, and what its links do: rules I9, L8; changes of address.

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::home::{Home, Record};
use roster_core::id::MailId;
use roster_core::mail::{Postman, Undelivered};
use roster_core::model::{MailPointer, Sought};
use roster_core::op::run;
use roster_core::ops::mail::{Fate, NoteFate, PutMailPointer, TakeMail, TakenMail};
use roster_core::verify::verify_all;
use roster_tests::http::{Caller, text};
use roster_tests::mailbox::{Mailbox, token};
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const INVITATIONS: &str = "/v1/organizations/ext:cloud/invitations";
const PASSWORD: &str = "correct horse battery";
const NEW: &str = "battery staple correct";

fn wide(role: &str) -> Value {
    json!({"type": "organization", "role": role})
}

/// Whatever waits in the outbox: no letter, and no pointer that leads nowhere.
async fn is_empty(world: &World) {
    let store = &world.service.roster.store;
    for home in store.homes(None, 1_000).await.unwrap() {
        for stored in store.dump(&home).await.unwrap().records {
            let key = stored.record.key();
            let name = key.document().unwrap_or_default();
            assert!(!name.starts_with("mail:") && !name.starts_with("post:"), "{home} {key:?}");
        }
    }
    assert_eq!(verify_all(&world.service.roster, &mut |_| {}).await.unwrap().findings, []);
}

async fn signed_in<'a>(world: &'a World, email: &str, password: &str) -> Caller<'a> {
    let body = json!({"email": email, "password": password});
    world.service.bearer(&text(&world.service.nobody().post("/v1/sessions", body).await.is(201), "/token"))
}

async fn collect(world: &World, mailbox: &Mailbox) -> Vec<roster_core::mail::Written> {
    mailbox.collect(&world.service.roster).await
}

/// I9: an invitation is mailed with the commit, once, with the link that works; the copy of the store holds no link.
#[tokio::test]
async fn i9_an_invitation_is_mailed_and_accepted() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let anna = world.person("anna");
        let body = json!({"email": "Rita@example.com", "name": "Rita\r\nBcc: x@example.com", "access": wide("viewer")});
        anna.post(INVITATIONS, body).await.refused(422, "invalid");
        let body = json!({"email": "Rita@example.com", "name": "evil.example/now", "access": wide("viewer")});
        let made = anna.post(INVITATIONS, body).await.is(201);
        let letter = mailbox.one(&world.service.roster).await;
        assert_eq!((letter.to.as_str(), letter.kind), ("Rita@example.com", "invitation"));
        assert_eq!(letter.fields["organization"], "cloud");
        assert_eq!(
            (&letter.fields["inviter"], &letter.fields["name"]),
            (&json!("anna"), &json!("evil. example/ now"))
        );
        is_empty(&world).await;
        assert_eq!(collect(&world, &mailbox).await, []);
        let home: Home = format!("organization:{}", text(&made, "/organization_id")).parse().unwrap();
        let dump = format!("{:?}", world.service.roster.store.dump(&home).await.unwrap());
        assert!(!dump.contains("rkl_"), "a copy of the store reveals no link");
        let path = format!("/v1/invitations/{}/accept", token(&letter));
        let body = json!({"name": "Rita", "password": PASSWORD});
        world.service.nobody().post(&path, body).await.is(200);
    }
}

/// I4, I9: each link is mailed as long as it is the one that works; what has been overtaken is not sent.
#[tokio::test]
async fn i9_what_has_been_overtaken_is_not_mailed() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let anna = world.person("anna");
        let body = json!({"email": "rita@example.com", "access": wide("viewer")});
        let id = text(&anna.post(INVITATIONS, body).await.is(201), "/id");
        anna.post(&format!("{INVITATIONS}/{id}/resend"), json!({})).await.is(200);
        let letter = mailbox.one(&world.service.roster).await;
        let shown = anna.get(&format!("{INVITATIONS}/{id}/link")).await.is(200);
        assert_eq!(letter.fields["url"], shown["url"]);
        anna.post(&format!("{INVITATIONS}/{id}/resend"), json!({})).await.is(200);
        anna.delete(&format!("{INVITATIONS}/{id}")).await.is(204);
        assert_eq!(collect(&world, &mailbox).await, []);
        is_empty(&world).await;
    }
}

/// I8, I9: many at once, each a letter of its own; those who were refused get none.
#[tokio::test]
async fn i8_many_are_mailed() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let rows: Vec<Value> = (0..300)
            .map(|n| json!({"email": format!("m{n}@example.com"), "access": wide("viewer")}))
            .chain([json!({"email": "max@example.com", "access": wide("viewer")})])
            .collect();
        world.person("anna").post(INVITATIONS, json!({"invitations": rows})).await.is(200);
        let mut to: Vec<String> =
            collect(&world, &mailbox).await.iter().map(|letter| letter.to.as_str().to_owned()).collect();
        to.sort();
        to.dedup();
        assert_eq!((to.len(), to.iter().any(|to| to.starts_with("max"))), (300, false));
        is_empty(&world).await;
    }
}

/// I9: the invitation is there though mail fails; it is sent when that works again, and given up after days.
#[tokio::test]
async fn i9_mail_that_fails_is_tried_again_later_and_given_up_in_the_end() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let clock = &world.test().clock;
        let down = Undelivered { why: "down".to_owned(), for_good: false };
        mailbox.fail(Some(down.clone()));
        let body = |name: &str| json!({"email": format!("{name}@example.com"), "access": wide("viewer")});
        world.person("anna").post(INVITATIONS, body("rita")).await.is(201);
        assert_eq!(collect(&world, &mailbox).await, []);
        assert_eq!(collect(&world, &mailbox).await, []);
        assert_eq!(mailbox.tries(), 1, "not at once again");
        clock.advance_seconds(2);
        assert_eq!(collect(&world, &mailbox).await, []);
        assert_eq!(mailbox.tries(), 2);
        mailbox.fail(None);
        clock.advance_seconds(8);
        assert_eq!(collect(&world, &mailbox).await.len(), 1);
        is_empty(&world).await;
        mailbox.fail(Some(down));
        let tries = mailbox.tries();
        world.person("anna").post(INVITATIONS, body("rosa")).await.is(201);
        for _ in 0..20 {
            assert_eq!(collect(&world, &mailbox).await, []);
            clock.advance_seconds(3_600);
        }
        assert_eq!(mailbox.tries(), tries + 12);
        is_empty(&world).await;
        mailbox.fail(Some(Undelivered { why: "no such mailbox".to_owned(), for_good: true }));
        let tries = mailbox.tries();
        world.person("anna").post(INVITATIONS, body("ruth")).await.is(201);
        for _ in 0..5 {
            assert_eq!(collect(&world, &mailbox).await, []);
            clock.advance_seconds(3_600);
        }
        assert_eq!(mailbox.tries(), tries + 3);
        is_empty(&world).await;
    }
}

/// L8: whoever asks is told the same; whoever it is gets the link; nobody else gets anything.
#[tokio::test]
async fn l8_a_reset_is_mailed_to_whoever_it_is() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let nobody = world.service.nobody();
        world.operator().post("/v1/users/ext:vera/suspend", json!({})).await.is(200);
        let mut told = Vec::new();
        for email in [" MAX@example.com", "nobody@example.com", "vera@example.com", "no address"] {
            let reply = nobody.post("/v1/password-resets", json!({"email": email})).await;
            let mut headers = reply.headers.clone();
            headers.remove("x-request-id");
            told.push((reply.text.clone(), headers));
            reply.is(202);
        }
        assert!(told.iter().all(|reply| *reply == told[0]));
        let letter = mailbox.one(&world.service.roster).await;
        assert_eq!((letter.to.as_str(), letter.kind), ("max@example.com", "password_reset"));
        is_empty(&world).await;
        let path = format!("/v1/password-resets/{}", token(&letter));
        nobody.post(&path, json!({"password": PASSWORD})).await.is(204);
        nobody.post(&path, json!({"password": NEW})).await.refused(410, "reset_used");
        signed_in(&world, "max@example.com", PASSWORD).await.get(CLOUD).await.is(200);
        nobody.post("/v1/password-resets", json!({"email": "max@example.com"})).await.is(202);
        world.test().clock.advance_seconds(3_601);
        assert_eq!(collect(&world, &mailbox).await, [], "nobody waits for it any more");
        is_empty(&world).await;
    }
}

/// L8, M11: whoever may has it mailed, one by one or many; the link is shown to nobody.
#[tokio::test]
async fn l8_an_administrator_has_a_link_mailed() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let anna = world.person("anna").with("idempotency-key", "k1");
        let path = format!("{CLOUD}/members/ext:max/password-reset");
        let reply = anna.post(&path, json!({})).await;
        assert_eq!(reply.text, "", "not shown");
        reply.is(202);
        assert_eq!(anna.post(&path, json!({})).await.header("idempotency-replayed"), Some("true"));
        let letter = mailbox.one(&world.service.roster).await;
        assert_eq!(letter.to.as_str(), "max@example.com");
        let audit = world.operator().get(&format!("{CLOUD}/audit?action=user.updated")).await.is(200);
        assert_eq!(audit["data"][0]["after"], json!({"password": "reset_mailed"}));
        let owner = format!("{CLOUD}/members/ext:olga/password-reset");
        world.person("anna").post(&owner, json!({})).await.refused(403, "cannot_grant_unheld");
        let users = ["ext:max", "ext:olga", "ext:nobody", "ext:vera"];
        let bulk = json!({"action": "password_reset", "users": users});
        let job = world.person("anna").post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202);
        let wake = std::sync::Arc::default();
        roster_core::jobs::Worker::new(world.service.roster.clone(), wake).work_off().await.unwrap();
        let results = format!("/v1/jobs/{}/results", text(&job, "/job/id"));
        let rows = world.operator().get(&results).await.is(200)["data"].clone();
        let codes: Vec<_> =
            rows.as_array().unwrap().iter().map(|row| (&row["status"], &row["code"])).collect();
        let (changed, refused) = (json!("changed"), json!("refused"));
        let (none, unheld, unknown) = (Value::Null, json!("cannot_grant_unheld"), json!("not_found"));
        assert_eq!(codes, [(&changed, &none), (&refused, &unheld), (&refused, &unknown), (&changed, &none)]);
        let mut to: Vec<_> =
            collect(&world, &mailbox).await.iter().map(|letter| letter.to.as_str().to_owned()).collect();
        to.sort();
        assert_eq!(to, ["max@example.com", "vera@example.com"]);
        is_empty(&world).await;
    }
}

/// A new address is proved by its mailbox, the one before is told, and whose an address is is told at the proof only.
#[tokio::test]
async fn l8_an_address_changes_once_its_mailbox_is_proved() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let (nobody, max) = (world.service.nobody(), world.person("max"));
        for to in ["vera@example.com", "New@example.com"] {
            max.post("/v1/me/email", json!({"email": to})).await.is(202);
        }
        let letter = mailbox.one(&world.service.roster).await;
        assert_eq!(
            (letter.to.as_str(), letter.kind),
            ("New@example.com", "email_change"),
            "the last one asked for"
        );
        max.post("/v1/me/email", json!({"email": "vera@example.com"})).await.is(202);
        let taken = mailbox.one(&world.service.roster).await;
        let path = |letter| format!("/v1/email-changes/{}", token(letter));
        nobody.post(&path(&letter), json!({})).await.refused(410, "reset_expired");
        nobody.post(&path(&taken), json!({})).await.refused(409, "email_exists");
        max.post("/v1/me/email", json!({"email": "New@example.com"})).await.is(202);
        let letter = mailbox.one(&world.service.roster).await;
        let changed = nobody.post(&path(&letter), json!({})).await.is(200);
        assert_eq!(changed["email"], "New@example.com");
        nobody.post(&path(&letter), json!({})).await.refused(410, "reset_used");
        let notice = mailbox.one(&world.service.roster).await;
        assert_eq!((notice.to.as_str(), notice.kind), ("max@example.com", "email_changed"));
        is_empty(&world).await;
        let shown = world.person("anna").get(&format!("{CLOUD}/members?q=new@example")).await.is(200);
        assert_eq!(shown["data"][0]["external_id"], "max");
        let again = json!({"email": "max@example.com", "access": on_accounts(&[("north", "viewer")])});
        world.operator().post(&format!("{CLOUD}/members"), again).await.is(201);
        let key = world.service.bearer(&world.admin_key).on_behalf_of("ext:max");
        key.post("/v1/me/email", json!({"email": "x@example.com"})).await.refused(403, "forbidden");
    }
}

/// Re-authentication: a session that was begun long ago changes no address; a link lives an hour.
#[tokio::test]
async fn l8_an_address_is_changed_by_a_fresh_sign_in_only() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        world.service.nobody().post("/v1/password-resets", json!({"email": "max@example.com"})).await.is(202);
        let reset = mailbox.one(&world.service.roster).await;
        let path = format!("/v1/password-resets/{}", token(&reset));
        world.service.nobody().post(&path, json!({"password": PASSWORD})).await.is(204);
        world.test().clock.advance_seconds(1);
        let max = signed_in(&world, "max@example.com", PASSWORD).await;
        let body = json!({"email": "new@example.com"});
        max.post("/v1/me/email", body.clone()).await.is(202);
        let letter = mailbox.one(&world.service.roster).await;
        world.test().clock.advance_seconds(600);
        max.post("/v1/me/email", body).await.refused(401, "reauthentication_required");
        world.test().clock.advance_seconds(3_000);
        let path = format!("/v1/email-changes/{}", token(&letter));
        world.service.nobody().post(&path, json!({})).await.refused(410, "reset_expired");
        is_empty(&world).await;
    }
}

/// I9: one sender at a time. Whoever dies with a letter is followed by another; whoever wakes up changes nothing.
#[tokio::test]
async fn i9_a_letter_has_one_sender_at_a_time() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let roster = &world.service.roster;
        let body = json!({"email": "rita@example.com", "access": wide("viewer")});
        let made = world.person("anna").post(INVITATIONS, body).await.is(201);
        let home: Home = format!("organization:{}", text(&made, "/organization_id")).parse().unwrap();
        let records = roster.store.dump(&home).await.unwrap().records;
        let waiting = records.into_iter().find_map(|stored| match stored.record {
            Record::Mail(mail) => Some(mail),
            _ => None,
        });
        let (mail, holder) = (waiting.unwrap(), uuid::Uuid::from_u128(1));
        let (id, letter) = (mail.id, mail.letters[0].letter);
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        let take = TakeMail { home: home.clone(), id, holder };
        assert!(matches!(run(roster, &system, &take).await.unwrap().output, TakenMail::Mine(_)));
        assert_eq!(collect(&world, &mailbox).await, [], "another has it");
        world.test().clock.advance_seconds(121);
        assert_eq!(collect(&world, &mailbox).await.len(), 1, "it has died");
        let fate = Fate::Refused { for_good: false };
        let note = NoteFate { home, id, holder, letter, fate };
        assert_eq!(run(roster, &system.step("late"), &note).await.unwrap().output, None);
        let body = json!({"email": "rosa@example.com", "access": wide("viewer")});
        world.person("anna").post(INVITATIONS, body).await.is(201);
        let tries = mailbox.tries();
        let (one, two) = (Postman::new(roster.clone()).unwrap(), Postman::new(roster.clone()).unwrap());
        let (one, two) = futures::join!(one.work_off(), two.work_off());
        one.and(two).unwrap();
        assert_eq!(mailbox.tries(), tries + 1);
        is_empty(&world).await;
    }
}

/// I9: a pointer whose commit never came is taken away; a letter is found though its sender's process never looked.
#[tokio::test]
async fn i9_a_pointer_that_leads_nowhere_is_taken_away() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let roster = &world.service.roster;
        let id = MailId::from_uuid(uuid::Uuid::from_u128(3));
        let home: Home =
            format!("user:{}", text(&world.operator().get("/v1/users/ext:max").await.is(200), "/id"))
                .parse()
                .unwrap();
        let pointer = MailPointer { id, to: Sought::Letters(home) };
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        run(roster, &system, &PutMailPointer { pointer }).await.unwrap();
        let there = async || !roster.store.records(&id.outbox(), None, 10).await.unwrap().is_empty();
        assert_eq!(collect(&world, &mailbox).await, []);
        assert!(there().await, "its commit may be under way");
        world.test().clock.advance_seconds(62);
        assert_eq!(collect(&world, &mailbox).await, []);
        assert!(!there().await);
    }
}
