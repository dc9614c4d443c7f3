//! The tables of README, from the same definitions as everything else.

use crate::config::{DefaultValue, PLATFORM_VARIABLES, VARIABLES};
use crate::outcome::Reason;
use crate::outcome::ResultName;

/// The table of variables.
pub fn variables_markdown() -> String {
    let ours = VARIABLES.iter().map(|variable| {
        let default = match variable.default {
            DefaultValue::Required => "required".to_owned(),
            DefaultValue::None => "–".to_owned(),
            DefaultValue::Described(words) => words.to_owned(),
            DefaultValue::Value(value) => code(value),
        };
        let who = if variable.installer_only {
            " Set by whoever installs, never a Task parameter."
        } else {
            ""
        };
        vec![
            code(variable.name),
            default,
            format!("{}{who}", text(variable.meaning)),
        ]
    });
    let platform = PLATFORM_VARIABLES.iter().map(|(names, default, meaning)| {
        let names: Vec<_> = names.split(", ").map(code).collect();
        vec![names.join(", "), (*default).to_owned(), text(meaning)]
    });
    table(&["variable", "default", "meaning"], ours.chain(platform))
}

/// The table of results.
pub fn results_markdown() -> String {
    let rows = ResultName::ALL
        .iter()
        .map(|result| vec![code(result.as_str()), text(result.meaning())]);
    table(&["result", "value"], rows)
}

/// The table of reasons, by exit code.
pub fn reasons_markdown() -> String {
    let mut reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.info()).collect();
    reasons.sort_by_key(|entry| entry.exit_code);
    let rows = reasons.into_iter().map(|entry| {
        vec![
            entry.exit_code.to_string(),
            code(entry.word),
            entry.status.to_string(),
            text(entry.meaning),
            text(entry.remedy),
        ]
    });
    table(&["exit", "reason", "status", "what happened", "what to do"], rows)
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let names: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    let mut table = line(&names);
    table.push_str(&line(&rule));
    for row in rows {
        table.push_str(&line(&row));
    }
    table
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Text in a cell: no cell ends early, and nothing is taken for HTML.
fn text(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_those_of_the_readme() {
        let readme = include_str!("../../README.md");
        for table in [variables_markdown(), results_markdown(), reasons_markdown()] {
            assert!(
                readme.contains(&table),
                "`cargo xtask generate` puts it right:\n{table}"
            );
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        for (table, rows) in [
            (variables_markdown(), VARIABLES.len() + PLATFORM_VARIABLES.len()),
            (results_markdown(), ResultName::ALL.len()),
            (reasons_markdown(), Reason::ALL.len()),
        ] {
            let cells = |line: &str| line.matches(" | ").count();
            let head = table.lines().next().map(cells);
            for line in table.lines() {
                assert_eq!(Some(cells(line)), head, "{line}");
            }
            assert_eq!(table.lines().count(), rows + 2);
        }
    }
}
