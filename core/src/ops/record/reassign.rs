//! Handing records over: one commit whatever their number; a job rewrites them afterwards (rule L7).

use std::collections::BTreeMap;

use serde_json::json;

use super::reach;
use crate::facts::Facts;
use crate::home::{Home, Key, Record, Tally, TheMember, TheRecordTypes, TheSuccessions};
use crate::id::{AccountId, JobId, OrganizationId, UserId};
use crate::model::{
    AccountStatus, HoldingTypes, Job, MAX_SUCCESSIONS, Member, Succession, Successions, Work,
};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::job::Asked;
use crate::ops::member::find_accounts;
use crate::reference::AccountRef;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::RecordType;
use crate::time::Timestamp;

/// What a hand-over of records needs to know.
#[derive(Clone, Debug)]
pub(crate) struct HandOver {
    /// How many records of each type the person has, by number.
    pub owned: BTreeMap<u16, i64>,
    /// The types.
    pub types: HoldingTypes,
    successions: Successions,
    found: Option<Job>,
}

/// To whom, and what.
#[derive(Clone, Debug)]
pub(crate) struct Terms<'a> {
    pub organization: OrganizationId,
    pub from: UserId,
    pub to: UserId,
    pub kind: Option<&'a RecordType>,
    pub account: Option<AccountId>,
    pub asked: &'a Asked,
}

impl HandOver {
    /// Reads what somebody owns.
    pub async fn load(view: &mut View<'_>, from: UserId, job: Option<JobId>) -> Result<Self, StoreError> {
        let keys = [Key::RecordTypes, Key::Successions].into_iter();
        view.fetch(keys.chain(job.map(Key::Job)).collect::<Vec<_>>()).await?;
        let types = view.get(&TheRecordTypes).await?.unwrap_or_default();
        let numbers: Vec<u16> = types.numbered().map(|(number, _)| number).collect();
        let tallies: Vec<Tally> = numbers.iter().map(|number| Tally::Holdings(from, *number)).collect();
        let sums = view.tallies(&tallies).await?;
        let owned = numbers.into_iter().filter_map(|number| {
            let sum = sums.get(&Tally::Holdings(from, number)).copied().unwrap_or(0);
            (sum != 0).then_some((number, sum))
        });
        Ok(Self {
            owned: owned.collect(),
            successions: view.get(&TheSuccessions).await?.unwrap_or_default(),
            found: match job {
                Some(job) => view.get(&job).await?,
                None => None,
            },
            types,
        })
    }

    /// Whether anything is to be handed over: records that they own, or that are on their way to them by an earlier
    /// hand-over on one account, which nobody counts.
    pub fn is_needed(&self, from: UserId) -> bool {
        !self.owned.is_empty() || self.successions.open.iter().any(|one| one.to == from && !one.done)
    }

    /// The same decision, by which the records are handed over, and the job that rewrites them. The tallies must be as
    /// they were read when it commits.
    pub fn decide<T>(
        self,
        decision: Decision<T>,
        terms: &Terms<'_>,
        facts: &Facts,
    ) -> Result<Decision<(T, Job)>, Refusal> {
        if let Some(job) = self.found {
            return Ok(decision.with(job));
        }
        let Self { owned, types, mut successions, .. } = self;
        if successions.open.len() >= MAX_SUCCESSIONS {
            return Err(Refusal::Conflict);
        }
        let wanted = terms.kind.map(|kind| types.number(kind));
        let mut left = BTreeMap::new();
        let mut decision = decision;
        for (number, sum) in owned {
            if wanted.is_none_or(|wanted| wanted == Some(number)) && terms.account.is_none() {
                left.insert(number, sum);
                decision.exact.push((Tally::Holdings(terms.from, number), sum));
            }
        }
        let total = left.values().sum::<i64>();
        let number = successions.next;
        let work = Work::ReassignRecords { organization: terms.organization, number };
        let job = terms.asked.queued(work, u64::try_from(total).unwrap_or(0), facts.now);
        successions.next += 1;
        successions.open.push(Succession {
            number,
            from: terms.from,
            to: terms.to,
            kind: terms.kind.cloned(),
            account: terms.account,
            job: job.id,
            left,
            done: false,
        });
        let event = Event { user: Some(terms.from), ..Event::new("record.reassigned", "member", terms.from) }
            .before(json!({"owner": terms.from}))
            .after(json!({
                "owner": terms.to, "type": terms.kind, "account": terms.account, "records": total, "job": job.id,
            }));
        let decision = decision
            .put(Record::Successions(successions))
            .put(Record::Job(Box::new(job.clone())))
            .event(event);
        Ok(decision.with(job))
    }
}

/// Hands one person's records to another, of one type or on one account where that is said.
#[derive(Debug)]
pub struct ReassignRecords {
    /// Where.
    pub organization: OrganizationId,
    /// Whose they are.
    pub from: UserId,
    /// Whose they will be.
    pub to: UserId,
    /// How often that one has been removed from everything, as it was read before.
    pub cuts: u32,
    /// Only of this type.
    pub kind: Option<RecordType>,
    /// Only on this account.
    pub account: Option<AccountRef>,
    /// The job.
    pub asked: Asked,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

/// What is there before.
#[derive(Debug)]
pub struct ReassignRead {
    visible: Visible,
    people: [Option<Member>; 2],
    account: Option<(AccountId, AccountStatus)>,
    hand_over: HandOver,
}

impl Operation for ReassignRecords {
    type State = ReassignRead;
    type Output = Job;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<ReassignRead, StoreError> {
        view.fetch([Key::Member(self.from), Key::Member(self.to)]).await?;
        let account = match &self.account {
            Some(named) => find_accounts(view, &[named]).await?.pop().flatten(),
            None => None,
        };
        Ok(ReassignRead {
            visible: view.open_organization().await?,
            people: [view.get(&TheMember(self.from)).await?, view.get(&TheMember(self.to)).await?],
            account,
            hand_over: HandOver::load(view, self.from, Some(self.asked.id)).await?,
        })
    }

    fn decide(&self, read: ReassignRead, facts: &Facts) -> Result<Decision<Job>, Refusal> {
        let (_, standing) = read.visible.open()?;
        if self.from == self.to {
            return Err(Refusal::invalid("/to", "name somebody else"));
        }
        let [Some(_), Some(to)] = read.people else { return Err(Refusal::NotFound) };
        let account = match (&self.account, read.account) {
            (Some(_), None) => return Err(Refusal::NotFound),
            (_, found) => found.map(|(id, _)| id),
        };
        facts.policies.access.require(&standing, "records:manage", reach(account))?;
        to.able(self.cuts, facts.now)?;
        let terms = Terms {
            organization: self.organization,
            from: self.from,
            to: self.to,
            kind: self.kind.as_ref(),
            account,
            asked: &self.asked,
        };
        let decision = read.hand_over.decide(Decision::unchanged(()), &terms, facts)?;
        let job = decision.output.1.clone();
        Ok(decision.giving(job))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
