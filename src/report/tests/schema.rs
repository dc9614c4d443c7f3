//! Tests of the report against its published schema.

use super::*;

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");

#[test]
fn every_report_matches_the_published_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    let mut outcomes = vec![
        (Outcome::default(), vec![]),
        (refreshed(), vec![]),
        (Outcome::default(), problems()),
    ];
    for &reason in Reason::ALL {
        for warning in [false, true] {
            let mut outcome = refreshed();
            let mut finding = Finding::new(reason, "a cause").with_paste("apiVersion: v1\n".to_owned());
            finding.warning = warning;
            outcome.images[0].reason = Some(reason.as_str());
            outcome.findings.push(finding);
            outcomes.push((outcome, vec![]));
        }
    }
    for (outcome, problems) in outcomes {
        for context in [context(), ReportContext::default()] {
            let report = Report::new(&outcome, &context, &problems, true, now());
            let report = serde_json::to_value(&report).expect("JSON");
            let errors: Vec<_> = validator
                .iter_errors(&report)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{errors:?}: {report:#}");
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({"status": "SUCCESS"})));
}

#[test]
fn schema_has_every_reason_and_describes_every_field() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(schema["$defs"]["reason"]["enum"], serde_json::json!(reasons));
    let mut exits: Vec<_> = Reason::ALL.iter().map(|reason| reason.info().exit_code).collect();
    exits.sort_unstable();
    exits.dedup();
    assert_eq!(schema["$defs"]["exit_code"]["enum"], serde_json::json!(exits));
    described(&schema);
}

/// Every property has a description, and every object requires all its properties and allows no others.
fn described(schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            schema["required"].as_array().map(Vec::len),
            Some(properties.len())
        );
        for (name, property) in properties {
            assert!(property["description"].is_string(), "{name}");
        }
    }
    match schema {
        Value::Object(members) => members.values().for_each(described),
        Value::Array(items) => items.iter().for_each(described),
        _ => {}
    }
}
