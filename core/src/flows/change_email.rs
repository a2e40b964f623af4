//! Changing one's own address. Whether the new one is somebody's already is told to nobody but whoever reads its mailbox:
//! at the proof, not at the request.

use super::cards::{bring_up, owe_cards};
use super::claims::{self, Taken};
use super::mail::announce_mail;
use super::refresh::tidied;
use crate::actor::{Actor, Via};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::EmailChangeId;
use crate::limits::Tried;
use crate::model::{ClaimName, ClaimTarget, EmailChange, User};
use crate::op::{Done, Roster, Seal, preflight, run, run_sealed};
use crate::ops::user::{BeginEmailChange, ConfirmEmailChange};
use crate::refusal::{OpError, Refusal};
use crate::secret::EmailChangeLink;
use crate::text::Email;

/// Has a link mailed to a new address of the acting user's, which takes effect once it is opened.
pub async fn ask_email_change(roster: &Roster, request: &Request, to: &Email) -> Result<(), OpError> {
    let user = request.actor.user().ok_or(Refusal::lacks("user"))?;
    let mut begin = BeginEmailChange {
        user,
        id: EmailChangeId::from_uuid(request.seed.uuid("email change")),
        to: to.clone(),
        life: roster.sign_in.reset_life,
        mail: None,
    };
    let request = &Request { receipt: None, ..request.clone() };
    preflight(roster, request, &begin).await?;
    if roster.post.is_set_up() {
        roster.limits.take(Tried::EmailChange, &user.to_string(), roster.entropy.millis())?;
    }
    begin.mail = announce_mail(roster, request, &Home::User(user)).await?;
    if begin.mail.is_none() {
        return Err(Refusal::MailNotConfigured.into());
    }
    run(roster, request, &begin).await?;
    roster.post.wake.notify_one();
    Ok(())
}

/// The change that a token leads to, if its link holds. It consumes nothing.
pub async fn look_at_email_change(roster: &Roster, token: &str) -> Result<EmailChange, OpError> {
    let link = roster.links.read_email_change(token).ok_or(Refusal::NotFound)?;
    let keys = [Key::User, Key::NewAddress, Key::Credential];
    let read = roster.store.read(&Home::User(link.user), &keys, &[]).await?;
    let record = |key: &Key| read.records.get(key).map(|stored| &stored.record);
    let user = match record(&keys[0]) {
        Some(Record::User(user)) => Some(user),
        _ => None,
    };
    let change = match record(&keys[1]) {
        Some(Record::NewAddress(change)) => Some(change),
        _ => None,
    };
    let known = match record(&keys[2]) {
        Some(Record::Credential(known)) => Some(known),
        _ => None,
    };
    Ok(EmailChange::check(change, link.change, user, known, read.now())?.clone())
}

/// Gives a person the address that a token proves: the name first, then the record, then what lists show, then the name
/// let go. The person before and after.
pub async fn confirm_email_change(
    roster: &Roster,
    request: &Request,
    token: &str,
    seal: Option<Seal<'_, (User, User)>>,
) -> Result<Done<(User, User)>, OpError> {
    let link = roster.links.read_email_change(token).ok_or(Refusal::NotFound)?;
    let request = &proved(request, link);
    let EmailChangeLink { user, change } = link;
    let mut operation = ConfirmEmailChange { user, change, not_after: None, mail: None, cards: None };
    let (before, after) = preflight(roster, request, &operation).await?;
    let target = ClaimTarget::User(user);
    let name = |user: &User| user.email.as_ref().map(ClaimName::email);
    let (old, new) = (name(&before), name(&after));
    let moved = old != new;
    let fresh: Vec<ClaimName> = new.into_iter().filter(|_| moved).collect();
    let leaving: Vec<ClaimName> = old.into_iter().filter(|_| moved).collect();
    let leaving = claims::standing(roster, &leaving, target).await?;
    let owed = owe_cards(roster, request, user).await?;
    let held = match claims::take(roster, request, &fresh, target).await? {
        Taken::All(held) => held,
        Taken::Not(_) => return Err(Refusal::EmailExists.into()),
    };
    let claimed = (!fresh.is_empty()).then_some(held.not_after);
    operation.not_after = claimed.into_iter().chain([owed.cards.not_after]).min();
    operation.cards = Some(owed.cards.clone());
    operation.mail = announce_mail(roster, request, &Home::User(user)).await?;
    let done = held.through(roster, request, run_sealed(roster, request, &operation, seal)).await?;
    roster.post.wake.notify_one();
    bring_up(roster, request, user, Some(owed)).await;
    tidied(leaving.give_back(roster, request).await);
    Ok(done)
}

/// The same request by the person whose new mailbox the link proves.
fn proved(request: &Request, link: EmailChangeLink) -> Request {
    let actor = Actor::User { user: link.user, via: Via::EmailChange { change: link.change } };
    Request { actor, ..request.clone() }
}
