//! YAML to paste: the Role that this program needs, and the permission to pull.
//!
//! Each name in it is a valid Kubernetes name, or there is no YAML: names come from tokens too, whose claims anybody can
//! make up, and a line end in a name would add a subject or an object.

use std::borrow::Cow;

use crate::{
    config::{Namespace, ObjectName},
    image::ImageReference,
};

/// Name of the puller account in the shipped manifests.
pub const PULLER: &str = "model-puller";

/// The runner in YAML for a run whose token names no ServiceAccount.
const UNKNOWN_RUNNER: &str = "REPLACE-with-the-account-that-runs-this";

/// Names that YAML 1.1, which Kubernetes' clients read, takes for a boolean or null.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

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

impl Subject<'_> {
    fn is_valid(self) -> bool {
        is_namespace(self.namespace) && is_name(self.name)
    }
}

impl RoleParams<'_> {
    fn are_valid(&self) -> bool {
        is_namespace(self.namespace)
            && is_name(self.secret)
            && self.token_account.is_none_or(is_name)
            && self.runner.is_none_or(Subject::is_valid)
    }
}

fn is_namespace(name: &str) -> bool {
    Namespace::parse(name).is_ok()
}

fn is_name(name: &str) -> bool {
    ObjectName::parse(name).is_ok()
}

/// A valid name as a YAML string: `123` would be a number.
fn scalar(name: &str) -> Cow<'_, str> {
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) && !WORDS.contains(&name) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("\"{name}\""))
    }
}

/// Role of CONTRACT section 5, with its binding. The Secret's name is part of its name, so that it doesn't replace the Role for
/// another Secret of the namespace.
pub fn role(params: &RoleParams<'_>) -> Option<String> {
    ensure_role(params, r#""get", "create", "patch""#)
}

/// The same Role without `create`, which is used only while the Secret does not exist.
pub fn role_without_create(params: &RoleParams<'_>) -> Option<String> {
    ensure_role(params, r#""get", "patch""#)
}

/// `ensure`'s Role, with these verbs on the Secret.
fn ensure_role(params: &RoleParams<'_>, verbs: &str) -> Option<String> {
    let mut rules = rule("secrets", params.secret, verbs);
    if let Some(account) = params.token_account {
        rules.push_str(&rule("serviceaccounts/token", account, r#""create""#));
    }
    role_with_binding(params, &format!("ensure-pull-secret-{}", params.secret), &rules)
}

/// Role of `verify`, with its binding; by another name, so that `ensure`'s Role stays as it is.
pub fn reader(params: &RoleParams<'_>) -> Option<String> {
    let rules = rule("secrets", params.secret, r#""get""#);
    role_with_binding(params, &format!("verify-pull-secret-{}", params.secret), &rules)
}

fn rule(resource: &str, name: &str, verbs: &str) -> String {
    format!(
        "- apiGroups: [\"\"]\n  resources: [\"{resource}\"]\n  resourceNames: [\"{name}\"]\n  verbs: [{verbs}]\n"
    )
}

fn role_with_binding(params: &RoleParams<'_>, role: &str, rules: &str) -> Option<String> {
    if !params.are_valid() {
        return None;
    }
    let namespace = scalar(params.namespace);
    let runner = params.runner.unwrap_or(Subject {
        namespace: params.namespace,
        name: UNKNOWN_RUNNER,
    });
    Some(format!(
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
        scalar(runner.name),
        scalar(runner.namespace)
    ))
}

/// The name of a new account that may only pull, beside the account `current`.
pub fn puller_name(current: Option<&str>) -> &'static str {
    match current {
        Some(PULLER) => "image-puller",
        _ => PULLER,
    }
}

/// An account that may pull `images` from OpenShift's registry, and nothing else; with it the Role to request its tokens.
pub fn puller(params: &RoleParams<'_>, images: &[&ImageReference], push: bool) -> Option<String> {
    let role = role(params)?;
    let (namespace, name) = (params.namespace, params.token_account.unwrap_or(PULLER));
    let mut yaml = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {}\n  namespace: {}\n\
         automountServiceAccountToken: false\n",
        scalar(name),
        scalar(namespace)
    );
    let mut grants: Vec<String> = Vec::new();
    for image in images {
        grants.extend(
            image_puller(Subject { namespace, name }, image, push).filter(|grant| !grants.contains(grant)),
        );
    }
    for grant in grants.iter().chain([&role]) {
        yaml.push_str("---\n");
        yaml.push_str(grant);
    }
    Some(yaml)
}

/// The right to pull from (or push to) the image's namespace of OpenShift's registry, for `subject`.
pub fn image_puller(subject: Subject<'_>, image: &ImageReference, push: bool) -> Option<String> {
    let (image_namespace, _) = image.repository().split_once('/')?;
    if !is_namespace(image_namespace) || !subject.is_valid() {
        return None;
    }
    let Subject { namespace, name } = subject;
    let role = if push {
        "system:image-pusher"
    } else {
        "system:image-puller"
    };
    let binding = format!("{name}-{}", role.trim_start_matches("system:"));
    Some(format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata:\n  name: {binding}\n  namespace: {image_namespace}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\n\
         subjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {namespace}\n",
        binding = scalar(&binding),
        image_namespace = scalar(image_namespace),
        name = scalar(name),
        namespace = scalar(namespace),
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
        assert_eq!(role(&PARAMS), Some(format!("api{rules}")));
    }

    #[test]
    fn each_role_has_the_verbs_that_are_used_and_no_more() {
        let whole = role(&PARAMS).expect("a Role");
        let without_create = whole.replace(r#"["get", "create", "patch"]"#, r#"["get", "patch"]"#);
        assert_eq!(role_without_create(&PARAMS), Some(without_create));
        let of_a_file = RoleParams {
            token_account: None,
            runner: None,
            ..PARAMS
        };
        let nobody = "subjects:\n- kind: ServiceAccount\n  name: REPLACE-with-the-account-that-runs-this\n  \
                      namespace: private-ai-demo\n";
        let of_a_file = role(&of_a_file).expect("a Role");
        assert!(!of_a_file.contains("serviceaccounts/token"));
        assert!(of_a_file.ends_with(nobody), "{of_a_file}");
        let to_read = whole
            .replace(r#"["get", "create", "patch"]"#, r#"["get"]"#)
            .replace("ensure-pull-secret-", "verify-pull-secret-");
        let (head, rest) = to_read
            .split_once("- apiGroups: [\"\"]\n  resources: [\"serviceaccounts/token\"]")
            .expect("the rule for tokens");
        let (_, tail) = rest.split_once("---").expect("the binding");
        assert_eq!(reader(&PARAMS), Some(format!("{head}---{tail}")));
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
        let role = role(&params).expect("a Role");
        let parts = [account.to_owned(), grant("team"), grant("models"), role];
        assert_eq!(yaml, Some(parts.join("---\n")));
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

    fn subject<'a>(namespace: &'a str, name: &'a str) -> Subject<'a> {
        Subject { namespace, name }
    }

    /// Claims as anybody can make them up.
    const NO_NAMES: &[&str] = &[
        "",
        "a\n- kind: Group\n  name: system:authenticated",
        "a\n---\nkind: ClusterRoleBinding",
        "a\r",
        "a\u{2028}b",
        "a: b",
        "a #",
        "a\"b",
        "{a}",
        "*",
        "&a",
        "A",
        "a_b",
        "-a",
        "ä",
        "system:masters",
        "a/b",
    ];

    #[test]
    fn s5_a_claim_that_is_no_name_gives_no_grant() {
        let image = image("registry.test:5000/team/app:1");
        for name in NO_NAMES {
            assert_eq!(
                image_puller(subject(name, "puller"), &image, false),
                None,
                "{name:?}"
            );
            assert_eq!(
                image_puller(subject("demo", name), &image, true),
                None,
                "{name:?}"
            );
        }
        // A namespace has no dot.
        assert_eq!(image_puller(subject("a.b", "puller"), &image, false), None);
        let other = self::image("registry.test:5000/a.b/app:1");
        assert_eq!(image_puller(subject("demo", "puller"), &other, false), None);
    }

    #[test]
    fn s5_a_name_that_is_none_gives_no_role_wherever_it_stands() {
        for name in NO_NAMES {
            for params in [
                RoleParams {
                    namespace: name,
                    ..PARAMS
                },
                RoleParams {
                    secret: name,
                    ..PARAMS
                },
                RoleParams {
                    token_account: Some(name),
                    ..PARAMS
                },
                RoleParams {
                    runner: Some(subject(name, "runner")),
                    ..PARAMS
                },
                RoleParams {
                    runner: Some(subject("demo", name)),
                    ..PARAMS
                },
            ] {
                let yaml = [
                    role(&params),
                    role_without_create(&params),
                    reader(&params),
                    puller(&params, &[], false),
                ];
                assert_eq!(yaml, [const { None }; 4], "{name:?}");
            }
        }
    }

    #[test]
    fn s5_a_name_that_yaml_takes_for_something_else_is_quoted() {
        for name in ["123", "1e3", "0x1f", "1.5", "true", "no", "null", "2001-01-01"] {
            assert_eq!(scalar(name), format!("\"{name}\""));
        }
        for name in ["a", "a.b", "yes-1", "model-puller", "e3"] {
            assert_eq!(scalar(name), name);
        }
        let params = RoleParams {
            namespace: "123",
            runner: Some(subject("456", "on")),
            ..PARAMS
        };
        let role = role(&params).expect("a Role");
        assert_eq!(role.matches("  namespace: \"123\"\n").count(), 2, "{role}");
        assert!(role.ends_with("  name: \"on\"\n  namespace: \"456\"\n"), "{role}");
    }
}
