//! Changing one's own password, by showing the one before.

use super::sign_in::{credential, salt, sessions};
use crate::facts::Request;
use crate::op::{Roster, run};
use crate::ops::session::{PasswordGuard, SetPassword};
use crate::refusal::{OpError, Refusal};
use crate::secret::Password;

/// Sets the acting user's password, and ends all of their sessions; 401 where `current` is wrong.
pub async fn change_password(
    roster: &Roster,
    request: &Request,
    current: &Password,
    password: &Password,
) -> Result<(), OpError> {
    let user = request.actor.user().ok_or(Refusal::lacks("user"))?;
    let found = credential(roster, user).await?.map(|(_, credential)| credential);
    let hash = found.as_ref().map(|credential| credential.password_hash.as_str());
    let fits = roster.sign_in.passwords.fits(current, hash).await?;
    let Some(known) = found.filter(|_| fits) else {
        return Err(Refusal::InvalidCredentials.into());
    };
    let set = SetPassword {
        user,
        hash: roster.sign_in.passwords.hash(password, salt(request)).await?,
        guard: PasswordGuard::Known(known.generation),
        sessions: sessions(roster, user).await?,
    };
    run(roster, &Request { receipt: None, ..request.clone() }, &set).await.map(|_| ())
}
