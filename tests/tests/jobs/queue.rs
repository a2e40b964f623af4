//! What a worker asks the store about jobs that are not its to do now.

crate::on_every_store! {
    x3_jobs_that_others_are_at_are_not_read_at_every_turn
    x3_a_job_of_a_later_instant_keeps_no_new_one_waiting
    x3_what_gets_nowhere_is_given_up_but_for_what_must_end
    x3_an_upload_that_was_cut_off_is_taken_away
    m5_a_removal_waits_for_no_long_jobs
}

mod cases {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use async_trait::async_trait;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::home::{Home, Record};
    use roster_core::id::JobId;
    use roster_core::jobs::Worker;
    use roster_core::model::{DirectoryEntry, Work};
    use roster_core::op::{Roster, run};
    use roster_core::ops::job::{MAX_ATTEMPTS, TakeJob, Taken};
    use roster_core::ops::pointer::PutDirectoryEntry;
    use roster_core::rounds::make_round;
    use roster_core::stop::Stop;
    use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};
    use tokio::sync::{Notify, Semaphore};

    use crate::{add, is_clean, organization, upload, worker};

    const JOBS: usize = 30;

    #[derive(Debug, Default)]
    struct Calls(AtomicUsize);

    #[async_trait]
    impl Hook for Calls {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            store.commit(changes).await
        }

        async fn before_read(&self) -> Result<(), StoreError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    /// Its id is of the instant from which on it may be taken, which may be far ahead.
    pub async fn x3_a_job_of_a_later_instant_keeps_no_new_one_waiting(store: &str) {
        let service = Service::on(store).await;
        let id = organization(&service, "one", None).await;
        let home = Home::Organization(id.parse().unwrap());
        let later = JobId::from_uuid(uuid::Uuid::from_u128(u128::MAX >> 1));
        let entry = DirectoryEntry::of_job(later, &home, "map_owners");
        let system = Request::new(Actor::System, service.roster.entropy.as_ref());
        run(&service.roster, &system, &PutDirectoryEntry { entry, anew: true }).await.unwrap();
        let worker = worker(&service.roster);
        worker.work_off().await.unwrap();
        let body = json!({"action": "remove", "users": ["ext:nobody"]});
        let path = format!("/v1/organizations/{id}/members/bulk");
        let job = text(&service.operator().post(&path, body).await.is(202), "/job/id");
        worker.work_off().await.unwrap();
        let job = service.operator().get(&format!("/v1/jobs/{job}")).await.is(200);
        assert_eq!(job["status"], "completed_with_conflicts");
    }

    /// No job can be begun.
    #[derive(Debug)]
    struct CutOff;

    #[async_trait]
    impl Hook for CutOff {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            if changes.writes.iter().any(|it| matches!(it, Write::Put(Record::Job(_)))) {
                let (kind, detail) = (StoreErrorKind::Unavailable, "a test cut it off".to_owned());
                return Err(StoreError { kind, operation: "commit", detail }.into());
            }
            store.commit(changes).await
        }
    }

    /// A file names people: what nothing leads to does not stay. One whose job is there, does.
    pub async fn x3_an_upload_that_was_cut_off_is_taken_away(store: &str) {
        let service = Service::on(store).await;
        let id = organization(&service, "one", None).await;
        let home = Home::Organization(id.parse().unwrap());
        let path = format!("/v1/organizations/{id}/imports");
        let file = (0..450).fold("email,account_external_id,role\n".to_owned(), |file, n| {
            format!("{file}p{n}@example.com,north,viewer\n")
        });
        let kept = upload(&service, &path, &file).await.is(202);
        let behind = service.behind(Arc::new(CutOff));
        upload(&behind, &path, &file).await.refused(503, "store_unavailable");
        let parts = async || {
            let records = service.roster.store.dump(&home).await.unwrap().records;
            records.iter().filter(|it| matches!(it.record, Record::JobPart(_))).count()
        };
        assert_eq!(parts().await, 10, "{store}");
        assert_eq!(make_round(&service.roster).await.unwrap().parts, 0, "{store}: it may be under way");
        service.test.clock.advance_seconds(3 * 3_600);
        assert_eq!(make_round(&service.roster).await.unwrap().parts, 5, "{store}");
        assert_eq!(parts().await, 5, "{store}");
        worker(&service.roster).work_off().await.unwrap();
        let job = service.operator().get(&format!("/v1/jobs/{}", text(&kept, "/job/id"))).await.is(200);
        assert_eq!((&job["status"], &job["summary"]["added"]), (&json!("completed"), &json!(450)));
        is_clean(&service).await;
    }

    /// No outcome can be written.
    #[derive(Debug)]
    struct Broken;

    #[async_trait]
    impl Hook for Broken {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let done = |it: &Write| matches!(it, Write::Put(Record::Job(job)) if job.done > 0);
            if changes.writes.iter().any(done) {
                let (kind, detail) = (StoreErrorKind::Unavailable, "a test cut it off".to_owned());
                return Err(StoreError { kind, operation: "commit", detail }.into());
            }
            store.commit(changes).await
        }
    }

    /// After ten attempts in a row, each later than the one before.
    pub async fn x3_what_gets_nowhere_is_given_up_but_for_what_must_end(store: &str) {
        let service = Service::on(store).await;
        let id = organization(&service, "one", None).await;
        let ada = text(&add(&service, &id, "ada@example.com", "viewer").await.is(201), "/user_id");
        let body = json!({"action": "remove", "users": ["ext:nobody"]});
        let path = format!("/v1/organizations/{id}/members/bulk");
        let bulk = service.operator().post(&path, body).await.is(202);
        let removal = service.operator().delete(&format!("/v1/users/{ada}/accounts")).await.is(202);
        let below = Between::new(Arc::clone(&service.roster.store), Arc::new(Broken));
        let broken = worker(&Roster { store: below, ..service.roster.clone() });
        let shown = async |job: &Value| {
            let path = format!("/v1/jobs/{}", text(job, "/job/id"));
            let job = service.operator().get(&path).await.is(200);
            (job["status"].clone(), job["failure"].clone())
        };
        let unavailable = "store_unavailable: the store cannot be reached";
        for attempt in 0..=MAX_ATTEMPTS {
            assert_eq!(shown(&bulk).await.0, if attempt == 0 { "queued" } else { "running" }, "{attempt}");
            broken.work_off().await.unwrap();
            service.test.clock.advance_seconds(301);
        }
        let given_up =
            format!("given up after 10 attempts in a row without getting on; the last: {unavailable}");
        assert_eq!(shown(&bulk).await, (json!("failed"), json!(given_up)));
        assert_eq!(shown(&removal).await, (json!("running"), json!(unavailable)));
        worker(&service.roster).work_off().await.unwrap();
        assert_eq!(shown(&bulk).await.0, "failed");
        assert_eq!(shown(&removal).await, (json!("completed"), Value::Null));
        is_clean(&service).await;
    }

    /// Holds what bulk jobs would do until it is closed.
    #[derive(Debug)]
    struct Slow {
        room: Semaphore,
        waiting: AtomicUsize,
    }

    #[async_trait]
    impl Hook for Slow {
        async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
            let slow = |it: &Write| match it {
                Write::Put(Record::Job(job)) => matches!(job.work, Work::Bulk { .. }) && job.done > 0,
                _ => false,
            };
            if changes.writes.iter().any(slow) {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                drop(self.room.acquire().await);
            }
            store.commit(changes).await
        }
    }

    /// Jobs that take long take every place but the one that is kept.
    pub async fn m5_a_removal_waits_for_no_long_jobs(store: &str) {
        let service = Service::on(store).await;
        let id = organization(&service, "one", None).await;
        let ada = text(&add(&service, &id, "ada@example.com", "viewer").await.is(201), "/user_id");
        let path = format!("/v1/organizations/{id}/members/bulk");
        let mut jobs = Vec::new();
        for n in 0..5 {
            let body = json!({"action": "remove", "users": [format!("ext:nobody-{n}")]});
            jobs.push(service.operator().post(&path, body).await.is(202));
        }
        let slow = Arc::new(Slow { room: Semaphore::new(0), waiting: AtomicUsize::new(0) });
        let below = Between::new(Arc::clone(&service.roster.store), Arc::<Slow>::clone(&slow));
        let (wake, stop) = (Arc::new(Notify::new()), Stop::default());
        let worker = Worker::new(Roster { store: below, ..service.roster.clone() }, Arc::clone(&wake));
        let stopped = stop.clone();
        let working = tokio::spawn(async move { worker.work(stopped).await });
        let shown = async |job: &Value| {
            let path = format!("/v1/jobs/{}", text(job, "/job/id"));
            service.operator().get(&path).await.is(200)["status"].clone()
        };
        let until = Instant::now() + Duration::from_secs(20);
        while slow.waiting.load(Ordering::SeqCst) < 3 {
            assert!(Instant::now() < until, "{store}: not begun");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let removal = service.operator().delete(&format!("/v1/users/{ada}/accounts")).await.is(202);
        wake.notify_one();
        while shown(&removal).await != "completed" {
            assert!(Instant::now() < until, "{store}: the removal waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for job in &jobs {
            assert!(shown(job).await != "completed_with_conflicts", "{store}");
        }
        slow.room.close();
        for job in &jobs {
            while shown(job).await != "completed_with_conflicts" {
                assert!(Instant::now() < until, "{store}: the others wait");
                wake.notify_one();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        stop.give();
        working.await.unwrap();
        is_clean(&service).await;
    }

    /// Until the lease of whoever had them has ended: then they are done.
    pub async fn x3_jobs_that_others_are_at_are_not_read_at_every_turn(store: &str) {
        let service = Service::on(store).await;
        let id = organization(&service, "one", None).await;
        let home = Home::Organization(id.parse().unwrap());
        let path = format!("/v1/organizations/{id}/members/bulk");
        let mut jobs = Vec::new();
        for _ in 0..JOBS {
            let body = json!({"action": "remove", "users": ["ext:nobody"]});
            let job = text(&service.operator().post(&path, body).await.is(202), "/job/id");
            let other = Request::new(Actor::System, service.roster.entropy.as_ref());
            let id: JobId = job.parse().unwrap();
            let take = TakeJob { home: home.clone(), id, holder: other.seed.uuid("another") };
            let taken = run(&service.roster, &other, &take).await.unwrap().output;
            assert!(matches!(taken, Taken::Mine(_)));
            jobs.push(job);
        }
        let calls = Arc::new(Calls::default());
        let counting = Between::new(Arc::clone(&service.roster.store), Arc::<Calls>::clone(&calls));
        let worker = worker(&Roster { store: counting, ..service.roster.clone() });
        worker.work_off().await.unwrap();
        assert!(calls.0.swap(0, Ordering::SeqCst) >= JOBS, "each is read once, to know whose it is");
        for _ in 0..3 {
            service.test.clock.advance_seconds(2);
            worker.work_off().await.unwrap();
        }
        let asked = calls.0.swap(0, Ordering::SeqCst);
        assert!(asked <= 6, "{asked} calls in three turns with nothing to do");
        service.test.clock.advance_seconds(25);
        worker.work_off().await.unwrap();
        for job in jobs {
            let job = service.operator().get(&format!("/v1/jobs/{job}")).await.is(200);
            assert_eq!(job["status"], "completed_with_conflicts");
        }
        is_clean(&service).await;
    }
}
