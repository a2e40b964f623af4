//! An import in which others get in between, and that may then go on no more: what came in by it is told, and nothing else
//! is.

crate::on_every_store! {
    x4_rows_that_are_in_are_told_though_the_import_ends_in_the_midst_of_them
    x4_what_came_before_others_got_in_between_is_told_shown_and_counted
    t3_an_owner_who_came_by_an_import_that_was_cut_off_is_found_as_it_goes_on
    x4_what_was_foreseen_behind_a_chunk_that_others_got_into_is_forgotten
}

mod cases {
    use std::fmt::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::{cancel_job, find_job, set_role, update_user};
    use roster_core::home::{Key, Record};
    use roster_core::id::{JobId, OrganizationId, UserId};
    use roster_core::model::Made;
    use roster_core::op::Roster;
    use roster_core::ops::user::UserPatch;
    use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};

    use crate::{is_clean, organization, results, upload, worker};

    fn members(changes: &ChangeSet) -> usize {
        changes.writes.iter().filter(|it| matches!(it, Write::Put(Record::Member(_)))).count()
    }

    fn cut_off() -> Result<Committed, CommitError> {
        let (kind, detail) = (StoreErrorKind::Unavailable, "a test cut it off".to_owned());
        Err(StoreError { kind, operation: "commit", detail }.into())
    }

    /// What an import has made by the way.
    async fn made(service: &Service, id: &str) -> Made {
        let cli = Request::new(Actor::CLI, service.roster.entropy.as_ref());
        find_job(&service.roster, &cli, id.parse().unwrap()).await.unwrap().made
    }

    /// What comes between when it goes row by row.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum End {
        /// It is stopped at the first row.
        Stopped,
        /// No fourth row can be committed.
        Refused,
        /// From the twelfth on nothing at all can be, so that nobody says any more what came of the rows before.
        Down,
    }

    /// Before the second commit of many members somebody changes one who is in by the first and adds one who comes later, so
    /// that the rest goes row by row.
    #[derive(Debug)]
    struct Ends {
        below: Roster,
        organization: OrganizationId,
        job: JobId,
        end: End,
        many: AtomicUsize,
        single: AtomicUsize,
    }

    #[async_trait]
    impl Hook for Ends {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let cli = Request::new(Actor::CLI, self.below.entropy.as_ref());
            if self.end == End::Down && self.single.load(Ordering::SeqCst) > 11 {
                return cut_off();
            }
            match members(changes) {
                0 => {}
                1 if self.many.load(Ordering::SeqCst) < 2 => {}
                1 => match (self.single.fetch_add(1, Ordering::SeqCst), self.end) {
                    (0, End::Stopped) => drop(cancel_job(&self.below, &cli, self.job).await.unwrap()),
                    (3.., End::Refused) | (11.., End::Down) => return cut_off(),
                    _ => {}
                },
                _ if self.many.fetch_add(1, Ordering::SeqCst) == 1 => {
                    let others = [("ext:a0", "ext:p0", "admin"), ("ext:north", "ext:p70", "viewer")];
                    for (account, user, role) in others {
                        let request = Request::new(Actor::CLI, self.below.entropy.as_ref());
                        let (account, user) = (account.parse().unwrap(), user.parse().unwrap());
                        let role = role.parse().unwrap();
                        set_role(&self.below, &request, self.organization, &account, &user, role)
                            .await
                            .unwrap();
                    }
                }
                _ => {}
            }
            store.commit(changes).await
        }
    }

    pub async fn x4_rows_that_are_in_are_told_though_the_import_ends_in_the_midst_of_them(store: &str) {
        for end in [End::Stopped, End::Refused, End::Down] {
            let service = Service::on(store).await;
            let one = organization(&service, "one", None).await;
            let mut file = "user_external_id,account_external_id,role\n".to_owned();
            for n in 0..80 {
                let account = if n < 60 { format!("a{n}") } else { "north".to_owned() };
                writeln!(file, "p{n},{account},viewer").unwrap();
            }
            let path = format!("/v1/organizations/{one}/imports?create_accounts=true");
            let id = text(&upload(&service, &path, &file).await.is(202), "/job/id");
            let below = service.roster.clone();
            let ends = Arc::new(Ends {
                below: below.clone(),
                organization: one.parse().unwrap(),
                job: id.parse().unwrap(),
                end,
                many: AtomicUsize::new(0),
                single: AtomicUsize::new(0),
            });
            let between = Between::new(Arc::clone(&below.store), Arc::<Ends>::clone(&ends));
            worker(&Roster { store: between, ..below.clone() }).work_off().await.unwrap();
            if end != End::Stopped {
                // Whoever went down has not let go of it.
                service.test.clock.advance_seconds(31);
                let cli = Request::new(Actor::CLI, below.entropy.as_ref());
                cancel_job(&below, &cli, ends.job).await.unwrap();
                worker(&below).work_off().await.unwrap();
            }
            let job = service.operator().get(&format!("/v1/jobs/{id}")).await.is(200);
            assert_eq!(job["status"], "cancelled", "{store}: {job}");
            let rows = results(&service, &job).await;
            let told: Vec<String> = rows.iter().map(|row| text(row, "/status")).collect();
            let brought = told.iter().take_while(|status| *status != "left").count();
            // The owner, and whom somebody else added, are nobody of these.
            let seats = service.operator().get(&format!("/v1/organizations/{one}/seats")).await.is(200);
            assert_eq!(seats["used"], json!(brought + 2), "{store}, {end:?}: {told:?}");
            assert!((2..=70).contains(&brought), "{store}, {end:?}: {told:?}");
            assert_eq!(told[0], if end == End::Stopped { "added" } else { "changed" }, "{store}");
            assert!(told[1..brought].iter().all(|status| status == "added"), "{store}, {end:?}: {told:?}");
            assert!(told[brought..].iter().all(|status| status == "left"), "{store}, {end:?}: {told:?}");
            // All people come before the first row. Whoever went down could not say what it had made by then.
            let listed = service.operator().get(&format!("/v1/organizations/{one}/accounts?limit=200")).await;
            let accounts = listed.is(200)["data"].as_array().unwrap().len() as u64 - 1;
            let made = made(&service, &id).await;
            assert_eq!(made.users, 80, "{store}, {end:?}");
            let unsaid = if end == End::Down { 10 } else { 0 };
            assert!((accounts - unsaid..=accounts).contains(&made.accounts), "{store}, {end:?}: {made:?}");
            is_clean(&service).await;
        }
    }

    /// Before the first commit of members somebody changes the name of one of them. Where an account is then to have an owner,
    /// others are in the way once, or the process dies.
    #[derive(Debug)]
    struct Owners {
        below: Roster,
        renamed: UserId,
        is_renamed: AtomicBool,
        is_cut: AtomicBool,
        dies: bool,
    }

    #[async_trait]
    impl Hook for Owners {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            if self.dies && self.is_cut.load(Ordering::SeqCst) {
                return cut_off();
            }
            if members(changes) > 0 && !self.is_renamed.swap(true, Ordering::SeqCst) {
                let cli = Request::new(Actor::CLI, self.below.entropy.as_ref());
                let patch = UserPatch { name: Some(Some("New".parse().unwrap())), ..UserPatch::default() };
                update_user(&self.below, &cli, self.renamed, &patch).await.unwrap();
            }
            let entry = changes.entry.as_ref().map(|entry| String::from_utf8_lossy(&entry.body));
            let sets_owner = entry.is_some_and(|body| body.contains("account_owner.set"));
            if sets_owner && !self.is_cut.swap(true, Ordering::SeqCst) {
                return if self.dies { cut_off() } else { Err(CommitError::Conflict(Key::Organization)) };
            }
            store.commit(changes).await
        }
    }

    /// An organization, Lia, the account that waits for her as its owner, and an import that brings her in.
    async fn waits_for_lia(service: &Service) -> (String, String, String, String) {
        let (one, operator) = (organization(service, "one", None).await, service.operator());
        let lia = json!({"external_id": "lia", "name": "Old"});
        let lia = text(&operator.post("/v1/users", lia).await.is(201), "/id");
        let mapped = json!({"account_owner_trait": "owner"});
        operator.put(&format!("/v1/organizations/{one}/trait-mappings"), mapped).await.is(202);
        let north = format!("/v1/organizations/{one}/accounts/ext:north");
        operator.patch(&north, json!({"traits": {"owner": "lia"}})).await.is(200);
        worker(&service.roster).work_off().await.unwrap();

        let file =
            "user_external_id,account_external_id,role\nzoe,west,viewer\nlia,north,viewer\nmax,east,viewer\n";
        let path = format!("/v1/organizations/{one}/imports?create_accounts=true");
        let id = text(&upload(service, &path, file).await.is(202), "/job/id");
        (one, lia, north, id)
    }

    pub async fn x4_what_came_before_others_got_in_between_is_told_shown_and_counted(store: &str) {
        let service = Service::on(store).await;
        let operator = service.operator();
        let (one, lia, north, id) = waits_for_lia(&service).await;
        let owners = Arc::new(Owners {
            below: service.roster.clone(),
            renamed: lia.parse().unwrap(),
            is_renamed: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            dies: false,
        });
        let between = Between::new(Arc::clone(&service.roster.store), Arc::<Owners>::clone(&owners));
        worker(&Roster { store: between, ..service.roster.clone() }).work_off().await.unwrap();
        assert!(owners.is_cut.load(Ordering::SeqCst), "{store}: it was not cut short");
        let job = operator.get(&format!("/v1/jobs/{id}")).await.is(200);
        assert_eq!((&job["status"], &job["summary"]), (&json!("completed"), &json!({"added": 3})), "{store}");
        assert_eq!(made(&service, &id).await, Made { accounts: 2, users: 2 }, "{store}");
        let listed = operator.get(&format!("/v1/organizations/{one}/members")).await.is(200);
        let row = listed["data"].as_array().unwrap().iter().find(|row| row["user_id"] == lia.as_str());
        assert_eq!(row.unwrap()["name"], "New", "{store}");
        let owner = json!({"state": "resolved", "source": "mapping", "user_id": lia});
        assert_eq!(operator.get(&north).await.is(200)["account_owner"], owner, "{store}");
        is_clean(&service).await;
    }

    pub async fn t3_an_owner_who_came_by_an_import_that_was_cut_off_is_found_as_it_goes_on(store: &str) {
        let service = Service::on(store).await;
        let operator = service.operator();
        let (_, lia, north, id) = waits_for_lia(&service).await;
        let owners = Arc::new(Owners {
            below: service.roster.clone(),
            renamed: lia.parse().unwrap(),
            is_renamed: AtomicBool::new(true),
            is_cut: AtomicBool::new(false),
            dies: true,
        });
        let between = Between::new(Arc::clone(&service.roster.store), Arc::<Owners>::clone(&owners));
        let _dead = worker(&Roster { store: between, ..service.roster.clone() }).work_off().await;
        assert!(owners.is_cut.load(Ordering::SeqCst), "{store}: it lives");
        assert_eq!(operator.get(&north).await.is(200)["account_owner"]["state"], "unresolved", "{store}");
        service.test.clock.advance_seconds(31);
        worker(&service.roster).work_off().await.unwrap();
        let job = operator.get(&format!("/v1/jobs/{id}")).await.is(200);
        assert_eq!((&job["status"], &job["summary"]), (&json!("completed"), &json!({"added": 3})), "{store}");
        let owner = json!({"state": "resolved", "source": "mapping", "user_id": lia});
        assert_eq!(operator.get(&north).await.is(200)["account_owner"], owner, "{store}");
        is_clean(&service).await;
    }

    /// Others are in the way of the first commit of a member. Once the rows of that part are told, the process dies.
    #[derive(Debug)]
    struct Dies {
        is_cut: AtomicBool,
        is_down: AtomicBool,
    }

    #[async_trait]
    impl Hook for Dies {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            if self.is_down.load(Ordering::SeqCst) {
                return cut_off();
            }
            if members(changes) > 0 && !self.is_cut.swap(true, Ordering::SeqCst) {
                return Err(CommitError::Conflict(Key::Organization));
            }
            let done = store.commit(changes).await;
            let told = |write: &Write| matches!(write, Write::Put(Record::Job(job)) if job.done == 100);
            if changes.writes.iter().any(told) {
                self.is_down.store(true, Ordering::SeqCst);
            }
            done
        }
    }

    /// What is foreseen of the second part is of an attempt of which nothing is in: whom somebody else has added there in the
    /// meantime did not come by the import.
    pub async fn x4_what_was_foreseen_behind_a_chunk_that_others_got_into_is_forgotten(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let mut file = "user_external_id,account_external_id,role\np0,north,viewer\n".to_owned();
        for n in 1..100 {
            writeln!(file, "p{n},nowhere,viewer").unwrap();
        }
        file.push_str("last,north,viewer\n");
        let path = format!("/v1/organizations/{one}/imports");
        let id = text(&upload(&service, &path, &file).await.is(202), "/job/id");
        let (below, is_cut, is_down) =
            (service.roster.clone(), AtomicBool::new(false), AtomicBool::new(false));
        let dies = Arc::new(Dies { is_cut, is_down });
        let between = Between::new(Arc::clone(&below.store), Arc::<Dies>::clone(&dies));
        let _dead = worker(&Roster { store: between, ..below.clone() }).work_off().await;
        assert!(dies.is_down.load(Ordering::SeqCst), "{store}: it lives");
        let access = json!({"type": "accounts", "accounts": [{"account": "ext:north", "role": "viewer"}]});
        let last = json!({"external_id": "last", "access": access});
        service.operator().post(&format!("/v1/organizations/{one}/members"), last).await.is(201);
        service.test.clock.advance_seconds(61);
        worker(&below).work_off().await.unwrap();
        let job = service.operator().get(&format!("/v1/jobs/{id}")).await.is(200);
        let summary: Value = json!({"added": 1, "refused": 99, "unchanged": 1});
        assert_eq!(job["summary"], summary, "{store}: {job}");
        is_clean(&service).await;
    }
}
