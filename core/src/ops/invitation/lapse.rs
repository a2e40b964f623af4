//! Writing down that invitations are dead because whoever stood for them has left (rules M7, S1). Acceptance refuses them
//! without that; it gives back the seats that they hold.

use std::collections::BTreeMap;

use super::overtake::revoked;
use super::scene::{InviterRead, is_overtaken};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{Invitation, InvitationStatus, Inviter, Member, MemberStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::{StoreError, Stored};
use crate::time::Timestamp;

/// Ends those of some invitations whose inviter has left, and one whose address is that of somebody removed since.
#[derive(Debug)]
pub(crate) struct LapseInvitations {
    /// Where.
    pub organization: OrganizationId,
    /// Which may be dead.
    pub invitations: Vec<InvitationId>,
    /// How often people who stand for them have been removed from everything.
    pub cuts: BTreeMap<UserId, u32>,
    /// Whose address it is, where one is looked at, and when they were last removed from everything.
    pub invited: Option<(UserId, Option<Timestamp>)>,
}

/// An invitation with whoever stands for it.
#[derive(Debug)]
pub(crate) struct LapseRead {
    invitation: Invitation,
    inviter: InviterRead,
}

impl Operation for LapseInvitations {
    type State = (Vec<LapseRead>, Option<Member>);
    type Output = usize;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.invitations.iter().map(|id| Key::Invitation(*id))).await?;
        let mut addresses = Vec::new();
        for id in &self.invitations {
            addresses.extend(view.get(id).await?.map(|it| Key::InvitedAddress(it.email.key().to_owned())));
        }
        view.fetch(addresses).await?;
        let mut found = Vec::new();
        for id in &self.invitations {
            if let Some(invitation) = view.get(id).await? {
                let inviter = InviterRead::load(view, invitation.invited_by).await?;
                found.push(LapseRead { invitation, inviter });
            }
        }
        let invited = match self.invited {
            Some((user, _)) => view.get(&TheMember(user)).await?,
            None => None,
        };
        Ok((found, invited))
    }

    fn decide(&self, (found, invited): Self::State, facts: &Facts) -> Result<Decision<usize>, Refusal> {
        let mut decision = Decision::unchanged(0);
        for LapseRead { invitation, inviter } in found {
            let user = invitation.invited_by.user();
            let cuts = user.and_then(|user| self.cuts.get(&user)).copied().unwrap_or(0);
            let pending = invitation.status == InvitationStatus::Pending;
            let cut_at = self.invited.and_then(|(_, cut_at)| cut_at);
            let is_dead = inviter.has_left(&invitation, cuts, facts.now)
                || is_overtaken(&invitation, invited.as_ref(), cut_at);
            if pending && is_dead {
                decision = revoked(decision, &invitation, facts.now);
                decision.output += 1;
            }
        }
        Ok(decision)
    }
}

/// Who has left by a change: members and keys.
pub(crate) fn let_go(seen: &BTreeMap<Key, Option<Stored>>, puts: &[Record], removes: &[Key]) -> Vec<Inviter> {
    let was_in = |after: &Member| match seen.get(&Key::Member(after.user)) {
        Some(Some(Stored { record: Record::Member(before), .. })) => before.status == MemberStatus::Active,
        _ => false,
    };
    let members = puts.iter().filter_map(|record| match record {
        Record::Member(after) if after.status != MemberStatus::Active && was_in(after) => {
            Some(Inviter::User { id: after.user, since: None })
        }
        _ => None,
    });
    let keys = removes.iter().filter_map(|key| match key {
        Key::ApiKey(id) => Some(Inviter::ApiKey { id: *id }),
        _ => None,
    });
    members.chain(keys).collect()
}
