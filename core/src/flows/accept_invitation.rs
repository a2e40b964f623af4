//! Accepting an invitation: signed in, or by signing up. The pointer in the user's home comes first, then one commit
//! in the organization's home (rules I2, I3).

use super::create_user::{NewUser, find_or_create_user, fresh_id};
use super::find_user;
use super::invite::user_of;
use super::lapse_invitations::lapse_invitation;
use super::refresh::{refresh_card, tidied};
use super::shown_link::proves_too_little;
use super::sign_in::{SignedIn, begin, credential, salt, sign_in};
use super::update_user::update_user;
use crate::actor::{Actor, Via};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::limits::Tried;
use crate::model::{Card, Credential, Invitation, Member, Organization, User, UserStatus};
use crate::op::{Done, Roster, Seal, View, preflight, run, run_sealed};
use crate::ops::invitation::{AcceptInvitation, DeclineInvitation, InviterHead};
use crate::ops::pointer::PointToOrganization;
use crate::ops::session::{EndSession, PasswordGuard, SetPassword};
use crate::ops::user::UserPatch;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::secret::{InvitationLink, Password};
use crate::settle::SettleDue;
use crate::text::Name;

/// How somebody new wants to be called and to sign in.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// Their name.
    pub name: Name,
    /// Their password.
    pub password: Password,
}

/// What accepting gives.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Where.
    pub organization: Organization,
    /// The membership.
    pub member: Member,
    /// For one who signed up, their first session.
    pub session: Option<SignedIn>,
}

/// What a token leads to; 404 for one that this service has not made.
pub(crate) fn read_link(roster: &Roster, token: &str) -> Result<InvitationLink, Refusal> {
    roster.links.read_invitation(token).ok_or(Refusal::NotFound)
}

/// The home of the invitation that a token leads to.
pub fn invitation_home(roster: &Roster, token: &str) -> Result<Home, Refusal> {
    Ok(Home::Organization(read_link(roster, token)?.organization))
}

/// Accepts an invitation for the user who acts, or for the invited person who signs up. An address that has a password
/// already has to sign in first: 401.
pub async fn accept_invitation(
    roster: &Roster,
    request: &Request,
    token: &str,
    sign_up: Option<&SignUp>,
) -> Result<Accepted, OpError> {
    let link = read_link(roster, token)?;
    if request.actor != Actor::Visitor || sign_up.is_none() {
        return accept(roster, request, link, sign_up).await;
    }
    let key = link.invitation.to_string();
    roster.limits.take(Tried::Accept, &key, roster.entropy.millis())?;
    let outcome = accept(roster, request, link, sign_up).await;
    if !matches!(outcome, Err(OpError::Refused(_))) {
        roster.limits.give_back(Tried::Accept, &key);
    }
    outcome
}

/// Accepts an invitation for whoever bears its link and knows the password of its address, or sets one where it has none.
/// No session is left.
pub async fn accept_by_password(
    roster: &Roster,
    request: &Request,
    token: &str,
    sign_up: &SignUp,
) -> Result<Accepted, OpError> {
    let link = read_link(roster, token)?;
    match accept_invitation(roster, request, token, Some(sign_up)).await {
        Err(OpError::Refused(Refusal::Unauthenticated)) => {
            let email = invited(roster, link).await?.email;
            let begun = sign_in(roster, request, email.as_str(), &sign_up.password).await?;
            let signed = Request { actor: signed_in(&begun), ..request.step("signed in") };
            let outcome = accept_invitation(roster, &signed, token, None).await;
            sign_out(roster, request, &begun).await;
            outcome
        }
        outcome => {
            let mut accepted = outcome?;
            if let Some(begun) = accepted.session.take() {
                sign_out(roster, request, &begun).await;
            }
            Ok(accepted)
        }
    }
}

const fn signed_in(begun: &SignedIn) -> Actor {
    let via = Via::Session { session: begun.session.id, since: begun.session.created_at };
    Actor::User { user: begun.user.id, via }
}

/// Ends a session that was begun for one act, whatever came of the act.
async fn sign_out(roster: &Roster, request: &Request, begun: &SignedIn) {
    let own = Request { actor: signed_in(begun), ..request.step("sign out") };
    let end = EndSession { user: begun.user.id, session: begun.session.id };
    tidied(run(roster, &own, &end).await.map(drop));
}

async fn accept(
    roster: &Roster,
    request: &Request,
    link: InvitationLink,
    sign_up: Option<&SignUp>,
) -> Result<Accepted, OpError> {
    match (request.actor, sign_up) {
        (Actor::User { user, .. }, _) => {
            if request.actor.bound_to().is_some_and(|own| own != link.organization) {
                return Err(Refusal::NotFound.into());
            }
            let user = find_user(roster, &UserRef::Id(user)).await?;
            let operation = accepting(roster, link, &user).await?;
            foresee(roster, request, &operation).await?;
            join(roster, request, operation, &user, None).await
        }
        (Actor::Visitor, Some(sign_up)) => sign_up_and_join(roster, request, link, sign_up).await,
        (Actor::Visitor, None) => {
            invited(roster, link).await?;
            Err(Refusal::Unauthenticated.into())
        }
        (Actor::Operator { .. } | Actor::ApiKey { .. } | Actor::Source { .. } | Actor::System, _) => {
            Err(Refusal::lacks("user").into())
        }
    }
}

/// Declines an invitation, for whoever bears its link.
pub async fn decline_invitation(
    roster: &Roster,
    request: &Request,
    token: &str,
    seal: Option<Seal<'_, (Organization, Invitation)>>,
) -> Result<Done<(Organization, Invitation)>, OpError> {
    let link = read_link(roster, token)?;
    let mut view = View::new(roster, Home::Organization(link.organization), request);
    if let Some(found) = view.get(&link.invitation).await? {
        lapse_invitation(roster, request, link.organization, &found).await?;
    }
    run_sealed(roster, request, &DeclineInvitation { link }, seal).await
}

async fn sign_up_and_join(
    roster: &Roster,
    request: &Request,
    link: InvitationLink,
    sign_up: &SignUp,
) -> Result<Accepted, OpError> {
    let invitation = invited(roster, link).await?;
    let found = user_of(roster, &invitation.email).await?;
    let id = found.unwrap_or_else(|| fresh_id(&request.step("person 0")));
    let known = match found {
        Some(id) => Some(find_user(roster, &UserRef::Id(id)).await?),
        None => None,
    };
    let foreseen = AcceptInvitation {
        link,
        user: id,
        address: Some(invitation.email.key().to_owned()),
        card: Card::default(),
        cuts: known.as_ref().map_or(0, |user| user.cuts),
        cut_at: known.as_ref().and_then(|user| user.cut_at),
        inviter: inviter(roster, &invitation).await?,
    };
    foresee(roster, request, &foreseen).await?;
    let user = if let Some(user) = known {
        if proves_too_little(roster, link, id).await? {
            return Err(Refusal::Unauthenticated.into());
        }
        user
    } else {
        let email = Some(invitation.email.clone());
        let new = NewUser { email, name: Some(sign_up.name.clone()), ..NewUser::default() };
        find_or_create_user(roster, &by_link(request, id, link), &new).await?.user
    };
    if user.status != UserStatus::Active {
        return Err(Refusal::Unauthenticated.into());
    }
    let request = by_link(request, user.id, link);
    let by = set_first_password(roster, &request, user.id, link, &sign_up.password).await?;
    let user = if user.name.is_none() { called(roster, &request, user.id, sign_up).await? } else { user };
    join(roster, &request, accepting(roster, link, &user).await?, &user, Some(by)).await
}

/// Somebody who was there without a name is called what they say.
async fn called(roster: &Roster, request: &Request, user: UserId, sign_up: &SignUp) -> Result<User, OpError> {
    let patch = UserPatch { name: Some(Some(sign_up.name.clone())), ..UserPatch::default() };
    Ok(update_user(roster, &request.step("name"), user, &patch).await?.output)
}

/// Sets the password of somebody who has none. One who set this very password by this very link is who they were.
async fn set_first_password(
    roster: &Roster,
    request: &Request,
    user: UserId,
    link: InvitationLink,
    password: &Password,
) -> Result<Credential, OpError> {
    for _ in 0..2 {
        if let Some((_, known)) = credential(roster, user).await? {
            let same = known.set_by == Some(link.invitation)
                && roster.sign_in.passwords.fits(password, Some(&known.password_hash)).await?;
            return if same { Ok(known) } else { Err(Refusal::Unauthenticated.into()) };
        }
        let hash = roster.sign_in.passwords.hash(password, salt(request)).await?;
        let guard = PasswordGuard::None(link.invitation);
        let set = SetPassword { user, hash, guard, sessions: Vec::new() };
        match run(roster, &request.step("password"), &set).await {
            Ok(done) => return Ok(done.output),
            // Somebody was quicker: perhaps the same person.
            Err(OpError::Refused(Refusal::Unauthenticated)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Refusal::Unauthenticated.into())
}

async fn join(
    roster: &Roster,
    request: &Request,
    mut operation: AcceptInvitation,
    user: &User,
    by: Option<Credential>,
) -> Result<Accepted, OpError> {
    let organization = operation.link.organization;
    let pointer = PointToOrganization { user: user.id, organization };
    let cuts = run(roster, &request.as_system("pointer"), &pointer).await?.output;
    (operation.cuts, operation.cut_at) = (cuts.number, cuts.last);
    let (shown, member) = run(roster, request, &operation).await?.output;
    tidied(refresh_card(roster, request, organization, user.id, user.card()).await);
    let session = match by {
        Some(by) => Some(begin(roster, request, user.id, by, None).await?),
        None => None,
    };
    Ok(Accepted { organization: shown, member, session })
}

async fn accepting(roster: &Roster, link: InvitationLink, user: &User) -> Result<AcceptInvitation, OpError> {
    Ok(AcceptInvitation {
        link,
        user: user.id,
        address: user.email.as_ref().map(|email| email.key().to_owned()),
        card: user.card(),
        cuts: user.cuts,
        cut_at: user.cut_at,
        inviter: inviter(roster, &invited(roster, link).await?).await?,
    })
}

/// What the home of a person who stands for an invitation says of them.
async fn inviter(roster: &Roster, invitation: &Invitation) -> Result<Option<InviterHead>, OpError> {
    let Some(user) = invitation.invited_by.user() else { return Ok(None) };
    let read = roster.store.read(&Home::User(user), &[Key::User], &[]).await?;
    Ok(match read.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(found)) => {
            Some(InviterHead { user, active: found.status == UserStatus::Active, cuts: found.cuts })
        }
        _ => Some(InviterHead { user, active: false, cuts: 0 }),
    })
}

/// Whether it would be accepted, before anything is left in another home. What has ended is written down as ended.
async fn foresee(roster: &Roster, request: &Request, operation: &AcceptInvitation) -> Result<(), OpError> {
    let outcome = preflight(roster, request, operation).await.map(drop);
    if matches!(outcome, Err(OpError::Refused(Refusal::InvitationExpired))) {
        settle(roster, request, operation.link.organization, operation.link.invitation).await?;
    }
    outcome
}

/// Writes down that an invitation has ended, so that no clock brings it back.
pub(crate) async fn settle(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    invitation: InvitationId,
) -> Result<(), OpError> {
    let home = Home::Organization(organization);
    let settle = SettleDue { home, keys: vec![Key::Invitation(invitation)] };
    run(roster, &request.as_settling("settle expired"), &settle).await.map(drop)
}

async fn invited(roster: &Roster, link: InvitationLink) -> Result<Invitation, OpError> {
    let key = Key::Invitation(link.invitation);
    let home = Home::Organization(link.organization);
    let mut read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    match read.records.remove(&key).map(|stored| stored.record) {
        Some(Record::Invitation(invitation)) => Ok(invitation),
        _ => Err(Refusal::NotFound.into()),
    }
}

/// The same request by the person whose mailbox the link proves.
fn by_link(request: &Request, user: UserId, link: InvitationLink) -> Request {
    let via = Via::Invitation { invitation: link.invitation };
    Request { actor: Actor::User { user, via }, ..request.clone() }
}
