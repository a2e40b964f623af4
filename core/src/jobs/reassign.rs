//! Writing records anew that were handed over (rule L7). Reads apply a hand-over at once; this makes it unnecessary.

use super::{Held, Interrupted, as_asked};
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, RecordId, UserId};
use crate::listing::{Listing, PageRequest, Position, Scope};
use crate::model::{HoldingName, Job, Succession, Successions};
use crate::op::run;
use crate::ops::record::{FinishHandOvers, RewriteRecords};
use crate::text::RecordType;

/// How many records are written in one commit.
const CHUNK: u16 = 100;

impl Held {
    pub(super) async fn reassign(
        &self,
        mut job: Job,
        organization: OrganizationId,
        number: u64,
    ) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job).as_system("rewrite");
        // Those before this one too, whose own job may have been stopped.
        for one in self.open(organization, number).await? {
            while let Some((names, last)) =
                self.records_of_giver(organization, &one, job.cursor.as_deref()).await?
            {
                let cursor = format!("{}:{last}", one.number);
                let operation =
                    RewriteRecords { organization, job: job.id, holder: self.holder, names, cursor };
                let done = run(&self.roster, &request.step("chunk"), &operation).await?.output;
                job = self.going_on(*done.ok_or(Interrupted::Lost)?)?;
            }
        }
        let finish = FinishHandOvers { organization, up_to: number };
        run(&self.roster, &request.step("finish"), &finish).await?;
        Ok(())
    }

    /// The hand-overs up to a number that are not rewritten yet, oldest first.
    async fn open(&self, organization: OrganizationId, number: u64) -> Result<Vec<Succession>, Interrupted> {
        let home = Home::Organization(organization);
        let mut read = self.roster.store.read(&home, &[Key::Successions], &[]).await?;
        let found = match read.records.remove(&Key::Successions).map(|stored| stored.record) {
            Some(Record::Successions(found)) => found,
            _ => Successions::default(),
        };
        Ok(found.open.into_iter().filter(|one| one.number <= number && !one.done).collect())
    }

    /// The next records that are stored as the giver's, by id, and the last of them; nothing behind all.
    async fn records_of_giver(
        &self,
        organization: OrganizationId,
        one: &Succession,
        cursor: Option<&str>,
    ) -> Result<Option<(Vec<HoldingName>, RecordId)>, Interrupted> {
        let after = cursor
            .and_then(|cursor| cursor.split_once(':'))
            .filter(|(number, _)| number.parse() == Ok(one.number))
            .and_then(|(_, last)| last.parse::<RecordId>().ok());
        let after = after.map(|id| Position { by: String::new(), id: id.uuid() });
        let listing = of_giver(organization, one.from, one.kind.clone());
        let page = PageRequest { after, limit: CHUNK };
        let found = self.roster.store.list(&listing, &page).await?;
        let mut names = Vec::with_capacity(found.rows.len());
        let mut last = None;
        for row in found.rows {
            if let Record::Holding(holding) = row.stored.record {
                last = Some(holding.id);
                names.push(holding.name());
            }
        }
        Ok(last.map(|last| (names, last)))
    }
}

fn of_giver(organization: OrganizationId, from: UserId, kind: Option<RecordType>) -> Listing {
    Listing::Holdings { organization, owners: vec![from], kind, scope: Scope::All }
}
