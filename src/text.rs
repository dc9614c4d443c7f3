//! Sanitizer of text from outside for results, logs and terminals.
//!
//! Other programs paste results and messages into shells, terminals and YAML, so a name from a document, a registry or an
//! environment variable is printed only through [`SafeName`] or [`clip_name`]. Keys of `auths` too: clients accept
//! `https://robot:PASSWORD@quay.io` as a key for quay.io, so a key may contain a password.

use std::{borrow::Cow, fmt};

/// Mark of omitted text.
const ELLIPSIS: char = '…';

/// Name from outside, safe to paste into a shell, a terminal or YAML, at most `max` characters long.
///
/// Characters other than `A-Za-z0-9._:/@-` become `_`. A longer name is shortened in its middle with `…`, because
/// its beginning (the host) and its end (tag, digest) distinguish it from others.
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

/// Text in one line: each group of control characters and line separators becomes one blank.
///
/// Second defence for texts of the program: nothing in them can move a terminal's cursor or start a line.
pub fn one_line(text: &str) -> String {
    text.split(breaks_lines)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Block to paste: line breaks stay, all other control characters are removed.
pub fn block(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || !breaks_lines(c)).collect()
}

/// True for control characters, and for those that break lines or change the direction in terminals or editors
/// (Unicode Standard Annex 9 and 14).
fn breaks_lines(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The character, or `_` for one that is special in a shell, a terminal or YAML.
fn safe(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '@' | '-') {
        c
    } else {
        '_'
    }
}

/// Prefix of every login token of OpenShift (openshift/api `oauth/v1`, `OAuthAccessToken`).
pub const OPENSHIFT_LOGIN_PREFIX: &str = "sha256~";

/// Longest printed name, in characters: the limit of a DNS name.
const MAX_LENGTH: usize = 253;

/// Replacement of a name that may be a credential.
const REDACTED: &str = "redacted";

/// Replacement of an invalid port, which may be a password.
const NO_PORT: &str = ":redacted";

/// Printable name: only `A-Za-z0-9._:/@-`, at most 253 characters.
///
/// Every other character is replaced by `_`, a longer name ends with `...`, and a possible credential is replaced by
/// `redacted`. User and password before an `@` are removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SafeName(String);

impl SafeName {
    /// Printable form of a key of `auths`, a host or another name: without user, password, query, fragment and invalid
    /// port. An empty name stays empty.
    pub fn new(name: &str) -> Self {
        let (scheme, rest) = split_scheme(name);
        let location = without_user(rest).split(['?', '#']).next().unwrap_or_default();
        Self::printable(&[scheme, &with_port(location)].concat())
    }

    /// Printable form of another text, such as the value of an annotation: without the part before an `@`.
    pub fn of_text(text: &str) -> Self {
        Self::printable(without_user(text))
    }

    fn printable(name: &str) -> Self {
        if looks_like_credential(name) {
            return Self(REDACTED.to_owned());
        }
        let mut safe: String = name.chars().take(MAX_LENGTH).map(safe).collect();
        if name.chars().nth(MAX_LENGTH).is_some() {
            // Only ASCII is left: bytes and characters are the same.
            safe.truncate(MAX_LENGTH.saturating_sub(3));
            safe.push_str("...");
        }
        Self(safe)
    }

    /// Printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Splits a URL into its scheme with `://`, which may be empty, and the rest.
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

/// Text after user and password (RFC 3986 section 3.2.1). A password may contain any character, so the last `@` ends
/// it, percent-encoded or not.
fn without_user(text: &str) -> &str {
    let end = |mark: &str| text.rfind(mark).and_then(|at| at.checked_add(mark.len()));
    let start = end("@").max(end("%40")).unwrap_or_default();
    text.get(start..).unwrap_or_default()
}

/// Host with its path; only the host if its port is not a number.
fn with_port(location: &str) -> Cow<'_, str> {
    let authority = location.split('/').next().unwrap_or_default();
    // The colons of an IPv6 address are in brackets.
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

/// True if a text may contain a token and must not be printed: the first part of a JWT (base64url of `{"`) followed by
/// a second one, or OpenShift's `sha256~`.
pub fn looks_like_credential(text: &str) -> bool {
    let jwt = text.split_once("eyJ").is_some_and(|(_, rest)| rest.contains('.'));
    jwt || text.contains(OPENSHIFT_LOGIN_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn safe_name_within_the_limit_is_unchanged() {
        let name = "quay.io:443/team/app:v1@sha256:0a";
        assert_eq!(clip_name(name, name.len()), name);
    }

    #[test]
    fn special_characters_become_underscores() {
        assert_eq!(
            clip_name("a$(b)\u{1b}[31m\n`c` \"d\"é", 40),
            "a__b___31m__c___d__"
        );
    }

    #[test]
    fn long_name_loses_its_middle() {
        assert_eq!(clip_name("abcdefghij", 5), "ab…ij");
        assert_eq!(clip_name("abcdefghij", 4), "ab…j");
        assert_eq!(clip_name("abcdefghij", 1), "…");
        assert_eq!(clip_name("abcdefghij", 0), "");
    }

    #[test]
    fn text_of_several_lines_becomes_one_line() {
        assert_eq!(one_line("a\r\n  b\u{2028}c\u{1b}[2Jd\n"), "a b c [2Jd");
    }

    #[test]
    fn block_keeps_only_line_breaks_and_indentation() {
        assert_eq!(block("a:\n  - b\u{1b}[2J\u{7}\n"), "a:\n  - b[2J\n");
    }

    proptest! {
        #[test]
        fn any_name_is_clipped_and_safe(name in any::<String>(), max in 0_usize..80) {
            let clipped = clip_name(&name, max);
            prop_assert!(clipped.chars().count() <= max);
            prop_assert!(clipped.chars().all(|c| safe(c) == c || c == ELLIPSIS));
        }
    }

    #[test]
    fn registry_name_is_printed_unchanged() {
        assert_eq!(
            SafeName::new("quay.io:443/team.x_y-z").as_str(),
            "quay.io:443/team.x_y-z"
        );
    }

    #[test]
    fn s3_user_part_of_a_key_is_removed() {
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
    fn key_without_user_is_unchanged() {
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
    fn text_keeps_colons_and_loses_the_part_before_an_at() {
        for (text, shown) in [
            ("2033-05-18T03:33:20Z", "2033-05-18T03:33:20Z"),
            ("Team: models", "Team:_models"),
            ("robot:PASSWORD@quay.io", "quay.io"),
        ] {
            assert_eq!(SafeName::of_text(text).as_str(), shown);
        }
    }

    #[test]
    fn safe_name_replaces_special_characters() {
        assert_eq!(SafeName::new("a\u{1b}[31m$(x)\n\u{e9}").as_str(), "a__31m__x___");
    }

    #[test]
    fn long_name_is_clipped_with_dots() {
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
    fn token_in_place_of_a_name_is_not_printed() {
        assert_eq!(
            SafeName::new("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln").as_str(),
            "redacted"
        );
        assert_eq!(SafeName::new("sha256~c2VjcmV0").as_str(), "redacted");
    }

    #[test]
    fn possible_token_is_found_in_other_text() {
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
