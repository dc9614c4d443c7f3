//! The fault matrix as Markdown.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::markdown::table;

/// Record of a run of the matrix (tests/faults/record.rs).
#[derive(Deserialize)]
pub struct Record {
    seed: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    setting: String,
    reviewed: bool,
    call: String,
    fault: String,
    course: Course,
    expected: Vec<String>,
    ended: Option<String>,
    tries: usize,
    again: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Course {
    Once,
    Lasting,
    Pair,
}

/// Separates the ending of a single fault from that of a lasting one.
const LASTING: &str = "; from then on ";

/// Number of cases, and the expected ending of each: the same after every run.
pub fn matrix(record: &Record) -> String {
    let situations = situations(record);
    let rows = situations.iter().map(|(title, cases)| {
        let calls = unique(cases.iter().map(|case| &*case.call)).len();
        let courses = [Course::Once, Course::Lasting, Course::Pair];
        let counts = courses.map(|course| cases.iter().filter(|case| case.course == course).count());
        let numbers = [&[calls], &counts[..], &[cases.len()]].concat();
        let numbers = numbers.iter().map(usize::to_string);
        [title.clone()].into_iter().chain(numbers).collect()
    });
    let heads = [
        "situation",
        "calls",
        "a fault once",
        "a fault from then on",
        "pairs",
        "all",
    ];
    let counts = table(&heads, 1, rows);
    let mut content = format!(
        "{} cases, with seed {}:\n\n{counts}",
        record.cases.len(),
        record.seed
    );
    for (title, cases) in &situations {
        content += &format!("\n### {title}\n\n{}", endings_of_faults(cases));
    }
    content
}

/// Number of cases by ending, in the run that writes the page.
pub fn endings(record: &Record) -> String {
    let cases = &record.cases;
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for case in cases {
        *ended
            .entry(case.ended.as_deref().unwrap_or("no ending"))
            .or_default() += 1;
    }
    let mut rows: Vec<_> = ended.into_iter().collect();
    rows.sort_by_key(|(ending, count)| (std::cmp::Reverse(*count), *ending));
    let rows = rows
        .iter()
        .map(|(ending, count)| vec![shown(ending), count.to_string()]);
    let tries = cases.iter().map(|case| case.tries).max().unwrap_or_default();
    let again = cases.iter().filter(|case| case.again).count();
    format!(
        "{}\nMost requests to one server in one run: {tries}. Cases that ran again, alone: {again}.\n",
        table(&["ended with", "cases"], 1, rows)
    )
}

/// Cases of a run that the tables of `page` have otherwise or lack. The tables only count pairs.
pub fn differences(page: &str, record: &Record) -> Vec<String> {
    let mut cells = BTreeMap::new();
    let (mut title, mut calls) = ("", Vec::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            (title, calls) = (heading, Vec::new());
        }
        let mut row = line.split('|').map(str::trim).skip(1);
        match row.next() {
            Some("fault") => calls = row.collect(),
            Some(faults) => {
                for (call, cell) in calls.iter().zip(row) {
                    cells.extend(faults.split(", ").map(|fault| ((title, *call, fault), cell)));
                }
            }
            None => {}
        }
    }
    let differs = |case: &Case| {
        let title = case.title();
        let cell = cells.get(&(&*title, &*case.call, &*case.fault));
        let on_page = cell.map_or("nothing", |cell| match (cell.split_once(LASTING), case.course) {
            (Some((once, _)), Course::Once) => once,
            (Some((_, lasting)), _) => lasting,
            (None, _) => cell,
        });
        let expected = case.expected();
        (on_page != expected).then(|| format!("{}: {expected}, on the page {on_page}", case.name))
    };
    let single = record.cases.iter().filter(|case| case.course != Course::Pair);
    single.filter_map(differs).collect()
}

impl Case {
    /// Heading of the table with this case.
    fn title(&self) -> String {
        let registry = if self.reviewed {
            ", with a registry that is not trusted"
        } else {
            ""
        };
        format!("{}{registry}", self.setting)
    }

    /// Expected endings in words.
    fn expected(&self) -> String {
        let expected: Vec<_> = self.expected.iter().map(|ending| shown(ending)).collect();
        expected.join(" or ")
    }
}

/// Cases by the heading of their table, in the order of the record.
fn situations(record: &Record) -> Vec<(String, Vec<&Case>)> {
    let mut found: Vec<(String, Vec<&Case>)> = Vec::new();
    for case in &record.cases {
        let title = case.title();
        match found.iter_mut().find(|(other, _)| *other == title) {
            Some((_, cases)) => cases.push(case),
            None => found.push((title, vec![case])),
        }
    }
    found
}

/// Table with one row for all faults that have the same endings.
fn endings_of_faults(cases: &[&Case]) -> String {
    let single = || cases.iter().filter(|case| case.course != Course::Pair);
    let calls = unique(single().map(|case| &*case.call));
    let mut rows: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for fault in unique(single().map(|case| &*case.fault)) {
        let row: Vec<_> = calls.iter().map(|call| cell(cases, call, fault)).collect();
        match rows.iter_mut().find(|(_, cells)| *cells == row) {
            Some((alike, _)) => alike.push(fault),
            None => rows.push((vec![fault], row)),
        }
    }
    let rows = rows
        .into_iter()
        .map(|(faults, cells)| [vec![faults.join(", ")], cells].concat());
    table(&[&["fault"], &calls[..]].concat(), calls.len() + 1, rows)
}

fn cell(cases: &[&Case], call: &str, fault: &str) -> String {
    let expected = |course| {
        let mut cases = cases.iter();
        let case = cases.find(|case| (case.course, &*case.call, &*case.fault) == (course, call, fault));
        case.map(|case| case.expected())
    };
    match (expected(Course::Once), expected(Course::Lasting)) {
        (Some(once), Some(lasting)) if once != lasting => format!("{once}{LASTING}{lasting}"),
        (once, lasting) => once.or(lasting).unwrap_or_default(),
    }
}

/// Each value once, in the order of the first ones.
fn unique<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// The reason of `reason (STATUS, exit)` as code, and its status if that is a warning.
fn shown(ending: &str) -> String {
    let (reason, rest) = ending.split_once(" (").unwrap_or((ending, ""));
    let status = if rest.starts_with("WARNING") {
        " as a warning"
    } else {
        ""
    };
    format!("`{reason}`{status}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let case = |call: &str, fault: &str, course: &str, expected: &[&str]| {
            serde_json::json!({
                "name": format!("refresh/{call}/{fault}/{course}"),
                "setting": "refresh", "reviewed": false, "call": call, "fault": fault, "course": course,
                "expected": expected, "ended": expected[0], "tries": 3, "again": call == "ping",
            })
        };
        let unavailable = "api-unavailable (ERROR, 75)";
        let warning = "registry-unavailable (WARNING, 0)";
        serde_json::from_value(serde_json::json!({"seed": 1, "cases": [
            case("read", "503", "once", &["ok"]),
            case("read", "503", "lasting", &[unavailable]),
            case("read", "503", "pair", &["ok"]),
            case("read", "500", "once", &["ok"]),
            case("read", "500", "lasting", &[unavailable]),
            case("read", "hang", "once", &[unavailable, "deadline (ERROR, 75)"]),
            case("ping", "hang", "once", &[warning]),
        ]}))
        .expect("a record")
    }

    #[test]
    fn faults_with_the_same_endings_share_a_row() {
        let content = matrix(&record());
        let rows: Vec<_> = content
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
            .collect();
        let expected = [
            "| situation | calls | a fault once | a fault from then on | pairs | all |",
            "| refresh | 2 | 4 | 2 | 1 | 7 |",
            "| fault | read | ping |",
            "| 503, 500 | `ok`; from then on `api-unavailable` |  |",
            "| hang | `api-unavailable` or `deadline` | `registry-unavailable` as a warning |",
        ];
        assert_eq!(rows, expected);
        assert!(content.starts_with("7 cases, with seed 1:"), "{content}");
    }

    #[test]
    fn a_sampled_case_is_compared_with_its_own_cell_only() {
        let page = matrix(&record());
        assert_eq!(differences(&page, &record()), [""; 0]);
        let mut sample = record();
        sample.cases.truncate(2);
        assert_eq!(differences(&page, &sample), [""; 0]);
        let changed = page.replace("`ok`; from then on", "`conflict`; from then on");
        let once = "refresh/read/503/once: `ok`, on the page `conflict`";
        assert_eq!(differences(&changed, &sample), [once]);
        let changed = page.replace("then on `api-unavailable`", "then on `conflict`");
        let lasting = "refresh/read/503/lasting: `api-unavailable`, on the page `conflict`";
        assert_eq!(differences(&changed, &sample), [lasting]);
        let missing = "refresh/read/503/once: `ok`, on the page nothing";
        let other_setting = page.replace("### refresh", "### steady");
        assert_eq!(
            differences(&other_setting, &sample).first().map(String::as_str),
            Some(missing)
        );
        assert_eq!(differences("", &record()).len(), 6, "the tables have no pairs");
    }

    #[test]
    fn endings_are_counted_the_most_frequent_first() {
        let content = endings(&record());
        assert_eq!(content.lines().nth(2), Some("| `api-unavailable` | 3 |"));
        let last = "run: 3. Cases that ran again, alone: 1.\n";
        assert!(content.ends_with(last), "{content}");
    }
}
