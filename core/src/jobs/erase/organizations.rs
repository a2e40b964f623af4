//! What an organization keeps of the person by name.

use super::super::Interrupted;
use super::{AT_ONCE, Erasing, PAGE};
use crate::flows::mappings_in;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AccountId, ApiKeyId, InvitationId, JobId, OrganizationId};
use crate::ingest::as_external_id;
use crate::last_use::forget_last_uses;
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::customer::{Customer, TheMapped};
use crate::model::{Post, Posts, Traits};
use crate::op::run;
use crate::ops::job::ForgetItems;
use crate::ops::member::EraseTraces;
use crate::ops::post::ForgetMapped;
use crate::text::{Email, ExternalId};

impl Erasing<'_> {
    pub(super) async fn erase_in(&mut self, organization: OrganizationId) -> Result<(), Interrupted> {
        let user = self.user;
        let placeholder: Email = format!("{user}@erased.invalid")
            .parse()
            .map_err(|_| Interrupted::Hopeless("no address can stand in the place of theirs".into()))?;
        let invitations = self.invitations_of(organization).await?;
        let keys = self.keys_of(organization).await?;
        let mut chunks: Vec<(Vec<InvitationId>, Vec<ApiKeyId>)> =
            invitations.chunks(AT_ONCE).map(|chunk| (chunk.to_vec(), Vec::new())).collect();
        chunks.extend(keys.chunks(AT_ONCE).map(|chunk| (Vec::new(), chunk.to_vec())));
        chunks.push((Vec::new(), Vec::new()));
        for (n, (invitations, keys)) in chunks.into_iter().enumerate() {
            let placeholder = placeholder.clone();
            let gone = keys.clone();
            let operation = EraseTraces { organization, user, placeholder, invitations, keys };
            let request = self.request.as_system(&format!("traces {organization} {n}"));
            run(&self.held.roster, &request, &operation).await?;
            forget_last_uses(&self.held.roster, &request, organization, gone).await?;
            self.go_on().await?;
        }
        if let Some(external) = self.names.external_id.clone() {
            self.mapped_in(organization, &external).await?;
        }
        self.items_in(&Home::Organization(organization)).await?;
        Ok(self.held.roster.store.forget(&Home::Organization(organization), user).await?)
    }

    /// Invitations that asked the person in, by whatever address.
    async fn invitations_of(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Vec<InvitationId>, Interrupted> {
        let listing = Listing::Invitations { organization, status: None, scope: Scope::All };
        let (mut found, mut page) = (Vec::new(), PageRequest { after: None, limit: PAGE });
        loop {
            let rows = self.held.roster.store.list(&listing, &page).await?;
            page.after = rows.rows.last().map(|row| row.position.clone());
            for row in rows.rows {
                match row.stored.record {
                    Record::Invitation(it)
                        if it.accepted_by == Some(self.user) || self.names.has(&it.email) =>
                    {
                        found.push(it.id);
                    }
                    _ => {}
                }
            }
            if !rows.more {
                return Ok(found);
            }
            self.go_on().await?;
        }
    }

    async fn keys_of(&mut self, organization: OrganizationId) -> Result<Vec<ApiKeyId>, Interrupted> {
        let (mut found, mut page) = (Vec::new(), PageRequest { after: None, limit: PAGE });
        loop {
            let rows = self.held.roster.store.list(&Listing::ApiKeys { organization }, &page).await?;
            page.after = rows.rows.last().map(|row| row.position.clone());
            for row in rows.rows {
                match row.stored.record {
                    Record::ApiKey(key) if key.user == Some(self.user) => found.push(key.id),
                    _ => {}
                }
            }
            if !rows.more {
                return Ok(found);
            }
            self.go_on().await?;
        }
    }

    /// Posts that wait for the person, on the organization and on its accounts, what traits said of them, and where traits
    /// name them now: a post may be about to wait for them there.
    async fn mapped_in(
        &mut self,
        organization: OrganizationId,
        external: &ExternalId,
    ) -> Result<(), Interrupted> {
        let mappings = mappings_in(&self.held.roster, organization).await?;
        let names = |account: Option<AccountId>, traits: &Traits| {
            let named = mappings.of(account).and_then(|name| traits.get(name)).and_then(as_external_id);
            named.as_ref() == Some(external)
        };
        let waits = |posts: &Posts| matches!(&posts.account_owner, Some(Post::Mapping { external_id, .. }) if external_id == external);
        let home = Home::Organization(organization);
        let read = self.held.roster.store.read(&home, &[Key::Organization], &[]).await?;
        let own = read.records.values().filter_map(|stored| match &stored.record {
            Record::Organization(it) => Some((None, waits(&it.posts) || names(None, &it.traits))),
            _ => None,
        });
        self.mapped_on(organization, external, own.collect()).await?;
        let listing = Listing::Accounts { organization, status: None, scope: Scope::All };
        let mut page = PageRequest { after: None, limit: PAGE };
        loop {
            let found = self.held.roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let places = found.rows.iter().filter_map(|row| match &row.stored.record {
                Record::Account(it) => {
                    Some((Some(it.id), waits(&it.posts) || names(Some(it.id), &it.traits)))
                }
                _ => None,
            });
            self.mapped_on(organization, external, places.collect()).await?;
            if !found.more {
                return Ok(());
            }
            self.go_on().await?;
        }
    }

    async fn mapped_on(
        &self,
        organization: OrganizationId,
        external: &ExternalId,
        places: Vec<(Option<AccountId>, bool)>,
    ) -> Result<(), Interrupted> {
        let note = |account: Option<AccountId>| TheMapped::of(organization, account).key();
        let keys: Vec<Key> = places.iter().map(|(account, _)| note(*account)).collect();
        let read = self.held.roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
        let noted = |key: &Key| {
            let found = read.records.get(key).map(|stored| &stored.record);
            matches!(found, Some(Record::Customer(it)) if matches!(&**it, Customer::Mapped(it) if it.external.as_ref() == Some(external)))
        };
        let places = places.into_iter().zip(&keys).filter(|((_, is_one), key)| *is_one || noted(key));
        let accounts: Vec<Option<AccountId>> = places.map(|((account, _), _)| account).collect();
        for (n, accounts) in accounts.chunks(AT_ONCE).enumerate() {
            let operation =
                ForgetMapped { organization, external: external.clone(), accounts: accounts.to_vec() };
            let request = self.request.as_system(&format!("mapped {organization} {n}"));
            run(&self.held.roster, &request, &operation).await?;
        }
        Ok(())
    }

    /// What jobs of a home took and gave about the person: the items that are their names, and why they asked. A job that is
    /// at it meanwhile may say once more what it read before; of items that have gone it says nothing again.
    async fn items_in(&mut self, home: &Home) -> Result<(), Interrupted> {
        // A job is read before its parts: what went from one to the other meanwhile is found the second time.
        let mut clean = 0;
        while clean < 2 {
            clean = if self.any_items_in(home).await? { 0 } else { clean + 1 };
        }
        Ok(())
    }

    /// Goes through them; whether there were any.
    async fn any_items_in(&mut self, home: &Home) -> Result<bool, Interrupted> {
        let mut any = false;
        let mut after = Key::Job(JobId::from_uuid(uuid::Uuid::nil()));
        loop {
            let found = self.held.roster.store.records(home, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(any) };
            after = last.record.key();
            for stored in found {
                let (job, part) = match &stored.record {
                    Record::Job(job) => (job.id, None),
                    Record::JobPart(part) => (part.id.job, Some(part.id)),
                    _ => return Ok(any),
                };
                let (home, user, names) = (home.clone(), self.user, self.names.clone());
                let operation = ForgetItems { home, job, part, user, names };
                if operation.concerns(&stored.record) {
                    any = true;
                    run(&self.held.roster, &self.request.as_system("items"), &operation).await?;
                }
            }
            self.go_on().await?;
        }
    }
}
