//! The direction of imports in `src/`: a folder imports only from folders that know less than it does
//! (docs/development/architecture.md). Paths in `use` lines and in code count; unit tests are ignored.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Folders and files at the top of `src/`, in order, with their allowed imports.
const ALLOWED: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("hardening", &[]),
    ("file", &[]),
    ("image", &["text"]),
    ("credential", &["text"]),
    ("outcome", &["credential"]),
    ("config", &["text", "image", "credential", "outcome"]),
    (
        "dockerconfig",
        &["text", "image", "credential", "outcome", "config"],
    ),
    ("transport", &["text", "image", "config"]),
    (
        "kubernetes",
        &[
            "text",
            "file",
            "image",
            "credential",
            "outcome",
            "config",
            "transport",
        ],
    ),
    ("registry", &["image", "transport"]),
    (
        "verification",
        &[
            "text",
            "image",
            "credential",
            "outcome",
            "config",
            "transport",
            "kubernetes",
            "registry",
        ],
    ),
    (
        "decide",
        &[
            "text",
            "image",
            "credential",
            "outcome",
            "config",
            "dockerconfig",
            "kubernetes",
            "registry",
            "verification",
        ],
    ),
    (
        "commands",
        &[
            "text",
            "file",
            "image",
            "credential",
            "outcome",
            "config",
            "dockerconfig",
            "transport",
            "kubernetes",
            "registry",
            "verification",
            "decide",
        ],
    ),
    (
        "report",
        &["text", "file", "credential", "outcome", "config", "kubernetes"],
    ),
    (
        "run",
        &["file", "outcome", "config", "transport", "decide", "commands"],
    ),
    ("main", &["hardening", "outcome", "config", "report", "run"]),
];

/// Folders without I/O, and the names that they must not use.
const WITHOUT_IO: &[&str] = &["image", "credential", "config", "dockerconfig", "decide"];
const IO: &[&str] = &["tokio", "hyper", "kube", "std::fs", "std::net"];

/// Folder of a file, or its own name at the top of `src/`.
fn place(file: &Path) -> String {
    let first = file.iter().next().and_then(|part| part.to_str());
    let first = first.unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// The source without comments and unit tests.
fn code(source: &str) -> String {
    let source = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let mut code = String::with_capacity(source.len());
    for line in source.lines() {
        let line = line.trim_start();
        if !line.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// Paths that begin with `root`, with groups expanded.
fn paths(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if code[..at].ends_with(is_word) || code[..at].ends_with("::") {
            continue;
        }
        expand(code[at + root.len()..].chars(), String::new(), &mut found);
    }
    found
}

/// Reads one path or group after `prefix`.
fn expand(mut rest: std::str::Chars<'_>, prefix: String, found: &mut BTreeSet<String>) {
    let mut path = prefix.clone();
    let mut depth = Vec::new();
    loop {
        match rest.next() {
            Some('{') => depth.push(path.clone()),
            Some(',') => {
                keep(&path, found);
                match depth.last() {
                    Some(outer) => path.clone_from(outer),
                    None => return,
                }
            }
            Some('}') => {
                keep(&path, found);
                if depth.pop().is_none() || depth.is_empty() {
                    return;
                }
                path = depth.last().cloned().unwrap_or_default();
            }
            Some(c) if c.is_whitespace() && !depth.is_empty() => {}
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | ':' | '*') => path.push(c),
            _ => {
                keep(&path, found);
                return;
            }
        }
    }
}

fn keep(path: &str, found: &mut BTreeSet<String>) {
    let path = path.trim_matches(':');
    if !path.is_empty() {
        found.insert(path.to_owned());
    }
}

/// Violations of the import rule in one file.
fn violations(file: &Path, source: &str) -> Vec<String> {
    let (place, code) = (place(file), code(source));
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == place) else {
        return vec![format!("{}: {place} is not in the list", file.display())];
    };
    let depth = file.iter().count();
    let top = ["crate::", "ensure_pull_secret::"]
        .into_iter()
        .flat_map(|root| paths(&code, root))
        // From a file in a folder, `super::super` is the crate's root too.
        .chain(
            (depth == 2)
                .then(|| paths(&code, "super::super::"))
                .into_iter()
                .flatten(),
        );
    let imports: BTreeSet<String> = top
        .map(|path| path.split("::").next().unwrap_or_default().to_owned())
        .collect();
    let mut wrong: Vec<String> = imports
        .iter()
        .filter(|name| **name != place && !allowed.contains(&name.as_str()))
        .map(|name| format!("{}: {place} must not import {name}", file.display()))
        .collect();
    if WITHOUT_IO.contains(&place.as_str()) {
        for name in IO {
            let is_named = !paths(&code, &format!("{name}::")).is_empty()
                || code.lines().any(|line| line.starts_with(&format!("use {name}")));
            if is_named {
                wrong.push(format!(
                    "{}: {place} has no I/O and must not name {name}",
                    file.display()
                ));
            }
        }
    }
    wrong
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("src can be listed");
    entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// True if a file has only unit tests.
fn is_test(file: &Path) -> bool {
    file.iter().any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn folders_import_only_from_folders_that_know_less() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 80, "{} files", files.len());
    let wrong: Vec<String> = files
        .iter()
        .map(|path| (path.strip_prefix(&root).expect("below src"), path))
        .filter(|(file, _)| !is_test(file) && *file != Path::new("lib.rs"))
        .flat_map(|(file, path)| violations(file, &fs::read_to_string(path).expect("a source file is text")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_listed_and_the_list_has_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found: BTreeSet<String> = fs::read_dir(root)
        .expect("src can be listed")
        .map(|entry| place(Path::new(&entry.expect("an entry").file_name())))
        .filter(|name| name != "lib")
        .collect();
    let listed: BTreeSet<String> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed);
    for (index, (name, allowed)) in ALLOWED.iter().enumerate() {
        for import in *allowed {
            let position = ALLOWED.iter().position(|(other, _)| other == import);
            assert!(
                position.is_some_and(|position| position < index),
                "{name} imports {import}"
            );
        }
    }
}

#[test]
fn broken_example_is_rejected() {
    let wrong = |file: &str, source: &str| violations(Path::new(file), source);
    for (file, source) in [
        ("registry/x.rs", "use crate::kubernetes::secret::StoredSecret;"),
        (
            "registry/x.rs",
            "use crate::{\n    image::RegistryHost,\n    kubernetes::{error::KubernetesError, secret},\n};",
        ),
        ("registry/x.rs", "fn x() -> crate::report::Report { todo() }"),
        ("image/key.rs", "use super::super::dockerconfig::Entry;"),
        ("decide/mod.rs", "use tokio::time::Instant;"),
        ("decide/mod.rs", "fn x() { std::fs::read(path); }"),
        ("config/value.rs", "use std::net::IpAddr;"),
        ("run.rs", "use crate::{config::Config, registry::Registries};"),
        ("elsewhere/x.rs", ""),
    ] {
        assert_eq!(wrong(file, source).len(), 1, "{file}: {source}");
    }
    for (file, source) in [
        (
            "registry/x.rs",
            "use crate::{image::RegistryHost, transport::Https};\n// crate::kubernetes::x",
        ),
        (
            "verification/x.rs",
            "use crate::{kubernetes::access_review::{Reviewer, TokenReview}, registry};",
        ),
        ("decide/mod.rs", "use super::mytokio::x;"),
    ] {
        assert_eq!(wrong(file, source), Vec::<String>::new(), "{file}: {source}");
    }
}
