//! The lists of reasons and exit codes in the report's schema, from the table of reasons.

use anyhow::{Context as _, Result};
use ensure_pull_secret::outcome::Reason;
use serde_json::Value;

use crate::markdown::table;

/// The schema with the lists of its definitions `reason` and `exit_code`.
///
/// # Errors
/// Where a definition is missing.
pub fn schema(text: &str) -> Result<String> {
    let words = Reason::ALL.iter().map(|reason| format!("{:?}", reason.as_str()));
    let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.info().exit_code).collect();
    codes.sort_unstable();
    codes.dedup();
    let text = with_list(text, "reason", words)?;
    with_list(&text, "exit_code", codes.iter().map(u8::to_string))
}

/// The report's fields with their descriptions as a Markdown table, in the order of `required`.
///
/// # Errors
/// Where the schema is not JSON, or a required field has no description.
pub fn fields_markdown(text: &str) -> Result<String> {
    let schema: Value = serde_json::from_str(text).context("the schema is not JSON")?;
    let required = schema["required"]
        .as_array()
        .context("the schema requires no field")?;
    let row = |name: &Value| {
        let name = name.as_str().context("a required field is not a name")?;
        let description = schema["properties"][name]["description"].as_str();
        let description = description.with_context(|| format!("the field {name} has no description"))?;
        Ok(vec![format!("`{name}`"), description.to_owned()])
    };
    let rows = required.iter().map(row).collect::<Result<Vec<_>>>()?;
    Ok(table(&["field", "meaning"], 2, rows))
}

/// `text` with `values` as the `enum` of a definition. JSON has no comments for markers, and a parser would not keep the
/// order of the fields.
fn with_list(text: &str, definition: &str, values: impl Iterator<Item = String>) -> Result<String> {
    let find = |from: usize, what: &str| {
        let at = text.get(from..).and_then(|rest| rest.find(what));
        at.map(|at| from + at + what.len())
            .with_context(|| format!("there is no {what:?} for the definition {definition}"))
    };
    let definitions = find(0, "\n  \"$defs\": {")?;
    let begin = find(definitions, &format!("\n    \"{definition}\": {{\n"))?;
    let begin = find(begin, "\"enum\": [\n")?;
    let end = find(begin, "\n      ]\n")? - "\n      ]\n".len();
    let lines: Vec<_> = values.map(|value| format!("        {value}")).collect();
    Ok(format!("{}{}{}", &text[..begin], lines.join(",\n"), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "{\n  \"$defs\": {\n    \"reason\": {\n      \"enum\": [\n        \"old\"\n      ]\n    },\n    \
                          \"exit_code\": {\n      \"enum\": [\n        1\n      ]\n    }\n  }\n}\n";

    #[test]
    fn both_lists_are_written_from_the_table() -> Result<()> {
        let written = schema(SCHEMA)?;
        assert!(written.contains("[\n        \"ok\",\n"), "{written}");
        assert!(written.contains("[\n        0,\n        64,\n"), "{written}");
        assert!(!written.contains("old"), "{written}");
        assert_eq!(schema(&written)?, written, "a second time changes nothing");
        Ok(())
    }

    #[test]
    fn each_required_field_has_a_row_with_its_description() -> Result<()> {
        let schema =
            r#"{"required":["b","a"],"properties":{"a":{"description":"A."},"b":{"description":"B."}}}"#;
        let rows = "| field | meaning |\n| --- | --- |\n| `b` | B. |\n| `a` | A. |\n";
        assert_eq!(fields_markdown(schema)?, rows);
        assert!(fields_markdown(r#"{"required":["a"]}"#).is_err());
        Ok(())
    }

    #[test]
    fn a_missing_definition_is_reported() {
        let broken = SCHEMA.replace("exit_code", "code");
        let error = schema(&broken).expect_err("a definition is missing");
        assert!(error.to_string().contains("exit_code"), "{error}");
    }
}
