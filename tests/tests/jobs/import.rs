//! Import as a job (rule X4).

crate::on_every_store! {
    x4_the_real_file_comes_in_and_a_second_time_changes_nothing
    x4_too_few_seats_for_the_file_and_nothing_is_done
    x4_bad_files_are_refused_at_once
}

mod cases {
    use std::fmt::Write;

    use http::Method;
    use roster_tests::http::{Service, text};
    use serde_json::json;

    use crate::{done, is_clean, organization, results, upload};

    pub async fn x4_the_real_file_comes_in_and_a_second_time_changes_nothing(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let file = include_str!("../../data/organization-members.csv");
        let file: String = file.lines().take(350).fold(String::new(), |mut all, line| {
            let _written = writeln!(all, "{line}");
            all
        });
        let path = format!("/v1/organizations/{one}/imports?kind=members&create_accounts=true");
        let dry = upload(&service, &format!("{path}&dry_run=true"), &file).await.is(202);
        let dry = done(&service, &dry).await;
        let foreseen = results(&service, &dry).await;
        assert_eq!(foreseen.len(), 349);
        let seats = service.operator().get(&format!("/v1/organizations/{one}/seats")).await.is(200);
        assert_eq!(seats["used"], 1, "a dry run does nothing");
        let run = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        assert_eq!((&run["kind"], &run["summary"]), (&json!("import_members"), &dry["summary"]));
        assert_eq!(results(&service, &run).await, foreseen);
        assert_eq!(foreseen[0]["line"], 2);
        let again = done(&service, &upload(&service, &path, &file).await.is(202)).await;
        let unchanged = again["summary"]["unchanged"].as_u64().unwrap();
        assert_eq!(unchanged + again["summary"]["refused"].as_u64().unwrap_or(0), 349, "{again}");
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
        assert_eq!((&job["status"], &job["progress"]["done"]), (&json!("failed"), &json!(0)));
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

    pub async fn x4_bad_files_are_refused_at_once(store: &str) {
        let service = Service::on(store).await;
        let one = organization(&service, "one", None).await;
        let path = format!("/v1/organizations/{one}/imports");
        upload(&service, &path, "email\n").await.refused(422, "invalid");
        upload(&service, &format!("{path}?kind=birds"), "").await.refused(422, "invalid");
        let caller = service.operator().with("content-type", "application/json");
        caller.send(Method::POST, &path, b"{}".to_vec()).await.refused(415, "unsupported_media_type");
        let owner = text(
            &service.operator().get(&format!("/v1/organizations/{one}")).await.is(200),
            "/owner/user_id",
        );
        let caller = service.user(&owner).with("content-type", "text/csv");
        let file = b"email,account_external_id,role\nada@example.com,north,viewer\n".to_vec();
        caller.send(Method::POST, &path, file).await.refused(403, "forbidden");
        assert_eq!(service.operator().get("/v1/jobs").await.is(200)["data"], json!([]));
    }
}
