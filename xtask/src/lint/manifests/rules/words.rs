//! Words of the contract in the manifests: reasons, states, variables.

use ensure_pull_secret::{
    config::VARIABLES,
    outcome::{Reason, Status},
};
use regex::Regex;
use serde_json::Value;

use super::super::{
    collect::{Manifests, Text},
    object::{list, text, values},
};

const STATES: [Status; 4] = [Status::Success, Status::Warning, Status::Failure, Status::Error];

fn is_reason(word: &str) -> bool {
    Reason::ALL.iter().any(|reason| reason.as_str() == word)
}

/// Values that a Pipeline compares STATUS and REASON with exist.
pub fn conditions_can_hold(object: &Value, _: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for (_, when) in values(object) {
        let input = text(when, "input");
        let known: fn(&str) -> bool = if input.ends_with(".results.STATUS)") {
            |word| STATES.iter().any(|one| one.as_str() == word)
        } else if input.ends_with(".results.REASON)") {
            is_reason
        } else {
            continue;
        };
        let never = list(when, "values")
            .iter()
            .filter(|value| !value.as_str().is_some_and(known));
        problems.extend(never.map(|value| format!("{input} is never {value}")));
    }
    problems
}

/// Variables with the program's prefix exist: every run would warn of another one.
pub fn variables_exist(texts: &[Text]) -> Vec<String> {
    let pattern = Regex::new("PULL_SECRET_[A-Z][A-Z_]*[A-Z]").expect("a right pattern");
    words(texts, &pattern, |name| {
        VARIABLES.iter().any(|variable| variable.name == name)
    })
}

/// Each word after REASON is a reason: `REASON api-forbidden`, `REASON is "conflict"`, `` REASON `ok` ``. So is each
/// word that begins a row of a table: `` | `tag-missing`, `conflict` | ``.
pub fn reasons_exist(texts: &[Text]) -> Vec<String> {
    let called =
        Regex::new("REASON(?: is|:|=| =)? ?[`\"']([a-z]+(?:-[a-z]+)*)[`\"']|REASON ([a-z]+(?:-[a-z]+)+)")
            .expect("a right pattern");
    let mut problems = words(texts, &called, is_reason);
    let cell = Regex::new(r"^\| (`[a-z]+(?:-[a-z]+)*`(?:, `[a-z]+(?:-[a-z]+)*`)*)").expect("a valid pattern");
    let all_are_reasons = |cell: &str| cell.split(", ").all(|word| is_reason(word.trim_matches('`')));
    problems.extend(words(texts, &cell, all_are_reasons));
    problems
}

/// The words that `pattern` finds, by its first group that takes part, where it has one, and that aren't known.
fn words(texts: &[Text], pattern: &Regex, known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for Text { path, text } in texts {
        for (index, line) in text.lines().enumerate() {
            for found in pattern.captures_iter(line) {
                let word = found
                    .iter()
                    .skip(1)
                    .flatten()
                    .next()
                    .or(found.get(0))
                    .map_or("", |part| part.as_str());
                if !known(word) {
                    problems.push(format!("{path}:{}: {word} is unknown to the program", index + 1));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::fixtures::Broken;
    use super::*;

    fn reported(rule: fn(&[Text]) -> Vec<String>, line: &str) -> Vec<String> {
        rule(&[Text {
            path: "a.yaml".to_owned(),
            text: format!("# one\n{line}\n"),
        }])
    }

    #[test]
    fn a_state_or_reason_that_never_occurs_is_found() {
        let pipeline = |result: &str, value: &str| {
            json!({ "kind": "Pipeline", "metadata": { "name": "a" }, "spec": { "tasks": [{
                "when": [{ "input": format!("$(tasks.ensure.results.{result})"), "operator": "in", "values": [value] }],
            }] } })
        };
        for (result, right, wrong) in [
            ("STATUS", "WARNING", "warning"),
            ("REASON", "tag-missing", "tag-absent"),
        ] {
            Broken::new(conditions_can_hold, pipeline(result, right))
                .and(pipeline(result, wrong))
                .reports("is never");
        }
        Broken::new(conditions_can_hold, pipeline("ANOTHER", "anything")).reports_nothing();
    }

    #[test]
    fn a_variable_that_the_program_does_not_have_is_found_with_its_line() {
        assert_eq!(
            reported(
                variables_exist,
                "PULL_SECRET_NAME and PULL_SECRET_ and PULL_SECRET_*"
            ),
            [""; 0]
        );
        assert_eq!(
            reported(variables_exist, "- name: PULL_SECRET_NAMES"),
            ["a.yaml:2: PULL_SECRET_NAMES is unknown to the program"]
        );
    }

    #[test]
    fn a_reason_that_the_program_does_not_have_is_found() {
        for right in [
            "REASON `api-forbidden`",
            "REASON is \"conflict\"",
            "REASON tag-missing.",
            "REASON and MESSAGE",
            "| `tag-missing`, `conflict` | …",
        ] {
            assert_eq!(reported(reasons_exist, right), [""; 0], "{right}");
        }
        for wrong in [
            "REASON `forbidden`",
            "REASON is 'conflicts'",
            "REASON tag-absent",
            "| `tag-missing`, `tag-absent` | …",
        ] {
            assert_eq!(reported(reasons_exist, wrong).len(), 1, "{wrong}");
        }
    }
}
