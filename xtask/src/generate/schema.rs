//! The lists of reasons and exit codes in the report's schema, from the table of reasons.

use anyhow::{Context as _, Result, ensure};
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

/// The report's fields with their descriptions as a Markdown table, in the order of `required`, each followed by its own fields:
/// `secret.name`, `doctor[].message`.
///
/// # Errors
/// Where the schema is not JSON, or a required field has no description.
pub fn fields_markdown(text: &str) -> Result<String> {
    let schema: Value = serde_json::from_str(text).context("the schema is not JSON")?;
    let mut rows = Vec::new();
    fields(&schema, &schema, "", &mut rows)?;
    ensure!(!rows.is_empty(), "the schema requires no field");
    Ok(table(&["field", "meaning"], 2, rows))
}

/// Adds a row for each required field of `object`, and of the objects in it.
fn fields(schema: &Value, object: &Value, prefix: &str, rows: &mut Vec<Vec<String>>) -> Result<()> {
    for name in object["required"].as_array().into_iter().flatten() {
        let name = name.as_str().context("a required field is not a name")?;
        let field = &object["properties"][name];
        let name = format!("{prefix}{name}");
        let description = field["description"].as_str();
        let description = description.with_context(|| format!("the field {name} has no description"))?;
        rows.push(vec![format!("`{name}`"), description.to_owned()]);
        fields(schema, field, &format!("{name}."), rows)?;
        fields(
            schema,
            definition(schema, &field["items"]),
            &format!("{name}[]."),
            rows,
        )?;
    }
    Ok(())
}

/// The definition that a `$ref` names; otherwise the value itself.
fn definition<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    pointer
        .and_then(|pointer| schema.pointer(pointer))
        .unwrap_or(value)
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
    fn fields_of_objects_and_lists_have_rows_too() -> Result<()> {
        let schema = r##"{"required":["a","b"],
            "properties":{
                "a":{"description":"A.","required":["c"],"properties":{"c":{"description":"C."}}},
                "b":{"description":"B.","items":{"$ref":"#/$defs/row"}}},
            "$defs":{"row":{"required":["d"],"properties":{"d":{"description":"D."}}}}}"##;
        let rows = "| field | meaning |\n| --- | --- |\n| `a` | A. |\n| `a.c` | C. |\n| `b` | B. |\n| `b[].d` | D. |\n";
        assert_eq!(fields_markdown(schema)?, rows);
        Ok(())
    }

    #[test]
    fn a_missing_definition_is_reported() {
        let broken = SCHEMA.replace("exit_code", "code");
        let error = schema(&broken).expect_err("a definition is missing");
        assert!(error.to_string().contains("exit_code"), "{error}");
    }
}
