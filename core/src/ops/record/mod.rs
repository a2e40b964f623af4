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
use crate::model::Holding;
use crate::policy::Reach;

/// Where a permission on a record is needed.
pub(crate) fn reach(account: Option<AccountId>) -> Reach {
    account.map_or(Reach::Organization, Reach::Account)
}

/// What the log says of a record.
fn fields(holding: &Holding) -> Value {
    json!({
        "type": holding.kind, "record": holding.name(), "owner": holding.owner, "account": holding.account,
        "title": holding.title,
    })
}
