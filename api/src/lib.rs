//! HTTP: extract, call one operation of the core, map the answer. No rule lives here.

mod access;
mod answer;
mod call;
pub mod csv;
mod cursor;
mod erased;
mod error;
mod exports;
mod followers;
mod json;
mod member_query;
mod metrics;
mod middleware;
mod once;
pub mod openapi;
mod pages;
pub mod peer;
mod query;
mod route;
mod routes;
mod sealing;
pub mod shapes;
mod state;

pub use error::Problem;
pub use exports::Exports;
pub use followers::Followers;
pub use state::ApiState;

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the document of the API is.
const DOCUMENT_PATH: &str = "/openapi.json";

/// The document as it is sent: made when it is first asked for.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());

/// What tells of a process, also of one that answers no requests: health and metrics.
fn probes() -> Router<ApiState> {
    Router::new()
        .route("/healthz", get(routes::health::healthz))
        .route("/readyz", get(routes::health::readyz))
        .route("/metrics", get(routes::health::metrics))
}

/// Health and metrics alone.
pub fn beside(state: ApiState) -> Router {
    middleware::wrap(probes(), &state).with_state(state)
}

/// The whole service: the API, health, metrics and the documentation.
pub fn router(state: ApiState) -> Router {
    let api = routes::all().into_iter().fold(Router::new(), |router, route| route.join(router));
    let open = probes()
        .route(DOCUMENT_PATH, get(async || ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str())));
    let docs = SwaggerUi::new("/docs").config(Config::from(DOCUMENT_PATH));
    let open = open.merge(routes::ingest::beside());
    middleware::wrap(pages::join(api.merge(open)).merge(docs), &state).with_state(state)
}
