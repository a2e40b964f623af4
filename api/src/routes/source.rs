//! Sources of events about customers, and what of them could not be applied. Operators only.

use roster_core::flows::{create_source, replay_letters, resolve_organization, update_source};
use roster_core::home::Home;
use roster_core::id::DeadLetterId;
use roster_core::ingest;
use roster_core::model::customer::{EventNames, Groups, NEW_ORGANIZATIONS_PER_DAY, Source};
use roster_core::op::{Done, run};
use roster_core::ops::source::{
    CreateSource, DeleteSource, SourcePatch, check_bound, check_groups, check_names,
};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reads;
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::secret::Token;
use roster_core::text::Name;
use serde::Deserialize;
use serde_json::json;

use super::PAGE;
use super::job::accepted;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ALL: &str = "/sources";
    const ONE: &str = "/sources/{source}";
    vec![
        Route::post(ALL, "create_source", create)
            .says(
                "Create a source",
                "Operators only. Its `write_key` is in this answer and nowhere else. `groups` says where what it groups \
                 goes: `one`, accounts of the `organization`; `each`, an organization of its own; `trait`, accounts of the \
                 organization whose external id the `trait` of the group holds. An organization that is not there yet is \
                 made, owned by `organization_owner`; where that is null, the message becomes a dead letter, \
                 `organization_not_found`. At most `new_organizations_per_day` are made on one day in UTC, 100 if it is left \
                 out; what comes beyond becomes a dead letter, `too_many_new_organizations`, which can be replayed on \
                 another day or with a greater number. It gives people `default_role`, `member` if left out, and never more. \
                 With `one`, what it says of people who are in other organizations only becomes a dead letter, \
                 `user_elsewhere`, and can be replayed once they are members.",
            )
            .takes(json!({"name": "Product", "groups": {"to": "one", "organization": "ext:cloud"}}))
            .answers(201, "NewSource")
            .refuses(&["owner_by_transfer_only"]),
        Route::get(ALL, "list_sources", list)
            .says("List sources", "Operators only. Without write keys.")
            .asks(PAGE)
            .answers(200, "[Source]"),
        Route::get(ONE, "get_source", show).says("Get a source", "Operators only.").answers(200, "Source"),
        Route::patch(ONE, "update_source", update)
            .says("Change a source", "Operators only. What is not applied yet goes by the new settings.")
            .takes(json!({"default_role": "viewer"}))
            .answers(200, "Source")
            .refuses(&["owner_by_transfer_only"]),
        Route::delete(ONE, "delete_source", delete)
            .says("Delete a source", "Operators only. Its write key answers 401 from the next request on. What it sent and is not applied yet is \
                 dropped, and its dead letters are within the hour.")
            .answers(204, ""),
        Route::get("/sources/{source}/dead-letters", "list_dead_letters", letters)
            .says("List what could not be applied", "Operators only. Each with the reason, the oldest first.")
            .asks(PAGE)
            .answers(200, "[DeadLetter]"),
        Route::post("/sources/{source}/dead-letters/replay", "replay_dead_letters", replay)
            .says(
                "Apply dead letters again",
                "Operators only. Those of `ids`, else the oldest, two hundred or a few more, or by a job all that are there: \
                 `\"all\": true`, which answers 202. They go through the inbox; \
                 what still cannot be applied comes back. Those that only tell stay: about an erased person, `erased`, and about an event that \
                 counts, but not in the organizations named after `too_many_events:`.",
            )
            .takes(json!({"ids": ["dlq_01kb2y0v4tejq8vt0d7c3w4n5e"]}))
            .answers(200, "Replayed")
            .or_queues(),
    ]
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsBody {
    to: To,
    organization: Option<OrganizationRef>,
    #[serde(rename = "trait")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum To {
    One,
    Each,
    Trait,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsBody {
    message_received: Option<Vec<String>>,
    message_sent: Option<Vec<String>>,
}

impl EventsBody {
    fn over(&self, before: EventNames) -> EventNames {
        EventNames {
            message_received: self.message_received.clone().unwrap_or(before.message_received),
            message_sent: self.message_sent.clone().unwrap_or(before.message_sent),
        }
    }
}

async fn groups<B>(call: &Call<B>, body: &GroupsBody) -> Result<Groups, Problem> {
    match (body.to, &body.organization, &body.name) {
        (To::One, Some(named), None) => Ok(Groups::One(resolve(call, named).await?)),
        (To::One, None, _) => Err(Problem::invalid("/groups/organization", "say which organization")),
        (To::Each, None, None) => Ok(Groups::Each),
        (To::Trait, None, name) => {
            let groups = Groups::Trait(name.clone().unwrap_or_default());
            check_groups(&groups)?;
            Ok(groups)
        }
        (To::Each | To::Trait, Some(_), _) => {
            Err(Problem::invalid("/groups/organization", "goes only with `to: \"one\"`"))
        }
        (To::One | To::Each, _, Some(_)) => {
            Err(Problem::invalid("/groups/trait", "goes only with `to: \"trait\"`"))
        }
    }
}

async fn resolve<B>(
    call: &Call<B>,
    named: &OrganizationRef,
) -> Result<roster_core::id::OrganizationId, Problem> {
    let id = resolve_organization(call.roster(), named).await?;
    reads::require_visible(call.roster(), &call.request, id).await?;
    Ok(id)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: Name,
    groups: GroupsBody,
    organization_owner: Option<UserRef>,
    new_organizations_per_day: Option<u32>,
    default_role: Option<RoleRef>,
    events: Option<EventsBody>,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let make = |done: &Done<(Source, Token)>| {
        let (source, token) = &done.output;
        let mut shape = shapes::customer::source(source);
        shape["write_key"] = token.reveal().into();
        Answer::created(shape, format!("/v1/sources/{}", source.id)).tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let body = &call.body;
    let events = body.events.as_ref().map_or_else(EventNames::default, |it| it.over(EventNames::default()));
    let new_organizations_per_day = body.new_organizations_per_day.unwrap_or(NEW_ORGANIZATIONS_PER_DAY);
    // What cannot be is refused before anything is looked for.
    check_names(&events)?;
    check_bound(new_organizations_per_day)?;
    let new = CreateSource {
        name: body.name.clone(),
        groups: groups(&call, &body.groups).await?,
        organization_owner: None,
        new_organizations_per_day,
        default_role: body.default_role.unwrap_or(RoleRef::System(SystemRole::Member)),
        events,
    };
    let owner = body.organization_owner.as_ref();
    let outcome = create_source(call.roster(), &call.request, new, owner, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::sources(call.roster(), &call.request, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::customer::source).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let shown = reads::source(call.roster(), &call.request, call.param("source")?).await?;
    Ok(Answer::ok(shapes::customer::source(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    groups: Patch<GroupsBody>,
    #[serde(default)]
    organization_owner: Patch<UserRef>,
    #[serde(default)]
    new_organizations_per_day: Patch<u32>,
    #[serde(default)]
    default_role: Patch<RoleRef>,
    #[serde(default)]
    events: Patch<EventsBody>,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let id = call.param("source")?;
    let body = &call.body;
    let new_organizations_per_day = body.new_organizations_per_day.set_only("/new_organizations_per_day")?;
    new_organizations_per_day.map_or(Ok(()), check_bound)?;
    let default_role = body.default_role.set_only("/default_role")?;
    let events = body.events.clone().set_only("/events")?;
    let mut patch = SourcePatch {
        name: body.name.clone().set_only("/name")?,
        groups: match body.groups.clone().set_only("/groups")? {
            Some(body) => Some(groups(&call, &body).await?),
            None => None,
        },
        organization_owner: None,
        new_organizations_per_day,
        default_role,
        events: None,
    };
    if let Some(events) = events {
        let before = reads::source(call.roster(), &call.request, id).await?.value;
        patch.events = Some(events.over(before.events));
    }
    let owner = body.organization_owner.clone().into_option_option();
    let owner = owner.as_ref().map(Option::as_ref);
    let done = update_source(call.roster(), &call.request, id, patch, owner).await?;
    Ok(Answer::ok(shapes::customer::source(&done.output)).tagged(done.version))
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    run(call.roster(), &call.request, &DeleteSource { source: call.param("source")? }).await?;
    Ok(Answer::nothing())
}

async fn letters(call: Call<Empty, PageQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let source = call.param("source")?;
    let found = ingest::dead_letters(call.roster(), &call.request, source, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::customer::dead_letter).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    ids: Option<Vec<DeadLetterId>>,
    #[serde(default)]
    all: bool,
}

async fn replay(call: Call<Replay>) -> Result<Answer, Problem> {
    if call.body.ids.as_ref().is_some_and(|ids| ids.is_empty() || ids.len() > 200) {
        return Err(Problem::invalid("/ids", "give 1 to 200 ids, or none for the oldest"));
    }
    if call.body.all && call.body.ids.is_some() {
        return Err(Problem::invalid("/all", "give either this or ids"));
    }
    let source = call.param("source")?;
    // Whoever may not leaves no receipt.
    reads::source(call.roster(), &call.request, source).await?;
    once(&call, Home::Deployment, async |request| {
        if call.body.all {
            let done = replay_letters(call.roster(), &request, source).await?;
            call.api.jobs.notify_one();
            return Ok(accepted(&done.output));
        }
        let (replayed, more) = match call.body.ids.as_deref() {
            Some(named) => (ingest::replay(call.roster(), &request, source, named).await?, false),
            None => ingest::replay_oldest(call.roster(), &request, source).await?,
        };
        call.api.ingested.notify_one();
        Ok(Answer::ok(json!({"replayed": replayed, "more": more})))
    })
    .await
}
