//! YAML to paste: the Role this program needs, and the right to pull.

use crate::image_reference::ImageReference;

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

/// The whole Role of CONTRACT section 5, with its binding: applying it twice, or where a part is there, does no harm.
pub fn role(needs: &RoleNeeds<'_>) -> String {
    let RoleNeeds {
        namespace,
        secret,
        minted_for,
        runner,
    } = needs;
    let mut yaml = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: Role\n\
         metadata:\n  name: ensure-pull-secret\n  namespace: {namespace}\n\
         rules:\n\
         - apiGroups: [\"\"]\n  resources: [\"secrets\"]\n  resourceNames: [\"{secret}\"]\n  \
         verbs: [\"get\", \"create\", \"patch\"]\n"
    );
    if let Some(account) = minted_for {
        yaml.push_str(&format!(
            "- apiGroups: [\"\"]\n  resources: [\"serviceaccounts/token\"]\n  resourceNames: [\"{account}\"]\n  \
             verbs: [\"create\"]\n"
        ));
    }
    let (runner_namespace, runner) = runner.unwrap_or((namespace, "REPLACE-with-the-account-that-runs-this"));
    yaml.push_str(&format!(
        "---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata:\n  name: ensure-pull-secret\n  namespace: {namespace}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: ensure-pull-secret\n\
         subjects:\n- kind: ServiceAccount\n  name: {runner}\n  namespace: {runner_namespace}\n"
    ));
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
