//! Webhooks: events sent on to whoever asked for them, signed as Standard Webhooks has it, and tried again for days.
//!
//! Nothing is written in the commits that make events: a [`Courier`] follows the logs, knows per webhook how far it has
//! come, and notes each attempt together with that. Whoever dies between sending and noting sends one event again, with
//! the same `webhook-id`.

mod address;
mod board;
mod courier;
mod round;
mod signature;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

pub use address::is_public;
pub use courier::Courier;
pub use signature::signatures;

use crate::model::{DeliveryError, WebhookUrl};
use crate::refusal::Refusal;

/// One event, ready to be sent. Never printed: its body may hold personal values.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub url: WebhookUrl,
    /// `webhook-id`: the same for the same event, however often it is sent.
    pub id: String,
    /// `webhook-timestamp`: when this attempt is made, in seconds since the epoch.
    pub timestamp: i64,
    /// `webhook-signature`: one signature for each secret that is good.
    pub signature: String,
    /// The event as JSON.
    pub body: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a receiver answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// For how many seconds it wants to be left alone.
    pub retry_after: Option<u32>,
}

/// Sends messages: over HTTP.
#[async_trait]
pub trait Sender: fmt::Debug + Send + Sync + 'static {
    /// Sends one. Follows no redirect, and connects to no address that is not [public](is_public) unless that is
    /// allowed. It must come to an end by itself.
    async fn send(&self, message: &Message) -> Result<Answered, DeliveryError>;
}

/// Whether events are sent on, by whom, and where to.
#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    /// Who sends; nobody in commands.
    pub sender: Option<Arc<dyn Sender>>,
    /// Whether addresses count that are not public.
    pub private_addresses: bool,
    /// Told that a webhook was made or changed, or that something is to be sent again.
    pub wake: Arc<Notify>,
}

impl Webhooks {
    /// With a sender.
    pub fn by(sender: Arc<dyn Sender>, private_addresses: bool) -> Self {
        Self { sender: Some(sender), private_addresses, wake: Arc::default() }
    }

    /// 422 for a URL whose host is an address to which nothing is sent. Names are looked up when something is sent.
    pub fn check(&self, url: &WebhookUrl) -> Result<(), Refusal> {
        match url.address() {
            Some(address) if !self.private_addresses && !is_public(address) => Err(Refusal::invalid(
                "/url",
                "names an address that is not public: set webhooks.allow_private_addresses to allow it",
            )),
            Some(_) | None => Ok(()),
        }
    }
}
