//! Who uses a store at a time: any number of servers, or one act that must be alone, such as copying everything.

use std::fmt;

use async_trait::async_trait;

/// How a process uses a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// As a server, beside any number of others.
    Serving,
    /// With no server beside it. Commands may still come and go.
    Alone,
}

/// What a store holds for a place. Dropping it leaves the place, too, as soon as it can.
#[async_trait]
pub trait Held: Send + Sync {
    /// Whether nobody who is forbidden by it can have come in.
    fn is_held(&self) -> bool {
        true
    }

    /// Leaves it.
    async fn leave(self: Box<Self>) {}
}

/// A place on a store, left within 30 seconds of the end of a process that could not leave it.
pub struct Stay(Box<dyn Held>);

impl Stay {
    /// For as long as this lives.
    pub fn new(held: impl Held + 'static) -> Self {
        Self(Box::new(held))
    }

    /// For as long as a value lives, which nothing can take away.
    pub fn with(value: impl Send + Sync + 'static) -> Self {
        Self::new(Value(Box::new(value)))
    }

    /// Whether nobody who is forbidden by it can have come in. Once lost, a place is not held again.
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }

    /// Leaves the place at once, so that whoever waits for it need not wait longer.
    pub async fn leave(self) {
        self.0.leave().await;
    }
}

/// A value that is only dropped.
struct Value(#[expect(dead_code, reason = "held for what happens when it is dropped")] Box<dyn Send + Sync>);

impl Held for Value {}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stay").field("is_held", &self.is_held()).finish()
    }
}
