//! Section `webhooks`.

use super::keys;
use super::read::Reader;

/// Section `webhooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookSettings {
    /// Whether events are sent to addresses that are not public.
    pub allow_private_addresses: bool,
}

/// Reads the section; nothing where a problem was noted.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<WebhookSettings> {
    let words = [("false", false), ("true", true)];
    let allow_private_addresses = reader.choice(&keys::WEBHOOKS_PRIVATE, &words)?;
    Some(WebhookSettings { allow_private_addresses })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Flags, Problems};

    fn load(value: &str) -> Result<Config, Problems> {
        let name = "ROSTER_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES".to_owned();
        let env = [(name, value.to_owned())].into_iter();
        Config::load(&Flags::default(), env, std::path::Path::new("/nowhere"))
    }

    #[test]
    fn private_addresses_are_allowed_by_a_clear_word_only() {
        let none = Config::load(&Flags::default(), std::iter::empty(), std::path::Path::new("/nowhere"));
        assert!(!none.unwrap().webhooks.allow_private_addresses);
        assert!(load("true").unwrap().webhooks.allow_private_addresses);
        assert!(!load("false").unwrap().webhooks.allow_private_addresses);
        let problems = load("yes").unwrap_err().to_string();
        assert!(problems.contains("use one of: false, true"), "{problems}");
    }
}
