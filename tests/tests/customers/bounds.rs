//! How many organizations a source makes, and for how many a person's signs count (rules G2, G5, T7).

use roster_core::facts::Request;
use roster_core::id::SourceId;
use roster_core::op::run;
use roster_core::ops::stream::AdmitOrganization;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::tenants::each;
use crate::{Customers, drain, selected};

const DAY: i64 = 86_400;

impl Customers {
    async fn bounded(store: &str, most: u32) -> Self {
        let at = Self::making(store, each()).await;
        let bound = json!({"new_organizations_per_day": most});
        at.world.operator().patch(&format!("/v1/sources/{}", at.source), bound).await.is(200);
        at
    }

    async fn tells_of(&self, groups: &[&str]) {
        let message = |group: &&str| json!({"type": "group", "userId": "zoe", "groupId": group});
        let batch: Vec<Value> = groups.iter().map(message).collect();
        self.says("/v1/batch", json!({ "batch": batch })).await;
    }
}

/// G5: what comes beyond the bound waits with its own reason, and is applied by a replay on another day, or with a greater
/// bound; what is there already is told of as before.
#[tokio::test]
async fn g5_a_source_makes_so_many_organizations_a_day_and_the_others_wait() {
    for store in selected() {
        let at = Customers::bounded(store, 2).await;
        let before = at.how_many().await;
        at.tells_of(&["a", "b", "a", "c", "d"]).await;
        at.tells_of(&["b", "a"]).await;
        assert_eq!(at.how_many().await, before + 2, "a, b");
        assert_eq!(at.dead().await, ["too_many_new_organizations", "too_many_new_organizations"]);
        at.replayed().await;
        assert_eq!((at.how_many().await, at.dead().await.len()), (before + 2, 2), "the same day");
        at.world.test().clock.advance_seconds(DAY);
        at.tells_of(&["e"]).await;
        at.replayed().await;
        assert_eq!((at.how_many().await, at.dead().await.len()), (before + 4, 1), "e and one that waited");
        let more = json!({"new_organizations_per_day": 3});
        at.world.operator().patch(&format!("/v1/sources/{}", at.source), more).await.is(200);
        at.replayed().await;
        assert_eq!((at.how_many().await, at.dead().await), (before + 5, vec![]));
        for group in ["a", "b", "c", "d", "e"] {
            assert_eq!(at.organization(group).await["status"], json!("active"));
        }
        at.is_clean().await;
    }
}

/// G5: a whole batch that is done at once counts as one that is done message by message.
#[tokio::test]
async fn g5_a_large_batch_keeps_the_bound() {
    for store in selected() {
        let at = Customers::bounded(store, 120).await;
        let before = at.how_many().await;
        let groups: Vec<String> = (0..150).map(|n| format!("g-{n}")).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        at.tells_of(&groups).await;
        assert_eq!((at.how_many().await, at.dead().await.len()), (before + 120, 30), "{store}");
        at.is_clean().await;
    }
}

/// G5: the bound holds whoever applies what a source sends, two who each think that they alone do too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_two_replicas_together_keep_the_bound() {
    for store in selected() {
        let at = Customers::bounded(store, 7).await;
        let before = at.how_many().await;
        for n in 0..10 {
            let group = json!({"userId": "zoe", "groupId": format!("acme-{n}")});
            at.sender().post("/v1/group", group).await.is(200);
        }
        let (one, other) = (drain(&at.service().roster), drain(&at.service().roster));
        let (one, other) = tokio::join!(one.work_off(), other.work_off());
        one.and(other).unwrap();
        at.applied().await;
        assert_eq!((at.how_many().await, at.dead().await.len()), (before + 7, 3), "{store}");

        // Without the lease that keeps them apart.
        let source: SourceId = at.source.parse().unwrap();
        at.world.test().clock.advance_seconds(DAY);
        let replica = async |first: u128| {
            let (roster, mut admitted) = (&at.service().roster, 0);
            for n in 0..20 {
                let request = Request::new(roster_core::actor::Actor::System, roster.entropy.as_ref());
                let admit = AdmitOrganization { source, number: Uuid::from_u128(first + n), most: 25 };
                loop {
                    match run(roster, &request, &admit).await {
                        Ok(done) => break admitted += u32::from(done.output),
                        Err(roster_core::refusal::OpError::Refused(
                            roster_core::refusal::Refusal::Conflict,
                        )) => {}
                        Err(error) => panic!("{store}: {error}"),
                    }
                }
            }
            admitted
        };
        let (one, other) = tokio::join!(replica(1_000), replica(2_000));
        assert_eq!(one + other, 25, "{store}");
        at.is_clean().await;
    }
}

/// Conventions: the bound is shown, has a default, and is refused where it bounds nothing.
#[tokio::test]
async fn the_bound_of_new_organizations_is_a_setting_of_the_source() {
    for store in selected() {
        let at = Customers::on(store).await;
        let (operator, path) = (at.world.operator(), format!("/v1/sources/{}", at.source));
        assert_eq!(operator.get(&path).await.is(200)["new_organizations_per_day"], json!(100));
        let bound = |most: i64| json!({"new_organizations_per_day": most});
        for wrong in [0, 1_000_001, -1] {
            operator.patch(&path, bound(wrong)).await.refused(422, "invalid");
        }
        assert_eq!(operator.patch(&path, bound(5)).await.is(200)["new_organizations_per_day"], json!(5));
        let body = json!({"name": "Other", "groups": each(), "new_organizations_per_day": 9});
        assert_eq!(operator.post("/v1/sources", body).await.is(201)["new_organizations_per_day"], json!(9));
    }
}

/// T7, G2: somebody who is in more organizations than one page shows is seen in all of them, and found in any of them.
#[tokio::test]
async fn t7_somebody_in_very_many_organizations_is_seen_in_each() {
    for store in selected() {
        let at = Customers::bounded(store, 500).await;
        let groups: Vec<String> = (0..205).map(|n| format!("g-{n:03}")).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        at.tells_of(&groups).await;
        let link = json!({"userId": "zoe", "event": "Report Opened"});
        at.says("/v1/track", link).await;
        let seen = async |group: &str| {
            let path = format!("/v1/organizations/ext:{group}/activity?event=Report%20Opened&group_by=event");
            let page = at.world.operator().get(&path).await.is(200);
            page["data"][0]["count"].clone()
        };
        for group in [groups[0], groups[199], groups[200], groups[204]] {
            assert_eq!(seen(group).await, json!(1), "{store}, {group}");
        }

        // By a trait that a message does not bear, the account is one of the person's, wherever it is.
        let body = json!({"name": "By trait", "groups": {"to": "trait", "trait": "tenant"}});
        let made = at.world.operator().post("/v1/sources", body).await.is(201);
        let sender = at.service().nobody();
        let sender = sender.with("authorization", &crate::basic(&crate::text(&made, "/write_key")));
        for group in [groups[0], groups[204]] {
            let out = json!({"userId": "zoe", "accountId": group, "messageId": group});
            sender.post("/analytics/v1/unlink", out).await.is(200);
            at.applied().await;
            assert_eq!(at.on_account(group, group).await.len(), 1, "{store}, {group}");
        }
    }
}
