//! What a build says while it takes minutes.

use std::{
    cell::Cell,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a build without a terminal says that it is still at work.
const STILL_AT_WORK: Duration = Duration::from_secs(20);

/// Says what is being built: a spinner on a terminal, plain lines elsewhere.
pub struct Progress {
    spinner: Option<ProgressBar>,
    what: String,
    started: Instant,
    said: Cell<Instant>,
}

impl Progress {
    /// Starts to say `what`.
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
            said: Cell::new(now),
        }
    }

    /// Says which package is being compiled.
    pub fn package(&self, package: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(package.to_owned());
        }
    }

    /// Says, once in a while and where there is no terminal, how long it has taken so far.
    pub fn still_at_work(&self) {
        if self.spinner.is_none() && self.said.get().elapsed() >= STILL_AT_WORK {
            self.said.set(Instant::now());
            eprintln!("{}: {} s", self.what, self.started.elapsed().as_secs());
        }
    }

    /// Says how long it took.
    pub fn finish(self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("{}: done in {} s", self.what, self.started.elapsed().as_secs());
    }
}
