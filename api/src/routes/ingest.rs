//! Segment's HTTP tracking API, and links of users to accounts: what sources send (rules G1 to G5).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read as _;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use roster_core::ingest::{MAX_BATCH, MAX_MESSAGE, authenticate_source, receive};
use roster_core::model::customer::Source;
use roster_core::model::is_too_deep;
use roster_core::refusal::Refusal;
use roster_core::time::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::error::Problem;
use crate::route::Route;
use crate::state::ApiState;

/// The most messages of a batch.
const MAX_MESSAGES: usize = 2_500;

/// The routes below `/v1`.
pub fn routes() -> Vec<Route> {
    let one = |path: &'static str, kind: &'static str, about: &'static str, body: Value| {
        Route::post(path, kind, move |state: State<ApiState>, http: HttpRequest| {
            take(state, http, Some(kind))
        })
        .says(about, ABOUT)
        .takes(body)
        .answers(200, "Received")
        .ingests()
    };
    let ada = |mut more: Value| {
        more["userId"] = "ada".into();
        more["messageId"] = "m-1".into();
        more
    };
    vec![
        one("/identify", "identify", "Say who somebody is", ada(json!({"traits": {"email": "ada@example.com"}}))),
        one("/group", "group", "Say what somebody belongs to", ada(json!({"groupId": "north", "traits": {"plan": "pro"}}))),
        one("/track", "track", "Say what somebody did", ada(json!({"event": "Report Opened"}))),
        one("/page", "page", "Say that somebody saw a page", ada(json!({"name": "Home"}))),
        one("/screen", "screen", "Say that somebody saw a screen", ada(json!({"name": "Home"}))),
        one("/alias", "alias", "Say that two ids are one person", ada(json!({"previousId": "visitor-7"}))),
        Route::post("/batch", "batch", |state: State<ApiState>, http: HttpRequest| take(state, http, None))
            .says("Say many things at once", ABOUT)
            .takes(json!({"batch": [{"type": "track", "userId": "ada", "event": "Report Opened", "messageId": "m-2"}]}))
            .answers(200, "Received")
            .ingests(),
    ]
}

const NO_BATCH: &str = "The body must be a JSON object with an array `batch`";

const ABOUT: &str = "Segment's HTTP tracking API: Basic authentication with the source's write key as user name, or, without \
    `Authorization`, the key as `writeKey` in the body, where it is not kept. Unknown \
    fields are allowed; the body may be compressed by gzip. It is stored before this answers, and applied within a \
    second; what cannot be applied becomes a dead letter. A message has at most 32 KB, a batch 500 KB and 2,500 messages. The \
    `groupId` and `sessionId` of a batch's own `context`, and the session in its `integrations`, hold for each message that \
    names no other. The same under \
    `/segment/v1/`.";

/// The same where Segment's libraries look for it under a prefix, and what says who belongs to which account.
pub fn beside() -> Router<ApiState> {
    let mut router = Router::new();
    for kind in ["identify", "group", "track", "page", "screen", "alias"] {
        let handler = move |state: State<ApiState>, http: HttpRequest| take(state, http, Some(kind));
        router = router.route(&format!("/segment/v1/{kind}"), post(handler));
    }
    let batch = |state: State<ApiState>, http: HttpRequest| take(state, http, None);
    router = router.route("/segment/v1/batch", post(batch));
    for kind in ["link", "unlink"] {
        let handler = move |state: State<ApiState>, http: HttpRequest| tie(state, http, kind);
        router = router.route(&format!("/analytics/v1/{kind}"), post(handler));
    }
    router
}

/// Segment's libraries read a `message` of what went wrong.
fn to_library(mut problem: Problem) -> Problem {
    if problem.status == StatusCode::UNAUTHORIZED {
        problem.detail = "No valid write key: send it by Basic authentication, as the user name, or as `writeKey` in the body.".into();
    }
    Problem { to_library: true, ..problem }
}

async fn take(
    state: State<ApiState>,
    http: HttpRequest,
    kind: Option<&'static str>,
) -> Result<Response, Problem> {
    taken(state, http, kind).await.map_err(to_library)
}

async fn tie(state: State<ApiState>, http: HttpRequest, kind: &'static str) -> Result<Response, Problem> {
    tied(state, http, kind).await.map_err(to_library)
}

/// A message whose kind the path names, or a batch.
async fn taken(
    State(api): State<ApiState>,
    http: HttpRequest,
    kind: Option<&'static str>,
) -> Result<Response, Problem> {
    let (source, bytes) = authenticated(&api, http).await?;
    let (messages, sent_at) = match kind {
        Some(kind) => (vec![(Some(kind.to_owned()), without_key(single(&bytes)?).into_owned())], None),
        None => batch(&bytes)?,
    };
    receive(&api.roster, &source, messages, sent_at).await?;
    api.ingested.notify_one();
    Ok(axum::Json(json!({"success": true})).into_response())
}

/// `{userId, accountId}` with a `timestamp` or a `messageId`.
async fn tied(
    State(api): State<ApiState>,
    http: HttpRequest,
    kind: &'static str,
) -> Result<Response, Problem> {
    let (source, bytes) = authenticated(&api, http).await?;
    let text = single(&bytes)?;
    let value: Value = serde_json::from_str(text).map_err(|_| malformed("The body is not JSON."))?;
    let missing = |name: &str| {
        value.get(name).is_none_or(|value| value.is_null() || value.as_str().is_some_and(str::is_empty))
    };
    for name in ["userId", "accountId"] {
        if missing(name) {
            return Err(malformed(&format!("`{name}` is missing.")));
        }
    }
    if missing("timestamp") && missing("messageId") {
        return Err(malformed("Give a `timestamp` or a `messageId`, so that it can be told from others."));
    }
    receive(&api.roster, &source, vec![(Some(kind.to_owned()), without_key(text).into_owned())], None)
        .await?;
    api.ingested.notify_one();
    Ok(axum::Json(json!({"message": "Success."})).into_response())
}

async fn authenticated(api: &ApiState, http: HttpRequest) -> Result<(Source, Vec<u8>), Problem> {
    let (parts, body) = http.into_parts();
    let (key, bytes) = if parts.headers.contains_key(header::AUTHORIZATION) {
        (write_key(&parts.headers), Err(body))
    } else {
        // A body that cannot be read says nothing of who sent it.
        let bytes = plain(&parts.headers, body).await.map_err(|_| Refusal::Unauthenticated)?;
        (key_in(&bytes), Ok(bytes))
    };
    let source = authenticate_source(&api.roster, &key.ok_or(Refusal::Unauthenticated)?).await?;
    if parts.headers.contains_key("roster-on-behalf-of") {
        return Err(Problem::invalid("#Roster-On-Behalf-Of", "a write key speaks for its source only"));
    }
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(body) => plain(&parts.headers, body).await?,
    };
    Ok((source, bytes))
}

/// The write key of a body, by which Segment's libraries for browsers and phones say who they are.
fn key_in(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Keyed {
        #[serde(rename = "writeKey")]
        key: String,
    }
    // An array of the fields would be read as well.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice::<Keyed>(body).ok().filter(|_| is_object).map(|keyed| keyed.key)
}

/// A message without a write key in it: what is kept of it is shown to others.
fn without_key(message: &str) -> Cow<'_, str> {
    // However it is written: an escape in its name hides it from a search, and from nobody else.
    if !message.contains("writeKey") && !message.contains('\\') {
        return Cow::Borrowed(message);
    }
    // Read one deep: depth, numbers and text that cannot be kept do not keep the key. Where its names cannot be read, nothing
    // is left but a dead letter.
    let Ok(mut fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(message) else {
        return Cow::Borrowed("{}");
    };
    if fields.remove("writeKey").is_none() {
        return Cow::Borrowed(message);
    }
    serde_json::to_string(&fields).map_or(Cow::Borrowed("{}"), Cow::Owned)
}

/// The user name of the one `Authorization: Basic` header; whatever stands as password.
fn write_key(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, secret) = one.to_str().ok()?.split_once(' ')?;
    let plain = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(secret.trim()).ok())??;
    let text = String::from_utf8(plain).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned())
}

/// The body, unpacked if it is packed; neither is read beyond what a batch may have.
async fn plain(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let bytes = axum::body::to_bytes(body, MAX_BATCH).await.map_err(|error| {
        let long = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if long { too_large("A batch has at most 500 KB.") } else { malformed("The body broke off.") }
    })?;
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    match encoding.map(str::trim) {
        None | Some("" | "identity") => Ok(bytes.to_vec()),
        Some(name) if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
            let mut plain = Vec::new();
            let most = u64::try_from(MAX_BATCH).unwrap_or(u64::MAX) + 1;
            let read = MultiGzDecoder::new(bytes.as_ref()).take(most).read_to_end(&mut plain);
            read.map_err(|_| malformed("The body is not packed by gzip."))?;
            if plain.len() > MAX_BATCH { Err(too_large("A batch has at most 500 KB.")) } else { Ok(plain) }
        }
        Some(_) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Send the body as it is, or packed by gzip.",
        )),
    }
}

/// One message: an object of at most 32 KB.
fn single(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > MAX_MESSAGE {
        return Err(too_large("A message has at most 32 KB; send less in its traits or properties."));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("The body is not UTF-8."))?;
    let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    if is_too_deep(&value) {
        return Err(malformed("Arrays and objects may lie 64 deep in each other."));
    }
    if value.is_object() { Ok(text) } else { Err(malformed("The body must be a JSON object.")) }
}

/// The messages of a batch as they came, and when the client says that it sent them.
#[expect(clippy::type_complexity, reason = "said once")]
fn batch(bytes: &[u8]) -> Result<(Vec<(Option<String>, String)>, Option<String>), Problem> {
    #[derive(serde::Deserialize)]
    struct Batch<'a> {
        #[serde(borrow, rename = "batch")]
        messages: Vec<&'a RawValue>,
        #[serde(default, rename = "sentAt")]
        sent_at: Value,
        #[serde(default)]
        context: Value,
        #[serde(default)]
        integrations: Value,
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("The body is not UTF-8."))?;
    // An array of the fields would be read as well.
    if !text.trim_start().starts_with('{') {
        return Err(malformed(&format!("{NO_BATCH}.")));
    }
    // A message whose depth, numbers or text cannot be kept is a dead letter, and takes none of the others with it.
    let Batch { messages, sent_at, context, integrations } =
        serde_json::from_str(text).map_err(|error| not_json(&error))?;
    if messages.len() > MAX_MESSAGES {
        return Err(too_large("A batch has at most 2,500 messages."));
    }
    let of_all = [
        ("context", heeded(context, &["groupId", "sessionId"])),
        ("integrations", heeded(integrations, &["Actions Amplitude"])),
    ];
    let messages = messages
        .into_iter()
        .map(|message| (None, with_what_holds_for_all(&without_key(message.get()), &of_all)));
    // Milliseconds since the epoch, as JavaScript has them, are told as text.
    let sent_at = match sent_at {
        Value::String(text) => Some(text),
        Value::Number(millis) => {
            let millis = millis.as_i64().filter(|millis| (0..253_402_300_800_000).contains(millis));
            millis.map(|millis| Timestamp::from_micros(millis * 1_000).to_string())
        }
        _ => None,
    };
    Ok((messages.collect(), sent_at))
}

/// Of what a batch says of all its messages, that which Roster heeds, if it is no longer than such things are: with each of
/// 2,500 messages it is kept once more.
fn heeded(of_all: Value, names: &[&str]) -> Map<String, Value> {
    const LONGEST: usize = 1_000;
    let Value::Object(fields) = of_all else { return Map::new() };
    let short = |value: &Value| value.to_string().len() <= LONGEST;
    fields.into_iter().filter(|(name, value)| names.contains(&name.as_str()) && short(value)).collect()
}

/// A message with what its batch says of all that it does not say itself; as it came where the batch says nothing, where it
/// cannot be read, or where it would be too long.
fn with_what_holds_for_all(message: &str, of_all: &[(&str, Map<String, Value>); 2]) -> String {
    let given: Vec<_> = of_all.iter().filter(|(_, fields)| !fields.is_empty()).collect();
    if given.is_empty() {
        return message.to_owned();
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str(message) else { return message.to_owned() };
    for (name, of_all) in given {
        let own = fields.entry(*name).or_insert(Value::Null);
        if own.is_null() {
            *own = Value::Object(Map::new());
        }
        for (key, value) in of_all {
            if let Some(fields) = own.as_object_mut().filter(|own| own.get(key).is_none_or(Value::is_null)) {
                fields.insert(key.clone(), value.clone());
            }
        }
    }
    let whole = Value::Object(fields).to_string();
    if whole.len() > MAX_MESSAGE { message.to_owned() } else { whole }
}

fn not_json(error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return malformed(&format!("{NO_BATCH}: {error}."));
    }
    malformed(&format!("The body is not proper JSON: {error}."))
}

fn malformed(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}

fn too_large(detail: &'static str) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule G1: as Segment's specification has it.
    #[test]
    fn g1_what_a_batch_says_of_all_holds_for_each_message_that_says_nothing_else() {
        let body = json!({
            "batch": [
                {"userId": "a"}, {"userId": "b", "context": {"sessionId": "own", "groupId": null}},
                {"userId": "c", "context": null}, {"userId": "d", "context": 7}, 8,
            ],
            "context": {"groupId": "north", "sessionId": "s", "traits": {"name": "Zoe"}},
            "integrations": {"All": true, "Actions Amplitude": {"session_id": 7}},
            "sentAt": 1_767_225_600_123_i64,
        });
        let (messages, sent_at) = batch(body.to_string().as_bytes()).unwrap();
        let messages: Vec<Value> =
            messages.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
        let (context, sent) =
            (json!({"groupId": "north", "sessionId": "s"}), json!({"Actions Amplitude": {"session_id": 7}}));
        let own = json!({"groupId": "north", "sessionId": "own"});
        assert_eq!(
            messages,
            [
                json!({"userId": "a", "context": context, "integrations": sent}),
                json!({"userId": "b", "context": own, "integrations": sent}),
                json!({"userId": "c", "context": context, "integrations": sent}),
                json!({"userId": "d", "context": 7, "integrations": sent}),
                json!(8),
            ]
        );
        assert_eq!(sent_at.as_deref(), Some("2026-01-01T00:00:00.123Z"));
        let long = format!(r#"{{"userId": "{}"}}"#, "x".repeat(MAX_MESSAGE - 20));
        let body = format!(r#"{{"batch": [{long}], "context": {{"groupId": "{}"}}}}"#, "g".repeat(100));
        assert_eq!(batch(body.as_bytes()).unwrap().0[0].1, long, "none is too long by it");
        let body = format!(r#"{{"batch": [{{}}], "context": {{"groupId": "{}"}}}}"#, "g".repeat(1_001));
        assert_eq!(batch(body.as_bytes()).unwrap().0[0].1, "{}");
    }
}
