//! What a store says about itself, and lines of what must be so.

use std::fmt;

/// One thing that must be so for a deployment to work: a line of `roster doctor`, and a refusal at the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What is looked at, such as `fsync`.
    pub name: &'static str,
    /// How it stands.
    pub found: String,
    /// How it must stand.
    pub needed: String,
    /// A sentence that says what to change, where it is not so.
    pub problem: Option<String>,
    /// Where it is not so and a start puts it right: what that does.
    pub at_start: Option<String>,
}

impl Check {
    /// One that is as it must be, until told otherwise.
    pub fn new(name: &'static str, found: impl fmt::Display, needed: impl fmt::Display) -> Self {
        Self { name, found: found.to_string(), needed: needed.to_string(), problem: None, at_start: None }
    }

    /// The same, with what is wrong about it.
    #[must_use]
    pub fn or(self, problem: Option<impl fmt::Display>) -> Self {
        Self { problem: problem.map(|problem| problem.to_string()), ..self }
    }

    /// The same where a start puts it right: no problem, but not done yet.
    #[must_use]
    pub fn put_right_by(self, what: impl fmt::Display) -> Self {
        Self { problem: None, at_start: Some(what.to_string()), ..self }
    }

    /// Whether it is as it must be, or will be once a server has started.
    pub const fn is_good(&self) -> bool {
        self.problem.is_none()
    }
}

/// How far a look at a store came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It does not answer.
    Nothing,
    /// It answers, and holds nothing yet.
    Empty,
    /// It answers, and holds a deployment.
    Whole,
}

/// What a look at a store found. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    /// How far it came.
    pub reach: Reach,
    /// Each thing that would refuse a start.
    pub checks: Vec<Check>,
}

impl Inspection {
    /// Whether a start has nothing to put right, so that it can be opened by any command.
    pub fn is_ready(&self) -> bool {
        let is_ready = |check: &Check| check.is_good() && check.at_start.is_none();
        self.reach == Reach::Whole && self.checks.iter().all(is_ready)
    }
}

/// A check with the refusal that it leads to at the start, so that the rule stands in one place.
#[derive(Debug)]
pub struct Rule<E> {
    /// The line.
    pub check: Check,
    /// The refusal, where it is not so.
    pub refusal: Option<E>,
}

impl<E: fmt::Display> Rule<E> {
    /// What is looked at, how it stands, how it must stand, and the refusal if that is not so.
    pub fn new(
        name: &'static str,
        found: impl fmt::Display,
        needed: impl fmt::Display,
        refusal: Option<E>,
    ) -> Self {
        Self { check: Check::new(name, found, needed).or(refusal.as_ref()), refusal }
    }

    /// Refuses by the first rule that is broken.
    pub fn all_hold(rules: Vec<Self>) -> Result<(), E> {
        rules.into_iter().find_map(|rule| rule.refusal).map_or(Ok(()), Err)
    }

    /// The lines.
    pub fn checks(rules: Vec<Self>) -> Vec<Check> {
        rules.into_iter().map(|rule| rule.check).collect()
    }
}

/// What an acknowledged commit survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// What `docs/STORAGE.md` says of the backend.
    Full,
    /// Less, as the configuration asks: the newest commits can be lost.
    Relaxed,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Relaxed => "relaxed",
        })
    }
}

/// What a store says about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The name of its backend, such as `sqlite`.
    pub backend: &'static str,
    /// What a commit survives.
    pub durability: Durability,
    /// The schema of what is kept now; another program may have brought it up meanwhile.
    pub schema: i64,
    /// The schema that this program writes.
    pub known_schema: i64,
}

impl Description {
    /// Whether what is kept is of this program's schema, or of a later one that came beside it.
    pub const fn is_current(&self) -> bool {
        self.schema >= self.known_schema
    }
}
