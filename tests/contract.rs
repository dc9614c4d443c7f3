//! `docs/development/contract.md`: each promise has a test, each named test exists and runs, and each reason, variable and result has a
//! row. The tests that `docs/security.md` names exist as well.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ensure_pull_secret::{
    config::VARIABLES,
    outcome::{Reason, ResultName},
};

/// Prefix of the test names of each tier, and the directory of its sources.
const TIERS: &[(&str, &str)] = &[
    ("api::", "tests/api"),
    ("unit ", "src"),
    ("cluster ", "tests/cluster"),
    ("xtask ", "xtask/src"),
    ("node ", "tests/node/tests"),
    ("conformance ", "tests/conformance"),
    ("faults ", "tests/faults"),
    ("process ", "tests/process"),
];

/// First letters of the ids in `docs/development/field.md`, with the number of situations.
const SITUATIONS: &[(char, u32)] = &[('p', 11), ('r', 20), ('v', 10), ('o', 14), ('s', 19)];

/// Row of a table: a promise and its tests.
#[derive(Debug)]
struct Row {
    line: usize,
    promise: String,
    tests: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rows of all tables with the head `promise | tests`.
fn rows(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut in_table = false;
    for (index, line) in document.lines().enumerate() {
        let Some(cells) = line.trim().strip_prefix('|') else {
            in_table = false;
            continue;
        };
        let cells: Vec<_> = cells
            .strip_suffix('|')
            .unwrap_or(cells)
            .split('|')
            .map(str::trim)
            .collect();
        let head = cells == ["promise", "tests"];
        if in_table && !cells.iter().all(|cell| cell.starts_with("---")) {
            let line = index + 1;
            let [promise, tests] = cells[..] else {
                panic!("line {line} of the tables doesn't have two cells")
            };
            // Names are between backticks; other text in a cell is ignored.
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            rows.push(Row {
                line,
                promise: promise.to_owned(),
                tests,
            });
        }
        in_table |= head;
    }
    rows
}

/// Every test that runs, by tier and module; `tests` modules and files are omitted from the path.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (tier, directory) in TIERS {
        let directory = root().join(directory);
        for file in sources(&directory) {
            let module = module(file.strip_prefix(&directory).expect("it is inside"));
            let source = fs::read_to_string(&file).expect("a source file is text");
            found.extend(
                functions(&source)
                    .into_iter()
                    .map(|function| format!("{tier}{module}{function}")),
            );
        }
    }
    found
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.expect("a directory can be listed").path());
    paths
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// `a/b/mod.rs`, `a/b.rs` and `a/b/tests.rs` are all `a::b::`.
fn module(file: &Path) -> String {
    let path = file.with_extension("");
    let parts = path.iter().filter_map(|part| part.to_str());
    parts
        .filter(|part| !matches!(*part, "mod" | "tests" | "src" | "main"))
        .map(|part| format!("{part}::"))
        .collect()
}

/// Functions after `#[test]` or `#[tokio::test…]`, with other attributes and comments between; without ignored ones.
fn functions(source: &str) -> Vec<String> {
    let (mut is_test, mut is_ignored) = (false, false);
    let mut found = Vec::new();
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if !line.starts_with("#[") && !line.starts_with("//") && is_test {
            let name = line
                .split_once("fn ")
                .and_then(|(_, rest)| rest.split(['(', '<']).next());
            found.extend(name.filter(|_| !is_ignored).map(str::to_owned));
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

fn document() -> String {
    fs::read_to_string(root().join("docs/development/contract.md"))
        .expect("docs/development/contract.md can be read")
}

#[test]
fn every_promise_has_a_test_and_every_test_named_exists() {
    let (rows, tests) = (rows(&document()), tests());
    assert!(rows.len() > 100, "{} rows: the tables are not read", rows.len());
    let mut wrong = Vec::new();
    for Row {
        line,
        promise,
        tests: named,
    } in &rows
    {
        if named.is_empty() {
            wrong.push(format!("line {line}: no test for: {promise}"));
        }
        let missing = named.iter().filter(|name| !tests.contains(*name));
        wrong.extend(missing.map(|name| format!("line {line}: there is no test {name}")));
    }
    assert!(
        wrong.is_empty(),
        "docs/development/contract.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_test_in_docs_security_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md can be read");
    let tests = tests();
    let named: Vec<_> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| TIERS.iter().any(|(tier, _)| text.starts_with(tier)))
        .collect();
    assert!(named.len() > 5, "{named:?}: the page is not read");
    let missing: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(
        missing.is_empty(),
        "docs/security.md: there is no test {missing:?}"
    );
}

#[test]
fn s19_every_row_of_the_page_on_security_has_a_test() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md can be read");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 20, "{} rows: the page is not read", rows.len());
    for row in rows
        .iter()
        .filter(|row| !row.ends_with("| test |") && !row.starts_with("| ---"))
    {
        let last = row.trim_end_matches('|').rsplit('|').next().expect("a cell");
        let has_test = TIERS.iter().any(|(tier, _)| last.contains(&format!("`{tier}")));
        let names_another_row = matches!(last.trim(), "the same" | "the first one");
        assert!(has_test || names_another_row, "no test in: {row}");
    }
}

/// Parts of the page that promise nothing of their own: they introduce a list, a table or a command.
const WITHOUT_A_PROMISE: &[&str] = &[
    "Threat model:",
    "Tests of the first,",
    "In your kustomization:",
    "These tests give the runner",
];

#[test]
fn s19_every_paragraph_of_the_page_on_security_has_a_test() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md can be read");
    // Odd parts are commands and YAML.
    let text: String = page.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    let mut parts: Vec<String> = vec![String::new()];
    for line in text.lines().filter(|line| !line.starts_with(['#', '|'])) {
        if line.is_empty() || line.starts_with("- ") {
            parts.push(String::new());
        }
        let part = parts.last_mut().expect("there is one");
        part.push_str(line.trim());
        part.push(' ');
    }
    let promises: Vec<_> = parts.iter().filter(|part| !part.trim().is_empty()).collect();
    assert!(
        promises.len() > 30,
        "{} parts: the page is not read",
        promises.len()
    );
    let untested = promises
        .iter()
        .filter(|part| !TIERS.iter().any(|(tier, _)| part.contains(&format!("`{tier}"))))
        .filter(|part| {
            !WITHOUT_A_PROMISE
                .iter()
                .any(|begin| part.trim().starts_with(begin))
        });
    assert_eq!(untested.collect::<Vec<_>>(), Vec::<&&String>::new());
}

#[test]
fn every_situation_of_the_field_has_its_tests() {
    let page = fs::read_to_string(root().join("docs/development/field.md")).expect("field.md can be read");
    let all: BTreeSet<_> = tests().into_iter().chain(own_tests()).collect();
    let mut wrong = Vec::new();
    for id in SITUATIONS
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")))
    {
        let row = format!("| {} |", id.to_uppercase());
        let row = page
            .lines()
            .find(|line| line.starts_with(&row))
            .unwrap_or_default();
        let named: BTreeSet<_> = row
            .split('`')
            .filter(|text| text.contains("::") || text.starts_with("contract "))
            .collect();
        let expected: BTreeSet<_> = all
            .iter()
            .map(String::as_str)
            .filter(|test| ids(test).any(|other| other == id))
            .collect();
        if named != expected || (expected.is_empty() && !row.ends_with("| open |")) {
            wrong.push(format!(
                "{id}: the page has {named:?}, the tests are {expected:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/development/field.md:\n{}",
        wrong.join("\n")
    );
}

/// The tests of this file.
fn own_tests() -> impl Iterator<Item = String> {
    functions(include_str!("contract.rs"))
        .into_iter()
        .map(|function| format!("contract {function}"))
}

/// The ids that the name of a test begins with: `p5_s1_name` has two.
fn ids(test: &str) -> impl Iterator<Item = &str> {
    let name = test.rsplit([':', ' ']).next().unwrap_or_default();
    name.split('_').take_while(|part| {
        let mut characters = part.chars();
        let letter = characters.next().unwrap_or_default();
        SITUATIONS.iter().any(|(known, _)| *known == letter)
            && !characters.as_str().is_empty()
            && characters.all(|character| character.is_ascii_digit())
    })
}

#[test]
fn every_reason_variable_and_result_has_a_promise() {
    let rows = rows(&document());
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
    let variables = VARIABLES.iter().map(|variable| variable.name);
    let results = ResultName::ALL.iter().map(|result| result.as_str());
    let unmentioned: Vec<_> = reasons
        .chain(variables)
        .chain(results)
        .filter(|word| !rows.iter().any(|row| row.promise.contains(&format!("`{word}`"))))
        .collect();
    assert!(
        unmentioned.is_empty(),
        "docs/development/contract.md has no row for {unmentioned:?}"
    );
}

#[test]
fn every_file_of_the_api_tier_is_compiled() {
    let main = fs::read_to_string(root().join("tests/api/main.rs")).expect("tests/api/main.rs can be read");
    for entry in fs::read_dir(root().join("tests/api")).expect("tests/api can be listed") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        assert!(
            name == "main" || main.contains(&format!("mod {name};")),
            "{name} is in no `mod` of main.rs"
        );
    }
}

#[test]
fn a_row_without_a_test_and_an_ignored_test_are_detected() {
    let rows = rows(
        "| promise | tests |\n| --- | --- |\n| a `b` | `unit c::d`, `api::e::f` |\n| g | |\n| h | none |\n\n| x | y |",
    );
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.promise.as_str(), row.tests.len()))
        .collect();
    assert_eq!(seen, [("a `b`", 2), ("g", 0), ("h", 0)]);
    let source = "#[test]\n#[ignore = \"x\"]\nfn a() {}\n#[tokio::test(flavor = \"x\")]\n// why\nasync fn b() {}\nfn c() {}";
    assert_eq!(functions(source), ["b"]);
    assert_eq!(
        module(Path::new("config/tests/mistakes.rs")),
        "config::mistakes::"
    );
}
