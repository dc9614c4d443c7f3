//! Whom the admission policy restricts, and by which names: those of the Namespace's annotations.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use test_cluster::{
    access::ClusterAccess, identity::ServiceAccountDir, kustomize::UserKustomization,
    namespace::TestNamespace, program::Program,
};

use crate::{
    admission_policy::{Asking, changed, denied, everything},
    installation::{Installation, Names},
    world::registries,
};

const SECRETS: &str = "ensure-pull-secret/secrets";
const PULLERS: &str = "ensure-pull-secret/pullers";

/// Annotates the namespace as an administrator does, or takes an annotation away.
async fn annotate(namespace: &TestNamespace, annotations: Value) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(namespace.client());
    let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
    namespaces
        .patch(namespace.name(), &PatchParams::default(), &patch)
        .await
        .context("cannot annotate the namespace")?;
    Ok(())
}

/// The API server follows namespaces by a watch: repeats a request until it is allowed.
async fn allowed<T, F>(request: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    for _ in 0..100 {
        match request().await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 403 => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    request().await.map(|_| ()).context("it is still denied")
}

/// Two teams have the same runner, one policy, and names of their own.
#[tokio::test]
async fn s12_two_teams_in_two_namespaces_have_names_of_their_own() -> Result<()> {
    let first = Installation::with_policy("s12-first").await?;
    let names = Names {
        secret: "their-secret".to_owned(),
        puller: "their-puller".to_owned(),
        runner: first.names.runner.clone(),
    };
    let second = Installation::of_another_team("s12-second", names).await?;
    // Without the annotations, the policy's own names count in every namespace.
    second
        .program()?
        .run()
        .await?
        .expect("ERROR", "none", "api-forbidden", 77)
        .expect_message("correct PULL_SECRET_NAME");
    annotate(
        &second.namespace,
        json!({ SECRETS: " their-secret , another", PULLERS: "their-puller" }),
    )
    .await?;
    second
        .namespace
        .grant(&second.names.runner, "everything", everything())
        .await?;
    let theirs = Asking::by(&second, second.runner.token()).await?;
    allowed(|| theirs.create(theirs.secret())).await?;
    second
        .program()?
        .run()
        .await?
        .expect("SUCCESS", "created", "ok", 0);
    first
        .program()?
        .run()
        .await?
        .expect("SUCCESS", "created", "ok", 0);

    // Neither may use the other's names, in its own namespace or in the other's, whatever RBAC permits.
    first
        .namespace
        .grant(&first.names.runner, "everything", everything())
        .await?;
    let ours = Asking::by(&first, first.runner.token()).await?;
    let theirs_here = changed(ours.secret(), &json!({ "metadata": { "name": "their-secret" } }));
    denied(ours.create(theirs_here).await, "may write no Secret but")?;
    let ours_there = changed(
        theirs.secret(),
        &json!({ "metadata": { "name": first.names.secret } }),
    );
    denied(
        theirs.create(ours_there).await,
        "may write no Secret but their-secret, another",
    )?;
    first.namespace.service_account("their-puller").await?;
    second.namespace.service_account(&first.names.puller).await?;
    denied(
        ours.request_token("their-puller", ours.spec()).await,
        "may request tokens of",
    )?;
    denied(
        theirs.request_token(&first.names.puller, theirs.spec()).await,
        "may request tokens of their-puller",
    )?;
    let bound = json!({ "boundObjectRef": { "name": first.names.secret } });
    let answer = theirs
        .request_token("their-puller", changed(theirs.spec(), &bound))
        .await;
    denied(answer, "must be bound to the Secret")?;
    // The names are those of the namespace that is written to, wherever the runner is from.
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "guest" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "everything" },
        "subjects": [{ "kind": "ServiceAccount", "name": first.names.runner, "namespace": first.namespace.name() }],
    });
    second.namespace.apply(&binding.to_string()).await?;
    let guest = Asking::by(&second, first.runner.token()).await?;
    let another = changed(guest.secret(), &json!({ "metadata": { "name": "another" } }));
    guest.create(another).await.context("their name, there")?;
    let ours_there = changed(
        guest.secret(),
        &json!({ "metadata": { "name": first.names.secret } }),
    );
    denied(
        guest.create(ours_there).await,
        "may write no Secret but their-secret, another",
    )?;
    // Each second name of the annotation is one.
    let another = changed(theirs.secret(), &json!({ "metadata": { "name": "another" } }));
    theirs.create(another).await.context("another of their own")?;
    Ok(())
}

/// An annotation that names nothing permits nothing, and the policy's names are back where it is gone.
#[tokio::test]
async fn s12_an_empty_annotation_permits_nothing() -> Result<()> {
    let installation = Installation::with_policy("s12-empty").await?;
    let namespace = &installation.namespace;
    namespace
        .grant(&installation.names.runner, "everything", everything())
        .await?;
    let runner = Asking::by(&installation, installation.runner.token()).await?;
    runner
        .create(runner.secret())
        .await
        .context("the policy's name")?;
    for names in ["", ",", " "] {
        annotate(namespace, json!({ SECRETS: names, PULLERS: names })).await?;
        crate::installation::await_denial(|| runner.create(runner.secret())).await?;
        denied(runner.create(runner.secret()).await, "may write no Secret but")?;
        for unnamed in [
            json!({ "name": null, "generateName": "any-" }),
            json!({ "name": "" }),
        ] {
            let unnamed = changed(runner.secret(), &json!({ "metadata": unnamed }));
            ensure!(runner.create(unnamed).await.is_err(), "a Secret without a name");
        }
        denied(
            runner
                .request_token(&installation.names.puller, runner.spec())
                .await,
            "",
        )?;
    }
    annotate(namespace, json!({ SECRETS: null, PULLERS: null })).await?;
    allowed(|| runner.create(runner.secret())).await
}

/// Names decide, so whoever the policy restricts must not set them.
#[tokio::test]
async fn s12_the_namespaces_admin_cannot_change_the_names() -> Result<()> {
    let installation = Installation::with_policy("s12-admin").await?;
    let (namespace, runner) = (&installation.namespace, &installation.names.runner);
    // What the role `admin` is aggregated from; this tier has no controller that does it.
    for role in ["admin", "edit", "view"].map(|role| format!("system:aggregate-to-{role}")) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": runner }],
        });
        namespace.apply(&binding.to_string()).await?;
    }
    let client = ClusterAccess::shared()
        .client_of(installation.runner.token())
        .await?;
    let namespaces: Api<Namespace> = Api::all(client);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { SECRETS: "another" } } }));
    let answer = namespaces
        .patch(namespace.name(), &PatchParams::default(), &patch)
        .await;
    let error = answer.expect_err("the namespace's admin may not change the Namespace");
    ensure!(error.to_string().contains("cannot patch resource"), "{error}");
    // An admin of the namespace is the runner here, and is restricted all the same.
    let asking = Asking::by(&installation, installation.runner.token()).await?;
    let another = changed(asking.secret(), &json!({ "metadata": { "name": "another" } }));
    denied(asking.create(another).await, "may write no Secret but")
}

/// The runner's name, or a name that begins with it and a hyphen; not what only resembles it.
#[tokio::test]
async fn s12_runners_are_restricted_by_name_or_prefix_and_no_others() -> Result<()> {
    let installation = Installation::with_policy("s12-prefix").await?;
    let runner = &installation.names.runner;
    // Its own name begins with the runner's and a hyphen.
    let named = TestNamespace::within(ClusterAccess::shared(), &format!("{runner}-")).await?;
    for namespace in [&installation.namespace, &named] {
        let mut accounts = vec![
            (format!("{runner}-quay"), true),
            (format!("{runner}-"), true),
            (format!("{runner}2"), false),
            (format!("{runner}.quay"), false),
            (format!("a-{runner}"), false),
            (format!("a-{runner}-quay"), false),
            (runner.chars().take(4).collect(), false),
            ("other".to_owned(), false),
        ];
        // No ServiceAccount's name ends with a hyphen.
        accounts.retain(|(name, _)| !name.ends_with('-'));
        for (account, restricted) in accounts {
            namespace.service_account(&account).await?;
            namespace.grant(&account, "everything", everything()).await?;
            let token = namespace.token(&account, None, 3600).await?;
            let client = ClusterAccess::shared().client_of(&token).await?;
            let secrets: Api<Secret> = Api::namespaced(client, namespace.name());
            let secret = serde_json::from_value(json!({ "metadata": { "name": "any" }, "type": "Opaque" }))?;
            let dry_run = kube::api::PostParams {
                dry_run: true,
                ..Default::default()
            };
            let answer = secrets.create(&dry_run, &secret).await;
            if restricted {
                denied(answer, "of a running pod").with_context(|| account.clone())?;
            } else {
                answer.with_context(|| format!("{account} is not a runner"))?;
            }
        }
    }
    Ok(())
}

/// The second runner of overlays/several-secrets, with the name of this test's runner in the place of the shipped one.
async fn second_runner(installation: &Installation) -> Result<(String, ServiceAccountDir)> {
    let namespace = &installation.namespace;
    let own = json!({
        "namespace": namespace.name(), "resources": ["../tekton/overlays/several-secrets/quay"],
    });
    let mut objects = UserKustomization::new(&own.to_string())?.render()?;
    objects.retain(|object| object["kind"] != "Task");
    let account = format!("{}-quay", installation.names.runner);
    let objects = objects.iter().map(Value::to_string).collect::<Vec<_>>();
    let objects = objects.join("\n---\n");
    ensure!(
        objects.contains("\"ensure-pull-secret-quay\""),
        "the second runner begins with the policy's runner"
    );
    namespace
        .apply(&objects.replace("ensure-pull-secret-quay", &account))
        .await?;
    let identity = namespace.identity(&account).await?;
    Ok((account, identity))
}

/// The sample's runner could create the Secret as a token of any ServiceAccount.
#[tokio::test]
async fn s7_the_samples_second_runner_cannot_make_a_token_secret() -> Result<()> {
    let installation = Installation::with_policy("s7-quay").await?;
    let (_, runner) = second_runner(&installation).await?;
    let namespace = &installation.namespace;
    let default = &installation.names.secret;
    annotate(namespace, json!({ SECRETS: format!("{default},quay") })).await?;
    let client = ClusterAccess::shared().client_of(runner.token()).await?;
    let secrets: Api<Secret> = Api::namespaced(client, namespace.name());
    let apply = |secret: Value| {
        let secrets = secrets.clone();
        async move {
            secrets
                .patch(
                    "quay",
                    &PatchParams::apply("attacker").force(),
                    &Patch::Apply(secret),
                )
                .await
        }
    };
    let secret = |kind: &str, annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": { "name": "quay", "annotations": annotations },
            "data": { ".dockerconfigjson": "e30=" },
        })
    };
    let of_another = json!({ "kubernetes.io/service-account.name": installation.names.puller });
    let token = "kubernetes.io/service-account-token";
    for _ in 0..20 {
        // The annotation may not be known yet; it is denied before and after.
        denied(apply(secret(token, of_another.clone())).await, "")?;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    denied(apply(secret(token, of_another.clone())).await, "must be of type")?;
    denied(
        apply(secret("kubernetes.io/dockerconfigjson", of_another)).await,
        "",
    )?;
    ensure!(secrets.get_opt("quay").await?.is_none(), "nothing was created");
    Ok(())
}

/// The sample's TaskRun, beside an install with the policy, once the Namespace names its Secret.
#[tokio::test]
async fn s12_the_samples_second_runner_works_once_its_secret_is_named() -> Result<()> {
    let installation = Installation::with_policy("s12-quay").await?;
    let (account, runner) = second_runner(&installation).await?;
    let namespace = &installation.namespace;
    let registry = &registries().basic;
    let robot = registry.account("robot").context("an account")?;
    let file = runner.file("robot");
    std::fs::write(&file, &robot.password)?;
    let program = Program::new(&runner)
        .env("PULL_SECRET_NAME", "quay")
        .env("PULL_SECRET_REGISTRY", &registry.host.name)
        .env("PULL_SECRET_USERNAME", &robot.name)
        .env("PULL_SECRET_TOKEN_FILE", file)
        .env("PULL_SECRET_CONNECT_TO", registries().connect_to());
    program
        .run()
        .await?
        .expect("ERROR", "none", "api-forbidden", 77)
        .expect_message(&format!("the admission policy {}", installation.names.runner));
    annotate(
        namespace,
        json!({ SECRETS: format!("{},quay", installation.names.secret) }),
    )
    .await?;
    namespace.grant(&account, "everything", everything()).await?;
    let asking = Asking::by(&installation, runner.token()).await?;
    let quay = changed(asking.secret(), &json!({ "metadata": { "name": "quay" } }));
    allowed(|| asking.create(quay.clone())).await?;
    program.run().await?.expect("SUCCESS", "created", "ok", 0);
    installation
        .program()?
        .run()
        .await?
        .expect("SUCCESS", "created", "ok", 0);
    Ok(())
}
