//! Secrets that people and programs carry, and what is kept of them.

mod link;
mod password;
mod token;

pub use link::{InvitationLink, Links};
pub use password::{BadCost, BadPassword, Password, PasswordCost, Passwords};
pub use token::{MalformedToken, Token, TokenKind};
