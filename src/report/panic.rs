//! Panic hook: results, report, last line and exit code 70.

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
use crate::outcome::Progress;
use crate::outcome::Reason;
use crate::text::clip_name;

/// Longest printed source location, in characters.
const LOCATION_MAX: usize = 120;

/// Installs the panic hook: a panic ends the process with `internal` and exit code 70.
///
/// Only the location is printed, since the payload may contain a secret. No code that may panic holds a lock of `progress`.
pub fn on_panic(context: ReportContext, output: Output, progress: Progress) {
    std::panic::set_hook(Box::new(move |info| {
        let (mut outcome, mut context) = (progress.outcome(), context.clone());
        outcome.findings.push(finding(info));
        ending::redact(&mut outcome, &mut context, &mut [], &progress.secrets);
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
        || "an unknown location".to_owned(),
        |location| source_location(location.file(), location.line()),
    );
    Finding::new(Reason::Internal, format!("the program panicked at {location}"))
}

/// Last parts of a source file's path: the rest is the build directory.
fn source_location(file: &str, line: u32) -> String {
    let mut parts: Vec<_> = Path::new(file)
        .components()
        .rev()
        .take(3)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.reverse();
    clip_name(&format!("{}:{line}", parts.join("/")), LOCATION_MAX)
}

/// Current time, computed without another panic.
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
    fn panic_exits_with_70_and_prints_only_its_location() {
        if env::var_os(CHILD).is_some() {
            on_panic(ReportContext::default(), Output::default(), Progress::default());
            panic!("{PAYLOAD}");
        }
        let this = "report::panic::tests::panic_exits_with_70_and_prints_only_its_location";
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
    fn source_location_omits_the_build_directory() {
        assert_eq!(
            source_location("/home/somebody/build/kube-client-5.0.0/src/lib.rs", 7),
            "kube-client-5.0.0/src/lib.rs:7"
        );
        assert_eq!(source_location("src/main.rs", 1), "src/main.rs:1");
    }
}
