//! Parsing of values, one function for each kind. An error is half a sentence that follows the variable's name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::names::{Namespace, ObjectName};
use super::problem::{Problem, is_random_host};
use super::variables::{DefaultValue, RawValue};
use super::{Access, NextRun};
use crate::credential::{Lifetime, Percentage};
use crate::image::ImageReference;
use crate::image::{HostPort, RegistryHost};

/// Ends of a line.
pub(super) const LINE_ENDS: [char; 2] = ['\r', '\n'];
/// Most problems of one list: more are of no use, and a value may have tens of thousands of items.
const LIST_PROBLEMS: usize = 16;
/// Problem of a value with a line end.
pub(super) const HAS_LINE_END: &str = "has a line end: write the value without it";

impl RawValue {
    /// The value, or the default if it is unset.
    fn text(&self) -> Option<&str> {
        match self.variable.default {
            DefaultValue::Value(default) => Some(self.value.as_deref().unwrap_or(default)),
            DefaultValue::Required | DefaultValue::None | DefaultValue::Described(_) => self.value.as_deref(),
        }
    }

    /// Parses the value, or the default if it is unset. `None` if there is neither, or if it is invalid, which adds a
    /// problem.
    pub fn read<T>(
        &self,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = self.text() else {
            if self.variable.default == DefaultValue::Required {
                problems.push(Problem::for_variable(self.variable, None, "must be set"));
            }
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(_) if text.contains(LINE_ENDS) => {
                let given = text.trim_end_matches(LINE_ENDS);
                problems.push(Problem::for_variable(self.variable, Some(given), HAS_LINE_END));
                None
            }
            Err(problem) => {
                problems.push(Problem::for_variable(self.variable, Some(text), problem));
                None
            }
        }
    }

    /// Parses the value; `None` if it is unset, whatever its default.
    pub fn read_if_set<T>(
        &self,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.value.as_ref().and_then(|_| self.read(problems, read))
    }

    /// Parses a list, trimmed, without empty items and duplicates. Each invalid item adds a problem, up to [`LIST_PROBLEMS`].
    pub fn read_list<T: PartialEq>(
        &self,
        problems: &mut Vec<Problem>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        let most = problems.len().saturating_add(LIST_PROBLEMS);
        for item in list(self.text().unwrap_or_default()) {
            if problems.len() == most {
                break;
            }
            match read(&item) {
                Ok(item) if items.contains(&item) => {}
                Ok(item) => items.push(item),
                Err(problem) => problems.push(Problem::for_variable(self.variable, Some(&item), problem)),
            }
        }
        items
    }
}

/// Items of a list, separated by commas or white space. A piece that starts with `@` or `:` continues the one before it: a
/// build result with a line end gives `host/app⏎@sha256:…`.
pub(super) fn list(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let pieces = text.split(|c: char| c == ',' || c.is_whitespace());
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        match items.last_mut() {
            Some(item) if piece.starts_with(['@', ':']) => item.push_str(piece),
            _ => items.push(piece.to_owned()),
        }
    }
    items
}

/// Value of one of several words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("must be one of {}", words.join(", "))
        })
}

/// `true` or `false`.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    choice(&[("true", true), ("false", false)], text)
}

/// Name of a Secret or a ServiceAccount.
pub(super) fn object_name(text: &str) -> Result<ObjectName, String> {
    ObjectName::parse(text).map_err(|error| error.to_string())
}

/// Name of a namespace.
pub(super) fn namespace(text: &str) -> Result<Namespace, String> {
    Namespace::parse(text).map_err(|error| error.to_string())
}

/// Rejects a host that looks like a password.
fn not_a_password(host: &str) -> Result<(), String> {
    if is_random_host(host) {
        Err("has a host that looks like a password".to_owned())
    } else {
        Ok(())
    }
}

/// Registry that the credential is for.
pub(super) fn registry(text: &str) -> Result<RegistryHost, String> {
    let registry = RegistryHost::parse(text).map_err(|error| format!("is not valid: {error}"))?;
    not_a_password(registry.host_port())?;
    Ok(registry)
}

/// Host that may receive the credential.
pub(super) fn host(text: &str) -> Result<HostPort, String> {
    not_a_password(text)?;
    HostPort::parse(text).map_err(|error| format!("has an invalid host: {error}"))
}

/// Image that must be pullable.
pub(super) fn image(text: &str) -> Result<ImageReference, String> {
    let image = ImageReference::parse(text).map_err(|error| format!("is not valid: {error}"))?;
    not_a_password(image.host())?;
    Ok(image)
}

/// Access of the credential, its words in any order.
pub(super) fn access(text: &str) -> Result<Access, String> {
    let mut words = list(text);
    words.sort_unstable();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["Pull"] => Ok(Access::Pull),
        ["Pull", "Push"] => Ok(Access::PushPull),
        _ => Err("must be Pull or Push,Pull".to_owned()),
    }
}

/// Longest time until the next run, or `none`.
pub(super) fn next_run(text: &str) -> Result<NextRun, String> {
    if text == "none" {
        return Ok(NextRun::NotPlanned);
    }
    Lifetime::parse(text)
        .map(NextRun::Within)
        .map_err(|error| format!("must be none or a duration: {error}"))
}

/// Absolute path: a relative one is more likely a mistake, such as a pasted token.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if path.is_absolute() && !text.contains(char::is_control) {
        Ok(path.to_owned())
    } else {
        Err("must be an absolute path".to_owned())
    }
}

/// Duration within bounds, both included.
pub(super) fn duration(text: &str, [least, most]: [&str; 2]) -> Result<Lifetime, String> {
    let bound = |text| Lifetime::parse(text).map_err(|error| error.to_string());
    let lifetime = Lifetime::parse(text).map_err(|error| format!("is not a duration: {error}"))?;
    if (bound(least)?..=bound(most)?).contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(format!("must be from {least} to {most}"))
    }
}

/// Timeout within bounds, both included.
pub(super) fn parse_timeout(text: &str, bounds: [&str; 2]) -> Result<Duration, String> {
    let lifetime = duration(text, bounds)?;
    let seconds = u64::try_from(lifetime.as_secs()).map_err(|error| error.to_string())?;
    Ok(Duration::from_secs(seconds))
}

/// Percentage, exclusive of 0 and 100.
pub(super) fn parse_percentage(text: &str) -> Result<Percentage, String> {
    let percentage = Percentage::parse(text).map_err(|error| format!("is not a percentage: {error}"))?;
    let is = |bound| Percentage::parse(bound) == Ok(percentage);
    if is("0%") || is("100%") {
        return Err("must be more than 0% and less than 100%".to_owned());
    }
    Ok(percentage)
}

/// User name of an entry. Clients split `auth` at its first colon (RFC 7617).
pub(super) fn username(text: &str) -> Result<String, String> {
    if text.contains(':') {
        Err("must not contain a colon: clients end the user name there".to_owned())
    } else {
        plain(text)
    }
}

/// Text without control characters.
pub(super) fn plain(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) {
        Err("must not contain control characters, such as a line break".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// `host:port=address:port`.
pub(super) fn connect_to(text: &str) -> Result<(HostPort, HostPort), String> {
    not_a_password(text)?;
    let Some((host, address)) = text.split_once('=') else {
        return Err("must have the form host:port=address:port".to_owned());
    };
    let side = |name: &str, text| {
        HostPort::parse_with_port(text).map_err(|error| format!("has an invalid {name}: {error}"))
    };
    Ok((side("left side", host)?, side("right side", address)?))
}
