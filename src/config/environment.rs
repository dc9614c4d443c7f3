//! The process environment: known variables, and warnings about unknown ones with the prefix.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::problem::{Problem, is_token};
use super::variables::{PREFIX, RESERVED, Raw, VARIABLES, Values};
use crate::outcome::ResultName;
use crate::text::clip_name;
use crate::text::looks_like_credential;

/// Platform variables: those without the prefix.
const PLATFORM: &[&str] = &[
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Longest printed name of an unknown variable, in characters.
const NAME_MAX: usize = 80;

/// Known variables of the environment.
pub(super) struct Environment {
    /// The program's own variables.
    pub values: Values,
    /// Platform variables, by name.
    pub platform: BTreeMap<String, String>,
    /// Path of each result.
    pub results: Vec<(ResultName, PathBuf)>,
    /// Warnings about unknown variables with the prefix, one sentence each.
    pub warnings: Vec<String>,
}

/// Sorts the environment. Empty means unset. A known variable that isn't UTF-8, is set twice or is reserved adds a
/// problem. Other variables are ignored, UTF-8 or not.
pub(super) fn sort(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> Environment {
    let (known, warnings) = known(variables, problems);
    for (name, purpose) in RESERVED {
        if known.contains_key(*name) {
            let problem = format!("is reserved for {purpose}, which this version does not support");
            problems.push(Problem::for_name(name, None, problem, None));
        }
    }
    let results = ResultName::ALL
        .iter()
        .filter_map(|&result| Some((result, known.get(&result.variable())?.into())))
        .collect();
    let platform = PLATFORM
        .iter()
        .filter_map(|&name| Some((name.to_owned(), known.get(name)?.clone())))
        .collect();
    let own = VARIABLES
        .iter()
        .filter_map(|variable| Some((variable.name.to_owned(), known.get(variable.name)?.clone())));
    // Envy strips a repeated prefix and ignores case, so it gets only exact names of the table, each once.
    let raw = envy::prefixed(PREFIX).from_iter(own).unwrap_or_else(|_| {
        problems.push(Problem::for_name(
            PREFIX,
            None,
            "variables could not be read",
            None,
        ));
        Raw::default()
    });
    Environment {
        values: raw.into(),
        platform,
        results,
        warnings,
    }
}

/// Known variables by name, and warnings about unknown variables with the prefix.
fn known(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<String, String>, Vec<String>) {
    let mut known = BTreeMap::new();
    let mut warnings = Vec::new();
    for (name, value) in variables {
        let name = match name.into_string() {
            Ok(name) => name,
            Err(name) => {
                let name = name.to_string_lossy();
                warnings.extend(name.starts_with(PREFIX).then(|| unknown(&name)));
                continue;
            }
        };
        if !is_known(&name) {
            let mistaken = name.starts_with(PREFIX) && !is_service_link(&name) && !value.is_empty();
            warnings.extend(mistaken.then(|| unknown(&name)));
            continue;
        }
        if value.is_empty() {
            continue;
        }
        let example = VARIABLES
            .iter()
            .find(|variable| variable.name == name)
            .map(|variable| variable.example);
        let Ok(value) = value.into_string() else {
            problems.push(Problem::for_name(&name, None, "is not valid UTF-8", example));
            continue;
        };
        if name.starts_with(PREFIX) && is_token(&value) {
            let problem = "contains what looks like a token: put the token into a file and set PULL_SECRET_TOKEN_FILE to \
                           its path";
            problems.push(Problem::for_name(&name, None, problem, example));
            continue;
        }
        let other = known.insert(name.clone(), value.clone());
        if other.is_some_and(|other| other != value) {
            problems.push(Problem::for_name(
                &name,
                None,
                "is set twice with different values",
                example,
            ));
        }
    }
    (known, warnings)
}

fn is_known(name: &str) -> bool {
    VARIABLES.iter().any(|variable| variable.name == name)
        || RESERVED.iter().any(|(reserved, _)| *reserved == name)
        || PLATFORM.contains(&name)
        || ResultName::ALL.iter().any(|result| result.variable() == name)
}

/// True if Kubernetes sets this variable for a Service whose name begins with `pull-secret`
/// (kubelet `pkg/kubelet/envvars/envvars.go`).
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    // With a leading `_`, the Service `pull-secret` itself needs no special case.
    let rest = format!("_{rest}");
    if rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT") || rest.contains("_SERVICE_PORT_") {
        return true;
    }
    match rest.split_once("_PORT") {
        Some((_, "")) => true,
        Some((_, port)) => {
            let mut words = port.trim_start_matches('_').split('_');
            let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
            let protocol = words
                .next()
                .is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"));
            let part = words
                .next()
                .is_none_or(|word| matches!(word, "PROTO" | "PORT" | "ADDR"));
            number && protocol && part && words.next().is_none()
        }
        None => false,
    }
}

/// Warning about an unknown variable with the prefix.
fn unknown(name: &str) -> String {
    let shown = if is_token(name) || looks_like_credential(name) {
        format!("a variable with the prefix {PREFIX}")
    } else {
        clip_name(name, NAME_MAX)
    };
    match nearest(name) {
        Some(nearest) => {
            format!("{shown} is unknown and has no effect; the nearest known variable is {nearest}")
        }
        None => format!("{shown} is unknown and has no effect; --help lists the known variables"),
    }
}

/// Known variable at most three edits away; for short names, at most half of their length.
fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_uppercase();
    // A missing or repeated prefix costs the same number of edits for every name.
    let given = upper.trim_start_matches(PREFIX);
    let length = given.chars().count();
    let limit = length.div_euclid(2).min(3);
    VARIABLES
        .iter()
        .map(|variable| {
            let known = variable.name.trim_start_matches(PREFIX);
            // Swapped letters are the most common mistake, so the same length decides between equals.
            (edits(given, known), known.len().abs_diff(length), variable.name)
        })
        .filter(|(edits, ..)| *edits <= limit)
        .min()
        .map(|(.., name)| name)
}

/// Levenshtein distance: insertions, deletions and replacements from one text to the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, from) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        let mut next = vec![left];
        for (to, above) in other.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(from != *to));
            left = replaced.min(left.saturating_add(1)).min(above.saturating_add(1));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
