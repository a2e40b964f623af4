//! What people did: counted once, in every order, without those who were deleted (rules T7, L1, L4).

use roster_core::store::Clock as _;
use serde_json::{Value, json};

use crate::{Customers, selected, text};

const ACTIVITY: &str = "/v1/organizations/ext:cloud/activity";

fn track(n: u32, user: &str, event: &str, at: &str) -> Value {
    json!({"type": "track", "userId": user, "event": event, "messageId": format!("m-{n}"), "timestamp": at})
}

async fn counts(at: &Customers, query: &str) -> Vec<(Value, Value, Value, u64)> {
    let page = at.world.operator().get(&format!("{ACTIVITY}?{query}")).await.is(200);
    let row = |row: &Value| {
        (row["user_id"].clone(), row["event"].clone(), row["day"].clone(), row["count"].as_u64().unwrap())
    };
    page["data"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn t7_activity_is_counted_once_by_user_event_and_day() {
    for store in selected() {
        let at = Customers::on(store).await;
        let said = [
            track(1, "anna", "Opened", "2025-12-31T23:59:59Z"),
            track(2, "anna", "Opened", "2026-01-01T00:00:00Z"),
            track(3, "anna", "Closed", "2026-01-01T08:00:00Z"),
            track(4, "max", "Opened", "2026-01-01T09:00:00Z"),
        ];
        at.says("/v1/batch", json!({"batch": said})).await;
        at.says("/v1/batch", json!({"batch": [said[3], said[0], said[1]]})).await;
        at.says("/v1/page", json!({"userId": "max", "messageId": "p", "timestamp": "2026-01-02T00:00:00Z"}))
            .await;
        let anna = json!(text(&at.user("anna").await.is(200), "/id"));
        let rows = counts(&at, "user=ext:anna").await;
        let row = |event: &str, day: &str, count| (anna.clone(), json!(event), json!(day), count);
        assert_eq!(
            rows,
            [row("Closed", "2026-01-01", 1), row("Opened", "2025-12-31", 1), row("Opened", "2026-01-01", 1)]
        );
        let null = Value::Null;
        let by_event = counts(&at, "group_by=event").await;
        let event = |event: &str, count| (null.clone(), json!(event), null.clone(), count);
        assert_eq!(by_event, [event("Closed", 1), event("Opened", 3), event("page", 1)]);
        let by_day = counts(&at, "group_by=day&from=2026-01-01&to=2026-01-02").await;
        assert_eq!(by_day, [(null.clone(), null.clone(), json!("2026-01-01"), 3)]);
        assert_eq!(counts(&at, "group_by=user&event=Closed").await, [(anna, null.clone(), null, 1)]);
        let first = at.world.operator().get(&format!("{ACTIVITY}?limit=2")).await.is(200);
        let next = text(&first, "/next_cursor");
        let rest = at.world.operator().get(&format!("{ACTIVITY}?limit=2&cursor={next}")).await.is(200);
        assert_eq!(rest["data"].as_array().unwrap().len(), 2);
        at.world.operator().get(&format!("{ACTIVITY}?group_by=week")).await.refused(422, "invalid");
        at.is_clean().await;
    }
}

#[tokio::test]
async fn t7_what_somebody_does_elsewhere_counts_no_more_where_they_have_left() {
    for store in selected() {
        let at = Customers::with(store, json!({"to": "trait", "trait": "tenant"})).await;
        let operator = at.world.operator();
        for organization in ["cloud", "other"] {
            let traits = json!({"tenant": organization});
            let group = json!({"userId": "zoe", "groupId": format!("{organization}-east"), "traits": traits});
            at.says("/v1/group", group).await;
        }
        let early = at.world.test().clock.now().to_string();
        operator.delete("/v1/organizations/ext:cloud/members/ext:zoe").await.is(200);
        at.says("/v1/track", json!({"userId": "zoe", "event": "Opened"})).await;
        assert_eq!(counts(&at, "group_by=event").await, [], "{store}");
        let other = "/v1/organizations/ext:other/activity?group_by=event";
        assert_eq!(operator.get(other).await.is(200)["data"][0]["count"], json!(1), "{store}");
        // What they did while they were here comes late, and counts.
        at.says("/v1/track", json!({"userId": "zoe", "event": "Opened", "timestamp": early})).await;
        assert_eq!(counts(&at, "group_by=event").await[0].3, 1, "{store}");
        // What names an account counts where that is.
        let context = json!({"groupId": "other-east"});
        at.says("/v1/track", json!({"userId": "zoe", "event": "Closed", "context": context})).await;
        assert_eq!(counts(&at, "group_by=event&event=Closed").await, []);
        assert_eq!(operator.get(other).await.is(200)["data"][0]["event"], json!("Closed"));
        // A link that does not say in which organization means an account of theirs.
        let linked = json!({"userId": "zoe", "accountId": "other-east", "messageId": "m-1"});
        at.says("/analytics/v1/link", linked).await;
        assert_eq!(at.dead().await, [""; 0], "{store}");
        at.is_clean().await;
    }
}

/// Rule P5: whether somebody exists who never was here is not told.
#[tokio::test]
async fn p5_people_of_other_organizations_are_as_unknown_as_nobody() {
    for store in selected() {
        let at = Customers::on(store).await;
        let anna = at.world.person("anna");
        for path in
            ["/v1/organizations/ext:cloud/activity?user=", "/v1/organizations/ext:cloud/records?owner="]
        {
            for unknown in ["ext:mia", "ext:nobody"] {
                anna.get(&format!("{path}{unknown}")).await.refused(404, "not_found");
            }
            anna.get(&format!("{path}ext:fred")).await.is(200);
        }
    }
}

#[tokio::test]
async fn t7_l4_deleted_people_leave_the_statistics_and_others_who_left_stay() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let opened = async |n: u32, user: &str| {
            let body = json!({"userId": user, "event": "Opened", "messageId": format!("m-{n}")});
            at.says("/v1/track", body).await;
        };
        for (n, user) in ["anna", "max", "vera"].into_iter().enumerate() {
            opened(n.try_into().unwrap(), user).await;
        }
        operator.post("/v1/organizations/ext:cloud/members/ext:anna/deactivate", json!({})).await.is(200);
        operator.delete("/v1/organizations/ext:cloud/members/ext:max").await.is(200);
        let delete = "/v1/organizations/ext:cloud/members/ext:vera/delete";
        operator.post(delete, json!({"confirm": true})).await.is(200);
        assert_eq!(counts(&at, "group_by=event").await[0].3, 2);
        // Late events of one who was deleted do not come back, theirs after a new invitation count anew.
        opened(7, "vera").await;
        assert_eq!(counts(&at, "group_by=event").await[0].3, 2);
        let access = json!({"type": "organization", "role": "viewer"});
        let add = json!({"user": "ext:vera", "access": access});
        operator.post("/v1/organizations/ext:cloud/members", add).await.is(201);
        opened(8, "vera").await;
        assert_eq!(counts(&at, "group_by=event").await[0].3, 3);
    }
}

/// What a report shows of the owner of `ext:north`.
async fn owner(at: &Customers) -> Vec<Value> {
    let columns = [
        "owner.sessions",
        "owner.first_seen_at",
        "owner.last_seen_at",
        "owner.last_message_received_at",
        "owner.last_message_sent_at",
    ];
    let filter = json!({"field": "external_id", "op": "eq", "value": "north"});
    let body = json!({"columns": columns, "filter": filter});
    let page = at.world.operator().post("/v1/reports/accounts", body).await.is(200);
    columns.iter().map(|column| page["data"][0][column].clone()).collect()
}

/// T5, T7: sessions by the client's id or by silence, first and last signs and messages, the same in every order, late and
/// repeated.
#[tokio::test]
async fn t7_a_report_shows_the_same_of_events_in_every_order() {
    for store in selected() {
        let said = |n: u32, event: &str, time: &str, session: Value| {
            let mut track = track(n, "nils", event, &format!("2026-01-01T{time}:00Z"));
            track["context"] = json!({ "sessionId": session });
            track
        };
        let mut amplitude = said(6, "Opened", "20:00", Value::Null);
        amplitude["integrations"] = json!({"Actions Amplitude": {"session_id": 1_767_297_600_000_u64}});
        let all = [
            said(1, "Opened", "08:00", Value::Null),
            said(2, "Opened", "08:20", Value::Null),
            said(3, "Message Received", "09:00", json!("s-1")),
            said(4, "Message Sent", "23:00", json!("s-9")),
            said(5, "Opened", "12:00", json!("s-1")),
            amplitude,
            said(7, "Opened", "20:10", json!(1_767_297_600_000_u64)),
        ];
        let time = |time: &str| json!(format!("2026-01-01T{time}:00.000Z"));
        let expected = vec![json!(3), time("08:00"), time("20:10"), time("09:00"), time("23:00")];
        for order in [[0, 1, 2, 3, 4, 5, 6], [6, 4, 2, 0, 5, 3, 1]] {
            let at = Customers::on(store).await;
            let path = "/v1/organizations/ext:cloud/accounts/ext:north/account-owner";
            at.world.operator().put(path, json!({"user": "ext:nils"})).await;
            for n in order {
                at.says("/v1/batch", json!({"batch": [all[n], all[order[0]]]})).await;
            }
            assert_eq!(owner(&at).await, expected, "{store}, {order:?}");
        }
    }
}

/// T5: what counts as a message is what the source's settings say, and nothing else.
#[tokio::test]
async fn t5_the_names_of_messages_are_the_sources_own() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let path = "/v1/organizations/ext:cloud/accounts/ext:north/account-owner";
        operator.put(path, json!({"user": "ext:nils"})).await;
        let events = json!({"events": {"message_sent": ["Mailed"], "message_received": ["Wrote", "Called"]}});
        operator.patch(&format!("/v1/sources/{}", at.source), events).await.is(200);
        for (n, event, day) in [
            (1, "Mailed", 1),
            (2, "Called", 2),
            (3, "Message Sent", 3),
            (4, "Message Received", 4),
            (5, "Wrote", 1),
        ] {
            at.says("/v1/track", track(n, "nils", event, &format!("2026-01-0{day}T00:00:00Z"))).await;
        }
        let messages = owner(&at).await.split_off(3);
        assert_eq!(
            messages,
            [json!("2026-01-02T00:00:00.000Z"), json!("2026-01-01T00:00:00.000Z")],
            "{store}"
        );
    }
}

/// G5: a write key makes no document grow without end: what goes beyond a day's names waits, and so it does when it is
/// said again.
#[tokio::test]
async fn g5_so_many_different_events_of_one_person_a_day_are_counted_and_the_others_wait() {
    for store in selected() {
        let at = Customers::on(store).await;
        let message = |n: u32| track(n, "anna", &format!("e-{n:04}"), "2026-01-01T08:00:00Z");
        let all: Vec<Value> = (0..1_002).map(message).collect();
        at.says("/v1/batch", json!({"batch": all[..600]})).await;
        at.says("/v1/batch", json!({"batch": all[600..]})).await;
        assert_eq!(at.dead().await, ["too_many_events", "too_many_events"], "{store}");
        assert_eq!(at.replayed().await, json!(2));
        assert_eq!(at.dead().await, ["too_many_events", "too_many_events"], "{store}");
        at.says("/v1/track", track(2_000, "anna", "e-0000", "2026-01-01T09:00:00Z")).await;
        assert_eq!(counts(&at, "group_by=event&event=e-0000").await[0].3, 2, "{store}: it is known");
        assert_eq!(counts(&at, "group_by=event&event=e-1001").await, [], "{store}");
        let days = counts(&at, "group_by=day").await;
        assert_eq!(days[0].3, 1_001, "{store}");

        // What counts in one of her organizations and has no room in the other says so, and counts no second time.
        let operator = at.world.operator();
        let add = json!({"user": "ext:anna", "access": {"type": "organization", "role": "viewer"}});
        operator.post("/v1/organizations/ext:other/members", add).await.is(201);
        let made =
            operator.post("/v1/sources", json!({"name": "All", "groups": {"to": "each"}})).await.is(201);
        let sender = at.service().nobody();
        let sender = sender.with("authorization", &crate::basic(&text(&made, "/write_key")));
        sender.post("/v1/track", track(3_000, "anna", "new", "2026-01-01T10:00:00Z")).await.is(200);
        at.applied().await;
        let letters = format!("/v1/sources/{}/dead-letters", text(&made, "/id"));
        let cloud = text(&operator.get("/v1/organizations/ext:cloud").await.is(200), "/id");
        let other = "/v1/organizations/ext:other/activity?group_by=event&event=new";
        for _ in 0..2 {
            let told = operator.get(&letters).await.is(200)["data"].clone();
            assert_eq!(told.as_array().unwrap().len(), 1, "{store}: {told}");
            assert_eq!(told[0]["reason"], json!(format!("too_many_events:{cloud}")), "{store}");
            assert_eq!(operator.get(other).await.is(200)["data"][0]["count"], json!(1), "{store}");
            let ids = json!({"ids": [told[0]["id"]]});
            let replay = operator.post(&format!("{letters}/replay"), ids).await.is(200);
            assert_eq!(replay["replayed"], json!(0), "{store}");
            at.applied().await;
        }
    }
}
