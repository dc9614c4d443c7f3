//! A defect still ends as the contract says: results, report, last line, exit code 70.

use std::io;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::jiff::Timestamp;

use super::ending;
use crate::config::Output;
use crate::config::ReportContext;
use crate::outcome::Finding;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::text::clip_name;

/// Longest source location that is shown, in characters.
const LOCATION_MAX: usize = 120;

/// Makes a panic end the process with `internal` and exit code 70, in place of the standard hook.
///
/// The payload is not printed, since it may hold a secret: only where it happened. `outcome` tells what had been done
/// until then; it must not wait for a lock that the panicking thread may hold.
pub fn on_panic(
    context: ReportContext,
    output: Output,
    outcome: impl Fn() -> Outcome + Send + Sync + 'static,
) {
    std::panic::set_hook(Box::new(move |info| {
        let mut outcome = outcome();
        outcome.findings.push(finding(info));
        let code = ending::write(
            &outcome,
            &context,
            &[],
            &output,
            now(),
            &mut io::stdout(),
            &mut io::stderr(),
        );
        process::exit(i32::from(code));
    }));
}

fn finding(info: &PanicHookInfo<'_>) -> Finding {
    let location = info.location().map_or_else(
        || "an unknown place".to_owned(),
        |location| place(location.file(), location.line()),
    );
    Finding::new(Reason::Internal, format!("the program panicked at {location}"))
}

/// A source file by its last parts: the rest is where it was built.
fn place(file: &str, line: u32) -> String {
    let mut parts: Vec<_> = Path::new(file)
        .components()
        .rev()
        .take(3)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.reverse();
    clip_name(&format!("{}:{line}", parts.join("/")), LOCATION_MAX)
}

/// The time, without what could panic again.
fn now() -> Timestamp {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    const CHILD: &str = "PANIC_IN_THIS_PROCESS";
    const PAYLOAD: &str = "canary in the payload";

    #[test]
    fn a_panic_ends_with_70_and_tells_where_but_not_what() {
        if env::var_os(CHILD).is_some() {
            on_panic(ReportContext::default(), Output::default(), Outcome::default);
            panic!("{PAYLOAD}");
        }
        let this = "report::panic::tests::a_panic_ends_with_70_and_tells_where_but_not_what";
        let child = Command::new(env::current_exe().expect("the test binary"))
            .args(["--exact", this, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("the test binary runs");
        assert_eq!(child.status.code(), Some(70));
        let (stdout, stderr) = (
            String::from_utf8_lossy(&child.stdout),
            String::from_utf8_lossy(&child.stderr),
        );
        assert!(stdout.contains(r#""reason":"internal""#), "{stdout}");
        assert!(!stdout.contains(r#""timestamp":"1970-"#), "{stdout}");
        let last = stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("ERROR internal (exit 70): the program panicked at src/report/panic.rs:"),
            "{stderr}"
        );
        assert!(
            !stdout.contains(PAYLOAD) && !stderr.contains(PAYLOAD),
            "{stdout}{stderr}"
        );
    }

    #[test]
    fn a_place_tells_nothing_of_where_it_was_built() {
        assert_eq!(
            place("/home/somebody/build/kube-client-5.0.0/src/lib.rs", 7),
            "kube-client-5.0.0/src/lib.rs:7"
        );
        assert_eq!(place("src/main.rs", 1), "src/main.rs:1");
    }
}
