//! What an invitation is worth while people come and go around it: rules I6, I7, M5, M7, M9, S1.

use roster_core::due::settle_due;
use roster_core::store::Clock as _;
use roster_core::verify::verify_all;
use roster_tests::http::{Caller, Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

pub(super) const CLOUD: &str = "/v1/organizations/ext:cloud";
pub(super) const INVITATIONS: &str = "/v1/organizations/ext:cloud/invitations";
const PASSWORD: &str = "correct horse battery";

pub(super) fn wide(role: &str) -> Value {
    json!({"type": "organization", "role": role})
}

pub(super) async fn invite(caller: &Caller<'_>, name: &str, access: Value) -> Reply {
    let body = json!({"email": format!("{name}@example.com"), "access": access});
    caller.post(INVITATIONS, body).await
}

pub(super) async fn invited(caller: &Caller<'_>, name: &str, access: Value) -> String {
    text(&invite(caller, name, access).await.is(201), "/id")
}

async fn token(world: &World, id: &str) -> String {
    let link = world.operator().get(&format!("{INVITATIONS}/{id}/link")).await.is(200);
    text(&link, "/url").rsplit('/').next().unwrap().to_owned()
}

async fn sign_up(world: &World, token: &str) -> Reply {
    let body = json!({"name": "Rita", "password": PASSWORD});
    world.service.nobody().post(&format!("/v1/invitations/{token}/accept"), body).await
}

pub(super) async fn used(world: &World) -> i64 {
    world.operator().get(&format!("{CLOUD}/seats")).await.is(200)["used"].as_i64().unwrap()
}

pub(super) async fn status(world: &World, id: &str) -> Value {
    world.operator().get(&format!("{INVITATIONS}/{id}")).await.is(200)["status"].clone()
}

/// M7, S1: what one who left had sent is found however many others wait.
#[tokio::test]
async fn s1_invitations_of_one_who_left_hold_no_seat_behind_thousands_of_others() {
    let world = World::on("memory").await;
    let operator = world.operator();
    for part in 0..3 {
        let row = |n: u32| json!({"email": format!("w-{part}-{n}@example.com"), "access": wide("viewer")});
        let rows: Vec<Value> = (0..700).map(row).collect();
        operator.post(INVITATIONS, json!({ "invitations": rows })).await.is(200);
    }
    let mut last = Vec::new();
    for n in 0..3 {
        last.push(invited(&world.person("anna"), &format!("late-{n}"), wide("viewer")).await);
    }
    let before = used(&world).await;
    operator.delete(&format!("{CLOUD}/members/ext:anna")).await.is(200);
    assert_eq!(used(&world).await, before - 4, "hers, and those of whom she asked in");
    for id in last {
        assert_eq!(status(&world, &id).await, "revoked");
    }
}

pub(super) async fn assert_sound(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// I6, L9: while whoever invited is suspended, nobody comes in by it.
#[tokio::test]
async fn i6_a_suspended_inviter_lets_nobody_in() {
    for store in selected() {
        let world = World::on(store).await;
        let id = invited(&world.person("anna"), "rita", wide("viewer")).await;
        let link = token(&world, &id).await;
        world.operator().post("/v1/users/ext:anna/suspend", json!({})).await.is(200);
        sign_up(&world, &link).await.refused(410, "invitation_revoked");
        assert_eq!(status(&world, &id).await, "pending", "a suspension may end");
        world.operator().post("/v1/users/ext:anna/unsuspend", json!({})).await.is(200);
        sign_up(&world, &link).await.is(200);
        assert_sound(&world).await;
    }
}

/// M5, M7: one who is removed from everything counts no more, swept or not.
#[tokio::test]
async fn m5_an_inviter_cut_from_everything_lets_nobody_in() {
    for store in selected() {
        let world = World::on(store).await;
        let id = invited(&world.person("anna"), "rita", wide("viewer")).await;
        let link = token(&world, &id).await;
        world.operator().delete("/v1/users/ext:anna/accounts").await.is(202);
        sign_up(&world, &link).await.refused(410, "invitation_revoked");
        world.test().clock.advance_seconds(1);
        let again = invited(&world.operator(), "anna", wide("viewer")).await;
        assert_eq!(status(&world, &again).await, "pending", "M6: no member any more, swept or not");
        world.operator().post(&format!("{INVITATIONS}/{again}/resend"), json!({})).await.is(200);
    }
}

/// M6, M9, S1: an invitation of somebody who was removed since is dead however one looks at it, and bars no other.
#[tokio::test]
async fn m9_what_was_sent_before_a_removal_is_shown_dead_and_bars_nothing() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, nobody) = (world.operator(), world.service.nobody());
        operator.post("/v1/users", json!({"email": "rita@example.com", "external_id": "rita"})).await.is(201);
        let before = used(&world).await;
        for looked_at in ["", "invitation", "link", "preview", "decline", "resend", "edit"] {
            let id = invited(&operator, "rita", wide("viewer")).await;
            let link = format!("/v1/invitations/{}", token(&world, &id).await);
            world.test().clock.advance_seconds(1);
            operator.delete("/v1/users/ext:rita/accounts").await;
            crate::work_off(&world).await;
            world.test().clock.advance_seconds(1);
            match looked_at {
                "invitation" => assert_eq!(status(&world, &id).await, "revoked"),
                "link" => {
                    let shown = operator.get(&format!("{INVITATIONS}/{id}/link")).await;
                    shown.refused(409, "invitation_not_pending");
                }
                "decline" => {
                    nobody
                        .post(&format!("{link}/decline"), json!({}))
                        .await
                        .refused(410, "invitation_revoked");
                }
                "resend" => {
                    let sent = operator.post(&format!("{INVITATIONS}/{id}/resend"), json!({})).await;
                    sent.refused(409, "invitation_not_pending");
                }
                "edit" => {
                    let edited = operator.patch(&format!("{INVITATIONS}/{id}"), json!({"name": "R"})).await;
                    edited.refused(409, "invitation_not_pending");
                }
                "preview" => assert_eq!(nobody.get(&link).await.is(200)["status"], "revoked"),
                _ => {}
            }
            let again = invited(&operator, "rita", wide("viewer")).await;
            assert_eq!(status(&world, &id).await, "revoked", "{looked_at}");
            assert_eq!(used(&world).await, before + 1, "{looked_at}");
            operator.delete(&format!("{INVITATIONS}/{again}")).await.is(204);
            world.test().clock.advance_seconds(1);
        }
        assert_sound(&world).await;
    }
}

/// I6: whoever edits stands for it from then on, also one who had left before and is back.
#[tokio::test]
async fn i6_one_who_came_back_may_stand_for_an_older_invitation() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let id = invited(&operator, "rita", wide("viewer")).await;
        let other = invited(&operator, "rosa", wide("viewer")).await;
        world.test().clock.advance_seconds(1);
        operator.delete(&format!("{CLOUD}/members/ext:anna")).await.is(200);
        world.test().clock.advance_seconds(1);
        let back = json!({"roles": [{"role": "admin", "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:anna/access"), back).await.is(200);
        world.test().clock.advance_seconds(1);
        let anna = world.person("anna");
        let access = json!({"access": wide("member")});
        let changed = anna.patch(&format!("{INVITATIONS}/{id}"), access).await.is(200);
        assert_eq!(changed["invited_by"]["type"], "user");
        sign_up(&world, &token(&world, &id).await).await.is(200);
        anna.post(&format!("{INVITATIONS}/{other}/resend"), json!({})).await.is(200);
        world.test().clock.advance_seconds(1);
        operator.post(&format!("{CLOUD}/members/ext:anna/deactivate"), json!({})).await.is(200);
        assert_eq!(status(&world, &other).await, "revoked", "M7: dead with the deactivation");
        assert_sound(&world).await;
    }
}

/// M7, S1: the invitations of one who leaves, and of a key that is revoked, hold no seat any more.
#[tokio::test]
async fn s1_dead_invitations_hold_no_seats() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, anna) = (world.operator(), world.person("anna"));
        let key = world.service.bearer(&world.admin_key);
        let before = used(&world).await;
        let ids = [
            invited(&anna, "rita", wide("viewer")).await,
            invited(&key, "rosa", wide("viewer")).await,
            invited(&operator, "ruth", wide("viewer")).await,
        ];
        assert_eq!(used(&world).await, before + 3);
        operator.delete(&format!("{CLOUD}/members/ext:anna")).await.is(200);
        assert_eq!(used(&world).await, before + 1, "her own, and the one that hers held");
        let keys = operator.get(&format!("{CLOUD}/api-keys")).await.is(200);
        let keys = keys["data"].as_array().unwrap();
        let admin = keys.iter().find(|key| key["name"] == "admin").unwrap();
        operator.delete(&format!("{CLOUD}/api-keys/{}", text(admin, "/id"))).await.is(204);
        assert_eq!(used(&world).await, before);
        let told =
            [status(&world, &ids[0]).await, status(&world, &ids[1]).await, status(&world, &ids[2]).await];
        assert_eq!(told, ["revoked", "revoked", "pending"].map(Value::from));
        invited(&operator, "rita", wide("viewer")).await;
        let audit =
            operator.get(&format!("{CLOUD}/audit?action=invitation.revoked&actor=system")).await.is(200);
        assert_eq!(audit["data"].as_array().unwrap().len(), 2);
        assert_sound(&world).await;
    }
}

/// M7, M12, S1: what was invited by a key or a member whose time has ended holds no seat from that instant, though nobody
/// has swept or needs one; and where somebody sweeps, without anybody asking.
#[tokio::test]
async fn s1_what_was_invited_by_those_whose_time_has_ended_holds_no_seat() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, clock) = (world.operator(), &world.test().clock);
        let until = |seconds| json!(clock.now().plus_seconds(seconds));
        let made = |name: &str, seconds: i64| json!({"name": name, "access": wide("admin"), "expires_at": until(seconds)});
        let keys = format!("{CLOUD}/api-keys");
        let mut by = Vec::new();
        for (name, seconds) in
            [("ends", 60), ("turned", 60), ("longer", 60), ("shorter", 6_000), ("never", 60)]
        {
            let key = operator.post(&keys, made(name, seconds)).await.is(201);
            let caller = world.service.bearer(&text(&key, "/secret"));
            by.push((text(&key, "/id"), invited(&caller, &format!("by-{name}"), wide("viewer")).await));
        }
        let change = async |n: usize, end: Value| {
            let path = format!("{keys}/{}", by[n].0);
            operator.patch(&path, json!({"expires_at": end})).await.is(200);
        };
        operator.post(&format!("{keys}/{}/rotate", by[1].0), json!({"overlap_seconds": 600})).await.is(200);
        change(2, until(6_000)).await;
        change(3, until(60)).await;
        change(4, Value::Null).await;
        let guest = invited(&world.person("anna"), "by-anna", wide("viewer")).await;
        let before = used(&world).await;
        let anna = json!({"expires_at": until(60)});
        operator.patch(&format!("{CLOUD}/members/ext:anna"), anna).await.is(200);
        clock.advance_seconds(60);
        assert_eq!(used(&world).await, before - 5, "three of keys, anna's, and her own");
        let told = [&by[0].1, &by[1].1, &by[2].1, &by[3].1, &by[4].1, &guest];
        let expected = ["revoked", "revoked", "pending", "revoked", "pending", "revoked"];
        for (id, expected) in told.into_iter().zip(expected) {
            assert_eq!(status(&world, id).await, expected);
        }
        clock.advance_seconds(6_000);
        settle_due(&world.service.roster).await.unwrap();
        let audit =
            operator.get(&format!("{CLOUD}/audit?action=invitation.revoked&actor=system")).await.is(200);
        assert_eq!(audit["data"].as_array().unwrap().len(), 5, "{store}: swept before anybody asked");
        assert_eq!(used(&world).await, before - 6);
        operator.delete(&format!("{keys}/{}", by[2].0)).await.is(204);
        assert_sound(&world).await;
    }
}

/// I7, S1: whoever is added needs no invitation; their seat is the one that it held.
#[tokio::test]
async fn i7_an_invited_address_that_is_added_is_invited_no_more() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let ids = [
            invited(&operator, "rita", wide("viewer")).await,
            invited(&operator, "rosa", wide("viewer")).await,
            invited(&operator, "fred", wide("viewer")).await,
        ];
        let links = [token(&world, &ids[0]).await, token(&world, &ids[1]).await];
        let seats = used(&world).await;
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        let rita = json!({"email": "RITA@example.com", "access": wide("member")});
        operator.post(&format!("{CLOUD}/members"), rita).await.is(201);
        operator.post("/v1/users", json!({"email": "rosa@example.com", "external_id": "rosa"})).await.is(201);
        let rosa = format!("{CLOUD}/accounts/ext:north/members/ext:rosa");
        operator.put(&rosa, json!({"role": "viewer"})).await.is(201);
        let fred = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:fred/access"), fred).await.is(200);
        assert_eq!(used(&world).await, seats);
        for id in &ids {
            assert_eq!(status(&world, id).await, "revoked");
        }
        for link in &links {
            sign_up(&world, link).await.refused(410, "invitation_revoked");
        }
        assert_sound(&world).await;
    }
}

/// I6: what cannot be accepted any more is not sent again.
#[tokio::test]
async fn i6_nothing_is_sent_again_whose_role_or_account_is_gone() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let id = invited(&operator, "rita", on_accounts(&[("south", "viewer")])).await;
        operator.delete(&format!("{CLOUD}/accounts/ext:south")).await.is(200);
        let resend = format!("{INVITATIONS}/{id}/resend");
        operator.post(&resend, json!({})).await.refused(409, "account_gone");
        operator.patch(&format!("{CLOUD}/accounts/ext:south"), json!({"status": "active"})).await.is(200);
        operator.post(&resend, json!({})).await.is(200);
        let role = json!({"name": "Guest", "permissions": ["members:read"]});
        let role = text(&operator.post(&format!("{CLOUD}/roles"), role).await.is(201), "/id");
        let id = invited(&operator, "rosa", wide(&role)).await;
        world.test().clock.advance_seconds(16 * 86_400);
        assert_eq!(status(&world, &id).await, "expired");
        operator.get(&format!("/v1/invitations/{}", "x")).await.refused(404, "not_found");
        invite(&operator, "rosa", wide("viewer")).await.is(201);
        let late = format!("{INVITATIONS}/{id}/resend");
        operator.post(&late, json!({})).await.refused(409, "invitation_exists");
        let list = operator.get(&format!("{INVITATIONS}?status=pending")).await.is(200);
        let rosa =
            list["data"].as_array().unwrap().iter().find(|row| row["email"] == "rosa@example.com").unwrap();
        operator.delete(&format!("{INVITATIONS}/{}", text(rosa, "/id"))).await.is(204);
        operator.delete(&format!("{CLOUD}/roles/{role}")).await.is(204);
        operator.post(&late, json!({})).await.refused(409, "role_gone");
        assert_sound(&world).await;
    }
}

/// Conventions: an acceptance that is sent again is answered as it was, with the same session.
#[tokio::test]
async fn i2_an_acceptance_may_be_sent_again() {
    for store in selected() {
        let world = World::on(store).await;
        let id = invited(&world.operator(), "rita", wide("viewer")).await;
        let path = format!("/v1/invitations/{}/accept", token(&world, &id).await);
        let body = json!({"name": "Rita", "password": PASSWORD});
        let nobody = world.service.nobody().with("idempotency-key", "k1");
        let first = nobody.post(&path, body.clone()).await.is(200);
        let again = nobody.post(&path, body).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.is(200), first);
        let other = json!({"name": "Rita", "password": "another password"});
        nobody.post(&path, other).await.refused(422, "idempotency_mismatch");
        let second = invited(&world.operator(), "rosa", wide("viewer")).await;
        let path = format!("/v1/invitations/{}/accept", token(&world, &second).await);
        let rosa = json!({"name": "Rosa", "password": PASSWORD});
        let answer = nobody.post(&path, rosa).await;
        assert_eq!(answer.header("idempotency-replayed"), None, "another link, another visitor");
        answer.is(200);
        assert_sound(&world).await;
    }
}

/// M7, S1: what one has sent ends with them, whatever they held last.
#[tokio::test]
async fn m7_invitations_end_with_one_who_was_lowered_before() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let before = used(&world).await;
        let id = invited(&world.person("anna"), "rita", wide("viewer")).await;
        let lower = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:anna/access"), lower).await.is(200);
        operator.delete(&format!("{CLOUD}/members/ext:anna")).await.is(200);
        assert_eq!((status(&world, &id).await, used(&world).await), (json!("revoked"), before - 1));
        assert_sound(&world).await;
    }
}

/// M7, M12, I6: what somebody sent is dead when their time is over, though nobody has written it down: nobody brings it
/// back, and it is in nobody's way.
#[tokio::test]
async fn m12_what_ended_with_its_inviter_is_not_brought_back() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let end = crate::later(&world, 3_600);
        let ask = json!({"name": "Short", "access": wide("admin"), "expires_at": end});
        let key = operator.post(&format!("{CLOUD}/api-keys"), ask).await.is(201);
        let key = world.service.bearer(&text(&key, "/secret"));
        operator.patch(&format!("{CLOUD}/members/ext:anna"), json!({"expires_at": end})).await.is(200);
        let dead = [
            ("rita", invited(&key, "rita", wide("viewer")).await),
            ("rosa", invited(&world.person("anna"), "rosa", wide("viewer")).await),
        ];
        let seen = [
            ("zoe", invited(&key, "zoe", wide("viewer")).await),
            ("zac", invited(&world.person("anna"), "zac", wide("viewer")).await),
        ];
        let mut links = Vec::new();
        for (_, id) in &seen {
            links.push(token(&world, id).await);
        }
        let seats = used(&world).await;
        world.test().clock.advance_seconds(3_600);
        // Looked at, it is told dead, and gives its seat back.
        for ((name, id), link) in seen.iter().zip(links) {
            if *name == "zoe" {
                assert_eq!(status(&world, id).await, "revoked", "{name}");
            }
            let link = format!("/v1/invitations/{link}");
            if *name == "zac" {
                let declined = world.service.nobody().post(&format!("{link}/decline"), json!({})).await;
                declined.refused(410, "invitation_revoked");
            }
            for _ in 0..2 {
                assert_eq!(world.service.nobody().get(&link).await.is(200)["status"], "revoked", "{name}");
            }
            let shown = operator.get(&format!("{INVITATIONS}/{id}/link")).await;
            shown.refused(409, "invitation_not_pending");
        }
        for (name, id) in dead {
            let one = format!("{INVITATIONS}/{id}");
            let longer = operator.patch(&one, json!({"expires_in": 86_400})).await;
            longer.refused(409, "invitation_not_pending");
            let again = operator.post(&format!("{one}/resend"), json!({})).await;
            again.refused(409, "invitation_not_pending");
            invited(&operator, name, wide("viewer")).await;
            assert_eq!(status(&world, &id).await, "revoked", "{name}");
        }
        assert_eq!(used(&world).await, seats - 3, "her own, and those that were looked at");
        assert_sound(&world).await;
    }
}

/// Permissions: whoever may manage invitations sends them again, without the right to read them.
#[tokio::test]
async fn i4_sending_again_takes_the_right_to_manage_only() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let role = json!({"name": "Door", "permissions": ["invitations:manage", "organization:read", "accounts:read", "members:read"]});
        let role = text(&operator.post(&format!("{CLOUD}/roles"), role).await.is(201), "/id");
        let door = json!({"roles": [{"role": role, "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:max/access"), door).await.is(200);
        let id = invited(&operator, "rita", wide("viewer")).await;
        let max = world.person("max");
        max.get(&format!("{INVITATIONS}/{id}")).await.refused(403, "forbidden");
        max.post(&format!("{INVITATIONS}/{id}/resend"), json!({})).await.is(200);
        world
            .person("mia")
            .post(&format!("{INVITATIONS}/{id}/resend"), json!({}))
            .await
            .refused(404, "not_found");
    }
}
