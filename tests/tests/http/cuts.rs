//! What a cut ends, on every replica: rules M7, L2, L5, L9, M12.

use roster_tests::http::{Caller, Service, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::{feed, later, verified, work_off};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const PASSWORD: &str = "correct horse battery";

/// Rita signs up as a member of `ext:cloud`; her id.
async fn rita(world: &World) -> String {
    let operator = world.operator();
    let access = json!({"type": "organization", "role": "member"});
    let ask = json!({"email": "rita@example.com", "access": access});
    let id = text(&operator.post(&format!("{CLOUD}/invitations"), ask).await.is(201), "/id");
    let link = operator.get(&format!("{CLOUD}/invitations/{id}/link")).await.is(200);
    let path = format!("/v1/invitations/{}/accept", text(&link, "/url").rsplit('/').next().unwrap());
    let body = json!({"name": "Rita", "password": PASSWORD});
    text(&world.service.nobody().post(&path, body).await.is(200), "/member/user_id")
}

/// A session and a key of hers, that are good.
async fn ways_in(at: &Service) -> (String, String) {
    let body = json!({"email": "rita@example.com", "password": PASSWORD});
    let session = text(&at.nobody().post("/v1/sessions", body).await.is(201), "/token");
    let key = json!({"name": "Laptop", "kind": "personal"});
    let key = at.bearer(&session).post(&format!("{CLOUD}/api-keys"), key).await.is(201);
    (session, text(&key, "/secret"))
}

async fn code(caller: &Caller<'_>) -> (u16, String) {
    let reply = caller.get(CLOUD).await;
    (reply.status.as_u16(), reply.body["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// M7, L2, L9, M12: out at the next request on the other replica too; back again, neither the session nor the key is.
#[tokio::test]
async fn m7_a_cut_ends_sessions_and_keys_on_every_replica() {
    for store in selected() {
        let world = World::on(store).await;
        let (user, operator) = (rita(&world).await, world.operator());
        let other = feed::replica(&world, 5).await;
        let member = format!("{CLOUD}/members/{user}");
        let again = json!({"roles": [{"role": "member", "accounts": "all"}]});
        let gone = refused(404, "not_found");
        let dead = refused(401, "unauthenticated");
        let late = refused(401, "reauthentication_required");
        for way in ["deactivate", "suspend", "remove", "expire", "erase"] {
            world.test().clock.advance_seconds(1);
            let (session, key) = ways_in(&world.service).await;
            let (session, key) = (other.bearer(&session), other.bearer(&key));
            assert_eq!((code(&session).await.0, code(&key).await.0), (200, 200), "{way}");
            world.test().clock.advance_seconds(1);
            let (out, back) = match way {
                "deactivate" => {
                    operator.post(&format!("{member}/deactivate"), json!({})).await.is(200);
                    (&gone, &late)
                }
                "suspend" => {
                    operator.post(&format!("/v1/users/{user}/suspend"), json!({})).await.is(200);
                    (&dead, &dead)
                }
                "remove" => {
                    operator.delete(&member).await.is(200);
                    (&gone, &late)
                }
                "expire" => {
                    operator.patch(&member, json!({"expires_at": later(&world, 60)})).await.is(200);
                    assert_eq!(code(&session).await.0, 200);
                    world.test().clock.advance_seconds(60);
                    (&gone, &late)
                }
                _ => {
                    let sure = json!({"confirm": true});
                    operator.post(&format!("/v1/users/{user}/erase"), sure).await.is(202);
                    (&dead, &dead)
                }
            };
            assert_eq!((&code(&session).await, &code(&key).await), (out, &dead), "{way}");
            match way {
                "deactivate" => {
                    drop(operator.post(&format!("{member}/reactivate"), json!({})).await.is(200));
                }
                "suspend" => {
                    drop(operator.post(&format!("/v1/users/{user}/unsuspend"), json!({})).await.is(200));
                }
                "remove" | "expire" => {
                    drop(operator.put(&format!("{member}/access"), again.clone()).await.is(200));
                }
                _ => work_off(&world).await,
            }
            assert_eq!((&code(&session).await, &code(&key).await), (back, &dead), "{way}, and back");
        }
        assert_eq!(operator.get(&format!("/v1/users/{user}")).await.is(200)["email"], Value::Null);
        verified(&world).await;
    }
}
