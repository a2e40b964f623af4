//! Asking before what cannot be taken back.

use std::io::{IsTerminal, Write};

use crate::failure::Failure;

/// Goes on when `--yes` was given or a person at a terminal says so.
///
/// # Errors
/// Bad usage off a terminal without `--yes`; a failure when the person says no.
pub fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::Usage(format!("not on a terminal, so add --yes to go on: {question}")));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    let asked = std::io::stderr().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    match asked {
        Ok(_) if says_yes(&answer) => Ok(()),
        Ok(_) | Err(_) => Err(Failure::Failed("nothing was done".to_owned())),
    }
}

fn says_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_yes_is_taken_for_it() {
        for yes in ["y\n", "Y", " yes \r\n", "YES\n"] {
            assert!(says_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no", "yeah", "yy", "y n", "ja"] {
            assert!(!says_yes(no), "{no:?}");
        }
    }
}
