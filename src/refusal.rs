//! What the API server's refusals mean.

use crate::https::Failure;

/// What came back instead of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: the token is not accepted.
    Unauthenticated,
    /// 403: not permitted by RBAC.
    Forbidden {
        /// The verb that RBAC refused, where the API server names it: a server-side apply that creates needs two.
        verb: Option<&'static str>,
    },
    /// 403 for another reason: an admission plugin, a quota.
    Denied,
    /// 404; `kind` is the resource that is missing, as the API server names it (`secrets`, `namespaces`, …).
    Missing {
        /// The plural resource name, empty where it was not told.
        kind: String,
    },
    /// 409, or 422 because of another uid: somebody else wrote in between.
    Conflict,
    /// 422 because the object is immutable.
    Immutable,
    /// Any other status.
    Status(u16),
    /// No whole answer, after retries.
    Unreachable(Failure),
    /// An answer that is not what the API server says.
    NotUnderstood,
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_status(&status),
            kube::Error::Service(cause) => cause
                .downcast_ref::<Failure>()
                .map_or(Self::NotUnderstood, |failure| Self::Unreachable(*failure)),
            _ => Self::NotUnderstood,
        }
    }
}

impl Refusal {
    pub(crate) fn from_status(status: &kube::core::Status) -> Self {
        match status.code {
            401 => Self::Unauthenticated,
            403 => Self::from_denial(status),
            404 => Self::Missing {
                kind: status
                    .details
                    .as_ref()
                    .map(|details| details.kind.clone())
                    .unwrap_or_default(),
            },
            409 => Self::Conflict,
            422 => Self::from_causes(status),
            other => Self::Status(other),
        }
    }

    /// RBAC says `cannot patch resource "secrets"`; the text is compared, never shown.
    fn from_denial(status: &kube::core::Status) -> Self {
        let mut causes = status.details.iter().flat_map(|details| details.causes.iter());
        if causes.any(|cause| cause.reason == "NamespaceTerminating") {
            Self::Missing {
                kind: "namespaces".to_owned(),
            }
        } else if status.message.contains(" cannot ") && status.message.contains(" resource ") {
            Self::Forbidden {
                verb: refused_verb(&status.message),
            }
        } else {
            Self::Denied
        }
    }

    /// The API server says only by the field's name what it was that could not be changed.
    fn from_causes(status: &kube::core::Status) -> Self {
        let causes = status.details.iter().flat_map(|details| details.causes.iter());
        let mut refusal = Self::Status(422);
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
/// `pkg/endpoints/handlers/responsewriters/errors.go`, `forbiddenMessage`); the reader's own words, never the server's.
pub(crate) fn refused_verb(message: &str) -> Option<&'static str> {
    ["get", "create", "patch"]
        .into_iter()
        .find(|verb| message.contains(&format!(" cannot {verb} resource ")))
}
