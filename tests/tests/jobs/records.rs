//! Very many records of one member, handed over when they leave (rules L6, L7).

crate::on_every_store! {
    l7_very_many_records_are_handed_over_by_one_answer_and_rewritten_across_a_death
}

mod cases {
    use std::env;
    use std::sync::Arc;
    use std::time::Instant;

    use roster_core::actor::Actor;
    use roster_core::facts::Request;
    use roster_core::home::{Home, Key};
    use roster_core::id::UserId;
    use roster_core::listing::{Listing, PageRequest, Scope};
    use roster_core::op::{Roster, run};
    use roster_core::ops::record::PutRecord;
    use roster_tests::crash::{Afterwards, Crash, Loss};
    use roster_tests::gate::Between;
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};

    use crate::{add, done, is_clean, organization, worker};

    /// So many, unless this says otherwise.
    const RECORDS: usize = 1_000;
    const WANTED: &str = "ROSTER_TEST_RECORDS";

    fn wanted() -> usize {
        env::var(WANTED).map_or(RECORDS, |text| text.parse().unwrap())
    }

    /// Every tenth is a call, the others are deals.
    async fn registered(service: &Service, organization: &str, owner: &str, count: usize) {
        let (organization, owner) = (organization.parse().unwrap(), owner.parse().unwrap());
        for n in 0..count {
            let kind = if n % 10 == 0 { "call" } else { "deal" };
            let put = PutRecord {
                organization,
                kind: kind.parse().unwrap(),
                external_id: format!("r-{n}").parse().unwrap(),
                owner,
                cuts: 0,
                account: None,
                title: None,
            };
            let asked = Request::new(Actor::CLI, service.roster.entropy.as_ref());
            run(&service.roster, &asked, &put).await.unwrap();
        }
    }

    /// How many records are listed as somebody's.
    async fn listed(service: &Service, path: &str, owner: &str) -> usize {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let query = format!("{path}/records?limit=200&owner={owner}{cursor}");
            let page = service.operator().get(&query).await.is(200);
            let rows = page["data"].as_array().unwrap();
            assert!(rows.iter().all(|row| row["owner"] == *owner));
            count += rows.len();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return count,
            }
        }
    }

    /// How many are stored as somebody's.
    async fn stored(service: &Service, organization: &str, owner: &str) -> usize {
        let (organization, owner) = (organization.parse().unwrap(), owner.parse::<UserId>().unwrap());
        let listing = Listing::Holdings { organization, owners: vec![owner], kind: None, scope: Scope::All };
        let (mut count, mut page) = (0, PageRequest { after: None, limit: 500 });
        loop {
            let found = service.roster.store.list(&listing, &page).await.unwrap();
            count += found.rows.len();
            page.after = found.rows.last().map(|row| row.position.clone());
            if !found.more {
                return count;
            }
        }
    }

    /// What the plan of a member counts.
    async fn counted(service: &Service, path: &str, user: &str) -> Value {
        let plan = service.operator().get(&format!("{path}/members/{user}/leaving-plan?mode=remove")).await;
        plan.is(200)["records"].clone()
    }

    /// The most memory that this process has held, in KiB, where the system says so.
    fn peak() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
    }

    pub async fn l7_very_many_records_are_handed_over_by_one_answer_and_rewritten_across_a_death(
        store: &str,
    ) {
        let (service, count) = (Service::on(store).await, wanted());
        let operator = service.operator();
        let one = organization(&service, "one", None).await;
        let path = format!("/v1/organizations/{one}");
        let ada = text(&add(&service, &one, "ada@example.com", "member").await.is(201), "/user_id");
        let bob = text(&add(&service, &one, "bob@example.com", "member").await.is(201), "/user_id");
        let began = Instant::now();
        registered(&service, &one, &ada, count).await;
        println!("{store}: {count} registered in {:?}, peak {}", began.elapsed(), peak());
        let (calls, deals) = (count / 10, count - count / 10);
        let all = json!({"call": calls, "deal": deals});
        let plan = operator.get(&format!("{path}/members/{ada}/leaving-plan?mode=remove")).await.is(200);
        assert_eq!(plan["records"], all);

        let began = Instant::now();
        let leave = json!({"mode": "remove", "revision": plan["revision"], "records_to": bob});
        let left = operator.post(&format!("{path}/members/{ada}/leaving-plan"), leave).await.is(200);
        println!("{store}: handed over in {:?}", began.elapsed());
        let began = Instant::now();
        let owner =
            operator.get(&format!("{path}/records/deal/r-{}", count - 1)).await.is(200)["owner"].clone();
        assert_eq!(owner, bob.as_str());
        assert_eq!(
            (counted(&service, &path, &ada).await, counted(&service, &path, &bob).await),
            (json!({}), all)
        );
        assert_eq!(listed(&service, &path, &ada).await, 0);
        println!("{store}: read as the other's in {:?}", began.elapsed());
        assert_eq!(listed(&service, &path, &bob).await, count);

        // The worker dies half-way; what it has not rewritten reads the same.
        let crash = Crash::at(count / 200, Loss::Commit, Afterwards::Down);
        let below = Between::new(Arc::clone(&service.roster.store), crash);
        let _dead = worker(&Roster { store: below, ..service.roster.clone() }).work_off().await;
        let rewritten = stored(&service, &one, &bob).await;
        assert!(0 < rewritten && rewritten < count, "{rewritten} of {count}");
        assert_eq!(stored(&service, &one, &ada).await, count - rewritten);
        assert_eq!(listed(&service, &path, &bob).await, count);
        service.test.clock.advance_seconds(31);
        let began = Instant::now();
        let job = done(&service, &json!({"job": left["job"]})).await;
        println!("{store}: {} rewritten in {:?}, peak {}", count - rewritten, began.elapsed(), peak());
        assert_eq!((&job["status"], &job["summary"]), (&json!("completed"), &json!({"changed": count})));
        assert_eq!(job["progress"], json!({"done": count, "total": count}));
        assert_eq!((stored(&service, &one, &ada).await, stored(&service, &one, &bob).await), (0, count));
        assert_eq!(listed(&service, &path, &bob).await, count);
        let home = Home::Organization(one.parse().unwrap());
        let read = service.roster.store.read(&home, &[Key::Successions], &[]).await.unwrap();
        assert!(!format!("{:?}", read.records).contains(&bob), "reads have nothing left to apply");
        is_clean(&service).await;
    }
}
