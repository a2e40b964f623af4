//! Problems (RFC 9457): the one table from refusals to statuses.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roster_core::refusal::{FieldError, OpError, Refusal, RefusalKind, RoleUses};
use roster_core::store::{StoreError, StoreErrorKind};
use serde_json::{Value, json};

/// Why a request was not done, as the client sees it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code of the contract.
    pub code: &'static str,
    /// What happened, and what to do.
    pub detail: String,
    /// For 422: the fields that cannot be used.
    pub errors: Vec<FieldError>,
    /// For `implicit_access`: where the access comes from.
    pub source: Option<Value>,
    /// For `role_in_use`: how often, by what.
    pub uses: Option<Box<Value>>,
    /// For a process that is not ready: every check, where they were asked for.
    pub checks: Option<Box<Value>>,
    /// For `rate_limited`: seconds to wait; 0 elsewhere.
    pub retry_after: u16,
    /// For a library of Segment's, which reads a `message` and sends a write key as user name.
    pub to_library: bool,
}

impl Problem {
    /// A problem without fields.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            source: None,
            uses: None,
            checks: None,
            retry_after: 0,
            to_library: false,
        }
    }

    /// One field that cannot be used.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Refusal::invalid(pointer, detail).into()
    }

    /// Several fields that cannot be used.
    pub fn with_errors(errors: Vec<FieldError>) -> Self {
        Refusal::Invalid(errors).into()
    }

    /// The problem document, with the id of the request.
    pub fn document(&self, request_id: Option<&str>) -> Value {
        let mut document = json!({
            "type": format!("urn:roster:problem:{}", self.code),
            "title": title(self.code),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        });
        if self.status == StatusCode::UNPROCESSABLE_ENTITY {
            let errors: Vec<Value> = self
                .errors
                .iter()
                .map(|error| json!({"pointer": error.pointer, "detail": error.detail}))
                .collect();
            document["errors"] = errors.into();
        }
        if self.to_library {
            document["message"] = self.detail.clone().into();
        }
        if let Some(source) = &self.source {
            document["source"] = source.clone();
        }
        if let Some(uses) = &self.uses {
            document["uses"] = Value::clone(uses);
        }
        if let Some(checks) = &self.checks {
            document["checks"] = Value::clone(checks);
        }
        document
    }

    /// Seconds to wait before trying again; 0 where that would not help.
    pub fn wait(&self) -> u16 {
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            self.retry_after.max(1)
        } else {
            self.retry_after
        }
    }

    /// The response, with the id of the request.
    pub fn render(&self, request_id: Option<&str>) -> Response {
        let body = self.document(request_id).to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = if self.to_library { r#"Basic realm="roster""# } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if self.wait() > 0 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.wait()));
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// `no_seat` → `No seat`.
pub fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.render(None)
    }
}

/// The status of each kind of refusal.
pub const fn status(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::Precondition => StatusCode::PRECONDITION_FAILED,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::Gone => StatusCode::GONE,
        RefusalKind::Limited => StatusCode::TOO_MANY_REQUESTS,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let mut problem = Self::new(status(refusal.kind()), refusal.code(), refusal.to_string());
        if let Refusal::ImplicitAccess(role) = &refusal {
            problem.source = Some(json!({"type": "organization", "role": role}));
        }
        if let Refusal::RateLimited(seconds) = &refusal {
            problem.retry_after = u16::try_from(*seconds).unwrap_or(u16::MAX);
        }
        if let Refusal::RoleInUse(uses) = &refusal {
            let RoleUses { members, invitations, api_keys, replacements } = uses;
            problem.uses = Some(Box::new(json!({
                "members": members, "invitations": invitations, "api_keys": api_keys, "replacements": replacements,
            })));
        }
        if let Refusal::Invalid(errors) = refusal {
            problem.errors = errors;
        }
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(operation = error.operation, kind = ?error.kind, detail = %error.detail, "store failed");
        let (status, detail) = match error.kind {
            StoreErrorKind::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The store does not answer; nothing was done. Try again.")
            }
            StoreErrorKind::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "Too much at a time; nothing was done. Try again.")
            }
            StoreErrorKind::OutcomeUnknown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The store's answer was lost: done or not done. Send the same request with the same Idempotency-Key.",
            ),
            StoreErrorKind::Corrupt => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is wrong with the service or its store; its log says more under this request id.",
            ),
        };
        Self::new(status, error.kind.code(), detail)
    }
}

impl From<OpError> for Problem {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Refused(refusal) => refusal.into(),
            OpError::Store(error) => error.into(),
            OpError::Busy | OpError::Lost | OpError::Replay(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Somebody else is at it; try again.")
            }
        }
    }
}
