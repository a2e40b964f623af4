//! A server of the same make as Roster's (hyper, axum, sqlx) whose handlers check nothing, keep nothing and log nothing.

mod postgres;
mod redis;
mod sqlite;

use std::sync::Arc;

use anyhow::{Result, bail};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use roster_core::id::{AccountId, ApiKeyId, OrganizationId, UserId};
use roster_core::secret::{Token, TokenKind};

/// How the same facts are read.
#[derive(Clone)]
enum Source {
    Postgres(sqlx::PgPool),
    Sqlite(sqlx::SqlitePool),
    Redis(redis::Store),
}

/// Serves until it is ended; says on which port first.
pub async fn run(backend: &str, place: &str, connections: u32) -> Result<()> {
    let source = match backend {
        "postgres" => Source::Postgres(postgres::open(place, connections).await?),
        "sqlite" => Source::Sqlite(sqlite::open(place, connections).await?),
        "redis" => Source::Redis(redis::Store::open(place).await?),
        other => bail!("there is no bare handler for {other}"),
    };
    let router = Router::new()
        .route("/v1/check", post(check))
        .route("/v1/organizations/{organization}/members", get(list))
        .route("/v1/organizations/{organization}/members/{user}", get(member))
        .with_state(Arc::new(source));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// A failure ends the measurement: the load generator counts it.
type Answer = Result<Json<Value>, StatusCode>;

fn failed(error: impl std::fmt::Display) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

#[derive(Deserialize)]
struct Check {
    user: UserId,
    account: AccountId,
}

/// Which facts a request rests on, as the store keeps them: what it asks about, and the key that it bears.
struct Facts {
    organization: OrganizationId,
    user: UserId,
    account: AccountId,
    key: ApiKeyId,
}

impl Facts {
    fn new(headers: &HeaderMap, user: UserId, account: AccountId) -> Result<Self, StatusCode> {
        let secret =
            headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token = Token::parse(secret.unwrap_or_default()).map_err(failed)?;
        let TokenKind::Organization(organization, key) = token.kind() else {
            return Err(StatusCode::UNAUTHORIZED);
        };
        Ok(Self { organization, user, account, key })
    }
}

async fn check(State(source): State<Arc<Source>>, headers: HeaderMap, Json(check): Json<Check>) -> Answer {
    let facts = Facts::new(&headers, check.user, check.account)?;
    let role = match source.as_ref() {
        Source::Postgres(pool) => postgres::check(pool, &facts).await.map_err(failed)?,
        Source::Sqlite(pool) => sqlite::check(pool, &facts).await.map_err(failed)?,
        Source::Redis(store) => store.check(&facts).await.map_err(failed)?,
    };
    Ok(Json(json!({"allowed": role.is_some(), "reason": "granted"})))
}

async fn list(State(source): State<Arc<Source>>, Path(organization): Path<OrganizationId>) -> Answer {
    let rows = match source.as_ref() {
        Source::Postgres(pool) => json!(postgres::list(pool, organization).await.map_err(failed)?),
        Source::Sqlite(pool) => json!(sqlite::list(pool, organization).await.map_err(failed)?),
        Source::Redis(store) => json!(store.list(organization).await.map_err(failed)?),
    };
    Ok(Json(json!({"data": rows, "next_cursor": null})))
}

async fn member(
    State(source): State<Arc<Source>>,
    headers: HeaderMap,
    Path((_, user)): Path<(OrganizationId, UserId)>,
) -> Answer {
    let facts = Facts::new(&headers, user, AccountId::from_uuid(uuid::Uuid::nil()))?;
    Ok(Json(match source.as_ref() {
        Source::Postgres(pool) => json!(postgres::member(pool, &facts).await.map_err(failed)?),
        Source::Sqlite(pool) => json!(sqlite::member(pool, &facts).await.map_err(failed)?),
        Source::Redis(store) => json!(store.member(&facts).await.map_err(failed)?),
    }))
}

/// A member as the handlers show it.
#[derive(sqlx::FromRow, serde::Serialize)]
struct Row {
    user_id: uuid::Uuid,
    status: String,
    organization_role: Option<String>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    joined_at: i64,
    left_at: Option<i64>,
    cut_at: Option<i64>,
    email: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    accounts: String,
    version: uuid::Uuid,
}
