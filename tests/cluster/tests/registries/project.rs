//! Namespaces with service accounts, grants, Secrets and tokens, each test's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::world::World;

/// A namespace of one test.
pub struct Project {
    pub name: String,
    client: kube::Client,
}

impl Project {
    pub async fn new(world: &World, purpose: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let project = Self {
            name: format!("{purpose}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            client: world.access().client().await.expect("a client"),
        };
        let namespace = parsed(json!({"metadata": {"name": project.name}}));
        Api::<Namespace>::all(project.client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        project
    }

    pub async fn service_account(&self, name: &str) {
        self.api::<ServiceAccount>()
            .create(
                &PostParams::default(),
                &parsed(json!({"metadata": {"name": name}})),
            )
            .await
            .expect("a service account");
    }

    pub async fn delete_service_account(&self, name: &str) {
        self.api::<ServiceAccount>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the service account was there");
    }

    /// A Secret; its uid.
    pub async fn secret(&self, name: &str) -> String {
        self.api::<Secret>()
            .create(
                &PostParams::default(),
                &parsed(json!({"metadata": {"name": name}})),
            )
            .await
            .expect("a Secret")
            .metadata
            .uid
            .expect("a uid")
    }

    pub async fn delete_secret(&self, name: &str) {
        self.api::<Secret>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the Secret was there");
    }

    /// A token of a service account, bound to a Secret where its name and uid are given.
    pub async fn token(&self, service_account: &str, secret: Option<(&str, &str)>) -> String {
        let bound =
            secret.map(|(name, uid)| json!({"kind": "Secret", "apiVersion": "v1", "name": name, "uid": uid}));
        self.requested(service_account, json!({"audiences": [], "boundObjectRef": bound}))
            .await
    }

    /// A token for somebody else than the API server.
    pub async fn token_for_audience(&self, service_account: &str, audience: &str) -> String {
        self.requested(service_account, json!({"audiences": [audience]}))
            .await
    }

    async fn requested(&self, service_account: &str, spec: Value) -> String {
        let request = parsed::<TokenRequest>(json!({"spec": spec}));
        self.api::<ServiceAccount>()
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .expect("a token")
            .status
            .expect("a status")
            .token
    }

    /// A Role with these rules and its binding to a subject, both of this name.
    pub async fn grant(&self, name: &str, rules: Value, subject: Value) {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        self.api::<Role>()
            .create(&PostParams::default(), &parsed(role))
            .await
            .expect("a Role");
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [subject],
        });
        self.api::<RoleBinding>()
            .create(&PostParams::default(), &parsed(binding))
            .await
            .expect("a RoleBinding");
    }

    pub async fn revoke(&self, name: &str) {
        self.api::<RoleBinding>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the RoleBinding was there");
    }

    /// A service account that may pull from this project, and its token.
    pub async fn puller(&self, name: &str) -> String {
        self.service_account(name).await;
        self.grant(name, pull(), self.subject(name)).await;
        self.token(name, None).await
    }

    pub fn subject(&self, service_account: &str) -> Value {
        json!({"kind": "ServiceAccount", "name": service_account, "namespace": self.name})
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }
}

/// The rule of `system:image-puller`.
pub fn pull() -> Value {
    json!([{"apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"]}])
}

/// The rule of `system:image-pusher`.
pub fn push() -> Value {
    json!([{
        "apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get", "update"],
    }])
}

/// The rules of `system:image-builder`.
pub fn build() -> Value {
    json!([
        {"apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get", "update"]},
        {"apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams"], "verbs": ["create"]},
    ])
}

fn parsed<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("an object of its kind")
}
