//! Tables of README and docs/reference, generated from the same definitions as `--help`.

use crate::config::{DefaultValue, PLATFORM_VARIABLES, VARIABLES, Variable};
use crate::outcome::Reason;
use crate::outcome::ResultName;

const HEAD: [&str; 3] = ["variable", "default", "meaning"];

/// Variables that most installs set.
const MAIN: [&str; 6] = [
    "PULL_SECRET_NAME",
    "PULL_SECRET_REGISTRY",
    "PULL_SECRET_IMAGE",
    "PULL_SECRET_SERVICE_ACCOUNT",
    "PULL_SECRET_TOKEN_FILE",
    "PULL_SECRET_USERNAME",
];

/// Table of the variables that most installs set, with the first sentence of each meaning.
pub fn main_variables_markdown() -> String {
    let main = MAIN
        .iter()
        .filter_map(|name| VARIABLES.iter().find(|variable| variable.name == *name));
    let rows = main.map(|variable| {
        let first = variable.meaning.split(['.', ';', ':']).next().unwrap_or_default();
        vec![
            code(variable.name),
            default(variable),
            format!("{}.", text(first)),
        ]
    });
    table(&HEAD, rows)
}

/// Table of variables.
pub fn variables_markdown() -> String {
    let own = VARIABLES.iter().map(|variable| {
        let who = if variable.installer_only {
            " Set by the installer, never a Task parameter."
        } else {
            ""
        };
        vec![
            code(variable.name),
            default(variable),
            format!("{}{who}", text(variable.meaning)),
        ]
    });
    let platform = PLATFORM_VARIABLES.iter().map(|(names, default, meaning)| {
        let names: Vec<_> = names.split(", ").map(code).collect();
        vec![names.join(", "), (*default).to_owned(), text(meaning)]
    });
    table(&HEAD, own.chain(platform))
}

fn default(variable: &Variable) -> String {
    match variable.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::None => "–".to_owned(),
        DefaultValue::Described(words) => words.to_owned(),
        DefaultValue::Value(value) => code(value),
    }
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
    fn pages_have_the_generated_tables() {
        for (page, table) in [
            (include_str!("../../README.md"), main_variables_markdown()),
            (
                include_str!("../../docs/reference/variables.md"),
                variables_markdown(),
            ),
            (
                include_str!("../../docs/reference/results.md"),
                results_markdown(),
            ),
            (
                include_str!("../../docs/reference/reasons.md"),
                reasons_markdown(),
            ),
        ] {
            assert!(page.contains(&table), "run `cargo xtask generate`:\n{table}");
        }
    }

    #[test]
    fn page_of_variables_has_those_of_later_versions() {
        let page = include_str!("../../docs/reference/variables.md");
        let section = page.split("\n## Reserved\n").nth(1).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        for (name, _) in super::super::variables::RESERVED {
            assert!(section.contains(&code(name)), "{name}");
        }
    }

    #[test]
    fn readme_has_at_most_130_lines() {
        assert!(include_str!("../../README.md").lines().count() <= 130);
    }

    #[test]
    fn troubleshooting_has_a_section_for_each_reason() {
        let page = include_str!("../../docs/troubleshooting.md");
        for reason in Reason::ALL {
            let info = reason.info();
            let section = page.split(&format!("\n## {}\n", info.word)).nth(1);
            let section = section.and_then(|rest| rest.split("\n## ").next());
            let section = section.unwrap_or_else(|| panic!("docs/troubleshooting.md lacks {reason}"));
            // A reason with its own status, or as a warning.
            let own = format!("{} {} (exit {}): ", info.status, info.word, info.exit_code);
            let warning = format!("WARNING {} (exit 0): ", info.word);
            assert!(section.contains(&own) || section.contains(&warning), "{reason}");
        }
    }

    #[test]
    fn each_main_variable_exists() {
        assert_eq!(main_variables_markdown().lines().count(), MAIN.len() + 2);
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
