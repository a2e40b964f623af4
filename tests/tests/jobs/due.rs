//! What time has ended is written down although nobody acts (rules M12, I1, S1).

crate::on_every_store! {
    m12_what_has_ended_is_told_once_however_whoever_writes_it_down_dies
    i1_more_than_one_commit_takes_are_written_down
}

mod cases {
    use std::sync::Arc;

    use roster_core::due::settle_due;
    use roster_core::op::Roster;
    use roster_core::store::Clock as _;
    use roster_tests::crash::{Afterwards, Crash, Loss};
    use roster_tests::gate::Between;
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};

    use crate::{is_clean, organization};

    const HOUR: i64 = 3_600;

    /// Two organizations, each with a membership and an invitation that end in an hour, and with some that stay.
    async fn scene(service: &Service) -> Vec<String> {
        let ends = json!(service.test.clock.now().plus_seconds(HOUR));
        let mut all = Vec::new();
        for name in ["one", "two"] {
            let path = format!("/v1/organizations/{}", organization(service, name, None).await);
            let access = json!({"type": "organization", "role": "viewer"});
            for (email, ends) in [("ada@example.com", &ends), ("bob@example.com", &Value::Null)] {
                let body = json!({"email": email, "access": access, "expires_at": ends});
                service.operator().post(&format!("{path}/members"), body).await.is(201);
            }
            for (email, life) in [("cyd@example.com", HOUR), ("dot@example.com", 24 * HOUR)] {
                let body = json!({"email": email, "access": access, "expires_in": life});
                service.operator().post(&format!("{path}/invitations"), body).await.is(201);
            }
            all.push(path);
        }
        all
    }

    /// What the trail says has ended by time, and who wrote it.
    async fn told(service: &Service, path: &str) -> Vec<(String, String)> {
        let mut ended = Vec::new();
        for action in ["invitation.expired", "member.expired"] {
            let trail = format!("{path}/audit?limit=200&action={action}");
            let trail = service.operator().get(&trail).await.is(200);
            let rows = trail["data"].as_array().unwrap().iter();
            ended.extend(rows.map(|row| (text(row, "/action"), text(row, "/actor/type"))));
        }
        ended.sort();
        ended
    }

    pub async fn m12_what_has_ended_is_told_once_however_whoever_writes_it_down_dies(store: &str) {
        let whole = Crash::never();
        let mut at = None;
        loop {
            let service = Service::on(store).await;
            let paths = scene(&service).await;
            assert_eq!(settle_due(&service.roster).await.unwrap(), 0, "nothing has ended");
            service.test.clock.advance_seconds(HOUR + 1);
            let crash = at.map_or_else(
                || Arc::clone(&whole),
                |n: usize| Crash::at(n / 2, [Loss::Commit, Loss::Answer][n % 2], Afterwards::Down),
            );
            let below = Between::new(Arc::clone(&service.roster.store), crash);
            let first = settle_due(&Roster { store: below, ..service.roster.clone() }).await;
            let second = settle_due(&service.roster).await.unwrap();
            if at.is_none() {
                assert_eq!((first.unwrap(), second), (4, 0));
            }
            for path in &paths {
                let system = |action: &str| (action.to_owned(), "system".to_owned());
                let expected = vec![system("invitation.expired"), system("member.expired")];
                assert_eq!(told(&service, path).await, expected, "cut off at {at:?}");
                let seats = service.operator().get(&format!("{path}/seats")).await.is(200);
                assert_eq!(seats["used"], 3, "the owner, who stays, who is still invited");
            }
            assert_eq!(settle_due(&service.roster).await.unwrap(), 0);
            is_clean(&service).await;
            let next = at.map_or(0, |n| n + 1);
            if next >= 2 * whole.commits() {
                assert!(whole.commits() >= 2);
                return;
            }
            at = Some(next);
        }
    }

    pub async fn i1_more_than_one_commit_takes_are_written_down(store: &str) {
        let service = Service::on(store).await;
        let path = format!("/v1/organizations/{}", organization(&service, "one", None).await);
        let access = json!({"type": "organization", "role": "viewer"});
        let rows: Vec<Value> = (0..130)
            .map(|n| json!({"email": format!("u{n}@example.com"), "access": access, "expires_in": HOUR}))
            .collect();
        let body = json!({"invitations": rows});
        let made = service.operator().post(&format!("{path}/invitations"), body).await.is(200);
        let made = made["results"].as_array().unwrap().iter();
        assert_eq!(made.filter(|row| row["status"] == "invited").count(), 130);
        service.test.clock.advance_seconds(HOUR + 1);
        assert_eq!(settle_due(&service.roster).await.unwrap(), 130);
        assert_eq!(told(&service, &path).await.len(), 130);
        let ended =
            service.operator().get(&format!("{path}/invitations?status=expired&limit=200")).await.is(200);
        assert_eq!(ended["data"].as_array().unwrap().len(), 130);
        is_clean(&service).await;
    }
}
