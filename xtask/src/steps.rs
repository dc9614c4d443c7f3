//! Progress of a command that takes minutes: its steps, numbered, each with its usual time on two cores.

use std::time::{Duration, Instant};

/// Steps of one command. Each is announced when it starts; its time is printed when the next one starts, or at the end.
pub struct Steps {
    total: usize,
    number: usize,
    running: Option<(String, Instant)>,
}

impl Steps {
    /// Steps of a command that has `total` of them.
    pub fn new(total: usize) -> Self {
        Self {
            total,
            number: 0,
            running: None,
        }
    }

    /// Ends the step before, and announces the next one with its usual time, such as `1 min`.
    pub fn next(&mut self, what: &str, usual_time: &str) {
        self.finish();
        self.number += 1;
        eprintln!("xtask: {}", self.announcement(what, usual_time));
        self.running = Some((what.to_owned(), Instant::now()));
    }

    /// Ends the last step.
    pub fn finish(&mut self) {
        if let Some((what, begun)) = self.running.take() {
            eprintln!("xtask: {what}: done in {}", seconds(begun.elapsed()));
        }
    }

    fn announcement(&self, what: &str, usual_time: &str) -> String {
        format!("{} of {}: {what} (usually {usual_time})", self.number, self.total)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_announced_with_its_number_and_usual_time() {
        let mut steps = Steps::new(2);
        steps.next("links", "1 s");
        steps.next("manifests", "10 s");
        assert_eq!(
            steps.announcement("manifests", "10 s"),
            "2 of 2: manifests (usually 10 s)"
        );
        steps.finish();
        assert!(steps.running.is_none());
        assert_eq!(seconds(Duration::from_millis(1250)), "1.2 s");
    }
}
