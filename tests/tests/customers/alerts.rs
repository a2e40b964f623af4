//! Alerts by mail (rule T6).

use roster_core::mail::Undelivered;
use roster_core::op::Roster;
use roster_core::text::Email;
use roster_core::verify::verify_all;
use roster_core::watch::watch_once;
use roster_tests::mailbox::Mailbox;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::{selected, text};

/// A world with an indicator of accounts on the plan `pro`, and people who read of it.
struct Watched {
    world: World,
    roster: Roster,
    mailbox: std::sync::Arc<Mailbox>,
    indicator: String,
}

impl Watched {
    async fn on(store: &str, readers: &[&str]) -> Self {
        let (world, mailbox) = World::with_mail(store).await;
        let readers: Vec<Email> = readers.iter().map(|email| email.parse().unwrap()).collect();
        let roster = world.service.roster.clone();
        let roster = Roster { post: roster.post.clone().alerting(&readers), ..roster };
        let operator = world.operator();
        let filter = json!({"field": "traits.plan", "op": "eq", "value": "pro"});
        let view = json!({"name": "Pro", "kind": "accounts", "filter": filter});
        let view = text(&operator.post("/v1/views", view).await.is(201), "/id");
        let made =
            operator.post("/v1/indicators", json!({"name": "Upgrades", "view_id": view})).await.is(201);
        let at = Self { roster, mailbox, indicator: text(&made, "/id"), world };
        at.passes().await;
        at
    }

    async fn passes(&self) {
        self.world.test().clock.advance_seconds(900);
        for _ in 0..2 {
            watch_once(&self.roster).await.unwrap();
        }
    }

    async fn plan(&self, account: &str, plan: &str) {
        let path = format!("/v1/organizations/ext:cloud/accounts/ext:{account}");
        self.world.operator().patch(&path, json!({"traits": {"plan": plan}})).await.is(200);
    }

    /// What has come: to whom, and what it says.
    async fn letters(&self) -> Vec<(String, Value)> {
        let letters = self.mailbox.collect(&self.roster).await;
        let mut letters: Vec<_> = letters.into_iter().map(|it| (it.to.to_string(), it.fields)).collect();
        letters.sort_by_key(|(to, fields)| (to.clone(), fields.to_string()));
        letters
    }
}

/// One letter an alert to each reader: when something enters, when it leaves, and none in between.
#[tokio::test]
async fn t6_an_alert_is_mailed_once_to_everybody_who_reads_them() {
    for store in selected() {
        let at = Watched::on(store, &["ops@example.com", "cs@example.com"]).await;
        assert_eq!(at.letters().await, [], "{store}: nothing has happened");
        at.plan("north", "pro").await;
        at.passes().await;
        let letters = at.letters().await;
        let to: Vec<&str> = letters.iter().map(|(to, _)| to.as_str()).collect();
        assert_eq!(to, ["cs@example.com", "ops@example.com"], "{store}");
        let path = "/v1/organizations/ext:cloud/accounts/ext:north";
        let north = text(&at.world.operator().get(path).await.is(200), "/id");
        let alerts =
            at.world.operator().get(&format!("/v1/indicators/{}/alerts", at.indicator)).await.is(200);
        let said = json!({
            "indicator": "Upgrades", "view": "Pro", "state": "entered", "kind": "account", "subject": "north",
            "id": north, "organization": "cloud", "at": alerts["data"][0]["at"],
        });
        assert!(letters.iter().all(|(_, fields)| *fields == said), "{letters:?}");
        at.passes().await;
        assert_eq!(at.letters().await, [], "{store}: it is in there still");
        at.plan("north", "free").await;
        at.passes().await;
        let states: Vec<Value> =
            at.letters().await.into_iter().map(|(_, fields)| fields["state"].clone()).collect();
        assert_eq!(states, [json!("left"), json!("left")], "{store}");
        let verdict = verify_all(&at.roster, &mut |_| {}).await.unwrap();
        assert_eq!(verdict.findings, []);
    }
}

/// Nobody is written to where nobody is named; what a mail server does not take comes later; what is deleted does not come.
#[tokio::test]
async fn t6_alerts_come_late_rather_than_never_and_of_nothing_that_is_gone() {
    for store in selected() {
        let quiet = Watched::on(store, &[]).await;
        quiet.plan("north", "pro").await;
        quiet.passes().await;
        assert_eq!(quiet.letters().await, [], "{store}");

        let at = Watched::on(store, &["ops@example.com"]).await;
        at.mailbox.fail(Some(Undelivered { why: "full".into(), for_good: false }));
        at.plan("north", "pro").await;
        at.passes().await;
        assert_eq!(at.letters().await, []);
        at.mailbox.fail(None);
        at.world.test().clock.advance_seconds(10);
        assert_eq!(at.letters().await.len(), 1, "{store}");

        at.plan("south", "pro").await;
        at.passes().await;
        at.world.operator().delete(&format!("/v1/indicators/{}", at.indicator)).await.is(204);
        assert_eq!(at.letters().await, [], "{store}");
    }
}
