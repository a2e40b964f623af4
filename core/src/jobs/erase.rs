//! What names an erased person goes: organization by organization, then from their own home, their names last (rule L5).
//! Every step may be done again.

use serde::{Deserialize, Serialize};

use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::claims;
use crate::flows::refresh::refresh_user;
use crate::flows::store_parts;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, InvitationId, JobId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::{ClaimName, ClaimTarget, Job, JobPart, JobPartId, JobSide, PartContent, User};
use crate::op::run;
use crate::ops::job::{Advance, ForgetItems};
use crate::ops::member::EraseTraces;
use crate::ops::user::BlankUser;
use crate::text::{Email, ExternalId, Name};

/// Records of one look, and traces taken away in one commit.
const PAGE: u16 = 200;
const AT_ONCE: usize = 100;

impl Held {
    pub(super) async fn erase(&self, mut job: Job, user: UserId, cuts: u32) -> Result<(), Interrupted> {
        let request = as_asked(&job);
        let kept = JobPartId { job: job.id, side: JobSide::Foreseen, n: 0 };
        let person = self.names(&request, kept, user).await?;
        let named = Named::of(&person);
        loop {
            let organizations = self.next_organizations(user, job.cursor.as_deref()).await?;
            let Some(last) = organizations.last() else { break };
            let mut outcomes = Vec::with_capacity(organizations.len());
            for organization in &organizations {
                let outcome = self.sweep(&request, &job, *organization, user, cuts).await?;
                self.erase_in(&request, *organization, user, &named).await?;
                outcomes.push(outcome);
            }
            let advance = Advance { outcomes, cursor: Some(last.to_string()), ..Advance::default() };
            job = self.say(&request, job.id, advance).await?;
        }
        self.erase_names(&request, user, person).await?;
        let advance = Advance { forgets: vec![kept], ..Advance::default() };
        self.say(&request, job.id, advance).await.map(drop)
    }

    /// What the person is called. It is kept beside the job until nothing else names them: whoever goes on after their
    /// record was blanked knows no more from it what is still to be freed.
    async fn names(&self, request: &Request, kept: JobPartId, user: UserId) -> Result<Names, Interrupted> {
        if let Some(PartContent::Items(items)) = self.part(kept.job, kept.side, u64::from(kept.n)).await?
            && let [names] = items.as_slice()
        {
            return serde_json::from_str(names).map_err(|bad| Interrupted::Hopeless(bad.to_string()));
        }
        let names = self.user(user).await?.map(Names::of).unwrap_or_default();
        let text = serde_json::to_string(&names).map_err(|bad| Interrupted::Hopeless(bad.to_string()))?;
        let part = JobPart { id: kept, content: PartContent::Items(vec![text]) };
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

    async fn erase_in(
        &self,
        request: &Request,
        organization: OrganizationId,
        user: UserId,
        named: &Named,
    ) -> Result<(), Interrupted> {
        let placeholder: Email = format!("{user}@erased.invalid")
            .parse()
            .map_err(|_| Interrupted::Hopeless("no address can stand in the place of theirs".into()))?;
        let invitations = self.invitations_of(organization, user, named).await?;
        let keys = self.keys_of(organization, user).await?;
        let mut chunks: Vec<(Vec<InvitationId>, Vec<ApiKeyId>)> =
            invitations.chunks(AT_ONCE).map(|chunk| (chunk.to_vec(), Vec::new())).collect();
        chunks.extend(keys.chunks(AT_ONCE).map(|chunk| (Vec::new(), chunk.to_vec())));
        chunks.push((Vec::new(), Vec::new()));
        for (n, (invitations, keys)) in chunks.into_iter().enumerate() {
            let placeholder = placeholder.clone();
            let operation = EraseTraces { organization, user, placeholder, invitations, keys };
            let request = request.as_system(&format!("traces {organization} {n}"));
            run(&self.roster, &request, &operation).await?;
        }
        self.forget_items(request, &Home::Organization(organization), named).await?;
        Ok(self.roster.store.forget(&Home::Organization(organization), user).await?)
    }

    /// Invitations that asked the person in.
    async fn invitations_of(
        &self,
        organization: OrganizationId,
        user: UserId,
        named: &Named,
    ) -> Result<Vec<InvitationId>, Interrupted> {
        let listing = Listing::Invitations { organization, status: None, scope: Scope::All };
        let (mut found, mut page) = (Vec::new(), PageRequest { after: None, limit: PAGE });
        loop {
            let rows = self.roster.store.list(&listing, &page).await?;
            page.after = rows.rows.last().map(|row| row.position.clone());
            for row in rows.rows {
                match row.stored.record {
                    Record::Invitation(it)
                        if it.accepted_by == Some(user) || named.email.as_deref() == Some(it.email.key()) =>
                    {
                        found.push(it.id);
                    }
                    _ => {}
                }
            }
            if !rows.more {
                return Ok(found);
            }
        }
    }

    async fn keys_of(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<ApiKeyId>, Interrupted> {
        let (mut found, mut page) = (Vec::new(), PageRequest { after: None, limit: PAGE });
        loop {
            let rows = self.roster.store.list(&Listing::ApiKeys { organization }, &page).await?;
            page.after = rows.rows.last().map(|row| row.position.clone());
            for row in rows.rows {
                match row.stored.record {
                    Record::ApiKey(key) if key.user == Some(user) => found.push(key.id),
                    _ => {}
                }
            }
            if !rows.more {
                return Ok(found);
            }
        }
    }

    /// What jobs of a home took and gave about the person: the items that name them.
    async fn forget_items(&self, request: &Request, home: &Home, named: &Named) -> Result<(), Interrupted> {
        let mut after = Key::Job(JobId::from_uuid(uuid::Uuid::nil()));
        loop {
            let found = self.roster.store.records(home, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            for stored in found {
                let (job, part, stands) = match &stored.record {
                    Record::Job(job) => (job.id, None, named.stands_in(&job.fresh)),
                    Record::JobPart(part) => (part.id.job, Some(part.id), named.stands_in(&part.content)),
                    _ => return Ok(()),
                };
                if stands {
                    let operation = ForgetItems { home: home.clone(), job, part, names: named.all() };
                    run(&self.roster, &request.as_system("items"), &operation).await?;
                }
            }
        }
    }

    /// The person's own home: what names them, what the log says of it, then the names, the address last.
    async fn erase_names(&self, request: &Request, user: UserId, names: Names) -> Result<(), Interrupted> {
        let target = ClaimTarget::User(user);
        let mut leaving: Vec<ClaimName> = Vec::new();
        if let Some(external) = &names.external_id {
            claims::take(&self.roster, request, &[claims::erased(&self.roster, external)], target).await?;
            leaving.push(ClaimName::UserExternalId(external.clone()));
        }
        leaving.extend(names.email.as_ref().map(ClaimName::email));
        let held = claims::standing(&self.roster, &leaving, target).await?;
        run(&self.roster, &request.as_system("blank"), &BlankUser { user }).await?;
        refresh_user(&self.roster, request, user).await?;
        self.roster.store.forget(&Home::User(user), user).await?;
        held.give_back(&self.roster, request).await?;
        for name in leaving {
            self.roster.store.forget(&Home::Claim(name), user).await?;
        }
        Ok(())
    }
}

/// What a person is called.
#[derive(Default, Serialize, Deserialize)]
struct Names {
    email: Option<Email>,
    external_id: Option<ExternalId>,
    name: Option<Name>,
}

impl Names {
    fn of(user: User) -> Self {
        Self { email: user.email, external_id: user.external_id, name: user.name }
    }
}

/// By what a person is named.
struct Named {
    /// The key of their address.
    email: Option<String>,
    texts: Vec<String>,
}

impl Named {
    fn of(names: &Names) -> Self {
        let email = names.email.as_ref().map(|email| email.key().to_owned());
        let shown = names.email.as_ref().map(ToString::to_string);
        let external = names.external_id.as_ref().map(ToString::to_string);
        let name = names.name.as_ref().map(ToString::to_string);
        let texts = email.clone().into_iter().chain(shown).chain(external).chain(name).collect();
        Self { email, texts }
    }

    fn all(&self) -> Vec<String> {
        self.texts.clone()
    }

    fn stands_in(&self, content: &impl serde::Serialize) -> bool {
        serde_json::to_string(content)
            .is_ok_and(|text| self.texts.iter().any(|name| text.contains(name.as_str())))
    }
}
