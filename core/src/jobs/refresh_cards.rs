//! Has the lists of many organizations show what a user's record says.

use super::{Held, Interrupted, as_asked};
use crate::flows::refresh::{refresh_cards_in, refresh_user_entry};
use crate::id::UserId;
use crate::model::{Job, Outcome, OutcomeStatus};
use crate::ops::job::Advance;

impl Held {
    /// Organizations that the person comes to meanwhile, behind those that are done or before, copy the record themselves.
    pub(super) async fn refresh_cards(&self, mut job: Job, user: UserId) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        refresh_user_entry(&self.roster, &request, user).await?;
        loop {
            let organizations = self.next_organizations(user, job.cursor.as_deref()).await?;
            let Some(last) = organizations.last() else { return Ok(()) };
            let changed = refresh_cards_in(&self.roster, &request, user, &organizations).await?;
            let outcomes = organizations.iter().zip(changed).map(|(organization, changed)| Outcome {
                item: organization.to_string(),
                line: None,
                status: if changed { OutcomeStatus::Changed } else { OutcomeStatus::Unchanged },
                code: None,
                warning: None,
                detail: None,
            });
            let (outcomes, cursor) = (outcomes.collect(), Some(last.to_string()));
            job = self.say(&request, job.id, Advance { outcomes, cursor, ..Advance::default() }).await?;
        }
    }
}
