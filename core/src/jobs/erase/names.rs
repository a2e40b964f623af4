//! By what the person is named, kept beside the job until nothing else names them.

use super::super::{Held, Interrupted};
use crate::facts::Request;
use crate::flows::{all_names, store_parts};
use crate::home::{Home, Key, Record};
use crate::id::{JobId, UserId};
use crate::model::{JobPart, JobPartId, JobSide, Names, PartContent, User};

impl Held {
    /// What the person is and was called. Whoever goes on after their record was blanked, by this job or another one, knows
    /// no more from it what is still to be freed.
    pub(super) async fn names(&self, request: &Request, user: UserId) -> Result<Names, Interrupted> {
        let id = JobPartId { job: JobId::from_uuid(user.uuid()), side: JobSide::Foreseen, n: 0 };
        if let Some(PartContent::Items(items)) = self.part(id.job, id.side, u64::from(id.n)).await?
            && let [names] = items.as_slice()
        {
            return serde_json::from_str(names).map_err(|bad| Interrupted::Hopeless(bad.to_string()));
        }
        let names = match self.user(user).await? {
            Some(user) => all_names(&self.roster, &user).await?,
            None => Names::default(),
        };
        let text = serde_json::to_string(&names).map_err(|bad| Interrupted::Hopeless(bad.to_string()))?;
        let part = JobPart { id, content: PartContent::Items(vec![text]) };
        store_parts(&self.roster, request, &self.home, vec![part], "names").await?;
        Ok(names)
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Interrupted> {
        let mut read = self.roster.store.read(&Home::User(id), &[Key::User], &[]).await?;
        Ok(match read.records.remove(&Key::User).map(|stored| stored.record) {
            Some(Record::User(user)) => Some(user),
            _ => None,
        })
    }
}
