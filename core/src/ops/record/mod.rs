//! Records in the vendor's product: registered, handed over, taken off (rules L6, L7).

mod delete;
mod put;
mod reassign;
mod rewrite;

pub use delete::DeleteRecord;
pub use put::{PutRecord, RecordPut};
pub use reassign::ReassignRecords;
pub(crate) use reassign::{HandOver, Terms};
pub use rewrite::{FinishHandOvers, RewriteRecords};

use serde_json::{Value, json};

use crate::id::AccountId;
use crate::model::{Card, Holding, Member};
use crate::policy::Reach;

/// Where a permission on a record is needed.
pub(crate) fn reach(account: Option<AccountId>) -> Reach {
    account.map_or(Reach::Organization, Reach::Account)
}

/// What the log says of a record. A title stands there as theirs about whom the line is; who has been erased, so that no
/// list shows them any more, has nothing there (rule L5).
fn fields(holding: &Holding, about: Option<&Member>) -> Value {
    let title = holding.title.as_ref().filter(|_| about.is_some_and(|it| it.card != Card::default()));
    json!({
        "type": holding.kind, "record": holding.name(), "owner": holding.owner, "account": holding.account,
        "title": title,
    })
}
