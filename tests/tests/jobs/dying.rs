//! Every kind of job with its worker dying at a commit, or losing the job to another there and going on: the next one takes
//! over, every step is done once, and the results are those of a worker that lived.

crate::on_every_store! {
    x3_whenever_the_worker_dies_another_ends_the_job
    x3_a_worker_that_wakes_up_too_late_gets_on_with_nothing
    x3_what_a_stopped_import_left_is_not_in
    x4_an_import_with_no_seat_to_spare_ends_whenever_its_worker_dies
}

mod cases {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::{cancel_job, find_job, set_role, update_user};
    use roster_core::ingest::Drain;
    use roster_core::log::LogFilter;
    use roster_core::model::{Job, Work};
    use roster_core::op::{Roster, run};
    use roster_core::ops::job::{TakeJob, Taken};
    use roster_core::ops::user::UserPatch;
    use roster_core::refusal::{OpError, Refusal};
    use roster_core::store::{ChangeSet, CommitError, Committed, Store};
    use roster_tests::crash::{Afterwards, Crash, Loss};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use roster_tests::mailbox::Mailbox;
    use roster_tests::stores::ManualClock;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use crate::{add, is_clean, organization, results, upload, worker};

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Kind {
        Everywhere,
        Bulk,
        Import,
        Accounts,
        Erase,
        Owners,
        Records,
        Cards,
        Letters,
        DryRun,
        DryAccounts,
        Resets,
    }

    impl Kind {
        const ALL: [Self; 12] = [
            Self::Everywhere,
            Self::Bulk,
            Self::Import,
            Self::Accounts,
            Self::Erase,
            Self::Owners,
            Self::Records,
            Self::Cards,
            Self::Letters,
            Self::DryRun,
            Self::DryAccounts,
            Self::Resets,
        ];

        /// How it ends.
        fn end(self) -> &'static str {
            match self {
                Self::Everywhere
                | Self::Bulk
                | Self::Import
                | Self::Accounts
                | Self::DryRun
                | Self::DryAccounts
                | Self::Resets => "completed_with_conflicts",
                Self::Erase | Self::Owners | Self::Records | Self::Cards | Self::Letters => "completed",
            }
        }

        /// Whether what was done before a death is told of as done already.
        fn looks_again(self) -> bool {
            matches!(self, Self::Owners | Self::Cards)
        }
    }

    /// A job that is asked for, with something to refuse.
    async fn asked(service: &Service, kind: Kind) -> Value {
        let one = organization(service, "one", None).await;
        let two = organization(service, "two", None).await;
        let ada = text(&add(service, &one, "ada@example.com", "viewer").await.is(201), "/user_id");
        add(service, &two, "ada@example.com", "viewer").await.is(201);
        let operator = service.operator();
        match kind {
            Kind::Everywhere => {
                let own = json!({"name": "Own", "owner": {"email": "ada@example.com"}});
                operator.post("/v1/organizations", own).await.is(201);
                operator.delete(&format!("/v1/users/{ada}/accounts")).await.is(202)
            }
            Kind::Bulk => {
                let users = json!([ada, "ext:nobody", ada]);
                let body = json!({"action": "remove", "users": users});
                operator.post(&format!("/v1/organizations/{one}/members/bulk"), body).await.is(202)
            }
            Kind::Resets => {
                let users = json!([ada, "ext:nobody", ada]);
                let body = json!({"action": "password_reset", "users": users});
                operator.post(&format!("/v1/organizations/{one}/members/bulk"), body).await.is(202)
            }
            Kind::Import | Kind::DryRun => {
                let file = "email,account_external_id,role\nbob@example.com,north,member\n\
                    ada@example.com,north,viewer\ncyd@example.com,nowhere,viewer\n";
                let path = format!("/v1/organizations/{one}/imports?dry_run={}", kind == Kind::DryRun);
                upload(service, &path, file).await.is(202)
            }
            Kind::Erase => {
                let path = format!("/v1/users/{ada}/erase");
                operator.post(&path, json!({"confirm": true})).await.is(202)
            }
            Kind::Accounts | Kind::DryAccounts => {
                let file = "account_external_id,name\nnorth,Nord\neast,\n,Nameless\n";
                let dry = kind == Kind::DryAccounts;
                let path = format!("/v1/organizations/{one}/imports?kind=accounts&dry_run={dry}");
                upload(service, &path, file).await.is(202)
            }
            Kind::Owners => {
                let account = format!("/v1/organizations/{one}/accounts/ext:north");
                operator.patch(&account, json!({"traits": {"lead": "nobody"}})).await.is(200);
                let mapping = json!({"account_owner_trait": "lead"});
                operator.put(&format!("/v1/organizations/{one}/trait-mappings"), mapping).await.is(202)
            }
            Kind::Letters => {
                let to_one = json!({"name": "Product", "groups": {"to": "one", "organization": one}});
                let source = operator.post("/v1/sources", to_one).await.is(201);
                let key = STANDARD.encode(format!("{}:", text(&source, "/write_key")));
                let sender = service.nobody().with("authorization", &format!("Basic {key}"));
                let two = json!({"batch": [{"type": "nothing"}, {"type": "alias", "userId": "a"}]});
                sender.post("/v1/batch", two).await.is(200);
                Drain::new(service.roster.clone(), Arc::default()).work_off().await.unwrap();
                let path = format!("/v1/sources/{}/dead-letters/replay", text(&source, "/id"));
                operator.post(&path, json!({"all": true})).await.is(202)
            }
            Kind::Records => {
                let bob = text(&add(service, &one, "bob@example.com", "viewer").await.is(201), "/user_id");
                let path = format!("/v1/organizations/{one}/records");
                for name in ["one", "two"] {
                    operator.put(&format!("{path}/deal/{name}"), json!({"owner": ada})).await.is(201);
                }
                operator.post(&format!("{path}/reassign"), json!({"from": ada, "to": bob})).await.is(202)
            }
            Kind::Cards => {
                // Whoever has changed the record dies before lists show it.
                let crash = Crash::at(2, Loss::Commit, Afterwards::Down);
                let below = Between::new(Arc::clone(&service.roster.store), crash);
                let dying = Roster { store: below, ..service.roster.clone() };
                let request = Request::new(Actor::CLI, dying.entropy.as_ref());
                let patch = UserPatch { name: Some(Some("Adele".parse().unwrap())), ..UserPatch::default() };
                let _dead = update_user(&dying, &request, ada.parse().unwrap(), &patch).await;
                service.test.clock.advance_seconds(61);
                let jobs = operator.get("/v1/jobs").await.is(200);
                assert_eq!(jobs["data"][0]["kind"], "refresh_cards", "{jobs}");
                json!({"job": jobs["data"][0]})
            }
        }
    }

    /// What can be compared between two runs: nothing but what the job did, by kinds of events.
    async fn told(service: &Service, accepted: &Value, kind: Kind) -> (Value, Vec<Value>, Vec<String>) {
        let id = text(accepted, "/job/id");
        let mut job = service.operator().get(&format!("/v1/jobs/{id}")).await.is(200);
        let mut outcomes = results(service, &job).await;
        if kind.looks_again() {
            job["summary"] = json!(null);
            for row in &mut outcomes {
                row["status"] = json!(null);
            }
        }
        let outcomes = outcomes.iter().map(|row| json!([row["line"], row["status"], row["code"]])).collect();
        let mut actions = Vec::new();
        let organizations = service.operator().get("/v1/organizations").await.is(200);
        for organization in organizations["data"].as_array().unwrap() {
            let path = format!("/v1/organizations/{}/audit?limit=200", text(organization, "/id"));
            let trail = service.operator().get(&path).await.is(200);
            actions.extend(trail["data"].as_array().unwrap().iter().map(|event| text(event, "/action")));
        }
        actions.sort();
        (json!([job["status"], job["summary"], job["progress"]]), outcomes, actions)
    }

    /// Whether an address stands anywhere in the store, in what a home is called too.
    async fn is_named(service: &Service, address: &str) -> bool {
        let store = &service.roster.store;
        for home in store.homes(None, 10_000).await.unwrap() {
            let mut all = format!("{home} {:?}", store.dump(&home).await.unwrap());
            if home.has_log() {
                for logged in store.log(&home, 0, 10_000, &LogFilter::ALL).await.unwrap() {
                    write!(all, "{} {:?}", String::from_utf8_lossy(&logged.body), logged.personal).unwrap();
                }
            }
            if all.contains(address) {
                return true;
            }
        }
        false
    }

    /// A service where a job is asked for, and nobody has begun it.
    struct Scene {
        service: Service,
        kind: Kind,
        accepted: Value,
    }

    impl Scene {
        async fn of(store: &str, kind: Kind) -> Self {
            let mail = kind == Kind::Resets;
            let service = if mail { Service::with_mail(store).await.0 } else { Service::on(store).await };
            let accepted = asked(&service, kind).await;
            Self { service, kind, accepted }
        }

        /// A copy of it, with mail where letters are to be written.
        async fn copied(&self) -> Service {
            let mut service = self.service.copied().await;
            if self.kind == Kind::Resets {
                service.roster = Mailbox::of(service.roster).1;
            }
            service
        }

        /// A copy with a worker whose store is cut off at the n-th commit; how many it made.
        async fn one_life(&self, crash: &Arc<Crash>) -> Service {
            let service = self.copied().await;
            lives(&service, crash).await;
            service
        }

        async fn told(&self, service: &Service) -> (Value, Vec<Value>, Vec<String>) {
            told(service, &self.accepted, self.kind).await
        }

        async fn job(&self, service: &Service) -> Job {
            job(service, &self.accepted).await
        }
    }

    /// A worker that dies.
    async fn lives(service: &Service, crash: &Arc<Crash>) {
        let below = Between::new(Arc::clone(&service.roster.store), Arc::<Crash>::clone(crash));
        let _dead = worker(&Roster { store: below, ..service.roster.clone() }).work_off().await;
    }

    pub async fn x3_whenever_the_worker_dies_another_ends_the_job(store: &str) {
        let mut kinds = BTreeSet::new();
        for kind in Kind::ALL {
            let (scene, whole) = (Scene::of(store, kind).await, Crash::never());
            let service = scene.one_life(&whole).await;
            let expected = scene.told(&service).await;
            assert_eq!(expected.0[0], kind.end(), "{expected:?}");
            kinds.insert(scene.job(&service).await.work.kind());
            // What a store does at a commit is the same at each of them: those that are not in memory share them out, and what
            // is lost there takes turns.
            let (first, step) = match store {
                "sqlite" => (0, 4),
                "postgres" => (1, 4),
                "redis" => (2, 4),
                "redis-cluster" => (3, 4),
                _ => (0, 1),
            };
            for n in (first..whole.commits()).step_by(step) {
                let losses = [Loss::Commit, Loss::Answer];
                let losses = if step == 1 { &losses[..] } else { &losses[n / step % 2..][..1] };
                for loss in losses.iter().copied() {
                    let crash = Crash::at(n, loss, Afterwards::Down);
                    let service = scene.one_life(&crash).await;
                    // Nobody takes over before the lease has ended.
                    service.test.clock.advance_seconds(31);
                    worker(&service.roster).work_off().await.unwrap();
                    let found = scene.told(&service).await;
                    assert_eq!(found, expected, "{kind:?}, cut off at commit {n} ({loss:?})");
                    is_clean(&service).await;
                    let named = matches!(kind, Kind::Erase) && is_named(&service, "ada@example.com").await;
                    assert!(!named, "cut off at commit {n} ({loss:?}): L5");
                }
            }
        }
        assert_eq!(kinds, BTreeSet::from(Work::KINDS), "every kind there is");
    }

    /// The job as it stands.
    async fn job(service: &Service, accepted: &Value) -> Job {
        let asked = Request::new(Actor::CLI, service.roster.entropy.as_ref());
        find_job(&service.roster, &asked, text(accepted, "/job/id").parse().unwrap()).await.unwrap()
    }

    /// The worker stands still before its n-th commit until another has taken the job, and then goes on.
    #[derive(Debug)]
    struct Overtaken {
        at: usize,
        commits: AtomicUsize,
        below: Roster,
        clock: Arc<ManualClock>,
        job: Job,
        taken: Mutex<Option<Job>>,
    }

    #[async_trait]
    impl Hook for Overtaken {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            if self.commits.fetch_add(1, Ordering::SeqCst) == self.at {
                self.clock.advance_seconds(31);
                let system = Request::new(Actor::System, self.below.entropy.as_ref());
                let take =
                    TakeJob { home: self.job.work.home(), id: self.job.id, holder: Uuid::from_u128(7) };
                if let Taken::Mine(job) = run(&self.below, &system, &take).await.unwrap().output {
                    *self.taken.lock().unwrap() = Some(*job);
                }
            }
            store.commit(changes).await
        }
    }

    pub async fn x3_a_worker_that_wakes_up_too_late_gets_on_with_nothing(store: &str) {
        for kind in Kind::ALL {
            let (scene, whole) = (Scene::of(store, kind).await, Crash::never());
            let service = scene.one_life(&whole).await;
            let (expected, commits) = (scene.told(&service).await, whole.commits());
            let (first, step) = if store == "memory" { (0, 1) } else { (commits / 2, commits) };
            for at in (first..commits).step_by(step) {
                let service = scene.copied().await;
                let overtaken = Arc::new(Overtaken {
                    at,
                    commits: AtomicUsize::new(0),
                    below: service.roster.clone(),
                    clock: Arc::clone(&service.test.clock),
                    job: scene.job(&service).await,
                    taken: Mutex::new(None),
                });
                let between =
                    Between::new(Arc::clone(&service.roster.store), Arc::<Overtaken>::clone(&overtaken));
                worker(&Roster { store: between, ..service.roster.clone() }).work_off().await.unwrap();
                let taken = overtaken.taken.lock().unwrap().take();
                if let Some(taken) = taken {
                    assert_eq!(scene.job(&service).await, taken, "{kind:?}, overtaken at commit {at}");
                }
                service.test.clock.advance_seconds(31);
                worker(&service.roster).work_off().await.unwrap();
                let found = scene.told(&service).await;
                assert_eq!(found, expected, "{kind:?}, overtaken at commit {at}");
                is_clean(&service).await;
            }
        }
    }

    /// An import of 120 rows with a seat for each, some of them in accounts that it makes.
    async fn tight(store: &str) -> (Scene, String) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", Some(120)).await;
        service.operator().post("/v1/users", json!({"external_id": "racer"})).await.is(201);
        let mut file = "user_external_id,account_external_id,role\n".to_owned();
        for n in 0..120 {
            let account = if n % 100 == 50 { format!("made-{n}") } else { "north".to_owned() };
            writeln!(file, "p{n},{account},{}", if n == 110 { "owner" } else { "viewer" }).unwrap();
        }
        let path = format!("/v1/organizations/{one}/imports?create_accounts=true");
        let accepted = upload(&service, &path, &file).await.is(202);
        (Scene { service, kind: Kind::Import, accepted }, one)
    }

    /// A chunk takes several commits: of an import that is stopped after its worker died, the results tell of each row
    /// whether it is in.
    pub async fn x3_what_a_stopped_import_left_is_not_in(store: &str) {
        let ((scene, one), whole) = (tight(store).await, Crash::never());
        scene.one_life(&whole).await;
        let turns = if store == "memory" { 12 } else { 3 };
        for turn in 1..=turns {
            let crash = Crash::at(whole.commits() * turn / (turns + 1), Loss::Commit, Afterwards::Down);
            let service = scene.one_life(&crash).await;
            service.test.clock.advance_seconds(31);
            let cli = Request::new(Actor::CLI, service.roster.entropy.as_ref());
            cancel_job(&service.roster, &cli, scene.job(&service).await.id).await.unwrap();
            worker(&service.roster).work_off().await.unwrap();
            let path = format!("/v1/jobs/{}", text(&scene.accepted, "/job/id"));
            let ended = service.operator().get(&path).await.is(200);
            assert_eq!(ended["status"], "cancelled");
            let told = results(&service, &ended).await;
            assert_eq!(told.len(), 120);
            let mut members = BTreeSet::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/v1/organizations/{one}/members?limit=200{cursor}");
                let page = service.operator().get(&path).await.is(200);
                let rows = page["data"].as_array().unwrap();
                members.extend(rows.iter().filter_map(|row| row["external_id"].as_str().map(str::to_owned)));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            for row in told {
                let who = format!("p{}", row["line"].as_u64().unwrap() - 2);
                assert_eq!(members.contains(&who), row["status"] == "added", "cut off at turn {turn}: {row}");
            }
            is_clean(&service).await;
        }
    }

    /// Nobody else gets the seats that were admitted, before the next worker comes or after.
    pub async fn x4_an_import_with_no_seat_to_spare_ends_whenever_its_worker_dies(store: &str) {
        let ((scene, one), whole) = (tight(store).await, Crash::never());
        let expected = scene.told(&scene.one_life(&whole).await).await;
        assert_eq!(expected.0[1], json!({"added": 119, "refused": 1}));
        let (turns, mut held) = (if store == "memory" { 6 } else { 2 }, 0);
        for turn in 1..=turns {
            let at = whole.commits() * turn / (turns + 1);
            let loss = if turn % 2 == 0 { Loss::Commit } else { Loss::Answer };
            let service = scene.one_life(&Crash::at(at, loss, Afterwards::Down)).await;
            let job = scene.job(&service).await;
            if job.cursor.as_deref() == Some("admitted") {
                held += usize::from(job.seats_held > 0);
                let cli = Request::new(Actor::CLI, service.roster.entropy.as_ref());
                let (north, racer) = ("ext:north".parse().unwrap(), "ext:racer".parse().unwrap());
                let (one, role) = (one.parse().unwrap(), "viewer".parse().unwrap());
                let came = set_role(&service.roster, &cli, one, &north, &racer, role).await;
                assert!(matches!(came, Err(OpError::Refused(Refusal::NoSeat))), "cut off at {at}: {came:?}");
            }
            service.test.clock.advance_seconds(31);
            worker(&service.roster).work_off().await.unwrap();
            let found = scene.told(&service).await;
            assert_eq!((&found.0, &found.1), (&expected.0, &expected.1), "cut off at {at} ({loss:?})");
            is_clean(&service).await;
        }
        assert!(held > 0, "one died while seats were held");
    }
}
