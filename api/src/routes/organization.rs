//! Organizations, seats, transfers of ownership.

use roster_core::flows::{
    NewOrganization, NewUser, close_organization, create_organization, find_user, transfer_ownership,
    update_organization,
};
use roster_core::home::Home;
use roster_core::model::{OrganizationStatus, SettingsPatch, TraitPatch};
use roster_core::op::{Done, run};
use roster_core::ops::organization::{OrganizationPatch, SetSeats};
use roster_core::ops::ownership::TransferOwnership;
use roster_core::permission::RoleRef;
use roster_core::reads::{self, SeatsShown};
use roster_core::reference::UserRef;
use roster_core::refusal::Refusal;
use roster_core::text::{Email, ExternalId, Name, Slug};
use serde::Deserialize;
use serde_json::json;

use super::{PAGE, ownership};
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::json::Patch;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ONE: &str = "/organizations/{organization}";
    vec![
        Route::post("/organizations", "create_organization", create)
            .says(
                "Create an organization",
                "Operators only. The owner is found by address or external id, or made, and is a member at once. \
                 Without `accounts`, one account with the organization's own name and external id is made.",
            )
            .takes(json!({
                "name": "Cloud", "external_id": "cloud", "slug": "cloud",
                "owner": {"email": "owner@example.com", "external_id": "owner", "name": "Olu Owner"},
                "seats": {"purchased": 100}, "accounts": [{"name": "North", "external_id": "north"}],
            }))
            .answers(201, "Organization")
            .refuses(&["slug_exists", "external_id_exists", "email_exists"]),
        Route::get("/organizations", "list_organizations", list)
            .says("List organizations", "Operators see all, others those they are in.")
            .asks(const { &[
                ("status", "`active` (default), `closed` or `all`."),
                ("q", "Prefix of a word of the name, or the whole external id."),
                PAGE[0],
                PAGE[1],
            ] })
            .answers(200, "[Organization]"),
        Route::get(ONE, "get_organization", show)
            .says("Get an organization", "Needs `organization:read`. Operators see closed ones too.")
            .answers(200, "Organization"),
        Route::patch(ONE, "update_organization", update)
            .says(
                "Change an organization",
                "Needs `organization:update`. A merge-patch: traits merge, `null` removes one. An external id can be \
                 set once.",
            )
            .takes(json!({"name": "Cloud and Sky", "traits": {"plan": "pro"}}))
            .answers(200, "Organization")
            .refuses(&["slug_exists", "external_id_exists", "external_id_immutable"]),
        Route::delete(ONE, "close_organization", close)
            .says(
                "Close an organization",
                "The owner or an operator, with `confirm: true`. Every access and key ends at once; name and external \
                 id are not reused; operators can still read it.",
            )
            .takes(json!({"confirm": true}))
            .answers(204, "")
            .refuses(&["confirmation_required"]),
        Route::get("/organizations/{organization}/seats", "get_seats", seats)
            .says("Get seats", "Needs `organization:read` on the whole organization.")
            .answers(200, "Seats"),
        Route::patch("/organizations/{organization}/seats", "update_seats", set_seats)
            .says("Set purchased seats", "Needs `billing:manage`. `null` is unlimited; never below what is used.")
            .takes(json!({"purchased": 50}))
            .answers(200, "Seats")
            .refuses(&["seats_in_use"]),
        Route::post("/organizations/{organization}/ownership-transfers", "transfer_ownership", transfer)
            .says(
                "Transfer the ownership",
                "The current owner or an operator. At once; the owner before stays as `previous_owner_role`, `admin` \
                 if left out. With `require_acceptance` it is an offer: nothing changes until the member accepts it, \
                 within seven days.",
            )
            .takes(json!({"to": "ext:deputy", "previous_owner_role": "admin"}))
            .answers(201, "Transfer")
            .refuses(&["owner_changed", "target_not_active", "owner_by_transfer_only", "no_seat"]),
        Route::get("/organizations/{organization}/ownership-transfers/{transfer}", "get_transfer", show_transfer)
            .says("Get a transfer", "Needs `organization:read`.")
            .answers(200, "Transfer"),
    ]
    .into_iter()
    .chain(ownership::of_offers())
    .collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: Name,
    external_id: Option<ExternalId>,
    slug: Option<Slug>,
    owner: Owner,
    seats: Option<Seats>,
    #[serde(default)]
    accounts: Vec<FirstAccount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    email: Option<Email>,
    external_id: Option<ExternalId>,
    name: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seats {
    purchased: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstAccount {
    name: Name,
    external_id: Option<ExternalId>,
}

impl Create {
    fn asked(&self) -> Result<NewOrganization, Problem> {
        let owner = &self.owner;
        if owner.email.is_none() && owner.external_id.is_none() {
            return Err(Problem::invalid(
                "/owner/email",
                "give the owner's e-mail address, external id, or both",
            ));
        }
        let new = NewOrganization {
            name: self.name.clone(),
            external_id: self.external_id.clone(),
            slug: self.slug.clone(),
            owner: NewUser {
                email: owner.email.clone(),
                external_id: owner.external_id.clone(),
                name: owner.name.clone(),
                traits: TraitPatch::default(),
            },
            purchased: self.seats.as_ref().and_then(|seats| seats.purchased),
            accounts: self.accounts.iter().map(|it| (it.name.clone(), it.external_id.clone())).collect(),
        };
        new.check()?;
        Ok(new)
    }
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let new = call.body.asked()?;
    if !call.request.actor.is_operator() {
        return Err(Refusal::Forbidden("operator").into());
    }
    once(&call, Home::Deployment, async |request| {
        let id = create_organization(call.roster(), &request, &new).await?.output;
        let shown = reads::organization(call.roster(), &request, id).await?;
        let answer = Answer::created(shapes::organization(&shown), format!("/v1/organizations/{id}"));
        Ok(answer.tagged(Some(shown.organization.version)))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<StatusFilter>,
    q: Option<String>,
    limit: Option<u16>,
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusFilter {
    Active,
    Closed,
    All,
}

async fn list(call: Call<crate::call::Empty, ListQuery>) -> Result<Answer, Problem> {
    let query = &call.query;
    let status = match query.status.unwrap_or(StatusFilter::Active) {
        StatusFilter::Active => Some(OrganizationStatus::Active),
        StatusFilter::Closed => Some(OrganizationStatus::Closed),
        StatusFilter::All => None,
    };
    let page = call.page(query.limit, query.cursor.as_deref())?;
    let found = reads::organizations(call.roster(), &call.request, status, query.q.clone(), &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::organization).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let shown = reads::organization(call.roster(), &call.request, call.organization()?).await?;
    Ok(Answer::ok(shapes::organization(&shown)).tagged(Some(shown.organization.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    slug: Patch<Slug>,
    #[serde(default)]
    external_id: Patch<ExternalId>,
    #[serde(default)]
    settings: SettingsPatch,
    #[serde(default)]
    traits: TraitPatch,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let patch = OrganizationPatch {
        name: call.body.name.clone().set_only("/name")?,
        slug: call.body.slug.clone().set_only("/slug")?,
        external_id: call.body.external_id.clone().set_only("/external_id")?,
        settings: call.body.settings,
        traits: call.body.traits.clone(),
    };
    update_organization(call.roster(), &call.request, call.organization()?, &patch).await?;
    let shown = reads::organization_acted_on(call.roster(), &call.request, call.organization()?).await?;
    Ok(Answer::ok(shapes::organization(&shown)).tagged(Some(shown.organization.version)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    #[serde(default)]
    confirm: bool,
}

async fn close(call: Call<Confirm>) -> Result<Answer, Problem> {
    close_organization(call.roster(), &call.request, call.organization()?, call.body.confirm).await?;
    Ok(Answer::nothing())
}

async fn seats(call: Call) -> Result<Answer, Problem> {
    let shown = reads::seats(call.roster(), &call.request, call.organization()?).await?;
    Ok(Answer::ok(shapes::seats(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetSeatsBody {
    #[serde(default)]
    purchased: Patch<u32>,
}

async fn set_seats(call: Call<SetSeatsBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let purchased = match call.body.purchased {
        Patch::Keep => return Err(Problem::invalid("/purchased", "give a number, or null for unlimited")),
        Patch::Clear => None,
        Patch::Set(number) => Some(number),
    };
    run(call.roster(), &call.request, &SetSeats { organization, purchased }).await?;
    let shown = reads::organization_acted_on(call.roster(), &call.request, organization).await?;
    let seats = SeatsShown { purchased: shown.organization.value.purchased, used: shown.used };
    Ok(Answer::ok(shapes::seats(&seats)).tagged(Some(shown.organization.version)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    to: UserRef,
    previous_owner_role: Option<RoleRef>,
    #[serde(default)]
    require_acceptance: bool,
}

async fn transfer(call: Call<TransferBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let to = find_user(call.roster(), &call.body.to).await?;
    let role = call.body.previous_owner_role.unwrap_or(RoleRef::ADMIN);
    let operation =
        TransferOwnership::new(organization, (to.id, to.cuts), role).offered(call.body.require_acceptance);
    let make = |done: &Done<roster_core::model::Transfer>| {
        let id = done.output.id;
        Answer::created(
            shapes::transfer(&done.output),
            format!("/v1/organizations/{organization}/ownership-transfers/{id}"),
        )
        .tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = transfer_ownership(call.roster(), &call.request, operation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

async fn show_transfer(call: Call) -> Result<Answer, Problem> {
    let id = call.param("transfer")?;
    let (shown, is_gone) = reads::transfer(call.roster(), &call.request, call.organization()?, id).await?;
    let answer = Answer::ok(shapes::transfer(&shown.value)).tagged(Some(shown.version));
    Ok(if is_gone { answer } else { answer.unless_known(&call) })
}
