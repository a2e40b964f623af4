//! What an organization holds of the person.

use super::{Cut, ExportedOrganization, Exporting, JOB_PARTS, JobItem, PAGE, Piece, Range, Section};
use crate::home::{Home, Key, Record, TheHeldPosts, TheMember, TheOrganization, TheSuccessions, TypedKey};
use crate::id::{InvitationId, JobId, OrganizationId};
use crate::listing::{Listing, PageRequest, Scope};
use crate::log::LogFilter;
use crate::model::customer::{Customer, CustomerKey, ThePresence};
use crate::model::{Invitation, Post, PostName, Posts, Successions};
use crate::op::View;
use crate::reads::ActivityRow;
use crate::reads::key::seen_keys;
use crate::time::date_text;

impl Exporting<'_> {
    /// An organization in which they are or were, or in which they hold a post.
    pub(super) async fn in_organization(&self, organization: OrganizationId) -> Result<(), Cut> {
        let (home, user) = (Home::Organization(organization), self.user.id);
        let Some((head, successions)) = self.head(organization).await? else { return Ok(()) };
        self.put(Piece::Organization(Box::new(head))).await?;
        self.records(organization, &successions).await?;
        self.keys(organization).await?;
        let received = self.invitations(organization).await?;
        let sent = |record| match record {
            Record::Invitation(it) if it.invited_by.user() == Some(user) => Some(it),
            _ => None,
        };
        let listing = Listing::Invitations { organization, status: None, scope: Scope::All };
        self.listed(&listing, sent, Section::InvitationsSent).await?;
        self.mail(&home, &received).await?;
        self.jobs(&home).await?;
        self.activity(organization).await?;
        self.audit(&home).await
    }

    async fn head(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<(ExportedOrganization, Successions)>, Cut> {
        let user = self.user.id;
        let mut view = View::new(self.roster, Home::Organization(organization), self.request);
        let keys = [Key::Organization, Key::Member(user), Key::HeldPosts(user), Key::Successions];
        view.fetch(keys).await?;
        let Some(found) = view.get(&TheOrganization).await? else { return Ok(None) };
        let now = view.now();
        let member = view.get(&TheMember(user)).await?.map(|it| it.at(now).after_cuts(self.user.cuts, now));
        let successions = view.get(&TheSuccessions).await?.unwrap_or_default();
        let posts = view.get(&TheHeldPosts(user)).await?.map(|held| held.posts).unwrap_or_default();
        let presence = ThePresence(user);
        let home = Home::Activity(organization);
        let mut read = self.roster.store.read(&home, &[presence.key()], &[]).await?;
        let presence =
            read.records.remove(&presence.key()).and_then(|stored| ThePresence::pick(stored.record));
        let awaited = self.awaited(organization, &found.posts).await?;
        let posts = posts.into_iter().collect();
        Ok(Some((
            ExportedOrganization { organization: found, member, posts, awaited, presence },
            successions,
        )))
    }

    /// Posts that wait for whoever bears their external id.
    async fn awaited(&self, organization: OrganizationId, own: &Posts) -> Result<Vec<PostName>, Cut> {
        let Some(external) = &self.names.external_id else { return Ok(Vec::new()) };
        let waits = |posts: &Posts| matches!(&posts.account_owner, Some(Post::Mapping { external_id, user: None, .. }) if external_id == external);
        let post = |account| PostName { account, key_role: None };
        let mut found: Vec<PostName> = waits(own).then(|| post(None)).into_iter().collect();
        let listing = Listing::Accounts { organization, status: None, scope: Scope::All };
        let mut page = PageRequest { after: None, limit: PAGE };
        loop {
            let rows = self.roster.store.list(&listing, &page).await?;
            page.after = rows.rows.last().map(|row| row.position.clone());
            found.extend(rows.rows.iter().filter_map(|row| match &row.stored.record {
                Record::Account(it) if waits(&it.posts) => Some(post(Some(it.id))),
                _ => None,
            }));
            if !rows.more {
                return Ok(found);
            }
        }
    }

    async fn records(&self, organization: OrganizationId, successions: &Successions) -> Result<(), Cut> {
        let (user, owners) = (self.user.id, successions.sources(self.user.id));
        let listing = Listing::Holdings { organization, owners, kind: None, scope: Scope::All };
        // As they are, hand-overs that are not written down yet included.
        let theirs = |record| match record {
            Record::Holding(stored) => Some(successions.apply(&stored)).filter(|it| it.owner == user),
            _ => None,
        };
        self.listed(&listing, theirs, Section::Records).await
    }

    async fn keys(&self, organization: OrganizationId) -> Result<(), Cut> {
        self.rows(Section::ApiKeys(Vec::new())).await?;
        let (listing, mut page) =
            (Listing::ApiKeys { organization }, PageRequest { after: None, limit: PAGE });
        loop {
            let found = self.roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let keys = found.rows.into_iter().filter_map(|row| match row.stored.record {
                Record::ApiKey(key) if key.user == Some(self.user.id) => Some(key),
                _ => None,
            });
            let keys = seen_keys(self.roster, organization, keys.collect()).await?;
            if !keys.is_empty() {
                self.rows(Section::ApiKeys(keys)).await?;
            }
            if !found.more {
                return Ok(());
            }
        }
    }

    /// One that was accepted is of whoever did, whomever the address was of before.
    fn asks_them(&self, it: &Invitation) -> bool {
        match it.accepted_by {
            Some(user) => user == self.user.id,
            None => self.names.has(&it.email),
        }
    }

    /// Invitations of theirs, by whatever address. Their ids.
    async fn invitations(&self, organization: OrganizationId) -> Result<Vec<InvitationId>, Cut> {
        self.rows(Section::Invitations(Vec::new())).await?;
        let listing = Listing::Invitations { organization, status: None, scope: Scope::All };
        let (mut ids, mut page) = (Vec::new(), PageRequest { after: None, limit: PAGE });
        loop {
            let found = self.roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let rows = found.rows.into_iter().filter_map(|row| match row.stored.record.at(found.now) {
                Record::Invitation(it) if self.asks_them(&it) => Some(it),
                _ => None,
            });
            let rows: Vec<Invitation> = rows.collect();
            ids.extend(rows.iter().map(|it| it.id));
            if !rows.is_empty() {
                self.rows(Section::Invitations(rows)).await?;
            }
            if !found.more {
                return Ok(ids);
            }
        }
    }

    /// What they did, a row an event and day.
    async fn activity(&self, organization: OrganizationId) -> Result<(), Cut> {
        self.rows(Section::Activity(Vec::new())).await?;
        let first = Key::Customer(CustomerKey::Activity(self.user.id, 0));
        let is_month =
            |record: &Record| matches!(record, Record::Customer(it) if matches!(**it, Customer::Activity(_)));
        let mut range = Range::behind(Home::Activity(organization), first, is_month);
        while let Some(found) = range.next(self.roster).await? {
            let (mut rows, mut over): (Vec<ActivityRow>, bool) = (Vec::new(), found.is_empty());
            for record in found {
                let Record::Customer(it) = record else { continue };
                let Customer::Activity(month) = *it else { continue };
                if month.user != self.user.id {
                    over = true;
                    break;
                }
                for (day, it) in &month.days {
                    rows.extend(it.events.iter().map(|(event, count)| {
                        let day = date_text(month.month, *day);
                        ActivityRow { key: (Some(month.user), Some(event.clone()), Some(day)), count: *count }
                    }));
                }
            }
            if !rows.is_empty() {
                self.rows(Section::Activity(rows)).await?;
            }
            if over {
                break;
            }
        }
        Ok(())
    }

    /// An organization that they never were in. Whether it names them.
    pub(super) async fn named_in(&self, organization: OrganizationId) -> Result<bool, Cut> {
        let home = Home::Organization(organization);
        let Some((head, _)) = self.head(organization).await? else { return Ok(false) };
        self.is_read()?;
        let invited = self.is_invited(organization).await?;
        self.is_read()?;
        let items = self.job_items(&home).await?;
        self.is_read()?;
        let logged = self.roster.store.log(&home, 0, 1, &LogFilter::of_user(self.user.id)).await?;
        if head.awaited.is_empty() && !invited && items.is_empty() && logged.is_empty() {
            return Ok(false);
        }
        self.put(Piece::Organization(Box::new(head))).await?;
        self.rows(Section::Records(Vec::new())).await?;
        self.rows(Section::ApiKeys(Vec::new())).await?;
        let received = self.invitations(organization).await?;
        self.rows(Section::InvitationsSent(Vec::new())).await?;
        self.mail(&home, &received).await?;
        self.rows(Section::Jobs(Vec::new())).await?;
        self.rows(Section::JobItems(items)).await?;
        self.rows(Section::Activity(Vec::new())).await?;
        self.audit(&home).await?;
        Ok(true)
    }

    async fn is_invited(&self, organization: OrganizationId) -> Result<bool, Cut> {
        let listing = Listing::Invitations { organization, status: None, scope: Scope::All };
        let mut page = PageRequest { after: None, limit: PAGE };
        loop {
            let found = self.roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let theirs = |record: &Record| matches!(record, Record::Invitation(it) if self.asks_them(it));
            self.is_read()?;
            if found.rows.iter().any(|row| theirs(&row.stored.record)) {
                return Ok(true);
            }
            if !found.more {
                return Ok(false);
            }
        }
    }

    async fn job_items(&self, home: &Home) -> Result<Vec<JobItem>, Cut> {
        let first = Key::Job(JobId::from_uuid(uuid::Uuid::nil()));
        let of = |record: &Record| matches!(record, Record::Job(_) | Record::JobPart(_));
        let (mut range, mut items) = (Range::behind(home.clone(), first, of).at_once(JOB_PARTS), Vec::new());
        while let Some(found) = range.next(self.roster).await? {
            self.is_read()?;
            items.extend(found.iter().flat_map(|record| self.items(home, record)));
        }
        Ok(items)
    }
}
