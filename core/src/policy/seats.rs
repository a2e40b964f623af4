//! How many seats there are (rules S1, S3). What holds one is said by the records themselves.

use std::fmt;
use std::ops::RangeInclusive;

use crate::home::Tally;
use crate::model::Organization;

/// Where a tally must lie after a commit.
pub trait SeatPolicy: fmt::Debug + Send + Sync + 'static {
    /// The range of a tally when `by` is added to it.
    fn range(&self, tally: Tally, by: i64, organization: Option<&Organization>) -> RangeInclusive<i64>;
}

/// Seats up to the number purchased; at least one active account; a role goes when nothing names it. Giving back is never
/// refused.
#[derive(Debug)]
pub struct BuiltInSeats;

impl SeatPolicy for BuiltInSeats {
    fn range(&self, tally: Tally, by: i64, organization: Option<&Organization>) -> RangeInclusive<i64> {
        match tally {
            Tally::Seats if by < 0 => 0..=i64::MAX,
            Tally::Seats => {
                0..=organization.and_then(|organization| organization.purchased).map_or(i64::MAX, i64::from)
            }
            Tally::ActiveAccounts => 1..=i64::MAX,
            // Only the end of a role asks without adding: nothing may name it.
            Tally::Uses(..) if by == 0 => 0..=0,
            Tally::Uses(..) | Tally::Invitations(_) => 0..=i64::MAX,
            // Hand-overs that name an account are not counted ahead: on the way a number may be below what it will be.
            Tally::Holdings(..) => i64::MIN..=i64::MAX,
        }
    }
}
