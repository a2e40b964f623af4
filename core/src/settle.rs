//! What has ended by time is written down as ended, as `system`.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::model::{Invitation, Member};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Settles records of one home whose end has come; passes over those whose end has not.
#[derive(Debug)]
pub struct SettleDue {
    /// The home.
    pub home: Home,
    /// The records, as the due index named them.
    pub keys: Vec<Key>,
}

impl Operation for SettleDue {
    type State = (Vec<Member>, Vec<Invitation>);
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.keys.iter().cloned()).await?;
        let (mut members, mut invitations) = (Vec::new(), Vec::new());
        for key in view.due() {
            match key {
                Key::Member(user) => members.extend(view.get(&TheMember(user)).await?),
                Key::Invitation(id) => invitations.extend(view.get(&id).await?),
                _ => {}
            }
        }
        let addresses =
            invitations.iter().map(|it: &Invitation| Key::InvitedAddress(it.email.key().to_owned()));
        view.fetch(addresses.collect::<Vec<_>>()).await?;
        Ok((members, invitations))
    }

    fn decide(&self, (members, invitations): Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let decision = members.into_iter().fold(Decision::unchanged(()), |decision, member| {
            let event =
                Event::member("member.expired", member.user).after(json!({"left_at": member.left_at}));
            decision.put(Record::Member(member)).event(event)
        });
        Ok(invitations.into_iter().fold(decision, |decision, invitation| {
            let event = Event::new("invitation.expired", "invitation", invitation.id)
                .after(json!({"expires_at": invitation.expires_at}));
            decision
                .remove(Key::InvitedAddress(invitation.email.key().to_owned()))
                .put(Record::Invitation(invitation))
                .event(event)
        }))
    }
}

impl Record {
    /// What time has made of the record at an instant.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Member(member) => Self::Member(member.at(now)),
            Self::Invitation(invitation) => Self::Invitation(invitation.at(now)),
            other => other,
        }
    }
}
