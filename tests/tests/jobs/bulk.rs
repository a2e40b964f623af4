//! One act on each of many members.

crate::on_every_store! {
    x3_each_row_has_its_outcome_in_order
    x3_the_same_request_asks_once
    x3_a_new_access_finds_no_seat
    p5_one_who_is_elsewhere_is_named_as_little_as_nobody
    x3_a_job_can_be_stopped_once
    x3_a_job_that_runs_stops_at_the_next_row
    x3_a_worker_that_wakes_up_too_late_mails_nobody
    m7_nothing_is_done_for_one_who_is_shut_out_by_now
    m7_nothing_is_given_by_a_key_or_a_session_that_is_no_more
    l1_many_are_deactivated_brought_back_and_deleted
    x3_who_may_ask_and_look
}

mod cases {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use http::Method;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::show_password_reset;
    use roster_core::home::{Home, Record};
    use roster_core::model::{JobStatus, OutcomeStatus};
    use roster_core::op::{Roster, run};
    use roster_core::ops::job::{Row, RowInJob, TakeJob, Taken};
    use roster_core::ops::member::RemoveMember;
    use roster_core::store::{ChangeSet, CommitError, Committed, Store, Write};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use roster_tests::mailbox::Mailbox;
    use roster_tests::stores::ManualClock;
    use serde_json::{Value, json};

    use crate::{add, check, done, is_clean, organization, results};

    async fn people(service: &Service, organization: &str, many: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for n in 0..many {
            let member = add(service, organization, &format!("user-{n}@example.com"), "viewer").await.is(201);
            ids.push(text(&member, "/user_id"));
        }
        ids
    }

    pub async fn x3_each_row_has_its_outcome_in_order(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let owner = text(
            &service.operator().get(&format!("/v1/organizations/{one}")).await.is(200),
            "/owner/user_id",
        );
        let ids = people(&service, &one, 3).await;
        let users = [&ids[2], "ext:nobody", &ids[0], &owner, "not an id", &ids[0], &owner];
        let path = format!("/v1/organizations/{one}/members/bulk");
        let body = json!({"action": "remove", "users": users});
        let asking = service.operator().with("x-request-id", "asked-for-all");
        let accepted = asking.post(&path, body).await.is(202);
        assert_eq!(check(&service, &one, &ids[0]).await, "granted", "each is removed when its turn comes");
        let job = done(&service, &accepted).await;
        assert_eq!((&job["kind"], &job["organization_id"]), (&json!("bulk"), &json!(one)));
        assert_eq!(job["status"], "completed_with_conflicts");
        let outcomes: Vec<(Value, Value)> = results(&service, &job)
            .await
            .into_iter()
            .map(|result| (result["status"].clone(), result["code"].clone()))
            .collect();
        let expected = [
            ("removed", None),
            ("refused", Some("not_found")),
            ("removed", None),
            ("refused", Some("owner_must_transfer")),
            ("refused", Some("invalid")),
            ("unchanged", None),
            ("unchanged", None),
        ];
        assert_eq!(outcomes, expected.map(|(status, code)| (json!(status), json!(code))));
        assert_eq!(check(&service, &one, &ids[0]).await, "no_membership");
        assert_eq!(check(&service, &one, &ids[1]).await, "granted");
        let trail = format!("/v1/organizations/{one}/audit?action=member.removed");
        let trail = service.operator().get(&trail).await.is(200);
        let asked: Vec<_> = trail["data"].as_array().unwrap().iter().map(|it| &it["request_id"]).collect();
        assert_eq!(asked, ["asked-for-all", "asked-for-all"], "X1: by the request that asked for the job");
        is_clean(&service).await;
    }

    pub async fn x3_the_same_request_asks_once(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let ids = people(&service, &one, 1).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        let body = json!({"action": "remove", "users": ids});
        let caller = service.operator().with("idempotency-key", "k1");
        let first = caller.post(&path, body.clone()).await.is(202);
        let again = caller.post(&path, body).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.is(202), first);
        done(&service, &first).await;
        assert_eq!(service.operator().get("/v1/jobs").await.is(200)["data"].as_array().unwrap().len(), 1);
    }

    pub async fn x3_a_new_access_finds_no_seat(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(3)).await;
        let ids = people(&service, &one, 2).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        let take = json!({"action": "set_access", "users": ids, "roles": []});
        let job = done(&service, &service.operator().post(&path, take).await.is(202)).await;
        assert_eq!(job["summary"], json!({"changed": 2}));
        let seats = format!("/v1/organizations/{one}/seats");
        service.operator().patch(&seats, json!({"purchased": 2})).await.is(200);
        let give = json!({"action": "set_access", "users": ids, "roles": [{"role": "member", "accounts": ["ext:north"]}]});
        let job = done(&service, &service.operator().post(&path, give).await.is(202)).await;
        let results = results(&service, &job).await;
        assert_eq!(results[0]["status"], "changed");
        assert_eq!((&results[1]["status"], &results[1]["code"]), (&json!("refused"), &json!("no_seat")));
        is_clean(&service).await;
    }

    pub async fn l1_many_are_deactivated_brought_back_and_deleted(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let ids = people(&service, &one, 2).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        let bare = json!({"action": "delete", "users": ids});
        service.operator().post(&path, bare).await.refused(422, "confirmation_required");
        for (action, outcome, then) in [
            ("deactivate", "changed", "deactivated"),
            ("deactivate", "unchanged", "deactivated"),
            ("reactivate", "changed", "granted"),
            ("delete", "removed", "no_membership"),
        ] {
            let mut body = json!({"action": action, "users": ids});
            if action == "delete" {
                body["confirm"] = json!(true);
            }
            let job = done(&service, &service.operator().post(&path, body).await.is(202)).await;
            assert_eq!(job["summary"], json!({outcome: 2}), "{action}");
            assert_eq!(check(&service, &one, &ids[1]).await, then);
        }
        is_clean(&service).await;
    }

    /// Whoever acts in one organization learns of nobody in another, by naming them twice either.
    pub async fn p5_one_who_is_elsewhere_is_named_as_little_as_nobody(store: &str) {
        let service = Service::on(store).await;
        let (one, two) =
            (organization(&service, "one", None).await, organization(&service, "two", None).await);
        let boss = text(&add(&service, &one, "boss@example.com", "admin").await.is(201), "/user_id");
        let far = text(&add(&service, &two, "far@example.com", "admin").await.is(201), "/user_id");
        let nobody = format!("{}0", &far[..far.len() - 1]);
        let nobody = if nobody == far { format!("{}1", &far[..far.len() - 1]) } else { nobody };
        let users = [&far, &far, &nobody, &nobody];
        let boss = service.user(&boss);
        for action in ["remove", "deactivate"] {
            let path = format!("/v1/organizations/{one}/members/bulk");
            let accepted = boss.post(&path, json!({"action": action, "users": users})).await.is(202);
            let job = done(&service, &accepted).await;
            let told = results(&service, &job).await;
            assert_eq!(told.len(), 4);
            assert!(told.iter().all(|row| row["code"] == "not_found"), "{told:?}");
        }
        let path = format!("/v1/organizations/{one}/accounts/ext:north/members/remove");
        let told = boss.post(&path, json!({"users": users})).await.is(200)["results"].clone();
        assert!(told.as_array().unwrap().iter().all(|row| row["code"] == "not_found"), "{told}");
        assert_eq!(check(&service, &two, &far).await, "granted");
    }

    pub async fn x3_a_job_can_be_stopped_once(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let ids = people(&service, &one, 2).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        let accepted =
            service.operator().post(&path, json!({"action": "remove", "users": ids})).await.is(202);
        let cancel = format!("/v1/jobs/{}/cancel", text(&accepted, "/job/id"));
        let job = service.operator().post(&cancel, json!({})).await.is(200);
        assert_eq!(job["status"], "cancelled");
        let left = results(&service, &job).await;
        let of = |id| {
            json!({
                "item": id, "line": null, "status": "left", "code": null, "warning": null, "detail": null,
            })
        };
        let all_left = ids.iter().map(of);
        assert_eq!(left, all_left.collect::<Vec<_>>());
        service.operator().post(&cancel, json!({})).await.refused(409, "job_finished");
        let job = done(&service, &accepted).await;
        assert_eq!((&job["status"], &job["progress"]["done"]), (&json!("cancelled"), &json!(0)));
        assert_eq!(job["summary"], json!({"left": ids.len()}));
        assert_eq!(
            results(&service, &job).await,
            left,
            "what was to be done goes, and what was left is told"
        );
        assert_eq!(check(&service, &one, &ids[0]).await, "granted");
    }

    /// Stopped under the lease of a worker that then goes on.
    pub async fn x3_a_job_that_runs_stops_at_the_next_row(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let ids = people(&service, &one, 3).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        let accepted =
            service.operator().post(&path, json!({"action": "remove", "users": ids})).await.is(202);
        let id = text(&accepted, "/job/id");
        let home = Home::Organization(one.parse().unwrap());
        let system = Request::new(Actor::System, service.roster.entropy.as_ref());
        let holder = uuid::Uuid::from_u128(7);
        let take = TakeJob { home: home.clone(), id: id.parse().unwrap(), holder };
        let Taken::Mine(_) = run(&service.roster, &system, &take).await.unwrap().output else {
            panic!("taken")
        };
        let row = async |n: usize| {
            let act = RemoveMember { organization: one.parse().unwrap(), user: ids[n].parse().unwrap() };
            let (job, item) = (id.parse().unwrap(), ids[n].clone());
            let row = Row { job, holder, n: u64::try_from(n).unwrap(), item, line: None };
            let row = RowInJob { row, act, changed: OutcomeStatus::Removed };
            run(&service.roster, &system.step(&n.to_string()), &row).await.unwrap().output.job.unwrap()
        };
        assert_eq!(row(0).await.done, 1);
        let cancel = format!("/v1/jobs/{id}/cancel");
        assert_eq!(service.operator().post(&cancel, json!({})).await.is(200)["status"], "running");
        let after = row(1).await;
        assert_eq!((after.status, after.done), (JobStatus::Cancelled, 1));
        assert_eq!(check(&service, &one, &ids[0]).await, "no_membership");
        assert_eq!(check(&service, &one, &ids[1]).await, "granted");
        for worked_off in [false, true] {
            let job = if worked_off {
                done(&service, &accepted).await
            } else {
                service.operator().get(&format!("/v1/jobs/{id}")).await.is(200)
            };
            assert_eq!(job["summary"], json!({"removed": 1, "left": 2}));
            let told = results(&service, &job).await;
            let told: Vec<_> = told
                .iter()
                .map(|row| (row["item"].as_str().unwrap(), row["status"].as_str().unwrap()))
                .collect();
            let expected = [(ids[0].as_str(), "removed"), (&ids[1], "left"), (&ids[2], "left")];
            assert_eq!(told, expected, "{worked_off}");
        }
        service.operator().post(&cancel, json!({})).await.refused(409, "job_finished");

        // Whoever was at one that was to stop is gone: it ends when it is stopped once more.
        let accepted =
            service.operator().post(&path, json!({"action": "remove", "users": ids})).await.is(202);
        let id = text(&accepted, "/job/id");
        let take = TakeJob { home, id: id.parse().unwrap(), holder };
        assert!(matches!(run(&service.roster, &system, &take).await.unwrap().output, Taken::Mine(_)));
        let cancel = format!("/v1/jobs/{id}/cancel");
        for (wait, status) in [(0, "running"), (1, "running"), (31, "cancelled")] {
            service.test.clock.advance_seconds(wait);
            assert_eq!(service.operator().post(&cancel, json!({})).await.is(200)["status"], status);
        }
        is_clean(&service).await;
    }

    /// Stands still after the first outcome, until another has done the rest and all mail is out.
    #[derive(Debug)]
    struct Stands {
        below: Roster,
        clock: Arc<ManualClock>,
        mailbox: Arc<Mailbox>,
        mailed: AtomicUsize,
    }

    #[async_trait]
    impl Hook for Stands {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let first = |it: &Write| matches!(it, Write::Put(Record::Job(job)) if job.done == 1);
            let done = store.commit(changes).await;
            if changes.writes.iter().any(first) && self.mailed.load(Ordering::SeqCst) == 0 {
                self.clock.advance_seconds(31);
                crate::worker(&self.below).work_off().await.unwrap();
                self.mailed.store(self.mailbox.collect(&self.below).await.len(), Ordering::SeqCst);
            }
            done
        }
    }

    pub async fn x3_a_worker_that_wakes_up_too_late_mails_nobody(store: &str) {
        let (service, mailbox) = Service::with_mail(store).await;
        let one = organization(&service, "one", None).await;
        let ids = people(&service, &one, 2).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        let body = json!({"action": "password_reset", "users": ids});
        service.operator().post(&path, body).await.is(202);
        let stands = Arc::new(Stands {
            below: service.roster.clone(),
            clock: Arc::clone(&service.test.clock),
            mailbox: Arc::clone(&mailbox),
            mailed: AtomicUsize::new(0),
        });
        let between = Between::new(Arc::clone(&service.roster.store), Arc::<Stands>::clone(&stands));
        crate::worker(&Roster { store: between, ..service.roster.clone() }).work_off().await.unwrap();
        assert_eq!(stands.mailed.load(Ordering::SeqCst), 2, "the other's turn");
        assert_eq!(mailbox.collect(&service.roster).await.len(), 0);
        is_clean(&service).await;
    }

    pub async fn m7_nothing_is_done_for_one_who_is_shut_out_by_now(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let ids = people(&service, &one, 2).await;
        let path = format!("/v1/organizations/{one}/members/bulk");
        for (n, act) in ["suspend", "remove"].into_iter().enumerate() {
            let name = format!("admin-{n}@example.com");
            let admin = text(&add(&service, &one, &name, "admin").await.is(201), "/user_id");
            let body = json!({"action": "remove", "users": [ids[n]]});
            let accepted = service.user(&admin).post(&path, body).await.is(202);
            if act == "suspend" {
                service.operator().post(&format!("/v1/users/{admin}/suspend"), json!({})).await.is(200);
            } else {
                service.operator().delete(&format!("/v1/users/{admin}/accounts")).await.is(202);
            }
            let job = done(&service, &accepted).await;
            assert_eq!(job["summary"], json!({"refused": 1}), "{act}");
            assert_eq!(check(&service, &one, &ids[n]).await, "granted");
        }
        // Nor is anything brought in for one who may import no more.
        let admin = text(&add(&service, &one, "lowered@example.com", "admin").await.is(201), "/user_id");
        let importer = service.user(&admin).with("content-type", "text/csv");
        let mut jobs = Vec::new();
        for (path, file) in [
            ("imports", "email,account_external_id,role\nnew@example.com,north,viewer\n"),
            ("imports?kind=accounts", "account_external_id,name\nfar,Far\n"),
        ] {
            let path = format!("/v1/organizations/{one}/{path}");
            jobs.push(importer.clone().send(Method::POST, &path, file.into()).await.is(202));
        }
        let lowered = json!({"roles": [{"role": "member", "accounts": "all"}]});
        let path = format!("/v1/organizations/{one}/members/{admin}/access");
        service.operator().put(&path, lowered).await.is(200);
        for accepted in jobs {
            let job = done(&service, &accepted).await;
            assert_eq!((&job["status"], &job["progress"]["done"]), (&json!("failed"), &json!(0)), "{job}");
        }
        service
            .operator()
            .get(&format!("/v1/organizations/{one}/accounts/ext:far"))
            .await
            .refused(404, "not_found");
    }

    pub async fn m7_nothing_is_given_by_a_key_or_a_session_that_is_no_more(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let [first, second] = people(&service, &one, 2).await.try_into().unwrap();
        let path = format!("/v1/organizations/{one}");
        let cli = Request::new(Actor::CLI, service.roster.entropy.as_ref());
        let (key, secret) = service.another_operator().await;
        let admin = text(&add(&service, &one, "admin@example.com", "admin").await.is(201), "/user_id");
        let (url, _) = show_password_reset(&service.roster, &cli, admin.parse().unwrap()).await.unwrap();
        let reset = format!("/v1/password-resets/{}", url.rsplit('/').next().unwrap());
        let nobody = service.nobody();
        let password = "correct horse battery";
        nobody.post(&reset, json!({"password": password})).await.is(204);
        let signing_in = json!({"email": "admin@example.com", "password": password});
        let session = text(&nobody.post("/v1/sessions", signing_in).await.is(201), "/token");
        let raise = json!({"action": "set_access", "roles": [{"role": "member", "accounts": "all"}]});
        let file = "email,account_external_id,role\nnew@example.com,north,viewer\n";
        let mut jobs = Vec::new();
        for (caller, removed) in [(service.bearer(&secret), &first), (service.bearer(&session), &second)] {
            let bulk = format!("{path}/members/bulk");
            let mut raise = raise.clone();
            raise["users"] = json!([first, second]);
            let remove = json!({"action": "remove", "users": [removed]});
            let importing = caller.clone().with("content-type", "text/csv");
            let importing = importing.send(Method::POST, &format!("{path}/imports"), file.into()).await;
            jobs.push((
                caller.post(&bulk, raise).await.is(202),
                importing.is(202),
                caller.post(&bulk, remove).await.is(202),
            ));
        }
        service.revoke_operator(key).await;
        service.bearer(&session).delete("/v1/sessions/current").await.is(204);
        for (raising, importing, removing) in jobs {
            let raised = done(&service, &raising).await;
            assert_eq!(raised["summary"], json!({"refused": 2}));
            let imported = done(&service, &importing).await;
            assert_eq!((&imported["status"], &imported["progress"]["done"]), (&json!("failed"), &json!(0)));
            assert_eq!(done(&service, &removing).await["summary"], json!({"removed": 1}));
        }
        is_clean(&service).await;
    }

    pub async fn x3_who_may_ask_and_look(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let two = organization(&service, "two", None).await;
        let admin = text(&add(&service, &one, "admin@example.com", "admin").await.is(201), "/user_id");
        let viewer = text(&add(&service, &one, "viewer@example.com", "viewer").await.is(201), "/user_id");
        let other = text(&add(&service, &two, "other@example.com", "admin").await.is(201), "/user_id");
        let path = format!("/v1/organizations/{one}/members/bulk");
        let body = json!({"action": "remove", "users": [viewer]});
        service.user(&viewer).post(&path, body.clone()).await.refused(403, "forbidden");
        service.user(&other).post(&path, body.clone()).await.refused(404, "not_found");
        for bad in [json!({"action": "remove", "users": []}), json!({"action": "burn", "users": [viewer]})] {
            service.user(&admin).post(&path, bad).await.refused(422, "invalid");
        }
        let accepted = service.user(&admin).post(&path, body).await.is(202);
        let job = format!("/v1/jobs/{}", text(&accepted, "/job/id"));
        service.user(&admin).get(&job).await.is(200);
        for (stranger, status, code) in [(&viewer, 403, "forbidden"), (&other, 404, "not_found")] {
            service.user(stranger).get(&job).await.refused(status, code);
            service.user(stranger).get(&format!("{job}/results")).await.refused(status, code);
            service.user(stranger).post(&format!("{job}/cancel"), json!({})).await.refused(status, code);
        }
        let listed = service.user(&admin).get(&format!("/v1/jobs?organization={one}")).await.is(200);
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        service.user(&admin).get(&format!("/v1/jobs?organization={two}")).await.refused(404, "not_found");
        // The asker's right is asked again when the row's turn comes.
        service
            .operator()
            .put(
                &format!("/v1/organizations/{one}/members/{admin}/access"),
                json!({"roles": [{"role": "viewer", "accounts": "all"}]}),
            )
            .await
            .is(200);
        let job = done(&service, &accepted).await;
        assert_eq!(job["summary"], json!({"refused": 1}));
        assert_eq!(check(&service, &one, &viewer).await, "granted");
    }
}
