//! The commands of the guides: each block has a test, or the reason why none can run it.

use std::path::Path;

use crate::project;

/// The tests that type the blocks.
const TESTS: &str = include_str!("../../../tests/node/tests/readme.rs");

/// Pages below `docs/` with commands to type.
fn guides() -> Vec<(String, String)> {
    let mut paths = project::files("docs").expect("the pages can be listed");
    paths.retain(|path| path == "docs/getting-started.md" || path.starts_with("docs/how-to/"));
    let read = |path: &String| std::fs::read_to_string(project::file(path)).expect(path);
    paths.iter().map(|path| (path.clone(), read(path))).collect()
}

/// Blocks of shell without a marker, by the line of their fence.
fn unmarked(page: &str) -> Vec<usize> {
    let lines: Vec<&str> = page.lines().map(str::trim).collect();
    let marked = |fence: usize| {
        let marker = lines[..fence].iter().rev().find(|line| !line.is_empty());
        marker.is_some_and(|line| line.starts_with("<!-- run: ") || line.starts_with("<!-- not run: "))
    };
    let fences = lines.iter().enumerate().filter(|(_, line)| **line == "```bash");
    fences
        .map(|(fence, _)| fence)
        .filter(|fence| !marked(*fence))
        .map(|fence| fence + 1)
        .collect()
}

#[test]
fn each_block_of_a_guide_is_run_or_has_a_reason() {
    let guides = guides();
    assert!(guides.len() > 10, "only {} pages", guides.len());
    for (path, text) in guides {
        assert_eq!(
            unmarked(&text),
            [0; 0],
            "{path}: lines of blocks without a marker"
        );
        if text.contains("\n<!-- run: ") {
            let stem = Path::new(&path).file_stem().and_then(|stem| stem.to_str());
            let stem = stem.expect("a name");
            let named = [format!("{stem}.md\""), format!("\"{stem}\"")];
            assert!(
                named.iter().any(|name| TESTS.contains(name)),
                "no test runs the blocks of {path}"
            );
        }
    }
}

#[test]
fn a_block_without_a_marker_is_found() {
    assert_eq!(
        unmarked("<!-- run: a -->\n\n```bash\nls\n```\n\n```bash\nls\n```\n"),
        [7]
    );
}

/// `.ci/run` installs packages with lines such as `need cc gcc` and `… || packages gcc`.
#[test]
fn each_package_of_ci_is_listed_for_contributors() {
    let read = |name: &str| std::fs::read_to_string(project::file(name)).expect(name);
    let (ci, page) = (read(".ci/run"), read("CONTRIBUTING.md"));
    let needed = ci.lines().filter_map(|line| line.trim().strip_prefix("need "));
    let needed = needed.filter_map(|line| line.split_once(' '));
    let others = ci.lines().filter_map(|line| line.split_once("|| packages "));
    let packages = needed.chain(others).flat_map(|(_, packages)| packages.split(' '));
    let packages: Vec<&str> = packages.collect();
    assert!(
        packages.contains(&"jq") && packages.contains(&"python3-venv"),
        "{packages:?}"
    );
    for package in packages {
        assert!(page.contains(&format!("`{package}`")), "{package}");
    }
}

#[test]
fn readme_is_read_in_a_minute() {
    let readme = std::fs::read_to_string(project::file("README.md")).expect("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 130, "{lines} lines; at most 130");
}
