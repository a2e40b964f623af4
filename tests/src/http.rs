//! The API under test: the real router on a fresh store, called without a socket, by typed callers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use roster_api::ApiState;
use roster_core::actor::Actor;
use roster_core::facts::{Entropy, Request as Asked};
use roster_core::id::OperatorKeyId;
use roster_core::op::{Roster, run};
use roster_core::ops::operator_key::{CreateOperatorKey, RevokeOperatorKey};
use roster_core::secret::{PasswordCost, Passwords};
use roster_core::sign_in::SignIn;
use roster_core::store::Store;
use roster_core::text::Name;
use serde_json::Value;
use tower::ServiceExt;

use crate::contract;
use crate::gate::{Between, Hook};
use crate::mailbox::Mailbox;
use crate::receiver::sending;
use crate::replicas::again;
use crate::stores::{CountingEntropy, TestStore, copied, fresh};

/// A core on a store, where a password takes next to nothing: what one costs is tried where it is in question.
///
/// # Panics
/// Where there is no such cost.
pub fn roster_on(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Roster {
    let cost = PasswordCost { memory: 8, passes: 1, lanes: 1 };
    let passwords = Passwords::new(cost, 1).expect("a cost that Argon2id knows");
    let sign_in = SignIn { passwords, ..SignIn::default() };
    Roster { sign_in: Arc::new(sign_in), ..Roster::new(store, entropy) }
}

/// A service on a fresh store, with an operator's key.
#[derive(Debug)]
pub struct Service {
    /// Under it.
    pub test: TestStore,
    /// The core.
    pub roster: Roster,
    /// What the routes share.
    pub api: ApiState,
    router: Router,
    pub(crate) operator: String,
}

impl Service {
    /// A service on a fresh store.
    ///
    /// # Panics
    /// Where the store does not open.
    pub async fn on(store: &str) -> Self {
        let test = fresh(store).await;
        let entropy = CountingEntropy::new(Arc::clone(&test.clock));
        let roster = roster_on(Arc::clone(&test.store), Arc::new(entropy));
        Self::over(test, roster).await
    }

    /// A service on a fresh store, with mail that comes into a mailbox.
    ///
    /// # Panics
    /// Where the store does not open.
    pub async fn with_mail(store: &str) -> (Self, Arc<Mailbox>) {
        let test = fresh(store).await;
        let entropy = CountingEntropy::new(Arc::clone(&test.clock));
        let roster = roster_on(Arc::clone(&test.store), Arc::new(entropy));
        let (mailbox, roster) = Mailbox::of(roster);
        (Self::over(test, roster).await, mailbox)
    }

    /// A service on a fresh store that sends events, also to this machine if that is allowed.
    ///
    /// # Panics
    /// Where the store does not open.
    pub async fn with_webhooks(store: &str, private_addresses: bool) -> Self {
        let test = fresh(store).await;
        let entropy = CountingEntropy::new(Arc::clone(&test.clock));
        let roster = roster_on(Arc::clone(&test.store), Arc::new(entropy));
        Self::over(test, sending(roster, private_addresses)).await
    }

    /// A service on a store that may be wrapped.
    ///
    /// # Panics
    /// Where no operator key can be made.
    pub async fn over(test: TestStore, roster: Roster) -> Self {
        let api = ApiState::new(roster.clone(), [1; 32], [2; 32]);
        let service = roster_api::router(api.clone());
        let asked = Asked::new(Actor::CLI, roster.entropy.as_ref());
        let name: Name = "Tests".parse().expect("a name");
        let done = run(&roster, &asked, &CreateOperatorKey { name }).await.expect("an operator key");
        let operator = done.output.1.reveal().to_owned();
        Self { test, roster, api, router: service, operator }
    }

    /// Another service on a copy of the store, with the same keys. What it draws by chance was not drawn before.
    #[must_use]
    pub async fn copied(&self) -> Self {
        Self::like(copied(&self.test).await, &self.operator, 1 << 32, |roster| ((), roster)).0
    }

    /// A service on a store that holds an operator's key already. What it draws by chance comes after so many draws; two on
    /// one store, or on copies of one, must not draw the same: a commit whose id is known is not done again.
    pub(crate) fn like<T>(
        test: TestStore,
        operator: &str,
        drawn: u64,
        with: impl FnOnce(Roster) -> (T, Roster),
    ) -> (Self, T) {
        let entropy = CountingEntropy::after(Arc::clone(&test.clock), drawn);
        let (given, roster) = with(roster_on(Arc::clone(&test.store), Arc::new(entropy)));
        let api = ApiState::new(roster.clone(), [1; 32], [2; 32]);
        let service = roster_api::router(api.clone());
        (Self { test, roster, api, router: service, operator: operator.to_owned() }, given)
    }

    /// The same service with the same keys on the same store, behind a hook: what goes this way can be held up or lost.
    #[must_use]
    pub fn behind(&self, hook: Arc<dyn Hook>) -> Self {
        self.through(Between::new(Arc::clone(&self.test.store), hook))
    }

    /// Another replica, with the same keys, on the same data.
    #[must_use]
    pub async fn replica(&self) -> Self {
        self.through(again(&self.test).await)
    }

    fn through(&self, store: Arc<dyn Store>) -> Self {
        let (name, clock) = (self.test.name, Arc::clone(&self.test.clock));
        let test = TestStore {
            name,
            store: Arc::clone(&store),
            clock,
            dir: None,
            database: None,
            keyspace: None,
            memory: None,
        };
        let roster = Roster { store, ..self.roster.clone() };
        let api = ApiState::new(roster.clone(), [1; 32], [2; 32]);
        let service = roster_api::router(api.clone());
        Self { test, roster, api, router: service, operator: self.operator.clone() }
    }

    /// The operator, by key.
    pub fn operator(&self) -> Caller<'_> {
        self.bearer(&self.operator)
    }

    /// Another operator key, and its secret.
    ///
    /// # Panics
    /// Where none can be made.
    pub async fn another_operator(&self) -> (OperatorKeyId, String) {
        let asked = Asked::new(Actor::CLI, self.roster.entropy.as_ref());
        let name: Name = "Another".parse().expect("a name");
        let done = run(&self.roster, &asked, &CreateOperatorKey { name }).await.expect("an operator key");
        (done.output.0.id, done.output.1.reveal().to_owned())
    }

    /// Ends an operator key.
    ///
    /// # Panics
    /// Where it is not there.
    pub async fn revoke_operator(&self, key: OperatorKeyId) {
        let asked = Asked::new(Actor::CLI, self.roster.entropy.as_ref());
        run(&self.roster, &asked, &RevokeOperatorKey { key }).await.expect("the end of an operator key");
    }

    /// Nobody: no key at all.
    pub const fn nobody(&self) -> Caller<'_> {
        Caller { service: self, secret: None, headers: Vec::new() }
    }

    /// Whoever holds a secret.
    pub fn bearer(&self, secret: &str) -> Caller<'_> {
        Caller { service: self, secret: Some(secret.to_owned()), headers: Vec::new() }
    }

    /// A user, for whom the operator's key speaks.
    pub fn user(&self, named: &str) -> Caller<'_> {
        self.operator().on_behalf_of(named)
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller<'a> {
    service: &'a Service,
    secret: Option<String>,
    headers: Vec<(String, String)>,
}

impl Caller<'_> {
    /// The same on behalf of a user.
    #[must_use]
    pub fn on_behalf_of(self, named: &str) -> Self {
        self.with("roster-on-behalf-of", named)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// DELETE without a body.
    pub async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, None).await
    }

    /// Any method, with a JSON body or none.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let json = body.is_some();
        let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let caller = if json { self.clone().with("content-type", "application/json") } else { self.clone() };
        caller.send(method, path, bytes).await
    }

    /// Any bytes, with the headers given and nothing more. The answer is held to the `OpenAPI` document.
    ///
    /// # Panics
    /// Where the answer is no HTTP at all.
    pub async fn send(&self, method: Method, path: &str, bytes: Vec<u8>) -> Reply {
        let mut request = Request::builder().method(&method).uri(path);
        if let Some(secret) = &self.secret {
            request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(bytes)).expect("a request");
        let response = self.service.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reply = Reply { status: parts.status, headers: parts.headers, body, text };
        contract::check(&method, path, &reply);
        reply
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it is JSON.
    pub body: Value,
    /// The body as it is.
    pub text: String,
}

impl Reply {
    /// The body of an answer with this status.
    ///
    /// # Panics
    /// Where the status is another.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// The problem of a refusal with this status and code.
    ///
    /// # Panics
    /// Where it is no such problem.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.body["request_id"].as_str(), self.header("x-request-id"));
        self.body
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A member of a JSON object as text.
///
/// # Panics
/// Where it is none.
#[track_caller]
pub fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {body}"))
        .to_owned()
}
