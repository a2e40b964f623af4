//! How far something long is, on stderr: a bar on a terminal, else a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::note;

/// Between two lines off a terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// One long act.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    said: Instant,
}

impl Progress {
    /// One whose end is not known.
    pub fn counting(what: &'static str) -> Self {
        Self::start(what, "{spinner} {pos} {msg}")
    }

    /// One whose end is known.
    pub fn towards_an_end(what: &'static str) -> Self {
        Self::start(what, "{bar:40} {percent}% {msg} {eta}")
    }

    fn start(what: &'static str, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_message(what)
        });
        Self { bar, what, said: Instant::now() }
    }

    /// So much is done.
    pub fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            note(&format!("{done} {}", self.what));
        }
    }

    /// So much of so much is done.
    pub fn of(&mut self, done: u64, all: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(self.what);
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            note(&format!("{done} of {all} {}", self.what));
        }
    }

    /// So much of so much was looked at before anything is done.
    pub fn looking(&mut self, examined: u64, all: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(examined);
            bar.set_message("items looked at");
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            note(&format!("{examined} of {all} items looked at"));
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
