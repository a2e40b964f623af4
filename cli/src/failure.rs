//! Why a command did not do what was asked, and with which status the program then ends.

use std::fmt;
use std::process::ExitCode;

use roster_core::refusal::{FieldError, OpError, Refusal};
use roster_core::store::{StoreError, StoreErrorKind};

use crate::config::{Problem, Problems};
use crate::output::note;

/// Why a command ends with a status other than 0.
#[derive(Debug)]
pub enum Failure {
    /// A rule refuses; nothing has changed. Status 1.
    Refused {
        /// The code of the API contract.
        code: &'static str,
        /// What to do about it.
        text: String,
    },
    /// It went wrong, and this sentence says how. Status 1.
    Failed(String),
    /// The answer is printed already, and it is a bad one. Status 1.
    Said,
    /// The command or the configuration cannot be used as it stands. Status 2.
    Usage(String),
    /// The store cannot be reached. Status 3.
    Store(String),
    /// The answer is printed already, and it says that the store cannot be reached. Status 3.
    Unreached,
    /// Whoever read what was still coming has gone away. Status 0.
    Unread,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, text } => write!(f, "refused: {code}: {text}"),
            Self::Failed(text) | Self::Store(text) => write!(f, "failed: {text}"),
            Self::Usage(text) => write!(f, "error: {text}"),
            Self::Said | Self::Unreached | Self::Unread => Ok(()),
        }
    }
}

impl Failure {
    /// Says it on stderr.
    pub fn print(&self) {
        if !matches!(self, Self::Said | Self::Unreached | Self::Unread) {
            note(&self.to_string());
        }
    }

    /// The status of the program.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unread => 0,
            Self::Refused { .. } | Self::Failed(_) | Self::Said => 1,
            Self::Usage(_) => 2,
            Self::Store(_) | Self::Unreached => 3,
        })
    }
}

/// So many refused items are named; how many more there are is said.
const NAMED: usize = 20;

/// Says on stderr which items were refused, each with the code of the API contract.
pub fn note_refused<'a>(refused: impl IntoIterator<Item = (&'a str, String)>) {
    let mut more = 0;
    for (n, (code, item)) in refused.into_iter().enumerate() {
        if n < NAMED {
            note(&format!("refused: {code}: {item}"));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        note(&format!("refused: {more} more"));
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let text = match &refusal {
            Refusal::Invalid(errors) if errors.len() > 1 => fields(errors),
            Refusal::ConfirmationRequired => "This cannot be undone: add --yes to go on.".to_owned(),
            other => other.to_string(),
        };
        Self::Refused { code: refusal.code(), text }
    }
}

fn fields(errors: &[FieldError]) -> String {
    let lines: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
    lines.join("\n  ")
}

impl From<OpError> for Failure {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Refused(refusal) => refusal.into(),
            OpError::Store(error) => error.into(),
            OpError::Busy | OpError::Lost => {
                Self::Refused { code: "busy", text: "Somebody else is at it; try again.".to_owned() }
            }
            OpError::Replay(_) => Self::Failed("this was answered before".to_owned()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::Unavailable => Self::Store(format!("store_unavailable: {error}")),
            StoreErrorKind::Busy => Self::Store(format!("busy: {error}; try again")),
            StoreErrorKind::OutcomeUnknown => Self::Failed(format!(
                "outcome_unknown: {error}; look whether it was done before trying again"
            )),
            StoreErrorKind::Corrupt => {
                Self::Failed(format!("{error}; what is stored contradicts itself: run `roster verify`"))
            }
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.to_string())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem]).into()
    }
}

/// What a command is to change, if anything is; `flags` are those that say so.
pub fn some_change<P: Default + PartialEq>(patch: P, flags: &str) -> Result<P, Failure> {
    if patch == P::default() {
        return Err(Failure::Usage(format!("say what is to change: {flags}")));
    }
    Ok(patch)
}
