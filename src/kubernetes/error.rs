//! Errors of the API server, by status and cause.

use super::rejection::Rejection;
use crate::{
    credential::KnownSecrets,
    text::{SafeName, clip_name},
    transport::Failure,
};

/// An error of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubernetesError {
    /// 401: the token is not accepted.
    Unauthenticated,
    /// 403: not permitted by RBAC.
    Forbidden {
        /// The verb that RBAC refused, where the API server names it: a server-side apply that creates needs two.
        verb: Option<&'static str>,
    },
    /// 403 for another reason: a quota, or admission, which may answer 400 and 422 as well.
    Denied {
        /// The policy or webhook that denied it, where the API server names it.
        by: Option<Denier>,
        /// The variable to correct, where the denial names one: the shipped policy does.
        variable: Option<&'static str>,
    },
    /// 404; `kind` is the resource that is missing, as the API server names it (`secrets`, `namespaces`, …).
    Missing {
        /// The plural resource name.
        kind: String,
    },
    /// 403 because the namespace is being deleted: nothing can be created in it.
    NamespaceTerminating,
    /// 409, or 422 because of another uid: another writer was first.
    Conflict,
    /// 422 because the object is immutable.
    Immutable,
    /// 400 to a dry run, because an admission webhook has side effects: nobody knows what it would answer to a write.
    NoDryRun,
    /// Any other status that the same request gets again, a 404 that names no resource included.
    Rejected(Rejection),
    /// Any other status.
    Status(u16),
    /// No whole answer, after retries.
    Unreachable(Failure),
    /// An answer that is not an API server's.
    NotUnderstood,
}

/// Variables that decide what is requested of the API server, so that a policy can limit them.
const DECISIVE: [&str; 3] = [
    "PULL_SECRET_NAME",
    "PULL_SECRET_SERVICE_ACCOUNT",
    "PULL_SECRET_TOKEN_LIFETIME",
];

/// What denies a request that RBAC permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denier {
    /// A ValidatingAdmissionPolicy of this name.
    Policy(SafeName),
    /// An admission webhook of this name.
    Webhook(SafeName),
}

impl Denier {
    /// Reads it from the API server's message, which delimits the name (apiserver
    /// `pkg/admission/plugin/policy/validating/dispatcher.go`, `pkg/admission/plugin/webhook/errors/statuserror.go`); the
    /// rest is the denier's own text, and never printed.
    fn named_in(message: &str) -> Option<Self> {
        let between = |before: &str, after: &str| {
            let (_, rest) = message.split_once(before)?;
            let (name, _) = rest.split_once(after)?;
            Some(SafeName::new(name))
        };
        let policy = between("ValidatingAdmissionPolicy '", "' with binding ").map(Self::Policy);
        policy.or_else(|| between("admission webhook \"", "\" denied the request").map(Self::Webhook))
    }

    /// What denies the request, in a sentence; without its name where that shows a secret.
    pub fn shown(&self, secrets: &KnownSecrets) -> String {
        let (kind, name) = match self {
            Self::Policy(name) => ("policy", name),
            Self::Webhook(name) => ("webhook", name),
        };
        if secrets.show_in(name.as_str()) {
            format!("an admission {kind}, whose name shows a secret and is not printed,")
        } else {
            format!("the admission {kind} {}", clip_name(name.as_str(), 63))
        }
    }
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_status(&status),
            kube::Error::Service(cause) => cause
                .downcast_ref::<Failure>()
                .map_or(Self::NotUnderstood, |failure| Self::Unreachable(failure.clone())),
            _ => Self::NotUnderstood,
        }
    }
}

impl KubernetesError {
    pub(crate) fn from_status(status: &kube::core::Status) -> Self {
        // A policy answers 422 unless it sets a reason of its own, a webhook any code.
        if matches!(status.code, 400 | 403 | 422)
            && let Some(denier) = Denier::named_in(&status.message)
        {
            return Self::Denied {
                by: Some(denier),
                variable: named_variable(&status.message),
            };
        }
        match status.code {
            // apiserver `pkg/admission/plugin/webhook/errors/statuserror.go`, `NewDryRunUnsupportedErr`.
            400 if status.message.ends_with(" does not support dry run") => Self::NoDryRun,
            401 => Self::Unauthenticated,
            403 => Self::from_denial(status),
            404 => match status.details.as_ref().map(|details| &details.kind) {
                Some(kind) if !kind.is_empty() => Self::Missing { kind: kind.clone() },
                _ => Self::rejected(status),
            },
            409 => Self::Conflict,
            422 => Self::from_causes(status),
            _ => Self::rejected(status),
        }
    }

    fn rejected(status: &kube::core::Status) -> Self {
        Rejection::of(status).map_or(Self::Status(status.code), Self::Rejected)
    }

    /// RBAC answers `cannot patch resource "secrets"`; the text is compared, never printed.
    fn from_denial(status: &kube::core::Status) -> Self {
        let mut causes = status.details.iter().flat_map(|details| details.causes.iter());
        if causes.any(|cause| cause.reason == "NamespaceTerminating") {
            Self::NamespaceTerminating
        } else if status.message.contains(" cannot ") && status.message.contains(" resource ") {
            Self::Forbidden {
                verb: refused_verb(&status.message),
            }
        } else {
            Self::Denied {
                by: None,
                variable: None,
            }
        }
    }

    /// Only the field's name shows what could not be changed.
    fn from_causes(status: &kube::core::Status) -> Self {
        let causes = status.details.iter().flat_map(|details| details.causes.iter());
        let mut refusal = Self::rejected(status);
        for cause in causes {
            if cause.field == "metadata.uid" {
                return Self::Conflict;
            }
            if matches!(cause.field.as_str(), "data" | "immutable" | "stringData")
                && cause.message.contains("immutable")
            {
                refusal = Self::Immutable;
            }
        }
        refusal
    }
}

/// The verb in `… cannot patch resource "secrets" …` (apiserver
/// `pkg/endpoints/handlers/responsewriters/errors.go`, `forbiddenMessage`); a text of this program, never the server's.
pub(crate) fn refused_verb(message: &str) -> Option<&'static str> {
    ["get", "create", "patch"]
        .into_iter()
        .find(|verb| message.contains(&format!(" cannot {verb} resource ")))
}

/// The variable that decides what was refused, where the text names one; a text of this program, never the server's.
fn named_variable(message: &str) -> Option<&'static str> {
    let mut words = message.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    words.find_map(|word| DECISIVE.into_iter().find(|variable| *variable == word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(code: u16, message: &str) -> KubernetesError {
        let status = json!({ "code": code, "message": message });
        KubernetesError::from_status(&serde_json::from_value(status).expect("a Status"))
    }

    #[test]
    fn admission_denial_is_known_by_its_message_for_any_code() {
        let policy = "secrets \"s\" is forbidden: ValidatingAdmissionPolicy 'p.example' with binding 'b' denied request: no";
        let webhook = "admission webhook \"w.example\" denied the request: it cannot use resource x";
        for code in [400, 403, 422] {
            for (message, expected) in [
                (policy, Denier::Policy(SafeName::new("p.example"))),
                (webhook, Denier::Webhook(SafeName::new("w.example"))),
            ] {
                assert_eq!(
                    refusal(code, message),
                    KubernetesError::Denied {
                        by: Some(expected),
                        variable: None
                    },
                    "{code} {message}"
                );
            }
        }
        assert_eq!(refusal(409, policy), KubernetesError::Conflict);
        assert_eq!(
            refusal(403, "exceeded quota: secrets"),
            KubernetesError::Denied {
                by: None,
                variable: None
            }
        );
    }

    #[test]
    fn rbac_refusal_needs_all_words_of_its_message() {
        for (message, verb) in [
            (
                "secrets \"s\" is forbidden: User \"u\" cannot patch resource \"secrets\"",
                Some("patch"),
            ),
            ("User \"u\" cannot watch resource \"secrets\"", None),
        ] {
            assert_eq!(
                refusal(403, message),
                KubernetesError::Forbidden { verb },
                "{message}"
            );
        }
        for message in ["it cannot be", "the resource is full", ""] {
            let denied = KubernetesError::Denied {
                by: None,
                variable: None,
            };
            assert_eq!(refusal(403, message), denied, "{message}");
        }
    }

    #[test]
    fn immutable_object_is_known_by_the_field() {
        let with_causes = |code: u16, causes: serde_json::Value| {
            let status = json!({ "code": code, "details": { "kind": "secrets", "causes": causes } });
            KubernetesError::from_status(&serde_json::from_value(status).expect("a Status"))
        };
        let cause = |field: &str, message: &str| json!({ "field": field, "message": message });
        let immutable = "field is immutable when `immutable` is set";
        for (causes, expected) in [
            (json!([cause("metadata.uid", "")]), KubernetesError::Conflict),
            (
                json!([cause("data", immutable), cause("metadata.uid", "")]),
                KubernetesError::Conflict,
            ),
            (json!([cause("data", immutable)]), KubernetesError::Immutable),
            (
                json!([cause("stringData", immutable)]),
                KubernetesError::Immutable,
            ),
            (json!([cause("immutable", immutable)]), KubernetesError::Immutable),
        ] {
            assert_eq!(with_causes(422, causes.clone()), expected, "{causes}");
        }
        for causes in [
            json!([cause("type", immutable)]),
            json!([cause("data", "too long")]),
            json!([]),
        ] {
            let found = with_causes(422, causes.clone());
            assert!(matches!(found, KubernetesError::Rejected(_)), "{causes}");
        }
        let missing = |kind: &str| KubernetesError::Missing {
            kind: kind.to_owned(),
        };
        assert_eq!(with_causes(404, json!([])), missing("secrets"));
        let ending = json!([{ "reason": "NamespaceTerminating", "field": "metadata.namespace" }]);
        assert_eq!(with_causes(403, ending), KubernetesError::NamespaceTerminating);
        assert_eq!(refusal(401, ""), KubernetesError::Unauthenticated);
        assert_eq!(refusal(500, ""), KubernetesError::Status(500));
        assert!(matches!(refusal(404, ""), KubernetesError::Rejected(_)));
    }

    #[test]
    fn missing_answer_differs_from_one_that_is_not_understood() {
        let status = serde_json::from_value(json!({ "code": 409 })).expect("a Status");
        for (error, expected) in [
            (kube::Error::Api(Box::new(status)), KubernetesError::Conflict),
            (
                kube::Error::Service(Box::new(Failure::TimedOut)),
                KubernetesError::Unreachable(Failure::TimedOut),
            ),
            (
                kube::Error::Service("something else".into()),
                KubernetesError::NotUnderstood,
            ),
            (
                kube::Error::LinesCodecMaxLineLengthExceeded,
                KubernetesError::NotUnderstood,
            ),
        ] {
            assert_eq!(KubernetesError::from(error), expected);
        }
    }

    #[test]
    fn denial_yields_only_the_variable_to_correct() {
        let variable = |words: &str| {
            let message = format!("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: {words}");
            match refusal(422, &message) {
                KubernetesError::Denied { variable, .. } => variable,
                other => panic!("{other:?}"),
            }
        };
        for name in DECISIVE {
            assert_eq!(
                variable(&format!("at most: lower {name}, or leave it")),
                Some(name)
            );
        }
        for words in [
            "no",
            "PULL_SECRET_NAMESPACE",
            "PULL_SECRET_ROOT",
            "XPULL_SECRET_NAME",
        ] {
            assert_eq!(variable(words), None, "{words}");
        }
    }

    #[test]
    fn denier_name_is_made_printable() {
        let said =
            |name: &str| match refusal(403, &format!("admission webhook \"{name}\" denied the request")) {
                KubernetesError::Denied { by: Some(denier), .. } => denier.shown(&KnownSecrets::default()),
                other => panic!("{other:?}"),
            };
        assert_eq!(said("w.example"), "the admission webhook w.example");
        assert_eq!(said("a\u{1b}[31m;rm"), "the admission webhook a__31m_rm");
        assert!(said(&"w".repeat(300)).chars().count() < 90);
    }

    #[test]
    fn s4_denier_with_a_secret_in_its_name_is_not_printed() {
        let secrets = KnownSecrets::default();
        secrets.add("robot", &"a-robots-password".to_owned().into());
        let said = |message: &str| match refusal(403, message) {
            KubernetesError::Denied { by: Some(denier), .. } => denier.shown(&secrets),
            other => panic!("{other:?}"),
        };
        for name in [
            "a-robots-password.example",
            "A-ROBOTS-PASSWORD",
            // base64 of the password, of the login; hex of it.
            "YS1yb2JvdHMtcGFzc3dvcmQ",
            "cm9ib3Q6YS1yb2JvdHMtcGFzc3dvcmQ.example",
            "612d726f626f74732d70617373776f7264.example",
        ] {
            assert_eq!(
                said(&format!("admission webhook \"{name}\" denied the request: no")),
                "an admission webhook, whose name shows a secret and is not printed,",
                "{name}"
            );
            assert_eq!(
                said(&format!(
                    "ValidatingAdmissionPolicy '{name}' with binding 'b' denied request: no"
                )),
                "an admission policy, whose name shows a secret and is not printed,",
                "{name}"
            );
        }
        assert_eq!(
            said("admission webhook \"robots.example\" denied the request"),
            "the admission webhook robots.example"
        );
    }
}
