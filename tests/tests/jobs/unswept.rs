//! Acts on somebody who was removed from everything in so many organizations that nobody has come by yet to write it down
//! (rule M5): each sees what the person's page shows.

crate::on_every_store! {
    m5_acts_on_one_who_was_removed_from_everything_see_what_is_shown
    l6_a_plan_of_one_who_was_removed_from_everything_is_executed_as_it_was_read
}

mod cases {
    use http::Method;
    use roster_core::home::{Home, Key, Record};
    use roster_core::listing::{Listing, PageRequest};
    use roster_core::model::{DirectoryKind, MemberStatus};
    use roster_tests::http::{Reply, Service, text};
    use serde_json::{Value, json};

    use crate::{add, done, is_clean, organization};

    /// In so many it is written down before the removal is answered.
    const AT_ONCE: usize = 20;

    /// An act on ada by `If-Match`, and what it is answered: a status, and the code or a part of the body.
    struct Act {
        method: Method,
        /// Below the organization; `{}` stands for ada.
        path: &'static str,
        body: Value,
        status: u16,
        says: Value,
        back: bool,
        /// Whether anything comes of it, so that the removal is written down by then.
        writes: bool,
    }

    fn act(method: Method, path: &'static str, body: Value, status: u16, says: Value) -> Act {
        Act { method, path, body, status, says, back: false, writes: false }
    }

    fn back(act: Act) -> Act {
        Act { back: true, writes: true, ..act }
    }

    fn acts() -> Vec<Act> {
        let (patch, put, delete, post) = (Method::PATCH, Method::PUT, Method::DELETE, Method::POST);
        let gone = json!({"code": "target_not_active"});
        let (all, viewer) =
            (json!({"roles": [{"role": "viewer", "accounts": "all"}]}), json!({"role": "viewer"}));
        let ends = json!({"expires_at": "2099-01-01T00:00:00Z"});
        let (same, former) = (json!({"changed": false}), json!({"status": "former"}));
        vec![
            act(patch, "members/{}", ends, 409, gone.clone()),
            back(act(put.clone(), "members/{}/access", all, 200, json!({"removed": []}))),
            back(act(put.clone(), "accounts/ext:north/members/{}", viewer, 201, json!({}))),
            act(delete.clone(), "accounts/ext:north/members/{}", Value::Null, 200, same.clone()),
            act(delete, "members/{}", Value::Null, 200, same),
            act(post.clone(), "members/{}/deactivate", json!({}), 409, gone.clone()),
            act(post.clone(), "members/{}/reactivate", json!({}), 409, gone.clone()),
            act(post.clone(), "members/{}/password-reset", json!({}), 409, gone),
            act(post.clone(), "members/{}/delete", json!({}), 422, json!({"code": "confirmation_required"})),
            Act {
                writes: true,
                ..act(
                    post.clone(),
                    "members/{}/delete",
                    json!({"confirm": true}),
                    200,
                    json!({"changed": true}),
                )
            },
            act(post, "members/{}/leave", json!({}), 200, former),
            act(put, "account-owner", json!({"user": "ext:ada"}), 409, json!({"code": "not_in_account"})),
        ]
    }

    /// ada is an admin everywhere. The organizations, in the order of a removal, that are late in one.
    async fn joined(service: &Service, late: usize) -> (String, Vec<String>) {
        let user = json!({"external_id": "ada", "email": "ada@example.com"});
        let ada = text(&service.operator().post("/v1/users", user).await.is(201), "/id");
        let mut organizations = Vec::new();
        for n in 0..AT_ONCE + late {
            let id = organization(service, &format!("tenant-{n:02}"), Some(3)).await;
            add(service, &id, "ada@example.com", "admin").await.is(201);
            organizations.push(format!("/v1/organizations/{id}"));
        }
        organizations.sort();
        (ada, organizations.split_off(AT_ONCE))
    }

    async fn removed(service: &Service, ada: &str) -> Value {
        service.operator().delete(&format!("/v1/users/{ada}/accounts")).await.is(202)
    }

    /// Whether it is written down in an organization that ada has left.
    async fn is_written(service: &Service, organization: &str, ada: &str) -> bool {
        let id = organization.rsplit('/').next().unwrap();
        let (home, key) = (Home::Organization(id.parse().unwrap()), Key::Member(ada.parse().unwrap()));
        let mut read = service.roster.store.read(&home, std::slice::from_ref(&key), &[]).await.unwrap();
        let Some(Record::Member(member)) = read.records.remove(&key).map(|stored| stored.record) else {
            panic!("ada was never there");
        };
        member.left_at.is_some() || member.epoch > 0 || member.status == MemberStatus::Former
    }

    /// How many jobs somebody was told of.
    async fn announced(service: &Service) -> usize {
        let listing = Listing::Directory { kind: DirectoryKind::Jobs, active: None, q: None };
        let page = PageRequest { after: None, limit: 500 };
        service.roster.store.list(&listing, &page).await.unwrap().rows.len()
    }

    async fn sent(service: &Service, act: &Act, organization: &str, ada: &str) -> Reply {
        let path = format!("{organization}/{}", act.path.replace("{}", ada));
        let of_member = act.path.contains("{}") && act.method != Method::POST;
        let mut sender = service.operator().with("content-type", "application/json");
        if of_member {
            let shown = service.operator().get(&format!("{organization}/members/{ada}")).await;
            sender = sender.with("if-match", shown.header("etag").unwrap());
        }
        let body = if act.body.is_null() { String::new() } else { act.body.to_string() };
        sender.send(act.method.clone(), &path, body.into()).await
    }

    pub async fn m5_acts_on_one_who_was_removed_from_everything_see_what_is_shown(store: &str) {
        let (service, acts) = (Service::on(store).await, acts());
        let (ada, late) = joined(&service, acts.len()).await;
        let accepted = removed(&service, &ada).await;
        let shown = async |organization: &str| {
            service.operator().get(&format!("{organization}/members/{ada}")).await.is(200)
        };
        for (act, organization) in acts.iter().zip(&late) {
            let what = format!("{} {}", act.method, act.path);
            assert_eq!(shown(organization).await["status"], "former", "{what}");
            let reply = sent(&service, act, organization, &ada).await;
            let body = reply.is(act.status);
            for (name, value) in act.says.as_object().unwrap() {
                assert_eq!(&body[name], value, "{what}: {body}");
            }
            let status = if act.back { "active" } else { "former" };
            assert_eq!(shown(organization).await["status"], status, "after {what}");
            assert_eq!(is_written(&service, organization, &ada).await, act.writes, "after {what}");
        }
        let job = done(&service, &accepted).await;
        assert_eq!(job["status"], "completed");
        for (act, organization) in acts.iter().zip(&late) {
            let status = if act.back { "active" } else { "former" };
            assert_eq!(shown(organization).await["status"], status, "after the job, {}", act.path);
        }
        is_clean(&service).await;
    }

    pub async fn l6_a_plan_of_one_who_was_removed_from_everything_is_executed_as_it_was_read(store: &str) {
        let service = Service::on(store).await;
        let operator = service.operator();
        let (ada, late) = joined(&service, 3).await;
        let path = format!("{}/members/{ada}/leaving-plan", late[2]);
        let plan = operator.get(&format!("{path}?mode=remove")).await.is(200);
        let heir = text(&operator.get(&late[2]).await.is(200), "/owner/user_id");
        let accepted = removed(&service, &ada).await;
        let told = announced(&service).await;
        let execute = json!({"mode": "remove", "revision": plan["revision"], "records_to": heir});
        operator.post(&path, execute).await.refused(409, "plan_changed");
        assert_eq!(announced(&service).await, told, "of a job that never comes");
        assert!(!is_written(&service, &late[2], &ada).await);
        for (mode, organization) in ["deactivate", "remove"].into_iter().zip(&late) {
            let path = format!("{organization}/members/{ada}/leaving-plan");
            let plan = operator.get(&format!("{path}?mode={mode}")).await.is(200);
            assert_eq!((&plan["accounts_lost"], &plan["seats_freed"]), (&json!([]), &json!(0)), "{plan}");
            let execute = json!({"mode": mode, "revision": plan["revision"]});
            let reply = operator.post(&path, execute).await;
            if mode == "deactivate" {
                reply.refused(409, "target_not_active");
            } else {
                assert_eq!(reply.is(200)["member"]["status"], "former");
            }
        }
        done(&service, &accepted).await;
        is_clean(&service).await;
    }
}
