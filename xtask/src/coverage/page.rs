//! The figures as Markdown, and the lines that nothing reached.

use std::fmt::Write as _;

use super::measure::{Coverage, FileCoverage};

/// How many there are and how many of them were reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    reached: usize,
    all: usize,
}

impl Share {
    fn of<'a>(reached: impl Iterator<Item = &'a bool>) -> Self {
        reached.fold(Self::default(), |share, reached| Self {
            reached: share.reached + usize::from(*reached),
            all: share.all + 1,
        })
    }

    /// In percent, down to a tenth: only all of them are 100.
    fn percent(self) -> String {
        let tenths = (self.reached * 1000).checked_div(self.all).unwrap_or(1000);
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

fn lines(coverage: &Coverage, module: Option<&str>) -> Share {
    Share::of(coverage.of(module).flat_map(|file| file.lines.values()))
}

fn regions(coverage: &Coverage, module: Option<&str>) -> Share {
    Share::of(coverage.of(module).flat_map(|file| file.regions.values()))
}

/// A row for each module, and the last one for all of them.
pub fn table(unit: &Coverage, all: &Coverage) -> String {
    let mut table = "| module | lines | unit tests | all tiers | regions | unit tests | all tiers |\n\
                     | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let modules = all.modules().into_iter().map(Some);
    for module in modules.chain([None]) {
        let (lines_by_unit, lines_by_all) = (lines(unit, module), lines(all, module));
        let (regions_by_unit, regions_by_all) = (regions(unit, module), regions(all, module));
        let _ = writeln!(
            table,
            "| {} | {} | {} % | {} % | {} | {} % | {} % |",
            module.map_or_else(|| "**all**".to_owned(), |module| format!("`{module}`")),
            lines_by_all.all,
            lines_by_unit.percent(),
            lines_by_all.percent(),
            regions_by_all.all,
            regions_by_unit.percent(),
            regions_by_all.percent(),
        );
    }
    table
}

/// The lines that nothing reached, file by file.
pub fn uncovered(all: &Coverage) -> String {
    let mut text = String::new();
    for (name, file) in &all.files {
        let missed = missed(file);
        if !missed.is_empty() {
            let _ = writeln!(text, "src/{name}: {}", missed.join(", "));
        }
    }
    text
}

/// Numbers of lines, those that follow each other as one.
fn missed(file: &FileCoverage) -> Vec<String> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    let mut follows = false;
    for (line, reached) in &file.lines {
        match runs.last_mut() {
            _ if *reached => {}
            Some((_, last)) if follows => *last = *line,
            _ => runs.push((*line, *line)),
        }
        follows = !reached;
    }
    runs.into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}–{last}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(lines: &[(u32, bool)]) -> Coverage {
        let file = FileCoverage {
            lines: lines.iter().copied().collect(),
            regions: [([1, 1, 1, 2], true), ([2, 1, 2, 2], false)].into(),
        };
        Coverage {
            files: [("token/claims.rs".to_owned(), file)].into(),
        }
    }

    #[test]
    fn each_module_has_a_row_and_all_have_the_last() {
        let unit = coverage(&[(1, true), (2, false), (3, false)]);
        let all = coverage(&[(1, true), (2, false), (3, true)]);
        let table = table(&unit, &all);
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| `token` | 3 | 33.3 % | 66.6 % | 2 | 50.0 % | 50.0 % |",
                "| **all** | 3 | 33.3 % | 66.6 % | 2 | 50.0 % | 50.0 % |",
            ]
        );
    }

    #[test]
    fn lines_that_nothing_reached_are_named_together() {
        let all = coverage(&[(1, false), (3, false), (4, true), (5, false), (6, true)]);
        assert_eq!(uncovered(&all), "src/token/claims.rs: 1–3, 5\n");
    }
}
