//! The table of routes: the router and the `OpenAPI` document are both made from it, so neither can drift.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::Value;

use crate::state::ApiState;

/// Answers that bear the version of one thing.
const VERSIONED: [&str; 22] = [
    "Organization",
    "Seats",
    "Account",
    "Member",
    "AccountMember",
    "AccessDiff",
    "User",
    "ApiKey",
    "NewApiKey",
    "Transfer",
    "Role",
    "Invitation",
    "Source",
    "NewSource",
    "Record",
    "LeftByPlan",
    "View",
    "Indicator",
    "Job",
    "TraitMappings",
    "Webhook",
    "NewWebhook",
];

/// How an operation answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Once, in JSON.
    One,
    /// With many, one a line.
    Lines,
    /// With one after the other, as server-sent events.
    Events,
}

/// One operation of the API.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path template, without `/v1`.
    pub path: &'static str,
    /// `operationId`.
    pub id: &'static str,
    /// A few words.
    pub summary: &'static str,
    /// Who may, what happens, what to know.
    pub description: &'static str,
    /// An example of the body; none for no body.
    pub body: Option<Value>,
    /// Query parameters: name and meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// The status when all went well.
    pub status: u16,
    /// The schema of the answer, by name; `[Name]` for a page of a list; none for no body.
    pub answer: Option<&'static str>,
    /// Whether it may answer 201 as well, having made something new.
    pub may_make: bool,
    /// Whether it may answer 202 with a job as well.
    pub may_queue: bool,
    /// How many it answers, and in which form.
    pub form: Form,
    /// Whether it takes a CSV file.
    pub upload: bool,
    /// Whether it changes nothing, though it is no GET.
    pub reads: bool,
    /// Whether anybody may ask, without a secret.
    pub open: bool,
    /// Whether a source sends it, by its write key.
    pub ingests: bool,
    /// Codes of refusals beside those that every route has.
    pub codes: &'static [&'static str],
    handler: MethodRouter<ApiState>,
}

impl Route {
    fn new<H, T>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let handler = on(filter, handler);
        Self {
            method,
            path,
            id,
            summary: "",
            description: "",
            body: None,
            query: &[],
            status: 200,
            answer: None,
            may_make: false,
            may_queue: false,
            form: Form::One,
            upload: false,
            reads: false,
            open: false,
            ingests: false,
            codes: &[],
            handler,
        }
    }

    /// A GET.
    pub fn get<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, id, handler)
    }

    /// A POST.
    pub fn post<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, id, handler)
    }

    /// A PUT.
    pub fn put<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PUT, MethodFilter::PUT, path, id, handler)
    }

    /// A PATCH.
    pub fn patch<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::PATCH, MethodFilter::PATCH, path, id, handler)
    }

    /// A DELETE.
    pub fn delete<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, id, handler)
    }

    /// What it does, in a few words and in full.
    #[must_use]
    pub fn says(self, summary: &'static str, description: &'static str) -> Self {
        Self { summary, description, ..self }
    }

    /// What it takes.
    #[must_use]
    pub fn takes(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Which query parameters it knows.
    #[must_use]
    pub fn asks(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    /// What it answers.
    #[must_use]
    pub fn answers(self, status: u16, answer: &'static str) -> Self {
        Self { status, answer: Some(answer).filter(|name| !name.is_empty()), ..self }
    }

    /// It may make something new, and answers 201 then.
    #[must_use]
    pub fn or_makes(self) -> Self {
        Self { may_make: true, ..self }
    }

    /// It may ask for a job, and answers 202 then.
    #[must_use]
    pub fn or_queues(self) -> Self {
        Self { may_queue: true, ..self }
    }

    /// It answers many, one a line, or as CSV.
    #[must_use]
    pub fn in_lines(self) -> Self {
        Self { form: Form::Lines, ..self }
    }

    /// It answers one after the other, as server-sent events.
    #[must_use]
    pub fn in_events(self) -> Self {
        Self { form: Form::Events, ..self }
    }

    /// It takes a CSV file.
    #[must_use]
    pub fn uploads(self) -> Self {
        Self { upload: true, ..self }
    }

    /// Anybody may ask, without a secret.
    #[must_use]
    pub fn for_anybody(self) -> Self {
        Self { open: true, ..self }
    }

    /// A source sends it, by its write key.
    #[must_use]
    pub fn ingests(self) -> Self {
        Self { ingests: true, ..self }
    }

    /// It changes nothing.
    #[must_use]
    pub fn only_reads(self) -> Self {
        Self { reads: true, ..self }
    }

    /// Every status when all went well.
    pub fn statuses(&self) -> Vec<u16> {
        let more = [(self.may_make, 201), (self.may_queue, 202)];
        std::iter::once(self.status)
            .chain(more.into_iter().filter_map(|(may, it)| may.then_some(it)))
            .collect()
    }

    /// Whether an idempotency key is heeded: of those that anybody may ask, where a link tells who asks.
    pub fn may_be_sent_again(&self) -> bool {
        !self.open || self.path.contains("{token}")
    }

    /// Whether a secret is looked at though anybody may ask.
    pub fn may_be_signed(&self) -> bool {
        self.open && self.id == "accept_invitation"
    }

    /// Whether its answer bears an entity tag.
    pub fn has_version(&self) -> bool {
        self.form == Form::One && self.answer.is_some_and(|answer| VERSIONED.contains(&answer))
    }

    /// Whether it answers events, which can be followed in a stream.
    pub fn is_followed(&self) -> bool {
        self.answer == Some("[Event]")
    }

    /// How it refuses, beside the refusals that every route has.
    #[must_use]
    pub fn refuses(self, codes: &'static [&'static str]) -> Self {
        Self { codes, ..self }
    }

    /// Joins a router.
    pub(crate) fn join(self, router: Router<ApiState>) -> Router<ApiState> {
        router.route(&format!("/v1{}", self.path), self.handler)
    }
}
