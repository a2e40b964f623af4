//! What surrounds every request: its id, its limits in time, problems instead of bare errors and panics, one line in
//! the log, the counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use roster_core::facts::Entropy;
use roster_core::limits::Tried;
use tracing::Instrument as _;

use crate::erased::without_erased;
use crate::error::Problem;
use crate::pages::{self, IsPage};
use crate::peer::Peer;
use crate::routes;
use crate::routes::event::LONGEST_WAIT;
use crate::state::ApiState;

/// How long a request may take, beside the time for which it asks to wait.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How long a file of 64 MiB may take to come, beside: a line of one megabit a second takes nine minutes.
const LONGEST_UPLOAD: Duration = Duration::from_mins(10);
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is answered on the way out, too.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The id of a request, the client's or a new one; in the request's extensions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(pub String);

/// Surrounds all routes that the router has by now.
pub fn wrap(router: Router<ApiState>, api: &ApiState) -> Router<ApiState> {
    router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(api.clone(), surround))
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such path; see /docs.")
}

async fn method_not_allowed() -> Problem {
    let detail = "This path has other methods; the header `Allow` names them.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn surround(State(api): State<ApiState>, mut http: Request, next: Next) -> Response {
    let id = request_id(http.headers(), api.roster.entropy.as_ref());
    let method = http.method().clone();
    let keep = may_be_kept(http.uri().path());
    let route = http
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    http.extensions_mut().insert(id.clone());
    let started = Instant::now();
    let span = tracing::error_span!("request", request_id = %id.0);
    let limit = time_limit(&route);
    let answer = match admitted(&api, &route, &http) {
        Ok(()) => {
            let answered = async {
                let answer = next.run(http).await;
                without_erased(&api.roster, answer).await.unwrap_or_else(IntoResponse::into_response)
            };
            guard(limit, &method, answered).instrument(span).await
        }
        Err(problem) => problem.into_response(),
    };
    let mut response = with_problem(answer, &id);
    finish(response.headers_mut(), &id, keep);
    report(&api, &method, &route, &response, started.elapsed(), &id);
    response
}

/// What anybody may send is counted by peer, whatever it bears: nobody looks at it. Where a secret is looked at, whoever
/// bears one gets no further without being known.
/// A process on its way out takes nothing more.
fn admitted(api: &ApiState, route: &str, http: &Request) -> Result<(), Problem> {
    if api.stop.is_given() && !PROBES.contains(&route) {
        let detail = "This process is stopping; send the request again.";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail));
    }
    let bears = http.headers().contains_key(header::AUTHORIZATION);
    if OPEN.get(route).is_none_or(|looked_at| *looked_at && bears) {
        return Ok(());
    }
    let peer = http.extensions().get::<Peer>().copied();
    let Some(client) = api.proxies.client(peer, http.headers()) else { return Ok(()) };
    Ok(api.roster.limits.take(Tried::Peer, &client, api.roster.entropy.millis())?)
}

/// Paths that anybody may ask, and whether a secret is looked at there.
static OPEN: LazyLock<BTreeMap<String, bool>> = LazyLock::new(|| {
    let open = routes::all().into_iter().filter(|route| route.open);
    let open = open.map(|route| (format!("/v1{}", route.path), route.may_be_signed()));
    open.chain(pages::PATHS.map(|path| (path.to_owned(), false))).collect()
});

/// Events may be waited for, and a file may come by a slow line.
fn time_limit(route: &str) -> Duration {
    match route.rsplit('/').next() {
        Some("events") => TIME_LIMIT + LONGEST_WAIT,
        Some("imports") => TIME_LIMIT + LONGEST_UPLOAD,
        Some(_) | None => TIME_LIMIT,
    }
}

/// The answer, or a problem where it panics or takes too long.
async fn guard(limit: Duration, method: &Method, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(response)) => response,
        // Where it did is in the log already. What it was about to say may hold anything.
        Ok(Err(_)) => {
            tracing::error!("a request panicked");
            internal().into_response()
        }
        Err(_) => too_long(method).into_response(),
    }
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something is wrong with the service; its log says more under this request id.",
    )
}

/// A write that was given up may have been done.
fn too_long(method: &Method) -> Problem {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    if method.is_safe() {
        return Problem::new(unavailable, "busy", "This took too long; try again.");
    }
    Problem::new(
        unavailable,
        "outcome_unknown",
        "This took too long: done or not done. Send the same request with the same Idempotency-Key.",
    )
}

fn request_id(headers: &HeaderMap, entropy: &dyn Entropy) -> RequestId {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    RequestId(match given.filter(|text| is_well_formed(text)) {
        Some(text) => text.to_owned(),
        None => entropy.bytes()[..16].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    })
}

fn is_well_formed(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The pages of the documentation hold no data, nor does what pages look like.
fn may_be_kept(path: &str) -> bool {
    path == "/pages.css" || path == "/openapi.json" || path == "/docs" || path.starts_with("/docs/")
}

/// Every error is a problem that names the request; headers beside the body stay.
fn with_problem(response: Response, id: &RequestId) -> Response {
    if response.extensions().get::<IsPage>().is_some() {
        return response;
    }
    let status = response.status();
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => &bare(status),
        None => return response,
    };
    let mut named = problem.render(Some(&id.0));
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && !named.headers().contains_key(name) {
            named.headers_mut().insert(name.clone(), value.clone());
        }
    }
    named
}

/// For an error that nobody made a problem of.
fn bare(status: StatusCode) -> Problem {
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid",
        StatusCode::SERVICE_UNAVAILABLE => "busy",
        status if status.is_client_error() => "malformed",
        _ => return internal(),
    };
    Problem::new(status, code, status.canonical_reason().unwrap_or("This cannot be done."))
}

fn finish(headers: &mut HeaderMap, id: &RequestId, keep: bool) {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    if !keep {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn report(api: &ApiState, method: &Method, route: &str, response: &Response, took: Duration, id: &RequestId) {
    let (method, status) = (label(method), response.status().as_u16());
    let code = response.extensions().get::<Problem>().map(|problem| problem.code);
    api.metrics.answered(method, route, status, took);
    if let Some(code) = code {
        api.metrics.refused(code);
    }
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(method, route, status, code, ms, request_id = %id.0, "answered");
}

/// Clients cannot make up labels.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use axum::routing::{get, post};
    use roster_core::memory::MemoryStore;
    use roster_core::op::Roster;
    use roster_core::store::Clock;
    use roster_core::time::Timestamp;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(0)
        }
    }

    impl Entropy for Fixed {
        fn bytes(&self) -> [u8; 32] {
            [0xab; 32]
        }

        fn millis(&self) -> u64 {
            0
        }
    }

    /// A state on a store in memory.
    pub(crate) fn api() -> ApiState {
        let store = Arc::new(MemoryStore::new(Arc::new(Fixed)));
        ApiState::new(Roster::new(store, Arc::new(Fixed)), [1; 32], [2; 32])
    }

    fn router(api: &ApiState) -> Router {
        let routes = Router::new()
            .route("/ok/{id}", get(async || "ok"))
            .route("/docs", get(async || "docs"))
            .route("/panics", get(async || -> StatusCode { panic!("a panic on purpose") }))
            .route("/bare", post(async || StatusCode::PAYLOAD_TOO_LARGE))
            .route("/taken", get(async || Problem::new(StatusCode::CONFLICT, "no_seat", "All taken.")));
        wrap(routes, api).with_state(api.clone())
    }

    async fn ask(api: &ApiState, method: Method, path: &str, id: &str) -> (Response<()>, Value) {
        let request = Request::builder().method(method).uri(path).header("x-request-id", id);
        let response = router(api).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 10_000).await.unwrap();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    #[tokio::test]
    async fn makes_problems_of_all_errors() {
        let api = api();
        for (method, path, status, code) in [
            (Method::GET, "/nothing", 404, "not_found"),
            (Method::DELETE, "/ok/1", 405, "method_not_allowed"),
            (Method::GET, "/panics", 500, "internal"),
            (Method::POST, "/bare", 413, "too_large"),
            (Method::GET, "/taken", 409, "no_seat"),
        ] {
            let (response, body) = ask(&api, method, path, "my-id").await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers()["x-request-id"], "my-id");
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(
                (body["code"].as_str(), body["request_id"].as_str()),
                (Some(code), Some("my-id")),
                "{path}"
            );
        }
        let (response, _) = ask(&api, Method::DELETE, "/ok/1", "my-id").await;
        assert_eq!(response.headers()["allow"], "GET,HEAD");
    }

    #[tokio::test]
    async fn names_requests() {
        let api = api();
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\"", long.as_str()] {
            let (response, _) = ask(&api, Method::GET, "/ok/1", bad).await;
            assert_eq!(response.headers()["x-request-id"].to_str().unwrap(), "ab".repeat(16));
        }
        for good in ["A.b_c-9", &long[1..]] {
            let (response, _) = ask(&api, Method::GET, "/ok/1", good).await;
            assert_eq!(response.headers()["x-request-id"].to_str().unwrap(), good);
        }
    }

    #[tokio::test]
    async fn keeps_data_out_of_caches() {
        let api = api();
        let (response, _) = ask(&api, Method::GET, "/ok/1", "a").await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        let (response, _) = ask(&api, Method::GET, "/docs", "a").await;
        assert!(!response.headers().contains_key("cache-control"));
    }

    #[tokio::test]
    async fn counts_by_route_template() {
        let api = api();
        ask(&api, Method::GET, "/ok/1", "a").await;
        ask(&api, Method::GET, "/ok/2", "a").await;
        ask(&api, Method::from_bytes(b"MADEUP").unwrap(), "/secret", "a").await;
        let text = api.metrics.render();
        assert!(text.contains(r#"{method="GET",route="/ok/{id}",status="200"} 2"#), "{text}");
        assert!(text.contains(r#"{method="other",route="unmatched",status="404"} 1"#), "{text}");
        assert!(text.contains(r#"roster_refusals_total{code="not_found"} 1"#) && !text.contains("secret"));
    }

    #[tokio::test]
    async fn counts_peers_whatever_they_bear() {
        let api = api();
        let ask = |path: &str, bears: bool| {
            let request =
                Request::builder().header(header::AUTHORIZATION, if bears { "Bearer x" } else { "" });
            let mut request = request.body(Body::empty()).unwrap();
            if !bears {
                request.headers_mut().clear();
            }
            request.extensions_mut().insert(Peer("203.0.113.9".parse().unwrap()));
            admitted(&api, path, &request).map_err(|problem| problem.code)
        };
        for _ in 0..300 {
            assert_eq!(ask("/v1/sessions", true), Ok(()));
        }
        for path in ["/v1/sessions", "/v1/password-resets", "/v1/invitations/{token}", "/invitations/{token}"]
        {
            assert_eq!(
                (ask(path, true), ask(path, false)),
                (Err("rate_limited"), Err("rate_limited")),
                "{path}"
            );
        }
        assert_eq!(ask("/v1/invitations/{token}/accept", false), Err("rate_limited"));
        assert_eq!(ask("/v1/invitations/{token}/accept", true), Ok(()), "the secret is looked at there");
        assert_eq!(ask("/v1/organizations", false), Ok(()));
    }

    #[tokio::test]
    async fn gives_up_what_takes_too_long() {
        for (method, code) in [(Method::GET, "busy"), (Method::POST, "outcome_unknown")] {
            let response = guard(Duration::from_millis(1), &method, std::future::pending()).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
            assert_eq!(response.extensions().get::<Problem>().unwrap().code, code);
        }
    }
}
