//! The admission policy lets the program do its work, and the runner's account nothing beside it.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{Secret, ServiceAccount},
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use test_cluster::access::ClusterAccess;

use crate::{
    installation::{self, Installation},
    world::{renewing, short_lived},
};

/// An account that the runner has no business with.
const OTHER: &str = "other";

/// Requests that RBAC allows with every permission, so that only the policy can deny them.
pub struct Asking<'a> {
    installation: &'a Installation,
    pub secrets: Api<Secret>,
    accounts: Api<ServiceAccount>,
}

impl<'a> Asking<'a> {
    pub async fn by(installation: &'a Installation, token: &str) -> Result<Self> {
        let client: Client = installation.namespace.access().client_of(token).await?;
        let namespace = installation.namespace.name();
        Ok(Self {
            installation,
            secrets: Api::namespaced(client.clone(), namespace),
            accounts: Api::namespaced(client, namespace),
        })
    }

    pub async fn create(&self, secret: Value) -> Result<Secret, kube::Error> {
        let secret = serde_json::from_value(secret).map_err(kube::Error::SerdeError)?;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        self.secrets.create(&dry_run, &secret).await
    }

    pub async fn request_token(&self, account: &str, spec: Value) -> Result<TokenRequest, kube::Error> {
        let request = serde_json::from_value(json!({ "spec": spec })).map_err(kube::Error::SerdeError)?;
        self.accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
    }

    /// A Secret as the program creates it.
    pub fn secret(&self) -> Value {
        json!({
            "metadata": { "name": self.installation.names.secret },
            "type": "kubernetes.io/dockerconfigjson",
            "data": { ".dockerconfigjson": "e30=" },
        })
    }

    /// A token request as the program sends it.
    pub fn spec(&self) -> Value {
        json!({
            "audiences": [],
            "expirationSeconds": 86400,
            "boundObjectRef": { "apiVersion": "v1", "kind": "Secret", "name": self.installation.names.secret },
        })
    }
}

/// `value` with `changes` merged into it, as a JSON merge patch.
pub fn changed(mut value: Value, changes: &Value) -> Value {
    match (value.as_object_mut(), changes.as_object()) {
        (Some(members), Some(changes)) => {
            for (key, change) in changes {
                let member = members.remove(key).unwrap_or(json!({}));
                if !change.is_null() {
                    members.insert(key.clone(), changed(member, change));
                }
            }
            value
        }
        _ => changes.clone(),
    }
}

/// The denial has the policy's message and names it as a policy.
pub fn denied<T>(answer: Result<T, kube::Error>, message: &str) -> Result<()> {
    let status = match answer {
        Err(kube::Error::Api(status)) => status,
        Err(error) => return Err(error).context("the API server should have refused it by policy"),
        Ok(_) => bail!("the API server permits it; expected: {message}"),
    };
    ensure!(
        status.code == 403
            && status.message.contains("ValidatingAdmissionPolicy")
            && status.message.contains(message),
        "expected {message:?} of a policy, but it says {} {:?}",
        status.code,
        status.message
    );
    Ok(())
}

/// Every right that could let a request through to admission.
pub fn everything() -> Value {
    json!([{
        "apiGroups": [""], "resources": ["secrets", "serviceaccounts/token"], "verbs": ["create", "update", "patch", "get"],
    }])
}

#[tokio::test]
async fn policy_allows_the_requests_of_the_program() -> Result<()> {
    let installation = Installation::with_policy("policy-passes").await?;
    let program = installation.program()?;
    short_lived(&program)
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "none")
        .expect("SUCCESS", "created", "ok", 0)
        .await?
        .expect_verified("login");
    renewing(&program).expect("SUCCESS", "refreshed", "ok", 0).await?;
    program.expect("SUCCESS", "unchanged", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn policy_allows_one_secret_of_one_type_and_one_kind_of_token() -> Result<()> {
    let installation = Installation::with_policy("policy-denies").await?;
    let namespace = &installation.namespace;
    let (secret, puller) = (&installation.names.secret, &installation.names.puller);
    namespace.service_account(OTHER).await?;
    namespace
        .grant(&installation.names.runner, "everything", everything())
        .await?;
    let runner = Asking::by(&installation, installation.runner.token()).await?;

    runner
        .create(runner.secret())
        .await
        .context("the program's own Secret")?;
    // `{"auths":{"evil.test":{}}}`: the content is not checked.
    let another_host = json!({ "data": { ".dockerconfigjson": "eyJhdXRocyI6eyJldmlsLnRlc3QiOnt9fX0=" } });
    runner
        .create(changed(runner.secret(), &another_host))
        .await
        .context("a document of another host")?;
    let of_another_account = json!({ "kubernetes.io/service-account.name": OTHER });
    for (changes, message) in [
        (
            json!({ "metadata": { "name": "another" } }),
            "may write no Secret but",
        ),
        (
            json!({ "type": "Opaque" }),
            "must be of type kubernetes.io/dockerconfigjson",
        ),
        (
            json!({
                "type": "kubernetes.io/service-account-token",
                "metadata": { "annotations": of_another_account },
            }),
            "must be of type kubernetes.io/dockerconfigjson",
        ),
        (
            json!({ "metadata": { "annotations": of_another_account } }),
            "remove the annotation kubernetes.io/service-account.name",
        ),
    ] {
        let answer = runner.create(changed(runner.secret(), &changes)).await;
        denied(answer, message).with_context(|| format!("a Secret with {changes}"))?;
    }
    let unnamed = json!({ "metadata": { "name": null, "generateName": "any-" } });
    let answer = runner.create(changed(runner.secret(), &unnamed)).await;
    denied(answer, "").context("a Secret whose name the API server makes")?;

    installation
        .program()?
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    runner
        .request_token(puller, runner.spec())
        .await
        .context("the program's own token")?;
    let pod = json!({ "kind": "Pod", "name": installation.runner.pod() });
    for (account, changes, message) in [
        (OTHER, json!({}), "may request tokens of"),
        (
            installation.names.runner.as_str(),
            json!({ "boundObjectRef": pod }),
            "may request tokens of",
        ),
        (
            puller,
            json!({ "boundObjectRef": null }),
            "must be bound to the Secret",
        ),
        (
            puller,
            json!({ "boundObjectRef": { "name": "another" } }),
            "must be bound to the Secret",
        ),
        (
            puller,
            json!({ "boundObjectRef": { "kind": "Pod" } }),
            "must be bound to the Secret",
        ),
        (
            puller,
            json!({ "expirationSeconds": 86401 }),
            "may live for 86400 s at most",
        ),
        (puller, json!({ "audiences": ["vault"] }), "for the API server"),
        (
            puller,
            json!({ "audiences": ["https://kubernetes.default.svc", "vault"] }),
            "for the API server",
        ),
    ] {
        let answer = runner
            .request_token(account, changed(runner.spec(), &changes))
            .await;
        denied(answer, message).with_context(|| format!("a token of {account} with {changes}"))?;
    }

    // Changes of existing objects are limited, too.
    let patch = kube::api::Patch::Merge(json!({ "metadata": { "annotations": of_another_account } }));
    let answer = runner.secrets.patch(secret, &Default::default(), &patch).await;
    denied(answer, "remove the annotation").context("an annotation added later")?;
    Ok(())
}

#[tokio::test]
async fn policy_denies_every_request_of_a_token_without_a_pod() -> Result<()> {
    let installation = Installation::of_one_account("policy-one-account").await?;
    let account = &installation.names.runner;
    let message = "of a running pod";
    let namespace = &installation.namespace;
    namespace.grant(account, "everything", everything()).await?;
    let unbound = namespace.token(account, None, 3600).await?;
    let outside = Asking::by(&installation, &unbound).await?;
    denied(outside.create(outside.secret()).await, message).context("a Secret")?;
    denied(outside.request_token(account, json!({})).await, message).context("a token")?;

    let program = installation.program()?;
    short_lived(&program)
        .env("PULL_SECRET_NEXT_RUN_WITHIN", "none")
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    let stored = installation.stored_token().await?;
    let reader = Asking::by(&installation, &stored).await?;
    denied(reader.request_token(account, reader.spec()).await, message)
        .context("token request with the stored token")?;
    denied(reader.create(reader.secret()).await, message).context("a Secret by the stored token")?;

    // The same account can refresh the Secret from a pod.
    renewing(&program).expect("SUCCESS", "refreshed", "ok", 0).await?;
    Ok(())
}

#[tokio::test]
async fn program_reports_which_policy_denies_a_request() -> Result<()> {
    let installation = Installation::with_policy("policy-told").await?;
    let policy = format!("the admission policy {} refuses it", installation.names.runner);
    let program = installation.program()?;
    let outcome = program
        .clone()
        .env("PULL_SECRET_TOKEN_LIFETIME", "30d")
        .run()
        .await?;
    outcome
        .expect("ERROR", "created", "api-forbidden", 77)
        .expect_message("cannot create serviceaccounts/token")
        .expect_message(&policy)
        .expect_message("correct PULL_SECRET_TOKEN_LIFETIME");
    assert_eq!(outcome.report["remedy"], Value::Null, "no Role would help");

    // Other policies deny with 422 if their author set no reason.
    other_policy(&installation).await?;
    let outcome = program.env("PULL_SECRET_DISPLAY_NAME", "denied").run().await?;
    outcome
        .expect("ERROR", "none", "api-forbidden", 77)
        .expect_message("cannot patch secrets")
        .expect_message("the admission policy somebody-elses-");
    Ok(())
}

/// Denies every write of a display name `denied` in the installation's namespace; returns when it does.
async fn other_policy(installation: &Installation) -> Result<()> {
    let namespace = installation.namespace.name();
    let name = format!("somebody-elses-{namespace}");
    let group = "admissionregistration.k8s.io";
    let policy = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"],
            }] },
            "validations": [{ "expression": "!('openshift.io/display-name' in object.metadata.?annotations.orValue({})) || \
                object.metadata.annotations['openshift.io/display-name'] != 'denied'" }],
        },
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
        "spec": {
            "policyName": name, "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } } },
        },
    });
    installation
        .namespace
        .apply(&format!("{policy}\n---\n{binding}"))
        .await?;
    let administrator = Asking::by(installation, &ClusterAccess::shared().admin_token).await?;
    let denied =
        json!({ "metadata": { "name": "probe", "annotations": { "openshift.io/display-name": "denied" } } });
    installation::await_denial(|| administrator.create(changed(administrator.secret(), &denied))).await
}

#[tokio::test]
async fn policy_limits_no_other_account() -> Result<()> {
    let installation = Installation::with_policy("policy-others").await?;
    let namespace = &installation.namespace;
    namespace.service_account(OTHER).await?;
    namespace.grant(OTHER, "everything", everything()).await?;
    let mounted = namespace.token(OTHER, None, 3600).await?;
    for (who, token) in [
        ("another account of the namespace", mounted.as_str()),
        ("an administrator", ClusterAccess::shared().admin_token.as_str()),
    ] {
        let other = Asking::by(&installation, token).await?;
        for changes in [
            json!({ "metadata": { "name": "another" } }),
            json!({ "type": "Opaque" }),
        ] {
            let answer = other.create(changed(other.secret(), &changes)).await;
            answer.with_context(|| format!("{who}: a Secret with {changes}"))?;
        }
        for account in [OTHER, &installation.names.puller, &installation.names.runner] {
            let spec = json!({ "audiences": ["vault"], "expirationSeconds": 864_000 });
            let answer = other.request_token(account, spec).await;
            answer.with_context(|| format!("{who}: a token of {account}"))?;
        }
    }
    Ok(())
}
