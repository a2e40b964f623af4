//! Changing one's own password, by showing the one before.

use super::find_user;
use super::sign_in::{credential, salt, sessions};
use crate::facts::Request;
use crate::limits::Tried;
use crate::op::{Roster, run};
use crate::ops::session::{PasswordGuard, SetPassword};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::secret::Password;

/// Sets the acting user's password, and ends all of their sessions; 401 where `current` is wrong. A wrong one counts as a
/// sign-in that failed. What a person is in the deployment is no key's of one organization to change.
pub async fn change_password(
    roster: &Roster,
    request: &Request,
    current: &Password,
    password: &Password,
) -> Result<(), OpError> {
    let user = request.actor.user().ok_or(Refusal::lacks("user"))?;
    if request.actor.bound_to().is_some() {
        return Err(Refusal::lacks("user").into());
    }
    let address = find_user(roster, &UserRef::Id(user)).await?.email;
    let account = address.map_or_else(|| user.to_string(), |email| email.key().to_owned());
    let found = credential(roster, user).await?;
    roster.limits.take(Tried::SignIn, &account, roster.entropy.millis())?;
    let hash = found.as_ref().map(|(_, credential)| credential.password_hash.as_str());
    let fits = roster.sign_in.passwords.fits(current, hash).await;
    if !matches!(fits, Ok(false)) {
        roster.limits.give_back(Tried::SignIn, &account);
    }
    let fits = fits?;
    let Some((_, known)) = found.filter(|_| fits) else {
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
