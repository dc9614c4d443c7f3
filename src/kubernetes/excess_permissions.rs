//! Excess permissions: what the stored credential may do beyond pulling, and with it every reader of the Secret.
//!
//! One SelfSubjectRulesReview in the Secret's namespace is compared with a closed list. It has no rights in other
//! namespaces, and those of authorizers other than RBAC only where they list their rules; otherwise it is marked incomplete.

use k8s_openapi::api::authorization::v1::{ResourceRule, SubjectRulesReviewStatus};

use crate::{config::Access, outcome::ExcessPermissions, text::clip_name};

/// A right that a puller should not have.
struct Right {
    /// Text for messages.
    text: &'static str,
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
}

const WRITE: &[&str] = &["create", "update", "patch"];

/// The closed list. Writing a workload or running a command in a pod gives the permissions of every account of the
/// namespace.
const RIGHTS: &[Right] = &[
    Right {
        text: "read secrets",
        groups: &[""],
        resources: &["secrets"],
        verbs: &["get", "list", "watch"],
    },
    Right {
        text: "create pods",
        groups: &[""],
        resources: &["pods"],
        verbs: &["create"],
    },
    Right {
        text: "run commands in pods",
        groups: &[""],
        resources: &["pods/exec", "pods/attach", "pods/ephemeralcontainers"],
        // A WebSocket's exec is a get (Kubernetes' RBAC good practices).
        verbs: &["get", "create", "update", "patch"],
    },
    Right {
        text: "write workloads",
        groups: &["", "apps", "batch", "tekton.dev"],
        resources: &[
            "replicationcontrollers",
            "deployments",
            "statefulsets",
            "daemonsets",
            "replicasets",
            "jobs",
            "cronjobs",
            "taskruns",
            "pipelineruns",
        ],
        verbs: WRITE,
    },
    Right {
        text: "create tokens of service accounts",
        groups: &[""],
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
    },
    Right {
        text: "write roles or role bindings",
        groups: &["rbac.authorization.k8s.io", "authorization.openshift.io"],
        resources: &["roles", "rolebindings"],
        verbs: WRITE,
    },
    Right {
        text: "impersonate others",
        groups: &[""],
        resources: &["users", "groups", "serviceaccounts"],
        verbs: &["impersonate"],
    },
];

/// An excess permission where only pulling is configured.
const PUSH: Right = Right {
    text: "push images",
    groups: &["image.openshift.io", ""],
    resources: &["imagestreams/layers"],
    verbs: &["update"],
};

/// Remedy for excess permissions.
pub const REMEDY: &str =
    "Take that from the account, or name one in PULL_SECRET_SERVICE_ACCOUNT that may only pull.";

/// Text for all permissions.
const EVERYTHING: &str = "do everything";

/// Excess permissions by the API server's rules.
pub fn from_rules(status: &SubjectRulesReviewStatus, access: Access) -> ExcessPermissions {
    let rules = &status.resource_rules;
    let rights = if rules.iter().any(is_everything) {
        vec![EVERYTHING]
    } else {
        RIGHTS
            .iter()
            .chain((access == Access::Pull).then_some(&PUSH))
            .filter(|right| rules.iter().any(|rule| right.is_granted_by(rule)))
            .map(|right| right.text)
            .collect()
    };
    ExcessPermissions {
        rights,
        complete: !status.incomplete,
        remedy: None,
    }
}

/// Clause with the account and its excess permissions.
pub fn sentence(account: Option<&str>, rights: &[&str]) -> String {
    let whose = match account {
        Some(account) => format!("{}, whose token is stored,", clip_name(account, 120)),
        None => "the account whose token is stored".to_owned(),
    };
    format!(
        "{whose} may also {}: so may whoever reads the Secret",
        rights.join(", ")
    )
}

impl Right {
    /// A rule for certain names counts as well.
    fn is_granted_by(&self, rule: &ResourceRule) -> bool {
        any(rule.api_groups.as_deref(), self.groups)
            && rule
                .resources
                .iter()
                .flatten()
                .any(|granted| self.resources.iter().any(|resource| covers(granted, resource)))
            && any(Some(&rule.verbs), self.verbs)
    }
}

fn is_everything(rule: &ResourceRule) -> bool {
    let has_all = |list: &[String]| list.iter().any(|item| item == "*");
    has_all(&rule.verbs)
        && rule.resources.as_deref().is_some_and(has_all)
        && rule.api_groups.as_deref().is_some_and(has_all)
}

fn any(granted: Option<&[String]>, wanted: &[&str]) -> bool {
    granted
        .into_iter()
        .flatten()
        .any(|granted| granted == "*" || wanted.contains(&granted.as_str()))
}

/// `*`, `*/token` for every resource's subresource, or the very name (Kubernetes `pkg/apis/rbac/v1`, `ResourceMatches`).
fn covers(granted: &str, resource: &str) -> bool {
    let subresource = resource.split_once('/').map(|(_, subresource)| subresource);
    granted == "*"
        || granted == resource
        || subresource.is_some() && granted.strip_prefix("*/") == subresource
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn excess(access: Access, rules: Value) -> Vec<&'static str> {
        let status = json!({ "resourceRules": rules, "nonResourceRules": [], "incomplete": false });
        let status: SubjectRulesReviewStatus = serde_json::from_value(status).expect("a status");
        from_rules(&status, access).rights
    }

    fn rule(group: &str, resource: &str, verb: &str) -> Value {
        json!([{ "apiGroups": [group], "resources": [resource], "verbs": [verb] }])
    }

    #[test]
    fn a_puller_has_none() {
        let own = json!([
            { "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectrulesreviews"], "verbs": ["create"] },
            { "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] },
        ]);
        assert!(excess(Access::Pull, own).is_empty());
    }

    #[test]
    fn every_right_is_found_by_each_of_its_verbs() {
        for right in RIGHTS.iter().chain([&PUSH]) {
            for verb in right.verbs {
                for resource in right.resources {
                    let found = excess(Access::Pull, rule(right.groups[0], resource, verb));
                    assert_eq!(found, [right.text], "{verb} {resource}");
                }
            }
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for (group, resource, verb) in [
            ("", "secrets", "create"),
            ("", "pods", "get"),
            ("", "pods/log", "get"),
            ("apps", "secrets", "get"),
            ("apps", "deployments/scale", "update"),
            ("", "serviceaccounts", "create"),
            ("", "*/status", "create"),
        ] {
            assert!(
                excess(Access::Pull, rule(group, resource, verb)).is_empty(),
                "{verb} {resource}"
            );
        }
    }

    #[test]
    fn wildcards_grant_what_they_cover() {
        assert_eq!(
            excess(Access::Pull, rule("", "*/token", "create")),
            ["create tokens of service accounts"]
        );
        assert_eq!(excess(Access::Pull, rule("*", "secrets", "*")), ["read secrets"]);
        assert_eq!(excess(Access::Pull, rule("*", "*", "*")), [EVERYTHING]);
        assert!(excess(Access::Pull, rule("", "*", "get")).contains(&"read secrets"));
    }

    #[test]
    fn push_is_excess_only_for_a_puller() {
        let push = rule("image.openshift.io", "imagestreams/layers", "update");
        assert_eq!(excess(Access::Pull, push.clone()), ["push images"]);
        assert!(excess(Access::PushPull, push).is_empty());
    }

    #[test]
    fn incomplete_review_is_reported() {
        for incomplete in [false, true] {
            let status = SubjectRulesReviewStatus {
                incomplete,
                ..SubjectRulesReviewStatus::default()
            };
            assert_eq!(from_rules(&status, Access::Pull).complete, !incomplete);
        }
    }

    #[test]
    fn excess_sentence_names_the_account() {
        for (account, subject) in [
            (Some("demo/puller"), "demo/puller, whose token is stored,"),
            (None, "the account whose token is stored"),
        ] {
            assert_eq!(
                sentence(account, &["read secrets", "create pods"]),
                format!("{subject} may also read secrets, create pods: so may whoever reads the Secret")
            );
        }
    }

    #[test]
    fn excess_of_two_credentials_is_combined() {
        let one = ExcessPermissions {
            rights: vec!["read secrets"],
            complete: true,
            remedy: None,
        };
        let other = ExcessPermissions {
            rights: vec!["read secrets", "create pods"],
            complete: false,
            remedy: Some("yaml".to_owned()),
        };
        let both = ExcessPermissions {
            rights: vec!["read secrets", "create pods"],
            ..other.clone()
        };
        assert_eq!(one.and(other), both);
    }
}
