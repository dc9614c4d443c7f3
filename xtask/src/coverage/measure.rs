//! What LLVM's exports say of the program's own sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::project;

/// The lines and regions of each file of `src/`, each with whether it was reached. Tests are none of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Coverage {
    /// By the file's path below `src/`.
    pub files: BTreeMap<String, FileCoverage>,
}

/// One file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileCoverage {
    /// By number, from 1.
    pub lines: BTreeMap<u32, bool>,
    /// By where they begin and end: line and column.
    pub regions: BTreeMap<[u32; 4], bool>,
}

/// `llvm-cov export -format=text`: of each function, also where the same one is compiled several times.
#[derive(Deserialize)]
struct Export {
    data: Vec<ExportData>,
}

#[derive(Deserialize)]
struct ExportData {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    filenames: Vec<String>,
    regions: Vec<Region>,
}

/// Line and column where it begins and ends, count, index of the file, index of the file that it expands to, kind.
type Region = (u32, u32, u32, u32, u64, usize, usize, u32);

/// The kind of a region that is code (`CounterMappingRegion::CodeRegion`).
const CODE: u32 = 0;

impl Coverage {
    /// Reads both exports. A summary of LLVM's own takes the best of a function's compilations, the library's and the
    /// tests'; what matters is what any of them reached.
    ///
    /// # Errors
    /// Where one can't be read, or a source file can't.
    pub fn read(lcov: &str, json: &str) -> Result<Self> {
        let mut files: BTreeMap<String, FileCoverage> = BTreeMap::new();
        let source = project::file("src");
        let mut current = None;
        for record in lcov.lines() {
            if let Some(path) = record.strip_prefix("SF:") {
                current = below(&source, path);
            }
            let (Some(name), Some(line)) = (&current, record.strip_prefix("DA:")) else {
                continue;
            };
            let (line, count) = line
                .split_once(',')
                .with_context(|| format!("{record:?} is no line of LCOV"))?;
            let reached = files.entry(name.clone()).or_default().lines.entry(line.parse()?);
            *reached.or_default() |= count != "0";
        }
        let export: Export = serde_json::from_str(json).context("LLVM's export is not read")?;
        for function in export.data.into_iter().flat_map(|data| data.functions) {
            for (line, column, end_line, end_column, count, file, _, kind) in function.regions {
                let path = function.filenames.get(file).context("a region of no file")?;
                let Some(name) = below(&source, path).filter(|_| kind == CODE) else {
                    continue;
                };
                let place = [line, column, end_line, end_column];
                *files.entry(name).or_default().regions.entry(place).or_default() |= count != 0;
            }
        }
        for (name, file) in &mut files {
            let text =
                fs::read_to_string(source.join(name)).with_context(|| format!("cannot read {name}"))?;
            let shipped = shipped_lines(name, &text);
            file.lines.retain(|line, _| *line <= shipped);
            file.regions.retain(|[line, ..], _| *line <= shipped);
        }
        files.retain(|_, file| !file.lines.is_empty());
        Ok(Self { files })
    }

    /// The modules of the crate, each with its files.
    pub fn modules(&self) -> BTreeSet<&str> {
        self.files.keys().map(|name| module(name)).collect()
    }

    /// The files of one module, or of all.
    pub fn of<'a>(&'a self, only: Option<&'a str>) -> impl Iterator<Item = &'a FileCoverage> {
        let files = self.files.iter();
        files
            .filter(move |(name, _)| only.is_none_or(|only| module(name) == only))
            .map(|(_, file)| file)
    }
}

/// The module at the top of the crate that a file is of.
fn module(name: &str) -> &str {
    let first = name.split('/').next().unwrap_or(name);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn below(source: &Path, path: &str) -> Option<String> {
    let name = Path::new(path).strip_prefix(source).ok()?;
    Some(name.display().to_string())
}

/// How many lines of a file are not its tests, which stand at its end or in a file of their own.
fn shipped_lines(name: &str, text: &str) -> u32 {
    if name.split(['/', '.']).any(|part| part == "tests") {
        return 0;
    }
    let lines: Vec<_> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair == ["#[cfg(test)]", "mod tests {"]);
    u32::try_from(tests.unwrap_or(lines.len())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_compilation_reached_counts_and_tests_and_other_crates_do_not() -> Result<()> {
        let file = |name: &str| project::file(name).display().to_string();
        let process = file("src/process.rs");
        let lcov = format!(
            "SF:{process}\nDA:7,0\nDA:8,1\nDA:9999,1\nend_of_record\nSF:{}\nDA:1,1\nend_of_record\n",
            file("xtask/src/main.rs")
        );
        let json = serde_json::json!({"data": [{"functions": [
            {"filenames": [process], "regions": [[7, 1, 9, 2, 0, 0, 0, 0], [8, 5, 8, 9, 0, 0, 0, 0], [8, 5, 8, 9, 1, 0, 0, 3]]},
            {"filenames": [process], "regions": [[7, 1, 9, 2, 3, 0, 0, 0]]},
        ]}]});
        let coverage = Coverage::read(&lcov, &json.to_string())?;
        let file = FileCoverage {
            lines: [(7, false), (8, true)].into(),
            regions: [([7, 1, 9, 2], true), ([8, 5, 8, 9], false)].into(),
        };
        assert_eq!(coverage.files, [("process.rs".to_owned(), file)].into());
        assert_eq!(coverage.modules(), ["process"].into());
        Ok(())
    }

    #[test]
    fn tests_are_at_the_end_of_a_file_or_in_one_of_their_own() {
        let inline = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(shipped_lines("a.rs", inline), 1);
        assert_eq!(shipped_lines("a.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n"), 3);
        assert_eq!(shipped_lines("a/tests.rs", inline), 0);
        assert_eq!(shipped_lines("a/tests/b.rs", inline), 0);
    }
}
