//! Pages for people who open a link: no script, no cookie. A GET shows, a POST acts. The link is the proof, so a POST that
//! another site sends does nothing that whoever holds the link could not do.

mod email_change;
mod invitation;
mod password_reset;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use crate::error::{Problem, title};
use crate::state::ApiState;

const STYLE: &str = include_str!("page.css");

static LAYOUT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut layout = Environment::new();
    layout.set_auto_escape_callback(|_| AutoEscape::Html);
    // One that cannot be read shows as a page that cannot be shown; a test reads it.
    if let Err(error) = layout.add_template("page", include_str!("page.html")) {
        tracing::error!(%error, "the layout of pages cannot be read");
    }
    layout
});

/// What a form sends.
type Form = axum::Form<BTreeMap<String, String>>;

/// Where they are.
pub const PATHS: [&str; 3] = ["/invitations/{token}", "/password-resets/{token}", "/email-changes/{token}"];

/// Joins a router.
pub fn join(router: Router<ApiState>) -> Router<ApiState> {
    router
        .route("/pages.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route(PATHS[0], get(invitation::show).post(invitation::act))
        .route(PATHS[1], get(password_reset::show).post(password_reset::act))
        .route(PATHS[2], get(email_change::show).post(email_change::act))
}

/// That a response is a page, whatever its status: no problem takes its place.
#[derive(Clone, Copy, Debug)]
pub struct IsPage;

/// One page.
#[derive(Clone, Debug, Default, Serialize)]
struct Page {
    #[serde(skip)]
    status: StatusCode,
    /// Seconds to wait before trying again; 0 for none.
    #[serde(skip)]
    retry_after: u16,
    title: String,
    /// What went wrong.
    alert: Option<String>,
    lines: Vec<String>,
    forms: Vec<FormShown>,
}

/// One form of a page, sent to where the page is.
#[derive(Clone, Debug, Default, Serialize)]
struct FormShown {
    /// What distinguishes it from others of the page.
    act: &'static str,
    inputs: Vec<Input>,
    button: &'static str,
    /// Whether it is the one to choose.
    first: bool,
}

/// One field of a form.
#[derive(Clone, Debug, Default, Serialize)]
struct Input {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    hint: Option<&'static str>,
    value: String,
    shortest: Option<u16>,
    longest: u16,
}

impl Input {
    /// For a password that is set.
    fn new_password() -> Self {
        Self {
            name: "password",
            label: "Password",
            kind: "password",
            autocomplete: "new-password",
            hint: Some("8 to 256 characters"),
            shortest: Some(8),
            longest: 256,
            ..Self::default()
        }
    }
}

impl Page {
    fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    fn form(mut self, form: FormShown) -> Self {
        self.forms.push(form);
        self
    }

    /// Why nothing can be done here.
    fn refused(problem: &Problem) -> Self {
        let heading = match problem.status {
            StatusCode::NOT_FOUND => "This link leads nowhere".to_owned(),
            StatusCode::GONE => "This link holds no more".to_owned(),
            _ => title(problem.code),
        };
        let line = if problem.status == StatusCode::NOT_FOUND {
            "It may have been cut off on its way: copy the whole of it from the letter."
        } else {
            &problem.detail
        };
        let retry_after = problem.wait();
        Self { status: problem.status, retry_after, ..Self::new(heading).line(line) }
    }

    /// The same, saying what went wrong with what was sent.
    fn alerting(self, problem: &Problem) -> Self {
        let alert =
            Some(problem.errors.first().map_or_else(|| problem.detail.clone(), |error| error.detail.clone()));
        Self { status: problem.status, retry_after: problem.wait(), alert, ..self }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let text = LAYOUT.get_template("page").and_then(|page| page.render(minijinja::value::Serde(&self)));
        let text = text.unwrap_or_else(|_| "This page cannot be shown.".to_owned());
        let mut response = (self.status, text).into_response();
        response.extensions_mut().insert(IsPage);
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.retry_after > 0 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        response
    }
}

/// `2026-01-01T10:30:00.000Z` as `2026-01-01 10:30 UTC`.
fn when(instant: impl std::fmt::Display) -> String {
    let text = instant.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// A field that was sent.
fn sent<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use roster_core::refusal::Refusal;

    use super::*;

    #[test]
    fn pages_say_how_long_to_wait() {
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Later.");
        for (problem, wait) in [
            (Refusal::RateLimited(18).into(), Some("18")),
            (busy, Some("1")),
            (Refusal::NotFound.into(), None),
        ] {
            for page in [Page::refused(&problem), Page::new("Join").alerting(&problem)] {
                let response = page.into_response();
                assert_eq!(response.headers().get("retry-after").map(|it| it.to_str().unwrap()), wait);
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_ours_is_text() {
        let evil = "\"><script>alert(1)</script>";
        let input = Input { value: evil.to_owned(), ..Input::new_password() };
        let form = FormShown { inputs: vec![input], button: "Go", ..FormShown::default() };
        let page = Page { alert: Some(evil.to_owned()), ..Page::new(evil).line(evil).form(form) };
        let response = page.into_response();
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(!text.contains("<script") && text.contains("&lt;script"), "{text}");
        assert!(text.contains("<html lang=\"en\">") && text.contains("<label for="), "{text}");
    }
}
