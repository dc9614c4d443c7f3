//! Output of `plan` and `doctor` on standard error, and the warning about excess permissions.
//!
//! Text has no time and level before each line, so that it can be copied, and colours only in a terminal. JSON has one
//! record per line.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write};

use tracing::{Level, error, event_enabled, info, warn};

use super::rows::{ExcessRow, LineRow, PlanRow};
use crate::config::LogFormat;
use crate::kubernetes::excess_permissions;

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Prints the diff.
pub(super) fn plan(plan: &PlanRow, format: LogFormat, paint: Paint, stderr: &mut dyn Write) {
    let PlanRow {
        action,
        because,
        diff,
    } = plan;
    match format {
        LogFormat::Json => info!(action, because, diff, "what ensure would do"),
        LogFormat::Text => {
            for line in diff.lines() {
                let colour = match line.as_bytes().first() {
                    Some(b'+') => Some(GREEN),
                    Some(b'-') => Some(RED),
                    _ => None,
                };
                let _ = writeln!(stderr, "{}", paint.paint(colour, line));
            }
        }
    }
}

/// Prints one line for each check; YAML below the lines, once each.
pub(super) fn doctor(lines: &[LineRow], format: LogFormat, paint: Paint, stderr: &mut dyn Write) {
    let mut pasted: Vec<&str> = Vec::new();
    for line in lines {
        let LineRow {
            verdict,
            check,
            message,
            remedy,
            paste,
        } = line;
        match (format, *verdict) {
            (LogFormat::Json, "ok") => info!(verdict, check, "{message}"),
            (LogFormat::Json, "warn") => warn!(verdict, check, remedy, paste, "{message}"),
            (LogFormat::Json, _) => error!(verdict, check, remedy, paste, "{message}"),
            (LogFormat::Text, _) => {
                let colour = match *verdict {
                    "ok" => GREEN,
                    "warn" => YELLOW,
                    _ => RED,
                };
                let verdict = paint.paint(Some(colour), &format!("{verdict:<4}"));
                let _ = writeln!(stderr, "{verdict}  {check}: {message}");
                if let Some(remedy) = remedy {
                    let _ = writeln!(stderr, "      {remedy}");
                }
                if let Some(paste) = paste.as_deref()
                    && !pasted.contains(&paste)
                {
                    pasted.push(paste);
                }
            }
        }
    }
    for paste in pasted {
        let _ = writeln!(stderr, "---\n{}", paste.trim_end_matches('\n'));
    }
}

/// Logs the excess permissions of the stored credential.
pub(super) fn excess(row: &ExcessRow, account: Option<&str>, format: LogFormat, stderr: &mut dyn Write) {
    let ExcessRow {
        permissions,
        complete,
        remedy,
    } = row;
    let sentence = excess_permissions::sentence(account, permissions, *complete);
    match format {
        LogFormat::Json => warn!(remedy = excess_permissions::REMEDY, paste = remedy, "{sentence}"),
        LogFormat::Text => {
            warn!(
                "{sentence}; {}",
                super::message::in_sentence(excess_permissions::REMEDY)
            );
            if let (Some(remedy), true) = (remedy, event_enabled!(Level::WARN)) {
                let _ = writeln!(stderr, "{}", remedy.trim_end_matches('\n'));
            }
        }
    }
}

/// Colours of a terminal, or none (https://no-color.org).
#[derive(Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn of_stderr() -> Self {
        Self::of(
            io::stderr().is_terminal(),
            std::env::var_os("NO_COLOR").as_deref(),
        )
    }

    fn of(is_terminal: bool, no_color: Option<&OsStr>) -> Self {
        Self(is_terminal && no_color.is_none_or(OsStr::is_empty))
    }

    fn paint(self, colour: Option<&str>, text: &str) -> String {
        match colour {
            Some(colour) if self.0 => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: &'static str, paste: Option<&str>) -> LineRow {
        LineRow {
            verdict,
            check: "permission",
            message: "may get secrets x".to_owned(),
            remedy: paste.map(|_| "Apply it.".to_owned()),
            paste: paste.map(str::to_owned),
        }
    }

    #[test]
    fn colours_are_only_for_terminals() {
        for (is_terminal, no_color, coloured) in [
            (true, None, true),
            (true, Some(""), true),
            (true, Some("1"), false),
            (false, None, false),
        ] {
            assert_eq!(Paint::of(is_terminal, no_color.map(OsStr::new)).0, coloured);
        }
        assert_eq!(Paint(true).paint(Some(RED), "- a"), "\u{1b}[31m- a\u{1b}[0m");
        assert_eq!(Paint(true).paint(None, "  a"), "  a");
        assert_eq!(Paint(false).paint(Some(RED), "- a"), "- a");
    }

    #[test]
    fn yaml_to_paste_is_printed_once_below_the_lines() {
        let lines = [
            row("ok", None),
            row("fail", Some("kind: Role\n")),
            row("fail", Some("kind: Role\n")),
        ];
        let mut printed = Vec::new();
        doctor(&lines, LogFormat::Text, Paint(false), &mut printed);
        let printed = String::from_utf8(printed).expect("text");
        let expected = "ok    permission: may get secrets x\n\
                        fail  permission: may get secrets x\n      Apply it.\n\
                        fail  permission: may get secrets x\n      Apply it.\n\
                        ---\nkind: Role\n";
        assert_eq!(printed, expected);
    }

    #[test]
    fn each_verdict_and_each_change_has_its_colour() {
        let lines = ["ok", "warn", "fail"].map(|verdict| row(verdict, None));
        let mut printed = Vec::new();
        doctor(&lines, LogFormat::Text, Paint(true), &mut printed);
        let row = PlanRow {
            action: "refreshed",
            because: None,
            diff: "  Secret\n- old\n+ new\n".to_owned(),
        };
        plan(&row, LogFormat::Text, Paint(true), &mut printed);
        plan(&row, LogFormat::Text, Paint(false), &mut printed);
        let printed = String::from_utf8(printed).expect("text");
        let expected = "\u{1b}[32mok  \u{1b}[0m  permission: may get secrets x\n\
                        \u{1b}[33mwarn\u{1b}[0m  permission: may get secrets x\n\
                        \u{1b}[31mfail\u{1b}[0m  permission: may get secrets x\n\x20 Secret\n\
                        \u{1b}[31m- old\u{1b}[0m\n\u{1b}[32m+ new\u{1b}[0m\n\x20 Secret\n- old\n+ new\n";
        assert_eq!(printed, expected);
    }
}
