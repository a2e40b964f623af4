//! What has ended by time is written down as ended, as `system`.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::model::Member;
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
    type State = Vec<Member>;
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Vec<Member>, StoreError> {
        view.fetch(self.keys.iter().cloned()).await?;
        let mut members = Vec::new();
        for key in view.due() {
            if let Key::Member(user) = key {
                members.extend(view.get(&TheMember(user)).await?);
            }
        }
        Ok(members)
    }

    fn decide(&self, members: Vec<Member>, _: &Facts) -> Result<Decision<()>, Refusal> {
        Ok(members.into_iter().fold(Decision::unchanged(()), |decision, member| {
            let event =
                Event::member("member.expired", member.user).after(json!({"left_at": member.left_at}));
            decision.put(Record::Member(member)).event(event)
        }))
    }
}

impl Record {
    /// What time has made of the record at an instant.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Member(member) => Self::Member(member.at(now)),
            other => other,
        }
    }
}
