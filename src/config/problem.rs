//! Configuration errors, with values redacted.

use serde::Serialize;

use super::variables::{Kind, Variable};
use crate::credential::kind_in;
use crate::text::{clip_name, looks_like_credential, one_line};

/// Longest printed invalid value, in characters.
const GIVEN_MAX: usize = 60;

/// Longest printed example, in bytes: 64 images have a shorter one.
const EXAMPLE_MAX: usize = 8 << 10;

/// Configuration error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Full name of the variable, or `argument`.
    pub variable: String,
    /// The invalid value, clipped; none if unset, or if it may be a credential.
    pub given: Option<String>,
    /// Cause, half a sentence.
    pub problem: String,
    /// A valid value, if there is one.
    pub example: Option<String>,
}

impl Problem {
    /// Error in one of the program's own variables. `given` is the value, or the invalid item of a list.
    pub fn for_variable(variable: &Variable, given: Option<&str>, problem: impl Into<String>) -> Self {
        let shown = given.and_then(|given| shown(variable.kind, given));
        let problem = problem.into();
        // A value that is redacted must not be quoted by the cause either.
        let quoted = shown.is_none() && given.is_some_and(|given| problem.contains(given));
        Self {
            variable: variable.name.to_owned(),
            given: shown,
            problem: if quoted {
                "is malformed".to_owned()
            } else {
                problem
            },
            example: Some(variable.example.to_owned()),
        }
    }

    /// Error in another variable or an argument; `given` is printed unless it may be a credential.
    pub fn for_name(
        variable: &str,
        given: Option<&str>,
        problem: impl Into<String>,
        example: Option<&str>,
    ) -> Self {
        Self {
            variable: variable.to_owned(),
            given: given.and_then(|given| shown(Kind::Name, given)),
            problem: problem.into(),
            example: example.map(str::to_owned),
        }
    }

    /// Replaces the example of the table, unless it is too long to print.
    #[must_use]
    pub fn with_example(mut self, example: &str) -> Self {
        if example.len() <= EXAMPLE_MAX {
            self.example = Some(example.to_owned());
        }
        self
    }

    /// Cause as half a sentence that begins with the variable.
    pub fn cause(&self) -> String {
        let given = self
            .given
            .as_ref()
            .map(|given| format!(" (given: {given})"))
            .unwrap_or_default();
        one_line(&format!("{}{given} {}", self.variable, self.problem))
    }

    /// Remedy, one sentence; without a full stop after a value to copy.
    pub fn remedy(&self) -> String {
        match &self.example {
            Some(example) => one_line(&format!("Set a valid value, for example: {example}")),
            None => "Unset it.".to_owned(),
        }
    }
}

/// Printable form of an invalid value; none if it may be a credential.
fn shown(kind: Kind, given: &str) -> Option<String> {
    match kind {
        Kind::Text | Kind::Path => None,
        Kind::Name | Kind::List | Kind::Duration | Kind::Percentage | Kind::Choice(_) => {
            (!may_be_credential(given)).then(|| clip_name(given, GIVEN_MAX))
        }
    }
}

/// True if a text certainly contains a token: a JWT or one part of it, plain or in base64, an OpenShift login token
/// (`sha256~…`), or a Kubernetes token among other text. Such a value is rejected in every variable.
pub(super) fn is_token(text: &str) -> bool {
    // `{"` in base64url, and in base64 once more.
    const JWT: &[&str] = &["eyJ", "ZXlK"];
    kind_in(text).is_kubernetes()
        || pieces(text)
            .any(|piece| JWT.iter().any(|start| piece.starts_with(start)) && piece.len() >= RANDOM_MIN)
}

/// True if a text may be a credential: a token, `user:password@`, or a long text that looks random.
///
/// In doubt true: a hidden value costs its owner a look at the configuration, a printed one may leak a password.
pub fn may_be_credential(text: &str) -> bool {
    is_token(text) || looks_like_credential(text) || has_user_info(text) || looks_random(text)
}

/// True if a part of a host looks like random bytes in base64: long, with upper case, lower case and digits. Such a host
/// is rejected, since hosts are printed in reports and sent to name servers.
pub(super) fn is_random_host(host: &str) -> bool {
    let is_random = |piece: &str| {
        piece.len() >= RANDOM_MIN
            && piece.bytes().any(|b| b.is_ascii_uppercase())
            && piece.bytes().any(|b| b.is_ascii_lowercase())
            && piece.bytes().any(|b| b.is_ascii_digit())
    };
    looks_like_credential(host) || pieces(host).any(is_random)
}

/// Shortest text that counts as random: generated passwords have 16 characters and more.
const RANDOM_MIN: usize = 16;

/// Runs of characters of base64, base64url and hexadecimal, except `/`, which separates paths.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '_' | '-')))
}

fn looks_random(text: &str) -> bool {
    // A digest is long and random, but not secret.
    let digestless = match text.rsplit_once("sha256:") {
        Some((before, digest)) if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) => {
            before
        }
        _ => text,
    };
    pieces(digestless).any(|piece| {
        let count = |is: fn(&u8) -> bool| piece.bytes().filter(is).count();
        let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
        let digits = count(u8::is_ascii_digit);
        piece.len() >= RANDOM_MIN && upper > 0 && lower.saturating_add(digits) > 0
            // Names end with a year or a hash of five characters; random texts have more digits.
            || piece.len() >= RANDOM_MIN && digits.saturating_mul(5) >= piece.len()
    })
}

/// True for `user:password@` (RFC 3986 section 3.2.1), but not for `repository:tag@digest`. Both may contain an `@`.
fn has_user_info(text: &str) -> bool {
    let authority = match text.split_once("://") {
        Some((scheme, authority)) if !scheme.contains(':') => authority,
        _ => text,
    };
    let Some(colon) = authority.find(':') else {
        return false;
    };
    let slash = authority.find('/').unwrap_or(usize::MAX);
    // Searched for once: a value may be 128 KiB of `@`.
    authority.match_indices('@').any(|(at, _)| {
        let after = authority.get(at..).unwrap_or_default();
        let is_reference = ["@sha256:", "@sha512:"]
            .iter()
            .any(|digest| after.starts_with(digest));
        // Of several in a row the last decides.
        at > colon && !after.starts_with("@@") && !((is_reference || after == "@") && slash < at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::variables::VARIABLES;

    const IMAGE: &str = "image-registry.openshift-image-registry.svc:5000/private-ai-demo/model:1.0";

    fn of_kind(kind: Kind) -> &'static Variable {
        VARIABLES
            .iter()
            .find(|variable| variable.kind == kind)
            .expect("every kind has a variable")
    }

    #[test]
    fn possible_credential_is_not_printed() {
        for credential in [
            "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
            "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ",
            "ZXlKaGJHY2lPaUpTVXpJMU5pSjk=",
            "quay.io/eyJzdWIiOiJ4In0.c2ln",
            "sha256~xyz",
            "https://user:secret@quay.io",
            "user:secret@",
            "user@example.com:secret@quay.io",
            "user:se://cret@quay.io",
            "user:secret@quay.io/a@sha256:0",
            "Zm9vYmFyYmF6cXV4MTI",
            "0123456789abcdef0123456789abcdef",
            "ABCDEFGH12345678IJKLMNOP",
            "glpat-AbCdEfGh12345678",
            "quay.io/model@sha256:0123456789abcdef0123456789abcdef",
            "quay.io/model@sha256:0123456789abcdeg0123456789abcdeg0123456789abcdeg0123456789abcdeg",
        ] {
            let problem = Problem::for_variable(of_kind(Kind::Name), Some(credential), "is wrong");
            assert_eq!(problem.given, None, "{credential}");
        }
    }

    #[test]
    fn invalid_value_is_printed() {
        for plain in [
            format!("{IMAGE}@"),
            format!("{IMAGE}@sha256:{}", "0123456789abcdef".repeat(4)),
            "my_secret".to_owned(),
            "internal-registry-private-ai-2026".to_owned(),
            "https://quay.io".to_owned(),
            "https://user@quay.io".to_owned(),
            "INTERNAL_REGISTRY_PRIVATE".to_owned(),
        ] {
            assert!(
                Problem::for_variable(of_kind(Kind::List), Some(&plain), "is wrong")
                    .given
                    .is_some(),
                "{plain}"
            );
        }
    }

    #[test]
    fn printed_value_is_clipped_and_safe() {
        let problem = Problem::for_variable(of_kind(Kind::Name), Some("a b\n\u{1b}[0m$(c)"), "is wrong");
        assert_eq!(problem.given.as_deref(), Some("a_b___0m__c_"));
        let problem = Problem::for_variable(of_kind(Kind::Name), Some(&"ab.".repeat(100)), "is wrong");
        assert_eq!(problem.given.map(|given| given.chars().count()), Some(GIVEN_MAX));
    }

    #[test]
    fn free_text_and_paths_are_never_printed() {
        for kind in [Kind::Text, Kind::Path] {
            assert_eq!(
                Problem::for_variable(of_kind(kind), Some("plain"), "is wrong").given,
                None
            );
        }
    }

    #[test]
    fn only_certain_tokens_count_as_tokens() {
        assert!(is_token("quay.io/a/eyJhbGciOiJSUzI1NiJ9"));
        assert!(is_token("sha256~a"));
        for name in [IMAGE, "20240101T123456Z", "eyJ", "Zm9vYmFyYmF6cXV4MTI"] {
            assert!(!is_token(name), "{name}");
        }
    }

    #[test]
    fn cause_has_variable_and_value_and_remedy_has_an_example() {
        let variable = of_kind(Kind::Percentage);
        let problem = Problem::for_variable(variable, Some("4O"), "is not a percentage");
        assert_eq!(
            problem.cause(),
            "PULL_SECRET_REFRESH_BELOW (given: 4O) is not a percentage"
        );
        assert_eq!(problem.remedy(), "Set a valid value, for example: 40%");
    }
}
