//! A request that the API server refuses for good: the same request gets the same answer again.

use std::fmt;

use http::StatusCode;
use kube::core::Status;

/// The part of an object that the API server refuses, and why, as far as both are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    status: u16,
    field: Option<(&'static str, &'static str)>,
}

/// Fields that a refusal can be about; the API server's own text is compared, never printed.
const FIELDS: [&str; 10] = [
    "data",
    "immutable",
    "metadata.annotations",
    "metadata.finalizers",
    "metadata.labels",
    "metadata.managedFields",
    "metadata.name",
    "spec.boundObjectRef",
    "spec.expirationSeconds",
    "type",
];

/// Reasons of a refused field (apimachinery `pkg/util/validation/field/errors.go`).
const PROBLEMS: [(&str, &str); 9] = [
    ("FieldValueDuplicate", "is a duplicate"),
    ("FieldValueForbidden", "may not be set"),
    ("FieldValueInvalid", "is invalid"),
    ("FieldValueNotFound", "was not found"),
    ("FieldValueNotSupported", "is not supported"),
    ("FieldValueRequired", "is required"),
    ("FieldValueTooLong", "is too long"),
    ("FieldValueTooMany", "has too many values"),
    ("FieldValueTypeInvalid", "has the wrong type"),
];

impl Rejection {
    /// The refusal in `status`; none for one that may pass by itself: 408, 429 and 5xx but "not implemented".
    pub fn of(status: &Status) -> Option<Self> {
        let is_lasting = match status.code {
            408 | 429 => false,
            400..=499 | 501 => true,
            _ => false,
        };
        is_lasting.then(|| Self {
            status: status.code,
            field: refused_field(status),
        })
    }

    /// What to do about it, where another remedy than the table's helps.
    pub fn remedy(&self) -> Option<&'static str> {
        match (self.status, self.field) {
            (413, _) | (_, Some(("data" | "metadata.annotations", "is too long"))) => Some(
                "Remove entries and keys that nobody uses, a Secret holds at most 1 MiB; or choose another PULL_SECRET_NAME.",
            ),
            (_, Some(("spec.expirationSeconds", _))) => {
                Some("Set PULL_SECRET_TOKEN_LIFETIME to another value.")
            }
            _ => None,
        }
    }
}

/// The cause, half a sentence.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some((field, problem)) => write!(f, "the field {field} {problem} ({})", self.status),
            None if self.status == 413 => write!(f, "it is too large (413)"),
            None => {
                let status = StatusCode::from_u16(self.status).ok();
                let words = status.and_then(|status| status.canonical_reason());
                match words {
                    Some(words) => write!(f, "it answers {} {words}", self.status),
                    None => write!(f, "it answers {}", self.status),
                }
            }
        }
    }
}

/// The first field that is known, with its problem.
fn refused_field(status: &Status) -> Option<(&'static str, &'static str)> {
    let causes = status.details.iter().flat_map(|details| details.causes.iter());
    causes
        .filter_map(|cause| {
            let field = FIELDS.into_iter().find(|field| {
                let rest = cause.field.strip_prefix(field);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })?;
            let problem = PROBLEMS.iter().find(|(reason, _)| *reason == cause.reason);
            Some((field, problem.map_or("is invalid", |(_, problem)| *problem)))
        })
        .next()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(code: u16, causes: &Value) -> Status {
        let status = json!({"code": code, "message": "a-robots-password", "details": {"causes": causes}});
        serde_json::from_value(status).expect("a Status")
    }

    #[test]
    fn o5_a_refusal_for_good_is_told_apart_from_one_that_may_pass() {
        for code in [
            400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 418, 422, 431, 451, 499, 501,
        ] {
            assert!(Rejection::of(&status(code, &json!([]))).is_some(), "{code}");
        }
        for code in [0, 200, 302, 408, 429, 500, 502, 503, 504, 599] {
            assert_eq!(Rejection::of(&status(code, &json!([]))), None, "{code}");
        }
    }

    #[test]
    fn o5_the_cause_has_known_words_alone() {
        let cause = |field: &str, reason: &str| json!([{"field": field, "reason": reason, "message": "a-robots-password"}]);
        for (code, causes, expected) in [
            (400, json!([]), "it answers 400 Bad Request"),
            (413, json!([]), "it is too large (413)"),
            (415, json!([]), "it answers 415 Unsupported Media Type"),
            (418, json!([]), "it answers 418 I'm a teapot"),
            (422, json!([]), "it answers 422 Unprocessable Entity"),
            (499, json!([]), "it answers 499"),
            (
                422,
                cause("data", "FieldValueTooLong"),
                "the field data is too long (422)",
            ),
            (
                422,
                cause("data[.dockerconfigjson]", "FieldValueInvalid"),
                "the field data is invalid (422)",
            ),
            (
                422,
                cause("metadata.annotations", "FieldValueTooLong"),
                "the field metadata.annotations is too long (422)",
            ),
            (
                422,
                cause("spec.expirationSeconds", "a-robots-password"),
                "the field spec.expirationSeconds is invalid (422)",
            ),
            (
                422,
                cause("a-robots-password", "FieldValueInvalid"),
                "it answers 422 Unprocessable Entity",
            ),
            (
                422,
                cause("database", "FieldValueInvalid"),
                "it answers 422 Unprocessable Entity",
            ),
        ] {
            let rejection = Rejection::of(&status(code, &causes)).expect("a rejection");
            assert_eq!(rejection.to_string(), expected);
        }
    }

    #[test]
    fn o5_a_remedy_names_what_can_be_changed() {
        let remedy = |code, field: &str| {
            let causes = json!([{"field": field, "reason": "FieldValueTooLong"}]);
            Rejection::of(&status(code, &causes)).and_then(|rejection| rejection.remedy())
        };
        for (code, field, words) in [
            (413, "", "1 MiB"),
            (422, "data", "1 MiB"),
            (422, "metadata.annotations", "1 MiB"),
            (422, "spec.expirationSeconds", "PULL_SECRET_TOKEN_LIFETIME"),
        ] {
            assert!(
                remedy(code, field).is_some_and(|remedy| remedy.contains(words)),
                "{code}"
            );
        }
        assert_eq!(remedy(400, ""), None);
    }
}
