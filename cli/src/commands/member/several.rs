//! One act on several members: one outcome each, in order, and a bad one does not stop the others (rule M2).

use std::fmt;

use clap::Args;
use roster_core::flows::{find_user, remove_from_account};
use roster_core::id::OrganizationId;
use roster_core::model::MemberStatus;
use roster_core::op::run as run_operation;
use roster_core::ops::member::{DeactivateMember, DeleteMember, ReactivateMember, RemoveMember};
use roster_core::reads;
use roster_core::reference::{AccountRef, OrganizationRef, UserRef};
use serde_json::json;

use super::One;
use crate::args::InOrganization;
use crate::failure::{Failure, note_refused};
use crate::output::{line, note, table};
use crate::session::Session;

/// One member or several.
#[derive(Debug, Args)]
pub struct Several {
    /// The person, by id or `ext:VALUE`; several are treated alike.
    #[arg(required = true, value_name = "USER", num_args = 1..=1_000)]
    users: Vec<UserRef>,
    #[command(flatten)]
    within: InOrganization,
}

/// What is done with each.
#[derive(Debug)]
pub enum Act {
    /// Out of the organization.
    Remove,
    /// Out of one account.
    RemoveFrom(AccountRef),
    /// Out for now.
    Deactivate,
    /// Back in.
    Reactivate,
    /// Out, and out of the statistics.
    Delete,
}

impl Several {
    /// The member, where it is one.
    pub fn only(&self) -> Option<One> {
        match self.users.as_slice() {
            [user] => Some(One { user: user.clone(), within: self.within.clone() }),
            _ => None,
        }
    }

    /// Where.
    pub const fn organization(&self) -> &OrganizationRef {
        &self.within.organization
    }
}

/// As a question names them.
impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.users.as_slice() {
            few if few.len() <= 5 => {
                f.write_str(&few.iter().map(UserRef::to_string).collect::<Vec<_>>().join(", "))
            }
            many => write!(f, "{} members", many.len()),
        }
    }
}

/// Does it with each, and fails where one was refused.
pub async fn run(session: Session, whom: &Several, act: Act) -> Result<(), Failure> {
    let organization = session.organization(&whom.within.organization).await?;
    let (mut rows, mut refused, mut broken) = (Vec::new(), Vec::new(), None);
    for user in &whom.users {
        let (status, code) = match of_one(&session, organization, user, &act).await {
            Ok(status) => (status, None),
            Err(Failure::Refused { code, .. }) => {
                refused.push((code, user.to_string()));
                ("refused", Some(code))
            }
            Err(failure) => {
                rows.push(json!({"user": user.to_string(), "status": "unknown", "code": null}));
                broken = Some(failure);
                break;
            }
        };
        rows.push(json!({"user": user.to_string(), "status": status, "code": code}));
    }
    if session.out.is_for_machines() {
        session.out.rows(&json!({"results": rows}), &["user", "status", "code"], &rows)?;
    } else {
        line(&table(&rows, &[("USER", "/user"), ("STATUS", "/status"), ("CODE", "/code")]))?;
    }
    let left = whom.users.len() - rows.len();
    if left > 0 {
        note(&format!("{left} were not tried"));
    }
    let any = !refused.is_empty();
    note_refused(refused);
    match broken {
        Some(failure) => Err(failure),
        None if any => Err(Failure::Said),
        None => Ok(()),
    }
}

/// What became of one, in the words of a bulk job.
async fn of_one(
    session: &Session,
    organization: OrganizationId,
    named: &UserRef,
    act: &Act,
) -> Result<&'static str, Failure> {
    let (roster, request) = (&session.roster, session.request());
    let found = find_user(roster, named).await?;
    let user = found.id;
    let (changed, word) = match act {
        Act::Remove => {
            let operation = RemoveMember { organization, user };
            (run_operation(roster, &request, &operation).await?.output, "removed")
        }
        Act::RemoveFrom(account) => {
            let done = remove_from_account(roster, &request, organization, account, &user.into()).await?;
            (done.output, "removed")
        }
        Act::Delete => {
            let operation = DeleteMember { organization, user, confirmed: true };
            (run_operation(roster, &request, &operation).await?.output, "removed")
        }
        Act::Deactivate => {
            let before = status(session, organization, named).await?;
            run_operation(roster, &request, &DeactivateMember { organization, user }).await?;
            (before != MemberStatus::Deactivated, "changed")
        }
        Act::Reactivate => {
            let before = status(session, organization, named).await?;
            let operation = ReactivateMember { organization, user, cuts: found.cuts };
            run_operation(roster, &request, &operation).await?;
            (before != MemberStatus::Active, "changed")
        }
    };
    Ok(if changed { word } else { "unchanged" })
}

async fn status(
    session: &Session,
    organization: OrganizationId,
    named: &UserRef,
) -> Result<MemberStatus, Failure> {
    let shown = reads::member(&session.roster, &session.request(), organization, named).await?;
    Ok(shown.value.status)
}
