//! A namespace with accounts that may pull, push or nothing, and tokens that expire.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use test_cluster::namespace::TestNamespace;

use crate::world::World;

/// Seconds: long enough for every test.
const LIFETIME: i64 = 3600;

/// A namespace of one test, as an owner of images knows it.
pub struct Project {
    pub name: String,
    namespace: TestNamespace,
}

impl Project {
    pub async fn new(world: &World, purpose: &str) -> Self {
        let namespace = TestNamespace::within(world.access(), purpose)
            .await
            .expect("a namespace");
        Self {
            name: namespace.name().to_owned(),
            namespace,
        }
    }

    /// A service account with these rights in the project, and its token.
    pub async fn account(&self, name: &str, rules: Option<Value>) -> String {
        self.service_account(name).await;
        if let Some(rules) = rules {
            self.grant(name, rules).await;
        }
        self.token(name).await
    }

    pub async fn service_account(&self, name: &str) {
        self.namespace
            .service_account(name)
            .await
            .expect("a service account");
    }

    pub async fn delete_service_account(&self, name: &str) {
        self.namespace
            .api::<ServiceAccount>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the service account was there");
    }

    pub async fn token(&self, service_account: &str) -> String {
        self.namespace
            .token(service_account, None, LIFETIME)
            .await
            .expect("a token")
    }

    /// A Secret, and a token of the service account that is bound to it.
    pub async fn bound_token(&self, service_account: &str, secret: &str) -> String {
        let uid = self.secret(secret).await;
        let reference = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: Some(secret.to_owned()),
            uid: Some(uid),
        };
        self.namespace
            .token(service_account, Some(reference), LIFETIME)
            .await
            .expect("a token")
    }

    /// A token for another audience than the API server.
    pub async fn token_for_audience(&self, service_account: &str, audience: &str) -> String {
        let request = json!({"spec": {"audiences": [audience]}});
        let request: TokenRequest = serde_json::from_value(request).expect("a token request");
        self.namespace
            .api::<ServiceAccount>()
            .create_token_request(service_account, &PostParams::default(), &request)
            .await
            .expect("a token")
            .status
            .expect("a status")
            .token
    }

    /// A new Secret; its uid.
    pub async fn secret(&self, name: &str) -> String {
        let secret = self
            .namespace
            .create_secret(name, "Opaque", [])
            .await
            .expect("a Secret");
        secret.metadata.uid.expect("a uid")
    }

    pub async fn delete_secret(&self, name: &str) {
        self.namespace
            .delete_secret(name)
            .await
            .expect("the Secret was there");
    }

    /// Gives a service account these rights in the project.
    pub async fn grant(&self, service_account: &str, rules: Value) {
        self.namespace
            .grant(service_account, service_account, rules)
            .await
            .expect("a Role and its binding");
    }

    pub async fn revoke(&self, service_account: &str) {
        self.namespace
            .revoke(service_account, service_account)
            .await
            .expect("the binding was there");
    }

    /// Lets a group pull.
    pub async fn grant_group(&self, group: &str) {
        let rbac = "rbac.authorization.k8s.io";
        let version = format!("{rbac}/v1");
        let role = json!({
            "apiVersion": version, "kind": "Role", "metadata": {"name": "group"}, "rules": pull(),
        });
        let binding = json!({
            "apiVersion": version, "kind": "RoleBinding", "metadata": {"name": "group"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "group"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": group}],
        });
        self.namespace
            .apply(&format!("{role}\n---\n{binding}"))
            .await
            .expect("a Role and its binding");
    }
}

/// The rule of `system:image-puller`.
pub fn pull() -> Value {
    layers(&["get"])
}

/// The rule of `system:image-pusher`.
pub fn push() -> Value {
    layers(&["get", "update"])
}

/// The rules of `system:image-builder`.
pub fn build() -> Value {
    let mut rules = push();
    if let Some(rules) = rules.as_array_mut() {
        rules.push(json!({
            "apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams"], "verbs": ["create"],
        }));
    }
    rules
}

fn layers(verbs: &[&str]) -> Value {
    json!([{"apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": verbs}])
}
