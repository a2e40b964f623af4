//! Records in the vendor's product: who owns what there.

use roster_core::flows::{Reassign, find_user, reassign_records};
use roster_core::home::Home;
use roster_core::model::HoldingName;
use roster_core::op::run;
use roster_core::ops::record::{DeleteRecord, PutRecord};
use roster_core::reads;
use roster_core::reference::{AccountRef, UserRef};
use roster_core::text::{Name, RecordType};
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use super::job::accepted;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ONE: &str = "/organizations/{organization}/records/{type}/{external_id}";
    vec![
        Route::put(ONE, "put_record", put)
            .says(
                "Register a record",
                "Something in the vendor's product that a user owns there, or a change of it. Needs `records:manage` \
                 on its account, or on the whole organization for one that lies on none. The owner is an active member.",
            )
            .takes(json!({"owner": "ext:ada", "account": "ext:north", "title": "Big deal"}))
            .answers(200, "Record")
            .or_makes()
            .refuses(&["target_not_active"]),
        Route::get(ONE, "get_record", show)
            .says("Get a record", "Needs `records:read` on its account, or on the whole.")
            .answers(200, "Record"),
        Route::delete(ONE, "delete_record", delete)
            .says("Take a record off", "Needs `records:manage` on its account, or on the whole.")
            .answers(204, ""),
        Route::get("/organizations/{organization}/records", "list_records", list)
            .says(
                "List records",
                "Those on accounts on which the caller holds `records:read`; all with it on the whole organization.",
            )
            .asks(const { &[
                ("owner", "Only records of this user, by id or `ext:EXTERNAL_ID`."),
                ("type", "Only records of this type."),
                PAGE[0],
                PAGE[1],
            ] })
            .answers(200, "[Record]"),
        Route::post("/organizations/{organization}/records/reassign", "reassign_records", reassign)
            .says(
                "Hand records over",
                "All records of `from`, or of one type, or on one account. They read as `to`'s at once; a job rewrites \
                 them. Needs `records:manage` on the account, or on the whole.",
            )
            .takes(json!({"from": "ext:ada", "to": "ext:bob"}))
            .answers(202, "JobAccepted")
            .refuses(&["target_not_active"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    owner: UserRef,
    account: Option<AccountRef>,
    title: Option<Name>,
}

async fn put(call: Call<Put>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let (kind, external_id) = (call.param("type")?, call.param("external_id")?);
    let owner = find_user(call.roster(), &call.body.owner).await?;
    let operation = PutRecord {
        organization,
        kind,
        external_id,
        owner: owner.id,
        cuts: owner.cuts,
        account: call.body.account.clone(),
        title: call.body.title.clone(),
    };
    let done = run(call.roster(), &call.request, &operation).await?;
    let shape = shapes::record(&done.output.holding);
    let answer = if done.output.created { Answer::created(shape, call.place()) } else { Answer::ok(shape) };
    Ok(answer.tagged(done.version))
}

fn name<B>(call: &Call<B>) -> Result<HoldingName, Problem> {
    Ok(HoldingName::new(&call.param("type")?, &call.param("external_id")?))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let shown = reads::record(call.roster(), &call.request, call.organization()?, &name(&call)?).await?;
    Ok(Answer::ok(shapes::record(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    let operation = DeleteRecord { organization: call.organization()?, name: name(&call)? };
    run(call.roster(), &call.request, &operation).await?;
    Ok(Answer::nothing())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    owner: Option<UserRef>,
    r#type: Option<RecordType>,
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let (organization, query) = (call.organization()?, &call.query);
    let page = call.page(query.limit, query.cursor.as_deref())?;
    let (owner, kind) = (query.owner.as_ref(), query.r#type.clone());
    let found = reads::records(call.roster(), &call.request, organization, owner, kind, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(|row| shapes::record(&row.value)).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReassignBody {
    from: UserRef,
    to: UserRef,
    r#type: Option<RecordType>,
    account: Option<AccountRef>,
}

async fn reassign(call: Call<ReassignBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let (body, home) = (&call.body, Home::Organization(organization));
    let asked = Reassign {
        from: body.from.clone(),
        to: body.to.clone(),
        kind: body.r#type.clone(),
        account: body.account.clone(),
    };
    once(&call, home, async |request| {
        let done = reassign_records(call.roster(), &request, organization, &asked).await?;
        call.api.jobs.notify_one();
        Ok(accepted(&done.output))
    })
    .await
}
