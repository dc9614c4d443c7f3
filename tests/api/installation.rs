//! The shipped manifests as a user's own kustomization renders them, in a namespace of the test's own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use test_cluster::{
    identity::ServiceAccountDir,
    kustomize::{self, UserKustomization},
    namespace::TestNamespace,
    program::Program,
    registry::OPENSHIFT,
};
use tokio::time::Instant;

use crate::world::{pull_rules, registries};

/// Image of the user's kustomization.
const IMAGE: &str = "registry.example.com/tools/ensure-pull-secret";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Time for the API server to follow a new policy.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interval between attempts.
const POLL: Duration = Duration::from_millis(50);

/// The names that an installation is made with, at the one place where they are set.
#[derive(Clone, Debug)]
pub struct Names {
    /// The pull secret.
    pub secret: String,
    /// Runs the program.
    pub runner: String,
    /// ServiceAccount whose token is stored.
    pub puller: String,
}

impl Names {
    /// Names that no other installation of the suite has: an admission policy holds for its runner in every namespace.
    pub fn of(namespace: &TestNamespace) -> Self {
        Self {
            secret: format!("secret-of-{}", namespace.name()),
            runner: format!("runner-of-{}", namespace.name()),
            puller: format!("puller-of-{}", namespace.name()),
        }
    }
}

/// The CronJob's install, in the user's own namespace, with the user's own names and image, and with `components` below
/// `tekton/`; `literals` are more of the names.
fn kustomization(namespace: &str, names: &Names, components: &[&str], literals: &[&str]) -> String {
    let Names {
        secret,
        runner,
        puller,
    } = names;
    // In the order of tekton/base; the names are last.
    // The component has a second ServiceAccount, and its Role's rule.
    let credential = (puller != runner).then_some(&"components/requested-token");
    let components: String = ["components/cronjob"]
        .iter()
        .chain(credential)
        .chain(components)
        .chain(&["components/names"])
        .map(|component| format!("- ../tekton/{component}\n"))
        .collect();
    let literals: String = literals
        .iter()
        .map(|literal| format!("  - {literal}\n"))
        .collect();
    let images = kustomize::images(IMAGE, DIGEST);
    format!(
        "namespace: {namespace}\nresources: [../tekton/base]\nconfigMapGenerator:\n- name: ensure-pull-secret\n  \
         behavior: merge\n  literals:\n  - secret={secret}\n  - runner={runner}\n  - puller={puller}\n  - connection=true\n{literals}components:\n\
         {components}images: {images}\n"
    )
}

/// The environment of the program's step in an installed Task, as Tekton fills it in for a run with `params`: each param
/// that the Task has reaches its variable, and the others are ignored.
pub fn step_environment(task: &Value, params: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
    let list = |pointer: &str| task.pointer(pointer).and_then(Value::as_array);
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut replacements = Vec::new();
    for param in list("/spec/params").context("the Task has params")? {
        let name = text(param, "name");
        let given = params.iter().rev().find(|(given, _)| *given == name);
        let value = given.map_or_else(|| text(param, "default"), |(_, value)| (*value).to_owned());
        replacements.push((format!("$(params.{name})"), value));
    }
    let environment = list("/spec/steps/0/env").context("its step has an environment")?;
    Ok(environment
        .iter()
        .map(|variable| {
            let value = text(variable, "value");
            let filled = replacements
                .iter()
                .find(|(param, _)| *param == value)
                .map_or(value, |(_, given)| given.clone());
            (text(variable, "name"), filled)
        })
        .collect())
}

/// The program as the pod of the CronJob among `objects` has it, on the runner's own token.
pub fn program_of(objects: &[Value], runner: &ServiceAccountDir) -> Result<Program> {
    let mut program = Program::new(runner);
    for (name, value) in environment(objects)? {
        program = program.env(name, value);
    }
    // A file of the pod's own, which this machine may have too.
    Ok(program
        .without("PULL_SECRET_TERMINATION_MESSAGE_FILE")
        .env("PULL_SECRET_CONNECT_TO", registries().connect_to()))
}

/// A namespace in which the shipped manifests were applied.
pub struct Installation {
    pub namespace: TestNamespace,
    pub names: Names,
    pub runner: ServiceAccountDir,
    objects: Vec<Value>,
}

impl Installation {
    /// Accounts, Role, CronJob and the admission policy in a new namespace; returns when the policy is in force. The
    /// puller may pull what the namespace holds.
    pub async fn with_policy(name: &str) -> Result<Self> {
        let namespace = TestNamespace::new(name).await?;
        let names = Names::of(&namespace);
        Self::apply(namespace, names, &["components/admission-policy"]).await
    }

    /// As `with_policy`, without the policy.
    pub async fn without_policy(name: &str) -> Result<Self> {
        let namespace = TestNamespace::new(name).await?;
        let names = Names::of(&namespace);
        Self::apply(namespace, names, &[]).await
    }

    /// Like `with_policy`, with one ServiceAccount that runs the program and whose token is stored.
    pub async fn of_one_account(name: &str) -> Result<Self> {
        Self::of_one_account_with(name, &["components/admission-policy"]).await
    }

    /// As `of_one_account`, without the policy.
    pub async fn of_one_account_without_policy(name: &str) -> Result<Self> {
        Self::of_one_account_with(name, &[]).await
    }

    async fn of_one_account_with(name: &str, components: &[&str]) -> Result<Self> {
        let namespace = TestNamespace::new(name).await?;
        let mut names = Names::of(&namespace);
        names.puller.clone_from(&names.runner);
        // What the component of the credential adds to the Role.
        let rule = json!([{ "op": "add", "path": "/rules/-", "value": {
            "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [names.runner], "verbs": ["create"],
        } }]);
        let patches = json!([{ "target": { "kind": "Role" }, "patch": rule.to_string() }]);
        let lines = format!("patches: {patches}\n");
        Self::render(namespace, names, components, &lines).await
    }

    /// As `with_policy`, in a namespace that is there, with more literals in the names. Applied again, it changes both.
    pub async fn with_literals(namespace: TestNamespace, literals: &[&str]) -> Result<Self> {
        let names = Names::of(&namespace);
        let policy = &["components/admission-policy"];
        let text = kustomization(namespace.name(), &names, policy, literals);
        Self::of_text(namespace, names, policy, &text).await
    }

    /// As `without_policy`, in a new namespace with these names: another team's, with a runner of the same name.
    pub async fn of_another_team(name: &str, names: Names) -> Result<Self> {
        Self::apply(TestNamespace::new(name).await?, names, &[]).await
    }

    /// As `without_policy`, in a namespace that is there, for a Secret of this name.
    pub async fn in_namespace(namespace: TestNamespace, secret: &str) -> Result<Self> {
        let names = Names {
            secret: secret.to_owned(),
            ..Names::of(&namespace)
        };
        Self::apply(namespace, names, &[]).await
    }

    /// Applies all of it once more.
    pub async fn apply_again(&self) -> Result<()> {
        self.namespace.apply(&yaml(&self.objects)).await
    }

    /// As `without_policy`, with these lines at the end of the user's kustomization.
    pub async fn with_lines(name: &str, lines: &str) -> Result<Self> {
        let namespace = TestNamespace::new(name).await?;
        let names = Names::of(&namespace);
        Self::render(namespace, names, &[], lines).await
    }

    async fn apply(namespace: TestNamespace, names: Names, components: &[&str]) -> Result<Self> {
        Self::render(namespace, names, components, "").await
    }

    async fn render(
        namespace: TestNamespace,
        names: Names,
        components: &[&str],
        lines: &str,
    ) -> Result<Self> {
        let text = kustomization(namespace.name(), &names, components, &[]) + lines;
        Self::of_text(namespace, names, components, &text).await
    }

    async fn of_text(
        namespace: TestNamespace,
        names: Names,
        components: &[&str],
        text: &str,
    ) -> Result<Self> {
        let objects = UserKustomization::new(text)?.render()?;
        namespace.apply(&yaml(&objects)).await?;
        namespace.grant(&names.puller, "pull", pull_rules()).await?;
        let runner = namespace.identity(&names.runner).await?;
        let installation = Self {
            namespace,
            names,
            runner,
            objects,
        };
        if components.contains(&"components/admission-policy") {
            installation.await_policy().await?;
        }
        Ok(installation)
    }

    /// The program as the rendered CronJob's pod has it, on the runner's own token.
    pub fn program(&self) -> Result<Program> {
        program_of(&self.objects, &self.runner)
    }

    /// The token stored for OpenShift's registry.
    pub async fn stored_token(&self) -> Result<String> {
        let document = self.namespace.docker_config_json(&self.names.secret).await?;
        let document: Value = serde_json::from_slice(&document)?;
        let token = document["auths"][OPENSHIFT]["password"].as_str();
        Ok(token.context("no token is stored")?.to_owned())
    }

    /// Sends requests that only the policy denies until it denies them.
    async fn await_policy(&self) -> Result<()> {
        let outside = self.namespace.token(&self.names.runner, None, 3600).await?;
        let client = self.namespace.access().client_of(&outside).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, self.namespace.name());
        let (parameters, spec) = (PostParams::default(), TokenRequest::default());
        await_denial(|| accounts.create_token_request(&self.names.puller, &parameters, &spec)).await
    }
}

/// The environment of the CronJob's container among `objects`.
fn environment(objects: &[Value]) -> Result<Vec<(&str, &str)>> {
    let variables = objects
        .iter()
        .find(|object| object["kind"] == "CronJob")
        .and_then(|job| job.pointer("/spec/jobTemplate/spec/template/spec/containers/0/env"))
        .and_then(Value::as_array)
        .context("the CronJob has an environment")?;
    variables
        .iter()
        .map(|variable| {
            let name = variable["name"].as_str().context("a variable has a name")?;
            // The API server leaves an empty value out.
            Ok((name, variable["value"].as_str().unwrap_or_default()))
        })
        .collect()
}

/// Objects as one text of several documents.
fn yaml(objects: &[Value]) -> String {
    let manifests: Vec<_> = objects.iter().map(Value::to_string).collect();
    manifests.join("\n---\n")
}

/// Repeats a request until it is denied: the API server watches policies.
pub async fn await_denial<T, F>(request: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    let deadline = Instant::now() + PATIENCE;
    while request().await.is_ok() {
        ensure!(Instant::now() < deadline, "the policy is not in force yet");
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
