//! Removal from everything (rule M5).

crate::on_every_store! {
    m5_access_ends_with_the_answer_and_the_sweep_reports
    m5_what_is_shown_after_the_answer_is_what_acts
    m5_where_it_cannot_be_written_down_the_others_come_first_and_it_is_told
    l5_what_cannot_be_read_keeps_an_erasure_from_nothing_else
    o2_one_who_owns_after_all_is_told_of_what_cannot_be_read_too
    m5_what_comes_later_survives
    m9_an_invitation_sent_after_the_removal_holds
    m5_an_addition_that_was_under_way_does_not_count
    m5_one_added_across_a_removal_is_in_or_not_added
    o2_one_who_hands_over_before_the_sweep_is_out
    m5_only_operators_remove_from_everything
}

mod cases {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::{NewMember, Who, add_member, erase_user, remove_everywhere};
    use roster_core::home::{Home, Key};
    use roster_core::log::LogFilter;
    use roster_core::op::{Roster, run};
    use roster_core::ops::member::{AccessAsk, AddMember, Joining};
    use roster_core::ops::ownership::TransferOwnership;
    use roster_core::permission::RoleRef;
    use roster_core::reference::UserRef;
    use roster_core::refusal::{OpError, Refusal};
    use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
    use roster_core::verify::repair_all;
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Reply, Service, text};
    use serde_json::{Value, json};

    use crate::{add, check, done, is_clean, organization, results};

    pub async fn m5_access_ends_with_the_answer_and_the_sweep_reports(store: &str) {
        let service = Service::on(store).await;
        let mut organizations = Vec::new();
        for n in 0..25 {
            let id = organization(&service, &format!("tenant-{n}"), Some(3)).await;
            add(&service, &id, "ada@example.com", "admin").await.is(201);
            organizations.push(id);
        }
        let ada = text(&service.operator().get("/v1/users?q=ada@example.com").await.is(200), "/data/0/id");
        let own = json!({"name": "Own", "external_id": "own", "owner": {"email": "ada@example.com"}});
        let own = text(&service.operator().post("/v1/organizations", own).await.is(201), "/id");
        let replica = service.replica().await;
        assert_eq!(check(&replica, &organizations[0], &ada).await, "granted");
        let reply = service.operator().delete(&format!("/v1/users/{ada}/accounts")).await;
        let place = reply.header("location").unwrap().to_owned();
        let accepted = reply.is(202);
        assert_eq!(place, format!("/v1/jobs/{}", text(&accepted, "/job/id")));
        assert_eq!(accepted["job"]["status"], "queued");
        assert_eq!(accepted["job"]["progress"], json!({"done": 0, "total": 26}));
        // It has happened: what is left is seen through.
        let cancel = format!("{place}/cancel");
        service.operator().post(&cancel, json!({})).await.refused(409, "job_finished");
        for id in &organizations {
            for service in [&service, &replica] {
                assert_eq!(check(service, id, &ada).await, "no_membership");
                service.user(&ada).get(&format!("/v1/organizations/{id}")).await.refused(404, "not_found");
            }
        }
        assert_eq!(check(&service, &own, &ada).await, "granted");
        let reached = service.operator().get(&format!("/v1/users/{ada}/accounts")).await.is(200);
        assert_eq!(reached["data"].as_array().unwrap().len(), 1, "{reached}");

        let job = done(&service, &accepted).await;
        assert_eq!(job["status"], "completed_with_conflicts");
        assert_eq!(job["progress"], json!({"done": 26, "total": 26}));
        assert_eq!(job["summary"], json!({"removed": 25, "refused": 1}));
        for result in results(&service, &job).await {
            let refused = result["item"] == own.as_str();
            assert_eq!(result["status"], if refused { "refused" } else { "removed" });
            assert_eq!(result["code"], if refused { json!("owner_must_transfer") } else { json!(null) });
        }
        for id in &organizations {
            let path = format!("/v1/organizations/{id}/members?status=former");
            let former = service.operator().get(&path).await.is(200);
            assert_eq!(text(&former, "/data/0/user_id"), ada);
            let seats = service.operator().get(&format!("/v1/organizations/{id}/seats")).await.is(200);
            assert_eq!(seats["used"], 1);
        }
        let listed = service.operator().get("/v1/jobs").await.is(200);
        assert_eq!(listed["data"], json!([job]));
        // Once more: nobody is there who could be removed.
        let again = service.operator().delete(&format!("/v1/users/{ada}/accounts")).await.is(202);
        let again = done(&service, &again).await;
        assert_eq!(again["progress"], job["progress"]);
        let path = format!("/v1/organizations/{}/audit?action=member.removed", organizations[0]);
        let removals = service.operator().get(&path).await.is(200);
        assert_eq!(removals["data"].as_array().unwrap().len(), 1);
        is_clean(&service).await;
    }

    /// Without a job having come by: of the person everywhere, in lists and seats of the first 20 organizations.
    pub async fn m5_what_is_shown_after_the_answer_is_what_acts(store: &str) {
        let service = Service::on(store).await;
        let operator = service.operator();
        let (mut ada, mut organizations) = (String::new(), Vec::new());
        for n in 0..22 {
            let id = organization(&service, &format!("tenant-{n:02}"), Some(3)).await;
            ada = text(&add(&service, &id, "ada@example.com", "admin").await.is(201), "/user_id");
            organizations.push(format!("/v1/organizations/{id}"));
        }
        organizations.sort();
        let late = format!("{}/members/{ada}", organizations[21]);
        let before = operator.get(&late).await.header("etag").unwrap().to_owned();
        let accepted = operator.delete(&format!("/v1/users/{ada}/accounts")).await.is(202);
        for (n, organization) in organizations.iter().enumerate() {
            let member = operator.get(&format!("{organization}/members/{ada}")).await.is(200);
            assert_eq!(member["status"], "former", "in the {n}th");
            assert_eq!(member["access"], json!({"type": "accounts", "accounts": []}));
            let active = operator.get(&format!("{organization}/members")).await.is(200);
            let seats = operator.get(&format!("{organization}/seats")).await.is(200);
            if n < 20 {
                assert_eq!(active["data"].as_array().unwrap().len(), 1, "in the {n}th");
                assert_eq!(seats["used"], 1);
            }
        }
        let shown = operator.get(&late).await;
        let (tag, shown) = (shown.header("etag").unwrap().to_owned(), shown.is(200));
        assert_ne!(tag, before, "what is shown has changed");
        service.test.clock.advance_seconds(2);
        assert_eq!(operator.get(&late).await.header("etag").unwrap(), tag, "and stays as it is");
        let (ends, patch) = (json!({"expires_at": "2099-01-01T00:00:00Z"}), http::Method::PATCH);
        let knowing = operator.clone().with("if-match", &before).with("content-type", "application/json");
        let outdated = knowing.send(patch, &late, ends.to_string().into()).await;
        outdated.refused(412, "precondition_failed");
        operator.patch(&late, ends).await.refused(409, "target_not_active");
        let job = done(&service, &accepted).await;
        assert_eq!((&job["status"], &job["summary"]), (&json!("completed"), &json!({"removed": 22})));
        assert_eq!(operator.get(&late).await.is(200), shown, "the sweep writes down what was shown");
        is_clean(&service).await;
    }

    /// A home that cannot be read: at all, or record by record only.
    #[derive(Debug)]
    struct Broken {
        home: Home,
        wholly: bool,
    }

    impl Broken {
        fn fails(&self, home: &Home) -> Result<(), StoreError> {
            let detail = "a page of the file is gone".to_owned();
            let failure = StoreError { kind: StoreErrorKind::Corrupt, operation: "read", detail };
            if *home == self.home { Err(failure) } else { Ok(()) }
        }
    }

    #[async_trait]
    impl Hook for Broken {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            store.commit(changes).await
        }

        async fn before_read_of(&self, home: &Home) -> Result<(), StoreError> {
            if self.wholly { self.fails(home) } else { Ok(()) }
        }

        async fn before_records(&self, home: &Home, _: Option<&Key>) -> Result<(), StoreError> {
            self.fails(home)
        }
    }

    /// So many organizations in the order of their ids, with these people in each.
    async fn in_many(service: &Service, emails: &[&str]) -> (Vec<String>, Vec<String>) {
        let (mut organizations, mut people) = (Vec::new(), BTreeSet::new());
        for n in 0..22 {
            let id = organization(service, &format!("tenant-{n:02}"), Some(3)).await;
            for email in emails {
                people.insert(text(&add(service, &id, email, "admin").await.is(201), "/user_id"));
            }
            organizations.push(id);
        }
        organizations.sort();
        (organizations, people.into_iter().collect())
    }

    async fn seats(service: &Service, organization: &str) -> u64 {
        let seats = service.operator().get(&format!("/v1/organizations/{organization}/seats")).await.is(200);
        seats["used"].as_u64().unwrap()
    }

    pub async fn m5_where_it_cannot_be_written_down_the_others_come_first_and_it_is_told(store: &str) {
        let service = Service::on(store).await;
        let (organizations, people) = in_many(&service, &["ada@example.com", "bob@example.com"]).await;
        let (ill, last) = (&organizations[20], &organizations[21]);
        let home = Home::Organization(ill.parse().unwrap());
        let broken = Arc::new(Broken { home, wholly: true });
        let between = Between::new(Arc::clone(&service.roster.store), broken);
        let on_broken = crate::worker(&Roster { store: between, ..service.roster.clone() });
        let mut accepted = Vec::new();
        for person in &people {
            accepted.push(service.operator().delete(&format!("/v1/users/{person}/accounts")).await.is(202));
        }
        on_broken.work_off().await.unwrap();
        assert_eq!((seats(&service, last).await, seats(&service, ill).await), (1, 3));
        for (person, accepted) in people.iter().zip(&accepted) {
            let job =
                service.operator().get(&format!("/v1/jobs/{}", text(accepted, "/job/id"))).await.is(200);
            assert_eq!((&job["status"], &job["progress"]["done"]), (&json!("running"), &json!(21)));
            assert_eq!(check(&service, ill, person).await, "no_membership");
        }
        // It is tried for a while, and then told of.
        for _ in 0..12 {
            service.test.clock.advance_seconds(301);
            on_broken.work_off().await.unwrap();
        }
        for accepted in &accepted {
            let job = done(&service, accepted).await;
            assert_eq!(job["status"], "completed_with_conflicts");
            assert_eq!(job["summary"], json!({"removed": 21, "refused": 1}));
            let told = results(&service, &job).await;
            let refused: Vec<_> = told.iter().filter(|row| row["status"] == "refused").collect();
            assert_eq!(
                (refused[0]["item"].as_str().unwrap(), &refused[0]["code"]),
                (ill.as_str(), &json!("internal"))
            );
        }
        // Once it can be read, a removal that was asked for again writes it down.
        let again = service.operator().delete(&format!("/v1/users/{}/accounts", people[0])).await.is(202);
        assert_eq!(done(&service, &again).await["status"], "completed");
        assert_eq!(seats(&service, ill).await, 2);
        is_clean(&service).await;
    }

    /// Also where it cannot be written down that they have left.
    pub async fn l5_what_cannot_be_read_keeps_an_erasure_from_nothing_else(store: &str) {
        // Whether a page of its lists or all of it cannot be read is the core's affair: it takes turns but for memory.
        let ways: &[bool] = match store {
            "memory" => &[false, true],
            "sqlite" | "redis" => &[false],
            _ => &[true],
        };
        for &wholly in ways {
            let service = Service::on(store).await;
            let (organizations, people) = in_many(&service, &["gone@example.com"]).await;
            let homes: Vec<Home> =
                organizations.iter().map(|id| Home::Organization(id.parse().unwrap())).collect();
            let (ill, person) = (&organizations[20], &people[0]);
            let own = Home::User(person.parse().unwrap());
            let broken = Arc::new(Broken { home: homes[20].clone(), wholly });
            let between = Between::new(Arc::clone(&service.roster.store), broken);
            let on_broken = crate::worker(&Roster { store: between, ..service.roster.clone() });
            let erase = format!("/v1/users/{person}/erase");
            let accepted = service.operator().post(&erase, json!({"confirm": true})).await.is(202);
            let path = format!("/v1/jobs/{}", text(&accepted, "/job/id"));
            let named = async |home: &Home| {
                let dump = service.roster.store.dump(home).await.unwrap();
                let log = service.roster.store.log(home, 0, 500, &LogFilter::ALL).await.unwrap();
                format!("{dump:?}{log:?}").contains("gone@example.com")
            };
            on_broken.work_off().await.unwrap();
            for home in homes.iter().filter(|home| **home != homes[20]) {
                assert!(!named(home).await, "{home}");
            }
            assert!(named(&own).await, "by this they are found where it could not be done");
            assert_eq!(check(&service, ill, person).await, "not_found");
            let job = service.operator().get(&path).await.is(200);
            assert_eq!(job["status"], "running");
            assert!(job["failure"].as_str().is_some_and(|why| why.starts_with("internal: ")), "{job}");
            assert!(!job.to_string().contains("a page of the file"), "what a store says is for the log");
            // Whoever mends what lists show brings no name back.
            let mended = repair_all(&service.roster, &mut |_| {}).await.unwrap();
            assert!(!mended.is_empty(), "the directory shows them still");
            // It is tried for a while, and then told of, whatever else comes about meanwhile.
            for n in 0..12 {
                if n == 4 {
                    organization(&service, "later", None).await;
                }
                service.test.clock.advance_seconds(301);
                on_broken.work_off().await.unwrap();
            }
            let job = service.operator().get(&path).await.is(200);
            assert_eq!((&job["status"], &job["failure"]), (&json!("completed_with_conflicts"), &Value::Null));
            let removed = if wholly { 21 } else { 22 };
            assert_eq!(job["summary"], json!({"removed": removed, "refused": 1}), "{wholly}");
            let told = results(&service, &job).await;
            let refused: Vec<_> = told.iter().filter(|row| row["status"] == "refused").collect();
            assert_eq!((&refused[0]["item"], &refused[0]["code"]), (&json!(ill), &json!("internal")));
            for home in homes.iter().filter(|home| **home != homes[20]) {
                assert!(!named(home).await, "{home}");
            }
            assert!(named(&own).await && named(&homes[20]).await);
            is_clean(&service).await;
            // Once it can be read, an erasure that is asked for again does the rest.
            let again = service.operator().post(&erase, json!({"confirm": true})).await.is(202);
            assert_eq!(done(&service, &again).await["status"], "completed");
            for home in homes.iter().chain([&own]) {
                assert!(!named(home).await, "{home}");
            }
            is_clean(&service).await;
        }
    }

    /// Hands an organization to somebody while they are erased: after it was looked whether they own one.
    #[derive(Debug)]
    struct HandsOver {
        below: Roster,
        transfer: TransferOwnership,
        to: Home,
        done: AtomicBool,
    }

    #[async_trait]
    impl Hook for HandsOver {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            if changes.home == self.to && !self.done.swap(true, Ordering::SeqCst) {
                let cli = Request::new(Actor::CLI, self.below.entropy.as_ref());
                run(&self.below, &cli, &self.transfer).await.unwrap();
            }
            store.commit(changes).await
        }
    }

    pub async fn o2_one_who_owns_after_all_is_told_of_what_cannot_be_read_too(store: &str) {
        let service = Service::on(store).await;
        let owned = organization(&service, "owned", None).await;
        let ill = organization(&service, "ill", None).await;
        let person = text(&add(&service, &owned, "gone@example.com", "admin").await.is(201), "/user_id");
        add(&service, &ill, "gone@example.com", "admin").await.is(201);
        let (user, below) = (person.parse().unwrap(), service.roster.clone());
        let behind = |hook: Arc<dyn Hook>| Roster {
            store: Between::new(Arc::clone(&service.roster.store), hook),
            ..service.roster.clone()
        };
        let transfer = TransferOwnership::new(owned.parse().unwrap(), (user, 0), RoleRef::ADMIN);
        let (to, done) = (Home::User(user), AtomicBool::new(false));
        let handed = behind(Arc::new(HandsOver { below, transfer, to, done }));
        let cli = Request::new(Actor::CLI, handed.entropy.as_ref());
        let job = erase_user(&handed, &cli, user).await.unwrap().output;
        let home = Home::Organization(ill.parse().unwrap());
        let on_broken = crate::worker(&behind(Arc::new(Broken { home, wholly: true })));
        on_broken.work_off().await.unwrap();
        let path = format!("/v1/jobs/{}", job.id);
        let early = service.operator().get(&path).await.is(200);
        assert_eq!(early["status"], "running", "what cannot be read is tried once more");
        for _ in 0..12 {
            service.test.clock.advance_seconds(301);
            on_broken.work_off().await.unwrap();
        }
        let job = service.operator().get(&path).await.is(200);
        assert_eq!(
            (&job["status"], &job["summary"]),
            (&json!("completed_with_conflicts"), &json!({"refused": 2}))
        );
        let told = results(&service, &job).await;
        let told: BTreeSet<_> = told.iter().map(|row| (text(row, "/item"), text(row, "/code"))).collect();
        let wanted = [(owned, "owner_must_transfer".to_owned()), (ill, "internal".to_owned())];
        assert_eq!(told, BTreeSet::from(wanted));
        is_clean(&service).await;
    }

    pub async fn m5_what_comes_later_survives(store: &str) {
        let service = Service::on(store).await;
        let (one, two) =
            (organization(&service, "one", None).await, organization(&service, "two", None).await);
        let ada = text(&add(&service, &one, "ada@example.com", "viewer").await.is(201), "/user_id");
        add(&service, &two, "ada@example.com", "viewer").await.is(201);
        let accepted = service.operator().delete(&format!("/v1/users/{ada}/accounts")).await.is(202);
        // Both before the sweep: one by an add, one by a role on an account.
        add(&service, &one, "ada@example.com", "admin").await.is(201);
        let path = format!("/v1/organizations/{two}/accounts/ext:north/members/{ada}");
        service.operator().put(&path, json!({"role": "member"})).await.is(201);
        assert_eq!(check(&service, &one, &ada).await, "granted");
        let job = done(&service, &accepted).await;
        assert_eq!((&job["status"], &job["summary"]), (&json!("completed"), &json!({"unchanged": 2})));
        assert_eq!(check(&service, &one, &ada).await, "granted");
        let member = service.operator().get(&format!("/v1/organizations/{two}/members/{ada}")).await.is(200);
        assert_eq!(member["access"]["accounts"][0]["role"], "member");
        is_clean(&service).await;
    }

    /// Also where the sweep comes between, and where there was no membership yet that it could end.
    pub async fn m9_an_invitation_sent_after_the_removal_holds(store: &str) {
        for swept in [false, true] {
            let service = Service::on(store).await;
            let (operator, clock) = (service.operator(), &service.test.clock);
            let was_in = organization(&service, "one", None).await;
            let never = organization(&service, "two", None).await;
            let ada = text(&add(&service, &was_in, "ada@example.com", "admin").await.is(201), "/user_id");
            let (user, organization) = (ada.parse().unwrap(), never.parse().unwrap());
            let system = Request::new(Actor::System, service.roster.entropy.as_ref());
            let pointer = roster_core::ops::pointer::PointToOrganization { user, organization };
            run(&service.roster, &system, &pointer).await.unwrap();
            let access = json!({"type": "organization", "role": "viewer"});
            let ask = json!({"email": "ada@example.com", "access": access});
            let path = |id: &str| format!("/v1/organizations/{id}/invitations");
            let before = operator.post(&path(&never), ask.clone()).await.is(201);
            let old = door(&service, &never, &text(&before, "/id")).await;
            clock.advance_seconds(1);
            let accepted = operator.delete(&format!("/v1/users/{ada}/accounts")).await.is(202);
            clock.advance_seconds(1);
            service.user(&ada).post(&old, json!({})).await.refused(410, "invitation_revoked");
            // It is over with the answer: it bars no other.
            let revoked = operator.delete(&format!("{}/{}", path(&never), text(&before, "/id"))).await;
            revoked.refused(409, "invitation_not_pending");
            let mut invited = Vec::new();
            for id in [&was_in, &never] {
                invited.push((id, text(&operator.post(&path(id), ask.clone()).await.is(201), "/id")));
            }
            clock.advance_seconds(1);
            if swept {
                done(&service, &accepted).await;
            }
            for (id, invitation) in &invited {
                accept(&service, id, invitation, &ada).await.is(200);
                assert_eq!(check(&service, id, &ada).await, "granted", "swept: {swept}");
            }
            if !swept {
                done(&service, &accepted).await;
            }
            assert_eq!(check(&service, &was_in, &ada).await, "granted");
            assert_eq!(check(&service, &never, &ada).await, "granted");
            is_clean(&service).await;
        }
    }

    async fn accept(service: &Service, organization: &str, invitation: &str, user: &str) -> Reply {
        service.user(user).post(&door(service, organization, invitation).await, json!({})).await
    }

    /// Where an invitation is accepted.
    async fn door(service: &Service, organization: &str, invitation: &str) -> String {
        let link = format!("/v1/organizations/{organization}/invitations/{invitation}/link");
        let url = text(&service.operator().get(&link).await.is(200), "/url");
        format!("/v1/invitations/{}/accept", url.rsplit('/').next().unwrap())
    }

    /// The person and the pointer are there, the membership comes after the sweep.
    pub async fn m5_an_addition_that_was_under_way_does_not_count(store: &str) {
        let service = Service::on(store).await;
        let (one, two) =
            (organization(&service, "one", None).await, organization(&service, "two", None).await);
        let ada = text(&add(&service, &one, "ada@example.com", "viewer").await.is(201), "/user_id");
        let (user, organization) = (ada.parse().unwrap(), two.parse().unwrap());
        let system = Request::new(Actor::System, service.roster.entropy.as_ref());
        let pointer = roster_core::ops::pointer::PointToOrganization { user, organization };
        run(&service.roster, &system, &pointer).await.unwrap();
        let cli = Request::new(Actor::CLI, service.roster.entropy.as_ref());
        remove_everywhere(&service.roster, &cli, user).await.unwrap();
        crate::worker(&service.roster).work_off().await.unwrap();
        let late = AddMember {
            organization,
            user,
            card: roster_core::model::Card::default(),
            cuts: 0,
            joining: Joining {
                access: AccessAsk::Organization(RoleRef::ADMIN),
                starts_at: None,
                expires_at: None,
            },
            only_known: false,
        };
        let outcome = run(&service.roster, &cli, &late).await;
        assert!(matches!(outcome, Err(OpError::Refused(Refusal::Conflict))), "{outcome:?}");
        assert_eq!(check(&service, &two, &ada).await, "no_membership");
    }

    /// Removes a person from everything, sweep included, just before the pointer to their next organization.
    #[derive(Debug)]
    struct Cuts {
        below: Roster,
        done: AtomicBool,
    }

    #[async_trait]
    impl Hook for Cuts {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let points =
                changes.writes.iter().filter_map(Write::key).any(|key| matches!(key, Key::Membership(_)));
            if let Home::User(user) = changes.home
                && points
                && !self.done.swap(true, Ordering::SeqCst)
            {
                let cli = Request::new(Actor::CLI, self.below.entropy.as_ref());
                remove_everywhere(&self.below, &cli, user).await.unwrap();
                crate::worker(&self.below).work_off().await.unwrap();
            }
            store.commit(changes).await
        }
    }

    pub async fn m5_one_added_across_a_removal_is_in_or_not_added(store: &str) {
        let service = Service::on(store).await;
        let (one, two) =
            (organization(&service, "one", None).await, organization(&service, "two", None).await);
        let ada = text(&add(&service, &one, "ada@example.com", "viewer").await.is(201), "/user_id");
        let below = service.roster.clone();
        let cuts = Arc::new(Cuts { below: below.clone(), done: AtomicBool::new(false) });
        let roster = Roster { store: Between::new(Arc::clone(&below.store), cuts.clone()), ..below };
        let cli = Request::new(Actor::CLI, roster.entropy.as_ref());
        let new = NewMember {
            who: Who::Known(UserRef::Id(ada.parse().unwrap())),
            joining: Joining {
                access: AccessAsk::Organization(RoleRef::ADMIN),
                starts_at: None,
                expires_at: None,
            },
        };
        add_member(&roster, &cli, two.parse().unwrap(), &new, None).await.unwrap();
        assert!(cuts.done.load(Ordering::SeqCst));
        assert_eq!(check(&service, &two, &ada).await, "granted", "added after the removal");
        assert_eq!(check(&service, &one, &ada).await, "no_membership");
        is_clean(&service).await;
    }

    pub async fn o2_one_who_hands_over_before_the_sweep_is_out(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let next = text(&add(&service, &one, "next@example.com", "admin").await.is(201), "/user_id");
        let shown = service.operator().get(&format!("/v1/organizations/{one}")).await.is(200);
        let owner = text(&shown, "/owner/user_id");
        let accepted = service.operator().delete(&format!("/v1/users/{owner}/accounts")).await.is(202);
        let path = format!("/v1/organizations/{one}/ownership-transfers");
        service.operator().post(&path, json!({"to": next})).await.is(201);
        assert_eq!(check(&service, &one, &owner).await, "no_membership");
        let job = done(&service, &accepted).await;
        assert_eq!((&job["status"], &job["summary"]), (&json!("completed"), &json!({"removed": 1})));
        is_clean(&service).await;
    }

    pub async fn m5_only_operators_remove_from_everything(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let ada = text(&add(&service, &one, "ada@example.com", "admin").await.is(201), "/user_id");
        let path = format!("/v1/users/{ada}/accounts");
        service.user(&ada).delete(&path).await.refused(403, "forbidden");
        service.operator().delete("/v1/users/ext:nobody/accounts").await.refused(404, "not_found");
        assert_eq!(check(&service, &one, &ada).await, "granted");
        assert_eq!(service.operator().get("/v1/jobs").await.is(200)["data"], json!([]));
        service.user(&ada).get("/v1/jobs").await.refused(403, "forbidden");
    }
}
