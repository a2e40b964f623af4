//! HTTP: extract, call one operation of the core, map the answer. No rule lives here.

mod access;
mod answer;
mod call;
pub mod csv;
mod cursor;
mod erased;
mod error;
mod exports;
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
pub use state::ApiState;

use axum::Router;
use axum::routing::get;
use utoipa_swagger_ui::SwaggerUi;

/// The whole service: the API, health, metrics and the documentation.
pub fn router(state: ApiState) -> Router {
    let api = routes::all().into_iter().fold(Router::new(), |router, route| route.join(router));
    let open = Router::new()
        .route("/healthz", get(routes::health::healthz))
        .route("/readyz", get(routes::health::readyz))
        .route("/metrics", get(routes::health::metrics));
    let docs = SwaggerUi::new("/docs").external_url_unchecked("/openapi.json", openapi::document());
    let open = open.merge(routes::ingest::beside());
    middleware::wrap(pages::join(api.merge(open)).merge(docs), &state).with_state(state)
}
