//! Secrets that people and programs carry, and what is kept of them.

mod token;

pub use token::{MalformedToken, Token, TokenKind};
