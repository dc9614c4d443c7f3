//! Names from outside, made fit to be printed.
//!
//! Results and messages are pasted into shells, terminals and YAML by other programs, so a name
//! from a document, a registry or an environment variable is printed only through [`SafeName`].

use std::fmt;

use crate::token::looks_like_credential;

/// Longest printed name, in characters: a DNS name's 253, with room for nothing more.
const MAX_LENGTH: usize = 253;

/// Printed in place of a name that may itself be a credential.
const REDACTED: &str = "redacted";

/// A name made of `A-Za-z0-9._:/@-` alone, at most 253 characters.
///
/// Every other character is shown as `_`, what is too long ends with `...`, and what looks like a
/// credential is shown as `redacted`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// Makes `name` printable. Never fails; an empty name stays empty.
    pub fn new(name: &str) -> Self {
        if looks_like_credential(name) {
            return Self(REDACTED.to_owned());
        }
        let mut safe: String = name
            .chars()
            .take(MAX_LENGTH)
            .map(|c| if is_safe(c) { c } else { '_' })
            .collect();
        if name.chars().nth(MAX_LENGTH).is_some() {
            // Only ASCII is left, so that a length in bytes is one in characters.
            safe.truncate(MAX_LENGTH.saturating_sub(3));
            safe.push_str("...");
        }
        Self(safe)
    }

    /// The printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '@' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_name_is_printed_as_it_is() {
        assert_eq!(
            SafeName::new("quay.io:443/team@x_y-z").as_str(),
            "quay.io:443/team@x_y-z"
        );
    }

    #[test]
    fn characters_that_shells_and_terminals_act_on_are_replaced() {
        assert_eq!(SafeName::new("a\u{1b}[31m$(x)\n\u{e9}").as_str(), "a__31m__x___");
    }

    #[test]
    fn a_long_name_is_clipped_and_says_so() {
        assert_eq!(SafeName::new(&"a".repeat(253)).as_str(), "a".repeat(253));
        assert_eq!(
            SafeName::new(&"a".repeat(254)).as_str(),
            format!("{}...", "a".repeat(250))
        );
        assert_eq!(
            SafeName::new(&"\u{1f600}".repeat(100_000)).as_str(),
            format!("{}...", "_".repeat(250))
        );
    }

    #[test]
    fn a_token_that_was_written_as_a_name_is_not_printed() {
        assert_eq!(
            SafeName::new("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln").as_str(),
            "redacted"
        );
        assert_eq!(SafeName::new("sha256~c2VjcmV0").as_str(), "redacted");
    }
}
