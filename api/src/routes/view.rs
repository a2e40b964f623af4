//! Saved views, indicators on them, and their alerts (rule T6). Operators only.

use roster_core::id::{IndicatorId, ViewId};
use roster_core::model::customer::{Indicator, ReportKind, View};
use roster_core::op::{Done, run, run_sealed};
use roster_core::ops::customer::{
    CreateIndicator, CreateView, DeleteView, IndicatorPatch, UpdateIndicator, UpdateView, ViewPatch,
};
use roster_core::reads;
use roster_core::text::Name;
use roster_core::watch::{delete_indicator as delete_with_alerts, evaluate};
use serde::Deserialize;
use serde_json::{Value, json};

use super::PAGE;
use super::report::{columns, filter, sort};
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::route::Route;
use crate::shapes::customer as shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ONE: &str = "/views/{view}";
    let example = json!({
        "name": "Silent owners", "kind": "accounts", "columns": ["name", "owner.email"],
        "filter": {"field": "owner.last_seen_at", "op": "before", "value": "-7d"}, "sort": ["name"],
    });
    vec![
        Route::post("/views", "create_view", create)
            .says("Save a view", "Operators only. What a report asks, under a name.")
            .takes(example)
            .answers(201, "View"),
        Route::get("/views", "list_views", list)
            .says("List views", "Operators only.")
            .asks(PAGE)
            .answers(200, "[View]"),
        Route::get(ONE, "get_view", show).says("Get a view", "Operators only.").answers(200, "View"),
        Route::patch(ONE, "update_view", update)
            .says(
                "Change a view",
                "Operators only. Indicators on it go by the new filter at their next evaluation.",
            )
            .takes(json!({"name": "Silent for a week"}))
            .answers(200, "View"),
        Route::delete(ONE, "delete_view", delete)
            .says("Delete a view", "Operators only. Indicators on it stay, and what was in it has left it.")
            .answers(204, ""),
    ]
    .into_iter()
    .chain(indicator_routes())
    .collect()
}

fn indicator_routes() -> Vec<Route> {
    const ONE: &str = "/indicators/{indicator}";
    vec![
        Route::post("/indicators", "create_indicator", create_indicator)
            .says(
                "Create an indicator",
                "Operators only. One alert when something enters the view, one when it leaves, none in between; evaluated at \
                 least every 15 minutes. With `holds_for_days` it must have been in the view for so long. What is in the \
                 view now is no news.",
            )
            .takes(json!({"name": "Owner went silent", "view_id": "vew_01kb2y0v4tejq8vt0d7c3w4n5e"}))
            .answers(201, "Indicator"),
        Route::get("/indicators", "list_indicators", list_indicators)
            .says("List indicators", "Operators only.")
            .asks(PAGE)
            .answers(200, "[Indicator]"),
        Route::get(ONE, "get_indicator", show_indicator)
            .says("Get an indicator", "Operators only.")
            .answers(200, "Indicator"),
        Route::patch(ONE, "update_indicator", update_indicator)
            .says("Change an indicator", "Operators only.")
            .takes(json!({"holds_for_days": 3}))
            .answers(200, "Indicator"),
        Route::delete(ONE, "delete_indicator", delete_indicator)
            .says("Delete an indicator", "Operators only.")
            .answers(204, ""),
        Route::get("/indicators/{indicator}/alerts", "list_alerts", alerts)
            .says("List alerts", "Operators only. The oldest first.")
            .asks(PAGE)
            .answers(200, "[Alert]"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: Name,
    kind: ReportKind,
    filter: Option<Value>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    sort: Vec<String>,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let body = &call.body;
    check(body.kind, body.filter.as_ref(), &body.columns, &body.sort)?;
    let operation = CreateView {
        name: body.name.clone(),
        kind: body.kind,
        filter: body.filter.as_ref().filter(|it| !it.is_null()).map(ToString::to_string),
        columns: body.columns.clone(),
        sort: body.sort.clone(),
    };
    let make = |done: &Done<View>| {
        Answer::created(shapes::view(&done.output), format!("/v1/views/{}", done.output.id))
            .tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

fn check(kind: ReportKind, asked: Option<&Value>, names: &[String], order: &[String]) -> Result<(), Problem> {
    filter(kind, asked)?;
    columns(kind, names)?;
    sort(kind, order).map(|_| ())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::views(call.roster(), &call.request, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::view).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let shown = reads::view(call.roster(), &call.request, call.param("view")?).await?;
    Ok(Answer::ok(shapes::view(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    filter: Patch<Value>,
    #[serde(default)]
    columns: Patch<Vec<String>>,
    #[serde(default)]
    sort: Patch<Vec<String>>,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let (id, body): (ViewId, _) = (call.param("view")?, &call.body);
    let wanted = body.filter.clone().into_option_option();
    let names = body.columns.clone().into_option_option().map(Option::unwrap_or_default);
    let order = body.sort.clone().into_option_option().map(Option::unwrap_or_default);
    let asked = wanted.as_ref().and_then(Option::as_ref);
    let fits =
        |kind| check(kind, asked, names.as_deref().unwrap_or_default(), order.as_deref().unwrap_or_default());
    // What fits no view at all is wrong whichever is meant.
    fits(ReportKind::Accounts).or_else(|_| fits(ReportKind::Organizations))?;
    fits(reads::view(call.roster(), &call.request, id).await?.value.kind)?;
    let patch = ViewPatch {
        name: body.name.clone().set_only("/name")?,
        filter: wanted.map(|filter| filter.map(|filter| filter.to_string())),
        columns: names,
        sort: order,
    };
    let done = run(call.roster(), &call.request, &UpdateView { view: id, patch }).await?;
    Ok(Answer::ok(shapes::view(&done.output)).tagged(done.version))
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    run(call.roster(), &call.request, &DeleteView { view: call.param("view")? }).await?;
    Ok(Answer::nothing())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewIndicator {
    name: Name,
    view_id: ViewId,
    #[serde(default)]
    holds_for_days: u32,
}

/// What is in the view at the beginning is looked at before this answers; if that fails, at the first evaluation.
async fn create_indicator(call: Call<NewIndicator>) -> Result<Answer, Problem> {
    let NewIndicator { name, view_id, holds_for_days } = &call.body;
    let operation = CreateIndicator { name: name.clone(), view: *view_id, holds_for_days: *holds_for_days };
    let make = |done: &Done<Indicator>| {
        let place = format!("/v1/indicators/{}", done.output.id);
        Answer::created(shapes::indicator(&done.output), place).tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await;
    if let Ok(done) = &outcome
        && let Err(error) = evaluate(call.roster(), &done.output).await
    {
        tracing::warn!(%error, "a new indicator could not be evaluated at once");
    }
    Answer::of(&call, outcome, make)
}

async fn list_indicators(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::indicators(call.roster(), &call.request, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::indicator).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show_indicator(call: Call) -> Result<Answer, Problem> {
    let shown = reads::indicator(call.roster(), &call.request, call.param("indicator")?).await?;
    Ok(Answer::ok(shapes::indicator(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedIndicator {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    holds_for_days: Patch<u32>,
}

async fn update_indicator(call: Call<ChangedIndicator>) -> Result<Answer, Problem> {
    let patch = IndicatorPatch {
        name: call.body.name.clone().set_only("/name")?,
        holds_for_days: call.body.holds_for_days.set_only("/holds_for_days")?,
    };
    let indicator: IndicatorId = call.param("indicator")?;
    let done = run(call.roster(), &call.request, &UpdateIndicator { indicator, patch }).await?;
    Ok(Answer::ok(shapes::indicator(&done.output)).tagged(done.version))
}

async fn delete_indicator(call: Call) -> Result<Answer, Problem> {
    delete_with_alerts(call.roster(), &call.request, call.param("indicator")?).await?;
    Ok(Answer::nothing())
}

async fn alerts(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::alerts(call.roster(), &call.request, call.param("indicator")?, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::alert).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}
