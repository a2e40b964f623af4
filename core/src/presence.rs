//! Who uses a store at a time: any number of servers, or one act that must be alone, such as copying everything.

use std::any::Any;
use std::fmt;

/// How a process uses a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// As a server, beside any number of others.
    Serving,
    /// With no server beside it. Commands may still come and go.
    Alone,
}

/// A place on a store, left when this is dropped, and within 30 seconds of the end of a process that could not.
pub struct Stay(
    #[expect(dead_code, reason = "held for what happens when it is dropped")] Box<dyn Any + Send + Sync>,
);

impl Stay {
    /// For as long as this lives.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stay")
    }
}
