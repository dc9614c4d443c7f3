//! The arguments `--help` and `--version`. All configuration is by environment variables.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{DefaultValue, PLATFORM_VARIABLES, Problem, VARIABLES, Variable};
use crate::outcome::Reason;
use crate::outcome::ResultName;

/// Widest line of the help, in characters.
const WIDTH: usize = 100;

/// Parsed arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// No arguments: run.
    None,
    /// `--help` or `--version`: the text to print, with its line break.
    Text(String),
}

impl Arguments {
    /// Parses the arguments, without the program's own name.
    ///
    /// # Errors
    /// Any other argument: ignoring it would hide a mistake.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Problem> {
        let mut arguments = arguments.into_iter();
        let text = match arguments.next() {
            None => return Ok(Self::None),
            Some(argument) if argument == "--help" => help(),
            Some(argument) if argument == "--version" => version(),
            Some(argument) => return Err(unknown(&argument)),
        };
        match arguments.next() {
            None => Ok(Self::Text(text)),
            Some(argument) => Err(unknown(&argument)),
        }
    }
}

/// Prints the text; ignores EPIPE.
pub fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    ExitCode::SUCCESS
}

fn version() -> String {
    format!("{} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

fn unknown(argument: &OsString) -> Problem {
    let problem = "is unknown: configuration is by environment variables only, see --help";
    Problem::for_name("argument", argument.to_str(), problem, Some("--help"))
}

fn help() -> String {
    let mut text = String::from(
        "ensure-pull-secret creates and refreshes a Kubernetes image pull secret, and verifies against the\n\
         registry that your image can be pulled with it. Configuration is by environment variables only.\n\
         The program writes one JSON report to standard output and its log to standard error.\n\
         \n\
         Variables (empty means unset; lists: by commas or white space; durations: 90s, 15m, 24h, 7d)\n\
         \n",
    );
    for variable in VARIABLES {
        text.push_str(&format!("  {} ({})\n", variable.name, default(variable)));
        wrap(&mut text, 6, "", variable.meaning);
    }
    for (names, default, meaning) in PLATFORM_VARIABLES {
        text.push_str(&format!(
            "  {names} ({})\n",
            if *default == "–" { "optional" } else { default }
        ));
        wrap(&mut text, 6, "", meaning);
    }
    text.push_str("\nResults (RESULTS_<RESULT>_PATH is the path of the file)\n\n");
    for result in ResultName::ALL {
        wrap(&mut text, 16, &format!("  {}", result.as_str()), result.meaning());
    }
    text.push_str("\nExit codes and reasons\n\n");
    for reason in Reason::ALL {
        let info = reason.info();
        let head = format!("  {:>2}  {}", info.exit_code, info.word);
        wrap(&mut text, 31, &head, &format!("{}.", info.meaning));
    }
    text
}

fn default(variable: &Variable) -> String {
    match variable.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::None => "optional".to_owned(),
        DefaultValue::Described(words) => format!("default: {words}"),
        DefaultValue::Value(value) => format!("default: {value}"),
    }
}

/// Adds an indented paragraph that begins with `head`. Only a line of one word is wider than [`WIDTH`].
fn wrap(text: &mut String, indent: usize, head: &str, paragraph: &str) {
    let mut line = format!("{head:indent$}");
    let mut empty = true;
    for word in paragraph.split_whitespace() {
        let width = line.chars().count().saturating_add(word.chars().count());
        if !empty && width >= WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    text.push_str(&line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, Problem> {
        Arguments::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn help_and_version_are_the_only_arguments() {
        assert_eq!(parse(&[]), Ok(Arguments::None));
        assert_eq!(parse(&["--help"]), Ok(Arguments::Text(help())));
        let version = format!("ensure-pull-secret {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(parse(&["--version"]), Ok(Arguments::Text(version)));
        for arguments in [&["-h"][..], &["help"], &[""], &["--help", "x"], &["--name=x"]] {
            let problem = parse(arguments).expect_err("a problem");
            assert_eq!(problem.variable, "argument");
            assert!(problem.problem.contains("--help"), "{problem:?}");
        }
    }

    #[test]
    fn possible_credential_in_an_argument_is_not_printed() {
        let problem = parse(&["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"]).expect_err("a problem");
        assert_eq!(problem.given, None);
    }

    #[test]
    fn help_shows_the_default_of_each_variable() {
        let help = help();
        for line in [
            "  PULL_SECRET_NAME (required)\n",
            "  PULL_SECRET_IMAGE (optional)\n",
            "  PULL_SECRET_NAMESPACE (default: the pod's own)\n",
            "  PULL_SECRET_MODE (default: ensure)\n",
            "  HTTPS_PROXY, NO_PROXY, ALL_PROXY (optional)\n",
            "  KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT (set by Kubernetes)\n",
        ] {
            assert!(help.contains(line), "{line}");
        }
    }

    #[test]
    fn wrap_breaks_a_line_before_a_word_that_does_not_fit() {
        let word = "x".repeat(47);
        let mut text = String::new();
        wrap(&mut text, 4, " a", &format!("{word} {word} y {word}{word} z"));
        assert_eq!(text, format!(" a  {word} {word}\n    y {word}{word}\n    z\n"));
    }

    #[test]
    fn help_has_every_variable_result_and_reason_and_fits_its_width() {
        let help = help();
        for variable in VARIABLES {
            assert!(
                help.contains(&format!("  {} (", variable.name)),
                "{}",
                variable.name
            );
        }
        for result in ResultName::ALL {
            assert!(
                help.contains(&format!("\n  {} ", result.as_str())),
                "{}",
                result.as_str()
            );
        }
        for reason in Reason::ALL {
            assert!(help.contains(&format!("  {} ", reason.as_str())), "{reason}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
            assert_eq!(line.trim_end(), line);
        }
    }
}
