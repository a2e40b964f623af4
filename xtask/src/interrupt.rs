//! Ctrl-C and requests to end: handed on to what runs, so that everything that was started is still taken down.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::{io, thread};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The signal that came; 0 while there was none.
static CAME: AtomicI32 = AtomicI32::new(0);

/// The group of processes that is told too.
static RUNNING: Mutex<Option<Pid>> = Mutex::new(None);

/// From here on nothing of this ends by a signal. `also` is done when one comes.
pub fn listen(also: impl Fn() + Send + 'static) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            CAME.store(signal, Ordering::SeqCst);
            hand_on(signal);
            also();
        }
    });
    Ok(())
}

/// An error once a signal has come.
pub fn check() -> Result<()> {
    if CAME.load(Ordering::SeqCst) != 0 {
        bail!("interrupted");
    }
    Ok(())
}

/// What a process that was interrupted answers, once a signal has come.
pub fn code() -> Option<u8> {
    match CAME.load(Ordering::SeqCst) {
        0 => None,
        signal => u8::try_from(128 + signal).ok(),
    }
}

/// Runs a command in a group of its own, which is told of signals.
pub fn status(command: Command) -> Result<ExitStatus> {
    status_while(command, || Ok(()))
}

/// The same; what `meanwhile` does is done while it runs.
pub fn status_while(mut command: Command, meanwhile: impl FnOnce() -> io::Result<()>) -> Result<ExitStatus> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.process_group(0).spawn().with_context(|| format!("cannot run {program}"))?;
    // With it goes our end of every pipe that it was given.
    drop(command);
    set_running(Some(Pid::from_child(&child)));
    let signal = CAME.load(Ordering::SeqCst);
    if signal != 0 {
        hand_on(signal);
    }
    let done = meanwhile();
    let ended = child.wait();
    set_running(None);
    done?;
    Ok(ended?)
}

fn set_running(group: Option<Pid>) {
    *RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = group;
}

fn hand_on(signal: i32) {
    let signal = match signal {
        SIGINT => Signal::INT,
        SIGHUP => Signal::HUP,
        _ => Signal::TERM,
    };
    let running = *RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(group) = running {
        // It may have ended just now.
        let _told = kill_process_group(group, signal);
    }
}
