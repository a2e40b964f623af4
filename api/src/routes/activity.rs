//! What people did.

use roster_core::reads::{self, ActivityAsk};
use roster_core::reference::UserRef;
use roster_core::time::Timestamp;
use serde::Deserialize;

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/organizations/{organization}/activity", "list_activity", list)
            .says(
                "Sum what people did",
                "Needs `activity:read` on the whole organization. From what sources tell, by user, event and day; deleted \
                 people are not in it, deactivated and former ones are. Where the setting `former_members` is `hide`, rows by \
                 user leave out those who have left, unless `user` names them.",
            )
            .asks(const { &[
                ("user", "Only of this user."),
                ("event", "Only this event."),
                ("from", "From this day or instant on."),
                ("to", "Before this day or instant."),
                ("group_by", "`user`, `event`, `day`, or several with commas; all three if left out."),
                PAGE[0],
                PAGE[1],
            ] })
            .answers(200, "[Activity]"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    user: Option<UserRef>,
    event: Option<String>,
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let query = &call.query;
    let limit = crate::query::limit(query.limit)?;
    let (by_user, by_event, by_day) = group_by(query.group_by.as_deref())?;
    let from = query.from.as_deref().map(|text| instant("#from", text)).transpose()?;
    let to = query.to.as_deref().map(|text| instant("#to", text)).transpose()?;
    let (user, event) = (query.user.clone(), query.event.clone());
    let ask = ActivityAsk { user, event, from, to, by_user, by_event, by_day };
    let after = call.cursor(query.cursor.as_deref())?;
    let organization = call.organization()?;
    let (rows, next) =
        reads::activity(call.roster(), &call.request, organization, &ask, after.as_ref(), limit).await?;
    let rows: Vec<_> = rows.iter().map(shapes::customer::activity).collect();
    Ok(Answer::list(&call, &rows, next.as_ref()))
}

fn group_by(text: Option<&str>) -> Result<(bool, bool, bool), Problem> {
    let Some(text) = text else { return Ok((true, true, true)) };
    let names: Vec<&str> = text.split(',').collect();
    if names.iter().any(|name| !["user", "event", "day"].contains(name)) {
        return Err(Problem::invalid("#group_by", "must be `user`, `event`, `day`, or several with commas"));
    }
    let has = |name: &str| names.contains(&name);
    Ok((has("user"), has("event"), has("day")))
}

/// A day, or an instant.
fn instant(pointer: &str, text: &str) -> Result<Timestamp, Problem> {
    let day = format!("{text}T00:00:00Z");
    text.parse().or_else(|_| day.parse()).map_err(|_| {
        Problem::invalid(pointer, "not a time: expected RFC 3339, such as 2027-01-31 or 2027-01-31T12:00:00Z")
    })
}
