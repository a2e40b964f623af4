//! Leaving one account, several, a whole organization: rules M1, M2, M3, M5, M11, O2.

use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::json;

/// M1: takes that account and nothing else; twice is fine; the next request is refused.
#[tokio::test]
async fn a_member_removed_from_one_account_is_out_of_it_and_nothing_else() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let path = "/v1/organizations/ext:cloud/accounts/ext:north/members/ext:nils";
        assert_eq!(operator.delete(path).await.is(200), json!({"changed": true}));
        assert_eq!(operator.delete(path).await.is(200), json!({"changed": false}));
        world
            .person("nils")
            .get("/v1/organizations/ext:cloud/accounts/ext:north")
            .await
            .refused(403, "forbidden");
        world.person("nils").get("/v1/organizations/ext:cloud/accounts/ext:south").await.is(200);
        let member = operator.get("/v1/organizations/ext:cloud/members/ext:nils").await.is(200);
        assert_eq!(member["status"], "active");
        assert_eq!(member["access"]["accounts"].as_array().map(Vec::len), Some(1));
    }
}
