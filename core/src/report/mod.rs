//! Reports on accounts and organizations: typed filters, orders and columns (rule T5). The evaluator here is their meaning.
//!
//! A report reads all that it could show, a slice at a time, and keeps no more than one page of it. A store may know a
//! quicker way to read it, and never what belongs: that is judged here, of each line as soon as it is sure.

mod cell;
mod field;
mod filter;
mod line;
mod listed;
mod names;
mod order;
mod page;
mod survey;
mod text;
mod walk;

pub use cell::Cell;
pub use field::{Field, usual_columns};
pub use filter::{Filter, Moment, Op, Test};
pub use line::{Counts, Line, People, Place};
pub(crate) use listed::presences;
pub use listed::{Take, listed};
pub use names::{columns_of, order_of};
pub use order::ReportPosition;
pub use page::{Asked, ReportPage, report};
pub use survey::{Needs, Survey};
pub use text::parse_where;
pub use walk::{Draft, LOOKED_THROUGH, SLICE, Spot, Spots, Walk};
