//! From a line of the outbox to a letter: what it is about is read now, and its link derived. One that has been overtaken
//! is not written any more.

use serde_json::json;

use super::{Written, harmless};
use crate::home::{Home, Key, Record, TheClaim, TheOrganization, TypedKey};
use crate::id::{AccountId, AlertId, IndicatorId, InvitationId, MailId, OrganizationId, TransferId, UserId};
use crate::model::customer::{Alert, AlertState, ReportKind, TheAlert, TheIndicator, TheView};
use crate::model::{
    ClaimName, ClaimTarget, Credential, EmailChange, Invitation, InvitationStatus, Letter, Organization,
    OrganizationStatus, PasswordReset, User, UserStatus,
};
use crate::op::Roster;
use crate::secret::{EmailChangeLink, InvitationLink, ResetLink};
use crate::store::{Read, StoreError};
use crate::text::Name;

/// The letter, if it is still to be sent.
pub(super) async fn write(
    roster: &Roster,
    home: &Home,
    mail: MailId,
    letter: Letter,
) -> Result<Option<Written>, StoreError> {
    let written = match (letter, home) {
        (Letter::Invitation { invitation, link }, Home::Organization(organization)) => {
            of_invitation(roster, *organization, invitation, link).await?
        }
        (Letter::OwnershipTransferred { transfer, to }, Home::Organization(organization)) => {
            of_transfer(roster, *organization, transfer, to).await?
        }
        (
            Letter::PasswordReset { .. } | Letter::EmailChange { .. } | Letter::EmailChanged { .. },
            Home::User(user),
        ) => of_person(roster, *user, letter).await?,
        (Letter::Alert { indicator, alert, to }, Home::Deployment) => {
            of_alert(roster, indicator, alert, to).await?
        }
        _ => None,
    };
    Ok(written.map(|written| Written { reference: format!("{mail}.{}", written.reference), ..written }))
}

async fn of_invitation(
    roster: &Roster,
    organization: OrganizationId,
    id: InvitationId,
    number: u32,
) -> Result<Option<Written>, StoreError> {
    let keys = [Key::Organization, Key::Invitation(id)];
    let read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let (Some(Record::Organization(shown)), Some(Record::Invitation(invitation))) =
        (record(&read, &keys[0]), record(&read, &keys[1]))
    else {
        return Ok(None);
    };
    let open = shown.status == OrganizationStatus::Active;
    let pending = invitation.at(read.now()).status == InvitationStatus::Pending && invitation.link == number;
    if !open || !pending {
        return Ok(None);
    }
    let url = roster.links.invitation_url(&InvitationLink { organization, invitation: id, number });
    Ok(Some(Written {
        to: invitation.email.clone(),
        kind: "invitation",
        reference: format!("{id}.{number}"),
        fields: json!({
            "organization": harmless(shown.name.as_str()),
            "inviter": inviter(roster, shown, invitation).await?.map(|name| harmless(name.as_str())),
            "name": shown_name(invitation.name.as_ref()),
            "url": url, "expires_at": invitation.expires_at.to_string(),
        }),
    }))
}

async fn of_transfer(
    roster: &Roster,
    organization: OrganizationId,
    id: TransferId,
    to: UserId,
) -> Result<Option<Written>, StoreError> {
    let keys = [Key::Organization, Key::Transfer(id)];
    let read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let (Some(Record::Organization(shown)), Some(Record::Transfer(transfer))) =
        (record(&read, &keys[0]), record(&read, &keys[1]))
    else {
        return Ok(None);
    };
    let (person, owner) = (user(roster, to).await?, user(roster, transfer.to).await?);
    let Some((person, email)) = person.and_then(|it| Some((it.name, it.email?))) else { return Ok(None) };
    Ok(Some(Written {
        to: email,
        kind: "ownership_transferred",
        reference: format!("{id}.{to}"),
        fields: json!({
            "organization": harmless(shown.name.as_str()), "name": shown_name(person.as_ref()),
            "owner": shown_name(owner.and_then(|owner| owner.name).as_ref()),
        }),
    }))
}

/// Whom the configuration does not name any more is not written to, nor of what is gone.
async fn of_alert(
    roster: &Roster,
    indicator: IndicatorId,
    id: AlertId,
    to: u16,
) -> Result<Option<Written>, StoreError> {
    let Some(email) = roster.post.alerts_to.get(usize::from(to)) else { return Ok(None) };
    let (alert, indicator) = (TheAlert(indicator, id), TheIndicator(indicator));
    let found =
        (one(roster, Home::Deployment, &alert).await?, one(roster, Home::Deployment, &indicator).await?);
    let (Some(alert), Some(indicator)) = found else { return Ok(None) };
    let view = one(roster, Home::Deployment, &TheView(indicator.view)).await?;
    let Some((kind, subject, organization)) = subject(roster, &alert).await? else { return Ok(None) };
    let state = match alert.state {
        AlertState::Entered => "entered",
        AlertState::Left => "left",
    };
    Ok(Some(Written {
        to: email.clone(),
        kind: "alert",
        reference: format!("{id}.{to}"),
        fields: json!({
            "indicator": harmless(indicator.name.as_str()), "view": shown_name(view.map(|view| view.name).as_ref()),
            "state": state, "kind": kind, "subject": harmless(subject.1.as_str()), "id": subject.0,
            "organization": harmless(organization.as_str()), "at": alert.at.to_string(),
        }),
    }))
}

/// What an alert is about: its kind, its id and name, and that of its organization.
async fn subject(
    roster: &Roster,
    alert: &Alert,
) -> Result<Option<(&'static str, (String, Name), Name)>, StoreError> {
    match alert.kind {
        ReportKind::Organizations => {
            let id = OrganizationId::from_uuid(alert.subject);
            let found = one(roster, Home::Organization(id), &TheOrganization).await?;
            Ok(found.map(|it| ("organization", (id.to_string(), it.name.clone()), it.name)))
        }
        ReportKind::Accounts => {
            let id = AccountId::from_uuid(alert.subject);
            let claim = one(roster, Home::Claim(ClaimName::Account(id)), &TheClaim).await?;
            let Some(ClaimTarget::Organization(organization)) = claim.map(|claim| claim.target) else {
                return Ok(None);
            };
            let home = Home::Organization(organization);
            let (account, organization) =
                (one(roster, home.clone(), &id).await?, one(roster, home, &TheOrganization).await?);
            Ok(account.zip(organization).map(|(it, of)| ("account", (id.to_string(), it.name), of.name)))
        }
    }
}

async fn one<K: TypedKey + Sync>(
    roster: &Roster,
    home: Home,
    key: &K,
) -> Result<Option<K::Record>, StoreError> {
    let key = key.key();
    let mut read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.remove(&key).and_then(|stored| K::pick(stored.record)))
}

async fn user(roster: &Roster, id: UserId) -> Result<Option<User>, StoreError> {
    let mut read = roster.store.read(&Home::User(id), &[Key::User], &[]).await?;
    Ok(match read.records.remove(&Key::User).map(|stored| stored.record) {
        Some(Record::User(user)) if user.status != UserStatus::Erased => Some(user),
        _ => None,
    })
}

/// What whoever invited is called, if it is a person.
async fn inviter(
    roster: &Roster,
    organization: &Organization,
    invitation: &Invitation,
) -> Result<Option<Name>, StoreError> {
    let Some(user) = invitation.invited_by.user() else { return Ok(None) };
    let key = Key::Member(user);
    let home = Home::Organization(organization.id);
    let read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    Ok(match record(&read, &key) {
        Some(Record::Member(member)) => member.card.name.clone(),
        _ => None,
    })
}

async fn of_person(roster: &Roster, id: UserId, letter: Letter) -> Result<Option<Written>, StoreError> {
    let keys = [Key::User, Key::Credential, Key::PasswordReset, Key::NewAddress];
    let read = roster.store.read(&Home::User(id), &keys, &[]).await?;
    let Some(Record::User(user)) = record(&read, &keys[0]) else { return Ok(None) };
    Ok(match letter {
        Letter::PasswordReset { reset } => {
            let link = ResetLink { user: id, reset };
            of_reset(&read, user, link).map(|(to, expires_at)| Written {
                to,
                kind: "password_reset",
                reference: reset.to_string(),
                fields: json!({
                    "name": shown_name(user.name.as_ref()), "url": roster.links.reset_url(&link),
                    "expires_at": expires_at,
                }),
            })
        }
        Letter::EmailChange { change } => {
            let found = change_of(&read);
            EmailChange::check(found, change, Some(user), credential_of(&read), read.now()).ok().map(
                |found| Written {
                    to: found.to.clone(),
                    kind: "email_change",
                    reference: change.to_string(),
                    fields: json!({
                        "name": shown_name(user.name.as_ref()),
                        "url": roster.links.email_change_url(&EmailChangeLink { user: id, change }),
                        "expires_at": found.expires_at.to_string(),
                    }),
                },
            )
        }
        Letter::EmailChanged { change } => {
            change_of(&read).and_then(|found| found.before(change)).map(|to| Written {
                to: to.clone(),
                kind: "email_changed",
                reference: format!("{change}.done"),
                fields: json!({"name": shown_name(user.name.as_ref())}),
            })
        }
        Letter::Invitation { .. } | Letter::OwnershipTransferred { .. } | Letter::Alert { .. } => None,
    })
}

fn of_reset(read: &Read, user: &User, link: ResetLink) -> Option<(crate::text::Email, String)> {
    let reset = match record(read, &Key::PasswordReset) {
        Some(Record::PasswordReset(reset)) => Some(reset),
        _ => None,
    };
    PasswordReset::check(reset, link.reset, Some(user), credential_of(read), read.now()).ok()?;
    Some((user.email.clone()?, reset?.expires_at.to_string()))
}

fn credential_of(read: &Read) -> Option<&Credential> {
    match record(read, &Key::Credential) {
        Some(Record::Credential(known)) => Some(known),
        _ => None,
    }
}

fn change_of(read: &Read) -> Option<&EmailChange> {
    match record(read, &Key::NewAddress) {
        Some(Record::NewAddress(change)) => Some(change),
        _ => None,
    }
}

fn record<'a>(read: &'a Read, key: &Key) -> Option<&'a Record> {
    read.records.get(key).map(|stored| &stored.record)
}

fn shown_name(name: Option<&Name>) -> Option<String> {
    name.map(|name| harmless(name.as_str()))
}
