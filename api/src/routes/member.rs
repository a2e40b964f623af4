//! Members of organizations and accounts.

use roster_core::flows::{
    NewMember, Person, Who, add_member, remove_from_account as remove_member, remove_many, replace_access,
    require_removal, resolve_user, set_role, update_member,
};
use roster_core::home::Home;
use roster_core::listing::PageRequest;
use roster_core::model::{Member, TraitPatch};
use roster_core::op::{Done, run, run_sealed};
use roster_core::ops::member::{AccessAsk, Joining, LeaveOrganization, MemberPatch, RemoveMember, RoleSet};
use roster_core::permission::RoleRef;
use roster_core::reads::{self, AccountMember, MemberFilter, Rows, SeenMember};
use roster_core::reference::UserRef;
use roster_core::text::{Email, ExternalId, Name};
use roster_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PAGE;
use crate::access::{AccessBody, RolesBody};
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::{Patch, name_of};
use crate::member_query::MemberQuery;
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    of_accounts().into_iter().chain(of_organizations()).collect()
}

const STATUS: (&str, &str) = ("status", "`active` (default), `deactivated`, `former` or `all`.");
const ACCOUNT: (&str, &str) = ("account", "Only those with access to this account, from either source.");
const ROLE: (&str, &str) = ("role", "Only those who hold this role.");
const Q: (&str, &str) = ("q", "Prefix of a word of the name, of the e-mail, or the whole external id.");
const SORT: (&str, &str) = ("sort", "`name`, `email`, `joined_at` or `last_seen_at`; `-` in front reverses.");
const FILTERS: &[(&str, &str)] = &[STATUS, ACCOUNT, ROLE, Q, SORT, PAGE[0], PAGE[1]];
/// Of one account, which the path names.
const FILTERS_OF_ACCOUNT: &[(&str, &str)] = &[STATUS, ROLE, Q, SORT, PAGE[0], PAGE[1]];

fn of_accounts() -> Vec<Route> {
    const OF_ACCOUNT: &str = "/organizations/{organization}/accounts/{account}/members";
    const ONE_OF_ACCOUNT: &str = "/organizations/{organization}/accounts/{account}/members/{user}";
    vec![
        Route::get(OF_ACCOUNT, "list_account_members", list_of_account)
            .says(
                "List the members of an account",
                "Needs `members:read` on it. Those with organization-wide access are listed too, with `source`.",
            )
            .asks(FILTERS_OF_ACCOUNT)
            .answers(200, "[AccountMember]"),
        Route::put(ONE_OF_ACCOUNT, "set_account_role", set)
            .says(
                "Give a role on an account",
                "Adds (`members:add`), re-adds or changes (`members:update`). 201 when the person had no role there.",
            )
            .takes(json!({"role": "member"}))
            .answers(200, "AccountMember")
            .or_makes()
            .refuses(&[
                "implicit_access",
                "owner_must_transfer",
                "member_deactivated",
                "no_seat",
                "account_gone",
                "cannot_grant_unheld",
                "owner_by_transfer_only",
            ]),
        Route::delete(ONE_OF_ACCOUNT, "remove_from_account", remove_from_account)
            .says(
                "Remove a member from one account",
                "Needs `members:remove` on it. Takes that account and nothing else. Twice is fine: `changed: false`.",
            )
            .answers(200, "Changed")
            .refuses(&["implicit_access", "owner_must_transfer", "cannot_grant_unheld"]),
        Route::post(
            "/organizations/{organization}/accounts/{account}/members/remove",
            "remove_many_from_account",
            remove_several,
        )
        .says(
            "Remove several members from one account",
            "One outcome a row, in order; a bad row does not stop the others. At most 1,000 rows.",
        )
        .takes(json!({"users": ["ext:ada", "ext:bob"]}))
        .answers(200, "Removals"),
    ]
}

fn of_organizations() -> Vec<Route> {
    const ALL: &str = "/organizations/{organization}/members";
    const ONE: &str = "/organizations/{organization}/members/{user}";
    vec![
        Route::get(ALL, "list_members", list)
            .says(
                "List members",
                "Those whom the caller may see: all with organization-wide `members:read`, else those who share an \
                 account on which the caller holds it.",
            )
            .asks(FILTERS)
            .answers(200, "[Member]"),
        Route::post(ALL, "add_member", add)
            .says(
                "Add a member",
                "By `user`, or by `email` and `external_id`; `name` is for one who is new. Needs `members:add` on everything given, and every \
                 permission that the roles hold. Operators may name anybody and give external ids; others name \
                 people of their own organization, and anybody by address.",
            )
            .takes(json!({
                "email": "ada@example.com", "name": "Ada", "access": {"type": "organization", "role": "member"},
            }))
            .answers(201, "Member")
            .refuses(&[
                "already_member",
                "member_deactivated",
                "no_seat",
                "external_id_exists",
                "account_gone",
                "cannot_grant_unheld",
                "owner_by_transfer_only",
            ]),
        Route::get(ONE, "get_member", show)
            .says("Get a member", "Former ones too. Needs `members:read` where they are.")
            .answers(200, "Member"),
        Route::patch(ONE, "update_member", update)
            .says("Change when a membership begins and ends", "Needs `members:update` on the whole organization. One who has left comes back by being added, \
                 not by this.")
            .takes(json!({"expires_at": "2099-12-31T00:00:00Z"}))
            .answers(200, "Member")
            .refuses(&["owner_must_transfer", "target_not_active", "cannot_grant_unheld"]),
        Route::put("/organizations/{organization}/members/{user}/access", "replace_access", replace)
            .says(
                "Replace the whole access",
                "One atomic step. The answer says what was added, removed, changed and unchanged; each needs \
                 `members:add`, `members:remove` or `members:update` where it happens. `accounts: \"all\"` gives \
                 organization-wide access and stands alone.",
            )
            .takes(json!({"roles": [{"role": "viewer", "accounts": ["ext:north"]}]}))
            .answers(200, "AccessDiff")
            .refuses(&["owner_must_transfer", "member_deactivated", "no_seat", "account_gone",
                "owner_by_transfer_only", "cannot_grant_unheld"]),
        Route::delete(ONE, "remove_member", remove)
            .says(
                "Remove a member from the organization",
                "Needs `members:remove` on the whole organization. Everything they reach in it ends at once.",
            )
            .answers(200, "Changed")
            .refuses(&["owner_must_transfer", "cannot_grant_unheld"]),
        Route::post("/organizations/{organization}/members/{user}/leave", "leave_organization", leave)
            .says("Leave an organization", "By the member; for others as removal.")
            .answers(200, "Member")
            .refuses(&["owner_must_transfer"]),
    ]
}

async fn list_of_account(call: Call<Empty, MemberQuery>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let filter = call.query.filter()?;
    if filter.account.is_some() {
        return Err(Problem::invalid("#account", "unknown parameter: the path names the account"));
    }
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    if filter.by_last_seen {
        let account = call.account()?;
        let filter = MemberFilter { account: Some(account.clone()), ..filter };
        let found = last_seen(&call, &filter, &page).await?;
        let account = reads::account_id(call.roster(), &call.request, organization, &account).await?;
        let shape = |row: &SeenMember| shapes::seen_member(organization, row, Some(account));
        let rows: Vec<_> = found.rows.iter().map(shape).collect();
        return Ok(Answer::list_with(&call, &["last_seen_at"], &rows, found.next.as_ref()));
    }
    let found =
        reads::account_members(call.roster(), &call.request, organization, &call.account()?, &filter, &page)
            .await?;
    let rows = found.rows.iter();
    let shape = |row: &AccountMember| {
        shapes::account_member(organization, &row.member.value, row.role, row.organization_wide)
    };
    let rows: Vec<_> = rows.map(shape).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleBody {
    role: RoleRef,
}

async fn set(call: Call<RoleBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let (account, user) = (call.account()?, call.user()?);
    let done = set_role(call.roster(), &call.request, organization, &account, &user, call.body.role).await?;
    let RoleSet { member, account, previous, .. } = done.output;
    let shape = shapes::account_member(organization, &member, call.body.role, false);
    let place = format!("/v1/organizations/{organization}/accounts/{account}/members/{}", member.user);
    let answer = if previous.is_none() { Answer::created(shape, place) } else { Answer::ok(shape) };
    Ok(answer.tagged(done.version))
}

async fn remove_from_account(call: Call) -> Result<Answer, Problem> {
    let (organization, account, user) = (call.organization()?, call.account()?, call.user()?);
    let done = remove_member(call.roster(), &call.request, organization, &account, &user).await?;
    Ok(Answer::ok(json!({"changed": done.output})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UsersBody {
    users: Vec<Value>,
}

async fn remove_several(call: Call<UsersBody>) -> Result<Answer, Problem> {
    let (organization, account) = (call.organization()?, call.account()?);
    let home = Home::Organization(organization);
    require_removal(call.roster(), &call.request, organization, &account, call.body.users.len()).await?;
    let users: Vec<String> = call.body.users.iter().map(name_of).collect();
    once(&call, home, async |request| {
        let rows = remove_many(call.roster(), &request, organization, &account, &users).await?;
        let results: Vec<_> = users.iter().zip(&rows).map(|(user, row)| shapes::removal(user, row)).collect();
        Ok(Answer::ok(json!({"results": results})))
    })
    .await
}

async fn last_seen(
    call: &Call<Empty, MemberQuery>,
    filter: &MemberFilter,
    page: &PageRequest,
) -> Result<Rows<SeenMember>, Problem> {
    let organization = call.organization()?;
    Ok(reads::members_by_last_seen(call.roster(), &call.request, organization, filter, page).await?)
}

async fn list(call: Call<Empty, MemberQuery>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let filter = call.query.filter()?;
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    if filter.by_last_seen {
        let found = last_seen(&call, &filter, &page).await?;
        let rows: Vec<_> =
            found.rows.iter().map(|row| shapes::seen_member(organization, row, None)).collect();
        return Ok(Answer::list_with(&call, &["last_seen_at"], &rows, found.next.as_ref()));
    }
    let found = reads::members(call.roster(), &call.request, organization, &filter, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(|row| shapes::member(organization, &row.value)).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    user: Option<UserRef>,
    email: Option<Email>,
    external_id: Option<ExternalId>,
    name: Option<Name>,
    access: AccessBody,
    starts_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl AddBody {
    fn who(&self) -> Result<Who, Problem> {
        match (&self.user, self.email.is_some() || self.external_id.is_some()) {
            (Some(user), false) => Ok(Who::Known(user.clone())),
            (Some(_), true) => Err(Problem::invalid("/user", "give either user, or email and external_id")),
            (None, false) => Err(Problem::invalid("/email", "give user, email or external_id")),
            (None, true) => Ok(Who::Person(Person {
                email: self.email.clone(),
                external_id: self.external_id.clone(),
                name: self.name.clone(),
                traits: TraitPatch::default(),
            })),
        }
    }
}

async fn add(call: Call<AddBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let AddBody { access, starts_at, expires_at, .. } = &call.body;
    let joining = Joining { access: access.ask(), starts_at: *starts_at, expires_at: *expires_at };
    let new = NewMember { who: call.body.who()?, joining };
    let make = |done: &Done<Member>| {
        let place = format!("/v1/organizations/{organization}/members/{}", done.output.user);
        Answer::created(shapes::member(organization, &done.output), place).tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = add_member(call.roster(), &call.request, organization, &new, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let shown = reads::member(call.roster(), &call.request, organization, &call.user()?).await?;
    Ok(Answer::ok(shapes::member(organization, &shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    #[serde(default)]
    starts_at: Patch<Timestamp>,
    #[serde(default)]
    expires_at: Patch<Timestamp>,
}

async fn update(call: Call<UpdateBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let patch = MemberPatch {
        starts_at: call.body.starts_at.into_option_option(),
        expires_at: call.body.expires_at.into_option_option(),
    };
    let done = update_member(call.roster(), &call.request, organization, &call.user()?, patch).await?;
    Ok(Answer::ok(shapes::member(organization, &done.output)).tagged(done.version))
}

async fn replace(call: Call<RolesBody>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let access: AccessAsk = call.body.ask()?;
    let user = call.user()?;
    let done = replace_access(call.roster(), &call.request, organization, &user, access).await?;
    Ok(Answer::ok(shapes::access_diff(&done.output.1)).tagged(done.version))
}

async fn remove(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let user = resolve_user(call.roster(), &call.user()?).await?;
    let done = run(call.roster(), &call.request, &RemoveMember { organization, user }).await?;
    Ok(Answer::ok(json!({"changed": done.output})))
}

async fn leave(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let user = resolve_user(call.roster(), &call.user()?).await?;
    let make =
        |done: &Done<Member>| Answer::ok(shapes::member(organization, &done.output)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let operation = LeaveOrganization { organization, user };
    let outcome = run_sealed(call.roster(), &call.request, &operation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}
