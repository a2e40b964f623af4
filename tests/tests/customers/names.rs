//! Names that sources say and hands change (rules G4, T3).

use roster_core::store::Clock as _;
use serde_json::{Value, json};

use crate::tenants::each;
use crate::{Customers, selected, text};

/// When a message was said: so many seconds before now.
fn ago(at: &Customers, seconds: i64) -> String {
    at.world.test().clock.now().plus_seconds(-seconds).to_string()
}

impl Customers {
    /// `zoe` belongs to `acme`, and both have a name, said so many seconds ago.
    async fn names(&self, name: &str, seconds: i64) {
        self.world.test().clock.advance_seconds(1);
        let said = ago(self, seconds);
        let batch = json!([
            {"type": "identify", "userId": "zoe", "traits": {"name": name}, "timestamp": said},
            {"type": "group", "userId": "zoe", "groupId": "acme", "traits": {"name": name}, "timestamp": said},
        ]);
        self.says("/v1/batch", json!({ "batch": batch })).await;
    }

    /// What the person, the account and the organization of a group are called.
    async fn called(&self) -> [String; 3] {
        let name = async |path: &str| text(&self.world.operator().get(path).await.is(200), "/name");
        [
            name("/v1/users/ext:zoe").await,
            name("/v1/organizations/ext:acme/accounts/ext:acme").await,
            name("/v1/organizations/ext:acme").await,
        ]
    }

    async fn renames(&self, name: &str) {
        let operator = self.world.operator();
        for path in [
            "/v1/users/ext:zoe",
            "/v1/organizations/ext:acme/accounts/ext:acme",
            "/v1/organizations/ext:acme",
        ] {
            operator.patch(path, json!({ "name": name })).await.is(200);
        }
    }

    /// What bears a version of its own, and is to keep it.
    async fn logged(&self) -> Value {
        let audit = self.world.operator().get("/v1/organizations/ext:acme/audit?limit=200").await.is(200);
        let home = self.world.operator().get("/v1/audit?limit=200").await.is(200);
        json!([audit["data"].as_array().unwrap().len(), home["data"].as_array().unwrap().len()])
    }
}

/// T3 for names: what was written by hand stays while sources say what they said, and gives way to another name.
#[tokio::test]
async fn g4_a_name_given_by_hand_stays_until_a_source_says_another() {
    for store in selected() {
        let mut at = Customers::making(store, each()).await;
        at.names("Old", 0).await;
        assert_eq!(at.called().await, ["Old", "Old", "Old"], "{store}");
        at.renames("By Hand").await;
        let before = at.logged().await;
        at.names("Old", 0).await;
        at.names("Old", 0).await;
        assert_eq!(at.called().await, ["By Hand", "By Hand", "By Hand"], "{store}");
        assert_eq!(at.logged().await, before, "{store}: nothing is written anew");
        at.names("New", 0).await;
        assert_eq!(at.called().await, ["New", "New", "New"], "{store}");
        // Back to the name from before, which differs from the last.
        at.renames("By Hand").await;
        at.names("Old", 0).await;
        assert_eq!(at.called().await, ["Old", "Old", "Old"], "{store}");

        // Two that call it by different names.
        let body = json!({"name": "Billing", "groups": each()});
        let made = at.world.operator().post("/v1/sources", body).await.is(201);
        let mut other = text(&made, "/write_key");
        let mut last = "Old";
        for (name, called) in [
            ("Old Ltd", "Old Ltd"),
            ("Old", "Old"),
            ("By Hand", "By Hand"),
            ("Old Ltd", "By Hand"),
            ("Old", "By Hand"),
            ("Older Ltd", "Older Ltd"),
        ] {
            if name == "By Hand" {
                at.renames(name).await;
            } else {
                std::mem::swap(&mut at.key, &mut other);
                at.names(name, 0).await;
            }
            assert_eq!(at.called().await, [called; 3], "{store}: {name} after {last}");
            last = name;
        }
        at.is_clean().await;
    }
}

/// G4: what was said before the hand wrote is old news, in whatever order it comes.
#[tokio::test]
async fn g4_an_older_name_that_comes_late_does_not_undo_a_hand() {
    for store in selected() {
        let at = Customers::making(store, each()).await;
        at.names("Old", 0).await;
        at.world.test().clock.advance_seconds(100);
        at.renames("By Hand").await;
        for seconds in [500, 50] {
            at.names("Late", seconds).await;
            assert_eq!(
                at.called().await,
                ["By Hand", "By Hand", "By Hand"],
                "{store}, {seconds} seconds ago"
            );
        }
        at.names("New", 0).await;
        assert_eq!(at.called().await, ["New", "New", "New"], "{store}");
        at.is_clean().await;
    }
}
