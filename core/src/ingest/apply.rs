//! Applying one message (rules G2, G4, G6, G7, M9).

use serde_json::{Map, Value};

use super::message::{self, Company, Kind, Message};
use super::places::{account_among, account_of, organization_of};
use super::removals::Removals;
use super::signs::{Signs, give_early, standing, was_in};
use super::tenants::{name_of, organization_for};
use super::{Unapplied, people, reach};
use crate::facts::Request;
use crate::flows::refresh::{refresh_card, refresh_organization, tidied};
use crate::flows::{NewAccount, create_account, map_owner};
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId, Version};
use crate::model::customer::{Groups, Sign, Source};
use crate::model::{TraitPatch, User};
use crate::op::{Roster, run};
use crate::ops::account::SetAccountBySource;
use crate::ops::member::{LinkBySource, Linked, RemoveFromAccount, SetRole, UnlinkBySource};
use crate::ops::organization::SetOrganizationBySource;
use crate::ops::pointer::PointToOrganization;
use crate::reference::AccountRef;
use crate::refusal::{OpError, Refusal};
use crate::text::ExternalId;
use crate::time::Timestamp;

/// How often a link is looked at afresh when the membership changes meanwhile.
const TRIES: u32 = 5;

/// What a message is applied in.
#[derive(Debug)]
pub(super) struct Applying<'a> {
    pub roster: &'a Roster,
    pub source: &'a Source,
    /// With ids of the message's own.
    pub request: &'a Request,
    /// What is known of who took what from whom.
    pub removals: &'a Removals,
}

impl Applying<'_> {
    /// Applies one, the so-manieth of its request.
    pub async fn apply(&self, n: usize, message: &Message, signs: &mut Signs) -> Result<(), Unapplied> {
        match message.kind {
            Kind::Identify => Box::pin(self.identify(message)).await,
            Kind::Group | Kind::Link if !message.leaves => self.group(message).await,
            Kind::Group | Kind::Unlink | Kind::Link => self.unlink(message).await,
            Kind::Track | Kind::Page | Kind::Screen => self.sign(n, message, signs).await,
            Kind::Alias => self.alias(message).await,
        }
    }

    async fn identify(&self, message: &Message) -> Result<(), Unapplied> {
        let Some(external) = &message.user else { return Ok(()) };
        let (comes_to, leaves) = match &message.company {
            Some(company) if company.remove => (None, Some(company)),
            company => (company.as_ref(), None),
        };
        reach::require(self, message).await?;
        let user = people::identify(self, external, &message.traits, message.at).await?;
        if let Some(company) = comes_to {
            self.join(company, &user, message.at).await?;
        }
        match leaves {
            Some(company) => self.leave(user.id, &company.group, &company.traits, message.at).await.map(drop),
            None => Ok(()),
        }
    }

    async fn join(&self, company: &Company, user: &User, at: Timestamp) -> Result<(), Unapplied> {
        let (organization, account) = self.account(None, &company.group, &company.traits, at).await?;
        self.link(organization, account, user, at).await
    }

    async fn group(&self, message: &Message) -> Result<(), Unapplied> {
        let group = message.group.as_ref().ok_or(Unapplied::Dead("missing_group_id"))?;
        // A link has no traits that could say in which organization.
        let user = message.user.as_ref().filter(|_| message.kind == Kind::Link);
        if let Some(external) = &message.user {
            // Nothing is made because of a message about an erased person.
            people::known(self.roster, external).await?;
        }
        // What is said of the account is the organization's own affair, whoever is to come into it.
        let reached = match reach::require(self, message).await {
            Err(Unapplied::Dead(reach::ELSEWHERE)) => Err(Unapplied::Dead(reach::ELSEWHERE)),
            told => Ok(told?),
        };
        let (organization, account) = self.account(user, group, &message.traits, message.at).await?;
        let Some(external) = &message.user else { return Ok(()) };
        reached?;
        let user = people::known_or_new(self.roster, self.request, external, None).await?;
        self.link(organization, account, &user, message.at).await
    }

    async fn unlink(&self, message: &Message) -> Result<(), Unapplied> {
        let group = message.group.as_ref().ok_or(Unapplied::Dead("missing_group_id"))?;
        let external = message.user.as_ref().ok_or(Unapplied::Dead("missing_user_id"))?;
        reach::require(self, message).await?;
        let user = people::known(self.roster, external).await?;
        let user = user.ok_or(Unapplied::Dead("user_not_found"))?;
        let (organization, account) = self.leave(user.id, group, &message.traits, message.at).await?;
        // Whoever goes, what is said of the account holds (rule G2).
        if message.kind == Kind::Group && !message.traits.is_empty() {
            self.say_of(organization, account, &message.traits, message.at).await?;
        }
        Ok(())
    }

    /// The account of a group, made if there is none, with what is said about it. Where nothing says in which organization,
    /// it is one of the user's accounts.
    async fn account(
        &self,
        user: Option<&ExternalId>,
        group: &ExternalId,
        traits: &Map<String, Value>,
        at: Timestamp,
    ) -> Result<(OrganizationId, AccountId), Unapplied> {
        let found = organization_for(self, group, traits, at).await?;
        let (organization, account) = match found {
            Some(organization) => match account_of(self.roster, organization, group).await? {
                Some(account) => (organization, account),
                None => (organization, self.new_account(organization, group, traits).await?),
            },
            None => self.account_of_user(user, group).await?,
        };
        self.say_of(organization, account, traits, at).await?;
        Ok((organization, account))
    }

    /// Notes what is said about an account, and has its owner follow.
    async fn say_of(
        &self,
        organization: OrganizationId,
        account: AccountId,
        traits: &Map<String, Value>,
        at: Timestamp,
    ) -> Result<(), Unapplied> {
        let (source, name, traits) = (self.source.id, message::name(traits), message::patch(traits));
        if self.source.groups == Groups::Each {
            let (name, traits) = (name.clone(), traits.clone());
            let operation = SetOrganizationBySource { organization, source, at, name, traits };
            let step = self.request.step("organization");
            if run(self.roster, &step, &operation).await?.output {
                tidied(refresh_organization(self.roster, &step, organization).await);
            }
        }
        let set = traits.clone();
        let operation = SetAccountBySource { organization, account, source, at, name, traits };
        run(self.roster, &self.request.step("account traits"), &operation).await?;
        // Whom its traits name (rule T2).
        self.map(organization, Some(account), &set).await?;
        if self.source.groups == Groups::Each {
            self.map(organization, None, &set).await?;
        }
        Ok(())
    }

    /// Has the owner follow the trait. That it cannot is no reason not to link anybody.
    async fn map(
        &self,
        organization: OrganizationId,
        account: Option<AccountId>,
        set: &TraitPatch,
    ) -> Result<(), Unapplied> {
        match map_owner(self.roster, &self.request.step("owner"), organization, account, Some(set)).await {
            Ok(_) => Ok(()),
            Err(error @ OpError::Refused(_)) => {
                tracing::warn!(%organization, %error, "an owner does not follow their trait");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An account that exists in one of the organizations of a user who is known.
    async fn account_of_user(
        &self,
        user: Option<&ExternalId>,
        group: &ExternalId,
    ) -> Result<(OrganizationId, AccountId), Unapplied> {
        const MISSING: Unapplied = Unapplied::Dead("missing_organization");
        let Some(user) = user else { return Err(MISSING) };
        let Some(user) = people::known(self.roster, user).await? else { return Err(MISSING) };
        match account_among(self.roster, user.id, group).await {
            Err(Unapplied::Dead(code)) if code == Refusal::NotFound.code() => Err(MISSING),
            found => found,
        }
    }

    async fn new_account(
        &self,
        organization: OrganizationId,
        group: &ExternalId,
        traits: &Map<String, Value>,
    ) -> Result<AccountId, Unapplied> {
        let name = message::name(traits).map_or_else(|| name_of(group), Ok)?;
        let new = NewAccount { name, external_id: Some(group.clone()), traits: TraitPatch::default() };
        let made = create_account(self.roster, &self.request.step("account"), organization, &new, None).await;
        match made {
            Ok(done) => Ok(done.output.id),
            // Another was quicker.
            Err(OpError::Refused(Refusal::ExternalIdExists)) => {
                let found = account_of(self.roster, organization, group).await?;
                found.ok_or(Unapplied::Dead("external_id_exists"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn link(
        &self,
        organization: OrganizationId,
        account: AccountId,
        user: &User,
        at: Timestamp,
    ) -> Result<(), Unapplied> {
        let pointer = PointToOrganization { user: user.id, organization };
        for _ in 0..TRIES {
            let (seen, by_hand) = self.out_by_hand(organization, account, user.id).await?;
            let cuts = run(self.roster, &self.request.as_system("pointer"), &pointer).await?.output.number;
            let set = SetRole {
                organization,
                account: AccountRef::Id(account),
                user: user.id,
                card: user.card(),
                cuts,
                role: self.source.default_role,
                only_known: false,
            };
            let operation = LinkBySource { set, at, seen, by_hand };
            match run(self.roster, &self.request.step("link"), &operation).await {
                Ok(done) => {
                    let shown = user.card();
                    tidied(refresh_card(self.roster, self.request, organization, user.id, shown).await);
                    return match done.output {
                        Linked::RemovedByHand => Err(Unapplied::Dead("removed_by_hand")),
                        Linked::Outdated => Ok(()),
                        Linked::Yes => {
                            let step = self.request.step("early");
                            Ok(give_early(self.roster, &step, self.source, organization, user.id).await?)
                        }
                    };
                }
                Err(OpError::Refused(Refusal::Conflict)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Unapplied::Later(Refusal::Conflict.into()))
    }

    /// Whether the last to take an account from a user was no source, by the log; with the membership as it was before the
    /// log was read.
    async fn out_by_hand(
        &self,
        organization: OrganizationId,
        account: AccountId,
        user: UserId,
    ) -> Result<(Option<Version>, bool), Unapplied> {
        let home = Home::Organization(organization);
        let key = Key::Member(user);
        let read = self.roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
        let Some(stored) = read.records.get(&key) else { return Ok((None, false)) };
        let version = Some(stored.version);
        if matches!(&stored.record, Record::Member(member) if member.access.role_on(account).is_some()) {
            return Ok((version, false));
        }
        Ok((version, self.removals.by_hand(self.roster, organization, account, user).await?))
    }

    async fn leave(
        &self,
        user: UserId,
        group: &ExternalId,
        traits: &Map<String, Value>,
        at: Timestamp,
    ) -> Result<(OrganizationId, AccountId), Unapplied> {
        let found = organization_of(self.roster, self.source, group, traits).await?;
        let (organization, account) = match found {
            Some(organization) => {
                let account = account_of(self.roster, organization, group).await?;
                (organization, account.ok_or(Unapplied::Dead("account_not_found"))?)
            }
            None => account_among(self.roster, user, group).await?,
        };
        let remove = RemoveFromAccount { organization, account: AccountRef::Id(account), user };
        let operation = UnlinkBySource { remove, at };
        run(self.roster, &self.request.step("unlink"), &operation).await?;
        Ok((organization, account))
    }

    async fn sign(&self, n: usize, message: &Message, signs: &mut Signs) -> Result<(), Unapplied> {
        let Some(external) = &message.user else { return Ok(()) };
        match reach::require(self, message).await {
            // What somebody did here while they were here counts, wherever they are now.
            Err(Unapplied::Dead(reach::ELSEWHERE)) if self.was_here(external, message).await? => {}
            told => told?,
        }
        let user = people::known_or_new(self.roster, self.request, external, None).await?.id;
        let named = match (&self.source.groups, &message.group) {
            (Groups::One(organization), _) => Some(*organization),
            (Groups::Each | Groups::Trait(_), Some(group)) => self.place_of(user, group, message).await?,
            (Groups::Each | Groups::Trait(_), None) => None,
        };
        let messages = &self.source.events;
        let sent = messages.message_sent.contains(&message.event);
        let sign = Sign {
            message: n,
            at: message.at,
            event: message.event.clone(),
            session: message.session.clone().filter(|_| !sent),
            received: messages.message_received.contains(&message.event),
            sent,
        };
        signs.add(user, named, sign);
        Ok(())
    }

    /// Whether somebody was in the one organization of the source when they did something.
    async fn was_here(&self, external: &ExternalId, message: &Message) -> Result<bool, Unapplied> {
        let Groups::One(organization) = &self.source.groups else { return Ok(false) };
        let Some(user) = people::known(self.roster, external).await? else { return Ok(false) };
        let member = standing(self.roster, *organization, user.id).await?;
        Ok(member.is_some_and(|member| was_in(&member, message.at)))
    }

    /// The organization that a group lies in: where nothing says which, one of the user's that has such an account.
    async fn place_of(
        &self,
        user: UserId,
        group: &ExternalId,
        message: &Message,
    ) -> Result<Option<OrganizationId>, Unapplied> {
        let found = organization_of(self.roster, self.source, group, &message.traits).await?;
        if found.is_some() {
            return Ok(found);
        }
        match account_among(self.roster, user, group).await {
            Ok((organization, _)) => Ok(Some(organization)),
            Err(Unapplied::Dead(code)) if code == Refusal::NotFound.code() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Two known users are not made one; an id that was never used is not a person.
    async fn alias(&self, message: &Message) -> Result<(), Unapplied> {
        let (Some(user), Some(previous)) = (&message.user, &message.previous) else {
            return Err(Unapplied::Dead("missing_user_id"));
        };
        if user == previous {
            return Ok(());
        }
        let known = people::known(self.roster, user).await?;
        match (known, people::known(self.roster, previous).await?) {
            (Some(_), Some(_)) => Err(Unapplied::Dead("alias_of_two_users")),
            (None, Some(_)) => Err(Unapplied::Dead("external_id_immutable")),
            (_, None) => Ok(()),
        }
    }
}
