//! Invitations of an organization, and what their links do.

use std::collections::BTreeMap;

use roster_core::facts::Request;
use roster_core::flows::{
    Accepted, InvitedRow, SignUp, accept_invitation, decline_invitation, invitation_home, invite,
    invite_many, resend as send_again, update_invitation,
};
use roster_core::home::Home;
use roster_core::id::InvitationId;
use roster_core::model::{Invitation, InvitationStatus, Organization};
use roster_core::op::{Done, run};
use roster_core::ops::invitation::{
    InvitationPatch, InviteAsk, InviteOutcome, RevokeInvitation, UpdateInvitation,
};
use roster_core::reads;
use roster_core::reads::InvitationPreview;
use roster_core::secret::Password;
use roster_core::text::{Email, Name};
use serde::Deserialize;
use serde_json::{Value, json};

use super::PAGE;
use crate::access::AccessBody;
use crate::answer::Answer;
use crate::call::{Call, Empty, MaybeSigned, Visit};
use crate::error::Problem;
use crate::json::{self, Patch};
use crate::once::once;
use crate::route::Route;
use crate::shapes;

/// The most rows of one request.
const MOST: usize = 1_000;

/// The routes.
pub fn routes() -> Vec<Route> {
    of_organizations().into_iter().chain(of_links()).collect()
}

fn of_organizations() -> Vec<Route> {
    const ALL: &str = "/organizations/{organization}/invitations";
    const ONE: &str = "/organizations/{organization}/invitations/{invitation}";
    vec![
        Route::post(ALL, "create_invitations", create)
            .says(
                "Invite one or many",
                "Needs `invitations:manage` on all that the invitation reaches, and every permission that it gives. With \
                 `invitations`, up to 1,000 rows, the answer is 200 with an outcome per row; nothing is done where the \
                 seats do not suffice for all.",
            )
            .takes(json!({
                "email": "ada@example.com", "access": {"type": "organization", "role": "member"}, "name": "Ada",
                "expires_in": 86_400,
            }))
            .answers(200, "InvitedRows")
            .or_makes()
            .refuses(&[
                "no_seat", "already_member", "member_deactivated", "invitation_exists", "account_gone",
                "cannot_grant_unheld", "owner_by_transfer_only", "rate_limited",
            ]),
        Route::get(ALL, "list_invitations", list)
            .says("List invitations", "Needs `invitations:read`; only those that reach accounts on which it is held.")
            .asks(const { &[
                ("status", "`all`, `pending`, `accepted`, `declined`, `revoked` or `expired`."),
                PAGE[0],
                PAGE[1],
            ] })
            .answers(200, "[Invitation]"),
        Route::get(ONE, "get_invitation", show)
            .says("Get an invitation", "Needs `invitations:read` on something that it reaches.")
            .answers(200, "Invitation"),
        Route::patch(ONE, "update_invitation", update)
            .says(
                "Change a pending invitation",
                "Needs what inviting anew would need. What is changed applies at acceptance; whoever changes it stands \
                 for the invitation from then on.",
            )
            .takes(json!({"access": {"type": "organization", "role": "viewer"}}))
            .answers(200, "Invitation")
            .refuses(&[
                "no_seat", "invitation_not_pending", "account_gone", "cannot_grant_unheld", "owner_by_transfer_only",
            ]),
        Route::delete(ONE, "revoke_invitation", revoke)
            .says("Revoke an invitation", "Needs `invitations:manage`. Its link is dead and its seat free at once.")
            .answers(204, "")
            .refuses(&["invitation_not_pending"]),
        Route::post("/organizations/{organization}/invitations/{invitation}/resend", "resend_invitation", resend)
            .says(
                "Send an invitation again",
                "A new link with a new life; the one before is dead. An expired invitation comes back by it.",
            )
            .answers(200, "Invitation")
            .refuses(&[
                "no_seat", "invitation_not_pending", "already_member", "member_deactivated", "invitation_exists",
                "cannot_grant_unheld", "role_gone", "account_gone", "rate_limited",
            ]),
        Route::get("/organizations/{organization}/invitations/{invitation}/link", "get_invitation_link", link)
            .says(
                "Copy the link of an invitation",
                "Needs `invitations:manage`, and every permission that the invitation gives. The link that is good now. \
                 A link that was copied does not prove the mailbox: by it, a person who has no password yet and may be in \
                 another organization signs up only once a password reset has given them one.",
            )
            .answers(200, "InvitationLink")
            .refuses(&["invitation_not_pending", "cannot_grant_unheld"]),
    ]
}

fn of_links() -> Vec<Route> {
    vec![
        Route::get("/invitations/{token}", "show_invitation", preview)
            .says("Look at an invitation", "By its link. Nothing is consumed, and no address is shown. One that has ended, with whoever sent it or with a \
                 removal of whoever it is for too, is shown with that status; a link that was replaced is refused.")
            .for_anybody()
            .answers(200, "InvitationPreview")
            .refuses(&["invitation_revoked"]),
        Route::post("/invitations/{token}/accept", "accept_invitation", accept)
            .says(
                "Accept an invitation",
                "Signed in with the invited address, and an empty object; or with a name and a password, where the \
                 address has none yet: a link that was mailed proves the mailbox, and the answer holds a session. A link \
                 that was copied by somebody, or goes to an address that only a source gave, does not: where the person \
                 may be in another organization the answer is 401, and a password reset is the way in (by mail, or by \
                 `roster user password-reset`). The person whom the invitation made a member is answered the same again.",
            )
            .for_anybody()
            .takes(json!({"name": "Ada", "password": "correct horse battery"}))
            .answers(200, "AcceptedInvitation")
            .refuses(&[
                "unauthenticated", "wrong_recipient", "forbidden", "invitation_used", "invitation_expired",
                "invitation_revoked", "inviter_cannot_grant", "role_gone", "account_gone", "no_seat", "already_member",
                "member_deactivated",
            ]),
        Route::post("/invitations/{token}/decline", "decline_invitation", decline)
            .says("Decline an invitation", "By its link. Its seat is free at once.")
            .for_anybody()
            .answers(200, "InvitationPreview")
            .refuses(&["invitation_used", "invitation_expired", "invitation_revoked"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    email: Option<Email>,
    access: Option<AccessBody>,
    expires_in: Option<u32>,
    name: Option<Name>,
    invitations: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    email: Email,
    access: AccessBody,
    expires_in: Option<u32>,
    name: Option<Name>,
}

impl Row {
    fn ask(self) -> InviteAsk {
        let Self { email, access, expires_in, name } = self;
        InviteAsk { email, access: access.ask(), expires_in, name, user: None, cuts: 0, cut_at: None }
    }
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let body = &call.body;
    if let Some(rows) = &body.invitations {
        if body.email.is_some() || body.access.is_some() || body.expires_in.is_some() || body.name.is_some() {
            return Err(Problem::invalid("/invitations", "give one invitation, or `invitations` alone"));
        }
        return create_many(&call, rows).await;
    }
    let missing = |field: &str| Problem::invalid(field, "is missing");
    let row = Row {
        email: body.email.clone().ok_or_else(|| missing("/email"))?,
        access: body.access.clone().ok_or_else(|| missing("/access"))?,
        expires_in: body.expires_in,
        name: body.name.clone(),
    };
    let make = |done: &Done<Vec<InvitedRow>>| match done.output.first() {
        Some((_, InviteOutcome::Invited(it))) => {
            let place = format!("/v1/organizations/{organization}/invitations/{}", it.id);
            Answer::created(shapes::invitation(organization, it), place).tagged(done.version)
        }
        _ => Answer::nothing(),
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = invite(call.roster(), &call.request, organization, row.ask(), Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

async fn create_many(call: &Call<Create>, rows: &[Value]) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    if rows.is_empty() || rows.len() > MOST {
        return Err(Problem::invalid("/invitations", "give 1 to 1,000 invitations"));
    }
    once(call, Home::Organization(organization), async |request| invited(call, &request, rows).await).await
}

async fn invited(call: &Call<Create>, request: &Request, rows: &[Value]) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let mut asks = Vec::new();
    let mut results: BTreeMap<usize, Value> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        match json::row::<Row>(row.clone()) {
            Ok(row) => asks.push((number, row.ask())),
            Err(_) => {
                drop(results.insert(number, shapes::invited_row(number, "refused", None, Some("invalid"))));
            }
        }
    }
    for (number, outcome) in invite_many(call.roster(), request, organization, asks).await? {
        let row = match outcome {
            InviteOutcome::Invited(it) => {
                shapes::invited_row(number, "invited", Some(&shapes::invitation(organization, &it)), None)
            }
            InviteOutcome::Unchanged => shapes::invited_row(number, "unchanged", None, None),
            InviteOutcome::Refused(refusal) => {
                shapes::invited_row(number, "refused", None, Some(refusal.code()))
            }
        };
        results.insert(number, row);
    }
    Ok(Answer::ok(json!({"results": results.into_values().collect::<Vec<_>>()})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    status: Option<StatusFilter>,
    limit: Option<u16>,
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusFilter {
    All,
    Pending,
    Accepted,
    Declined,
    Revoked,
    Expired,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let status = match call.query.status.unwrap_or(StatusFilter::All) {
        StatusFilter::All => None,
        StatusFilter::Pending => Some(InvitationStatus::Pending),
        StatusFilter::Accepted => Some(InvitationStatus::Accepted),
        StatusFilter::Declined => Some(InvitationStatus::Declined),
        StatusFilter::Revoked => Some(InvitationStatus::Revoked),
        StatusFilter::Expired => Some(InvitationStatus::Expired),
    };
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let found = reads::invitations(call.roster(), &call.request, organization, status, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(|row| shapes::invitation(organization, &row.value)).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let (organization, id) = (call.organization()?, call.param("invitation")?);
    let shown = reads::invitation(call.roster(), &call.request, organization, id).await?;
    let shape = shapes::invitation(organization, &shown.value);
    Ok(Answer::ok(shape).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    access: Patch<AccessBody>,
    #[serde(default)]
    name: Patch<Name>,
    #[serde(default)]
    expires_in: Patch<u32>,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let (organization, invitation) = (call.organization()?, call.param("invitation")?);
    let patch = InvitationPatch {
        access: call.body.access.clone().set_only("/access")?.map(|access| access.ask()),
        name: call.body.name.clone().into_option_option(),
        expires_in: call.body.expires_in.set_only("/expires_in")?,
    };
    let operation = UpdateInvitation { organization, invitation, patch };
    let done = update_invitation(call.roster(), &call.request, &operation).await?;
    Ok(Answer::ok(shapes::invitation(organization, &done.output)).tagged(done.version))
}

async fn revoke(call: Call) -> Result<Answer, Problem> {
    let (organization, invitation) = (call.organization()?, call.param("invitation")?);
    run(call.roster(), &call.request, &RevokeInvitation { organization, invitation }).await?;
    Ok(Answer::nothing())
}

async fn resend(call: Call) -> Result<Answer, Problem> {
    let organization = call.organization()?;
    let invitation: InvitationId = call.param("invitation")?;
    let make = |done: &Done<Invitation>| {
        Answer::ok(shapes::invitation(organization, &done.output)).tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = send_again(call.roster(), &call.request, organization, invitation, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

async fn link(call: Call) -> Result<Answer, Problem> {
    let (organization, id) = (call.organization()?, call.param("invitation")?);
    let (url, expires_at) = reads::invitation_link(call.roster(), &call.request, organization, id).await?;
    Ok(Answer::ok(json!({"url": url, "expires_at": expires_at})))
}

async fn preview(Visit(call): Visit) -> Result<Answer, Problem> {
    let token: String = call.param("token")?;
    let shown = reads::invitation_preview(call.roster(), &call.request, &token).await?;
    Ok(Answer::ok(shapes::invitation_preview(&shown)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {
    name: Option<Name>,
    password: Option<String>,
}

async fn accept(MaybeSigned(call): MaybeSigned<Accept>) -> Result<Answer, Problem> {
    let token: String = call.param("token")?;
    let sign_up = match (&call.body.name, &call.body.password) {
        (Some(name), Some(password)) => {
            let password =
                Password::new(password).map_err(|bad| Problem::invalid("/password", bad.to_string()))?;
            Some(SignUp { name: name.clone(), password })
        }
        (None, None) => None,
        (None, Some(_)) => return Err(Problem::invalid("/name", "is missing")),
        (Some(_), None) => return Err(Problem::invalid("/password", "is missing")),
    };
    let home = invitation_home(call.roster(), &token)?;
    once(&call, home, async |request| {
        let Accepted { organization, member, session } =
            accept_invitation(call.roster(), &request, &token, sign_up.as_ref()).await?;
        Ok(Answer::ok(json!({
            "organization": {"id": organization.id, "name": organization.name},
            "member": shapes::member(organization.id, &member),
            "session": session.map(|begun| json!({
                "token": begun.token.reveal(), "expires_at": begun.session.expires_at,
            })),
        })))
    })
    .await
}

async fn decline(Visit(call): Visit) -> Result<Answer, Problem> {
    let token: String = call.param("token")?;
    let make = |done: &Done<(Organization, Invitation)>| {
        let (organization, invitation) = &done.output;
        let shown = InvitationPreview::of(organization.name.clone(), invitation);
        Answer::ok(shapes::invitation_preview(&shown))
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = decline_invitation(call.roster(), &call.request, &token, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}
