//! By what the person is named, kept beside the job until nothing else names them.

use super::super::{Held, Interrupted};
use super::PAGE;
use crate::facts::Request;
use crate::flows::store_parts;
use crate::home::{Home, Key, Record};
use crate::id::{JobId, UserId};
use crate::log::LogFilter;
use crate::model::{JobPart, JobPartId, JobSide, Names, PartContent, User};
use crate::text::Email;

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
        let mut names = Names::default();
        if let Some(user) = self.user(user).await? {
            names.external_id = user.external_id;
            names.addresses.extend(user.email.map(|email| email.key().to_owned()));
        }
        names.addresses.extend(self.earlier_addresses(user).await?);
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

    /// Addresses that the log of their home tells of.
    async fn earlier_addresses(&self, user: UserId) -> Result<Vec<String>, Interrupted> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let entries = self.roster.store.log(&Home::User(user), after, PAGE, &LogFilter::ALL).await?;
            let Some(last) = entries.last() else { return Ok(found) };
            after = last.seq;
            let values = entries.iter().flat_map(|entry| &entry.personal).filter(|it| it.subject == user);
            let texts = values.filter_map(|it| serde_json::from_str::<String>(&it.value).ok());
            found.extend(texts.filter_map(|text| text.parse::<Email>().ok().map(|it| it.key().to_owned())));
        }
    }
}
