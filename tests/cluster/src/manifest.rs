//! Manifests as they are shipped: YAML documents, applied by server-side apply.

use anyhow::{Context as _, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use serde_json::Value;

/// The field manager of what tests apply; not the program's.
const FIELD_MANAGER: &str = "test-cluster";
/// The group of roles and bindings.
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The documents of a YAML text; comments between two separators are none.
///
/// # Errors
/// If it isn't YAML.
pub fn documents(manifests: &str) -> Result<Vec<Value>> {
    let mut documents: Vec<Value> =
        serde_saphyr::from_multiple(manifests).context("cannot read a manifest as YAML")?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// Applies every document of `manifests`; true if a role or a binding was among them.
pub(crate) async fn apply_manifests(client: &Client, namespace: &str, manifests: &str) -> Result<bool> {
    apply_documents(client, namespace, documents(manifests)?).await
}

/// As `apply_manifests`, for documents that were read already.
pub(crate) async fn apply_documents(client: &Client, namespace: &str, documents: Vec<Value>) -> Result<bool> {
    let mut rbac = false;
    for mut document in documents {
        complete_subjects(&mut document, namespace);
        let object: DynamicObject = serde_json::from_value(document).context("a manifest is no object")?;
        let types = object
            .types
            .as_ref()
            .context("a manifest has no apiVersion and kind")?;
        let kind = GroupVersionKind::try_from(types)
            .with_context(|| format!("a manifest's apiVersion {:?} is wrong", types.api_version))?;
        let (resource, capabilities) = pinned_kind(client, &kind)
            .await
            .with_context(|| format!("the API server has no {} of {}", kind.kind, kind.api_version()))?;
        rbac |= kind.group == RBAC_GROUP;
        apply(client, namespace, object, &resource, &capabilities.scope).await?;
    }
    Ok(rbac)
}

async fn apply(
    client: &Client,
    namespace: &str,
    mut object: DynamicObject,
    resource: &ApiResource,
    scope: &Scope,
) -> Result<()> {
    let api: Api<DynamicObject> = match scope {
        Scope::Namespaced => {
            object.metadata.namespace = Some(namespace.to_owned());
            Api::namespaced_with(client.clone(), namespace, resource)
        }
        Scope::Cluster => Api::all_with(client.clone(), resource),
    };
    let name = object
        .metadata
        .name
        .clone()
        .context("a manifest has no metadata.name")?;
    api.patch(
        &name,
        &PatchParams::apply(FIELD_MANAGER).force(),
        &Patch::Apply(&object),
    )
    .await
    .with_context(|| format!("cannot apply {} {name} in {namespace}", resource.kind))?;
    Ok(())
}

/// Gives the service accounts among a binding's subjects a namespace, as `kustomize` does for those it knows.
fn complete_subjects(document: &mut Value, namespace: &str) {
    let subjects = document.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        if subject.get("kind") == Some(&Value::from("ServiceAccount"))
            && let Some(subject) = subject.as_object_mut()
        {
            subject
                .entry("namespace")
                .or_insert_with(|| Value::from(namespace));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_service_accounts_without_a_namespace_get_one() {
        let mut binding = json!({ "subjects": [
            { "kind": "ServiceAccount", "name": "a" },
            { "kind": "ServiceAccount", "name": "b", "namespace": "other" },
            { "kind": "User", "name": "c" },
        ] });
        complete_subjects(&mut binding, "mine");
        assert_eq!(
            binding,
            json!({ "subjects": [
                { "kind": "ServiceAccount", "name": "a", "namespace": "mine" },
                { "kind": "ServiceAccount", "name": "b", "namespace": "other" },
                { "kind": "User", "name": "c" },
            ] })
        );
    }
}
