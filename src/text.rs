//! Text from outside, made fit for results, logs and terminals: the one sanitizer.
//!
//! Other programs paste results and messages into shells, terminals and YAML, so a name from a document, a registry or an
//! environment variable is printed only through [`SafeName`] or [`clip_name`]. Keys of `auths` too: clients take
//! `https://robot:PASSWORD@quay.io` for quay.io's, so that a key may hold a password.

use std::{borrow::Cow, fmt};

/// Shown in place of what was left out.
const ELLIPSIS: char = '…';

/// A name from outside, safe to paste into a shell, a terminal or YAML, and at most `max` characters long.
///
/// Characters other than `A-Za-z0-9._:/@-` become `_`. A longer name is shortened in its middle with `…`, because
/// its beginning (the host) and its end (tag, digest) are what tells one from another.
pub fn clip_name(name: &str, max: usize) -> String {
    let length = name.chars().count();
    if length <= max {
        return name.chars().map(safe).collect();
    }
    let kept = max.saturating_sub(1);
    let tail = kept / 2;
    let head = kept.saturating_sub(tail);
    let beginning = name.chars().take(head).map(safe);
    let end = name.chars().skip(length.saturating_sub(tail)).map(safe);
    beginning
        .chain((max > 0).then_some(ELLIPSIS))
        .chain(end)
        .collect()
}

/// One line of text: every run of control characters and line separators becomes one blank.
///
/// A guard for texts that are ours already: whatever slipped through can't move a terminal's cursor or start a line.
pub fn one_line(text: &str) -> String {
    text.split(breaks_lines)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A block to paste: its line ends stay, every other control character is dropped.
pub fn block(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || !breaks_lines(c)).collect()
}

/// Control characters, and what terminals or editors take for a line end or a change of direction
/// (Unicode Standard Annex 9 and 14).
fn breaks_lines(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that a shell, a terminal and YAML take as they are; every other one becomes `_`.
fn safe(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '@' | '-') {
        c
    } else {
        '_'
    }
}

/// What every login token of OpenShift starts with (openshift/api `oauth/v1`, `OAuthAccessToken`).
pub const OPENSHIFT_LOGIN_PREFIX: &str = "sha256~";

/// Longest printed name, in characters: a DNS name's 253, with room for nothing more.
const MAX_LENGTH: usize = 253;

/// Printed in place of a name that may itself be a credential.
const REDACTED: &str = "redacted";

/// Printed in place of what stands where a port does.
const NO_PORT: &str = ":redacted";

/// A name made of `A-Za-z0-9._:/@-` alone, at most 253 characters.
///
/// Every other character is shown as `_`, what is too long ends with `...`, and what looks like a
/// credential is shown as `redacted`. What stands before an `@`, as user and password do, is left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// Makes a key of `auths`, a host or another name printable: without user, password, query and fragment, and without
    /// what stands in place of a port. Never fails; an empty name stays empty.
    pub fn new(name: &str) -> Self {
        let (scheme, rest) = split_scheme(name);
        let location = without_user(rest).split(['?', '#']).next().unwrap_or_default();
        Self::printable(&[scheme, &with_port(location)].concat())
    }

    /// Makes a text that names nothing printable, such as the value of an annotation: without what stands before an `@`.
    pub fn of_text(text: &str) -> Self {
        Self::printable(without_user(text))
    }

    fn printable(name: &str) -> Self {
        if looks_like_credential(name) {
            return Self(REDACTED.to_owned());
        }
        let mut safe: String = name.chars().take(MAX_LENGTH).map(safe).collect();
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

/// The scheme of a URL with its `://`, empty where there is none, and what follows it.
fn split_scheme(name: &str) -> (&str, &str) {
    let end = name.find("://").and_then(|at| at.checked_add(3));
    end.and_then(|end| name.split_at_checked(end))
        .filter(|(scheme, _)| {
            scheme
                .trim_end_matches("://")
                .bytes()
                .all(|b| b.is_ascii_alphabetic())
        })
        .unwrap_or(("", name))
}

/// What follows user and password (RFC 3986 section 3.2.1). A password may hold any character, so the last `@` ends it,
/// percent-encoded or not.
fn without_user(text: &str) -> &str {
    let end = |mark: &str| text.rfind(mark).and_then(|at| at.checked_add(mark.len()));
    let start = end("@").max(end("%40")).unwrap_or_default();
    text.get(start..).unwrap_or_default()
}

/// A host with its path; where something else than a number stands in place of the port, the host alone.
fn with_port(location: &str) -> Cow<'_, str> {
    let authority = location.split('/').next().unwrap_or_default();
    // The colons of an IPv6 address stand in brackets.
    let behind_address = authority.rfind(']').unwrap_or_default();
    let colon = authority
        .get(behind_address..)
        .and_then(|rest| rest.find(':'))
        .and_then(|colon| colon.checked_add(behind_address));
    match colon.and_then(|colon| authority.split_at_checked(colon)) {
        Some((host, port)) if !port.bytes().skip(1).all(|b| b.is_ascii_digit()) => {
            [host, NO_PORT].concat().into()
        }
        _ => location.into(),
    }
}

/// Whether a text may be a token or hold one, so that it must not be printed: a JWT's first part
/// (base64url of `{"`) with a second one behind it, or OpenShift's `sha256~`.
pub fn looks_like_credential(text: &str) -> bool {
    let jwt = text.split_once("eyJ").is_some_and(|(_, rest)| rest.contains('.'));
    jwt || text.contains(OPENSHIFT_LOGIN_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_fits_and_is_safe_stays_as_it_is() {
        let name = "quay.io:443/team/app:v1@sha256:0a";
        assert_eq!(clip_name(name, name.len()), name);
    }

    #[test]
    fn what_a_shell_or_terminal_would_act_on_becomes_an_underscore() {
        assert_eq!(
            clip_name("a$(b)\u{1b}[31m\n`c` \"d\"é", 40),
            "a__b___31m__c___d__"
        );
    }

    #[test]
    fn a_long_name_loses_its_middle() {
        assert_eq!(clip_name("abcdefghij", 5), "ab…ij");
        assert_eq!(clip_name("abcdefghij", 4), "ab…j");
        assert_eq!(clip_name("abcdefghij", 1), "…");
        assert_eq!(clip_name("abcdefghij", 0), "");
    }

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(one_line("a\r\n  b\u{2028}c\u{1b}[2Jd\n"), "a b c [2Jd");
    }

    #[test]
    fn a_block_keeps_its_line_ends_and_indentation_alone() {
        assert_eq!(block("a:\n  - b\u{1b}[2J\u{7}\n"), "a:\n  - b[2J\n");
    }

    proptest! {
        #[test]
        fn any_name_comes_out_short_and_safe(name in any::<String>(), max in 0_usize..80) {
            let clipped = clip_name(&name, max);
            prop_assert!(clipped.chars().count() <= max);
            prop_assert!(clipped.chars().all(|c| safe(c) == c || c == ELLIPSIS));
        }
    }

    #[test]
    fn a_registry_name_is_printed_as_it_is() {
        assert_eq!(
            SafeName::new("quay.io:443/team.x_y-z").as_str(),
            "quay.io:443/team.x_y-z"
        );
    }

    #[test]
    fn s3_the_user_part_of_a_key_is_dropped() {
        for (key, shown) in [
            ("https://robot:PASSWORD@quay.io", "https://quay.io"),
            ("http://robot@quay.io/v1/", "http://quay.io/v1/"),
            ("HTTPS://robot:PASSWORD@quay.io", "HTTPS://quay.io"),
            ("robot:PASSWORD@quay.io:443/team", "quay.io:443/team"),
            ("//robot:PASSWORD@quay.io", "quay.io"),
            ("robot:PASS@WORD@quay.io", "quay.io"),
            ("robot:PASS/WORD@quay.io", "quay.io"),
            ("robot:PASS://WORD@quay.io", "quay.io"),
            ("https://robot:PASS%40WORD%3A@quay.io", "https://quay.io"),
            ("https%3A%2F%2Frobot:PASSWORD%40quay.io", "quay.io"),
            ("https://robot:sha256~PASSWORD@quay.io", "https://quay.io"),
            ("https://PASSWORD@[::1]:5000/team", "https://_::1_:5000/team"),
            ("robot:PASSWORD", "robot:redacted"),
            ("robot:PASS/WORD", "robot:redacted"),
            ("https://robot:PASSWORD", "https://robot:redacted"),
            ("robot:1:PASSWORD", "robot:redacted"),
            ("https://quay.io?password=PASSWORD", "https://quay.io"),
            ("quay.io/team#PASSWORD", "quay.io/team"),
            ("PASSWORD@", ""),
        ] {
            let name = SafeName::new(key);
            assert_eq!(name.as_str(), shown, "{key}");
            assert!(
                !name.as_str().contains("PASS") && !name.as_str().contains("WORD"),
                "{key}"
            );
        }
    }

    #[test]
    fn a_key_without_user_stays() {
        for key in [
            "quay.io",
            "https://index.docker.io/v1/",
            "localhost:5000",
            "quay.io:/team",
            "registry.test:5000/team/app",
            "auths",
            "",
            "://",
        ] {
            assert_eq!(SafeName::new(key).as_str(), key);
        }
    }

    #[test]
    fn a_text_keeps_its_colons_and_loses_what_precedes_an_at() {
        for (text, shown) in [
            ("2033-05-18T03:33:20Z", "2033-05-18T03:33:20Z"),
            ("Team: models", "Team:_models"),
            ("robot:PASSWORD@quay.io", "quay.io"),
        ] {
            assert_eq!(SafeName::of_text(text).as_str(), shown);
        }
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

    #[test]
    fn what_may_be_a_token_is_recognised_in_other_text() {
        for text in [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
            "user:eyJ9.x@quay.io",
            "sha256~AbCd",
        ] {
            assert!(looks_like_credential(text), "{text}");
        }
        for text in [
            "quay.io/team",
            "image-registry.openshift-image-registry.svc:5000",
            "sha256:abc",
            "",
        ] {
            assert!(!looks_like_credential(text), "{text}");
        }
    }
}
