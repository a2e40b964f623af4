//! Sources: made, changed and deleted by operators.

mod manage;
mod replay;

pub use manage::{
    CreateSource, DeleteSource, SourcePatch, UpdateSource, check_bound, check_groups, check_names,
};
pub use replay::BeginReplay;

use crate::model::customer::{Instants, of_trait};
use crate::model::{TraitPatch, Traits};
use crate::time::Timestamp;

/// Of traits that a source says at an instant, those that are news; the clock knows them afterwards. Of two values at the
/// same instant the one whose JSON text comes last stays.
pub(super) fn news(said: &TraitPatch, kept: &Traits, clock: &mut Instants, at: Timestamp) -> TraitPatch {
    let text = |value: &serde_json::Value| value.to_string();
    let fresh = said.0.iter().filter(|(name, value)| {
        let old = kept.get(name).map_or_else(|| "null".to_owned(), text);
        clock.take(&of_trait(name), at, text(value) > old)
    });
    TraitPatch(fresh.map(|(name, value)| (name.clone(), value.clone())).collect())
}
