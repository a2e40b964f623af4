//! Command-line front end.

pub mod config;
