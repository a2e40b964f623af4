//! Everything that tests share: stores to run on, records to put in them, and the cases that every store must pass.

pub mod build;
pub mod conformance;
pub mod stores;
