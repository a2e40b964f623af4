//! Inviting one or many (rule I8). Whose an address is, other homes say; the organization's home decides.

use std::collections::{BTreeMap, BTreeSet};

use super::claims;
use super::lapse_invitations::lapse_invitation;
use super::mail::announce_mail;
use super::refresh::tidied;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::limits::Tried;
use crate::model::{ClaimName, ClaimTarget, Invitation, Organization, User};
use crate::op::{Done, Roster, Seal, View, preflight, run, run_sealed};
use crate::ops::invitation::{
    CreateInvitations, FreeSeats, HoldSeats, InviteAsk, InviteOutcome, ROWS, ResendInvitation,
    UpdateInvitation,
};
use crate::reads::{somewhere, visible_standing};
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;
use crate::text::Email;
use crate::time::Timestamp;

/// A row of a batch, by its number, with what became of it.
pub type InvitedRow = (usize, InviteOutcome);

/// A row of a batch, by its number.
type InvitedAsk = (usize, InviteAsk);

/// Invites one person.
pub async fn invite(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    ask: InviteAsk,
    seal: Option<Seal<'_, Vec<InvitedRow>>>,
) -> Result<Done<Vec<InvitedRow>>, OpError> {
    let email = ask.email.clone();
    let rows = vec![(0, named(roster, ask).await?)];
    let mut operation =
        CreateInvitations { organization, rows, all_or_nothing: true, batch: None, mail: None };
    let counted = count(roster, organization, &email);
    let outcome = async {
        if roster.post.is_set_up() || counted.is_err() {
            preflight(roster, request, &operation).await?;
        }
        counted.clone()?;
        operation.mail = announce_mail(roster, request, &Home::Organization(organization)).await?;
        run_sealed(roster, request, &operation, seal).await
    };
    let outcome = outcome.await;
    if counted.is_ok() && matches!(outcome, Err(OpError::Refused(_) | OpError::Replay(_))) {
        uncount(roster, organization, &email);
    }
    roster.post.wake.notify_one();
    outcome
}

/// Counts an invitation before it is made or sent again; refused where an address gets too many, or an organization sends
/// too many.
fn count(roster: &Roster, organization: OrganizationId, email: &Email) -> Result<(), Refusal> {
    let (now, from) = (roster.entropy.millis(), organization.to_string());
    roster.limits.take(Tried::InviteFrom, &from, now)?;
    let counted = roster.limits.take(Tried::Invite, email.key(), now);
    if counted.is_err() {
        roster.limits.give_back(Tried::InviteFrom, &from);
    }
    counted
}

/// It was neither made nor sent.
fn uncount(roster: &Roster, organization: OrganizationId, email: &Email) {
    roster.limits.give_back(Tried::InviteFrom, &organization.to_string());
    roster.limits.give_back(Tried::Invite, email.key());
}

/// Invites many: nothing is done where the seats do not suffice for all; then each row has an outcome of its own.
pub async fn invite_many(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    asks: Vec<InvitedAsk>,
) -> Result<Vec<InvitedRow>, OpError> {
    let (shown, standing) = visible_standing(roster, request, organization).await?;
    somewhere(&standing, "invitations:manage")?;
    let (mut outcomes, mut counted, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (number, ask) in asks {
        if !seen.insert(ask.email.key().to_owned()) {
            outcomes.push((number, InviteOutcome::Unchanged));
        } else if let Err(limited) = count(roster, organization, &ask.email) {
            outcomes.push((number, InviteOutcome::Refused(limited)));
        } else {
            counted.push((number, ask));
        }
    }
    let emails: BTreeMap<usize, Email> =
        counted.iter().map(|(number, ask)| (*number, ask.email.clone())).collect();
    let done = make_many(roster, request, &shown.value, counted).await;
    let made: BTreeSet<usize> =
        done.iter().flatten().filter(|(_, it)| is_made(it)).map(|(n, _)| *n).collect();
    for (_, email) in emails.iter().filter(|(number, _)| !made.contains(number)) {
        uncount(roster, organization, email);
    }
    outcomes.extend(done?);
    roster.post.wake.notify_one();
    outcomes.sort_by_key(|(number, _)| *number);
    Ok(outcomes)
}

const fn is_made(outcome: &InviteOutcome) -> bool {
    matches!(outcome, InviteOutcome::Invited(_))
}

/// The rows that are not over a limit, each address once.
async fn make_many(
    roster: &Roster,
    request: &Request,
    shown: &Organization,
    asks: Vec<InvitedAsk>,
) -> Result<Vec<InvitedRow>, OpError> {
    let organization = shown.id;
    let mut rows = Vec::with_capacity(asks.len());
    for (number, ask) in asks {
        rows.push((number, named(roster, ask).await?));
    }
    let whole = CreateInvitations { organization, rows, all_or_nothing: false, batch: None, mail: None };
    if whole.rows.len() <= ROWS {
        if roster.post.is_set_up() {
            preflight(roster, request, &whole).await?;
        }
        let mail = announce_mail(roster, request, &Home::Organization(organization)).await?;
        return Ok(run(roster, request, &CreateInvitations { mail, ..whole }).await?.output);
    }
    let counted = shown.purchased.is_some() && shown.settings.invitations_hold_seats;
    let batch = counted.then(|| request.seed.uuid("batch"));
    let pieces: Vec<CreateInvitations> = whole
        .rows
        .chunks(ROWS)
        .map(|rows| CreateInvitations {
            organization,
            rows: rows.to_vec(),
            all_or_nothing: false,
            batch,
            mail: None,
        })
        .collect();
    let Some(batch) = batch else { return commit_all(roster, request, pieces).await };
    let whole = CreateInvitations { batch: Some(batch), ..whole };
    match run(roster, &request.step("hold"), &HoldSeats { batch, whole }).await {
        // Of one that was cut off, what is left is done as far as seats go.
        Err(OpError::Refused(Refusal::NoSeat)) if has_begun(roster, request, &pieces[0]).await? => {}
        held => held.map(|_| ())?,
    }
    let done = commit_all(roster, request, pieces).await;
    let free = FreeSeats { organization, batch };
    tidied(run(roster, &request.as_system("free seats"), &free).await.map(drop));
    done
}

/// The request of one commit of a batch.
fn of_piece(request: &Request, n: usize) -> Request {
    request.step(&format!("batch {n}"))
}

/// Whether the first commit of a batch was done before.
async fn has_begun(
    roster: &Roster,
    request: &Request,
    first: &CreateInvitations,
) -> Result<bool, StoreError> {
    let seed = of_piece(request, 0).seed;
    let ids = first.rows.iter().map(|(number, _)| CreateInvitations::id(&seed, *number));
    let keys: Vec<Key> = ids.map(Key::Invitation).collect();
    let read = roster.store.read(&Home::Organization(first.organization), &keys, &[]).await?;
    Ok(!read.records.is_empty())
}

async fn commit_all(
    roster: &Roster,
    request: &Request,
    pieces: Vec<CreateInvitations>,
) -> Result<Vec<InvitedRow>, OpError> {
    let mut outcomes = Vec::new();
    for (n, piece) in pieces.into_iter().enumerate() {
        outcomes.extend(commit(roster, &of_piece(request, n), piece).await?);
    }
    Ok(outcomes)
}

/// One commit of several. Where seats are held no more and others took them, its rows go one by one as far as seats go. Their
/// ids are the same then: whoever sends the batch again finds what was made.
async fn commit(
    roster: &Roster,
    request: &Request,
    mut piece: CreateInvitations,
) -> Result<Vec<InvitedRow>, OpError> {
    let home = Home::Organization(piece.organization);
    piece.mail = announce_mail(roster, request, &home).await?;
    match run(roster, request, &piece).await {
        Ok(done) => return Ok(done.output),
        Err(OpError::Refused(Refusal::NoSeat)) => {}
        Err(error) => return Err(error),
    }
    let mut outcomes = Vec::with_capacity(piece.rows.len());
    for row in &piece.rows {
        let rows = vec![row.clone()];
        let mail = announce_mail(roster, &request.step(&format!("row {}", row.0)), &home).await?;
        let CreateInvitations { organization, all_or_nothing, batch, .. } = piece;
        let one = CreateInvitations { organization, rows, all_or_nothing, batch, mail };
        match run(roster, request, &one).await {
            Ok(done) => outcomes.extend(done.output),
            Err(OpError::Refused(Refusal::NoSeat)) => {
                outcomes.push((row.0, InviteOutcome::Refused(Refusal::NoSeat)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(outcomes)
}

/// Sends an invitation again.
pub async fn resend(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    invitation: InvitationId,
    seal: Option<Seal<'_, Invitation>>,
) -> Result<Done<Invitation>, OpError> {
    visible_standing(roster, request, organization).await?;
    // Whether the actor may is decided below; it takes no right to read it.
    let mut view = View::new(roster, Home::Organization(organization), request);
    let found = view.get(&invitation).await?.ok_or(Refusal::NotFound)?;
    lapse_invitation(roster, request, organization, &found).await?;
    let email = found.email;
    let (user, cuts, cut_at) = known(roster, &email).await?;
    let mut operation = ResendInvitation { organization, invitation, user, cuts, cut_at, mail: None };
    let counted = count(roster, organization, &email);
    let outcome = async {
        if roster.post.is_set_up() || counted.is_err() {
            preflight(roster, request, &operation).await?;
        }
        counted.clone()?;
        operation.mail = announce_mail(roster, request, &Home::Organization(organization)).await?;
        run_sealed(roster, request, &operation, seal).await
    };
    let outcome = outcome.await;
    if counted.is_ok() && matches!(outcome, Err(OpError::Refused(_) | OpError::Replay(_))) {
        uncount(roster, organization, &email);
    }
    roster.post.wake.notify_one();
    outcome
}

/// Changes a pending invitation; one that is dead is not, written down or not.
pub async fn update_invitation(
    roster: &Roster,
    request: &Request,
    operation: &UpdateInvitation,
) -> Result<Done<Invitation>, OpError> {
    let home = Home::Organization(operation.organization);
    if let Some(found) = View::new(roster, home, request).get(&operation.invitation).await? {
        lapse_invitation(roster, request, operation.organization, &found).await?;
    }
    run(roster, request, operation).await
}

async fn named(roster: &Roster, ask: InviteAsk) -> Result<InviteAsk, StoreError> {
    let (user, cuts, cut_at) = known(roster, &ask.email).await?;
    Ok(InviteAsk { user, cuts, cut_at, ..ask })
}

/// Whose an address is, how often they have been removed from everything, and when last.
async fn known(
    roster: &Roster,
    email: &Email,
) -> Result<(Option<UserId>, u32, Option<Timestamp>), StoreError> {
    let Some(user) = user_of(roster, email).await? else { return Ok((None, 0, None)) };
    let head = head_of(roster, user).await?;
    Ok((Some(user), head.as_ref().map_or(0, |head| head.cuts), head.and_then(|head| head.cut_at)))
}

/// The record of somebody, if there is one.
pub(super) async fn head_of(roster: &Roster, user: UserId) -> Result<Option<User>, StoreError> {
    let mut read = roster.store.read(&Home::User(user), &[Key::User], &[]).await?;
    Ok(match read.records.remove(&Key::User).map(|stored| stored.record) {
        Some(Record::User(user)) => Some(user),
        _ => None,
    })
}

/// Whose an address is, if anybody's.
pub(super) async fn user_of(roster: &Roster, email: &Email) -> Result<Option<UserId>, StoreError> {
    Ok(match claims::target(roster, &ClaimName::email(email)).await? {
        Some(ClaimTarget::User(id)) => Some(id),
        Some(ClaimTarget::Organization(_)) | None => None,
    })
}
