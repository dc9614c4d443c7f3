//! What it means for the run that a server refuses or doesn't answer, in words for whoever has to act.

use super::Context;
use crate::{
    config::Mode,
    kubernetes::{client::Trouble, error::Refusal, rbac_yaml},
    outcome::{Finding, Reason},
    text::clip_name,
    verification::explain::failure_text,
};

impl Context<'_> {
    /// What a refusal of the API server means for `verb` on `resource`.
    pub fn refused(&self, verb: &str, resource: &str, name: &str, refusal: &Refusal) -> Finding {
        let namespace = clip_name(&self.namespace, 63);
        let verb = match refusal {
            Refusal::Forbidden { verb: Some(refused) } => refused,
            _ => verb,
        };
        let object = format!(
            "{verb} {resource} {} in namespace {namespace}",
            clip_name(name, 60)
        );
        match refusal {
            Refusal::Forbidden { .. } => self.forbidden(&object, &namespace),
            Refusal::Denied { by, variable } => {
                let by = by
                    .as_ref()
                    .map_or("an admission policy or a quota".to_owned(), |by| {
                        by.shown(&self.secrets)
                    });
                let remedy = variable.map_or_else(
                    || {
                        "Ask who keeps the cluster's admission policies and quotas; no Role would help."
                            .to_owned()
                    },
                    |variable| {
                        format!(
                            "Correct {variable}, or ask who keeps the cluster's admission policies; no Role would help."
                        )
                    },
                );
                Finding::new(Reason::ApiForbidden, format!("cannot {object}: {by} refuses it"))
                    .with_remedy(remedy)
            }
            Refusal::Unauthenticated => Finding::new(
                Reason::ApiForbidden,
                format!("cannot {object}: the API server does not accept this pod's token"),
            )
            .with_remedy("Run it in a pod that still exists, with its own mounted token."),
            Refusal::Missing { kind } if kind == "namespaces" => Finding::new(
                Reason::NamespaceMissing,
                format!("the namespace {namespace} does not exist"),
            ),
            Refusal::Missing { kind } if kind == "serviceaccounts" => Finding::new(
                Reason::ServiceAccountMissing,
                format!(
                    "service account {} does not exist in namespace {namespace}",
                    clip_name(name, 60)
                ),
            ),
            Refusal::Immutable => crate::decide::immutable(self.config),
            Refusal::Conflict => Finding::new(
                Reason::Conflict,
                format!("cannot {object}: others write it all the time"),
            ),
            Refusal::Missing { .. } => unavailable(&object, "it answers 404 without saying what is missing"),
            Refusal::Status(status) => unavailable(&object, &format!("it answers {status}")),
            Refusal::NotUnderstood => unavailable(&object, "its answer is not one of an API server"),
            Refusal::Unreachable(failure) => unavailable(&object, failure_text(*failure)),
        }
    }

    fn forbidden(&self, object: &str, namespace: &str) -> Finding {
        let role = self.role(match self.config.mode {
            Mode::Ensure | Mode::Plan | Mode::Doctor => rbac_yaml::role,
            // It reads and mints nothing.
            Mode::Verify => rbac_yaml::reader,
        });
        Finding::new(
            Reason::ApiForbidden,
            format!("{} may not {object}", self.runner_name()),
        )
        .about(namespace)
        .with_paste(role)
    }

    /// The reason of the last error that was tried again; `deadline` where there was none.
    pub fn interrupted(&self, by: &str) -> Finding {
        if let Some(trouble) = self.api.trouble() {
            let text = match trouble {
                Trouble::Failed(failure) => failure_text(failure).to_owned(),
                Trouble::Answered(status) => format!("it answers {}", status.as_u16()),
            };
            return Finding::new(
                Reason::ApiUnavailable,
                format!("{by}; the API server did not answer ({text})"),
            );
        }
        if self.registries.last_failure().is_some() {
            return Finding::new(
                Reason::RegistryUnavailable,
                format!("{by}; the registry did not answer"),
            );
        }
        Finding::new(Reason::Deadline, by)
    }
}

fn unavailable(object: &str, said: &str) -> Finding {
    Finding::new(Reason::ApiUnavailable, format!("cannot {object}: {said}"))
}
