//! The fault matrix as Markdown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Deserialize;

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

/// A generated part of the page.
pub struct Part {
    /// Name in its markers.
    pub name: &'static str,
    /// Content between its markers.
    pub content: String,
}

/// Number of cases, and the expected ending of each: the same after every run.
pub fn matrix(record: &Record) -> Part {
    let mut content = format!(
        "{} cases, with seed {}:\n\n{}",
        record.cases.len(),
        record.seed,
        counts(record)
    );
    for (setting, reviewed) in settings(record) {
        let _ = write!(content, "\n### {}\n\n", title(setting, reviewed));
        content.push_str(&table(record, setting, reviewed));
    }
    Part {
        name: "matrix",
        content,
    }
}

/// Number of cases by ending, in the run that writes the page.
pub fn endings(record: &Record) -> Part {
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &record.cases {
        *ended
            .entry(case.ended.as_deref().unwrap_or("no ending"))
            .or_default() += 1;
    }
    let mut rows: Vec<_> = ended.into_iter().collect();
    rows.sort_by_key(|(ending, count)| (std::cmp::Reverse(*count), *ending));
    let mut content = "| ended with | cases |\n| --- | ---: |\n".to_owned();
    for (ending, count) in rows {
        let _ = writeln!(content, "| {} | {count} |", shown(ending));
    }
    let tries = record
        .cases
        .iter()
        .map(|case| case.tries)
        .max()
        .unwrap_or_default();
    let again = record.cases.iter().filter(|case| case.again).count();
    let _ = write!(
        content,
        "\nMost requests to one server in one run: {tries}. Cases that ran again, alone: {again}.\n"
    );
    Part {
        name: "endings",
        content,
    }
}

/// Cases of a run that the tables of `page` have otherwise or lack. The tables only count pairs.
pub fn differences(page: &str, record: &Record) -> Vec<String> {
    let mut cells = BTreeMap::new();
    let (mut setting, mut calls) = ("", Vec::new());
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            (setting, calls) = (title, Vec::new());
        }
        let mut row = line.split('|').map(str::trim).skip(1);
        match row.next() {
            Some("fault") => calls = row.collect(),
            Some(faults) => {
                for (call, cell) in calls.iter().zip(row) {
                    cells.extend(faults.split(", ").map(|fault| ((setting, *call, fault), cell)));
                }
            }
            None => {}
        }
    }
    let single = record.cases.iter().filter(|case| case.course != Course::Pair);
    single
        .filter_map(|case| {
            let title = title(&case.setting, case.reviewed);
            let cell = cells.get(&(title.as_str(), case.call.as_str(), case.fault.as_str()));
            let on_page = cell.map(|cell| {
                let (once, lasting) = cell.split_once(LASTING).unwrap_or((cell, cell));
                if case.course == Course::Lasting {
                    lasting
                } else {
                    once
                }
            });
            let expected = expected(case);
            (on_page != Some(&expected)).then(|| {
                format!(
                    "{}: {expected}, on the page {}",
                    case.name,
                    on_page.unwrap_or("nothing")
                )
            })
        })
        .collect()
}

fn settings(record: &Record) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    for case in &record.cases {
        let setting = (case.setting.as_str(), case.reviewed);
        if !found.contains(&setting) {
            found.push(setting);
        }
    }
    found
}

fn title(setting: &str, reviewed: bool) -> String {
    if reviewed {
        format!("{setting}, with a registry that is not trusted")
    } else {
        setting.to_owned()
    }
}

fn counts(record: &Record) -> String {
    let mut text =
        "| situation | calls | a fault once | a fault from then on | pairs | all |\n| --- | ---: | ---: | ---: | ---: | ---: |\n".to_owned();
    for (setting, reviewed) in settings(record) {
        let cases: Vec<_> = of(record, setting, reviewed).collect();
        let calls: BTreeSet<_> = cases.iter().map(|case| &case.call).collect();
        let count = |course| cases.iter().filter(|case| case.course == course).count();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            title(setting, reviewed),
            calls.len(),
            count(Course::Once),
            count(Course::Lasting),
            count(Course::Pair),
            cases.len()
        );
    }
    text
}

fn of<'a>(record: &'a Record, setting: &'a str, reviewed: bool) -> impl Iterator<Item = &'a Case> {
    let cases = record.cases.iter();
    cases.filter(move |case| case.setting == setting && case.reviewed == reviewed)
}

/// Table with one row for all faults that have the same endings.
fn table(record: &Record, setting: &str, reviewed: bool) -> String {
    let (mut calls, mut faults) = (Vec::new(), Vec::new());
    let mut cells: BTreeMap<(&str, &str), BTreeMap<Course, String>> = BTreeMap::new();
    for case in of(record, setting, reviewed).filter(|case| case.course != Course::Pair) {
        let (call, fault) = (case.call.as_str(), case.fault.as_str());
        if !calls.contains(&call) {
            calls.push(call);
        }
        if !faults.contains(&fault) {
            faults.push(fault);
        }
        cells
            .entry((call, fault))
            .or_default()
            .insert(case.course, expected(case));
    }
    let mut rows: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    for fault in faults {
        let row: Vec<String> = calls
            .iter()
            .map(|call| cells.get(&(*call, fault)).map_or_else(String::new, cell))
            .collect();
        match rows.iter_mut().find(|(cells, _)| *cells == row) {
            Some((_, alike)) => alike.push(fault),
            None => rows.push((row, vec![fault])),
        }
    }
    let mut text = format!(
        "| fault | {} |\n|{}\n",
        calls.join(" | "),
        " --- |".repeat(calls.len() + 1)
    );
    for (cells, alike) in rows {
        let _ = writeln!(text, "| {} | {} |", alike.join(", "), cells.join(" | "));
    }
    text
}

fn cell(courses: &BTreeMap<Course, String>) -> String {
    match (courses.get(&Course::Once), courses.get(&Course::Lasting)) {
        (Some(once), Some(lasting)) if once != lasting => format!("{once}{LASTING}{lasting}"),
        (Some(once), _) => once.clone(),
        (None, Some(lasting)) => lasting.clone(),
        (None, None) => String::new(),
    }
}

fn expected(case: &Case) -> String {
    let expected: Vec<_> = case.expected.iter().map(|ending| shown(ending)).collect();
    expected.join(" or ")
}

/// The reason of `reason (STATUS, exit)` as code, and its status if that is a warning.
fn shown(ending: &str) -> String {
    match ending.split_once(" (") {
        Some((reason, rest)) if rest.starts_with("WARNING") => format!("`{reason}` as a warning"),
        Some((reason, _)) => format!("`{reason}`"),
        None => format!("`{ending}`"),
    }
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
        let part = matrix(&record());
        let rows: Vec<_> = part
            .content
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
        assert!(
            part.content.starts_with("7 cases, with seed 1:"),
            "{}",
            part.content
        );
    }

    #[test]
    fn a_sampled_case_is_compared_with_its_own_cell_only() {
        let page = matrix(&record()).content;
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
        let part = endings(&record());
        let first = part.content.lines().nth(2);
        assert_eq!(first, Some("| `api-unavailable` | 3 |"));
        assert!(
            part.content
                .ends_with("run: 3. Cases that ran again, alone: 1.\n"),
            "{}",
            part.content
        );
    }
}
