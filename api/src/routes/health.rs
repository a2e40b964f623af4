//! Whether the process lives, whether it can work, and what it counts.

use std::future::{Ready, ready};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

use crate::error::Problem;
use crate::state::ApiState;

/// How long the store may take to answer a probe.
const PING_LIMIT: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// 200 as long as the process lives.
pub fn healthz() -> Ready<Json<Value>> {
    ready(Json(json!({"status": "ok"})))
}

/// 200 while requests can be served: the store answers, and the process is not on its way out.
pub async fn readyz(State(api): State<ApiState>) -> Result<Json<Value>, Problem> {
    if api.stopping.load(Ordering::SeqCst) {
        return Err(unready("The process is stopping."));
    }
    match tokio::time::timeout(PING_LIMIT, api.roster.store.ping()).await {
        Ok(Ok(())) => Ok(Json(json!({"status": "ok"}))),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store does not answer a probe");
            Err(unready("The store does not answer."))
        }
        Err(_) => Err(unready("The store does not answer in time.")),
    }
}

/// Counts and durations, for Prometheus.
pub fn metrics(State(api): State<ApiState>) -> Ready<([(HeaderName, &'static str); 1], String)> {
    ready(([(header::CONTENT_TYPE, OPEN_METRICS)], api.metrics.render()))
}

fn unready(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::tests::api;

    #[tokio::test]
    async fn is_ready_until_it_stops() {
        let api = api();
        assert_eq!(healthz().await.0["status"], "ok");
        assert_eq!(readyz(State(api.clone())).await.unwrap().0["status"], "ok");
        api.stopping.store(true, Ordering::SeqCst);
        let problem = readyz(State(api)).await.unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (503, "store_unavailable"));
    }

    #[tokio::test]
    async fn shows_metrics() {
        let api = api();
        api.metrics.refused("no_seat");
        let ([(name, kind)], text) = metrics(State(api)).await;
        assert_eq!((name, kind), (header::CONTENT_TYPE, OPEN_METRICS));
        assert!(text.contains("no_seat"));
    }
}
