//! "May this user do this here?"

use axum::extract::{FromRequest, Request, State};
use roster_core::flows::{Asked, CheckAnswer, check_by_key, check_named};
use roster_core::permission::Permission;
use roster_core::reference::{AccountRef, OrganizationRef, UserRef};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::{Call, at_once};
use crate::error::Problem;
use crate::json::name_of;
use crate::route::Route;
use crate::shapes;
use crate::state::ApiState;

/// The most questions of one request.
const MAX_CHECKS: usize = 100;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/check", "check", one)
            .says(
                "Check a permission",
                "Needs `check:ask`; everybody may ask about themselves. Always 200 with allow or deny and the reason. \
                 Without `account` only organization-wide access allows.",
            )
            .takes(json!({
                "user": "ext:ada", "permission": "members:read", "organization": "ext:cloud", "account": "ext:north",
            }))
            .answers(200, "Check")
            .only_reads(),
        Route::post("/check/batch", "check_batch", batch)
            .says("Check many permissions", "At most 100, each as `check` answers it.")
            .takes(json!({"checks": [{"user": "ext:ada", "permission": "members:read", "organization": "ext:cloud"}]}))
            .answers(200, "Checks")
            .only_reads(),
    ]
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    user: UserRef,
    permission: Permission,
    organization: Option<OrganizationRef>,
    account: Option<AccountRef>,
}

impl CheckBody {
    fn asked(self, pointer: String) -> Asked {
        let Self { user, permission, organization, account } = self;
        Asked { user, permission, organization, account, pointer }
    }
}

async fn one(State(api): State<ApiState>, http: Request) -> Result<Answer, Problem> {
    let (http, direct) = at_once::<CheckBody>(http).await;
    if let Some((secret, body)) = direct
        && let Some(answer) = check_by_key(&api.roster, &secret, &body.asked(String::new())).await?
    {
        return Ok(Answer::ok(shapes::check(&answer)));
    }
    let call = Call::<CheckBody>::from_request(http, &api).await?;
    let asked = call.body.clone().asked(String::new());
    let answers = check_named(call.roster(), &call.request, &[asked]).await?;
    Ok(Answer::ok(answers.first().map_or(Value::Null, shapes::check)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchBody {
    checks: Vec<CheckRow>,
}

/// A question of many: a malformed id is answered as an unknown one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckRow {
    user: Value,
    permission: Permission,
    organization: Option<Value>,
    account: Option<Value>,
}

impl CheckRow {
    fn well_formed(&self) -> Option<CheckBody> {
        Some(CheckBody {
            user: name_of(&self.user).parse().ok()?,
            permission: self.permission.clone(),
            organization: self.organization.as_ref().map(|it| name_of(it).parse()).transpose().ok()?,
            account: self.account.as_ref().map(|it| name_of(it).parse()).transpose().ok()?,
        })
    }
}

async fn batch(call: Call<BatchBody>) -> Result<Answer, Problem> {
    let rows = &call.body.checks;
    if rows.is_empty() || rows.len() > MAX_CHECKS {
        return Err(Problem::invalid("/checks", "ask 1 to 100 questions"));
    }
    let asked: Vec<Option<Asked>> = rows
        .iter()
        .enumerate()
        .map(|(n, row)| row.well_formed().map(|body| body.asked(format!("/checks/{n}"))))
        .collect();
    let well_formed: Vec<Asked> = asked.iter().flatten().cloned().collect();
    let mut answers = check_named(call.roster(), &call.request, &well_formed).await?.into_iter();
    let results: Vec<Value> = asked
        .iter()
        .map(|asked| asked.as_ref().and_then(|_| answers.next()).unwrap_or(CheckAnswer::NOT_FOUND))
        .map(|answer| shapes::check(&answer))
        .collect();
    Ok(Answer::ok(json!({"results": results})))
}
