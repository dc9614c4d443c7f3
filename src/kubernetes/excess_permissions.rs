//! What the stored credential may do beyond pulling: whoever reads the Secret may do it too.
//!
//! Measured by one SelfSubjectRulesReview in the Secret's namespace, against what a puller needs: not against a list of
//! dangers, which is never complete (an empty dry-run patch reads every Secret). Permissions in other namespaces are not
//! seen, and those of an authorizer other than RBAC only where it lists its rules: the review then calls itself incomplete.

use std::collections::BTreeMap;

use k8s_openapi::api::authorization::v1::SubjectRulesReviewStatus;

use crate::{
    config::Access,
    outcome::ExcessPermissions,
    text::{SafeName, clip_name},
};

/// Every verb that RBAC has for them.
const ALL_VERBS: &str = "all verbs";

/// Resource that a puller must not read either.
const SECRETS: &str = "secrets";

/// Everything that there is: nothing else is shown beside it.
const EVERYTHING: &str = "all resources of all groups";

/// Verbs that are reported, in the order in which they are shown.
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    IMPERSONATE,
];

/// Its kinds have names of their own.
const IMPERSONATE: &str = "impersonate";

/// The verbs among them that only read.
const READS: &[&str] = &["get", "list", "watch"];

/// Subresources that reach into a container, a node or a Service: `get` is enough for a WebSocket's `exec` (Kubernetes'
/// RBAC good practices).
const CONNECTS: &[&str] = &["exec", "attach", "portforward", "proxy", "*"];

/// A verb that every authenticated identity has, on Kubernetes or on OpenShift.
struct Common {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verb: &'static str,
}

/// Kubernetes' `system:basic-user`, and OpenShift's roles for `system:authenticated` (openshift/origin,
/// `pkg/cmd/server/bootstrappolicy/policy.go`: self-access-reviewer, system:build-strategy-*, system:webhook,
/// system:oauth-token-deleter, system:scope-impersonation). Discovery and status only read.
const COMMON: &[Common] = &[
    Common {
        groups: &["authorization.k8s.io", "authorization.openshift.io", ""],
        resources: &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        verb: "create",
    },
    Common {
        groups: &["authentication.k8s.io"],
        resources: &["selfsubjectreviews"],
        verb: "create",
    },
    Common {
        groups: &["build.openshift.io", ""],
        resources: &[
            "builds/docker",
            "builds/optimizeddocker",
            "builds/source",
            "builds/jenkinspipeline",
            "buildconfigs/webhooks",
        ],
        verb: "create",
    },
    Common {
        groups: &["oauth.openshift.io", ""],
        resources: &["oauthaccesstokens", "oauthauthorizetokens"],
        verb: "delete",
    },
    Common {
        groups: &["authentication.k8s.io"],
        resources: &["userextras/scopes.authorization.openshift.io"],
        verb: IMPERSONATE,
    },
];

/// What pushing needs beside them.
const PUSH: Common = Common {
    groups: &["image.openshift.io", ""],
    resources: &["imagestreams/layers"],
    verb: "update",
};

/// What to do about it.
pub const REMEDY: &str = "Remove these permissions from the ServiceAccount, or name one in PULL_SECRET_SERVICE_ACCOUNT that is \
                          only allowed to pull.";

/// The greatest number of resources in the report.
const MOST_LISTED: usize = 100;

/// The greatest number of resources in a sentence.
const MOST_SAID: usize = 8;

/// Longest name of a resource, or of an API group, in characters.
const NAME: usize = 80;

/// Excess permissions by the API server's rules, each as `resource.group (verb, verb)`.
pub fn from_rules(status: &SubjectRulesReviewStatus, access: Access) -> ExcessPermissions {
    let mut found = Found::default();
    for rule in &status.resource_rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                found.add(group, resource, &rule.verbs, access);
            }
        }
    }
    for rule in &status.non_resource_rules {
        let reads = |verb: &String| matches!(verb.as_str(), "get" | "head" | "options");
        if !rule.verbs.iter().all(reads) {
            for url in rule.non_resource_urls.iter().flatten() {
                found.insert(&format!("URL {}", shown(url, "*")), "more than get");
            }
        }
    }
    ExcessPermissions {
        rights: found.listed(),
        // An error means as much, such as a binding whose role is gone.
        complete: !status.incomplete && status.evaluation_error.as_deref().unwrap_or_default().is_empty(),
        remedy: None,
    }
}

/// The excess permissions, in half a sentence.
pub fn sentence(account: Option<&str>, rights: &[String], complete: bool) -> String {
    let of = account.map_or_else(String::new, |account| format!(" of {}", clip_name(account, 120)));
    let (said, left) = rights.split_at(rights.len().min(MOST_SAID));
    let more = match left.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let incomplete = if complete {
        ""
    } else {
        " (the review was incomplete)"
    };
    format!(
        "the stored token{of} has permissions beyond pulling: {}{more}{incomplete}; whoever can read the Secret has them \
         too",
        said.join(", ")
    )
}

/// What was and wasn't found, where there is no excess permission.
pub const fn none_found(complete: bool) -> &'static str {
    if complete {
        "no excess permissions found in this namespace"
    } else {
        "no excess permissions found in this namespace; the review was incomplete"
    }
}

/// Verbs by resource, separated by commas.
#[derive(Default)]
struct Found(BTreeMap<String, String>);

impl Found {
    /// Adds what one rule permits on one resource.
    fn add(&mut self, group: &str, resource: &str, granted: &[String], access: Access) {
        let name = resource_name(group, resource);
        if granted.iter().any(|verb| verb == "*") {
            self.insert(&name, ALL_VERBS);
            return;
        }
        let is_core = matches!(group, "" | "*");
        let subresource = resource.split('/').nth(1);
        for &verb in VERBS
            .iter()
            .filter(|verb| granted.iter().any(|one| is_kind_of(one, verb)))
        {
            if !READS.contains(&verb) {
                if !is_common(group, resource, verb, access) {
                    self.insert(&name, verb);
                }
            } else if is_core && matches!(resource, "secrets" | "*") {
                self.insert(SECRETS, verb);
            } else if is_core && subresource.is_some_and(|name| CONNECTS.contains(&name)) {
                self.insert(&name, verb);
            }
        }
    }

    fn insert(&mut self, name: &str, verb: &str) {
        let verbs = self.0.entry(name.to_owned()).or_default();
        if verbs.is_empty() {
            verbs.push_str(verb);
        } else if !verbs.split(", ").any(|known| known == verb) {
            verbs.push_str(", ");
            verbs.push_str(verb);
        }
    }

    /// Each resource with its verbs, secrets first.
    fn listed(mut self) -> Vec<String> {
        if self
            .0
            .get(EVERYTHING)
            .is_some_and(|verbs| verbs.contains(ALL_VERBS))
        {
            self.0.retain(|name, _| name == EVERYTHING);
        }
        let secrets = self.0.remove(SECRETS).map(|verbs| (SECRETS.to_owned(), verbs));
        let mut listed: Vec<String> = Vec::new();
        for (name, verbs) in secrets.into_iter().chain(self.0) {
            let all = verbs.contains(ALL_VERBS);
            listed.push(format!("{name} ({})", if all { ALL_VERBS } else { &verbs }));
        }
        let left = listed.len().saturating_sub(MOST_LISTED);
        if left > 0 {
            listed.truncate(MOST_LISTED);
            listed.push(format!("{left} more resources"));
        }
        listed
    }
}

/// Whether a verb of a rule is this one. `impersonate:user-info`, `impersonate-on:user-info:get` and the like are kinds of
/// impersonation (Kubernetes 1.35, constrained impersonation).
fn is_kind_of(granted: &str, verb: &str) -> bool {
    let kind = granted.split([':', '-']).next();
    granted == verb || verb == IMPERSONATE && kind == Some(IMPERSONATE)
}

/// What every authenticated identity has, or the configured access needs.
fn is_common(group: &str, resource: &str, verb: &str, access: Access) -> bool {
    COMMON
        .iter()
        .chain((access == Access::PushPull).then_some(&PUSH))
        .any(|common| {
            common.verb == verb && common.groups.contains(&group) && common.resources.contains(&resource)
        })
}

/// A resource as kubectl names it. Roles are written by others, so no name is printed as it is.
fn resource_name(group: &str, resource: &str) -> String {
    let resource = match resource.split_once('/') {
        Some((resource, subresource)) => {
            format!("{}/{}", shown(resource, "all"), shown(subresource, "all"))
        }
        None => shown(resource, "all resources"),
    };
    match group {
        "*" => format!("{resource} of all groups"),
        "" if resource.starts_with("all ") => format!("{resource} of the core group"),
        "" => resource,
        group if resource.starts_with("all ") => format!("{resource} of {}", shown(group, "")),
        group => format!("{resource}.{}", shown(group, "")),
    }
}

/// A name, or these words for all of them.
fn shown(name: &str, all: &str) -> String {
    if name == "*" {
        all.to_owned()
    } else {
        clip_name(SafeName::of_text(name).as_str(), NAME)
    }
}

#[cfg(test)]
mod tests;
