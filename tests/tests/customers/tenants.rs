//! Groups that are organizations, or that name theirs by a trait, and that nobody has heard of yet (rules G2, G4, G6, G7,
//! O1, O6).

use std::sync::Arc;

use roster_core::home::Home;
use roster_core::op::Roster;
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::gate::Between;
use serde_json::{Value, json};

use crate::{Customers, drain, selected, text};

impl Customers {
    /// A source whose unseen groups make organizations that olga owns, who owns `ext:cloud` too.
    pub(crate) async fn making(store: &str, groups: Value) -> Self {
        let at = Self::with(store, groups).await;
        let owned = json!({"organization_owner": "ext:olga"});
        at.world.operator().patch(&format!("/v1/sources/{}", at.source), owned).await.is(200);
        at
    }

    pub(crate) async fn organization(&self, external: &str) -> Value {
        self.world.operator().get(&format!("/v1/organizations/ext:{external}")).await.is(200)
    }

    /// External id and role of everybody on an account, sorted.
    pub(crate) async fn on_account(&self, organization: &str, account: &str) -> Vec<(String, String)> {
        let path = format!("/v1/organizations/ext:{organization}/accounts/ext:{account}/members");
        let page = self.world.operator().get(&path).await.is(200);
        let rows = page["data"].as_array().unwrap().iter();
        let mut found: Vec<_> = rows.map(|row| (text(row, "/external_id"), text(row, "/role"))).collect();
        found.sort();
        found
    }

    async fn accounts(&self, organization: &str) -> Vec<String> {
        let path = format!("/v1/organizations/ext:{organization}/accounts");
        let page = self.world.operator().get(&path).await.is(200);
        page["data"].as_array().unwrap().iter().map(|row| text(row, "/external_id")).collect()
    }

    pub(crate) async fn how_many(&self) -> usize {
        let page = self.world.operator().get("/v1/organizations?limit=200&status=all").await.is(200);
        page["data"].as_array().unwrap().len()
    }
}

pub(crate) fn each() -> Value {
    json!({"to": "each"})
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(user, role)| ((*user).to_owned(), (*role).to_owned())).collect()
}

/// G2, O1: an unseen group is an organization, with an account of the same id, one owner, and the person as a member.
#[tokio::test]
async fn g2_an_unseen_group_is_an_organization_of_the_owner_that_an_operator_has_named() {
    for store in selected() {
        let at = Customers::making(store, each()).await;
        let group = json!({"userId": "zoe", "groupId": "acme", "traits": {"name": "Acme", "plan": "pro"}});
        at.says("/v1/group", group).await;
        let acme = at.organization("acme").await;
        assert_eq!((&acme["name"], &acme["traits"]["plan"]), (&json!("Acme"), &json!("pro")));
        assert_eq!(text(&acme, "/owner/email"), "olga@example.com");
        assert_eq!(at.accounts("acme").await, ["acme"]);
        assert_eq!(at.on_account("acme", "acme").await, pairs(&[("olga", "owner"), ("zoe", "member")]));
        let audit = at.world.operator().get("/v1/organizations/ext:acme/audit").await.is(200);
        let made = audit["data"].as_array().unwrap().iter();
        let made: Vec<_> = made.filter(|row| row["action"] == json!("organization.created")).collect();
        assert_eq!(made.len(), 1);
        assert_eq!(text(made[0], "/actor/type"), "source");
        assert_eq!(text(made[0], "/actor/id"), at.source);
        assert_eq!(at.dead().await, [""; 0]);
        at.is_clean().await;
    }
}

/// G4: the same again makes nothing twice, whether it bears the same id or not; `identify` and `link` make it as well.
#[tokio::test]
async fn g4_an_unseen_group_that_is_told_of_twice_is_one_organization() {
    for store in selected() {
        let at = Customers::making(store, each()).await;
        let before = at.how_many().await;
        for id in ["m-1", "m-1", "m-2"] {
            at.says("/v1/group", json!({"userId": "zoe", "groupId": "acme", "messageId": id})).await;
        }
        let batch = json!([
            {"type": "group", "userId": "zoe", "groupId": "beta"},
            {"type": "group", "userId": "yan", "groupId": "beta"},
            {"type": "identify", "userId": "xia", "traits": {"company": {"id": "gamma", "name": "Gamma"}}},
        ]);
        at.says("/v1/batch", json!({ "batch": batch })).await;
        at.says("/analytics/v1/link", json!({"userId": "xia", "accountId": "delta", "messageId": "l"})).await;
        assert_eq!(at.how_many().await, before + 4, "acme, beta, gamma, delta");
        assert_eq!(at.organization("gamma").await["name"], json!("Gamma"));
        assert_eq!(
            at.on_account("beta", "beta").await,
            pairs(&[("olga", "owner"), ("yan", "member"), ("zoe", "member")])
        );
        assert_eq!(at.on_account("delta", "delta").await, pairs(&[("olga", "owner"), ("xia", "member")]));
        assert_eq!(at.dead().await, [""; 0]);
        at.is_clean().await;
    }
}

/// G4: whatever the order, the name is the one that was said last, and who was unlinked last is out.
#[tokio::test]
async fn g4_an_unseen_group_is_the_same_in_whatever_order_it_is_told_of() {
    for store in selected() {
        let said = [
            json!({"type": "group", "userId": "zoe", "groupId": "acme", "timestamp": "2026-01-01T00:00:01Z",
                "traits": {"name": "Acme", "plan": "free"}}),
            json!({"type": "group", "userId": "zoe", "groupId": "acme", "timestamp": "2026-01-01T00:00:02Z",
                "traits": {"name": "Acme Ltd", "plan": "pro"}}),
            json!({"type": "group", "userId": "zoe", "groupId": "acme", "timestamp": "2026-01-01T00:00:03Z"}),
            json!({"type": "group", "userId": "zoe", "groupId": "acme", "timestamp": "2026-01-01T00:00:04Z",
                "assign": false}),
            json!({"type": "group", "userId": "yan", "groupId": "acme", "timestamp": "2026-01-01T00:00:05Z"}),
        ];
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 3, 4, 1], [3, 4, 1, 2, 0]] {
            let at = Customers::making(store, each()).await;
            for n in order {
                at.says("/v1/batch", json!({"batch": [said[n]]})).await;
            }
            // What unlinks somebody from a group that nobody had told of waits until one has.
            at.replayed().await;
            let acme = at.organization("acme").await;
            assert_eq!(
                (&acme["name"], &acme["traits"]["plan"]),
                (&json!("Acme Ltd"), &json!("pro")),
                "{order:?}"
            );
            let on = at.on_account("acme", "acme").await;
            assert_eq!(on, pairs(&[("olga", "owner"), ("yan", "member")]), "{order:?}");
            assert_eq!(at.dead().await, [""; 0], "{order:?}");
            let found = at.world.operator().get("/v1/organizations?q=ltd").await.is(200);
            assert_eq!(found["data"].as_array().unwrap().len(), 1, "{order:?}: found by the name it has now");
            at.is_clean().await;
        }
    }
}

/// G2, M9: who was unlinked from it is linked again by the source, and by no source if a hand took them out.
#[tokio::test]
async fn g2_unlinking_works_in_an_organization_that_a_group_made() {
    for store in selected() {
        let at = Customers::making(store, each()).await;
        let group = json!({"userId": "zoe", "groupId": "acme"});
        let out = json!({"userId": "zoe", "traits": {"company": {"id": "acme", "remove": true}}});
        at.says("/v1/group", group.clone()).await;
        at.says("/v1/identify", out).await;
        assert_eq!(at.on_account("acme", "acme").await, pairs(&[("olga", "owner")]));
        at.says("/v1/group", group.clone()).await;
        assert_eq!(at.on_account("acme", "acme").await.len(), 2);
        at.world.operator().delete("/v1/organizations/ext:acme/members/ext:zoe").await.is(200);
        at.says("/v1/group", group).await;
        assert_eq!(at.on_account("acme", "acme").await, pairs(&[("olga", "owner")]));
        // O2: the owner stays, whatever a source says of them.
        at.says("/v1/group", json!({"userId": "olga", "groupId": "acme", "assign": false})).await;
        assert_eq!(at.dead().await, ["owner_must_transfer", "removed_by_hand"]);
        at.is_clean().await;
    }
}

/// G2: by a trait, the organization has the accounts that name it and no other ones.
#[tokio::test]
async fn g2_a_trait_names_an_organization_that_nobody_has_heard_of() {
    for store in selected() {
        let at = Customers::making(store, json!({"to": "trait", "trait": "tenant"})).await;
        for (group, name) in [("east", "East"), ("west", "West")] {
            let traits = json!({"tenant": 77, "name": name});
            at.says("/v1/group", json!({"userId": "zoe", "groupId": group, "traits": traits})).await;
        }
        let made = at.organization("77").await;
        assert_eq!(
            (text(&made, "/name"), text(&made, "/owner/email")),
            ("77".to_owned(), "olga@example.com".to_owned())
        );
        assert_eq!(made["traits"], json!({}), "what is said of the account is the account's");
        let mut accounts = at.accounts("77").await;
        accounts.sort();
        assert_eq!(accounts, ["east", "west"]);
        assert_eq!(at.on_account("77", "west").await, pairs(&[("olga", "owner"), ("zoe", "member")]));
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "south"})).await;
        assert_eq!(at.dead().await, ["missing_organization"], "nothing says in which");
        at.is_clean().await;
    }
}

/// O1, G5: nobody is made the owner whom no operator has named; what waits for one is applied by a replay.
#[tokio::test]
async fn o1_without_an_owner_an_unseen_group_waits() {
    for store in selected() {
        let at = Customers::with(store, each()).await;
        let (operator, path) = (at.world.operator(), format!("/v1/sources/{}", at.source));
        let before = at.how_many().await;
        for group in ["acme", "beta"] {
            at.says("/v1/group", json!({"userId": "zoe", "groupId": group, "traits": {"owner": "zoe"}}))
                .await;
        }
        assert_eq!(at.dead().await, ["organization_not_found", "organization_not_found"]);
        assert_eq!(at.how_many().await, before);
        // One is made by an operator; for the other an owner is named.
        let acme = json!({"name": "Acme", "external_id": "acme", "owner": {"email": "max@example.com"}});
        operator.post("/v1/organizations", acme).await.is(201);
        at.replayed().await;
        assert_eq!(at.dead().await, ["organization_not_found"]);
        assert_eq!(text(&at.organization("acme").await, "/owner/email"), "max@example.com");
        operator.patch(&path, json!({"organization_owner": "ext:olga"})).await.is(200);
        at.replayed().await;
        assert_eq!(at.dead().await, [""; 0]);
        assert_eq!(text(&at.organization("beta").await, "/owner/email"), "olga@example.com");
        assert_eq!(at.on_account("beta", "beta").await, pairs(&[("olga", "owner"), ("zoe", "member")]));
        // The name that an operator gave stays, whatever traits are called.
        let traits = json!({".name": 1, "name": "Evil"});
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "acme", "traits": traits})).await;
        assert_eq!(at.organization("acme").await["traits"][".name"], json!(1));
        assert_eq!(at.organization("acme").await["name"], json!("Acme"));
        at.is_clean().await;
    }
}

/// G7, L5: what was closed stays closed, and an erased person owns nothing new.
#[tokio::test]
async fn g7_a_closed_organization_and_an_erased_owner_do_not_come_back() {
    for store in selected() {
        let at = Customers::with(store, each()).await;
        let (operator, path) = (at.world.operator(), format!("/v1/sources/{}", at.source));
        let user = json!({"email": "staff@example.com", "external_id": "staff"});
        operator.post("/v1/users", user).await.is(201);
        let owned = json!({"organization_owner": "ext:staff"});
        let shown = operator.patch(&path, owned).await.is(200);
        let id = text(&operator.get("/v1/users/ext:staff").await.is(200), "/id");
        assert_eq!(text(&shown, "/organization_owner"), id);
        let erase = json!({"confirm": true});
        operator.post("/v1/users/ext:staff/erase", erase.clone()).await.is(202);
        at.works_off().await;
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "acme"})).await;
        assert_eq!(at.dead().await, ["organization_owner_gone"]);
        operator.patch(&path, json!({"organization_owner": "ext:olga"})).await.is(200);
        at.replayed().await;
        assert_eq!(at.dead().await, [""; 0]);
        let close = operator.call(http::Method::DELETE, "/v1/organizations/ext:acme", Some(erase));
        close.await.is(204);
        let before = at.how_many().await;
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "acme", "traits": {"name": "Acme"}})).await;
        assert_eq!((at.how_many().await, at.dead().await.len()), (before, 1));
        // O7, T7: nobody is a member any more, and nothing that anybody does counts there.
        let track = json!({"userId": "zoe", "event": "Report Opened"});
        at.says("/v1/track", track.clone()).await;
        assert_eq!(at.dead().await.len(), 1);
        let mut within = track;
        within["context"] = json!({"groupId": "acme"});
        at.says("/v1/track", within).await;
        assert!(at.dead().await.contains(&"organization_closed".to_owned()), "{:?}", at.dead().await);
        let acme = Home::Activity(text(&at.organization("acme").await, "/id").parse().unwrap());
        assert_eq!(at.service().roster.store.dump(&acme).await.unwrap().records, [], "{store}");
        assert_eq!(at.organization("acme").await["status"], json!("closed"));
    }
}

/// Conventions: who is named exists; with one organization for all groups there is nothing to own.
#[tokio::test]
async fn an_owner_is_named_by_operators_where_groups_make_organizations() {
    for store in selected() {
        let at = Customers::on(store).await;
        let (operator, path) = (at.world.operator(), format!("/v1/sources/{}", at.source));
        let owned = |who: &str| json!({"organization_owner": who});
        operator.patch(&path, owned("ext:olga")).await.refused(422, "invalid");
        // What cannot be comes before whoever is not there.
        operator.patch(&path, owned("ext:nobody")).await.refused(422, "invalid");
        let one = json!({"to": "one", "organization": "ext:cloud"});
        let both = json!({"name": "Other", "groups": one, "organization_owner": "ext:nobody"});
        operator.post("/v1/sources", both).await.refused(422, "invalid");
        let mut other = json!({"name": "Other", "groups": each(), "organization_owner": "ext:nobody"});
        operator.post("/v1/sources", other.clone()).await.refused(404, "not_found");
        other["organization_owner"] = json!("ext:olga");
        at.world.person("anna").post("/v1/sources", other.clone()).await.refused(403, "forbidden");
        let made = operator.post("/v1/sources", other).await.is(201);
        let path = format!("/v1/sources/{}", text(&made, "/id"));
        let olga = at.user("olga").await.is(200);
        assert_eq!(made["organization_owner"], olga["id"]);
        operator.patch(&path, owned("ext:nobody")).await.refused(404, "not_found");
        let mut role = owned("ext:nobody");
        role["default_role"] = json!("owner");
        operator.patch(&path, role.clone()).await.refused(404, "not_found");
        role["organization_owner"] = json!("ext:olga");
        operator.patch(&path, role).await.refused(403, "owner_by_transfer_only");
        let none = json!({"new_organizations_per_day": 0});
        operator.patch("/v1/sources/src_none", none.clone()).await.refused(422, "invalid");
        operator.patch(&path, none).await.refused(422, "invalid");
        operator
            .patch(&path, json!({"groups": {"to": "one", "organization": "ext:cloud"}}))
            .await
            .refused(422, "invalid");
        let cleared = operator.patch(&path, json!({"organization_owner": null})).await.is(200);
        assert_eq!(cleared["organization_owner"], Value::Null);
    }
}

/// G5, O1: wherever the worker dies, the group is one organization with one owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_whenever_the_worker_dies_an_unseen_group_is_one_organization() {
    for store in selected() {
        let one_life = async |crash: &Arc<Crash>| {
            let at = Customers::making(store, each()).await;
            let group =
                json!({"userId": "zoe", "groupId": "acme", "messageId": "1", "traits": {"name": "Acme"}});
            at.sender().post("/v1/group", group).await.is(200);
            let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Crash>::clone(crash));
            let dying = Roster { store: below, ..at.service().roster.clone() };
            let _dead = drain(&dying).work_off().await;
            at
        };
        let whole = Crash::never();
        let before = one_life(&whole).await.how_many().await;
        assert!(whole.commits() > 10);
        let step = if store == "memory" { 1 } else { 23 };
        for n in (0..whole.commits()).step_by(step) {
            for loss in [Loss::Commit, Loss::Answer] {
                let at = one_life(&Crash::at(n, loss, Afterwards::Down)).await;
                // Pointers that lead nowhere are dead by then.
                at.world.test().clock.advance_seconds(61);
                at.applied().await;
                let seen = (at.how_many().await, at.dead().await.len(), at.on_account("acme", "acme").await);
                let expected = (before, 0, pairs(&[("olga", "owner"), ("zoe", "member")]));
                assert_eq!(seen, expected, "{store}, cut off at commit {n} ({loss:?})");
                at.is_clean().await;
            }
        }
    }
}

/// O1: two sources that tell of the same unseen group at once make one organization.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o1_two_sources_that_tell_of_the_same_unseen_group_make_one_organization() {
    for store in selected() {
        let at = Customers::making(store, each()).await;
        let body = json!({"name": "Second", "groups": each(), "organization_owner": "ext:olga"});
        let second = at.world.operator().post("/v1/sources", body).await.is(201);
        let second = at.service().nobody().with("authorization", &crate::basic(&text(&second, "/write_key")));
        let before = at.how_many().await;
        for n in 0..8 {
            for (sender, user) in [(&at.sender(), "zoe"), (&second, "yan")] {
                let group = json!({"userId": user, "groupId": format!("acme-{n}")});
                sender.post("/v1/group", group).await.is(200);
            }
        }
        let (one, other) = (drain(&at.service().roster), drain(&at.service().roster));
        let (one, other) = tokio::join!(one.work_off(), other.work_off());
        one.and(other).unwrap();
        at.applied().await;
        assert_eq!((at.how_many().await, at.dead().await), (before + 8, vec![]), "{store}");
        for n in 0..8 {
            let acme = format!("acme-{n}");
            let on = at.on_account(&acme, &acme).await;
            assert_eq!(on, pairs(&[("olga", "owner"), ("yan", "member"), ("zoe", "member")]));
        }
        at.is_clean().await;
    }
}
