//! Handing records over: the pointer to the job, then the hand-over and the job in one commit.

use super::find_user;
use super::jobs::{announce, asked};
use crate::facts::Request;
use crate::home::Home;
use crate::id::OrganizationId;
use crate::model::Job;
use crate::op::{Done, Roster, preflight, run};
use crate::ops::record::ReassignRecords;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};
use crate::text::RecordType;

/// Which records go from whom to whom.
#[derive(Clone, PartialEq, Debug)]
pub struct Reassign {
    /// Whose they are.
    pub from: UserRef,
    /// Whose they will be.
    pub to: UserRef,
    /// Only of this type.
    pub kind: Option<RecordType>,
    /// Only on this account.
    pub account: Option<AccountRef>,
}

/// How often a hand-over is counted anew while its records change.
const TRIES: u32 = 5;

/// Hands records over: they are the other's when this answers; the job rewrites them.
pub async fn reassign_records(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    asked_for: &Reassign,
) -> Result<Done<Job>, OpError> {
    let (from, to) = (find_user(roster, &asked_for.from).await?.id, find_user(roster, &asked_for.to).await?);
    let (to, cuts) = (to.id, to.cuts);
    let (kind, account) = (asked_for.kind.clone(), asked_for.account.clone());
    let home = Home::Organization(organization);
    let asked = asked(request);
    let mut operation =
        ReassignRecords { organization, from, to, cuts, kind, account, asked, not_after: None };
    preflight(roster, request, &operation).await?;
    operation.not_after =
        Some(announce(roster, request, operation.asked.id, &home, "reassign_records").await?);
    let mut tries = 0;
    loop {
        tries += 1;
        match run(roster, request, &operation).await {
            // Records came or went between the count and the commit.
            Err(OpError::Refused(Refusal::Conflict)) if tries < TRIES => {}
            done => return done,
        }
    }
}
