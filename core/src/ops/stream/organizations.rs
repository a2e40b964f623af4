//! How many organizations a source makes.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::Home;
use crate::id::SourceId;
use crate::model::customer::{AT_ONCE, NewOrganizations, TheNewOrganizations};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::{Timestamp, day_start};

/// Lets an organization be made for a group, as long as there are not too many of them today; whether it may be. It is
/// counted before it is made: what is not made after all counts too.
#[derive(Debug)]
pub struct AdmitOrganization {
    /// Whose group.
    pub source: SourceId,
    /// Names it: the same again is let in again, and counts once.
    pub number: Uuid,
    /// How many there may be a day.
    pub most: u32,
}

impl Operation for AdmitOrganization {
    type State = Option<NewOrganizations>;
    type Output = bool;

    fn home(&self) -> Home {
        Home::Stream(self.source, 0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheNewOrganizations).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<bool>, Refusal> {
        let day = day_start(facts.now);
        let none = NewOrganizations { day: Timestamp::EPOCH, count: 0, lately: Vec::new() };
        let mut new = found.unwrap_or(none);
        if new.lately.contains(&self.number) {
            return Ok(Decision::unchanged(true));
        }
        if new.day != day {
            (new.day, new.count) = (day, 0);
        }
        if new.count >= self.most {
            return Ok(Decision::unchanged(false));
        }
        new.count += 1;
        new.lately.push(self.number);
        let old = new.lately.len().saturating_sub(AT_ONCE);
        new.lately.drain(..old);
        Ok(Decision::unchanged(true).put(new.into()))
    }
}
