//! Tables of README, generated from the same definitions as `--help`.

use crate::config::{DefaultValue, PLATFORM_VARIABLES, VARIABLES};
use crate::outcome::Reason;
use crate::outcome::ResultName;

/// Table of variables.
pub fn variables_markdown() -> String {
    let own = VARIABLES.iter().map(|variable| {
        let default = match variable.default {
            DefaultValue::Required => "required".to_owned(),
            DefaultValue::None => "–".to_owned(),
            DefaultValue::Described(words) => words.to_owned(),
            DefaultValue::Value(value) => code(value),
        };
        let who = if variable.installer_only {
            " Set by the installer, never a Task parameter."
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
    table(&["variable", "default", "meaning"], own.chain(platform))
}

/// Table of results.
pub fn results_markdown() -> String {
    let rows = ResultName::ALL
        .iter()
        .map(|result| vec![code(result.as_str()), text(result.meaning())]);
    table(&["result", "value"], rows)
}

/// Table of reasons, by exit code.
pub fn reasons_markdown() -> String {
    let mut reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.info()).collect();
    reasons.sort_by_key(|info| info.exit_code);
    let rows = reasons.into_iter().map(|info| {
        vec![
            info.exit_code.to_string(),
            code(info.word),
            info.status.to_string(),
            text(info.meaning),
            text(info.remedy),
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

/// Text of a cell, with `|` and `<` escaped.
fn text(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_has_the_generated_tables() {
        let readme = include_str!("../../README.md");
        for table in [variables_markdown(), results_markdown(), reasons_markdown()] {
            assert!(readme.contains(&table), "run `cargo xtask generate`:\n{table}");
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
