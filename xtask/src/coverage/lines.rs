//! Lines of the program that the tests reach, and their table.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};

use crate::{markdown, project};

/// Lines by file below `src/` and by number, with true where a test reached the line. Tests are left out.
pub type Lines = BTreeMap<String, BTreeMap<usize, bool>>;

/// Reads an LCOV report.
///
/// # Errors
/// When a record or a source file can't be read.
pub fn read(lcov: &str) -> Result<Lines> {
    let source = project::file("src");
    let mut files = Lines::new();
    let (mut name, mut shipped) = (None, 0);
    for record in lcov.lines() {
        if let Some(path) = record.strip_prefix("SF:") {
            name = Path::new(path)
                .strip_prefix(&source)
                .ok()
                .map(|name| name.display().to_string());
            if let Some(name) = &name {
                let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
                shipped = shipped_lines(name, &text);
            }
        }
        if let (Some(name), Some(line)) = (&name, record.strip_prefix("DA:")) {
            let (line, count) = line
                .split_once(',')
                .with_context(|| format!("cannot read the record {record:?}"))?;
            let line = line.parse()?;
            if line <= shipped {
                *files.entry(name.clone()).or_default().entry(line).or_default() |= count != "0";
            }
        }
    }
    Ok(files)
}

/// Number of lines of a file without its tests, which are at its end or in their own file.
fn shipped_lines(name: &str, text: &str) -> usize {
    if name.split(['/', '.']).any(|part| part == "tests") {
        return 0;
    }
    let lines: Vec<_> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair == ["#[cfg(test)]", "mod tests {"]);
    tests.unwrap_or(lines.len())
}

/// Markdown table with a row for each folder of `src/`, and the last row for all of them.
pub fn table(unit: &Lines, all: &Lines) -> String {
    let folders: BTreeSet<_> = all.keys().map(|name| folder(name)).collect();
    let rows = folders.into_iter().map(Some).chain([None]).map(|only| {
        let of = |lines: &Lines| -> Vec<bool> {
            let files = lines
                .iter()
                .filter(|(name, _)| only.is_none_or(|only| folder(name) == only));
            files.flat_map(|(_, lines)| lines.values().copied()).collect()
        };
        let name = only.map_or_else(|| "**all**".to_owned(), |name| format!("`{name}`"));
        let (unit, all) = (of(unit), of(all));
        vec![name, all.len().to_string(), percent(&unit), percent(&all)]
    });
    markdown::table(&["folder", "lines", "unit tests", "all tiers"], 1, rows)
}

/// First part of a path below `src/`, without `.rs`.
fn folder(name: &str) -> &str {
    let first = name.split('/').next().unwrap_or(name);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Percentage, rounded down to a tenth: 100.0 only when every line was reached.
fn percent(lines: &[bool]) -> String {
    let reached = lines.iter().filter(|reached| **reached).count();
    let tenths = (reached * 1000).checked_div(lines.len()).unwrap_or(1000);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Lines that no test reached, file by file.
pub fn missed(all: &Lines) -> String {
    let mut text = String::new();
    for (name, lines) in all {
        let missed: Vec<_> = lines
            .iter()
            .filter(|(_, reached)| !**reached)
            .map(|(line, _)| line.to_string())
            .collect();
        if !missed.is_empty() {
            let _ = writeln!(text, "src/{name}: {}", missed.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_as_reached_when_any_build_of_it_was() -> Result<()> {
        let file = |name: &str| project::file(name).display().to_string();
        let source = file("src/main.rs");
        let other = file("xtask/src/main.rs");
        let lcov = format!(
            "SF:{source}\nDA:7,0\nDA:8,1\nDA:9,0\nDA:99999,1\nend_of_record\nSF:{source}\nDA:7,3\nend_of_record\n\
             SF:{other}\nDA:1,1\nend_of_record\n"
        );
        let lines = [(7, true), (8, true), (9, false)].into();
        assert_eq!(read(&lcov)?, [("main.rs".to_owned(), lines)].into());
        Ok(())
    }

    #[test]
    fn tests_at_the_end_of_a_file_and_in_their_own_file_do_not_count() {
        let inline = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(shipped_lines("a.rs", inline), 1);
        assert_eq!(shipped_lines("a.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n"), 3);
        assert_eq!(shipped_lines("a/tests.rs", inline), 0);
        assert_eq!(shipped_lines("a/tests/b.rs", inline), 0);
    }

    #[test]
    fn each_folder_has_a_row_and_missed_lines_are_listed() {
        let lines = |third| -> Lines {
            [(
                "token/claims.rs".to_owned(),
                [(1, true), (2, false), (3, third)].into(),
            )]
            .into()
        };
        let rows = "| `token` | 3 | 33.3 % | 66.6 % |\n| **all** | 3 | 33.3 % | 66.6 % |\n";
        let table = table(&lines(false), &lines(true));
        assert!(table.ends_with(rows), "{table}");
        assert_eq!(missed(&lines(false)), "src/token/claims.rs: 2, 3\n");
    }
}
