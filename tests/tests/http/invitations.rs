//! Invitations from sending to accepted: rules I1 to I9, S1, S2, M7, M9.

use futures::future::join_all;
use roster_core::verify::verify_all;
use roster_tests::http::{Caller, Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const INVITATIONS: &str = "/v1/organizations/ext:cloud/invitations";
const PASSWORD: &str = "correct horse battery";

fn wide(role: &str) -> Value {
    json!({"type": "organization", "role": role})
}

async fn invited(caller: &Caller<'_>, name: &str, access: Value) -> String {
    let body = json!({"email": format!("{name}@example.com"), "access": access});
    text(&caller.post(INVITATIONS, body).await.is(201), "/id")
}

async fn token(caller: &Caller<'_>, id: &str) -> String {
    let link = caller.get(&format!("{INVITATIONS}/{id}/link")).await.is(200);
    text(&link, "/url").rsplit('/').next().unwrap().to_owned()
}

async fn sign_up(world: &World, token: &str, name: &str) -> Reply {
    let body = json!({"name": name, "password": PASSWORD});
    world.service.nobody().post(&format!("/v1/invitations/{token}/accept"), body).await
}

async fn used(world: &World) -> Value {
    world.operator().get(&format!("{CLOUD}/seats")).await.is(200)["used"].clone()
}

async fn assert_sound(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// I1, I2, I3: from the link to a membership and a session; looking consumes nothing; the link works once, and gives nothing
/// back that was taken since.
#[tokio::test]
async fn i3_an_invitation_makes_a_member_who_has_signed_up() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let before = used(&world).await.as_i64().unwrap();
        let id = invited(&anna, "rita", on_accounts(&[("north", "member")])).await;
        let shown = anna.get(&format!("{INVITATIONS}/{id}")).await.is(200);
        assert_eq!((&shown["status"], &shown["holds_seat"]), (&json!("pending"), &json!(true)));
        assert_eq!(shown["invited_by"]["type"], "user");
        assert_eq!(used(&world).await, before + 1, "S1: a pending invitation holds a seat");
        let token = token(&anna, &id).await;
        for _ in 0..3 {
            let seen = world.service.nobody().get(&format!("/v1/invitations/{token}")).await.is(200);
            assert_eq!(seen["organization"], json!({"name": "cloud"}));
            assert_eq!((&seen["role"], &seen["status"]), (&json!("member"), &json!("pending")));
            assert!(!seen.to_string().contains("rita"), "no address");
        }
        let accepted = sign_up(&world, &token, "Rita").await.is(200);
        assert_eq!(used(&world).await, before + 1, "S2: the seat goes from the invitation to the member");
        let rita = world.service.bearer(&text(&accepted, "/session/token"));
        let me = rita.get("/v1/me").await.is(200);
        assert_eq!(me["actor"]["type"], "user");
        assert_eq!(me["memberships"][0]["organization"]["name"], "cloud");
        rita.get(&format!("{CLOUD}/accounts/ext:north")).await.is(200);
        rita.get(&format!("{CLOUD}/accounts/ext:south")).await.refused(403, "forbidden");
        let again = rita.post(&format!("/v1/invitations/{token}/accept"), json!({})).await.is(200);
        assert_eq!((&again["member"], &again["session"]), (&accepted["member"], &Value::Null));
        assert_eq!(sign_up(&world, &token, "Rita").await.is(200)["member"], accepted["member"]);
        let max = world.person("max").post(&format!("/v1/invitations/{token}/accept"), json!({})).await;
        max.refused(410, "invitation_used");
        let user = text(&accepted, "/member/user_id");
        let lower = json!({"roles": [{"role": "viewer", "accounts": ["ext:south"]}]});
        world.operator().put(&format!("{CLOUD}/members/{user}/access"), lower).await.is(200);
        let lowered = world.operator().get(&format!("{CLOUD}/members/{user}")).await.is(200);
        let again = rita.post(&format!("/v1/invitations/{token}/accept"), json!({})).await.is(200);
        for member in [&again["member"], &sign_up(&world, &token, "Rita").await.is(200)["member"]] {
            assert_eq!(*member, lowered, "what was taken since is not given back");
        }
        assert_eq!(world.operator().get(&format!("{CLOUD}/members/{user}")).await.is(200), lowered);
        rita.get(&format!("{CLOUD}/accounts/ext:north")).await.refused(403, "forbidden");
        assert_eq!(used(&world).await, before + 1);
        for verb in ["resend", "link"] {
            let path = format!("{INVITATIONS}/{id}/{verb}");
            let reply =
                if verb == "link" { anna.get(&path).await } else { anna.post(&path, json!({})).await };
            reply.refused(409, "invitation_not_pending");
        }
        anna.delete(&format!("{INVITATIONS}/{id}")).await.refused(409, "invitation_not_pending");
        let audit = world.operator().get(&format!("{CLOUD}/audit?action=invitation.accepted")).await.is(200);
        assert_eq!(audit["data"].as_array().unwrap().len(), 1);
        assert_eq!(audit["data"][0]["actor"]["via"], json!(id));
        assert_sound(&world).await;
    }
}

/// I2: a second before its end it works, a second after it does not, and no clock brings it back.
#[tokio::test]
async fn i2_an_invitation_ends_at_its_second() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let (early, late) =
            (invited(&anna, "early", wide("viewer")).await, invited(&anna, "late", wide("viewer")).await);
        let before = used(&world).await.as_i64().unwrap();
        let (early, late_token) = (token(&anna, &early).await, token(&anna, &late).await);
        world.test().clock.advance_seconds(15 * 86_400 - 1);
        sign_up(&world, &early, "Early").await.is(200);
        world.test().clock.advance_seconds(1);
        let list = anna.get(&format!("{INVITATIONS}?status=expired")).await.is(200);
        assert_eq!(list["data"][0]["id"], json!(late));
        assert_eq!(used(&world).await, before - 1, "S1: what has ended by time holds no seat");
        sign_up(&world, &late_token, "Late").await.refused(410, "invitation_expired");
        world.test().clock.advance_seconds(-3_600);
        sign_up(&world, &late_token, "Late").await.refused(410, "invitation_expired");
        world.test().clock.advance_seconds(3_601);
        let resent = anna.post(&format!("{INVITATIONS}/{late}/resend"), json!({})).await.is(200);
        assert_eq!(resent["status"], "pending");
        sign_up(&world, &late_token, "Late").await.refused(410, "invitation_revoked");
        sign_up(&world, &token(&anna, &late).await, "Late").await.is(200);
        assert_sound(&world).await;
    }
}

/// I4, I5: resent, revoked, changed, declined; an old link is dead, a forged one was never there.
#[tokio::test]
async fn i4_links_die_when_they_are_replaced_revoked_or_declined() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let id = invited(&anna, "rita", wide("viewer")).await;
        let first = token(&anna, &id).await;
        anna.post(&format!("{INVITATIONS}/{id}/resend"), json!({})).await.is(200);
        let second = token(&anna, &id).await;
        assert_ne!(first, second);
        let nobody = world.service.nobody();
        nobody.get(&format!("/v1/invitations/{first}")).await.refused(410, "invitation_revoked");
        let changed = json!({"access": on_accounts(&[("south", "viewer")])});
        anna.patch(&format!("{INVITATIONS}/{id}"), changed).await.is(200);
        let nora = json!({"access": on_accounts(&[("north", "admin")])});
        world.person("nora").patch(&format!("{INVITATIONS}/{id}"), nora).await.refused(403, "forbidden");
        let mut forged = second.clone().into_bytes();
        forged[70] = if forged[70] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).unwrap();
        for bad in [forged.as_str(), "x", &second[1..]] {
            nobody.get(&format!("/v1/invitations/{bad}")).await.refused(404, "not_found");
            sign_up(&world, bad, "Rita").await.refused(404, "not_found");
        }
        anna.delete(&format!("{INVITATIONS}/{id}")).await.is(204);
        sign_up(&world, &second, "Rita").await.refused(410, "invitation_revoked");
        let other = invited(&anna, "rita", wide("viewer")).await;
        let third = token(&anna, &other).await;
        let (decline, keyed) =
            (format!("/v1/invitations/{third}/decline"), nobody.clone().with("idempotency-key", "one"));
        let declined = keyed.post(&decline, json!({})).await.is(200);
        assert_eq!(declined["status"], "declined");
        let again = keyed.post(&decline, json!({})).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.is(200), declined);
        sign_up(&world, &third, "Rita").await.refused(410, "invitation_used");
        invited(&anna, "rita", wide("viewer")).await;
        assert_sound(&world).await;
    }
}

/// I3, I7: only the invited address accepts; one pending an address; nobody who is in.
#[tokio::test]
async fn i7_an_address_is_one_however_it_is_written() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let id = invited(&anna, "Rita", wide("viewer")).await;
        let twin = json!({"email": " rita@EXAMPLE.com ", "access": wide("viewer")});
        anna.post(INVITATIONS, twin).await.refused(409, "invitation_exists");
        let bad = json!({"email": "rita＠example.com", "access": wide("viewer")});
        anna.post(INVITATIONS, bad).await.refused(422, "invalid");
        let max = json!({"email": "max@example.com", "access": wide("viewer")});
        anna.post(INVITATIONS, max).await.refused(409, "already_member");
        let link = token(&anna, &id).await;
        let path = format!("/v1/invitations/{link}/accept");
        let told = world.person("mia").post(&path, json!({})).await.refused(403, "wrong_recipient");
        assert!(!told.to_string().to_lowercase().contains("rita"), "the address is not told");
        world.service.nobody().post(&path, json!({})).await.refused(401, "unauthenticated");
        world.operator().post(&path, json!({})).await.refused(403, "forbidden");
        sign_up(&world, &link, "Rita").await.is(200);
        let owner = json!({"email": "rex@example.com", "access": wide("owner")});
        world.person("olga").post(INVITATIONS, owner).await.refused(403, "owner_by_transfer_only");
        let far = json!({"email": "rex@example.com", "access": wide("viewer"), "expires_in": 60});
        anna.post(INVITATIONS, far).await.refused(422, "invalid");
        assert_sound(&world).await;
    }
}

/// I3: an address that has a password signs in first; a session of another address is refused.
#[tokio::test]
async fn i3_an_address_with_a_password_signs_in_first() {
    for store in selected() {
        let world = World::on(store).await;
        let first = invited(&world.person("anna"), "rita", wide("viewer")).await;
        sign_up(&world, &token(&world.person("anna"), &first).await, "Rita").await.is(200);
        let body = json!({"email": "rita@example.com", "access": on_accounts(&[("west", "member")])});
        let made = world.person("otto").post("/v1/organizations/ext:other/invitations", body).await.is(201);
        let path = format!("/v1/organizations/ext:other/invitations/{}/link", text(&made, "/id"));
        let url = text(&world.person("otto").get(&path).await.is(200), "/url");
        let second = url.rsplit('/').next().unwrap().to_owned();
        sign_up(&world, &second, "Rita").await.refused(401, "unauthenticated");
        let body = json!({"email": "rita@example.com", "password": PASSWORD});
        let session = world.service.nobody().post("/v1/sessions", body).await.is(201);
        let rita = world.service.bearer(&text(&session, "/token"));
        let done = rita.post(&format!("/v1/invitations/{second}/accept"), json!({})).await.is(200);
        assert_eq!((&done["session"], &done["organization"]["name"]), (&Value::Null, &json!("other")));
        assert_eq!(rita.get("/v1/me").await.is(200)["memberships"].as_array().unwrap().len(), 2);
        assert_sound(&world).await;
    }
}

/// I6, M7: without the inviter, or with one who may not grant it any more, nobody comes in.
#[tokio::test]
async fn i6_an_invitation_is_worth_what_its_inviter_is() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, anna) = (world.operator(), world.person("anna"));
        let left = invited(&anna, "left", wide("admin")).await;
        let left = token(&operator, &left).await;
        let lowered = invited(&world.person("nora"), "lowered", on_accounts(&[("north", "admin")])).await;
        let link = token(&operator, &lowered).await;
        operator
            .put(&format!("{CLOUD}/accounts/ext:north/members/ext:nora"), json!({"role": "viewer"}))
            .await
            .is(200);
        sign_up(&world, &link, "Lowered").await.refused(409, "inviter_cannot_grant");
        operator.post(&format!("{INVITATIONS}/{lowered}/resend"), json!({})).await.is(200);
        sign_up(&world, &token(&operator, &lowered).await, "Lowered").await.is(200);
        operator.delete(&format!("{CLOUD}/members/ext:anna")).await.is(200);
        sign_up(&world, &left, "Left").await.refused(410, "invitation_revoked");
        operator
            .put(
                &format!("{CLOUD}/members/ext:anna/access"),
                json!({"roles": [{"role": "admin", "accounts": "all"}]}),
            )
            .await
            .is(200);
        sign_up(&world, &left, "Left").await.refused(410, "invitation_revoked");
        let gone = invited(&operator, "gone", on_accounts(&[("south", "viewer")])).await;
        let gone = token(&operator, &gone).await;
        operator.delete(&format!("{CLOUD}/accounts/ext:south")).await.is(200);
        sign_up(&world, &gone, "Gone").await.refused(409, "account_gone");
        let key = world.service.bearer(&world.viewer_key);
        key.post(INVITATIONS, json!({"email": "k@example.com", "access": wide("viewer")}))
            .await
            .refused(403, "forbidden");
        assert_sound(&world).await;
    }
}

/// M9: an old link does not bring back whoever was removed; a new invitation does.
#[tokio::test]
async fn m9_an_old_link_brings_nobody_back() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, anna) = (world.operator(), world.person("anna"));
        let id = invited(&anna, "rita", wide("viewer")).await;
        let link = token(&anna, &id).await;
        let user = text(&sign_up(&world, &link, "Rita").await.is(200), "/member/user_id");
        world.test().clock.advance_seconds(1);
        operator.delete(&format!("{CLOUD}/members/{user}")).await.is(200);
        let rita = world.service.user(&user);
        rita.post(&format!("/v1/invitations/{link}/accept"), json!({})).await.refused(410, "invitation_used");
        world.test().clock.advance_seconds(1);
        let again = invited(&anna, "rita", wide("viewer")).await;
        rita.post(&format!("/v1/invitations/{}/accept", token(&anna, &again).await), json!({})).await.is(200);
        let pending = invited(&anna, "fay", wide("viewer")).await;
        let pending = token(&anna, &pending).await;
        world.test().clock.advance_seconds(1);
        let fay = json!({"email": "fay@example.com", "external_id": "fay", "access": wide("viewer")});
        operator.post(&format!("{CLOUD}/members"), fay).await.is(201);
        operator.delete(&format!("{CLOUD}/members/ext:fay")).await.is(200);
        world
            .person("fay")
            .post(&format!("/v1/invitations/{pending}/accept"), json!({}))
            .await
            .refused(410, "invitation_revoked");
        assert_sound(&world).await;
    }
}

/// I8, S1: many at once, seats first, then an outcome a row.
#[tokio::test]
async fn i8_many_are_invited_with_an_outcome_each() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let row = |email: &str| json!({"email": email, "access": wide("viewer")});
        let rows = json!({"invitations": [
            row("one@example.com"), row("max@example.com"), row("ONE@example.com"), row("no address"),
            {"email": "two@example.com", "access": on_accounts(&[("west", "viewer")])},
            {"email": "three@example.com", "access": wide("owner")}, row("four@example.com"),
        ]});
        let results = anna.post(INVITATIONS, rows).await.is(200)["results"].clone();
        let told: Vec<_> = results
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["status"].as_str().unwrap(), row["code"].as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("invited", None),
                ("refused", Some("already_member")),
                ("unchanged", None),
                ("refused", Some("invalid")),
                ("refused", Some("not_found")),
                ("refused", Some("owner_by_transfer_only")),
                ("invited", None),
            ]
        );
        // Who reads on one account is not told what is given on another.
        let both = on_accounts(&[("north", "viewer"), ("south", "admin")]);
        let id = invited(&world.operator(), "both", both).await;
        let north = text(&world.operator().get(&format!("{CLOUD}/accounts/ext:north")).await.is(200), "/id");
        let cut = json!({"type": "accounts", "accounts": [{"account": north, "role": "viewer"}]});
        let nora = world.person("nora");
        assert_eq!(nora.get(&format!("{INVITATIONS}/{id}")).await.is(200)["access"], cut);
        let listed = nora.get(INVITATIONS).await.is(200)["data"].clone();
        let shown = listed.as_array().unwrap().iter().map(|row| &row["access"]);
        assert_eq!(shown.filter(|access| access["type"] == "accounts").collect::<Vec<_>>(), [&cut]);
        let seats = used(&world).await.as_i64().unwrap();
        world.operator().patch(&format!("{CLOUD}/seats"), json!({"purchased": seats + 300})).await.is(200);
        let many = |from: usize, to: usize| -> Value {
            (from..to).map(|n| row(&format!("m{n}@example.com"))).collect::<Vec<_>>().into()
        };
        let too_many = json!({"invitations": many(0, 301)});
        anna.post(INVITATIONS, too_many).await.refused(409, "no_seat");
        assert_eq!(used(&world).await, seats, "nothing is done");
        anna.post(INVITATIONS, json!({"invitations": many(0, 300)})).await.is(200);
        assert_eq!(used(&world).await, seats + 300);
        anna.post(INVITATIONS, json!({"invitations": []})).await.refused(422, "invalid");
        anna.post(INVITATIONS, row("full@example.com")).await.refused(409, "no_seat");
        assert_sound(&world).await;
    }
}

/// S1: fifty acceptances of invitations that hold no seat, for one seat: exactly one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_fifty_acceptances_for_one_seat() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        operator.patch(CLOUD, json!({"settings": {"invitations_hold_seats": false}})).await.is(200);
        let mut links = Vec::new();
        for n in 0..50 {
            let name = format!("r{n}");
            let id = invited(&operator, &name, wide("viewer")).await;
            let person = json!({"email": format!("{name}@example.com"), "external_id": name});
            operator.post("/v1/users", person).await.is(201);
            links.push((name, token(&operator, &id).await));
        }
        let seats = used(&world).await.as_i64().unwrap();
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats + 1})).await.is(200);
        let accepts = links.iter().map(|(name, link)| {
            let caller = world.person(name);
            async move { caller.post(&format!("/v1/invitations/{link}/accept"), json!({})).await }
        });
        let replies = join_all(accepts).await;
        let won = replies.iter().filter(|reply| reply.status == 200).count();
        let lost = replies
            .iter()
            .filter(|reply| matches!(reply.body["code"].as_str(), Some("no_seat" | "conflict")));
        assert_eq!((won, lost.count()), (1, 49));
        assert_eq!(used(&world).await, seats + 1);
        assert_sound(&world).await;
    }
}

/// I2: one link, many acceptances at once: one membership, one event, the same answer for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_one_link_accepted_by_many_requests_at_once() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        operator.post("/v1/users", json!({"email": "rita@example.com", "external_id": "rita"})).await.is(201);
        let id = invited(&operator, "rita", wide("viewer")).await;
        let path = format!("/v1/invitations/{}/accept", token(&operator, &id).await);
        let rita = world.person("rita");
        let replies = join_all((0..20).map(|_| rita.post(&path, json!({})))).await;
        let members: Vec<Value> = replies.into_iter().map(|reply| reply.is(200)["member"].clone()).collect();
        assert!(members.iter().all(|member| *member == members[0]));
        let audit = operator.get(&format!("{CLOUD}/audit?action=invitation.accepted")).await.is(200);
        assert_eq!(audit["data"].as_array().unwrap().len(), 1);
        assert_sound(&world).await;
    }
}

/// I6, M7: acceptance against revocation and against the inviter's removal: one order, and nobody in by a dead link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_acceptance_races_revocation_and_the_removal_of_the_inviter() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for round in 0..10 {
            let name = format!("p{round}");
            operator
                .post("/v1/users", json!({"email": format!("{name}@example.com"), "external_id": name}))
                .await
                .is(201);
            let boss = json!({"email": format!("b{round}@example.com"), "external_id": format!("b{round}"), "access": wide("admin")});
            operator.post(&format!("{CLOUD}/members"), boss).await.is(201);
            let id = invited(&world.person(&format!("b{round}")), &name, wide("viewer")).await;
            let path = format!("/v1/invitations/{}/accept", token(&operator, &id).await);
            let (guest, revoked) = (world.person(&name), format!("{INVITATIONS}/{id}"));
            let removal = format!("{CLOUD}/members/ext:b{round}");
            let (accepted, revoked, removed) = if round % 2 == 0 {
                let (accepted, revoked) =
                    futures::join!(guest.post(&path, json!({})), operator.delete(&revoked));
                (accepted, revoked.status == 204, false)
            } else {
                let (accepted, removed) =
                    futures::join!(guest.post(&path, json!({})), operator.delete(&removal));
                (accepted, false, removed.is(200)["changed"] == true)
            };
            if accepted.status == 200 {
                assert!(!revoked, "accepted and revoked");
            } else {
                assert!(revoked || removed, "{}", accepted.text);
                accepted.refused(410, "invitation_revoked");
            }
        }
        assert_sound(&world).await;
    }
}
