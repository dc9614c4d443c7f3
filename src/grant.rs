//! YAML to paste: the Role this program needs, and the right to pull.

use crate::image_reference::ImageReference;

/// What the shipped manifests call an account that may only pull.
pub const PULLER: &str = "model-puller";

/// Who holds, and whom it is for.
pub struct RoleNeeds<'a> {
    /// The Secret's namespace.
    pub namespace: &'a str,
    /// The Secret's name.
    pub secret: &'a str,
    /// Whose tokens are minted; none where a file is stored.
    pub minted_for: Option<&'a str>,
    /// The account that runs the program: namespace and name; none where its token does not tell.
    pub runner: Option<(&'a str, &'a str)>,
}

/// The whole Role of CONTRACT section 5, with its binding. Its name is the Secret's own: applied beside the Role for
/// another Secret of the namespace it takes nothing away.
pub fn role(needs: &RoleNeeds<'_>) -> String {
    writer(needs, r#""get", "create", "patch""#)
}

/// The same Role without `create`, which is used only while the Secret does not exist.
pub fn role_without_create(needs: &RoleNeeds<'_>) -> String {
    writer(needs, r#""get", "patch""#)
}

/// `ensure`'s Role, with these verbs on the Secret.
fn writer(needs: &RoleNeeds<'_>, verbs: &str) -> String {
    let mut rules = rule("secrets", needs.secret, verbs);
    if let Some(account) = needs.minted_for {
        rules.push_str(&rule("serviceaccounts/token", account, r#""create""#));
    }
    bound(needs, &format!("ensure-pull-secret-{}", needs.secret), &rules)
}

/// All that `verify` needs, with its binding; by another name, so that `ensure`'s Role stays as it is.
pub fn reader(needs: &RoleNeeds<'_>) -> String {
    let rules = rule("secrets", needs.secret, r#""get""#);
    bound(needs, &format!("verify-pull-secret-{}", needs.secret), &rules)
}

fn rule(resource: &str, name: &str, verbs: &str) -> String {
    format!(
        "- apiGroups: [\"\"]\n  resources: [\"{resource}\"]\n  resourceNames: [\"{name}\"]\n  verbs: [{verbs}]\n"
    )
}

fn bound(needs: &RoleNeeds<'_>, role: &str, rules: &str) -> String {
    let namespace = needs.namespace;
    let (runner_namespace, runner) = needs
        .runner
        .unwrap_or((namespace, "REPLACE-with-the-account-that-runs-this"));
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
         subjects:\n- kind: ServiceAccount\n  name: {runner}\n  namespace: {runner_namespace}\n"
    )
}

/// An account that may pull `images` from OpenShift's registry, and nothing else; with it the Role to mint for it.
pub fn puller(needs: &RoleNeeds<'_>, images: &[&ImageReference], push: bool) -> String {
    let (namespace, name) = (needs.namespace, needs.minted_for.unwrap_or(PULLER));
    let mut yaml = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         automountServiceAccountToken: false\n"
    );
    let mut grants: Vec<String> = Vec::new();
    for image in images {
        grants.extend(image_puller((namespace, name), image, push).filter(|grant| !grants.contains(grant)));
    }
    for grant in grants.iter().chain([&role(needs)]) {
        yaml.push_str("---\n");
        yaml.push_str(grant);
    }
    yaml
}

/// The right to pull from (or push to) the image's namespace of OpenShift's registry, for `namespace/name`.
pub fn image_puller(account: (&str, &str), image: &ImageReference, push: bool) -> Option<String> {
    let (image_namespace, _) = image.repository().split_once('/')?;
    let (namespace, name) = account;
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
