//! One request, taken apart in the order in which it may be refused: who asks (401), the organization in the path
//! (404), query and body (400, 413, 415, 422). What comes after is decided by the operation.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, RawPathParams, Request as HttpRequest};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use http_body_util::LengthLimitError;
use roster_core::actor::Actor;
use roster_core::facts::{Expected, ReceiptDraft, Request, Seed};
use roster_core::flows::{self, Caller, Needed};
use roster_core::home::{Home, Key};
use roster_core::id::OrganizationId;
use roster_core::known::Known;
use roster_core::listing::{PageRequest, Position};
use roster_core::model::ReceiptId;
use roster_core::op::Roster;
use roster_core::reads;
use roster_core::reference::{AccountRef, OrganizationRef, UserRef};
use roster_core::refusal::{OpError, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Problem;
use crate::middleware::RequestId;
use crate::route::Route;
use crate::state::ApiState;
use crate::{csv, json, openapi, query, routes};

/// The largest JSON body, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// The largest file, in bytes.
const MAX_FILE: usize = 64 * 1024 * 1024;

/// What was read when a request began is read again if its body took longer than this to come.
const STILL_KNOWN: Duration = Duration::from_millis(100);

/// The largest body that is read before it is known who sent it, in bytes.
const SMALL: u64 = 16 * 1024;

/// A body or a query without fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// One authenticated request with its body and query.
#[derive(Debug)]
pub struct Call<B = Empty, Q = Empty> {
    /// What is shared.
    pub api: ApiState,
    /// Who asks, under which id.
    pub request: Request,
    /// The body.
    pub body: B,
    /// The query.
    pub query: Q,
    /// The headers.
    pub headers: HeaderMap,
    organization: Option<OrganizationId>,
    path: Vec<(String, String)>,
    scope: String,
    /// What a list holds, by the name of its schema.
    row: &'static str,
    /// The path and the query without a cursor.
    target: String,
}

impl<B, Q> FromRequest<ApiState> for Call<B, Q>
where
    B: DeserializeOwned,
    Q: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(http: HttpRequest, api: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = http.into_parts();
        let path = path_params(&mut parts, api).await;
        let needed = needed(&parts.method, path.as_deref().unwrap_or_default());
        let request = authenticate(api, &parts.headers, request_id(&parts), needed).await?;
        Self::read(parts, body, api, request, path?).await
    }
}

/// A request that anybody may send: no secret is looked at.
#[derive(Debug)]
pub struct Visit<B = Empty, Q = Empty>(pub Call<B, Q>);

impl<B, Q> FromRequest<ApiState> for Visit<B, Q>
where
    B: DeserializeOwned,
    Q: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(http: HttpRequest, api: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = http.into_parts();
        let path = path_params(&mut parts, api).await?;
        let request = asked(api, request_id(&parts), Actor::Visitor, Known::default());
        let call = Call::read(parts, body, api, request, path).await?;
        Ok(Self(call.by_link()))
    }
}

/// The same, where whoever bears a secret is who it speaks for.
#[derive(Debug)]
pub struct MaybeSigned<B = Empty, Q = Empty>(pub Call<B, Q>);

impl<B, Q> FromRequest<ApiState> for MaybeSigned<B, Q>
where
    B: DeserializeOwned,
    Q: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(http: HttpRequest, api: &ApiState) -> Result<Self, Problem> {
        if http.headers().contains_key(header::AUTHORIZATION) {
            return Call::from_request(http, api).await.map(Self);
        }
        let (mut parts, body) = http.into_parts();
        let path = path_params(&mut parts, api).await?;
        let request = asked(api, request_id(&parts), Actor::Visitor, Known::default());
        let call = Call::read(parts, body, api, request, path).await?;
        Ok(Self(call.by_link()))
    }
}

impl<B, Q> Call<B, Q>
where
    B: DeserializeOwned,
    Q: DeserializeOwned,
{
    /// What comes after it is known who asks.
    async fn read(
        parts: Parts,
        body: Body,
        api: &ApiState,
        mut request: Request,
        path: Vec<(String, String)>,
    ) -> Result<Self, Problem> {
        let organization = organization(api, &path).await?;
        let seen = match organization {
            Some(id) => visible(api, &request, id).await,
            None => Ok(()),
        };
        let begun = Instant::now();
        let bytes = match seen {
            Ok(()) => whole(body).await?,
            // Whoever has gone by this very request may send it again.
            Err(hidden) => answered_before(api, &parts, &request, organization, body).await.ok_or(hidden)?,
        };
        if begun.elapsed() > STILL_KNOWN {
            request.known = Known::default();
        }
        let query = query::parse(parts.uri.query())?;
        check_content_type(&parts, &bytes)?;
        let parsed = json::parse(&bytes)?;
        request.receipt = receipt(api, &parts, &request, &bytes)?;
        request.if_match = if_match(&parts);
        let (scope, target, row) = (scope(&parts), without_cursor(&parts), row(&parts));
        Ok(Self {
            api: api.clone(),
            request,
            body: parsed,
            query,
            headers: parts.headers,
            organization,
            path,
            scope,
            row,
            target,
        })
    }
}

impl<B, Q> Call<B, Q> {
    /// The call of a visitor. They are told apart by the link that they bear; who bears none leaves no receipt.
    fn by_link(mut self) -> Self {
        let bears = self.has("token");
        self.request.receipt = self.request.receipt.filter(|_| bears).map(|receipt| {
            let mut id = Sha256::new();
            id.update(receipt.id.0);
            id.update(&self.target);
            ReceiptDraft { id: ReceiptId(id.finalize().into()), ..receipt }
        });
        self
    }

    /// The core.
    pub fn roster(&self) -> &Roster {
        &self.api.roster
    }

    /// The organization in the path, which the actor may see.
    pub fn organization(&self) -> Result<OrganizationId, Problem> {
        self.organization.ok_or_else(|| Refusal::NotFound.into())
    }

    /// A path parameter.
    pub fn param<T: std::str::FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, Problem> {
        let text = self.path.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        text.parse().map_err(|error: T::Err| Problem::invalid(format!("#{name}"), error.to_string()))
    }

    /// The path that was asked for, without its query.
    pub fn place(&self) -> String {
        self.target.split('?').next().unwrap_or_default().to_owned()
    }

    /// Whether the path has a parameter.
    pub fn has(&self, name: &str) -> bool {
        self.path.iter().any(|(known, _)| known == name)
    }

    /// The account in the path.
    pub fn account(&self) -> Result<AccountRef, Problem> {
        self.param("account")
    }

    /// The user in the path.
    pub fn user(&self) -> Result<UserRef, Problem> {
        self.param("user")
    }

    /// The page asked for.
    pub fn page(&self, limit: Option<u16>, cursor: Option<&str>) -> Result<PageRequest, Problem> {
        let after: Option<Position> = self.cursor(cursor)?;
        Ok(PageRequest { after, limit: query::limit(limit)? })
    }

    /// A cursor of this very list.
    pub fn cursor<T: DeserializeOwned>(&self, cursor: Option<&str>) -> Result<Option<T>, Problem> {
        cursor.map(|text| self.api.cursors.decode(&self.scope, text)).transpose()
    }

    /// The cursor to a place in this very list.
    pub fn cursor_to(&self, place: &impl serde::Serialize) -> String {
        self.api.cursors.encode(&self.scope, place)
    }

    /// Where the page after this one is (RFC 8288).
    pub fn link_to(&self, cursor: &str) -> String {
        let joint = if self.target.contains('?') { '&' } else { '?' };
        format!("<{}{joint}cursor={cursor}>; rel=\"next\"", self.target)
    }

    /// Where the events after these are.
    pub fn link_after(&self, cursor: &str) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("<{path}?after={cursor}>; rel=\"next\"")
    }

    /// Whether the client wants an answer without an end.
    pub fn wants_stream(&self) -> bool {
        self.likes("text/event-stream").is_some_and(|liking| liking > 0.0)
    }

    /// The same request by the same secret, asked again later: who bears it may have lost the right meanwhile.
    pub async fn afresh(&self) -> Result<Request, Problem> {
        authenticate(&self.api, &self.headers, self.request.request_id.clone(), Needed::default()).await
    }

    /// The same for an answer that flows out already: it is cut off where that fails.
    pub async fn still(&self) -> Result<Request, OpError> {
        self.afresh().await.map_err(|problem| {
            let request_id = self.request.request_id.as_deref();
            tracing::info!(code = problem.code, request_id, "an answer that was under way was cut off");
            Refusal::Unauthenticated.into()
        })
    }

    /// Whether the client would rather have a list as CSV than as JSON.
    pub fn wants_csv(&self) -> bool {
        let csv = self.likes("text/csv");
        csv.is_some_and(|csv| csv > 0.0 && self.likes("application/json").is_none_or(|json| csv >= json))
    }

    /// How much the client likes a kind of content that `Accept` names (RFC 9110, section 12.5.1).
    fn likes(&self, wanted: &str) -> Option<f32> {
        let accept = self.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let kinds = accept.flat_map(|kinds| kinds.split(','));
        let likings = kinds.filter_map(|kind| {
            let mut parts = kind.split(';').map(str::trim);
            parts.next().filter(|kind| kind.eq_ignore_ascii_case(wanted))?;
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some(weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
        });
        likings.reduce(f32::max)
    }

    /// The columns of this list as CSV.
    pub fn columns(&self) -> &'static [String] {
        csv::columns(self.row)
    }
}

/// A request as it came; and of a small, well-formed one with neither query nor further headers the secret and the
/// body, before it is known whose the secret is. All others are to be refused in the usual order.
pub(crate) async fn at_once<B: DeserializeOwned>(http: HttpRequest) -> (HttpRequest, Option<(String, B)>) {
    let headers = http.headers();
    let length = http.body().size_hint().exact();
    let plain = http.uri().query().is_none()
        && !headers.contains_key("roster-on-behalf-of")
        && !headers.contains_key("idempotency-key");
    let (true, Some(secret), Some(1..=SMALL)) = (plain, bearer(headers).map(str::to_owned), length) else {
        return (http, None);
    };
    let (parts, body) = http.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY).await else {
        return (HttpRequest::from_parts(parts, Body::empty()), None);
    };
    let body = check_content_type(&parts, &bytes).and_then(|()| json::parse(&bytes)).ok();
    (HttpRequest::from_parts(parts, Body::from(bytes)), body.map(|body| (secret, body)))
}

/// What the request will need of what its path names, beside the key that it bears.
fn needed(method: &Method, path: &[(String, String)]) -> Needed {
    // Whoever goes leaves their posts.
    let goes = *method == Method::DELETE;
    let held = path.iter().filter(|(name, _)| goes && name == "user");
    let held = held.filter_map(|(_, value)| value.parse().ok());
    let keys = path.iter().filter_map(|(name, value)| match name.as_str() {
        "user" => value.parse().ok().map(Key::Member),
        "account" => match value.parse().ok()? {
            AccountRef::Id(id) => Some(Key::Account(id)),
            AccountRef::External(external) => Some(Key::AccountExternalId(external)),
        },
        _ => None,
    });
    let keys: Vec<Key> = keys.chain(held.map(Key::HeldPosts)).collect();
    // What is shown of a member is shown as after their removal from everything.
    let member = |key: &Key| if let Key::Member(user) = key { Some(*user) } else { None };
    let user = keys.iter().find_map(member).filter(|_| *method == Method::GET);
    Needed { keys, user }
}

async fn authenticate(
    api: &ApiState,
    headers: &HeaderMap,
    request_id: Option<String>,
    needed: Needed,
) -> Result<Request, Problem> {
    let secret = bearer(headers).ok_or(Refusal::Unauthenticated)?;
    let named: Vec<_> = headers.get_all("roster-on-behalf-of").iter().collect();
    let on_behalf: Option<Result<UserRef, Problem>> = match named.as_slice() {
        [] => None,
        [one] => {
            let text = one.to_str().unwrap_or_default().trim();
            Some(text.parse().map_err(|bad| Problem::invalid("#Roster-On-Behalf-Of", format!("{bad}"))))
        }
        _ => Some(Err(Problem::invalid("#Roster-On-Behalf-Of", "can be given once only"))),
    };
    let user = match on_behalf {
        None => None,
        Some(Ok(user)) => Some(user),
        Some(Err(problem)) => {
            flows::authenticate(&api.roster, secret, None, Needed::default()).await?;
            return Err(problem);
        }
    };
    let Caller { actor, cuts, known } =
        flows::authenticate(&api.roster, secret, user.as_ref(), needed).await?;
    Ok(Request { cuts, ..asked(api, request_id, actor, known) })
}

/// The id that a request came with.
fn request_id(parts: &Parts) -> Option<String> {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone())
}

/// A request of a visitor, who opened a page.
pub(crate) fn visit(api: &ApiState, id: RequestId) -> Request {
    asked(api, Some(id.0), Actor::Visitor, Known::default())
}

/// A request of an actor, under the id that it came with.
fn asked(api: &ApiState, request_id: Option<String>, actor: Actor, known: Known) -> Request {
    let seed = Seed::draw(api.roster.entropy.as_ref());
    Request {
        actor,
        cuts: 0,
        request_id,
        reason: None,
        seed,
        if_match: None,
        receipt: None,
        known,
        fence: None,
        opening: None,
    }
}

/// The secret of the one `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, secret) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

async fn path_params(parts: &mut Parts, api: &ApiState) -> Result<Vec<(String, String)>, Problem> {
    let params = RawPathParams::from_request_parts(parts, api)
        .await
        .map_err(|_| Problem::invalid("", "the path is not percent-encoded UTF-8"))?;
    Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

async fn organization(api: &ApiState, path: &[(String, String)]) -> Result<Option<OrganizationId>, Problem> {
    let Some((_, text)) = path.iter().find(|(name, _)| name == "organization") else { return Ok(None) };
    let named: OrganizationRef =
        text.parse().map_err(|bad| Problem::invalid("#organization", format!("{bad}")))?;
    Ok(Some(flows::resolve_organization(&api.roster, &named).await?))
}

async fn visible(api: &ApiState, request: &Request, id: OrganizationId) -> Result<(), Problem> {
    Ok(reads::require_visible(&api.roster, request, id).await?)
}

/// The body of a request whose organization is not to be seen, if the same was answered there before.
async fn answered_before(
    api: &ApiState,
    parts: &Parts,
    request: &Request,
    organization: Option<OrganizationId>,
    body: Body,
) -> Option<Bytes> {
    if !parts.headers.contains_key("idempotency-key") {
        return None;
    }
    let bytes = whole(body).await.ok()?;
    let draft = receipt(api, parts, request, &bytes).ok()??;
    let home = Home::Organization(organization?);
    flows::was_answered(&api.roster, &home, draft).await.ok()?.then_some(bytes)
}

/// The body, if it is not too long.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    within(body, MAX_BODY, "A JSON body has at most 1 MiB.").await
}

async fn within(body: Body, most: usize, too_large: &'static str) -> Result<Bytes, Problem> {
    let read = axum::body::to_bytes(body, most).await;
    read.map_err(|error| {
        if std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", too_large);
        }
        Problem::new(StatusCode::BAD_REQUEST, "malformed", "The body broke off.")
    })
}

/// 415 for a body that does not say it is JSON.
fn check_content_type(parts: &Parts, bytes: &Bytes) -> Result<(), Problem> {
    if bytes.is_empty() {
        return Ok(());
    }
    let given =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let merge = parts.method == Method::PATCH && kind == "application/merge-patch+json";
    let charset = given
        .split(';')
        .skip(1)
        .all(|part| part.trim().to_ascii_lowercase().replace('"', "") == "charset=utf-8");
    if (kind == "application/json" || merge) && charset {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send the body as JSON in UTF-8, with `Content-Type: application/json`.",
    ))
}

/// What to remember of a POST that bears an idempotency key.
fn receipt(
    api: &ApiState,
    parts: &Parts,
    request: &Request,
    bytes: &Bytes,
) -> Result<Option<ReceiptDraft>, Problem> {
    if parts.method != Method::POST {
        return Ok(None);
    }
    let given: Vec<_> = parts.headers.get_all("idempotency-key").iter().collect();
    let bad = || Problem::invalid("#Idempotency-Key", "give one key of 1 to 255 visible ASCII characters");
    let text = match given.as_slice() {
        [] => return Ok(None),
        [one] => one.to_str().map_err(|_| bad())?.trim(),
        _ => return Err(bad()),
    };
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad());
    }
    let id = Sha256::digest(format!("{}\n{key}", request.actor.fingerprint()));
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut digest = Sha256::new();
    digest.update(format!("{} {target}\n", parts.method));
    digest.update(bytes);
    // A body may hold a password, which a plain digest would give away.
    let digest = api.sealer.digest(&digest.finalize().into());
    Ok(Some(ReceiptDraft { id: ReceiptId(id.into()), digest }))
}

/// What `If-Match` asks for; entity tags that are not ours fit nothing.
fn if_match(parts: &Parts) -> Option<Expected> {
    let given: Vec<_> = parts.headers.get_all(header::IF_MATCH).iter().collect();
    if given.is_empty() || !matches!(parts.method, Method::PATCH | Method::PUT | Method::DELETE) {
        return None;
    }
    let tags = given.into_iter().flat_map(|tags| tags.to_str().unwrap_or_default().split(','));
    let tags: Vec<&str> = tags.map(str::trim).collect();
    if tags == ["*"] {
        return Some(Expected::Something);
    }
    let version = |tag: &str| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    Some(Expected::OneOf(tags.into_iter().filter_map(version).collect()))
}

/// The schema of the rows of a list, by its path.
fn row(parts: &Parts) -> &'static str {
    static ROWS: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
        let row = |route: Route| Some((format!("/v1{}", route.path), openapi::row_of_page(route.answer?)?));
        routes::all().into_iter().filter_map(row).collect()
    });
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    path.and_then(|path| ROWS.get(path).copied()).unwrap_or_default()
}

fn without_cursor(parts: &Parts) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=")).collect();
    let joint = if kept.is_empty() { "" } else { "?" };
    format!("{}{joint}{}", parts.uri.path(), kept.join("&"))
}

/// What a cursor is bound to: the path, and the query but for the page.
fn scope(parts: &Parts) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let mut filters: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=") && !pair.starts_with("limit="))
        .collect();
    filters.sort_unstable();
    format!("{}?{}", parts.uri.path(), filters.join("&"))
}

/// A call whose body is a file.
#[derive(Debug)]
pub struct Upload<Q> {
    /// All but the body.
    pub call: Call<Empty, Q>,
    /// The file.
    pub file: Bytes,
}

impl<Q: DeserializeOwned + Send> FromRequest<ApiState> for Upload<Q> {
    type Rejection = Problem;

    async fn from_request(http: HttpRequest, api: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = http.into_parts();
        let kind = parts.headers.remove(header::CONTENT_TYPE);
        let bare = HttpRequest::from_parts(parts, Body::empty());
        let mut call = Call::<Empty, Q>::from_request(bare, api).await?;
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !["text/csv", "application/csv"].contains(&kind.as_str()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the file as CSV in UTF-8, with `Content-Type: text/csv`.",
            ));
        }
        let file = within(body, MAX_FILE, "A CSV file has at most 64 MiB.").await?;
        call.request.known = Known::default();
        if let Some(receipt) = &mut call.request.receipt {
            let mut digest = Sha256::new();
            digest.update(receipt.digest);
            digest.update(&file);
            receipt.digest = digest.finalize().into();
        }
        Ok(Self { call, file })
    }
}

/// The answer to an earlier, equal request, if that is what an error is.
pub fn replayed<T>(outcome: Result<T, OpError>) -> Result<Result<T, Vec<u8>>, OpError> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(OpError::Replay(sealed)) => Ok(Err(sealed)),
        Err(error) => Err(error),
    }
}
