use super::*;
use serde_json::json;
use uuid::Uuid;

fn inbox(sent_at: Option<&str>) -> Inbox {
    Inbox {
        id: Uuid::from_u128(1),
        seed: [0; 32],
        seed_millis: 0,
        again: false,
        received_at: "2026-05-01T12:00:00Z".parse().unwrap(),
        sent_at: sent_at.map(str::to_owned),
        messages: Vec::new(),
    }
}

fn at(sent_at: Option<&str>, message: &Value) -> String {
    read(&inbox(sent_at), 0, Some("track"), message).unwrap().at.to_string()
}

#[test]
fn g4_a_client_whose_clock_is_off_is_corrected_by_when_it_says_that_it_sent() {
    let track = |timestamp: &str, sent: Option<&str>| {
        let mut message = json!({"userId": "ada", "event": "Opened", "timestamp": timestamp});
        if let Some(sent) = sent {
            message["sentAt"] = sent.into();
        }
        message
    };
    let right = "2026-05-01T11:59:00.000Z";
    assert_eq!(at(None, &track("2026-05-01T11:59:00Z", None)), right);
    assert_eq!(
        at(Some("2036-05-01T12:00:00Z"), &track("2036-05-01T11:59:00Z", None)),
        right,
        "ten years ahead"
    );
    assert_eq!(at(None, &track("2006-05-01T11:59:00+00:00", Some("2006-05-01T12:00:00Z"))), right);
    assert_eq!(at(None, &track("2026-05-01T11:59:00", None)), right, "without a zone it is UTC");
    assert_eq!(
        at(None, &track("2999-01-01T00:00:00Z", None)),
        "2026-05-01T12:00:00.000Z",
        "not ahead of now"
    );
    assert_eq!(at(None, &json!({"userId": "ada", "event": "x"})), "2026-05-01T12:00:00.000Z");
}

#[test]
fn g2_only_a_json_true_removes_and_a_json_false_unassigns() {
    let company = |remove: Value| {
        let message = json!({"userId": "ada", "traits": {"company": {"id": 7, "remove": remove}}});
        read(&inbox(None), 0, Some("identify"), &message).unwrap().company.unwrap()
    };
    assert!(company(json!(true)).remove);
    for other in [json!("true"), json!(1), json!(false), Value::Null] {
        assert!(!company(other.clone()).remove, "{other}");
    }
    let leaves = |assign: Value| {
        let message =
            json!({"userId": "ada", "groupId": "north", "assign": assign, "traits": {"remove": true}});
        read(&inbox(None), 0, None, &{
            let mut message = message;
            message["type"] = "group".into();
            message
        })
        .unwrap()
        .leaves
    };
    assert!(leaves(json!(false)));
    for other in [json!("false"), json!(0), json!(true), Value::Null] {
        assert!(!leaves(other.clone()), "{other}");
    }
}

#[test]
fn g5_what_cannot_be_applied_says_why() {
    for (kind, message, reason) in [
        (None, json!([]), "not_an_object"),
        (None, json!({"userId": "ada"}), "missing_type"),
        (None, json!({"type": "dance", "userId": "ada"}), "unknown_type"),
        (Some("identify"), json!({}), "missing_user_id"),
        (Some("identify"), json!({"userId": {"a": 1}}), "invalid_user_id"),
        (Some("identify"), json!({"userId": "a\u{0}b"}), "invalid_user_id"),
        (Some("identify"), json!({"userId": "a".repeat(256)}), "invalid_user_id"),
        (Some("identify"), json!({"userId": "ada", "traits": 7}), "invalid_traits"),
        (Some("group"), json!({"userId": "ada"}), "missing_group_id"),
        (Some("track"), json!({"userId": "ada"}), "missing_event"),
        (Some("track"), json!({"userId": "ada", "event": 7}), "invalid_event"),
        (
            Some("track"),
            json!({"userId": "ada", "event": "x", "timestamp": "yesterday"}),
            "invalid_timestamp",
        ),
        (Some("alias"), json!({"userId": "ada"}), "missing_previous_id"),
        (Some("unlink"), json!({"userId": "ada"}), "missing_account_id"),
    ] {
        assert_eq!(read(&inbox(None), 0, kind, &message), Err(reason), "{message}");
    }
}
