//! One row: the account, the person, the role.

use super::{ImportLine, ImportOptions, ImportRow, Report};
use crate::facts::Request;
use crate::flows::create_user::{fresh_id, look_for};
use crate::flows::set_role::set_role_of;
use crate::flows::{Found, NewAccount, NewUser, create_account, find_or_create_user, find_user};
use crate::home::{Home, TypedKey};
use crate::id::OrganizationId;
use crate::model::{Card, Made, Outcome, OutcomeStatus, TraitPatch};
use crate::op::{Roster, preflight};
use crate::ops::member::{RoleSet, SetRole};
use crate::permission::RoleRef;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name};

/// The warning about an address of a person with another external id, which they keep.
const EXTERNAL_ID_DIFFERS: &str = "external_id_differs";

/// The operation as which a refused row is counted, whatever it was refused for: the one that a row is there for.
pub(crate) const ROW: &str = "SetRole";

/// Imports one row and notes its outcome; an error only where the store fails or others are in the way.
pub(crate) async fn import(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    line: &ImportLine,
    options: ImportOptions,
    report: &mut Report,
) -> Result<(), OpError> {
    let row = match &line.row {
        Ok(row) => row,
        Err(detail) => {
            roster.observer.refused(ROW, "invalid");
            report.outcomes.push(refused(line, "invalid", detail.clone()));
            return Ok(());
        }
    };
    let request = request.step(&format!("line {}", line.line));
    match act(roster, &request, organization, row, options, &mut report.made).await {
        Ok((status, warning)) => report.outcomes.push(Outcome {
            status,
            code: None,
            warning: warning.map(str::to_owned),
            detail: None,
            ..refused(line, "", String::new())
        }),
        Err(OpError::Refused(refusal)) if refusal != Refusal::Conflict => {
            report.outcomes.push(refused(line, refusal.code(), refusal.to_string()));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The outcome of a row that is refused.
pub(crate) fn refused(line: &ImportLine, code: &str, detail: String) -> Outcome {
    Outcome {
        item: line.item.clone(),
        line: Some(line.line),
        status: OutcomeStatus::Refused,
        code: Some(code.to_owned()),
        warning: None,
        detail: Some(detail),
    }
}

async fn act(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    row: &ImportRow,
    options: ImportOptions,
    made: &mut Made,
) -> Result<(OutcomeStatus, Option<&'static str>), OpError> {
    if row.role == RoleRef::OWNER {
        return Err(barred(roster, Refusal::OwnerByTransferOnly));
    }
    if account_is_missing(roster, organization, &row.account).await? {
        if !options.create_accounts {
            return Err(barred(roster, Refusal::NotFound));
        }
        let name: Name = row.account.as_str().parse().map_err(|bad: crate::text::BadText| {
            let detail = format!("cannot name an account: {bad}");
            barred(roster, Refusal::invalid("/account_external_id", detail))
        })?;
        let new = NewAccount { name, external_id: Some(row.account.clone()), traits: TraitPatch::default() };
        match create_account(roster, &request.step("account"), organization, &new, None).await {
            Ok(_) => made.accounts += 1,
            // Another import of the same rows was quicker: it is there now.
            Err(OpError::Refused(Refusal::ExternalIdExists))
                if !account_is_missing(roster, organization, &row.account).await? => {}
            Err(error) => return Err(error),
        }
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
        made.users += u64::from(created);
        (user, external_id_differs)
    };
    let (named, only_known) = (UserRef::Id(user.id), by_id.is_some());
    let done = set_role_of(roster, request, organization, &account, &named, row.role, only_known).await?;
    let RoleSet { previous, .. } = done.output;
    let status = match previous {
        None => OutcomeStatus::Added,
        Some(role) if role == row.role => OutcomeStatus::Unchanged,
        Some(_) => OutcomeStatus::Changed,
    };
    Ok((status, external_id_differs.then_some(EXTERNAL_ID_DIFFERS)))
}

/// Refused before anything is asked of an operation, which would count it.
fn barred(roster: &Roster, refusal: Refusal) -> OpError {
    roster.observer.refused(ROW, refusal.code());
    refusal.into()
}

/// Nobody is made by one who may not add them.
async fn may_add(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    row: &ImportRow,
    person: &NewUser,
) -> Result<(), OpError> {
    if request.actor.is_operator() || look_for(roster, request, person).await?.is_some() {
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
