//! Answers: status, body, entity tag, place; and the sealed form that a receipt keeps.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roster_core::id::Version;
use roster_core::op::Done;
use roster_core::refusal::OpError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Call, replayed};
use crate::csv;
use crate::error::Problem;

/// One answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    body: Option<Value>,
    csv: Option<String>,
    etag: Option<String>,
    location: Option<String>,
    #[serde(skip)]
    link: Option<String>,
    #[serde(skip)]
    replayed: bool,
}

impl Answer {
    fn new(status: StatusCode, body: Option<Value>) -> Self {
        let status = status.as_u16();
        Self { status, body, csv: None, etag: None, location: None, link: None, replayed: false }
    }

    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, Some(body))
    }

    /// 201 with the resource and where it is.
    pub fn created(body: Value, location: String) -> Self {
        Self { location: Some(location), ..Self::new(StatusCode::CREATED, Some(body)) }
    }

    /// 202 with the job and where it is.
    pub fn accepted(body: Value, location: String) -> Self {
        Self { location: Some(location), ..Self::new(StatusCode::ACCEPTED, Some(body)) }
    }

    /// 202 with nothing to say: it is being seen to.
    pub fn noted() -> Self {
        Self::new(StatusCode::ACCEPTED, None)
    }

    /// 204.
    pub fn nothing() -> Self {
        Self::new(StatusCode::NO_CONTENT, None)
    }

    /// With the version of the resource as its entity tag.
    #[must_use]
    pub fn tagged(self, version: Option<Version>) -> Self {
        Self { etag: version.map(|version| format!("\"{version}\"")), ..self }
    }

    /// 304 where the client has this version already.
    #[must_use]
    pub fn unless_known<B, Q>(self, call: &Call<B, Q>) -> Self {
        let known = call.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let same = known.zip(self.etag.as_deref()).is_some_and(|(known, tag)| {
            known.split(',').map(str::trim).any(|known| known.trim_start_matches("W/") == tag || known == "*")
        });
        if same { Self { status: 304, body: None, ..self } } else { self }
    }

    /// A page of a list, as JSON or CSV, with a link to the next.
    pub fn list<B, Q>(call: &Call<B, Q>, rows: &[Value], next: Option<&impl Serialize>) -> Self {
        Self::list_with(call, &[], rows, next)
    }

    /// The same of rows that say more than their schema has.
    pub fn list_with<B, Q>(
        call: &Call<B, Q>,
        beside: &[&str],
        rows: &[Value],
        next: Option<&impl Serialize>,
    ) -> Self {
        let next = next.map(|place| call.cursor_to(place));
        let link = next.as_deref().map(|cursor| call.link_to(cursor));
        if call.wants_csv() {
            return Self {
                csv: Some(csv::table(&csv::columns_of(call.columns(), beside, rows), rows)),
                link,
                ..Self::new(StatusCode::OK, None)
            };
        }
        Self { link, ..Self::ok(json!({"data": rows, "next_cursor": next})) }
    }

    /// A page of events, as JSON or CSV; where to go on is given at the end too.
    pub fn events<B, Q>(call: &Call<B, Q>, rows: &[Value], next: &str) -> Self {
        let link = Some(call.link_after(next));
        if call.wants_csv() {
            let csv = Some(csv::table(call.columns(), rows));
            return Self { csv, link, ..Self::new(StatusCode::OK, None) };
        }
        Self { link, ..Self::ok(json!({"data": rows, "next_cursor": next})) }
    }

    /// The form that a receipt keeps.
    pub fn sealed<B, Q>(&self, call: &Call<B, Q>) -> Vec<u8> {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let id = call.request.receipt.map_or([0; 32], |receipt| receipt.id.0);
        call.api.sealer.seal(&id, &plain)
    }

    /// What an earlier, equal request was answered.
    pub fn replay<B, Q>(call: &Call<B, Q>, sealed: &[u8]) -> Result<Self, Problem> {
        let plain =
            call.api.sealer.open(sealed).and_then(|plain| serde_json::from_slice::<Self>(&plain).ok());
        let answer = plain.ok_or_else(|| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The kept answer cannot be opened.")
        })?;
        Ok(Self { replayed: true, ..answer })
    }

    /// The answer to what was done, or the one kept from before.
    pub fn of<T, B, Q>(
        call: &Call<B, Q>,
        outcome: Result<Done<T>, OpError>,
        make: impl Fn(&Done<T>) -> Self,
    ) -> Result<Self, Problem> {
        match replayed(outcome)? {
            Ok(done) => Ok(make(&done)),
            Err(sealed) => Self::replay(call, &sealed),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = match (self.csv, self.body) {
            (Some(csv), _) => (status, [(header::CONTENT_TYPE, csv::CONTENT_TYPE)], csv).into_response(),
            (None, Some(body)) => (status, axum::Json(body)).into_response(),
            (None, None) => status.into_response(),
        };
        let fields = [
            (header::ETAG, self.etag),
            (header::LOCATION, self.location),
            (header::LINK, self.link),
            (HeaderName::from_static("idempotency-replayed"), self.replayed.then(|| "true".to_owned())),
        ];
        for (name, text) in fields {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
