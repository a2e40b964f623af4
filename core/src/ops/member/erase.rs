//! What an organization keeps of an erased person by name goes: their card, their keys, their posts, the invitations of
//! their address (rule L5).

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::id::{ApiKeyId, InvitationId, OrganizationId, UserId};
use crate::model::{Card, Invitation, InvitationStatus, Member};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::post::HeldRead;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Email;

/// Takes away what names a person in an organization. Done again it changes nothing.
#[derive(Debug)]
pub struct EraseTraces {
    /// Where.
    pub organization: OrganizationId,
    /// Whose.
    pub user: UserId,
    /// What stands in the place of their address.
    pub placeholder: Email,
    /// Invitations of their address, as they were listed.
    pub invitations: Vec<InvitationId>,
    /// Their personal keys, as they were listed.
    pub keys: Vec<ApiKeyId>,
}

impl Operation for EraseTraces {
    type State = (Option<Member>, HeldRead, Vec<Invitation>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let keys = self.keys.iter().map(|id| Key::ApiKey(*id));
        let invitations = self.invitations.iter().map(|id| Key::Invitation(*id));
        view.fetch(keys.chain(invitations).chain([Key::Member(self.user)]).collect::<Vec<_>>()).await?;
        let mut found = Vec::new();
        for id in &self.invitations {
            if let Some(invitation) = view.get(id).await? {
                view.fetch([Key::InvitedAddress(invitation.email.key().to_owned())]).await?;
                found.push(invitation);
            }
        }
        Ok((view.get(&TheMember(self.user)).await?, HeldRead::load(view, self.user).await?, found))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let (member, held, invitations) = read;
        let mut decision = held.forgotten(Decision::unchanged(()));
        if let Some(member) = member.filter(|member| member.card != Card::default()) {
            decision = decision.put(Record::Member(Member { card: Card::default(), ..member }));
        }
        decision.removes.extend(self.keys.iter().map(|id| Key::ApiKey(*id)));
        for invitation in invitations.into_iter().filter(|it| it.email != self.placeholder) {
            let key = invitation.email.key().to_owned();
            let pending = invitation.status == InvitationStatus::Pending;
            let after = if pending {
                decision = decision.remove(Key::InvitedAddress(key)).event(
                    Event::new("invitation.revoked", "invitation", invitation.id)
                        .before(serde_json::json!({"status": invitation.status}))
                        .after(serde_json::json!({"status": InvitationStatus::Revoked})),
                );
                invitation.ended(InvitationStatus::Revoked, facts.now)
            } else {
                invitation
            };
            decision = decision.put(Record::Invitation(Invitation {
                email: self.placeholder.clone(),
                name: None,
                ..after
            }));
        }
        Ok(decision)
    }
}
