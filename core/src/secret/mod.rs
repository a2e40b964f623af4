//! Secrets that people and programs carry, and what is kept of them.

mod link;
mod password;
mod person_link;
mod token;
mod webhook;

pub use link::{InvitationLink, Links, Pages};
pub use password::{BadCost, BadPassword, Password, PasswordCost, Passwords};
pub use person_link::{EmailChangeLink, ResetLink};
pub use token::{MalformedToken, Token, TokenKind};
pub use webhook::WebhookSecret;
