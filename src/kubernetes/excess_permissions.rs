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
    "impersonate",
];

/// The verbs among them that only read.
const READS: &[&str] = &["get", "list", "watch"];

/// Subresources that reach into a container, a node or a Service: `get` is enough for a WebSocket's `exec` (Kubernetes'
/// RBAC good practices).
const CONNECTS: &[&str] = &["exec", "attach", "portforward", "proxy"];

/// A verb that every authenticated identity has, on Kubernetes or on OpenShift.
struct Common {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verb: &'static str,
}

/// Kubernetes' `system:basic-user`, and OpenShift's cluster roles that are bound to `system:authenticated`
/// (`pkg/authorization/.../bootstrappolicy/policy.go`: self-access-reviewer, system:build-strategy-*, system:webhook,
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
        verb: "impersonate",
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
                found.insert(format!("URL {}", shown(url, "*")), &["more than get"]);
            }
        }
    }
    ExcessPermissions {
        rights: found.listed(),
        complete: !status.incomplete,
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
        "no permission of the stored token beyond pulling was found in this namespace"
    } else {
        "no permission of the stored token beyond pulling was found in this namespace; the review was incomplete"
    }
}

/// Verbs by resource, secrets first.
#[derive(Default)]
struct Found(BTreeMap<(bool, String), Vec<&'static str>>);

impl Found {
    /// Adds what one rule permits on one resource.
    fn add(&mut self, group: &str, resource: &str, granted: &[String], access: Access) {
        let name = resource_name(group, resource);
        if granted.iter().any(|verb| verb == "*") {
            self.insert(name, &[ALL_VERBS]);
            return;
        }
        let verbs = VERBS
            .iter()
            .copied()
            .filter(|verb| granted.iter().any(|one| one == verb));
        let (reads, others): (Vec<_>, Vec<_>) = verbs.partition(|verb| READS.contains(verb));
        let is_core = matches!(group, "" | "*");
        let is_connection = is_core
            && resource
                .split('/')
                .nth(1)
                .is_some_and(|subresource| CONNECTS.contains(&subresource) || subresource == "*");
        if is_core && matches!(resource, "secrets" | "*") {
            self.insert("secrets".to_owned(), &reads);
        } else if is_connection {
            self.insert(name.clone(), &reads);
        }
        let others: Vec<_> = others
            .into_iter()
            .filter(|verb| !is_common(group, resource, verb, access))
            .collect();
        self.insert(name, &others);
    }

    fn insert(&mut self, name: String, verbs: &[&'static str]) {
        if !verbs.is_empty() {
            let key = (name != "secrets", name);
            self.0.entry(key).or_default().extend(verbs);
        }
    }

    fn listed(mut self) -> Vec<String> {
        let everything = self.0.remove_entry(&(true, EVERYTHING.to_owned()));
        if let Some((name, verbs)) = everything {
            if verbs.contains(&ALL_VERBS) {
                self.0.clear();
            }
            self.0.insert(name, verbs);
        }
        let left = self.0.len().saturating_sub(MOST_LISTED);
        let more = (left > 0).then(|| format!("{left} more resources"));
        let listed = self.0.into_iter().take(MOST_LISTED);
        listed
            .map(|((_, name), verbs)| format!("{name} ({})", verbs_in_order(&verbs)))
            .chain(more)
            .collect()
    }
}

/// Each verb once.
fn verbs_in_order(verbs: &[&'static str]) -> String {
    if verbs.contains(&ALL_VERBS) {
        return ALL_VERBS.to_owned();
    }
    let mut found = verbs.to_vec();
    found.sort_unstable_by_key(|verb| VERBS.iter().position(|known| known == verb));
    found.dedup();
    found.join(", ")
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
