//! After a role has been replaced: whoever still names it is written anew, then it goes. Housekeeping; what is true does
//! not change by it.

use crate::facts::Facts;
use crate::home::{Home, Key, Record, Tally, TheMember, Uses};
use crate::id::{ApiKeyId, InvitationId, OrganizationId, RoleId, TransferId, UserId};
use crate::model::{ApiKey, Invitation, InvitationStatus, Member, Role, Transfer, TransferState};
use crate::op::{Decision, Operation, View};
use crate::permission::RoleRef;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Writes members, keys, pending invitations and offers anew that name a replaced role. At most 100 at a time.
#[derive(Debug)]
pub struct RewriteRole {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub role: RoleId,
    /// Whom.
    pub members: Vec<UserId>,
    /// Which keys.
    pub keys: Vec<ApiKeyId>,
    /// Which invitations.
    pub invitations: Vec<InvitationId>,
    /// Which offers of ownership.
    pub offers: Vec<TransferId>,
}

/// What is to be rewritten.
#[derive(Debug)]
pub struct Naming {
    role: Option<Role>,
    members: Vec<Member>,
    keys: Vec<ApiKey>,
    invitations: Vec<Invitation>,
    offers: Vec<Transfer>,
}

impl RewriteRole {
    /// Of a role, as yet nothing.
    pub const fn of(organization: OrganizationId, role: RoleId) -> Self {
        let members = Vec::new();
        Self { organization, role, members, keys: Vec::new(), invitations: Vec::new(), offers: Vec::new() }
    }

    /// Whether there is nothing to be rewritten.
    pub const fn is_empty(&self) -> bool {
        let people = self.members.is_empty() && self.invitations.is_empty();
        people && self.keys.is_empty() && self.offers.is_empty()
    }
}

impl Operation for RewriteRole {
    type State = Naming;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Naming, StoreError> {
        let members = self.members.iter().map(|user| Key::Member(*user));
        let keys = self.keys.iter().map(|key| Key::ApiKey(*key));
        let invitations = self.invitations.iter().map(|id| Key::Invitation(*id));
        let offers = self.offers.iter().map(|id| Key::Transfer(*id));
        let named = members.chain(keys).chain(invitations).chain(offers);
        view.fetch(named.chain([Key::Role(self.role)])).await?;
        let role = view.get(&self.role).await?;
        let (members, keys, invitations) = (Vec::new(), Vec::new(), Vec::new());
        let mut naming = Naming { role, members, keys, invitations, offers: Vec::new() };
        for user in &self.members {
            naming.members.extend(view.get(&TheMember(*user)).await?);
        }
        for key in &self.keys {
            naming.keys.extend(view.get(key).await?);
        }
        for id in &self.invitations {
            naming.invitations.extend(view.get(id).await?);
        }
        for id in &self.offers {
            naming.offers.extend(view.get(id).await?);
        }
        Ok(naming)
    }

    fn decide(&self, naming: Naming, _: &Facts) -> Result<Decision<()>, Refusal> {
        let mut decision = Decision::unchanged(());
        let Some(next) = naming.role.and_then(|role| role.replaced_by) else { return Ok(decision) };
        let from = RoleRef::Custom(self.role);
        for member in naming.members {
            let access = member.access.with_role(from, next);
            if access != member.access {
                decision.puts.push(Record::Member(Member { access, ..member }));
            }
        }
        for key in naming.keys {
            let access = key.access.with_role(from, next);
            if access != key.access {
                decision.puts.push(Record::ApiKey(ApiKey { access, ..key }));
            }
        }
        for invitation in naming.invitations.into_iter().filter(|it| it.status == InvitationStatus::Pending) {
            let access = invitation.access.with_role(from, next);
            if access != invitation.access {
                decision.puts.push(Record::Invitation(Invitation { access, ..invitation }));
            }
        }
        for offer in naming.offers.into_iter().filter(|it| it.state == TransferState::Pending) {
            if offer.previous_owner_role == from {
                decision.puts.push(Record::Transfer(Transfer { previous_owner_role: next, ..offer }));
            }
        }
        Ok(decision)
    }
}

/// Removes a replaced role that nobody names any more.
#[derive(Debug)]
pub struct DropRole {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub role: RoleId,
}

impl Operation for DropRole {
    type State = Option<Role>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.role).await
    }

    fn decide(&self, role: Option<Role>, _: &Facts) -> Result<Decision<()>, Refusal> {
        let mut decision = Decision::unchanged(());
        if role.is_some_and(|role| role.replaced_by.is_some()) {
            decision.checks = Uses::ALL.map(|uses| Tally::Uses(uses, self.role)).into();
            return Ok(decision.remove(Key::Role(self.role)));
        }
        Ok(decision)
    }
}
