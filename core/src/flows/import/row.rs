//! One row: the account, the person, the role.

use super::{ImportLine, ImportOptions, ImportReport, ImportRow};
use crate::facts::Request;
use crate::flows::create_user::{find, fresh_id};
use crate::flows::set_role::set_role_of;
use crate::flows::{Found, NewAccount, NewUser, create_account, find_or_create_user, find_user};
use crate::home::{Home, TypedKey};
use crate::id::OrganizationId;
use crate::model::{Card, TraitPatch};
use crate::op::{Roster, preflight};
use crate::ops::member::{RoleSet, SetRole};
use crate::permission::RoleRef;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name};

/// How a row ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RowStatus {
    /// The person reaches the account now.
    Added,
    /// They had another role there.
    Changed,
    /// All was so already.
    Unchanged,
    /// Nothing was done.
    Refused,
}

impl RowStatus {
    /// All, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Added, Self::Changed, Self::Unchanged, Self::Refused];

    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// Something worth a look though the row was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warning {
    /// The address is that of a person with another external id, which they keep.
    ExternalIdDiffers,
}

impl Warning {
    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExternalIdDiffers => "external_id_differs",
        }
    }
}

/// The outcome of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowOutcome {
    /// The person as the file names them.
    pub item: String,
    /// The line on which the row begins.
    pub line: u64,
    /// How it ended.
    pub status: RowStatus,
    /// Why it was refused.
    pub code: Option<&'static str>,
    /// The same in words.
    pub detail: Option<String>,
    /// Worth a look.
    pub warning: Option<Warning>,
}

/// Imports one row and notes its outcome; an error only where the store fails.
pub(crate) async fn import(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    line: &ImportLine,
    options: ImportOptions,
    report: &mut ImportReport,
) -> Result<(), OpError> {
    let outcome = |status, code, detail, warning| RowOutcome {
        item: line.item.clone(),
        line: line.line,
        status,
        code,
        detail,
        warning,
    };
    let row = match &line.row {
        Ok(row) => row,
        Err(detail) => {
            report.rows.push(outcome(RowStatus::Refused, Some("invalid"), Some(detail.clone()), None));
            return Ok(());
        }
    };
    let request = request.step(&format!("line {}", line.line));
    match act(roster, &request, organization, row, options, report).await {
        Ok((status, warning)) => report.rows.push(outcome(status, None, None, warning)),
        Err(OpError::Refused(refusal)) => {
            let detail = Some(refusal.to_string());
            report.rows.push(outcome(RowStatus::Refused, Some(refusal.code()), detail, None));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn act(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    row: &ImportRow,
    options: ImportOptions,
    report: &mut ImportReport,
) -> Result<(RowStatus, Option<Warning>), OpError> {
    if row.role == RoleRef::OWNER {
        return Err(Refusal::OwnerByTransferOnly.into());
    }
    if account_is_missing(roster, organization, &row.account).await? {
        if !options.create_accounts {
            return Err(Refusal::NotFound.into());
        }
        let name: Name = row.account.as_str().parse().map_err(|bad: crate::text::BadText| {
            Refusal::invalid("/account_external_id", format!("cannot name an account: {bad}"))
        })?;
        let new = NewAccount { name, external_id: Some(row.account.clone()), traits: TraitPatch::default() };
        create_account(roster, &request.step("account"), organization, &new, None).await?;
        report.accounts_created += 1;
    }
    let person = NewUser {
        email: row.email.clone(),
        external_id: row.external_id.clone(),
        name: row.name.clone(),
        ..NewUser::default()
    };
    let account = AccountRef::External(row.account.clone());
    // As when a member is added: operators give people external ids, others name people of their own organization by
    // it, and anybody by address.
    let by_id = row.external_id.clone().map(UserRef::External).filter(|_| !request.actor.is_operator());
    let (user, external_id_differs) = if let Some(named) = &by_id {
        (find_user(roster, named).await?, false)
    } else {
        may_add(roster, request, organization, row, &person).await?;
        let Found { user, created, external_id_differs } =
            find_or_create_user(roster, request, &person).await?;
        report.users_created += usize::from(created);
        (user, external_id_differs)
    };
    let (named, only_known) = (UserRef::Id(user.id), by_id.is_some());
    let done = set_role_of(roster, request, organization, &account, &named, row.role, only_known).await?;
    let RoleSet { previous, .. } = done.output;
    let status = match previous {
        None => RowStatus::Added,
        Some(role) if role == row.role => RowStatus::Unchanged,
        Some(_) => RowStatus::Changed,
    };
    Ok((status, external_id_differs.then_some(Warning::ExternalIdDiffers)))
}

/// Nobody is made by one who may not add them.
async fn may_add(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    row: &ImportRow,
    person: &NewUser,
) -> Result<(), OpError> {
    if request.actor.is_operator() || find(roster, request, person).await?.is_some() {
        return Ok(());
    }
    let operation = SetRole {
        organization,
        account: AccountRef::External(row.account.clone()),
        user: fresh_id(&request.step("person 0")),
        card: Card { email: row.email.clone(), ..Card::default() },
        cuts: 0,
        role: row.role,
        only_known: false,
    };
    preflight(roster, request, &operation).await.map(|_| ())
}

async fn account_is_missing(
    roster: &Roster,
    organization: OrganizationId,
    external: &ExternalId,
) -> Result<bool, OpError> {
    let key = external.key();
    let read = roster.store.read(&Home::Organization(organization), std::slice::from_ref(&key), &[]).await?;
    Ok(!read.records.contains_key(&key))
}
