//! Finding for an error of the API server.

use super::{
    error::KubernetesError,
    rbac_yaml::{self, RoleParams},
    untrusted::untrusted,
};
use crate::{
    config::Mode,
    credential::KnownSecrets,
    outcome::{Finding, Reason},
    text::clip_name,
};

/// A request to the API server, as RBAC names it.
#[derive(Clone, Copy)]
pub struct ApiRequest<'a> {
    /// The verb, such as `patch`.
    pub verb: &'a str,
    /// The plural resource, its subresource behind a slash.
    pub resource: &'a str,
    /// The object's name.
    pub name: &'a str,
}

/// Context of a finding, beside the request.
pub struct ErrorContext<'a> {
    /// Mode of the run: decides which Role it needs.
    pub mode: Mode,
    /// The Role's names; its namespace is the request's.
    pub role: RoleParams<'a>,
    /// Text for the account that runs the program.
    pub runner_name: &'a str,
    /// Secrets of the run: a name from a server that shows one of them is not printed.
    pub secrets: &'a KnownSecrets,
}

/// The finding for `error`, the API server's answer to `request`.
pub fn explain_error(
    request: ApiRequest<'_>,
    error: &KubernetesError,
    context: &ErrorContext<'_>,
) -> Finding {
    let namespace = clip_name(context.role.namespace, 63);
    let verb = match error {
        KubernetesError::Forbidden { verb: Some(refused) } => refused,
        _ => request.verb,
    };
    let name = clip_name(request.name, 60);
    let object = format!("{verb} {} {name} in namespace {namespace}", request.resource);
    match error {
        KubernetesError::Forbidden { .. } => forbidden(&object, &namespace, context),
        KubernetesError::Denied { by, variable } => {
            let by = by
                .as_ref()
                .map_or("an admission policy or a quota".to_owned(), |by| {
                    by.shown(context.secrets)
                });
            let remedy = variable.map_or_else(
                || "Ask who keeps the cluster's admission policies and quotas; no Role would help.".to_owned(),
                |variable| {
                    format!(
                        "Correct {variable}, or ask who keeps the cluster's admission policies; no Role would help."
                    )
                },
            );
            Finding::new(Reason::ApiForbidden, format!("cannot {object}: {by} refuses it"))
                .with_remedy(remedy)
        }
        KubernetesError::Unauthenticated => Finding::new(
            Reason::ApiForbidden,
            format!("cannot {object}: the API server does not accept this pod's token"),
        )
        .with_remedy("Run it in a pod that still exists, with its own mounted token."),
        KubernetesError::Missing { kind } if kind == "namespaces" => Finding::new(
            Reason::NamespaceMissing,
            format!("the namespace {namespace} does not exist"),
        ),
        KubernetesError::NamespaceTerminating => Finding::new(
            Reason::NamespaceMissing,
            format!("cannot {object}: the namespace is being deleted"),
        )
        .with_remedy("Wait until it is gone and create it again, or correct PULL_SECRET_NAMESPACE."),
        KubernetesError::Missing { kind } if kind == "serviceaccounts" => Finding::new(
            Reason::ServiceAccountMissing,
            format!("service account {name} does not exist in namespace {namespace}"),
        ),
        KubernetesError::Immutable => immutable(context.role.secret),
        KubernetesError::Conflict => Finding::new(
            Reason::Conflict,
            format!("cannot {object}: others write it all the time"),
        ),
        KubernetesError::NoDryRun => Finding::new(
            Reason::ApiRejected,
            format!("cannot {object}: it answers 400 Bad Request"),
        ),
        KubernetesError::Missing { .. } => Finding::new(
            Reason::ApiRejected,
            format!("cannot {object}: it answers 404 Not Found"),
        ),
        KubernetesError::Rejected(rejection) => Finding {
            remedy: rejection.remedy().map(str::to_owned),
            ..Finding::new(Reason::ApiRejected, format!("cannot {object}: {rejection}"))
        },
        KubernetesError::Status(status) => unavailable(&object, &format!("it answers {status}")),
        KubernetesError::NotUnderstood => unavailable(&object, "its answer is not one of an API server"),
        KubernetesError::Unreachable(failure) => untrusted(&object, failure, context.secrets)
            .unwrap_or_else(|| unavailable(&object, &failure.text(|name| context.secrets.show_in(name)))),
    }
}

/// Finding for an immutable Secret `name` that would have to be changed.
pub fn immutable(name: &str) -> Finding {
    Finding::new(
        Reason::Immutable,
        format!(
            "Secret {} is immutable and would have to be changed",
            clip_name(name, 80)
        ),
    )
}

fn forbidden(object: &str, namespace: &str, context: &ErrorContext<'_>) -> Finding {
    let role = match context.mode {
        Mode::Ensure | Mode::Plan | Mode::Doctor => rbac_yaml::role(&context.role),
        // It only reads.
        Mode::Verify => rbac_yaml::reader(&context.role),
    };
    let finding = Finding::new(
        Reason::ApiForbidden,
        format!("{} may not {object}", context.runner_name),
    )
    .about(namespace);
    match role {
        Some(role) => finding.with_paste(role),
        None => finding.with_remedy("Grant it by a Role, or correct the name."),
    }
}

fn unavailable(object: &str, answer: &str) -> Finding {
    Finding::new(Reason::ApiUnavailable, format!("cannot {object}: {answer}"))
}

#[cfg(test)]
mod tests {
    use super::{super::rbac_yaml::Subject, *};
    use crate::transport::Failure;

    fn explain(mode: Mode, error: &KubernetesError) -> Finding {
        let context = ErrorContext {
            mode,
            role: RoleParams {
                namespace: "demo",
                secret: "pull",
                token_account: Some("model-puller"),
                runner: Some(Subject {
                    namespace: "demo",
                    name: "runner",
                }),
            },
            runner_name: "demo/runner",
            secrets: &KnownSecrets::default(),
        };
        let request = ApiRequest {
            verb: "patch",
            resource: "secrets",
            name: "pull",
        };
        explain_error(request, error, &context)
    }

    #[test]
    fn each_error_becomes_a_finding_with_its_reason_and_cause() {
        let missing = |kind: &str| KubernetesError::Missing {
            kind: kind.to_owned(),
        };
        let denied = |variable| KubernetesError::Denied { by: None, variable };
        let rejected = |code: u16| {
            let status = serde_json::from_value(serde_json::json!({ "code": code })).expect("a Status");
            KubernetesError::from_status(&status)
        };
        for (error, reason, cause) in [
            (
                KubernetesError::Forbidden { verb: None },
                Reason::ApiForbidden,
                "demo/runner may not patch secrets pull in namespace demo",
            ),
            (
                KubernetesError::Forbidden { verb: Some("create") },
                Reason::ApiForbidden,
                "demo/runner may not create secrets pull in namespace demo",
            ),
            (
                denied(None),
                Reason::ApiForbidden,
                "cannot patch secrets pull in namespace demo: an admission policy or a quota refuses it",
            ),
            (
                KubernetesError::Unauthenticated,
                Reason::ApiForbidden,
                "cannot patch secrets pull in namespace demo: the API server does not accept this pod's token",
            ),
            (
                missing("namespaces"),
                Reason::NamespaceMissing,
                "the namespace demo does not exist",
            ),
            (
                missing("serviceaccounts"),
                Reason::ServiceAccountMissing,
                "service account pull does not exist in namespace demo",
            ),
            (
                KubernetesError::NamespaceTerminating,
                Reason::NamespaceMissing,
                "cannot patch secrets pull in namespace demo: the namespace is being deleted",
            ),
            (
                missing("pods"),
                Reason::ApiRejected,
                "cannot patch secrets pull in namespace demo: it answers 404 Not Found",
            ),
            (
                rejected(404),
                Reason::ApiRejected,
                "cannot patch secrets pull in namespace demo: it answers 404 Not Found",
            ),
            (
                rejected(413),
                Reason::ApiRejected,
                "cannot patch secrets pull in namespace demo: it is too large (413)",
            ),
            (
                KubernetesError::Immutable,
                Reason::Immutable,
                "Secret pull is immutable and would have to be changed",
            ),
            (
                KubernetesError::Conflict,
                Reason::Conflict,
                "cannot patch secrets pull in namespace demo: others write it all the time",
            ),
            (
                KubernetesError::Status(500),
                Reason::ApiUnavailable,
                "cannot patch secrets pull in namespace demo: it answers 500",
            ),
            (
                KubernetesError::NotUnderstood,
                Reason::ApiUnavailable,
                "cannot patch secrets pull in namespace demo: its answer is not one of an API server",
            ),
            (
                KubernetesError::Unreachable(Failure::TimedOut),
                Reason::ApiUnavailable,
                "cannot patch secrets pull in namespace demo: no answer in time",
            ),
            (
                KubernetesError::Unreachable(Failure::NotTls),
                Reason::ApiUntrusted,
                "cannot patch secrets pull in namespace demo: the API server is not trusted, it does not speak TLS",
            ),
        ] {
            let finding = explain(Mode::Ensure, &error);
            assert_eq!((finding.reason, finding.cause.as_str()), (reason, cause));
        }
        let named = explain(Mode::Ensure, &denied(Some("PULL_SECRET_NAME")));
        assert!(named.remedy().starts_with("Correct PULL_SECRET_NAME,"));
    }

    #[test]
    fn forbidden_request_suggests_the_role_of_its_mode() {
        let paste = |mode| format!("{:?}", explain(mode, &KubernetesError::Forbidden { verb: None }));
        for mode in [Mode::Ensure, Mode::Plan, Mode::Doctor] {
            assert!(paste(mode).contains("ensure-pull-secret-pull"), "{mode:?}");
        }
        assert!(paste(Mode::Verify).contains("verify-pull-secret-pull"));
    }
}
