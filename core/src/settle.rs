//! What has ended by time is written down as ended, as `system`.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::model::{Invitation, MAX_POSTS, Member, NoteKey};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::post::HeldRead;
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
    type State = (Vec<(Member, HeldRead)>, Vec<Invitation>, Vec<NoteKey>);
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.keys.iter().cloned()).await?;
        let (mut members, mut invitations, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for key in view.due() {
            match key {
                Key::Member(user) => {
                    if let Some(member) = view.get(&TheMember(user)).await? {
                        members.push((member, HeldRead::load(view, user).await?));
                    }
                }
                Key::Invitation(id) => invitations.extend(view.get(&id).await?),
                Key::Note(note) => notes.push(note),
                _ => {}
            }
        }
        let addresses =
            invitations.iter().map(|it: &Invitation| Key::InvitedAddress(it.email.key().to_owned()));
        view.fetch(addresses.collect::<Vec<_>>()).await?;
        Ok((members, invitations, notes))
    }

    fn decide(
        &self,
        (members, invitations, notes): Self::State,
        facts: &Facts,
    ) -> Result<Decision<()>, Refusal> {
        let notes = notes.into_iter().map(Key::Note);
        let mut decision = notes.fold(Decision::unchanged(()), Decision::remove);
        for (member, held) in members {
            // Those who hold many posts wait for the next time.
            if !decision.puts.is_empty() && decision.puts.len() + held.posts().len() > MAX_POSTS {
                continue;
            }
            let event =
                Event::member("member.expired", member.user).after(json!({"left_at": member.left_at}));
            let left = member.left_at.unwrap_or(facts.now);
            decision = held.all_vacated(decision.put(Record::Member(member)).event(event), left);
        }
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
            Self::Transfer(transfer) => Self::Transfer(transfer.at(now)),
            other => other,
        }
    }
}
