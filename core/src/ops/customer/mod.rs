//! Questions about customers that are asked again and again, and which traits name owners.

mod indicator;
mod judge;
mod map_later;
mod mappings;
mod view;

pub use indicator::{CreateIndicator, DeleteIndicator, IndicatorPatch, UpdateIndicator};
pub use judge::{BeginEvaluation, Evaluated, ForgetIndicator, Judge, Seen};
pub(crate) use map_later::MapLater;
pub use mappings::PutMappings;
pub use view::{CreateView, DeleteView, ForgetInView, UpdateView, ViewPatch};

use crate::facts::Facts;
use crate::refusal::Refusal;

fn require_operator(facts: &Facts) -> Result<(), Refusal> {
    if facts.actor.is_operator() { Ok(()) } else { Err(Refusal::lacks("operator")) }
}
