//! Reports on accounts and organizations: typed filters, orders and columns (rule T5). The evaluator here is their meaning.
//!
//! A report reads all that it could show, a slice at a time, and keeps no more than one page of it.

mod cell;
mod field;
mod filter;
mod scan;
mod text;

pub use cell::Cell;
pub use field::{Field, usual_columns};
pub use filter::{Filter, Moment, Op, Test};
pub use scan::{Asked, ReportPage, ReportPosition, report};
pub(crate) use scan::{Needs, each_row, presences};
pub use text::parse_where;
