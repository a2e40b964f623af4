//! Import as a job (rule X4).

crate::on_every_store! {
    x4_the_real_file_comes_in_and_a_second_time_changes_nothing
    x4_a_dry_run_says_what_the_run_does_of_people_who_come_again_and_again
    x4_too_few_seats_for_the_file_and_nothing_is_done
    x4_a_dry_run_that_finds_too_few_seats_ends_as_the_run_does
    x4_a_dry_run_gives_a_seat_that_came_free_once
    s1_seats_that_were_taken_meanwhile_are_not_held
    x4_a_row_that_was_admitted_keeps_its_seat
    x4_bad_files_are_refused_at_once
    x2_an_import_is_followed_to_its_end_and_its_events_come_in_the_order_of_the_file
    x4_accounts_come_in_and_a_second_time_nothing_changes
    p5_an_administrator_imports_by_address_and_people_of_their_own
    x3_nothing_comes_in_once_an_import_is_stopped
    x4_others_get_in_between_while_the_next_rows_are_decided
    x4_of_two_imports_side_by_side_one_tells_of_each_row
}

mod cases {
    use std::fmt::Write as _;

    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use http::Method;
    use roster_core::actor::Actor;
    use roster_core::facts::{Request, Seed};
    use roster_core::flows::import::{ImportOptions, parse_members};
    use roster_core::flows::{begin_import, cancel_job, find_job, set_role};
    use roster_core::home::{Home, Key, Record};
    use roster_core::id::{AccountId, JobId, OrganizationId};
    use roster_core::log::digest;
    use roster_core::model::JobSide;
    use roster_core::op::Roster;
    use roster_core::refusal::{OpError, Refusal};
    use roster_core::store::{ChangeSet, Clock as _, CommitError, Committed, Store, Write};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};

    use crate::{add, done, is_clean, organization, results, upload};

    pub async fn x4_the_real_file_comes_in_and_a_second_time_changes_nothing(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let file = include_str!("../../data/organization-members.csv");
        let file: String = file.lines().take(230).fold(String::new(), |mut all, line| {
            let _written = writeln!(all, "{line}");
            all
        });
        let path = format!("/v1/organizations/{one}/imports?kind=members&create_accounts=true");
        let dry = upload(&service, &format!("{path}&dry_run=true"), &file).await.is(202);
        let dry = done(&service, &dry).await;
        let foreseen = results(&service, &dry).await;
        assert_eq!(foreseen.len(), 229);
        let seats = service.operator().get(&format!("/v1/organizations/{one}/seats")).await.is(200);
        assert_eq!(seats["used"], 1, "a dry run does nothing");
        let run = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        assert_eq!((&run["kind"], &run["summary"]), (&json!("import_members"), &dry["summary"]));
        assert_eq!(results(&service, &run).await, foreseen);
        assert_eq!(foreseen[0]["line"], 2);
        let again = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        let unchanged = again["summary"]["unchanged"].as_u64().unwrap();
        assert_eq!(unchanged + again["summary"]["refused"].as_u64().unwrap_or(0), 229, "{again}");
        is_clean(&service).await;
    }

    /// A dry run keeps in mind only whom the file names again: here that is many, by one of two names or by both, some of them
    /// with another name than the one they came with.
    pub async fn x4_a_dry_run_says_what_the_run_does_of_people_who_come_again_and_again(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(1_000)).await;
        let dice = |n: usize, what: &str, sides: usize| {
            usize::from(u16::from_be_bytes([0, 1].map(|at| digest(format!("{n} {what}").as_bytes())[at])))
                % sides
        };
        let mut file = "user_external_id,email,account_external_id,role\n".to_owned();
        for n in 0..240 {
            // The people of a stretch of the file, and now and then one of long ago.
            let near = (n / 30) * 3;
            let person = if dice(n, "old", 5) == 0 { dice(n, "who", near + 1) } else { near + n % 3 };
            let other = if dice(n, "other", 10) == 0 { person + 1 } else { person };
            let (id, email) = match dice(n, "names", 4) {
                0 => (String::new(), format!("p{other}@example.com")),
                1 => (format!("p{person}"), String::new()),
                _ => (format!("p{person}"), format!("p{other}@example.com")),
            };
            let role = ["viewer", "member"][dice(n, "role", 2)];
            writeln!(file, "{id},{email},a{},{role}", dice(n, "account", 3)).unwrap();
        }
        let path = format!("/v1/organizations/{one}/imports?kind=members&create_accounts=true");
        let dry = upload(&service, &format!("{path}&dry_run=true"), &file).await.is(202);
        let foreseen = results(&service, &done(&service, &dry).await).await;
        let run = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        assert_eq!(results(&service, &run).await, foreseen);
        for how in ["added", "changed", "unchanged", "refused"] {
            assert!(foreseen.iter().any(|row| row["status"] == how), "{how}");
        }
        is_clean(&service).await;
    }

    pub async fn x4_too_few_seats_for_the_file_and_nothing_is_done(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(3)).await;
        let mut file = "email,account_external_id,role\n".to_owned();
        for n in 0..3 {
            let _written = writeln!(file, "user-{n}@example.com,north,member");
        }
        let path = format!("/v1/organizations/{one}/imports");
        let job = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        assert_eq!((&job["status"], &job["summary"]), (&json!("failed"), &json!({"refused": 1})));
        let rows = results(&service, &job).await;
        assert_eq!((&rows[0]["line"], &rows[0]["code"]), (&json!(4), &json!("no_seat")));
        let members = service.operator().get(&format!("/v1/organizations/{one}/members")).await.is(200);
        assert_eq!(members["data"].as_array().unwrap().len(), 1);
        service
            .operator()
            .patch(&format!("/v1/organizations/{one}/seats"), json!({"purchased": 4}))
            .await
            .is(200);
        let job = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        assert_eq!(job["summary"], json!({"added": 3}));
        let seats = service.operator().get(&format!("/v1/organizations/{one}/seats")).await.is(200);
        assert_eq!(seats["used"], 4, "what was held is spent or given back");
        is_clean(&service).await;
    }

    pub async fn x4_accounts_come_in_and_a_second_time_nothing_changes(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let file = "account_external_id,name\nnorth,North\neast,\nwest,West\neast,East\n,Nameless\n";
        let path = format!("/v1/organizations/{one}/imports?kind=accounts");
        let dry =
            done(&service, &upload(&service, &format!("{path}&dry_run=true"), file).await.is(202)).await;
        let foreseen = results(&service, &dry).await;
        let accounts = format!("/v1/organizations/{one}/accounts");
        let before = service.operator().get(&accounts).await.is(200);
        assert!(!before.to_string().contains("\"East\""), "a dry run does nothing");
        let run = done(&service, &upload(&service, &path, file).await.is(202)).await;
        assert_eq!((&run["kind"], &run["summary"]), (&json!("import_accounts"), &dry["summary"]));
        let rows = results(&service, &run).await;
        assert_eq!(rows, foreseen);
        let told: Vec<_> = rows.iter().map(|row| (row["line"].clone(), row["status"].clone())).collect();
        let expected = [(2, "unchanged"), (3, "added"), (4, "added"), (5, "changed"), (6, "refused")];
        assert_eq!(told, expected.map(|(line, status)| (json!(line), json!(status))));
        assert_eq!(rows[4]["code"], "invalid");
        assert_eq!(rows[4]["detail"], "account_external_id: empty");
        let east = service.operator().get(&format!("{accounts}/ext:east")).await.is(200);
        assert_eq!(east["name"], "East");
        let id = text(&run, "/id").parse().unwrap();
        let cli = Request::new(Actor::CLI, service.roster.entropy.as_ref());
        let kept = find_job(&service.roster, &cli, id).await.unwrap();
        let kept = Seed { bytes: kept.seed, millis: kept.seed_millis };
        let line = Seed { bytes: kept.derive("step line 3"), ..kept };
        let drawn = AccountId::from_uuid(line.uuid("account")).to_string();
        assert_ne!(text(&east, "/id"), drawn, "what a job keeps does not tell what it draws");
        let same = upload(&service, &path, "name,account_external_id\nEast,east\n,west\n").await.is(202);
        let again = done(&service, &same).await;
        assert_eq!(again["summary"], json!({"unchanged": 2}));
        for bad in ["", "name\nNorth\n", "account_external_id\n"] {
            upload(&service, &path, bad).await.refused(422, "invalid");
        }
        upload(&service, &format!("{path}&create_accounts=true"), file).await.refused(422, "invalid");
        is_clean(&service).await;
    }

    pub async fn p5_an_administrator_imports_by_address_and_people_of_their_own(store: &str) {
        let service = Service::on(store).await;
        let (one, other) =
            (organization(&service, "one", None).await, organization(&service, "two", None).await);
        let mine = json!({"external_id": "mine", "email": "mine@example.com", "access": {"type": "organization", "role": "viewer"}});
        service.operator().post(&format!("/v1/organizations/{one}/members"), mine).await.is(201);
        let theirs = json!({"external_id": "theirs", "email": "theirs@example.com", "access": {"type": "organization", "role": "viewer"}});
        service.operator().post(&format!("/v1/organizations/{other}/members"), theirs).await.is(201);
        let key = json!({"name": "importer", "access": {"type": "organization", "role": "admin"}});
        let key = service.operator().post(&format!("/v1/organizations/{one}/api-keys"), key).await.is(201);
        let admin = service.bearer(&text(&key, "/secret"));
        let file = "user_external_id,email,account_external_id,role\nmine,,north,member\ntheirs,,north,member\n,new@example.com,north,member\nnobody,,north,member\n";
        let path = format!("/v1/organizations/{one}/imports");
        let reply =
            admin.clone().with("content-type", "text/csv").send(Method::POST, &path, file.into()).await;
        let job = done(&service, &reply.is(202)).await;
        let told: Vec<_> = results(&service, &job)
            .await
            .iter()
            .map(|row| (row["status"].clone(), row["code"].clone()))
            .collect();
        let wide = (json!("refused"), json!("implicit_access"));
        let unknown = (json!("refused"), json!("not_found"));
        assert_eq!(told, [wide, unknown.clone(), (json!("added"), json!(null)), unknown]);
        is_clean(&service).await;
    }

    /// Where seats have run out, what has ended by time is looked for: what was counted before is not forgotten by that.
    pub async fn x4_a_dry_run_that_finds_too_few_seats_ends_as_the_run_does(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(150)).await;
        let file = (0..220).fold("email,account_external_id,role\n".to_owned(), |file, n| {
            format!("{file}p{n}@example.com,north,member\n")
        });
        let path = format!("/v1/organizations/{one}/imports");
        let dry = upload(&service, &format!("{path}?dry_run=true"), &file).await.is(202);
        let dry = done(&service, &dry).await;
        assert_eq!(dry["summary"], json!({"added": 149, "refused": 71}), "the owner has one");
        let run = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        assert_eq!((&run["status"], &run["summary"]), (&dry["status"], &json!({"refused": 71})));
        assert_eq!(run["status"], "failed");
        let mut foreseen = results(&service, &dry).await;
        foreseen.retain(|row| row["code"] == "no_seat");
        assert_eq!(results(&service, &run).await, foreseen);
        is_clean(&service).await;
    }

    /// Somebody who wants a seat, whom a member's role is changed for now and then.
    #[derive(Debug)]
    struct Racer {
        below: Roster,
        organization: OrganizationId,
        moment: Moment,
        meddled: AtomicBool,
        admitted: AtomicBool,
        tries: AtomicUsize,
    }

    /// When they try to get in.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Moment {
        /// Once, just before seats are held for the whole file.
        BeforeTheHold,
        /// Before each commit, once they are.
        AfterTheHold,
        /// Then too, and once something comes between so that rows are done one by one.
        RowByRow,
    }

    impl Racer {
        async fn comes(&self, name: &str, role: &str) -> Result<(), OpError> {
            let request = Request::new(Actor::CLI, self.below.entropy.as_ref());
            let (north, user) = ("ext:north".parse().unwrap(), format!("ext:{name}").parse().unwrap());
            let role = role.parse().unwrap();
            set_role(&self.below, &request, self.organization, &north, &user, role).await.map(drop)
        }
    }

    #[async_trait]
    impl Hook for Racer {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let holds = |it: &Write| matches!(it, Write::Put(Record::Job(job)) if job.seats_held > 0);
            let holds = changes.writes.iter().any(holds);
            if self.moment == Moment::BeforeTheHold {
                if holds && !self.admitted.swap(true, Ordering::SeqCst) {
                    self.comes("racer", "viewer").await.unwrap();
                }
                return store.commit(changes).await;
            }
            let members = changes.writes.iter().filter(|it| matches!(it, Write::Put(Record::Member(_))));
            if self.moment == Moment::RowByRow
                && members.count() > 10
                && !self.meddled.swap(true, Ordering::SeqCst)
            {
                self.comes("often", "admin").await.unwrap();
            }
            if self.admitted.load(Ordering::SeqCst) && matches!(changes.home, Home::Organization(_)) {
                self.tries.fetch_add(1, Ordering::SeqCst);
                let came = self.comes("racer", "viewer").await;
                assert!(matches!(came, Err(OpError::Refused(Refusal::NoSeat))), "{came:?}");
            }
            let done = store.commit(changes).await;
            self.admitted.fetch_or(holds && done.is_ok(), Ordering::SeqCst);
            done
        }
    }

    /// An import of a file with a seat for each row, `often` among them, and somebody who wants one too: the job, and how often
    /// they tried.
    async fn raced(store: &str, moment: Moment, rows: usize, seats: u32) -> (Service, Value, usize) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(seats)).await;
        for name in ["often", "racer"] {
            service.operator().post("/v1/users", json!({"external_id": name})).await.is(201);
        }
        let (header, path) =
            ("user_external_id,account_external_id,role\n", format!("/v1/organizations/{one}/imports"));
        let often = format!("{header}often,north,viewer\n");
        done(&service, &upload(&service, &path, &often).await.is(202)).await;
        // A seat that is free though nobody has written it down.
        let ends = json!({
            "external_id": "gone", "expires_at": "2027-01-01T00:00:05Z",
            "access": {"type": "organization", "role": "viewer"},
        });
        service.operator().post(&format!("/v1/organizations/{one}/members"), ends).await.is(201);
        service.test.clock.advance_seconds(6);
        let mut file = format!("{header}often,north,member\n");
        for n in 0..rows {
            writeln!(file, "p{n},{},viewer", if n == 0 { "made" } else { "north" }).unwrap();
        }
        let accepted = upload(&service, &format!("{path}?create_accounts=true"), &file).await.is(202);
        let racer = Arc::new(Racer {
            below: service.roster.clone(),
            organization: one.parse().unwrap(),
            moment,
            meddled: AtomicBool::new(false),
            admitted: AtomicBool::new(false),
            tries: AtomicUsize::new(0),
        });
        let between = Between::new(Arc::clone(&service.roster.store), Arc::<Racer>::clone(&racer));
        crate::worker(&Roster { store: between, ..service.roster.clone() }).work_off().await.unwrap();
        let id = text(&accepted, "/job/id");
        let job = service.operator().get(&format!("/v1/jobs/{id}")).await.is(200);
        let used = service.operator().get(&format!("/v1/organizations/{one}/seats")).await.is(200);
        assert!(used["used"].as_u64().unwrap() <= u64::from(seats), "S1: {used}");
        is_clean(&service).await;
        (service, job, racer.tries.load(Ordering::SeqCst))
    }

    /// A seat that has come free by time is given once, however long the file is.
    pub async fn x4_a_dry_run_gives_a_seat_that_came_free_once(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(2)).await;
        let path = format!("/v1/organizations/{one}/members");
        let until = service.test.clock.now().plus_seconds(3_600);
        let access = json!({"type": "organization", "role": "viewer"});
        let body = json!({"email": "gone@example.com", "access": access, "expires_at": until});
        service.operator().post(&path, body).await.is(201);
        service.test.clock.advance_seconds(3_601);
        let mut file = "user_external_id,account_external_id,role\n".to_owned();
        for n in 0..300 {
            writeln!(file, "p{},north,viewer", n / 100).unwrap();
        }
        let path = format!("/v1/organizations/{one}/imports");
        let dry = upload(&service, &format!("{path}?dry_run=true"), &file).await.is(202);
        let dry = done(&service, &dry).await;
        assert_eq!(dry["status"], "failed", "{dry}");
        assert_eq!(dry["summary"], json!({"added": 1, "unchanged": 99, "refused": 200}));
        let run = upload(&service, &path, &file).await.is(202);
        let run = done(&service, &run).await;
        assert_eq!((&run["status"], &run["summary"]), (&json!("failed"), &json!({"refused": 200})));
    }

    pub async fn s1_seats_that_were_taken_meanwhile_are_not_held(store: &str) {
        let (service, job, _) = raced(store, Moment::BeforeTheHold, 3, 5).await;
        assert_eq!((&job["status"], &job["summary"]), (&json!("failed"), &json!({"refused": 1})));
        let rows = results(&service, &job).await;
        assert_eq!((&rows[0]["line"], &rows[0]["code"]), (&json!(5), &json!("no_seat")));
    }

    /// Though a chunk is more than one commit, or is done row by row.
    pub async fn x4_a_row_that_was_admitted_keeps_its_seat(store: &str) {
        for (moment, rows, least) in [(Moment::AfterTheHold, 101, 3), (Moment::RowByRow, 12, 12)] {
            let seats = u32::try_from(rows + 2).unwrap();
            let (_, job, tries) = raced(store, moment, rows, seats).await;
            assert_eq!(job["status"], "completed", "{moment:?}: {job}");
            assert_eq!(job["summary"], json!({"added": rows, "changed": 1}), "{moment:?}");
            assert!(tries >= least, "{moment:?}: {tries} commits after the hold");
        }
    }

    /// Stops a job when a chunk of it is about to be written.
    #[derive(Debug)]
    struct Stops {
        below: Roster,
        done: AtomicBool,
    }

    #[async_trait]
    impl Hook for Stops {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let committed = store.commit(changes).await?;
            let foreseen = changes.writes.iter().filter_map(Write::key).find_map(|key| match key {
                Key::JobPart(part) if part.side == JobSide::Foreseen => Some(part.job),
                _ => None,
            });
            if let Some(job) = foreseen.filter(|_| !self.done.swap(true, Ordering::SeqCst)) {
                let cli = Request::new(Actor::CLI, self.below.entropy.as_ref());
                cancel_job(&self.below, &cli, job).await.unwrap();
            }
            Ok(committed)
        }
    }

    pub async fn x3_nothing_comes_in_once_an_import_is_stopped(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let file =
            "email,account_external_id,role\nada@example.com,north,member\nbob@example.com,north,member\n";
        let accepted = upload(&service, &format!("/v1/organizations/{one}/imports"), file).await.is(202);
        let below = service.roster.clone();
        let stops = Arc::new(Stops { below: below.clone(), done: AtomicBool::new(false) });
        let roster = Roster { store: Between::new(Arc::clone(&below.store), stops.clone()), ..below };
        crate::worker(&roster).work_off().await.unwrap();
        assert!(stops.done.load(Ordering::SeqCst));
        let job = service.operator().get(&format!("/v1/jobs/{}", text(&accepted, "/job/id"))).await.is(200);
        assert_eq!((&job["status"], &job["progress"]["done"]), (&json!("cancelled"), &json!(0)));
        let members = service.operator().get(&format!("/v1/organizations/{one}/members")).await.is(200);
        assert_eq!(members["data"].as_array().unwrap().len(), 1, "{members}");
        for nobody in ["ada", "bob"] {
            let found = service.operator().get(&format!("/v1/users?q={nobody}@example.com")).await.is(200);
            assert_eq!(found["data"], json!([]), "nobody is made for it");
        }
        is_clean(&service).await;
    }

    /// Changes a member's role just before any commit of many members.
    #[derive(Debug)]
    struct Meddles {
        below: Roster,
        organization: OrganizationId,
        times: AtomicUsize,
    }

    #[async_trait]
    impl Hook for Meddles {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let members = changes.writes.iter().filter(|it| matches!(it, Write::Put(Record::Member(_))));
            if members.count() > 10 {
                self.times.fetch_add(1, Ordering::SeqCst);
                let request = Request::new(Actor::CLI, self.below.entropy.as_ref());
                let (north, often) = ("ext:north".parse().unwrap(), "ext:often".parse().unwrap());
                let admin = "admin".parse().unwrap();
                set_role(&self.below, &request, self.organization, &north, &often, admin).await.unwrap();
            }
            store.commit(changes).await
        }
    }

    /// While a chunk is committed the next is decided: where the first fails, neither counts, and both are done afresh.
    pub async fn x4_others_get_in_between_while_the_next_rows_are_decided(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(1_000)).await;
        let mut file = "user_external_id,account_external_id,role\noften,north,viewer\n".to_owned();
        let path = format!("/v1/organizations/{one}/imports");
        done(&service, &upload(&service, &path, &file).await.is(202)).await;
        for n in 1..260 {
            let who = if n % 100 == 50 { "often".to_owned() } else { format!("p{n}") };
            writeln!(file, "{who},north,{}", ["viewer", "member"][n / 100 % 2]).unwrap();
        }
        let accepted = upload(&service, &path, &file).await.is(202);
        let below = service.roster.clone();
        let organization = one.parse().unwrap();
        let meddles = Arc::new(Meddles { below: below.clone(), organization, times: AtomicUsize::new(0) });
        let roster = Roster { store: Between::new(Arc::clone(&below.store), meddles.clone()), ..below };
        crate::worker(&roster).work_off().await.unwrap();
        assert!(meddles.times.load(Ordering::SeqCst) >= 3, "once a chunk");
        let job = service.operator().get(&format!("/v1/jobs/{}", text(&accepted, "/job/id"))).await.is(200);
        assert_eq!(job["status"], "completed", "{job}");
        // Where a row of the first chunk changes nothing, nothing is guarded, and it comes before the other's act.
        assert_eq!(job["summary"], json!({"added": 256, "changed": 2, "unchanged": 2}));
        let seats = service.operator().get(&format!("/v1/organizations/{one}/seats")).await.is(200);
        assert_eq!(seats["used"], 258);
        is_clean(&service).await;
    }

    /// Imports the same file by another worker just before a commit of members, once so many rows are done.
    #[derive(Debug)]
    struct Rival {
        below: Roster,
        organization: OrganizationId,
        file: String,
        after: u64,
        at: usize,
        done: AtomicU64,
        commits: AtomicUsize,
        job: Mutex<Option<JobId>>,
    }

    #[async_trait]
    impl Hook for Rival {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let members = changes.writes.iter().any(|it| matches!(it, Write::Put(Record::Member(_))));
            let members = members && self.done.load(Ordering::SeqCst) >= self.after;
            if members && self.commits.fetch_add(1, Ordering::SeqCst) == self.at {
                let request = Request::new(Actor::CLI, self.below.entropy.as_ref());
                let lines = parse_members(self.file.as_bytes()).unwrap();
                let options = ImportOptions { create_accounts: true, dry_run: false };
                let begun = begin_import(&self.below, &request, self.organization, lines, options).await;
                *self.job.lock().unwrap() = Some(begun.unwrap().output.id);
                Box::pin(crate::worker(&self.below).work_off()).await.unwrap();
            }
            let committed = store.commit(changes).await?;
            for write in &changes.writes {
                if let Write::Put(Record::Job(job)) = write {
                    self.done.fetch_max(job.done, Ordering::SeqCst);
                }
            }
            Ok(committed)
        }
    }

    /// A chunk is several commits: the other comes before the first, between two, or in the midst of a later chunk.
    pub async fn x4_of_two_imports_side_by_side_one_tells_of_each_row(store: &str) {
        for (many, after, at) in [(40, 0, 0), (80, 0, 1), (140, 100, 0)] {
            let service = Service::on(store).await;
            let one = organization(&service, "one", None).await;
            let mut file = "user_external_id,account_external_id,role\n".to_owned();
            for n in 0..many {
                writeln!(file, "p{n},a{n},viewer").unwrap();
            }
            let path = format!("/v1/organizations/{one}/imports?create_accounts=true");
            let first = text(&upload(&service, &path, &file).await.is(202), "/job/id");
            let below = service.roster.clone();
            let rival = Arc::new(Rival {
                below: below.clone(),
                organization: one.parse().unwrap(),
                file,
                after,
                at,
                done: AtomicU64::new(0),
                commits: AtomicUsize::new(0),
                job: Mutex::new(None),
            });
            let between = Between::new(Arc::clone(&below.store), Arc::<Rival>::clone(&rival));
            crate::worker(&Roster { store: between, ..below }).work_off().await.unwrap();
            let other = rival.job.lock().unwrap().unwrap().to_string();
            let told = async |job: &str| {
                let job = service.operator().get(&format!("/v1/jobs/{job}")).await.is(200);
                assert_eq!(job["status"], "completed", "{job}");
                let rows = results(&service, &job).await;
                rows.iter().map(|row| text(row, "/status")).collect::<Vec<_>>()
            };
            let (first, other) = (told(&first).await, told(&other).await);
            for (n, statuses) in first.iter().zip(&other).enumerate() {
                let mut statuses = [statuses.0.as_str(), statuses.1.as_str()];
                statuses.sort_unstable();
                assert_eq!(statuses, ["added", "unchanged"], "{store}, {after}, {at}, row {n}");
            }
            let added = |rows: &[String]| rows.iter().filter(|status| *status == "added").count();
            let (first, other) = (added(&first), added(&other));
            let expected = (at > 0 || after > 0, true, many);
            assert_eq!((first > 0, other > 0, first + other), expected, "{store}, {after}, {at}");
            assert!(first as u64 >= after, "{store}, {after}: {first}");
            is_clean(&service).await;
        }
    }

    pub async fn x2_an_import_is_followed_to_its_end_and_its_events_come_in_the_order_of_the_file(
        store: &str,
    ) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(130)).await;
        let people: Vec<String> = (0..120).map(|n| format!("p{}", (n * 7) % 120)).collect();
        let file =
            people.iter().fold("user_external_id,account_external_id,role\n".to_owned(), |file, who| {
                format!("{file}{who},north,viewer\n")
            });
        let path = format!("/v1/organizations/{one}/imports");
        let accepted = upload(&service, &path, &file).await.is(202);
        let stream = format!("/v1/jobs/{}/stream", text(&accepted, "/job/id"));
        let operator = service.operator();
        let (told, job) = tokio::join!(operator.get(&stream), done(&service, &accepted));
        let jobs: Vec<Value> = told
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|job| serde_json::from_str(job).unwrap())
            .collect();
        assert!(jobs.len() >= 2 && told.text.matches("event: job").count() == jobs.len(), "{}", told.text);
        assert!(["queued", "running"].contains(&jobs[0]["status"].as_str().unwrap()), "{}", jobs[0]);
        assert_eq!(jobs.last(), Some(&job));
        assert_eq!(job["summary"], json!({"added": 120}));

        let (mut came, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let path = format!("/v1/organizations/{one}/events?after={after}&limit=100");
            let page = operator.get(&path).await.is(200);
            let events = page["data"].as_array().unwrap();
            let added = events.iter().filter(|event| event["type"] == "member.added");
            came.extend(added.map(|event| text(event, "/data/user_id")));
            if events.is_empty() {
                break;
            }
            after = text(&page, "/next_cursor");
        }
        for (n, who) in people.iter().enumerate().step_by(17) {
            let user = operator.get(&format!("/v1/users/ext:{who}")).await.is(200);
            assert_eq!(came[n + 1], text(&user, "/id"), "{who}, after the owner");
        }
        assert_eq!(came.len(), 121);
        is_clean(&service).await;
    }

    pub async fn x4_bad_files_are_refused_at_once(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let path = format!("/v1/organizations/{one}/imports");
        upload(&service, &path, "email\n").await.refused(422, "invalid");
        upload(&service, &format!("{path}?kind=birds"), "").await.refused(422, "invalid");
        let caller = service.operator().with("content-type", "application/json");
        caller.send(Method::POST, &path, b"{}".to_vec()).await.refused(415, "unsupported_media_type");
        upload(&service, &path, "email,account_external_id,role\n").await.refused(422, "invalid");
        let member = text(&add(&service, &one, "max@example.com", "member").await.is(201), "/user_id");
        let caller = service.user(&member).with("content-type", "text/csv");
        let file = b"email,account_external_id,role\nada@example.com,north,viewer\n".to_vec();
        caller.send(Method::POST, &path, file).await.refused(403, "forbidden");
        assert_eq!(service.operator().get("/v1/jobs").await.is(200)["data"], json!([]));
    }
}
