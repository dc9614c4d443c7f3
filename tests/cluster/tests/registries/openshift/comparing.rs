//! An answer against what a row expects of it.

use bytes::Bytes;
use http::{Response, header};
use serde_json::Value;
use test_cluster::registry::OPENSHIFT;

use super::rows::Expected;

/// The first difference, in words. `filled` fills in placeholders.
pub fn compare(
    response: &Response<Bytes>,
    to_head: bool,
    path: &str,
    expected: &Expected,
    filled: impl Fn(&str) -> String,
) -> Result<(), String> {
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("?"))
    };
    let same = |what: &str, got: Option<&str>, wanted: Option<&str>| {
        if got == wanted {
            return Ok(());
        }
        Err(format!("{what} is {got:?} instead of {wanted:?}; {response:?}"))
    };
    let status = response.status().as_u16().to_string();
    same("status", Some(&status), Some(&expected.status.to_string()))?;
    let challenge = expected.challenge.as_deref().map(|challenge| match challenge {
        "bearer" => format!("Bearer realm=\"https://{OPENSHIFT}/openshift/token\""),
        "denied" => "Basic realm=openshift,error=\"access denied\"".to_owned(),
        "undecodable" => "Basic realm=openshift,error=\"failed to decode credentials\"".to_owned(),
        other => panic!("no challenge {other:?}"),
    });
    same("challenge", header("www-authenticate"), challenge.as_deref())?;
    if path != "/healthz" {
        same(
            "API version",
            header("docker-distribution-api-version"),
            Some("registry/2.0"),
        )?;
    }
    for (name, wanted) in [
        ("content-type", &expected.content_type),
        ("docker-content-digest", &expected.digest),
        ("location", &expected.location),
    ] {
        if let Some(wanted) = wanted {
            same(name, header(name), Some(&filled(wanted)))?;
        }
    }
    if to_head {
        return match response.body().len() {
            0 => Ok(()),
            length => Err(format!("HEAD was answered with a body of {length} bytes")),
        };
    }
    compare_body(response, expected, filled)
}

fn compare_body(
    response: &Response<Bytes>,
    expected: &Expected,
    filled: impl Fn(&str) -> String,
) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {response:?}"));
    if expected.body == Some(Value::from("")) {
        let has_type = response.headers().contains_key(header::CONTENT_TYPE);
        if !response.body().is_empty() || has_type != expected.content_type.is_some() {
            return wrong("the answer is not empty, or has another content type");
        }
        return Ok(());
    }
    let body = serde_json::from_slice::<Value>(response.body()).unwrap_or(Value::Null);
    let filled_in = |value: &Value| serde_json::from_str::<Value>(&filled(&value.to_string())).expect("JSON");
    if expected
        .body
        .as_ref()
        .is_some_and(|wanted| filled_in(wanted) != body)
    {
        return wrong("another body");
    }
    let error = body.pointer("/errors/0");
    let member = |name: &str| error.and_then(|error| error.get(name));
    if expected.any_code && member("code").is_none() {
        return wrong("no error code");
    }
    for (name, wanted) in [("code", &expected.code), ("message", &expected.message)] {
        if wanted.is_some() && member(name).and_then(Value::as_str) != wanted.as_deref() {
            return wrong(&format!("another {name}"));
        }
    }
    if expected
        .detail
        .as_ref()
        .is_some_and(|wanted| member("detail") != Some(&filled_in(wanted)))
    {
        return wrong("another detail");
    }
    if expected.without_detail && member("detail").is_some() {
        return wrong("a detail");
    }
    let lacks = |name: &String| member("detail").and_then(|detail| detail.get(name)).is_none();
    if expected.detail_members.iter().any(lacks) {
        return wrong("the detail lacks a member");
    }
    Ok(())
}
