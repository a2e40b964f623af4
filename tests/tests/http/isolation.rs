//! One organization says nothing of another, and text is text: adversarial cases of tenants and of input.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::{World, join, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const OTHER: &str = "/v1/organizations/ext:other";

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["external_id"].as_str().unwrap_or("-")).collect()
}

/// One person in two organizations is two memberships: strong here, weak there, gone from one only.
#[tokio::test]
async fn a_person_in_two_organizations_is_judged_by_each() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let viewer = json!({"user": "ext:anna", "access": {"type": "organization", "role": "viewer"}});
        operator.post(&format!("{OTHER}/members"), viewer).await.is(201);
        let anna = world.person("anna");
        anna.patch(CLOUD, json!({"name": "Mine"})).await.is(200);
        anna.patch(OTHER, json!({"name": "Mine"})).await.refused(403, "forbidden");
        anna.delete(&format!("{OTHER}/members/ext:mia")).await.refused(403, "forbidden");
        operator.delete(&format!("{OTHER}/members/ext:anna")).await.is(200);
        anna.get(OTHER).await.refused(404, "not_found");
        anna.get(CLOUD).await.is(200);
        anna.delete(&format!("{CLOUD}/members/ext:max")).await.is(200);
        // A closed organization makes no name ambiguous.
        let north = json!({"name": "north", "external_id": "north"});
        operator.post(&format!("{OTHER}/accounts"), north).await.is(201);
        let nora = json!({"user": "ext:nora", "access": on_accounts(&[("north", "viewer")])});
        operator.post(&format!("{OTHER}/members"), nora).await.is(201);
        let role = "/v1/users/ext:nora/accounts/ext:north";
        operator.delete(role).await.refused(409, "ambiguous_external_id");
        operator.call(http::Method::DELETE, OTHER, Some(json!({"confirm": true}))).await.is(204);
        assert_eq!(operator.delete(role).await.is(200), json!({"changed": true}));
    }
}

/// The same address and the same external ids of accounts in two organizations: each sees and changes its own.
#[tokio::test]
async fn the_same_names_elsewhere_are_others() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        operator
            .post(&format!("{OTHER}/accounts"), json!({"name": "N", "external_id": "north"}))
            .await
            .is(201);
        join(&operator, "other", "nils", on_accounts(&[("north", "admin")])).await;
        let otto = world.person("otto");
        let found = otto.get(&format!("{OTHER}/members?q=nils@example.com")).await.is(200);
        assert_eq!(names(&found), ["nils"]);
        assert_eq!(names(&otto.get(&format!("{OTHER}/members?q=nora")).await.is(200)), [""; 0]);
        assert_eq!(otto.get(&format!("{OTHER}/seats")).await.is(200)["used"], 3);
        otto.delete(&format!("{OTHER}/accounts/ext:north/members/ext:nils")).await.is(200);
        let there = json!({"user": "ext:nils", "permission": "records:manage", "organization": "ext:cloud", "account": "ext:north"});
        assert_eq!(operator.post("/v1/check", there).await.is(200)["reason"], "granted");
        otto.patch(&format!("{OTHER}/accounts/ext:north"), json!({"name": "Theirs"})).await.is(200);
        assert_eq!(operator.get(&format!("{CLOUD}/accounts/ext:north")).await.is(200)["name"], "north");
        let csv = otto.with("accept", "text/csv").get(&format!("{OTHER}/members?status=all&limit=200")).await;
        assert!(!csv.text.contains("nora") && csv.text.contains("nils"), "{}", csv.text);
    }
}

/// Ids of another organization are nobody's, before any question of rights: owner, viewer and key hear the same.
#[tokio::test]
async fn ids_of_another_organization_do_not_exist() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let west = text(&operator.get(&format!("{OTHER}/accounts/ext:west")).await.is(200), "/id");
        let mia = text(&operator.get("/v1/users/ext:mia").await.is(200), "/id");
        let none = "acc_01m86fhhc4fck8px2m25s9841j";
        let viewer_key = world.service.bearer(&world.viewer_key);
        for caller in [world.person("olga"), world.person("vera"), world.person("nora"), viewer_key] {
            let mut pairs = Vec::new();
            for account in [west.as_str(), none] {
                let path = format!("{CLOUD}/accounts/{account}");
                let access = json!({"roles": [{"role": "viewer", "accounts": [account]}]});
                let body = json!({"name": "k", "access": {"type": "accounts", "accounts": [{"account": account, "role": "viewer"}]}});
                pairs.push([
                    caller.get(&path).await,
                    caller.delete(&path).await,
                    caller.put(&format!("{path}/members/ext:max"), json!({"role": "viewer"})).await,
                    caller.delete(&format!("{path}/members/ext:max")).await,
                    caller.post(&format!("{path}/members/remove"), json!({"users": ["ext:max"]})).await,
                    caller.put(&format!("{CLOUD}/members/ext:max/access"), access).await,
                    caller.post(&format!("{CLOUD}/api-keys"), body).await,
                    caller.get(&format!("{CLOUD}/members?account={account}")).await,
                ]);
            }
            for user in [mia.as_str(), "usr_01m86fhhc4fck8px2m25s9841j"] {
                let path = format!("{CLOUD}/members/{user}");
                caller.get(&path).await.refused(404, "not_found");
                caller.delete(&path).await.refused(404, "not_found");
            }
            for (foreign, unknown) in pairs[0].iter().zip(&pairs[1]) {
                assert_eq!(
                    (foreign.status.as_u16(), &foreign.body["code"]),
                    (404, &json!("not_found")),
                    "{}",
                    foreign.text
                );
                assert_eq!(foreign.body["detail"], unknown.body["detail"], "the same words for both");
            }
        }
    }
}

/// Names are kept as they are meant: normalised once, counted in code points, never part of anything else.
#[tokio::test]
async fn names_are_text() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let account = format!("{CLOUD}/accounts/ext:north");
        for (given, kept) in [
            ("Zoe\u{308}", "Zo\u{eb}"),
            ("  padded  ", "padded"),
            ("{a}:b\\c", "{a}:b\\c"),
            ("\u{1f680} rocket", "\u{1f680} rocket"),
            ("'; DROP TABLE members; --", "'; DROP TABLE members; --"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ] {
            let changed = operator.patch(&account, json!({"name": given})).await.is(200);
            assert_eq!(changed["name"], kept);
        }
        let longest = "\u{1f680}".repeat(200);
        let fits = operator.patch(&account, json!({"name": longest})).await;
        assert_eq!(fits.status, 200, "code points are counted, not bytes: {}", fits.text);
        for bad in
            ["", "   ", "a\r\nb", "a\u{0}b", "a\u{200b}b", "a\u{202e}b", "a\u{feff}b", &"x".repeat(65_536)]
        {
            operator.patch(&account, json!({"name": bad})).await.refused(422, "invalid");
        }
        for name in ["{evil}:x", "\u{fc}ber \u{1f680} & Co.", "..", "-"] {
            let body = json!({"name": name, "owner": {"email": "s@example.com"}});
            let made = operator.post("/v1/organizations", body).await.is(201);
            let slug = text(&made, "/slug");
            let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!((1..=63).contains(&slug.len()) && slug.chars().all(fits), "{slug}");
        }
        for slug in ["", "UPPER", "a b", "a_b", "\u{fc}", "a:b", &"a".repeat(64)] {
            let body = json!({"name": "S", "slug": slug, "owner": {"email": "s@example.com"}});
            operator.post("/v1/organizations", body).await.refused(422, "invalid");
        }
        let taken = json!({"name": "S", "slug": "cloud", "owner": {"email": "s@example.com"}});
        operator.post("/v1/organizations", taken).await.refused(409, "slug_exists");
        let made = json!({"name": "Cloud", "owner": {"email": "s@example.com"}});
        assert_eq!(operator.post("/v1/organizations", made).await.is(201)["slug"], "cloud-2");
    }
}
