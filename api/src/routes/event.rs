//! Events: page by page, waiting for the next, or as a stream of server-sent events.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use roster_core::facts::Request;
use roster_core::reads::{self, EventPage, EventPlace, EventSource};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::followers::Place;
use crate::route::Route;
use crate::{query, shapes};

/// How long an answer may wait for an event.
pub const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A stream says that it is alive at least so often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream asks whether it may still be read at least so often.
const LOOK: Duration = Duration::from_millis(400);
/// How large a page of a stream is.
const CHUNK: u16 = 200;

const AFTER: (&str, &str) = ("after", "`0`, or the `next_cursor` of an answer before; `0` if left out.");
const LIMIT: (&str, &str) = ("limit", "How many events at the most, 1 to 200; 50 if left out.");
const WAIT: (&str, &str) = (
    "wait",
    "Where there is nothing yet, wait so many seconds for something, 0 to 60; 0 if left out. Answered empty at the end.",
);

/// The routes.
pub fn routes() -> Vec<Route> {
    const QUERY: &[(&str, &str)] = &[AFTER, LIMIT, WAIT];
    vec![
        Route::get("/organizations/{organization}/events", "list_events", organization)
            .says(
                "Follow the events of an organization",
                "Every change, one event each, in order; all are kept. Go on from `next_cursor`, which is given at the \
                 end too: no event ever appears behind it. With `Accept: text/event-stream` the answer does not end: \
                 each event's `id` is the cursor behind it, and `Last-Event-ID` goes on from there. Needs `audit:read` \
                 on the whole organization.",
            )
            .asks(QUERY)
            .answers(200, "[Event]")
            .refuses(&["cursor_expired"]),
        Route::get("/events", "list_deployment_events", deployment)
            .says(
                "Follow the events of the deployment",
                "Every change in any organization, of any user and of the deployment itself, one event each, those of an \
                 organization in their order; kept for 30 days. Pages, waiting and streams are as for the events of an \
                 organization. Operators only.",
            )
            .asks(QUERY)
            .answers(200, "[Event]")
            .refuses(&["cursor_expired"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    after: Option<String>,
    limit: Option<u16>,
    wait: Option<u16>,
}

async fn organization(call: Call<Empty, EventQuery>) -> Result<Response, Problem> {
    let source = EventSource::Organization(call.organization()?);
    Follower::of(call, source)?.answer().await
}

async fn deployment(call: Call<Empty, EventQuery>) -> Result<Response, Problem> {
    Follower::of(call, EventSource::Deployment)?.answer().await
}

/// Whoever reads events, now and later.
struct Follower {
    call: Call<Empty, EventQuery>,
    source: EventSource,
    limit: u16,
    wait: Duration,
}

impl Follower {
    fn of(call: Call<Empty, EventQuery>, source: EventSource) -> Result<Self, Problem> {
        let limit = query::limit(call.query.limit)?;
        let wait = Duration::from_secs(call.query.wait.unwrap_or(0).into());
        if wait > LONGEST_WAIT {
            return Err(Problem::invalid("#wait", format!("must be 0 to {}", LONGEST_WAIT.as_secs())));
        }
        Ok(Self { call, source, limit, wait })
    }

    async fn answer(mut self) -> Result<Response, Problem> {
        let from = self.begin()?;
        if self.call.wants_stream() {
            self.limit = CHUNK;
            let first = self.page(&self.call.request, from).await?;
            let place = self.place()?;
            return Ok(self.stream(place, &first));
        }
        let page = self.next_page(from).await?;
        let rows: Vec<Value> = page.rows.iter().map(|(event, _)| shapes::event(event)).collect();
        Ok(Answer::events(&self.call, &rows, &self.cursor(page.next)).into_response())
    }

    fn place(&self) -> Result<Place, Problem> {
        self.call.api.followers.place(self.call.request.actor)
    }

    /// Where the client wants to go on: a stream that broke off, behind the last event that came.
    fn begin(&self) -> Result<EventPlace, Problem> {
        let last = if self.call.wants_stream() { self.call.headers.get("last-event-id") } else { None };
        let last = last.map(|value| value.to_str().unwrap_or_default());
        match last.or(self.call.query.after.as_deref()).unwrap_or("0") {
            "0" => Ok(EventPlace::START),
            cursor => self.call.api.cursors.decode(&self.scope(), cursor),
        }
    }

    /// However the organization is named in the path.
    fn scope(&self) -> String {
        format!("events of {}", self.source.home())
    }

    fn cursor(&self, place: EventPlace) -> String {
        self.call.api.cursors.encode(&self.scope(), &place)
    }

    async fn page(&self, request: &Request, from: EventPlace) -> Result<EventPage, Problem> {
        Ok(reads::events(self.call.roster(), request, self.source, from, self.limit).await?)
    }

    /// The next events, waited for as long as was asked, and as long as they may be read.
    async fn next_page(&self, from: EventPlace) -> Result<EventPage, Problem> {
        let until = Instant::now() + self.wait;
        let mut page = self.page(&self.call.request, from).await?;
        let waits = page.rows.is_empty() && !self.wait.is_zero();
        let _place = if waits { Some(self.place()?) } else { None };
        while page.rows.is_empty() && Instant::now() < until && !self.call.api.stop.is_given() {
            let news = self.has_news(page.next, until.min(Instant::now() + LOOK)).await;
            if let Some(next) = self.still(page.next, news).await? {
                page = next;
            }
        }
        Ok(page)
    }

    /// Whether something is new before the time is up or the process stops.
    async fn has_news(&self, place: EventPlace, until: Instant) -> bool {
        let roster = self.call.roster();
        let home = self.source.home();
        let news = roster.news.beyond(roster.store.as_ref(), &home, self.source.behind(place));
        tokio::select! {
            biased;
            () = self.call.api.stop.heard() => false,
            news = timeout_at(until, news) => news.is_ok(),
        }
    }

    /// An answer without an end, until the client goes, loses the right, or the process stops.
    fn stream(self, place: Place, first: &EventPage) -> Response {
        let begun = format!("retry: 1000\n\n{}", self.told(first));
        let state = (self, place, Some(begun), first.next);
        let parts = stream::unfold(state, async |(this, place, begun, at)| {
            let (text, next) = match begun {
                Some(begun) => (begun, at),
                None => this.next_part(at).await?,
            };
            Some((Ok::<_, Infallible>(Bytes::from(text)), (this, place, None, next)))
        });
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Some proxies gather an answer before they pass it on, unless told so.
        let whole = (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        ([kind, whole], Body::from_stream(parts)).into_response()
    }

    /// The next events as they are told, or a sign of life; none at the end.
    async fn next_part(&self, place: EventPlace) -> Option<(String, EventPlace)> {
        let until = Instant::now() + HEARTBEAT;
        let page = loop {
            let news = self.has_news(place, until.min(Instant::now() + LOOK)).await;
            if self.call.api.stop.is_given() {
                return None;
            }
            let page = self.still(place, news || Instant::now() >= until).await.inspect_err(|problem| {
                tracing::info!(
                    code = problem.code,
                    request_id = self.call.request.request_id,
                    "a stream of events has ended"
                );
            });
            if let Some(page) = page.ok()? {
                break page;
            }
        };
        let text = if page.rows.is_empty() { ": still here\n\n".to_owned() } else { self.told(&page) };
        Some((text, page.next))
    }

    /// Whether the events may still be read; those from a place on, if they are wanted. They are read first, so that none is
    /// told that came after the right was lost.
    async fn still(&self, place: EventPlace, wanted: bool) -> Result<Option<EventPage>, Problem> {
        let page = if wanted { Some(self.page(&self.call.request, place).await) } else { None };
        let request = self.call.afresh().await?;
        reads::require_events(self.call.roster(), &request, self.source).await?;
        page.transpose()
    }

    /// As the HTML standard has it (section 9.2.6): the cursor as id, the event as data.
    fn told(&self, page: &EventPage) -> String {
        page.rows.iter().fold(String::new(), |mut text, (event, behind)| {
            let _ = write!(text, "id: {}\ndata: {}\n\n", self.cursor(*behind), shapes::event(event));
            text
        })
    }
}
