//! Password resets (rule L8): a link that works once, for an hour, and ends every session when it is used.

use super::find_user;
use super::invite::user_of;
use super::mail::{announce_mail, mail_id};
use super::sign_in::{salt, sessions};
use crate::actor::{Actor, Via};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{MailId, OrganizationId, PasswordResetId, UserId};
use crate::limits::Tried;
use crate::model::{Credential, MailPointer, PasswordReset, Sought};
use crate::op::{Done, Roster, Seal, preflight, run, run_sealed};
use crate::ops::mail::PutMailPointer;
use crate::ops::member::ResetMemberPassword;
use crate::ops::session::{PasswordGuard, SetPassword};
use crate::ops::user::BeginPasswordReset;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::secret::{Password, ResetLink};
use crate::text::Email;
use crate::time::Timestamp;

/// Makes a link for a person and shows it: for operators only.
pub async fn show_password_reset(
    roster: &Roster,
    request: &Request,
    user: UserId,
) -> Result<(String, Timestamp), OpError> {
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    let id = reset_id(request);
    let life = roster.sign_in.reset_life;
    let begin = BeginPasswordReset { user, id, life, mail: None, not_after: None };
    let reset = run(roster, request, &begin).await?.output;
    Ok((roster.links.reset_url(&ResetLink { user, reset: id }), reset.expires_at))
}

/// Has a link mailed to a member by whoever may (rules L8, M11).
pub async fn reset_member_password(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
) -> Result<(), OpError> {
    let cuts = find_user(roster, &UserRef::Id(user)).await?.cuts;
    let operation = ResetMemberPassword { organization, user, cuts, mail: roster.post.is_set_up() };
    preflight(roster, request, &operation).await?;
    mail_password_reset(roster, &Request { receipt: None, if_match: None, ..request.clone() }, user).await?;
    run(roster, request, &operation).await.map(|_| ())
}

/// Writes down a reset of a person with the letter that takes its link to them. A request that is sent again sends none.
pub(crate) async fn mail_password_reset(
    roster: &Roster,
    request: &Request,
    user: UserId,
) -> Result<(), OpError> {
    let posting = announce_mail(roster, request, &Home::User(user)).await?;
    let posting = posting.ok_or(Refusal::MailNotConfigured)?;
    let begin = BeginPasswordReset {
        user,
        id: reset_id(request),
        life: roster.sign_in.reset_life,
        mail: Some(posting.id),
        not_after: Some(posting.not_after),
    };
    run(roster, request, &begin).await?;
    roster.post.wake.notify_one();
    Ok(())
}

/// Notes that somebody wants a new password for an address. Whose it is, is looked up later, so that the answer is the
/// same and as fast for an address that is nobody's; nothing is noted where no mail can be sent.
pub async fn ask_password_reset(roster: &Roster, request: &Request, email: &str) -> Result<(), OpError> {
    let Ok(email) = email.parse::<Email>() else { return Ok(()) };
    // Beyond that nothing more is sent to this mailbox, and the answer tells nobody.
    let few = roster.limits.take(Tried::Reset, email.key(), roster.entropy.millis()).is_ok();
    if few && roster.post.is_set_up() {
        let pointer = MailPointer { id: mail_id(request), to: Sought::Reset(email) };
        run(roster, &request.as_system("ask"), &PutMailPointer { pointer }).await?;
        roster.post.wake.notify_one();
    }
    Ok(())
}

/// Finds whose address a reset was asked for, and writes the reset down with its letter. The home of the letter; nothing
/// for an address that is nobody's, for one who may not sign in, or so many seconds after it was asked for.
pub(crate) async fn write_down_reset(
    roster: &Roster,
    request: &Request,
    mail: MailId,
    email: &Email,
    age: i64,
) -> Result<Option<Home>, OpError> {
    let life = roster.sign_in.reset_life;
    let Some(user) = user_of(roster, email).await?.filter(|_| age < life) else { return Ok(None) };
    let id = PasswordResetId::from_uuid(mail.uuid());
    let begin = BeginPasswordReset { user, id, life, mail: Some(mail), not_after: None };
    match run(roster, &request.step("reset"), &begin).await {
        Ok(_) => Ok(Some(Home::User(user))),
        Err(OpError::Refused(Refusal::Conflict)) => Err(Refusal::Conflict.into()),
        Err(OpError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The id of the reset that a request asks for.
fn reset_id(request: &Request) -> PasswordResetId {
    PasswordResetId::from_uuid(request.seed.uuid("password reset"))
}

/// What a token leads to; 404 for one that this service has not made, 410 for one that holds no more. It consumes
/// nothing. Until when it holds.
pub async fn look_at_password_reset(roster: &Roster, token: &str) -> Result<Timestamp, OpError> {
    let link = roster.links.read_reset(token).ok_or(Refusal::NotFound)?;
    let keys = [Key::User, Key::PasswordReset, Key::Credential];
    let read = roster.store.read(&Home::User(link.user), &keys, &[]).await?;
    let record = |key: &Key| read.records.get(key).map(|stored| &stored.record);
    let reset = record(&keys[1])
        .and_then(|record| if let Record::PasswordReset(reset) = record { Some(reset) } else { None });
    let user =
        record(&keys[0]).and_then(|record| if let Record::User(user) = record { Some(user) } else { None });
    let known = record(&keys[2])
        .and_then(|record| if let Record::Credential(known) = record { Some(known) } else { None });
    PasswordReset::check(reset, link.reset, user, known, read.now())?;
    Ok(reset.map_or(Timestamp::EPOCH, |reset| reset.expires_at))
}

/// Sets a password by the link of a reset. All sessions of the person end.
pub async fn reset_password(
    roster: &Roster,
    request: &Request,
    token: &str,
    password: &Password,
    seal: Option<Seal<'_, Credential>>,
) -> Result<Done<Credential>, OpError> {
    let link = roster.links.read_reset(token).ok_or(Refusal::NotFound)?;
    let actor = Actor::User { user: link.user, via: Via::Reset { reset: link.reset } };
    let request = Request { actor, ..request.clone() };
    let mut set = SetPassword {
        user: link.user,
        hash: String::new(),
        guard: PasswordGuard::Reset(link.reset),
        sessions: sessions(roster, link.user).await?,
    };
    // A password is not hashed for a link that opens nothing.
    preflight(roster, &request, &set).await?;
    set.hash = roster.sign_in.passwords.hash(password, salt(&request)).await?;
    run_sealed(roster, &request, &set, seal).await
}
