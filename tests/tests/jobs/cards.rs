//! What lists show of a person follows their record, whoever dies in between (rule X3).

crate::on_every_store! {
    x3_a_change_shows_everywhere_though_whoever_made_it_dies
    x3_a_change_of_one_who_is_in_many_organizations_is_answered_before_lists_show_it
}

mod cases {
    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::flows::update_user;
    use roster_core::listing::{Listing, PageRequest};
    use roster_core::model::DirectoryKind;
    use roster_core::op::Roster;
    use roster_core::ops::user::UserPatch;
    use roster_tests::crash::{Afterwards, Crash, Loss};
    use roster_tests::gate::Between;
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};
    use std::sync::Arc;

    use crate::{add, is_clean, organization, worker};

    /// Ada, a member of so many organizations: her id and theirs.
    async fn member_of(service: &Service, organizations: usize) -> (String, Vec<String>) {
        let (mut ada, mut all) = (String::new(), Vec::new());
        for n in 0..organizations {
            let id = organization(service, &format!("tenant-{n:02}"), None).await;
            ada = text(&add(service, &id, "ada@example.com", "viewer").await.is(201), "/user_id");
            all.push(id);
        }
        (ada, all)
    }

    /// The name that each list shows of her.
    async fn names(service: &Service, ada: &str, organizations: &[String]) -> Vec<Value> {
        let mut names = Vec::new();
        for id in organizations {
            let path = format!("/v1/organizations/{id}/members?limit=200");
            let listed = service.operator().get(&path).await.is(200);
            let row = listed["data"].as_array().unwrap().iter().find(|row| row["user_id"] == ada);
            names.push(row.unwrap()["name"].clone());
        }
        names
    }

    async fn found(service: &Service, q: &str) -> usize {
        let path = format!("/v1/users?q={q}");
        service.operator().get(&path).await.is(200)["data"].as_array().unwrap().len()
    }

    async fn open_jobs(service: &Service) -> usize {
        let listing = Listing::Directory { kind: DirectoryKind::Jobs, active: Some(true), q: None };
        let page = PageRequest { after: None, limit: 200 };
        service.roster.store.list(&listing, &page).await.unwrap().rows.len()
    }

    /// How many commits the change made; it is cut off at one of them.
    async fn rename(service: &Service, ada: &str, crash: &Arc<Crash>) -> usize {
        let below = Between::new(Arc::clone(&service.roster.store), Arc::<Crash>::clone(crash));
        let dying = Roster { store: below, ..service.roster.clone() };
        let request = Request::new(Actor::CLI, dying.entropy.as_ref());
        let patch = UserPatch { name: Some(Some("Adele".parse().unwrap())), ..UserPatch::default() };
        let _dead = update_user(&dying, &request, ada.parse().unwrap(), &patch).await;
        crash.commits()
    }

    pub async fn x3_a_change_shows_everywhere_though_whoever_made_it_dies(store: &str) {
        let service = Service::on(store).await;
        let (ada, organizations) = member_of(&service, 2).await;
        let commits = rename(&service, &ada, &Crash::never()).await;
        assert_eq!(names(&service, &ada, &organizations).await, vec![json!("Adele"); 2]);
        assert_eq!(open_jobs(&service).await, 0, "nothing is left of what was done at once");
        let jobs = service.operator().get("/v1/jobs").await.is(200);
        assert_eq!(jobs["data"], json!([]));
        let mut seen = 0;
        for n in 0..commits {
            let service = Service::on(store).await;
            let (ada, organizations) = member_of(&service, 2).await;
            rename(&service, &ada, &Crash::at(n, Loss::Commit, Afterwards::Down)).await;
            // Leases end, and pointers to what never came are dead.
            service.test.clock.advance_seconds(61);
            worker(&service.roster).work_off().await.unwrap();
            let user = service.operator().get(&format!("/v1/users/{ada}")).await.is(200);
            let shown = names(&service, &ada, &organizations).await;
            assert_eq!(shown, vec![user["name"].clone(); 2], "cut off at commit {n}");
            let by_name = found(&service, "adele").await;
            assert_eq!(by_name, usize::from(user["name"] == "Adele"), "cut off at commit {n}");
            assert_eq!(open_jobs(&service).await, 0, "cut off at commit {n}");
            is_clean(&service).await;
            seen += by_name;
        }
        assert!(seen >= 3, "most of those who died had changed the record");
    }

    /// The rest is a job's, which goes on where a worker has died.
    pub async fn x3_a_change_of_one_who_is_in_many_organizations_is_answered_before_lists_show_it(
        store: &str,
    ) {
        let service = Service::on(store).await;
        let (ada, organizations) = member_of(&service, 23).await;
        let crash = Crash::never();
        let commits = rename(&service, &ada, &crash).await;
        assert!(commits <= 4, "{commits} commits before the answer");
        assert_eq!(found(&service, "adele").await, 1, "the person is found at once");
        let jobs = service.operator().get("/v1/jobs").await.is(200);
        assert_eq!(
            (&jobs["data"][0]["kind"], &jobs["data"][0]["status"]),
            (&json!("refresh_cards"), &json!("queued"))
        );
        assert_eq!(jobs["data"][0]["progress"], json!({"done": 0, "total": 23}));
        let stop = format!("/v1/jobs/{}/cancel", text(&jobs, "/data/0/id"));
        service.operator().post(&stop, json!({})).await.refused(409, "job_finished");

        let below =
            Between::new(Arc::clone(&service.roster.store), Crash::at(9, Loss::Answer, Afterwards::Down));
        let _dead = worker(&Roster { store: below, ..service.roster.clone() }).work_off().await;
        let shown = names(&service, &ada, &organizations).await;
        let new = shown.iter().filter(|name| **name == json!("Adele")).count();
        assert!((1..23).contains(&new), "{new} show the new name");
        service.test.clock.advance_seconds(31);
        worker(&service.roster).work_off().await.unwrap();
        assert_eq!(names(&service, &ada, &organizations).await, vec![json!("Adele"); 23]);
        let jobs = service.operator().get("/v1/jobs").await.is(200);
        assert_eq!(jobs["data"][0]["status"], "completed");
        assert_eq!(jobs["data"][0]["progress"], json!({"done": 23, "total": 23}));
        is_clean(&service).await;
    }
}
