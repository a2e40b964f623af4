//! What jobs are about is archived or closed while they run (rules O7, O8): nothing comes into it from then on, what came
//! before is told, and the job ends.

crate::on_every_store! {
    o8_nobody_comes_into_an_account_that_was_archived_meanwhile
    o7_jobs_end_with_the_organization_that_is_closed_meanwhile
    o7_exports_are_whole_though_an_organization_is_closed_meanwhile
}

mod cases {
    use std::fmt::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::close_organization;
    use roster_core::home::{Home, Record};
    use roster_core::id::{AccountId, OrganizationId};
    use roster_core::op::{Roster, run};
    use roster_core::ops::account::ArchiveAccount;
    use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, Write};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};

    use crate::{add, is_clean, organization, results, upload, worker};

    /// Archives an account, or closes the organization, just before members are written for the n-th time, or the
    /// organization is read for the n-th time.
    #[derive(Debug)]
    struct Meanwhile {
        below: Roster,
        organization: OrganizationId,
        account: Option<AccountId>,
        at_write: Option<usize>,
        at_read: Option<usize>,
        writes: AtomicUsize,
        reads: AtomicUsize,
    }

    impl Meanwhile {
        fn on(service: &Service, organization: &str, account: Option<&str>) -> Self {
            Self {
                below: service.roster.clone(),
                organization: organization.parse().unwrap(),
                account: account.map(|id| id.parse().unwrap()),
                at_write: None,
                at_read: None,
                writes: AtomicUsize::new(0),
                reads: AtomicUsize::new(0),
            }
        }

        async fn act(&self) {
            let (roster, organization) = (&self.below, self.organization);
            let request = Request::new(Actor::CLI, roster.entropy.as_ref());
            if let Some(account) = self.account {
                run(roster, &request, &ArchiveAccount { organization, account }).await.unwrap();
            } else {
                close_organization(roster, &request, organization, true).await.unwrap();
            }
        }
    }

    #[async_trait]
    impl Hook for Meanwhile {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let members = changes.writes.iter().any(|it| matches!(it, Write::Put(Record::Member(_))));
            if members && self.at_write == Some(self.writes.fetch_add(1, Ordering::SeqCst)) {
                self.act().await;
            }
            store.commit(changes).await
        }

        async fn before_read_of(&self, home: &Home) -> Result<(), StoreError> {
            let organization = *home == Home::Organization(self.organization);
            if organization && self.at_read == Some(self.reads.fetch_add(1, Ordering::SeqCst)) {
                self.act().await;
            }
            Ok(())
        }
    }

    /// Does what waits behind a hook; the job and what came of its items.
    async fn through(service: &Service, hook: Meanwhile, accepted: &Value) -> (Value, Vec<Value>) {
        let below = Between::new(Arc::clone(&service.roster.store), Arc::new(hook));
        worker(&Roster { store: below, ..service.roster.clone() }).work_off().await.unwrap();
        let job = service.operator().get(&format!("/v1/jobs/{}", text(accepted, "/job/id"))).await.is(200);
        let rows = results(service, &job).await;
        (job, rows)
    }

    fn file(rows: usize) -> String {
        (0..rows).fold("user_external_id,account_external_id,role\n".to_owned(), |mut file, n| {
            writeln!(file, "p{n},{},viewer", ["north", "south"][n % 2]).unwrap();
            file
        })
    }

    pub async fn o8_nobody_comes_into_an_account_that_was_archived_meanwhile(store: &str) {
        let service = Service::on(store).await;
        for (at, name) in [(0, "one"), (1, "two")] {
            let one = organization(&service, name, None).await;
            let path = format!("/v1/organizations/{one}");
            let south = json!({"name": "South", "external_id": "south"});
            let south = service.operator().post(&format!("{path}/accounts"), south).await.is(201);
            let south = text(&south, "/id");
            let accepted = upload(&service, &format!("{path}/imports"), &file(120)).await.is(202);
            let hook =
                Meanwhile { at_write: Some(at), ..Meanwhile::on(&service, &one, Some(south.as_str())) };
            let (job, rows) = through(&service, hook, &accepted).await;
            assert_eq!(job["status"], "completed_with_conflicts", "{store}: {job}");
            // What was committed before the account was archived stays.
            let is_of_south = |(n, row): &(usize, &Value)| n % 2 == 1 && row["status"] == "added";
            let before = rows.iter().enumerate().rfind(is_of_south).map_or(0, |(n, _)| n + 1);
            assert_eq!(before > 0, at > 0, "{store}, {at}");
            for (n, row) in rows.iter().enumerate() {
                let in_time = n % 2 == 0 || n < before;
                let told = (row["status"].as_str().unwrap(), row["code"].as_str());
                let expected = if in_time { ("added", None) } else { ("refused", Some("account_gone")) };
                assert_eq!(told, expected, "{store}, {at}: row {n}");
            }
            let members = format!("{path}/members?status=all&limit=200&account={south}");
            let members = service.operator().get(&members).await.is(200);
            let come =
                members["data"].as_array().unwrap().iter().filter(|it| it["external_id"] != Value::Null);
            assert_eq!(come.count(), before / 2, "{store}, {at}");
        }
        is_clean(&service).await;
    }

    pub async fn o7_jobs_end_with_the_organization_that_is_closed_meanwhile(store: &str) {
        let service = Service::on(store).await;
        for (at, name) in [(0, "one"), (1, "two")] {
            let one = organization(&service, name, None).await;
            // With an account for each row a chunk takes several commits.
            let path = format!("/v1/organizations/{one}/imports?create_accounts=true");
            let rows =
                (0..120).fold("user_external_id,account_external_id,role\n".to_owned(), |mut file, n| {
                    writeln!(file, "p{n},a{n},viewer").unwrap();
                    file
                });
            let accepted = upload(&service, &path, &rows).await.is(202);
            let hook = Meanwhile { at_write: Some(at), ..Meanwhile::on(&service, &one, None) };
            let (job, rows) = through(&service, hook, &accepted).await;
            assert_eq!(job["status"], "failed", "{store}: {job}");
            let told = rows.iter().filter(|row| row["status"] == "added").count();
            assert_eq!((told > 0, &job["progress"]["done"]), (at > 0, &json!(told)), "{store}: {job}");
            let dump = service.roster.store.dump(&Home::Organization(one.parse().unwrap())).await.unwrap();
            let members = dump.records.iter().filter(|it| matches!(it.record, Record::Member(_))).count();
            assert_eq!(members, 1 + told, "{store}: what came in and what is told");
        }
        let one = organization(&service, "three", None).await;
        let mut users = Vec::new();
        for n in 0..3 {
            let email = format!("p{n}@example.com");
            users.push(text(&add(&service, &one, &email, "viewer").await.is(201), "/user_id"));
        }
        let body = json!({"action": "deactivate", "users": users});
        let path = format!("/v1/organizations/{one}/members/bulk");
        let accepted = service.operator().post(&path, body).await.is(202);
        let hook = Meanwhile { at_write: Some(1), ..Meanwhile::on(&service, &one, None) };
        let (job, rows) = through(&service, hook, &accepted).await;
        assert_eq!(job["status"], "completed_with_conflicts", "{store}: {job}");
        let told: Vec<_> = rows.iter().map(|row| (row["status"].clone(), row["code"].clone())).collect();
        let refused = (json!("refused"), json!("organization_closed"));
        assert_eq!(told, [(json!("changed"), Value::Null), refused.clone(), refused], "{store}");
        is_clean(&service).await;
    }

    pub async fn o7_exports_are_whole_though_an_organization_is_closed_meanwhile(store: &str) {
        let service = Service::on(store).await;
        for at in 0..4 {
            let one = organization(&service, &format!("one-{at}"), None).await;
            let ada = text(
                &add(&service, &one, &format!("ada-{at}@example.com"), "viewer").await.is(201),
                "/user_id",
            );
            let hook = Meanwhile { at_read: Some(at), ..Meanwhile::on(&service, &one, None) };
            let behind = service.behind(Arc::new(hook));
            let export = behind.operator().get(&format!("/v1/users/{ada}/export")).await.is(200);
            assert!(export.to_string().contains(&one), "{store}, {at}: {export}");
            let trail = service.operator().get(&format!("/v1/organizations/{one}/audit")).await.is(200);
            let last =
                trail["data"].as_array().unwrap().iter().find(|it| it["action"] == "organization.closed");
            assert!(last.is_some(), "{store}, {at}: it was closed");
        }
        is_clean(&service).await;
    }
}
