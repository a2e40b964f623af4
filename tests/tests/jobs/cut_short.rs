//! An import in which others get in between, and that then goes on no more: what came in by it is told, and nothing else is.

crate::on_every_store! {
    x4_rows_that_are_in_are_told_though_the_import_ends_in_the_midst_of_them
}

mod cases {
    use std::fmt::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::{cancel_job, set_role};
    use roster_core::home::Record;
    use roster_core::id::{JobId, OrganizationId};
    use roster_core::op::Roster;
    use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
    use roster_tests::gate::{Between, Hook};
    use roster_tests::http::{Service, text};
    use serde_json::json;

    use crate::{is_clean, organization, results, upload, worker};

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
            let members = changes.writes.iter().filter(|it| matches!(it, Write::Put(Record::Member(_))));
            let cli = Request::new(Actor::CLI, self.below.entropy.as_ref());
            let cut_off = || {
                let (kind, detail) = (StoreErrorKind::Unavailable, "a test cut it off".to_owned());
                Err(StoreError { kind, operation: "commit", detail }.into())
            };
            if self.end == End::Down && self.single.load(Ordering::SeqCst) > 11 {
                return cut_off();
            }
            match members.count() {
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
            is_clean(&service).await;
        }
    }
}
