//! The HTTP API as its clients see it, on every store.

mod removal;
