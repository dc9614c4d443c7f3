//! Progress of a build that takes minutes.

use std::{
    cell::Cell,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Interval between progress lines without a terminal.
const STILL_AT_WORK: Duration = Duration::from_secs(20);

/// Progress display: a spinner on a terminal, plain lines elsewhere.
pub struct Progress {
    spinner: Option<ProgressBar>,
    what: String,
    started: Instant,
    printed: Cell<Instant>,
}

impl Progress {
    /// Starts to display `what`.
    pub fn start(what: String) -> Self {
        let now = Instant::now();
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}") {
                spinner.set_style(style);
            }
            spinner.set_prefix(what.clone());
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        if spinner.is_none() {
            eprintln!("{what}");
        }
        Self {
            spinner,
            what,
            started: now,
            printed: Cell::new(now),
        }
    }

    /// Displays the package that is being compiled.
    pub fn package(&self, package: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(package.to_owned());
        }
    }

    /// Prints the time so far, in intervals, if there is no terminal.
    pub fn still_at_work(&self) {
        if self.spinner.is_none() && self.printed.get().elapsed() >= STILL_AT_WORK {
            self.printed.set(Instant::now());
            eprintln!("{}: {} s", self.what, self.started.elapsed().as_secs());
        }
    }

    /// Prints the whole time.
    pub fn finish(self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("{}: done in {} s", self.what, self.started.elapsed().as_secs());
    }
}
