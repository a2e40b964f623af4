//! Out of order, late, repeated (rule G4).

use roster_core::home::Home;
use roster_core::stop::Stop;
use serde_json::{Value, json};

use crate::{Customers, drain, selected};

/// Every order of what was said ends the same.
#[tokio::test]
async fn g4_the_later_timestamp_wins_whatever_the_order() {
    for store in selected() {
        let said = [
            json!({"type": "identify", "userId": "zoe", "timestamp": "2026-01-01T00:00:01Z",
                "traits": {"plan": "free", "city": "Rome", "name": "Z"}}),
            json!({"type": "identify", "userId": "zoe", "timestamp": "2026-01-01T00:00:02Z",
                "traits": {"plan": "pro", "name": "Zoe"}}),
            json!({"type": "group", "userId": "zoe", "groupId": "north", "timestamp": "2026-01-01T00:00:03Z",
                "traits": {"mrr": 1}}),
            json!({"type": "group", "userId": "zoe", "groupId": "north", "timestamp": "2026-01-01T00:00:04Z",
                "assign": false, "traits": {"mrr": 2}}),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let at = Customers::on(store).await;
            for n in order {
                at.says("/v1/batch", json!({"batch": [said[n]]})).await;
            }
            // A message that unlinks a user who is not known yet waits until they are.
            at.replayed().await;
            let zoe = at.user("zoe").await.is(200);
            assert_eq!((&zoe["traits"]["plan"], &zoe["name"]), (&json!("pro"), &json!("Zoe")), "{order:?}");
            assert_eq!(zoe["traits"]["city"], json!("Rome"), "{order:?}");
            assert_eq!(at.role("zoe", "north").await, Value::Null, "{order:?}");
            assert_eq!(
                at.account("north").await["traits"]["mrr"],
                json!(2),
                "G2: as whoever goes says, {order:?}"
            );
            assert_eq!(at.dead().await, [""; 0], "{order:?}");
        }
    }
}

/// The same message again, also by another request and after a restart of the worker, has one effect; after seven days it
/// is another one.
#[tokio::test]
async fn g4_the_same_message_is_taken_in_once_in_seven_days() {
    for store in selected() {
        let at = Customers::on(store).await;
        let plan = |plan: &str, id: &str| json!({"userId": "zoe", "messageId": id, "traits": {"plan": plan}});
        let kept = async || at.user("zoe").await.is(200)["traits"]["plan"].clone();
        at.says("/v1/identify", plan("free", "m-1")).await;
        at.says("/v1/identify", plan("pro", "m-1")).await;
        assert_eq!(kept().await, json!("free"));
        let twice = json!([
            {"type": "identify", "userId": "zoe", "messageId": "m-2", "traits": {"plan": "a"}},
            {"type": "identify", "userId": "zoe", "messageId": "m-2", "traits": {"plan": "b"}},
        ]);
        at.says("/v1/batch", json!({"batch": twice})).await;
        assert_eq!(kept().await, json!("a"));
        let known = async || {
            let homes = at.service().roster.store.homes(None, 1_000).await.unwrap();
            homes.iter().filter(|home| matches!(home, Home::Stream(_, 2..))).count()
        };
        drain(&at.service().roster).forget(&Stop::default()).await.unwrap();
        assert_eq!(known().await, 2, "what is younger is known still");
        at.world.test().clock.advance_seconds(7 * 86_400 + 1);
        drain(&at.service().roster).forget(&Stop::default()).await.unwrap();
        assert_eq!(known().await, 0, "nothing is kept for longer");
        at.says("/v1/identify", plan("pro", "m-1")).await;
        assert_eq!(kept().await, json!("pro"));
    }
}

/// G4: a thousand times the same, by two workers, and by others after they were started again, has one effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_a_message_that_comes_a_thousand_times_counts_once() {
    for store in selected() {
        let at = Customers::on(store).await;
        let same = json!({"type": "track", "userId": "anna", "event": "Opened", "messageId": "m-1"});
        for _ in 0..2 {
            for _ in 0..2 {
                at.sender().post("/v1/batch", json!({"batch": vec![same.clone(); 250]})).await.is(200);
            }
            let (one, other) = (drain(&at.service().roster), drain(&at.service().roster));
            let (one, other) = tokio::join!(one.work_off(), other.work_off());
            one.and(other).unwrap();
            at.applied().await;
        }
        let activity = "/v1/organizations/ext:cloud/activity?group_by=event";
        let page = at.world.operator().get(activity).await.is(200);
        assert_eq!(page["data"][0]["count"], json!(1), "{store}");
        assert_eq!(at.dead().await, [""; 0], "{store}");
    }
}

/// Rules I7, X4: a person with two ids is not made of two, an address of somebody else is not taken, and an address that
/// somebody else gave is not a source's to change.
#[tokio::test]
async fn an_address_belongs_to_one_person() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        operator.post("/v1/users", json!({"email": "zoe@example.com"})).await.is(201);
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"email": "zoe@example.com"}})).await;
        assert_eq!(
            at.user("zoe").await.is(200)["email"],
            json!("zoe@example.com"),
            "known by address, now by id"
        );
        at.says("/v1/identify", json!({"userId": "eve", "traits": {"email": "zoe@example.com", "x": 1}}))
            .await;
        at.user("eve").await.refused(404, "not_found");
        at.says("/v1/identify", json!({"userId": "anna", "traits": {"email": "zoe@example.com"}})).await;
        assert_eq!(at.user("anna").await.is(200)["email"], json!("anna@example.com"));
        assert_eq!(at.dead().await, ["email_exists", "email_exists"]);
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"email": "new@example.com", "x": 1}}))
            .await;
        let zoe = at.user("zoe").await.is(200);
        assert_eq!((&zoe["email"], &zoe["traits"]["x"]), (&json!("zoe@example.com"), &json!(1)));
        for email in ["yan@example.com", "new@example.com"] {
            at.says("/v1/identify", json!({"userId": "yan", "traits": {"email": email}})).await;
            assert_eq!(at.user("yan").await.is(200)["email"], json!(email), "its own");
        }
        operator.post("/v1/users", json!({"email": "yan@example.com"})).await.is(201);
        at.is_clean().await;
    }
}

#[tokio::test]
async fn g5_an_alias_of_two_known_users_waits_as_a_dead_letter() {
    for store in selected() {
        let at = Customers::on(store).await;
        at.says("/v1/alias", json!({"userId": "anna", "previousId": "max"})).await;
        at.says("/v1/alias", json!({"userId": "anna", "previousId": "visitor-1"})).await;
        assert_eq!(at.dead().await, ["alias_of_two_users"]);
    }
}
