//! A namespace of one test's own, seen with the admin's eyes.

mod secrets;

use anyhow::{Context as _, Result};
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, Pod, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    access::ClusterAccess, identity::ServiceAccountDir, manifest::apply_manifests, rbac::settle_rbac,
};

/// Lifetime that the kubelet requests when it mounts a token (pkg/kubelet/token, the projected volume's default), in
/// seconds.
const MOUNTED_TOKEN_LIFETIME: i64 = 3607;

/// A namespace that no other test has; it ends with the cluster.
#[derive(Clone)]
pub struct TestNamespace {
    access: ClusterAccess,
    client: Client,
    name: String,
}

impl TestNamespace {
    /// A new namespace of the shared cluster; its name starts with `prefix`.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn new(prefix: &str) -> Result<Self> {
        Self::within(ClusterAccess::shared(), prefix).await
    }

    /// A new namespace of any cluster.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn within(access: &ClusterAccess, prefix: &str) -> Result<Self> {
        let metadata = ObjectMeta {
            generate_name: Some(format!("{prefix}-")),
            ..ObjectMeta::default()
        };
        Self::create_namespace(access, metadata)
            .await
            .with_context(|| format!("cannot create a namespace {prefix}-…"))
    }

    /// A new namespace with exactly this name: for the demo, which uses the names of the incident.
    ///
    /// # Errors
    /// If there is one already, or the API server refuses it.
    pub async fn named(access: &ClusterAccess, name: &str) -> Result<Self> {
        Self::create_namespace(access, named(name))
            .await
            .with_context(|| format!("cannot create namespace {name}"))
    }

    async fn create_namespace(access: &ClusterAccess, metadata: ObjectMeta) -> Result<Self> {
        let client = access.client().await?;
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let created = Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(Self {
            access: access.clone(),
            client,
            name: created.metadata.name.context("a created namespace has a name")?,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    pub fn access(&self) -> &ClusterAccess {
        &self.access
    }

    /// The admin's client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The admin's view of one kind of object in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Creates a service account.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn service_account(&self, name: &str) -> Result<ServiceAccount> {
        let account = ServiceAccount {
            metadata: named(name),
            ..ServiceAccount::default()
        };
        self.api()
            .create(&PostParams::default(), &account)
            .await
            .with_context(|| format!("cannot create service account {}/{name}", self.name))
    }

    /// Applies manifests (YAML documents, or JSON) by server-side apply. Objects of a namespaced kind are created in
    /// this namespace, whatever namespace they have; subjects of a binding without a namespace get it, too. Returns
    /// when the API server follows the roles and bindings among them.
    ///
    /// # Errors
    /// If a document is no object, or the API server refuses it.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        if apply_manifests(&self.client, &self.name, manifests).await? {
            settle_rbac(&self.client, &self.name).await?;
        }
        Ok(())
    }

    /// Creates a Role of these rules (as in a manifest) and binds it to a service account of this namespace.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn grant(&self, service_account: &str, role: &str, rules: Value) -> Result<()> {
        let rbac = "rbac.authorization.k8s.io";
        let objects = json!([
            {
                "apiVersion": format!("{rbac}/v1"), "kind": "Role",
                "metadata": { "name": role }, "rules": rules,
            },
            {
                "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
                "metadata": { "name": format!("{role}-{service_account}") },
                "roleRef": { "apiGroup": rbac, "kind": "Role", "name": role },
                "subjects": [{ "kind": "ServiceAccount", "name": service_account, "namespace": self.name }],
            },
        ]);
        let manifests: Vec<String> = objects
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        self.apply(&manifests.join("\n---\n")).await
    }

    /// Deletes the binding that `grant` made. Returns when the API server acts by it.
    ///
    /// # Errors
    /// If there is none.
    pub async fn revoke(&self, service_account: &str, role: &str) -> Result<()> {
        let binding = format!("{role}-{service_account}");
        self.api::<k8s_openapi::api::rbac::v1::RoleBinding>()
            .delete(&binding, &DeleteParams::default())
            .await
            .with_context(|| format!("cannot delete role binding {}/{binding}", self.name))?;
        settle_rbac(&self.client, &self.name).await
    }

    /// Contents of `/var/run/secrets/kubernetes.io/serviceaccount` of a pod of this service account: creates a Pod (no
    /// scheduler runs it) and a token bound to it, as the kubelet does.
    ///
    /// # Errors
    /// If the API server refuses it, in particular where the service account is missing.
    pub async fn identity(&self, service_account: &str) -> Result<ServiceAccountDir> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "generateName": format!("{service_account}-") },
            "spec": {
                "serviceAccountName": service_account,
                // No node takes it, where there is one.
                "schedulingGates": [{ "name": "example.com/only-for-its-token" }],
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{
                    "name": "step",
                    "image": "image.invalid/step",
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                    },
                }],
            },
        }))?;
        let pod = self
            .api::<Pod>()
            .create(&PostParams::default(), &pod)
            .await
            .with_context(|| {
                format!(
                    "cannot create a pod of service account {}/{service_account}",
                    self.name
                )
            })?;
        let pod_name = pod.metadata.name.context("a created pod has a name")?;
        let bound_to = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod_name.clone()),
            uid: pod.metadata.uid,
        };
        let token = self
            .token(service_account, Some(bound_to), MOUNTED_TOKEN_LIFETIME)
            .await?;
        ServiceAccountDir::write(self, service_account, &pod_name, &token)
    }

    /// A token of a service account, for `seconds`, bound to an object where one is named.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn token(
        &self,
        service_account: &str,
        bound_to: Option<BoundObjectReference>,
        seconds: i64,
    ) -> Result<String> {
        let request = TokenRequest {
            spec: TokenRequestSpec {
                bound_object_ref: bound_to,
                expiration_seconds: Some(seconds),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = self
            .api::<ServiceAccount>()
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .with_context(|| {
                format!(
                    "cannot request a token of service account {}/{service_account}",
                    self.name
                )
            })?;
        Ok(answer.status.context("the status has the token")?.token)
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
