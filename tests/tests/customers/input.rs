//! Whatever a client sends gets the protocol's answer or becomes a dead letter (rule G5).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::{Value, json};

use crate::{Customers, selected};

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn g1_a_batch_packed_by_gzip_as_segments_libraries_send_it_is_taken() {
    for store in selected() {
        let at = Customers::on(store).await;
        // As `segment-analytics-python` 2.3 sends it.
        let body = json!({
            "batch": [{
                "integrations": {}, "anonymousId": null, "context": {"library": {"name": "analytics-python", "version": "2.3.4"}},
                "timestamp": "2026-01-01T00:00:00.123456+00:00", "type": "identify", "userId": "zoe",
                "traits": {"email": "zoe@example.com"}, "messageId": "5b3b6b4b-5b1e-4b1e-9b1e-5b1e4b1e9b1e",
            }],
            "sentAt": "2026-01-01T00:00:01.123456Z",
        });
        let sender = at.sender().with("content-encoding", "gzip").with("content-type", "application/json");
        let answer = sender.send(Method::POST, "/v1/batch", packed(body.to_string().as_bytes())).await;
        assert_eq!(answer.is(200), json!({"success": true}));
        at.applied().await;
        assert_eq!(at.user("zoe").await.is(200)["email"], json!("zoe@example.com"));
    }
}

#[tokio::test]
async fn g5_bad_input_is_answered_400_or_413_or_becomes_a_dead_letter() {
    for store in selected() {
        let at = Customers::on(store).await;
        let sent = async |path: &str, bytes: Vec<u8>| at.sender().send(Method::POST, path, bytes).await;
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for body in [
            "",
            "{",
            "[]",
            "7",
            r#"{"userId": "a", "traits": {"n": 1e400}}"#,
            r#"{"userId": "\ud800"}"#,
            &format!(r#"{{"userId": "a", "traits": {deep}}}"#),
        ] {
            sent("/v1/identify", body.into()).await.refused(400, "malformed");
            sent("/v1/batch", format!(r#"{{"batch": [{body}]}}"#).into_bytes())
                .await
                .status
                .is_server_error()
                .then(|| panic!("{body}"));
        }
        sent("/v1/identify", vec![0xff, 0xfe]).await.refused(400, "malformed");
        for path in
            ["/v1/batch", "/v1/track", "/segment/v1/batch", "/segment/v1/page", "/analytics/v1/unlink"]
        {
            sent(path, Vec::new()).await.refused(400, "malformed");
            for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
                let odd = at.sender().send(method.clone(), path, Vec::new()).await;
                assert_eq!(odd.header("allow"), Some("POST"), "{method} {path}");
                odd.refused(405, "method_not_allowed");
            }
        }
        // What Segment's libraries read of an error, and how a write key is given.
        let told = sent("/v1/identify", "{".into()).await.is(400);
        assert_eq!(told["message"], told["detail"]);
        let stranger = at.service().nobody().post("/v1/track", json!({"userId": "a", "event": "e"})).await;
        assert_eq!(stranger.header("www-authenticate"), Some(r#"Basic realm="roster""#));
        assert!(stranger.is(401)["message"].is_string());
        let many = json!({"batch": vec![json!({}); 2_501]}).to_string();
        sent("/v1/batch", many.into_bytes()).await.refused(413, "too_large");
        for body in [
            r#"[[{"type": "track", "userId": "a", "event": "e"}]]"#,
            r#"{"batch": 7}"#,
            "{}",
            r#"{"batch": [}"#,
        ] {
            sent("/v1/batch", body.into()).await.refused(400, "malformed");
        }
        let long = json!({"userId": "a", "traits": {"x": "y".repeat(32 * 1024)}}).to_string();
        sent("/v1/identify", long.clone().into_bytes()).await.refused(413, "too_large");
        sent("/v1/batch", format!(r#"{{"batch": ["{}"]}}"#, "x".repeat(500 * 1024)).into_bytes())
            .await
            .refused(413, "too_large");
        let bomb = at.sender().with("content-encoding", "gzip");
        let bomb = bomb.send(Method::POST, "/v1/batch", packed(&vec![b' '; 50_000_000])).await;
        bomb.refused(413, "too_large");
        let broken = at.sender().with("content-encoding", "gzip");
        broken.send(Method::POST, "/v1/batch", b"no gzip".to_vec()).await.refused(400, "malformed");
        // One that is too long, or no proper JSON text, within a batch does not take the others with it.
        let batch = format!(
            r#"{{"batch": [{{"type":"identify",{}, {{"userId": "\ud800"}}, {{"type": "identify", "userId": "zoe"}}, null, {{"type": "dance", "userId": "a"}}]}}"#,
            &long[1..]
        );
        sent("/v1/batch", batch.into_bytes()).await.is(200);
        at.applied().await;
        at.user("zoe").await.is(200);
        let mut dead = at.dead().await;
        dead.sort();
        dead.retain(|reason| !["missing_type", "not_an_object"].contains(&reason.as_str()));
        // Those of batches that are too deep, or hold numbers or text that is none.
        assert_eq!(dead, ["malformed", "malformed", "malformed", "malformed", "too_large", "unknown_type"]);
    }
}

/// G1, G2: the traits of a message's context are the person's; what a batch says of all its messages holds for each that says
/// nothing else; and where nobody says when, each is later than those before it.
#[tokio::test]
async fn g1_context_and_order_are_read_as_segment_has_them() {
    for store in selected() {
        let at = Customers::on(store).await;
        let group = |plan: &str| json!({"type": "group", "userId": "zoe", "groupId": "north", "traits": {"plan": plan}});
        let of_zoe = json!({"traits": {"name": "Zoe", "email": "zoe@example.com"}});
        at.says(
            "/v1/batch",
            json!({"batch": [
                {"type": "identify", "userId": "zoe", "context": of_zoe},
                {"type": "group", "userId": "zoe", "groupId": "north", "context": of_zoe},
                group("pro"), group("basic"),
            ]}),
        )
        .await;
        let north = at.account("north").await;
        assert_eq!(north["traits"], json!({"plan": "basic"}), "{store}");
        assert_ne!(north["name"], json!("Zoe"), "{store}");
        assert_eq!(at.user("zoe").await.is(200)["name"], json!("Zoe"), "{store}");
        let out_and_in = ["group", "group"].iter().zip([false, true]).map(
            |(kind, assign)| json!({"type": kind, "userId": "zoe", "groupId": "north", "assign": assign}),
        );
        at.says("/v1/batch", json!({"batch": out_and_in.collect::<Vec<_>>()})).await;
        assert_ne!(at.role("zoe", "north").await, Value::Null, "{store}");
        assert_eq!(at.dead().await, [""; 0], "{store}");
    }
}

/// What lies deeper than an entry of the log could be read back is not taken; what is taken can be read everywhere.
#[tokio::test]
async fn g5_what_is_nested_too_deep_to_be_read_again_is_not_taken() {
    for store in selected() {
        let at = Customers::on(store).await;
        let group = |depth: usize| {
            let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            format!(
                r#"{{"type": "group", "anonymousId": "x", "groupId": "north", "traits": {{"x": {nested}}}}}"#
            )
        };
        let sent = async |path: &str, body: String| at.sender().send(Method::POST, path, body.into()).await;
        sent("/v1/group", group(62)).await.is(200);
        for depth in [63, 100, 123, 124, 125] {
            sent("/v1/group", group(depth)).await.refused(400, "malformed");
            sent("/v1/batch", format!(r#"{{"batch": [{}]}}"#, group(depth))).await.is(200);
        }
        at.applied().await;
        assert_eq!(at.dead().await, ["malformed"; 5], "{store}");
        assert!(at.account("north").await["traits"]["x"].is_array());
        for list in ["audit", "events?after=0"] {
            at.world.operator().get(&format!("/v1/organizations/ext:cloud/{list}")).await.is(200);
        }
        at.is_clean().await;
    }
}

/// NUL, `__proto__`, equal keys, strange ids: kept inertly, the same on every store, or a dead letter.
#[tokio::test]
async fn strange_values_are_kept_as_they_are() {
    for store in selected() {
        let at = Customers::on(store).await;
        let body = r#"{"userId": 42, "traits": {"a": "x\u0000y", "__proto__": {"admin": true}, "b": 1, "b": 2, "email": 7, "name": null}}"#;
        at.sender().send(Method::POST, "/v1/identify", body.into()).await.is(200);
        at.applied().await;
        assert_eq!(at.dead().await, [""; 0]);
        let traits = at.user("42").await.is(200)["traits"].clone();
        assert_eq!(traits["a"], json!("x\u{0}y"));
        assert_eq!(traits["__proto__"], json!({"admin": true}));
        assert_eq!(traits["b"], json!(2));
        for id in [json!("a\u{0}"), json!("x".repeat(256)), json!({}), json!([1]), json!(true), json!(1.5)] {
            at.says("/v1/identify", json!({"userId": id})).await;
        }
        assert_eq!(at.dead().await, ["invalid_user_id"; 6]);
        at.is_clean().await;
    }
}
