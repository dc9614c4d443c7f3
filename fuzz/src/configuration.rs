//! The environment.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

use ensure_pull_secret::{config::Config, text::looks_like_credential};

/// One variable per line, `NAME=VALUE`; `\n` in a value is a line break.
pub fn check(data: &[u8]) {
    let variables = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        Some((OsString::from_vec(line[..at].to_vec()), value(&line[at + 1..])))
    });
    match Config::from_env(variables) {
        Ok(config) => {
            assert!(!config.registries.is_empty());
            for image in &config.images {
                assert!(
                    config.registries.iter().any(|registry| registry.covers(image)),
                    "{image}"
                );
            }
            assert!(!config.username.is_empty() && !config.username.contains(':'));
            assert!(config.token_file.is_none() || config.service_account.is_none());
            config
                .warnings
                .iter()
                .for_each(|warning| is_fit_to_be_shown(warning));
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            error
                .warnings
                .iter()
                .for_each(|warning| is_fit_to_be_shown(warning));
            for problem in &error.problems {
                for text in [problem.cause(), problem.remedy()] {
                    is_fit_to_be_shown(&text);
                    assert!(!words(&text).any(has_password), "{text:?}");
                }
            }
        }
    }
}

fn value(bytes: &[u8]) -> OsString {
    let mut value = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(tail) = rest.strip_prefix(br"\n") {
            value.push(b'\n');
            rest = tail;
        } else {
            value.push(*first);
            rest = tail;
        }
    }
    OsString::from_vec(value)
}

/// One line, no word of which is a credential. Compared by words, since the program adds full stops and colons.
fn is_fit_to_be_shown(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(!words(text).any(looks_like_credential), "{text:?}");
}

/// Words, and items of lists.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ','])
}

/// `user:password@host`, which isn't `repository:tag@digest`, clipped maybe, nor our own pattern of one.
fn has_password(word: &str) -> bool {
    word.match_indices('@').any(|(at, _)| {
        let (before, after) = (&word[..at], &word[at + 1..]);
        let begins = after.split('…').next().unwrap_or_default();
        let is_digest =
            "sha256:".starts_with(begins) || begins.starts_with("sha") || begins.starts_with("digest]");
        // A clipped text may have lost the slashes.
        let schemes_end = ["://", ":/…", ":…"].iter().find_map(|end| before.split_once(end));
        let authority = match schemes_end {
            Some((scheme, authority)) if !scheme.contains(':') => authority,
            _ => before,
        };
        authority.contains(':') && !is_digest && after.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}
