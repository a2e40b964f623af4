//! One row: the account, the person, the role.

use super::{ImportLine, ImportOptions, ImportReport, ImportRow};
use crate::facts::Request;
use crate::flows::{Found, NewAccount, NewUser, create_account, find_or_create_user, set_role};
use crate::home::{Home, TypedKey};
use crate::id::OrganizationId;
use crate::op::Roster;
use crate::ops::member::RoleSet;
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
        let new = NewAccount { name, external_id: Some(row.account.clone()) };
        create_account(roster, &request.step("account"), organization, &new, None).await?;
        report.accounts_created += 1;
    }
    let person = NewUser {
        email: row.email.clone(),
        external_id: row.external_id.clone(),
        name: row.name.clone(),
        ..NewUser::default()
    };
    let Found { user, created, external_id_differs } = find_or_create_user(roster, request, &person).await?;
    report.users_created += usize::from(created);
    let account = AccountRef::External(row.account.clone());
    let done = set_role(roster, request, organization, &account, &UserRef::Id(user.id), row.role).await?;
    let RoleSet { previous, .. } = done.output;
    let status = match previous {
        None => RowStatus::Added,
        Some(role) if role == row.role => RowStatus::Unchanged,
        Some(_) => RowStatus::Changed,
    };
    Ok((status, external_id_differs.then_some(Warning::ExternalIdDiffers)))
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
