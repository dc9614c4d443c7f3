//! `doctor` reports missing and excess permissions, and the YAML that it prints can be applied unchanged.

use anyhow::{Context as _, Result};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use test_cluster::{
    program::{Outcome, Program},
    registry::OPENSHIFT,
};

use crate::{
    images::ship_image_puller,
    inconclusive_registries::{Cause, InconclusiveRegistry},
    plan::writing_nothing,
    registries::with_robot,
    world::{PULLER, RUNNER, SECRET, World, registries},
};

async fn doctor(world: &World, program: &Program) -> Result<Outcome> {
    writing_nothing(world, program, "doctor").await
}

fn lines<'o>(outcome: &'o Outcome, verdict: &str) -> Vec<&'o Value> {
    let lines = outcome.report["doctor"].as_array();
    lines
        .into_iter()
        .flatten()
        .filter(|line| line["verdict"] == verdict)
        .collect()
}

/// The line with this verdict and this text.
fn line<'o>(outcome: &'o Outcome, verdict: &str, part: &str) -> &'o Value {
    lines(outcome, verdict)
        .into_iter()
        .find(|line| {
            line["message"]
                .as_str()
                .is_some_and(|message| message.contains(part))
        })
        .unwrap_or_else(|| panic!("no {verdict} line has {part:?}\n{outcome}"))
}

async fn take_the_role_away(world: &World) -> Result<()> {
    world
        .namespace
        .api::<RoleBinding>()
        .delete(&format!("ensure-pull-secret-{SECRET}"), &DeleteParams::default())
        .await?;
    // Waits until the API server follows the current RBAC objects.
    let nothing = json!([{ "apiGroups": ["example.test"], "resources": ["none"], "verbs": ["get"] }]);
    world.namespace.grant(RUNNER, "nothing", nothing).await
}

/// Applies the YAML in the report.
async fn apply(world: &World, outcome: &Outcome) -> Result<()> {
    let remedy = outcome.report["remedy"].as_str().context("a remedy")?;
    world.namespace.apply(remedy).await
}

#[tokio::test]
async fn applying_what_doctor_prints_leads_to_success() -> Result<()> {
    let world = World::without_grant("doctor").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    take_the_role_away(&world).await?;

    let nothing = doctor(&world, &program).await?;
    nothing.expect("ERROR", "none", "api-forbidden", 77);
    for missing in [
        "may not get secrets",
        "may not patch secrets",
        "may not create secrets",
        "may not create serviceaccounts/token",
    ] {
        let missing = line(&nothing, "fail", missing);
        assert!(
            missing["paste"]
                .as_str()
                .is_some_and(|paste| paste.contains("kind: Role\n"))
        );
    }
    apply(&world, &nothing).await?;

    let ready = doctor(&world, &program).await?;
    ready.expect("SUCCESS", "none", "ok", 0);
    line(&ready, "ok", "may create secrets");
    line(&ready, "ok", "ensure creates it");
    line(
        &ready,
        "ok",
        "its certificate is trusted, and it asks for a Kubernetes token",
    );
    line(&ready, "ok", " the kubelet tries the managed entry first");
    line(&ready, "ok", "OpenShift's own pull secret also pulls");
    line(&ready, "ok", "clock agrees");
    line(
        &ready,
        "ok",
        &format!("this is {}/{RUNNER}, in pod ", world.namespace.name()),
    );

    program.expect("FAILURE", "created", "pull-forbidden", 77).await?;
    ship_image_puller(&world).await?;
    let forbidden = doctor(&world, &program).await?;
    forbidden.expect("FAILURE", "none", "pull-forbidden", 77);
    apply(&world, &forbidden).await?;

    let held = doctor(&world, &program).await?;
    held.expect("SUCCESS", "none", "ok", 0).expect_verified("pull");
    line(&held, "ok", "bound to this Secret, until ");
    let create = line(&held, "warn", "may create secrets");
    world
        .namespace
        .apply(create["paste"].as_str().context("a Role")?)
        .await?;
    let green = doctor(&world, &program).await?;
    green.expect("SUCCESS", "none", "ok", 0);
    line(
        &green,
        "ok",
        "not granted, and not needed while the Secret exists",
    );
    assert!(
        lines(&green, "warn").is_empty() && lines(&green, "fail").is_empty(),
        "{green}"
    );
    green.expect_message("checks passed");
    Ok(())
}

#[tokio::test]
async fn doctor_reports_a_missing_account_without_permission_to_read_it() -> Result<()> {
    let world = World::new("doctor-account").await?;
    let rules = json!([{
        "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["gone"], "verbs": ["create"],
    }]);
    world.namespace.grant(RUNNER, "request-gone", rules).await?;
    for secret_exists in [false, true] {
        if secret_exists {
            world.program().expect("SUCCESS", "created", "ok", 0).await?;
        }
        let missing = world.program().env("PULL_SECRET_SERVICE_ACCOUNT", "gone");
        doctor(&world, &missing)
            .await?
            .expect("ERROR", "none", "service-account-missing", 64);
        line(
            &doctor(&world, &world.program()).await?,
            "ok",
            "model-puller, which exists",
        );
    }
    Ok(())
}

#[tokio::test]
async fn doctor_warns_of_a_due_credential_and_of_a_more_specific_entry() -> Result<()> {
    let world = World::new("doctor-shadow").await?;
    let image = world.push("app:v1")?;
    let more_specific = format!("{OPENSHIFT}/{}", world.namespace.name());
    let document = format!(r#"{{"auths":{{"{more_specific}":{{"auth":"dTpw"}}}}}}"#);
    world.store(&document).await?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let outcome = doctor(&world, &program).await?;
    outcome.expect("SUCCESS", "none", "ok", 0);
    line(&outcome, "warn", "a new credential is due");
    line(
        &outcome,
        "warn",
        &format!("the kubelet tries the unmanaged entry {more_specific} first"),
    );
    line(
        &outcome,
        "warn",
        "skopeo and buildah do not use the managed entry",
    );
    let test_output: Value = serde_json::from_str(outcome.result("TEST_OUTPUT"))?;
    assert_eq!(test_output["warnings"], lines(&outcome, "warn").len());
    Ok(())
}

#[tokio::test]
async fn doctor_reports_an_unreachable_or_untrusted_registry_once() -> Result<()> {
    let world = World::new("doctor-registry").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    program.expect("SUCCESS", "created", "ok", 0).await?;
    let unresolved = program.clone().without("PULL_SECRET_CONNECT_TO");
    let outcome = doctor(&world, &unresolved).await?;
    outcome.expect("ERROR", "none", "registry-unavailable", 75);
    line(&outcome, "fail", "can't be resolved");
    for (cause, reason, exit) in [
        (Cause::Untrusted, "registry-untrusted", 76),
        (Cause::Unreachable, "registry-unavailable", 75),
    ] {
        let inconclusive = InconclusiveRegistry::start(&world, OPENSHIFT, cause)?;
        let outcome = doctor(&world, &inconclusive.instead_of(OPENSHIFT, &program)).await?;
        outcome.expect("ERROR", "none", reason, exit);
        assert_eq!(lines(&outcome, "fail").len(), 1, "{outcome}");
    }
    Ok(())
}

#[tokio::test]
async fn doctor_reports_the_authentication_of_each_registry() -> Result<()> {
    let world = World::new("doctor-asks").await?;
    let all = registries();
    let robot = |registry| with_robot(&world, registry, "robot");
    let token = doctor(&world, &robot(&all.token)?).await?;
    line(&token, "ok", "asks for a token of its token service");
    let basic = robot(&all.basic)?;
    let open = basic.clone().env("PULL_SECRET_REGISTRY", &all.open.host.name);
    let open = doctor(&world, &open).await?;
    open.expect("SUCCESS", "none", "ok", 0);
    line(&open, "warn", "allows anonymous access");
    for depth in ["api", "structure"] {
        let skipped = doctor(&world, &basic.clone().env("PULL_SECRET_VERIFY", depth)).await?;
        skipped.expect("SUCCESS", "none", "ok", 0);
        line(&skipped, "ok", "not contacted, because of PULL_SECRET_VERIFY");
    }
    let without_file = world.runner.file("gone");
    let outcome = doctor(&world, &basic.env("PULL_SECRET_TOKEN_FILE", without_file)).await?;
    outcome
        .expect("ERROR", "none", "invalid-configuration", 64)
        .expect_message("does not exist");
    Ok(())
}

#[tokio::test]
async fn doctor_warns_of_excess_permissions_with_an_account_to_apply() -> Result<()> {
    let world = World::new("doctor-excess").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let pods = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["create"] }]);
    world.namespace.grant(PULLER, "pods", pods).await?;
    let outcome = doctor(&world, &world.program()).await?;
    outcome.expect("SUCCESS", "none", "ok", 0);
    let excess = line(
        &outcome,
        "warn",
        "has permissions beyond pulling: pods (create); whoever can read the Secret has them too",
    );
    let paste = excess["paste"].as_str().context("YAML")?;
    world.namespace.apply(paste).await?;
    let other = world.program().env("PULL_SECRET_SERVICE_ACCOUNT", "image-puller");
    other.expect("SUCCESS", "refreshed", "ok", 0).await?;
    line(
        &doctor(&world, &other).await?,
        "ok",
        "no excess permissions found in this namespace",
    );
    Ok(())
}

#[tokio::test]
async fn doctor_needs_no_token_request_with_a_token_file_and_logs_json_records() -> Result<()> {
    let world = World::new("doctor-robot").await?;
    take_the_role_away(&world).await?;
    let secret =
        json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"] }]);
    world.namespace.grant(RUNNER, "secrets", secret).await?;
    let robot = with_robot(&world, &registries().basic, "robot")?;
    let outcome = doctor(&world, &robot.env("PULL_SECRET_LOG_FORMAT", "json")).await?;
    outcome.expect("SUCCESS", "none", "ok", 0);
    line(&outcome, "ok", "asks for user name and password");
    let mut checks = 0;
    for record in outcome.output.stderr.lines() {
        let record: Value = serde_json::from_str(record).context("a line is no record")?;
        checks += usize::from(record["verdict"].is_string());
    }
    assert_eq!(Some(checks), outcome.report["doctor"].as_array().map(Vec::len));
    Ok(())
}
