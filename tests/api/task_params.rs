//! Limits of the installed Task's params, whoever starts the run: contract, section 7.

use std::fs;

use anyhow::{Context as _, Result};
use http::StatusCode;
use serde_json::Value;
use test_cluster::{
    certificates::Authority,
    kustomize::UserKustomization,
    listener::{Reply, ScriptedServer},
    program::Program,
    registry::push_image,
};

use crate::{
    installation::step_environment,
    world::{PULLER, RUNNER, SECRET, World, registries},
};

/// Task of an install with a robot account for this registry and user name.
fn robot_task(registry: &str, username: &str) -> Result<Value> {
    task(&format!(
        "resources: [../tekton/overlays/kubernetes]\nconfigMapGenerator:\n- name: ensure-pull-secret\n  behavior: merge\n  \
         literals:\n  - secret={SECRET}\n  - registry={registry}\n  - username={username}\n  - connection=true\ncomponents:\n- \
         ../tekton/components/names\n"
    ))
}

fn task(kustomization: &str) -> Result<Value> {
    let objects = UserKustomization::new(&format!("namespace: my-models\n{kustomization}"))?.render()?;
    let task = objects.into_iter().find(|object| object["kind"] == "Task");
    task.context("an install has a Task")
}

/// The program as a TaskRun with these params runs it, without what a pod of Tekton's has.
fn run_with(world: &World, task: &Value, params: &[(&str, &str)]) -> Result<Program> {
    let mut program = Program::new(&world.runner).env("PULL_SECRET_CONNECT_TO", registries().connect_to());
    for (name, value) in step_environment(task, params)? {
        if !name.starts_with("RESULTS_") && name != "SSL_CERT_DIR" {
            program = program.env(name, value);
        }
    }
    Ok(program)
}

#[tokio::test]
async fn s1_no_task_param_sends_a_robots_password_elsewhere() -> Result<()> {
    let world = World::new("param-registry").await?;
    let authority = Authority::new("evil")?;
    let evil = ScriptedServer::start(Some(&authority.issue(&["evil.test"])?), |_| {
        Reply::json(StatusCode::OK, "{}")
    })?;
    let trusted = format!("{}{}", registries().ca, authority.pem());
    fs::write(world.runner.file("service-ca.crt"), trusted)?;
    let basic = &registries().basic;
    let robot = basic.account("robot").context("an account")?;
    let file = world.runner.file("robot");
    fs::write(&file, &robot.password)?;
    let repository = format!("{}/app:v1", world.namespace.name());
    push_image(registries().store, &repository)?;
    let image = format!("{}/{repository}", basic.host.name);
    let task = robot_task(&basic.host.name, &robot.name)?;

    let program = |params: &[(&str, &str)]| -> Result<Program> {
        let connect_to = format!("{},evil.test:443={}", registries().connect_to(), evil.address());
        Ok(run_with(&world, &task, params)?
            .env("PULL_SECRET_TOKEN_FILE", &file)
            .env("PULL_SECRET_CONNECT_TO", connect_to)
            .canary(&robot.password))
    };
    for registry in ["evil.test", "evil.test,quay.io"] {
        let attack = [
            ("REGISTRY", registry),
            ("USERNAME", "somebody"),
            ("TRUSTED_HOSTS", "evil.test"),
        ];
        for image in ["", &image, "evil.test/team/app:1.0"] {
            for mode in ["plan", "ensure", "verify", "doctor"] {
                let params = [&attack[..], &[("MODE", mode), ("IMAGE", image)]].concat();
                let outcome = program(&params)?.run().await?;
                let requests = evil.record().requests;
                assert!(
                    requests.is_empty(),
                    "{mode} sent {} requests to evil.test",
                    requests.len()
                );
                let expected = if image.starts_with("evil") {
                    "invalid-configuration"
                } else {
                    "ok"
                };
                let message = outcome.result("MESSAGE");
                assert_eq!(outcome.result("REASON"), expected, "{mode} {image}: {message}");
            }
        }
    }
    let data = world.secret().await?.data.context("it has data")?;
    let host = data.get("OCI_HOST").context("it names its host")?;
    assert_eq!(String::from_utf8_lossy(&host.0), basic.host.name);
    let document: Value = serde_json::from_slice(&world.document().await?)?;
    assert_eq!(document["auths"][&basic.host.name]["username"], robot.name);
    assert!(
        document["auths"].get("evil.test").is_none(),
        "evil.test has an entry"
    );
    Ok(())
}

#[tokio::test]
async fn p5_no_task_param_replaces_a_working_password_unverified() -> Result<()> {
    let world = World::new("param-verify").await?;
    let basic = &registries().basic;
    let robot = basic.account("robot").context("an account")?;
    let file = world.runner.file("robot");
    let task = robot_task(&basic.host.name, &robot.name)?;
    let program = |params: &[(&str, &str)]| -> Result<Program> {
        Ok(run_with(&world, &task, params)?
            .env("PULL_SECRET_TOKEN_FILE", &file)
            .canary(&robot.password))
    };
    fs::write(&file, &robot.password)?;
    program(&[])?.expect("SUCCESS", "created", "ok", 0).await?;
    let stored = world.document().await?;
    for verify in ["structure", "api"] {
        fs::write(&file, "a-password-that-is-wrong")?;
        program(&[("VERIFY", verify)])?
            .expect("FAILURE", "none", "credential-rejected", 67)
            .await?;
        fs::write(&file, &robot.password)?;
        program(&[("VERIFY", verify), ("USERNAME", "somebody")])?
            .expect("SUCCESS", "unchanged", "ok", 0)
            .await?;
        assert_eq!(world.document().await?, stored, "{verify}");
    }
    Ok(())
}

#[tokio::test]
async fn s1_no_task_param_stores_another_accounts_token() -> Result<()> {
    let world = World::new("param-account").await?;
    let task = task(&format!(
        "resources: [../tekton/overlays/openshift]\nconfigMapGenerator:\n- name: ensure-pull-secret\n  behavior: merge\n  literals:\n  - \
         secret={SECRET}\n  - puller={PULLER}\ncomponents:\n- ../tekton/components/names\n"
    ))?;
    let namespace = world.namespace.name();
    world.namespace.service_account("mighty").await?;
    world
        .namespace
        .grant(
            RUNNER,
            "any-token",
            serde_json::json!([
                { "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] },
            ]),
        )
        .await?;
    for account in ["mighty", ""] {
        run_with(&world, &task, &[("SERVICE_ACCOUNT", account)])?
            .run()
            .await?;
        let secret = world.secret().await?;
        let annotations = secret.metadata.annotations.unwrap_or_default();
        let stored = annotations.get("ensure-pull-secret/service-account");
        assert_eq!(
            stored.map(String::as_str),
            Some(format!("{namespace}/{PULLER}").as_str())
        );
    }
    Ok(())
}
