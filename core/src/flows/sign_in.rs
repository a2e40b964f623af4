//! Signing in by address and password. Unknown, wrong and suspended answer alike, after the same work.

use super::claims;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{SessionId, UserId};
use crate::limits::Tried;
use crate::listing::{Listing, PageRequest};
use crate::model::{ClaimName, ClaimTarget, Credential, User, UserStatus};
use crate::op::{Roster, run};
use crate::ops::session::{StartSession, Started};
use crate::refusal::{OpError, Refusal};
use crate::secret::Password;
use crate::store::StoreError;
use crate::text::Email;

/// What signing in gives.
pub type SignedIn = Started;

/// So many sessions of a user are looked through for those that are over, when another begins.
const LOOKED_THROUGH: u16 = 100;

/// Begins a session for whoever knows the address and the password; 401 for everybody else.
pub async fn sign_in(
    roster: &Roster,
    request: &Request,
    email: &str,
    password: &Password,
) -> Result<SignedIn, OpError> {
    let parsed = email.parse::<Email>().ok();
    let account = parsed.as_ref().map_or("", Email::key).to_owned();
    let now = roster.entropy.millis();
    roster.limits.take(Tried::SignIn, &account, now)?;
    let outcome = try_password(roster, request, parsed.as_ref(), password).await;
    if !matches!(outcome, Err(OpError::Refused(_))) {
        roster.limits.give_back(Tried::SignIn, &account);
    }
    outcome
}

async fn try_password(
    roster: &Roster,
    request: &Request,
    email: Option<&Email>,
    password: &Password,
) -> Result<SignedIn, OpError> {
    let found = match email {
        Some(email) => find(roster, email).await?,
        None => None,
    };
    let hash = found.as_ref().map(|(_, credential)| credential.password_hash.as_str());
    let fits = roster.sign_in.passwords.fits(password, hash).await?;
    let Some((user, by)) = found.filter(|(user, _)| fits && user.status == UserStatus::Active) else {
        return Err(Refusal::InvalidCredentials.into());
    };
    let rehashed = if roster.sign_in.passwords.is_current(&by.password_hash) {
        None
    } else {
        Some(roster.sign_in.passwords.hash(password, salt(request)).await?)
    };
    begin(roster, request, user.id, by, rehashed).await
}

/// Begins a session of a user who has shown to know the password of a credential.
pub(super) async fn begin(
    roster: &Roster,
    request: &Request,
    user: UserId,
    by: Credential,
    rehashed: Option<String>,
) -> Result<SignedIn, OpError> {
    let (idle, life) = (roster.sign_in.idle, roster.sign_in.life);
    let others = sessions(roster, user).await?;
    let start = StartSession { user, by, rehashed, others, idle, life };
    Ok(run(roster, &request.as_system("session"), &start).await?.output)
}

/// The salt of a hash that this request makes.
pub(super) fn salt(request: &Request) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&request.seed.derive("password salt")[..16]);
    salt
}

async fn find(roster: &Roster, email: &Email) -> Result<Option<(User, Credential)>, StoreError> {
    match claims::target(roster, &ClaimName::email(email)).await? {
        Some(ClaimTarget::User(id)) => credential(roster, id).await,
        Some(ClaimTarget::Organization(_)) | None => {
            // As much is read for an address that is nobody's: one read that tells whether the name leads back, one
            // for the password.
            let nobody = UserId::from_uuid(uuid::Uuid::nil());
            roster.store.read(&Home::User(nobody), &[Key::User], &[]).await?;
            credential(roster, nobody).await.map(|_| None)
        }
    }
}

/// A user with their credential, if they have one.
pub(super) async fn credential(
    roster: &Roster,
    user: UserId,
) -> Result<Option<(User, Credential)>, StoreError> {
    let read = roster.store.read(&Home::User(user), &[Key::User, Key::Credential], &[]).await?;
    let record = |key: &Key| read.records.get(key).map(|stored| stored.record.clone());
    Ok(match (record(&Key::User), record(&Key::Credential)) {
        (Some(Record::User(user)), Some(Record::Credential(credential))) => Some((user, credential)),
        _ => None,
    })
}

/// Sessions of a user, live or not.
pub(super) async fn sessions(roster: &Roster, user: UserId) -> Result<Vec<SessionId>, StoreError> {
    let page = PageRequest { after: None, limit: LOOKED_THROUGH };
    let found = roster.store.list(&Listing::Sessions { user }, &page).await?;
    let ids = found.rows.into_iter().filter_map(|row| match row.stored.record {
        Record::Session(session) => Some(session.id),
        _ => None,
    });
    Ok(ids.collect())
}
