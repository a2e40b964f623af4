//! What traits said of an erased person, and the posts that wait for them, go (rule L5).

use super::set::place;
use super::{Place, event};
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{AccountId, OrganizationId};
use crate::model::customer::{Mapped, TheMapped};
use crate::model::{Post, PostName};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::ExternalId;

/// Empties posts that wait for somebody of an external id, and forgets that a trait named them. The note of that is written
/// anew, whatever it says: whoever has looked for the person already, and is about to have a post wait for them, looks
/// again. The trait itself is the vendor's word about the account, and stays.
#[derive(Debug)]
pub struct ForgetMapped {
    /// Where.
    pub organization: OrganizationId,
    /// Whom they wait for.
    pub external: ExternalId,
    /// On which accounts, at most 100; on the organization for none.
    pub accounts: Vec<Option<AccountId>>,
}

impl ForgetMapped {
    fn mapped(&self, account: Option<AccountId>) -> TheMapped {
        TheMapped::of(self.organization, account)
    }
}

impl Operation for ForgetMapped {
    type State = Vec<(PostName, Option<Place>, Option<Mapped>)>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let keys = self.accounts.iter().flat_map(|account| {
            [account.map_or(Key::Organization, Key::Account), self.mapped(*account).key()]
        });
        view.fetch(keys.collect::<Vec<_>>()).await?;
        let mut found = Vec::new();
        for account in &self.accounts {
            let name = PostName { account: *account, key_role: None };
            let place = place(view, &name).await?;
            found.push((name, place, view.get(&self.mapped(*account)).await?));
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let mut decision = Decision::unchanged(());
        for (name, place, mapped) in found {
            let TheMapped(subject) = self.mapped(name.account);
            let mapped = mapped.unwrap_or(Mapped { subject, by: None, external: None });
            let external = mapped.external.filter(|it| *it != self.external);
            decision = decision.put(Mapped { external, ..mapped }.into());
            let Some(place) = place else { continue };
            let before = place.posts().account_owner.clone();
            // One that they hold goes with all that they hold.
            let waits = matches!(&before, Some(Post::Mapping { external_id, user: None, .. }) if *external_id == self.external);
            if waits {
                let event = event(&name, &place, before.as_ref(), None);
                decision = decision.event(event).put(place.with(None, None).record());
            }
        }
        Ok(decision)
    }
}
