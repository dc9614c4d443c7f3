//! The difference between two installs: of kustomize, and of the chart.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Labels that every chart's objects have, and no kustomization's.
const HELMS: &[&str] = &[
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/instance",
];

/// The first difference, as `Kind/name: path: kustomize has A, the chart has B`; `None` where all objects are equal, in
/// any order.
///
/// # Errors
/// If an install has an object twice.
pub fn difference(kustomize: &[Value], chart: &[Value]) -> Result<Option<String>> {
    let (kustomize, chart) = (by_identity(kustomize)?, by_identity(chart)?);
    for (identity, expected) in &kustomize {
        let Some(found) = chart.get(identity) else {
            return Ok(Some(format!("{}: the chart has no such object", label(expected))));
        };
        let found = without_helms_labels(found);
        if let Some(path) = path(expected, &found, String::new()) {
            return Ok(Some(format!("{}: {path}", label(expected))));
        }
    }
    let more = chart
        .iter()
        .find(|(identity, _)| !kustomize.contains_key(*identity));
    Ok(more.map(|(_, object)| format!("{}: kustomize has no such object", label(object))))
}

fn label(object: &Value) -> String {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}

/// Objects by apiVersion, kind, namespace and name.
fn by_identity(objects: &[Value]) -> Result<BTreeMap<[String; 4], &Value>> {
    let mut found = BTreeMap::new();
    for object in objects {
        let pointers = ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"];
        let identity = pointers.map(|pointer| {
            let text = object.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        });
        ensure!(!identity[3].is_empty(), "an object has no name: {object}");
        ensure!(
            found.insert(identity, object).is_none(),
            "{} is there twice",
            label(object)
        );
    }
    Ok(found)
}

fn without_helms_labels(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(labels) = object
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.retain(|name, _| !HELMS.contains(&name.as_str()));
    }
    object
}

/// The first path at which two values differ, with both values.
fn path(expected: &Value, found: &Value, place: String) -> Option<String> {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<_> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.into_iter().find_map(|name| {
                let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned();
                let place = format!("{place}.{name}");
                match (of(left), of(right)) {
                    (Some(left), Some(right)) => path(&left, &right, place),
                    (left, right) => Some(differs(&place, left.as_ref(), right.as_ref())),
                }
            })
        }
        (Value::Array(left), Value::Array(right)) => {
            let pairs = left.iter().zip(right).enumerate();
            let mut paths =
                pairs.filter_map(|(index, (left, right))| path(left, right, format!("{place}[{index}]")));
            paths.next().or_else(|| {
                let end = left.len().min(right.len());
                let place = format!("{place}[{end}]");
                (left.len() != right.len()).then(|| differs(&place, left.get(end), right.get(end)))
            })
        }
        _ => (expected != found).then(|| differs(&place, Some(expected), Some(found))),
    }
}

fn differs(place: &str, kustomize: Option<&Value>, chart: Option<&Value>) -> String {
    let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    format!(
        "{place}: kustomize has {}, the chart has {}",
        show(kustomize),
        show(chart)
    )
}

/// Fails with the first difference.
///
/// # Errors
/// If the installs differ.
pub fn assert_equal(origin: &str, kustomize: &[Value], chart: &[Value]) -> Result<()> {
    let difference = difference(kustomize, chart).with_context(|| origin.to_owned())?;
    ensure!(
        difference.is_none(),
        "{origin}: {}",
        difference.unwrap_or_default()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, spec: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "A", "metadata": { "name": name, "labels": { "a": "b" } }, "spec": spec })
    }

    #[test]
    fn the_first_differing_path_is_named() -> Result<()> {
        let one = || object("one", json!({ "list": [1, { "x": "y" }], "z": null }));
        let two = object("two", json!({}));
        let mut helms = one();
        for label in HELMS {
            helms["metadata"]["labels"][label] = json!("eps");
        }
        assert_eq!(difference(&[one(), two.clone()], &[two.clone(), helms])?, None);
        let changed = |pointer: &str, value: Value| {
            let mut object = one();
            *object.pointer_mut(pointer).expect("a place") = value;
            object
        };
        for (other, path) in [
            (changed("/spec/list/1/x", json!("n")), "A/one: .spec.list[1].x"),
            (changed("/spec/list", json!([1])), "A/one: .spec.list[1]"),
            (changed("/spec/z", json!("")), "A/one: .spec.z"),
            (
                changed("/spec", json!({ "list": [1, { "x": "y" }] })),
                "A/one: .spec.z",
            ),
            (
                changed("/metadata/labels/a", json!("c")),
                "A/one: .metadata.labels.a",
            ),
            (
                changed("/metadata/name", json!("three")),
                "A/one: the chart has no such object",
            ),
        ] {
            let found = difference(&[one()], std::slice::from_ref(&other))?.unwrap_or_default();
            assert!(found.starts_with(path), "{found}");
            let reversed = difference(&[other], &[one()])?;
            assert!(reversed.is_some(), "{path}");
        }
        let more = difference(&[one()], &[one(), two])?.unwrap_or_default();
        assert_eq!(more, "A/two: kustomize has no such object");
        assert!(difference(&[one(), one()], &[one()]).is_err());
        Ok(())
    }
}
