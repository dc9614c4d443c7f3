use serde_json::{Value, json};

use super::*;

fn review(access: Access, rules: Value, urls: Value) -> ExcessPermissions {
    let status = json!({ "resourceRules": rules, "nonResourceRules": urls, "incomplete": false });
    let status: SubjectRulesReviewStatus = serde_json::from_value(status).expect("a status");
    from_rules(&status, access)
}

fn excess(access: Access, rules: Value) -> Vec<String> {
    review(access, rules, json!([])).rights
}

fn rule(group: &str, resource: &str, verb: &str) -> Value {
    json!([{ "apiGroups": [group], "resources": [resource], "verbs": [verb] }])
}

/// Kubernetes' and OpenShift's own roles for every authenticated identity, and a puller's and a pusher's.
fn of_a_puller() -> Value {
    json!([
        { "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"] },
        { "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"] },
        { "apiGroups": ["", "authorization.openshift.io"], "resources": ["selfsubjectrulesreviews"], "verbs": ["create"] },
        { "apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"] },
        { "apiGroups": ["", "user.openshift.io"], "resources": ["users"], "resourceNames": ["~"], "verbs": ["get"] },
        { "apiGroups": ["", "project.openshift.io"], "resources": ["projects"], "verbs": ["list", "watch"] },
        { "apiGroups": ["", "build.openshift.io"], "resources": ["builds/docker", "builds/optimizeddocker"], "verbs": ["create"] },
        { "apiGroups": ["", "build.openshift.io"], "resources": ["builds/source"], "verbs": ["create"] },
        { "apiGroups": ["build.openshift.io"], "resources": ["builds/jenkinspipeline"], "verbs": ["create"] },
        { "apiGroups": ["", "build.openshift.io"], "resources": ["buildconfigs/webhooks"], "verbs": ["get", "create"] },
        { "apiGroups": ["", "oauth.openshift.io"], "resources": ["oauthaccesstokens", "oauthauthorizetokens"], "verbs": ["delete"] },
        { "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes.authorization.openshift.io"], "verbs": ["impersonate"] },
        { "apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "resourceNames": ["restricted-v2"], "verbs": ["use"] },
        { "apiGroups": ["snapshot.storage.k8s.io"], "resources": ["volumesnapshotclasses"], "verbs": ["get", "list", "watch"] },
    ])
}

#[test]
fn s6_a_puller_has_none() {
    let urls = json!([{ "nonResourceURLs": ["/healthz", "/openapi/*", "*"], "verbs": ["get", "head"] }]);
    for access in [Access::Pull, Access::PushPull] {
        let found = review(access, of_a_puller(), urls.clone());
        assert_eq!((found.rights, found.complete), (Vec::new(), true));
    }
}

/// What was tried against the closed list of earlier versions, and more of its kind.
#[test]
fn s6_any_other_permission_is_named_by_its_resource() {
    for (group, resource, verb, name) in [
        ("", "secrets", "patch", "secrets (patch)"),
        ("", "secrets", "get", "secrets (get)"),
        ("", "secrets", "list", "secrets (list)"),
        ("", "secrets", "watch", "secrets (watch)"),
        ("", "secrets", "create", "secrets (create)"),
        ("", "secrets", "deletecollection", "secrets (deletecollection)"),
        ("", "pods", "patch", "pods (patch)"),
        ("", "pods", "create", "pods (create)"),
        ("", "pods/exec", "get", "pods/exec (get)"),
        ("", "pods/exec", "create", "pods/exec (create)"),
        ("", "pods/proxy", "get", "pods/proxy (get)"),
        ("", "pods/proxy", "update", "pods/proxy (update)"),
        ("", "pods/portforward", "get", "pods/portforward (get)"),
        ("", "pods/*", "get", "pods/all (get)"),
        ("", "services/proxy", "get", "services/proxy (get)"),
        ("", "nodes/proxy", "get", "nodes/proxy (get)"),
        (
            "",
            "pods/ephemeralcontainers",
            "patch",
            "pods/ephemeralcontainers (patch)",
        ),
        ("", "pods/eviction", "create", "pods/eviction (create)"),
        ("", "pods/binding", "create", "pods/binding (create)"),
        ("", "serviceaccounts", "create", "serviceaccounts (create)"),
        (
            "",
            "serviceaccounts",
            "impersonate",
            "serviceaccounts (impersonate)",
        ),
        (
            "",
            "serviceaccounts/token",
            "create",
            "serviceaccounts/token (create)",
        ),
        ("", "*/token", "create", "all/token (create)"),
        ("", "configmaps", "update", "configmaps (update)"),
        ("", "services", "create", "services (create)"),
        (
            "",
            "persistentvolumeclaims",
            "delete",
            "persistentvolumeclaims (delete)",
        ),
        ("", "namespaces", "patch", "namespaces (patch)"),
        ("", "users", "impersonate", "users (impersonate)"),
        ("", "groups", "impersonate", "groups (impersonate)"),
        (
            "authentication.k8s.io",
            "userextras/scopes",
            "impersonate",
            "userextras/scopes.authentication.k8s.io (impersonate)",
        ),
        (
            "authentication.k8s.io",
            "tokenreviews",
            "create",
            "tokenreviews.authentication.k8s.io (create)",
        ),
        (
            "authorization.k8s.io",
            "subjectaccessreviews",
            "create",
            "subjectaccessreviews.authorization.k8s.io (create)",
        ),
        (
            "authorization.k8s.io",
            "localsubjectaccessreviews",
            "create",
            "localsubjectaccessreviews.authorization.k8s.io (create)",
        ),
        (
            "rbac.authorization.k8s.io",
            "rolebindings",
            "bind",
            "rolebindings.rbac.authorization.k8s.io (bind)",
        ),
        (
            "rbac.authorization.k8s.io",
            "clusterroles",
            "bind",
            "clusterroles.rbac.authorization.k8s.io (bind)",
        ),
        (
            "rbac.authorization.k8s.io",
            "roles",
            "escalate",
            "roles.rbac.authorization.k8s.io (escalate)",
        ),
        (
            "authorization.openshift.io",
            "rolebindings",
            "create",
            "rolebindings.authorization.openshift.io (create)",
        ),
        ("apps", "deployments", "delete", "deployments.apps (delete)"),
        (
            "apps",
            "deployments/scale",
            "update",
            "deployments/scale.apps (update)",
        ),
        ("batch", "jobs", "create", "jobs.batch (create)"),
        ("tekton.dev", "tasks", "patch", "tasks.tekton.dev (patch)"),
        ("tekton.dev", "taskruns", "create", "taskruns.tekton.dev (create)"),
        (
            "triggers.tekton.dev",
            "triggertemplates",
            "update",
            "triggertemplates.triggers.tekton.dev (update)",
        ),
        (
            "serving.kserve.io",
            "inferenceservices",
            "create",
            "inferenceservices.serving.kserve.io (create)",
        ),
        (
            "kubevirt.io",
            "virtualmachines",
            "create",
            "virtualmachines.kubevirt.io (create)",
        ),
        (
            "image.openshift.io",
            "imagestreamtags",
            "create",
            "imagestreamtags.image.openshift.io (create)",
        ),
        (
            "image.openshift.io",
            "imagestreamimports",
            "create",
            "imagestreamimports.image.openshift.io (create)",
        ),
        (
            "image.openshift.io",
            "imagestreams/layers",
            "delete",
            "imagestreams/layers.image.openshift.io (delete)",
        ),
        (
            "build.openshift.io",
            "buildconfigs",
            "patch",
            "buildconfigs.build.openshift.io (patch)",
        ),
        (
            "build.openshift.io",
            "builds",
            "create",
            "builds.build.openshift.io (create)",
        ),
        (
            "build.openshift.io",
            "builds/custom",
            "create",
            "builds/custom.build.openshift.io (create)",
        ),
        (
            "route.openshift.io",
            "routes",
            "create",
            "routes.route.openshift.io (create)",
        ),
        (
            "project.openshift.io",
            "projectrequests",
            "create",
            "projectrequests.project.openshift.io (create)",
        ),
        (
            "certificates.k8s.io",
            "certificatesigningrequests",
            "create",
            "certificatesigningrequests.certificates.k8s.io (create)",
        ),
        (
            "coordination.k8s.io",
            "leases",
            "update",
            "leases.coordination.k8s.io (update)",
        ),
        (
            "networking.k8s.io",
            "networkpolicies",
            "delete",
            "networkpolicies.networking.k8s.io (delete)",
        ),
        (
            "a.crd.example",
            "anythings",
            "create",
            "anythings.a.crd.example (create)",
        ),
        // The names of common ones in another group, or with another verb.
        (
            "a.crd.example",
            "selfsubjectreviews",
            "create",
            "selfsubjectreviews.a.crd.example (create)",
        ),
        (
            "authorization.k8s.io",
            "selfsubjectaccessreviews",
            "update",
            "selfsubjectaccessreviews.authorization.k8s.io (update)",
        ),
        (
            "oauth.openshift.io",
            "oauthaccesstokens",
            "create",
            "oauthaccesstokens.oauth.openshift.io (create)",
        ),
        (
            "authorization.k8s.io",
            "*",
            "create",
            "all resources of authorization.k8s.io (create)",
        ),
        (
            "*",
            "selfsubjectaccessreviews",
            "create",
            "selfsubjectaccessreviews of all groups (create)",
        ),
        // Wildcards.
        ("", "*", "get", "secrets (get)"),
        ("*", "*", "list", "secrets (list)"),
        ("", "*", "create", "all resources of the core group (create)"),
        ("apps", "*", "*", "all resources of apps (all verbs)"),
        ("", "secrets", "*", "secrets (all verbs)"),
        ("*", "*", "*", "all resources of all groups (all verbs)"),
        (
            "image.openshift.io",
            "imagestreams/layers",
            "*",
            "imagestreams/layers.image.openshift.io (all verbs)",
        ),
    ] {
        for access in [Access::Pull, Access::PushPull] {
            assert_eq!(excess(access, rule(group, resource, verb)), [name]);
        }
    }
}

#[test]
fn s6_reading_what_is_not_a_secret_is_no_excess() {
    for (group, resource, verb) in [
        ("", "pods", "get"),
        ("", "pods/log", "get"),
        ("", "configmaps", "list"),
        ("apps", "secrets", "get"),
        ("image.openshift.io", "imagestreams", "watch"),
        ("apps", "*", "get"),
    ] {
        assert_eq!(
            excess(Access::Pull, rule(group, resource, verb)),
            [""; 0],
            "{verb} {resource}"
        );
    }
}

#[test]
fn s6_pushing_is_excess_only_where_pulling_is_wanted() {
    let push = rule("image.openshift.io", "imagestreams/layers", "update");
    assert_eq!(
        excess(Access::Pull, push.clone()),
        ["imagestreams/layers.image.openshift.io (update)"]
    );
    assert_eq!(excess(Access::PushPull, push), [""; 0]);
}

#[test]
fn s6_rules_of_one_resource_are_one_line_and_secrets_come_first() {
    let rules = json!([
        { "apiGroups": ["apps", ""], "resources": ["deployments"], "verbs": ["patch", "create", "get"] },
        { "apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["list", "delete"] },
        { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get", "delete"] },
    ]);
    let expected = [
        "secrets (list, delete, get)",
        "deployments (create, patch)",
        "deployments.apps (create, patch)",
        "pods (delete)",
    ];
    assert_eq!(excess(Access::Pull, rules), expected);
    let mut cluster_admin = rule("*", "*", "*");
    let more = rule("", "pods", "create");
    cluster_admin
        .as_array_mut()
        .expect("a list")
        .extend(more.as_array().expect("a list").clone());
    assert_eq!(
        excess(Access::Pull, cluster_admin),
        ["all resources of all groups (all verbs)"]
    );
}

#[test]
fn s6_a_url_that_is_more_than_read_is_named() {
    for (url, verb, name) in [
        ("*", "*", "URL * (more than get)"),
        ("/a", "post", "URL /a (more than get)"),
    ] {
        let urls = json!([{ "nonResourceURLs": [url], "verbs": ["get", verb] }]);
        assert_eq!(review(Access::Pull, json!([]), urls).rights, [name]);
    }
}

#[test]
fn s6_a_name_in_a_role_prints_nothing_that_it_should_not() {
    let resource = "a\n- b\u{1b}[2J";
    assert_eq!(
        excess(Access::Pull, rule("", resource, "create")),
        ["a_-_b__2J (create)"]
    );
    assert_eq!(
        excess(Access::Pull, rule("sha256~c2VjcmV0", "sha256~c2VjcmV0", "create")),
        ["redacted.redacted (create)"]
    );
    let long = excess(Access::Pull, rule("", &"a".repeat(5000), "create"));
    assert_eq!(
        long.first().map(|name| name.chars().count()),
        Some(NAME + " (create)".len())
    );
    let many: Vec<Value> = (0..1000)
        .map(|index| json!({ "apiGroups": [""], "resources": [format!("r{index}")], "verbs": ["create"] }))
        .collect();
    let many = excess(Access::Pull, json!(many));
    assert_eq!(many.len(), MOST_LISTED + 1);
    assert_eq!(many.last().map(String::as_str), Some("900 more resources"));
}

#[test]
fn s6_a_review_that_calls_itself_incomplete_is_not_complete() {
    for (incomplete, error, complete) in [
        (false, None, true),
        (false, Some(""), true),
        (true, None, false),
        (
            false,
            Some("role.rbac.authorization.k8s.io \"gone\" not found"),
            false,
        ),
        (
            true,
            Some("webhook authorizer does not support user rule resolution"),
            false,
        ),
    ] {
        let status = SubjectRulesReviewStatus {
            incomplete,
            evaluation_error: error.map(str::to_owned),
            ..SubjectRulesReviewStatus::default()
        };
        assert_eq!(from_rules(&status, Access::Pull).complete, complete, "{error:?}");
    }
}

#[test]
fn s6_siblings_of_the_clauses_of_the_contract_are_judged_like_them() {
    let named = json!([
        { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["internal-registry"], "verbs": ["patch"] },
        { "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "resourceNames": ["a"], "verbs": ["update"] },
    ]);
    assert_eq!(
        excess(Access::Pull, named.clone()),
        [
            "secrets (patch)",
            "imagestreams/layers.image.openshift.io (update)"
        ]
    );
    assert_eq!(excess(Access::PushPull, named), ["secrets (patch)"]);
    for (group, resource, verb, name) in [
        ("", "secrets/*", "get", "secrets/all (get)"),
        ("*", "secrets", "watch", "secrets (watch)"),
        ("*", "pods/exec", "get", "pods/exec of all groups (get)"),
        (
            "image.openshift.io",
            "imagestreams/*",
            "update",
            "imagestreams/all.image.openshift.io (update)",
        ),
        (
            "image.openshift.io",
            "*/layers",
            "update",
            "all/layers.image.openshift.io (update)",
        ),
        (
            "image.openshift.io",
            "imagestreams",
            "update",
            "imagestreams.image.openshift.io (update)",
        ),
        ("", "users", "impersonate:user-info", "users (impersonate)"),
        (
            "",
            "serviceaccounts",
            "impersonate:serviceaccount",
            "serviceaccounts (impersonate)",
        ),
        (
            "",
            "secrets",
            "impersonate-on:user-info:get",
            "secrets (impersonate)",
        ),
        (
            "security.openshift.io",
            "securitycontextconstraints",
            "*",
            "securitycontextconstraints.security.openshift.io (all verbs)",
        ),
    ] {
        assert_eq!(excess(Access::PushPull, rule(group, resource, verb)), [name]);
    }
    for (group, resource, verb) in [
        ("*", "imagestreams/layers", "get"),
        ("", "imagestreams/layers", "get"),
        ("", "pods/log", "watch"),
        ("", "secrets", "GET"),
        ("", "users", "impersonated"),
    ] {
        assert_eq!(
            excess(Access::Pull, rule(group, resource, verb)),
            [""; 0],
            "{resource}"
        );
    }
    let nothing = json!([{ "apiGroups": [], "resources": ["secrets"], "verbs": ["get"] }, { "resources": ["secrets"], "verbs": ["*"] }]);
    assert_eq!(
        excess(Access::Pull, nothing),
        [""; 0],
        "a rule without a group has no effect"
    );
    for verbs in [json!(["put"]), json!(["get", "*"]), json!(["delete"])] {
        let urls = json!([{ "nonResourceURLs": ["/debug/*"], "verbs": verbs }]);
        assert_eq!(
            review(Access::Pull, json!([]), urls).rights,
            ["URL /debug/_ (more than get)"]
        );
    }
}

#[test]
fn s6_the_sentence_has_account_resources_and_completeness() {
    let rights: Vec<String> = ["secrets (get)", "pods (create)"].map(str::to_owned).to_vec();
    assert_eq!(
        sentence(Some("demo/puller"), &rights, true),
        "the stored token of demo/puller has permissions beyond pulling: secrets (get), pods (create); whoever can read \
         the Secret has them too"
    );
    assert_eq!(
        sentence(None, &vec!["a (get)".to_owned(); 10], false),
        format!(
            "the stored token has permissions beyond pulling: {} and 2 more (the review was incomplete); whoever can read \
             the Secret has them too",
            ["a (get)"; 8].join(", ")
        )
    );
    assert!(!none_found(true).contains("incomplete"));
    assert!(none_found(false).contains("incomplete"));
}

#[test]
fn s6_of_two_credentials_both_count_and_one_incomplete_review_makes_both_so() {
    let of = |rights: &[&str], complete, remedy: Option<&str>| ExcessPermissions {
        rights: rights.iter().map(|&right| right.to_owned()).collect(),
        complete,
        remedy: remedy.map(str::to_owned),
    };
    let one = of(&["secrets (get)"], true, None);
    let other = of(&["secrets (get)", "pods (create)"], false, Some("yaml"));
    assert_eq!(one.and(other.clone()), other);
}
