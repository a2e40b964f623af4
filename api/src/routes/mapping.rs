//! Which traits name owners (rule T2).

use roster_core::flows::{put_mappings, shown_mappings};
use roster_core::home::Home;
use roster_core::id::OrganizationId;
use roster_core::model::customer::Mappings;
use roster_core::reads;
use roster_core::refusal::Refusal;
use serde::Deserialize;
use serde_json::json;

use super::job::accepted;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Problem;
use crate::route::Route;
use crate::shapes::customer as shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const OWN: &str = "/organizations/{organization}/trait-mappings";
    let body = json!({"account_owner_trait": "ownerId", "organization_owner_trait": null});
    let about = "Names the trait whose value, text or a whole number, is the external id of the account owner: the post \
                 follows the trait from then on. What is left out or null maps nothing. A job looks at everything again.";
    vec![
        Route::get("/trait-mappings", "get_trait_mappings", show)
            .says("Get the trait mappings of the deployment", "Operators only.")
            .answers(200, "TraitMappings"),
        Route::put("/trait-mappings", "put_trait_mappings", put)
            .says("Set the trait mappings of the deployment", about)
            .takes(body.clone())
            .answers(202, "JobAccepted"),
        Route::get(OWN, "get_organization_trait_mappings", show)
            .says(
                "Get the trait mappings of an organization",
                "Needs `customers:read` on the whole organization. Where it says nothing, the deployment's hold.",
            )
            .answers(200, "TraitMappings"),
        Route::put(OWN, "put_organization_trait_mappings", put)
            .says(
                "Set the trait mappings of an organization",
                "Needs `customers:manage` on the whole organization. They beat the deployment's. A job looks at everything \
                 again.",
            )
            .takes(body)
            .answers(202, "JobAccepted"),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    account_owner_trait: Option<String>,
    organization_owner_trait: Option<String>,
}

fn home<B>(call: &Call<B>) -> Result<(Home, Option<OrganizationId>), Problem> {
    if !call.has("organization") {
        return Ok((Home::Deployment, None));
    }
    let id = call.organization()?;
    Ok((Home::Organization(id), Some(id)))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let (home, organization) = home(&call)?;
    match organization {
        Some(organization) => {
            reads::require_customers(call.roster(), &call.request, organization).await?;
        }
        None if call.request.actor.is_operator() => {}
        None => return Err(Refusal::lacks("operator").into()),
    }
    let (mappings, version) = shown_mappings(call.roster(), &home).await?;
    Ok(Answer::ok(shapes::mappings(&mappings)).tagged(Some(version)).unless_known(&call))
}

async fn put(call: Call<Body>) -> Result<Answer, Problem> {
    let (home, _) = home(&call)?;
    let named = |name: &Option<String>, pointer: &str| match name {
        Some(name) if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) => {
            Err(Problem::invalid(pointer, "a trait's name has 1 to 200 characters and no control characters"))
        }
        name => Ok(name.clone()),
    };
    let mappings = Mappings {
        account_owner_trait: named(&call.body.account_owner_trait, "/account_owner_trait")?,
        organization_owner_trait: named(&call.body.organization_owner_trait, "/organization_owner_trait")?,
    };
    let done = put_mappings(call.roster(), &call.request, home, mappings).await?;
    call.api.jobs.notify_one();
    Ok(accepted(&done.output))
}
