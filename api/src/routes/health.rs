//! Whether the process lives, whether it can work, and what it counts.

use std::future::{Ready, ready};
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use roster_core::health::{Description, Durability};
use roster_core::store::StoreError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Problem;
use crate::query;
use crate::state::ApiState;

/// How long the store may take to answer a probe.
const PING_LIMIT: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// 200 as long as the process lives.
pub fn healthz() -> Ready<Json<Value>> {
    ready(Json(json!({"status": "ok"})))
}

/// 200 while requests can be served: the store answers, its schema is current, and the process is not on its way out. With `verbose` every
/// check is listed.
pub async fn readyz(State(api): State<ApiState>, RawQuery(query): RawQuery) -> Result<Json<Value>, Problem> {
    let Asked { verbose } = query::parse(query.as_deref())?;
    match verbose.as_deref() {
        None | Some("false") => ready_or_not(&api).await.map(|()| Json(json!({"status": "ok"}))),
        Some("" | "true") => all_checks(&api).await,
        Some(other) => Err(Problem::invalid("#verbose", format!("{other:?} is neither `true` nor `false`"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    verbose: Option<String>,
}

async fn ready_or_not(api: &ApiState) -> Result<(), Problem> {
    if api.stop.is_given() {
        return Err(unready("The process is stopping."));
    }
    let store = api.roster.store.as_ref();
    in_time(store.ping()).await.map_err(unready)?;
    let (current, why) = schema(&in_time(store.describe()).await.map_err(unready)?);
    if current { Ok(()) } else { Err(unready(&why)) }
}

/// An answer of the store, or why there is none.
async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, &'static str> {
    match tokio::time::timeout(PING_LIMIT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store does not answer a probe");
            Err("The store does not answer.")
        }
        Err(_) => Err("The store does not answer in time."),
    }
}

async fn all_checks(api: &ApiState) -> Result<Json<Value>, Problem> {
    let stays = !api.stop.is_given();
    let store = api.roster.store.as_ref();
    let reached = in_time(store.ping()).await;
    let described = match reached {
        Ok(()) => in_time(store.describe()).await,
        Err(why) => Err(why),
    };
    let unknown = |why: &&str| (false, (*why).to_owned());
    let (current, schema) = described.as_ref().map_or_else(unknown, schema);
    let (durable, durability) = described.as_ref().map_or_else(unknown, durability);
    let reach = described.as_ref().map_or_else(unknown, |it| (true, format!("{} answers.", it.backend)));
    let staying = if stays { "The process serves." } else { "The process is stopping." };
    let check = |name: &str, ok: bool, detail: &str| json!({"name": name, "ok": ok, "detail": detail});
    let checks = json!([
        check("process", stays, staying),
        check("store", reach.0, &reach.1),
        check("schema", current, &schema),
        check("durability", durable, &durability),
    ]);
    // Ready or not is said by the same rule as without `verbose`; durability takes nobody out.
    let refusal = match (stays, &described) {
        (false, _) => Some(staying),
        (true, Err(why)) => Some(*why),
        (true, Ok(_)) => (!current).then_some(schema.as_str()),
    };
    match refusal {
        None => Ok(Json(json!({"status": "ok", "checks": checks}))),
        Some(why) => Err(Problem { checks: Some(Box::new(checks)), ..unready(why) }),
    }
}

fn schema(it: &Description) -> (bool, String) {
    let (found, known) = (it.schema, it.known_schema);
    match it.is_current() {
        true if found == known => (true, format!("Schema {found} is current.")),
        true => (true, format!("Schema {found} is newer than this program's {known}, and serves it.")),
        false => {
            (false, format!("Schema {found} is older than this program's {known}: run `roster migrate`."))
        }
    }
}

fn durability(it: &Description) -> (bool, String) {
    let said = match it.durability {
        Durability::Full => "full: what was acknowledged survives as docs/STORAGE.md says.",
        Durability::Relaxed => {
            "relaxed, as configured: the newest acknowledged changes can be lost in a crash."
        }
    };
    (true, said.to_owned())
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
        let ask = async |query: Option<&str>| {
            readyz(State(api.clone()), RawQuery(query.map(str::to_owned))).await.map(|answer| answer.0)
        };
        for plain in [None, Some(""), Some("verbose=false")] {
            assert_eq!(ask(plain).await.unwrap(), json!({"status": "ok"}));
        }
        assert_eq!(ask(Some("verbose")).await.unwrap(), ask(Some("verbose=true")).await.unwrap());
        for unknown in ["verbose=1", "exclude=store", "verbose&verbose"] {
            assert_eq!(ask(Some(unknown)).await.unwrap_err().status.as_u16(), 422, "{unknown}");
        }
        api.stop.give();
        for query in [None, Some("verbose")] {
            let problem = ask(query).await.unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code), (503, "store_unavailable"));
            assert_eq!(problem.checks.is_some(), query.is_some());
        }
    }

    #[test]
    fn relaxed_durability_and_an_old_schema_are_said() {
        let it =
            Description { backend: "redis", durability: Durability::Relaxed, schema: 2, known_schema: 2 };
        assert!(durability(&it).1.starts_with("relaxed"));
        assert_eq!(schema(&it), (true, "Schema 2 is current.".to_owned()));
        assert!(!schema(&Description { known_schema: 3, ..it.clone() }).0);
        assert!(schema(&Description { known_schema: 1, ..it }).0, "the program before runs beside");
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
