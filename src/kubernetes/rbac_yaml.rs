//! YAML to paste: the Role of this program, and the permission to pull.

use crate::image::ImageReference;

/// Name of the puller account in the shipped manifests.
pub const PULLER: &str = "model-puller";

/// Subject of a RoleBinding: a ServiceAccount.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The names in a Role and its binding.
pub struct RoleParams<'a> {
    /// The Secret's namespace.
    pub namespace: &'a str,
    /// The Secret's name.
    pub secret: &'a str,
    /// The account whose tokens are requested; none where a file's is stored.
    pub token_account: Option<&'a str>,
    /// The account that runs the program; none where its token names none.
    pub runner: Option<Subject<'a>>,
}

/// Role of CONTRACT section 5, with its binding. The Secret's name is part of its name, so that it doesn't replace the Role for
/// another Secret of the namespace.
pub fn role(params: &RoleParams<'_>) -> String {
    ensure_role(params, r#""get", "create", "patch""#)
}

/// The same Role without `create`, which is used only while the Secret does not exist.
pub fn role_without_create(params: &RoleParams<'_>) -> String {
    ensure_role(params, r#""get", "patch""#)
}

/// `ensure`'s Role, with these verbs on the Secret.
fn ensure_role(params: &RoleParams<'_>, verbs: &str) -> String {
    let mut rules = rule("secrets", params.secret, verbs);
    if let Some(account) = params.token_account {
        rules.push_str(&rule("serviceaccounts/token", account, r#""create""#));
    }
    role_with_binding(params, &format!("ensure-pull-secret-{}", params.secret), &rules)
}

/// Role of `verify`, with its binding; by another name, so that `ensure`'s Role stays as it is.
pub fn reader(params: &RoleParams<'_>) -> String {
    let rules = rule("secrets", params.secret, r#""get""#);
    role_with_binding(params, &format!("verify-pull-secret-{}", params.secret), &rules)
}

fn rule(resource: &str, name: &str, verbs: &str) -> String {
    format!(
        "- apiGroups: [\"\"]\n  resources: [\"{resource}\"]\n  resourceNames: [\"{name}\"]\n  verbs: [{verbs}]\n"
    )
}

fn role_with_binding(params: &RoleParams<'_>, role: &str, rules: &str) -> String {
    let namespace = params.namespace;
    let runner = params.runner.unwrap_or(Subject {
        namespace,
        name: "REPLACE-with-the-account-that-runs-this",
    });
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: Role\n\
         metadata:\n  name: {role}\n  namespace: {namespace}\n\
         rules:\n{rules}\
         ---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata:\n  name: {role}\n  namespace: {namespace}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {role}\n\
         subjects:\n- kind: ServiceAccount\n  name: {}\n  namespace: {}\n",
        runner.name, runner.namespace
    )
}

/// The name of a new account that may only pull, beside the account `current`.
pub fn puller_name(current: Option<&str>) -> &'static str {
    match current {
        Some(PULLER) => "image-puller",
        _ => PULLER,
    }
}

/// An account that may pull `images` from OpenShift's registry, and nothing else; with it the Role to request its tokens.
pub fn puller(params: &RoleParams<'_>, images: &[&ImageReference], push: bool) -> String {
    let (namespace, name) = (params.namespace, params.token_account.unwrap_or(PULLER));
    let mut yaml = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         automountServiceAccountToken: false\n"
    );
    let mut grants: Vec<String> = Vec::new();
    for image in images {
        grants.extend(
            image_puller(Subject { namespace, name }, image, push).filter(|grant| !grants.contains(grant)),
        );
    }
    for grant in grants.iter().chain([&role(params)]) {
        yaml.push_str("---\n");
        yaml.push_str(grant);
    }
    yaml
}

/// The right to pull from (or push to) the image's namespace of OpenShift's registry, for `subject`.
pub fn image_puller(subject: Subject<'_>, image: &ImageReference, push: bool) -> Option<String> {
    let (image_namespace, _) = image.repository().split_once('/')?;
    let Subject { namespace, name } = subject;
    let role = if push {
        "system:image-pusher"
    } else {
        "system:image-puller"
    };
    Some(format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata:\n  name: {name}-{suffix}\n  namespace: {image_namespace}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\n\
         subjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {namespace}\n",
        suffix = role.trim_start_matches("system:"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: RoleParams<'_> = RoleParams {
        namespace: "private-ai-demo",
        secret: "internal-registry-private-ai",
        token_account: Some(PULLER),
        runner: Some(Subject {
            namespace: "private-ai-demo",
            name: "ensure-pull-secret",
        }),
    };

    fn image(text: &str) -> ImageReference {
        ImageReference::parse(text).expect("an image")
    }

    #[test]
    fn the_role_is_the_one_that_is_shipped() {
        let shipped = include_str!("../../docs/role.yaml");
        let (_, rules) = shipped.split_once("\napi").expect("comments come first");
        assert_eq!(role(&PARAMS), format!("api{rules}"));
    }

    #[test]
    fn each_role_has_the_verbs_that_are_used_and_no_more() {
        let whole = role(&PARAMS);
        let without_create = whole.replace(r#"["get", "create", "patch"]"#, r#"["get", "patch"]"#);
        assert_eq!(role_without_create(&PARAMS), without_create);
        let of_a_file = RoleParams {
            token_account: None,
            runner: None,
            ..PARAMS
        };
        let nobody = "subjects:\n- kind: ServiceAccount\n  name: REPLACE-with-the-account-that-runs-this\n  \
                      namespace: private-ai-demo\n";
        assert!(!role(&of_a_file).contains("serviceaccounts/token"));
        assert!(role(&of_a_file).ends_with(nobody), "{}", role(&of_a_file));
        let to_read = whole
            .replace(r#"["get", "create", "patch"]"#, r#"["get"]"#)
            .replace("ensure-pull-secret-", "verify-pull-secret-");
        let (head, rest) = to_read
            .split_once("- apiGroups: [\"\"]\n  resources: [\"serviceaccounts/token\"]")
            .expect("the rule for tokens");
        let (_, tail) = rest.split_once("---").expect("the binding");
        assert_eq!(reader(&PARAMS), format!("{head}---{tail}"));
    }

    #[test]
    fn puller_yaml_has_an_account_its_grants_and_the_role_to_request_tokens() {
        let images = [
            image("registry.test:5000/team/app:1"),
            image("registry.test:5000/team/other:1"),
            image("registry.test:5000/models/app:1"),
            image("registry.test:5000/top:1"),
        ];
        let params = RoleParams {
            token_account: None,
            ..PARAMS
        };
        let yaml = puller(&params, &images.iter().collect::<Vec<_>>(), false);
        let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: model-puller\n  \
                       namespace: private-ai-demo\nautomountServiceAccountToken: false\n";
        let grant = |namespace| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                 metadata:\n  name: model-puller-image-puller\n  namespace: {namespace}\n\
                 roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: system:image-puller\n\
                 subjects:\n- kind: ServiceAccount\n  name: model-puller\n  namespace: private-ai-demo\n"
            )
        };
        let parts = [account.to_owned(), grant("team"), grant("models"), role(&params)];
        assert_eq!(yaml, parts.join("---\n"));
    }

    #[test]
    fn who_pushes_needs_another_grant() {
        let builder = Subject {
            namespace: "demo",
            name: "builder",
        };
        let grant = image_puller(builder, &image("registry.test:5000/team/app:1"), true).expect("a grant");
        assert!(
            grant.contains("name: builder-image-pusher\n  namespace: team\n"),
            "{grant}"
        );
        assert!(
            grant.contains("kind: ClusterRole\n  name: system:image-pusher\n"),
            "{grant}"
        );
    }
}
