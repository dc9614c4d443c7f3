//! `plan` shows what `ensure` would change, and writes nothing.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use test_cluster::{
    audit::AuditedRequest,
    program::{Outcome, Program},
    registry::OPENSHIFT,
};

use crate::{
    registries::with_robot,
    world::{PULLER, RUNNER, SECRET, World, registries, renewing, short_lived},
};

/// Runs `plan`, and makes sure that it wrote nothing: by the audit log, and by the object.
pub async fn writing_nothing(world: &World, program: &Program, mode: &str) -> Result<Outcome> {
    let before = world.namespace.secret(SECRET).await?;
    let mark = world.mark().await?;
    let outcome = program.clone().env("PULL_SECRET_MODE", mode).run().await?;
    for request in world.requests(mark).await? {
        assert!(changes_nothing(&request), "{request:?}\n{outcome}");
    }
    assert_eq!(world.namespace.secret(SECRET).await?, before, "{outcome}");
    assert_eq!(outcome.result("ACTION"), "none");
    Ok(outcome)
}

/// A read, a review, a dry run, or a token that was not given: bound to a uid that no object has.
fn changes_nothing(request: &AuditedRequest) -> bool {
    match (
        request.verb.as_str(),
        request.resource.as_str(),
        request.subresource.as_str(),
    ) {
        ("get", _, _) => true,
        ("create", resource, "") => resource.starts_with("selfsubject"),
        ("create", "serviceaccounts", "token") => request.code >= 400,
        ("patch", "secrets", "") => request.uri.contains("dryRun=All"),
        _ => false,
    }
}

fn diff(outcome: &Outcome) -> &str {
    outcome.report["plan"]["diff"].as_str().unwrap_or_default()
}

/// Plans, then does it: what was planned is what happens.
async fn comes_true(world: &World, program: &Program, action: &str, lines: &[&str]) -> Result<()> {
    let planned = writing_nothing(world, program, "plan").await?;
    planned.expect("SUCCESS", "none", "ok", 0);
    assert_eq!(planned.report["plan"]["action"], action, "{planned}");
    for line in lines {
        assert!(
            diff(&planned).contains(line),
            "{line:?} is not in\n{}",
            diff(&planned)
        );
        assert!(
            planned.output.stderr.contains(line),
            "people read it too: {planned}"
        );
    }
    if let Ok(token) = world.stored_token().await {
        planned.expect_no_trace_of(&token);
    }
    let done = program.run().await?;
    done.expect("SUCCESS", action, "ok", 0);
    Ok(())
}

#[tokio::test]
async fn ensure_does_what_plan_showed_in_each_situation() -> Result<()> {
    let world = World::new("plan").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    let short = short_lived(&program);
    let account = format!("{}/{PULLER}", world.namespace.name());
    let coming = format!("+       {OPENSHIFT}: new token of {account} for 10m, bound to this Secret");
    let created = [
        coming.as_str(),
        "+     opendatahub.io/dashboard: true",
        "+     OCI_HOST: image-registry.openshift-image-registry.svc:5000",
        "+     ensure-pull-secret/expires-at: when the new token expires",
    ];
    comes_true(&world, &short, "created", &created).await?;

    let steady = writing_nothing(&world, &short, "plan").await?;
    steady.expect("SUCCESS", "none", "ok", 0).expect_verified("pull");
    assert_eq!(
        steady.report["plan"],
        json!({ "action": "unchanged", "because": null, "diff": "" })
    );

    let renamed = short.clone().env("PULL_SECRET_DISPLAY_NAME", "Models");
    let renaming = [
        "-     openshift.io/display-name: Internal OpenShift Registry",
        "+     openshift.io/display-name: Models",
    ];
    comes_true(&world, &renamed, "refreshed", &renaming).await?;

    let due = renewing(&program).env("PULL_SECRET_CONNECTION", "false");
    let going = format!("-       {OPENSHIFT}: token of {account} that expires at ");
    let left_out = [
        going.as_str(),
        "+       image-registry.openshift-image-registry.svc:5000: new token of",
        "-     opendatahub.io/dashboard (kept where another field manager owns it)",
        "-     OCI_HOST (kept where another field manager owns it)",
    ];
    comes_true(&world, &due, "refreshed", &left_out).await?;
    let secret: Secret = world.secret().await?;
    assert!(secret.metadata.labels.is_none(), "what was planned to go is gone");
    Ok(())
}

#[tokio::test]
async fn s14_a_password_in_any_field_of_the_secret_is_not_printed() -> Result<()> {
    let world = World::new("s14-plan").await?;
    let password = "s3cr3t-robot-pass.example.com";
    let document = format!(r#"{{"auths":{{"quay.io":{{"username":"robot","password":"{password}"}}}}}}"#);
    world
        .namespace
        .create_docker_config_json(SECRET, document.as_bytes())
        .await?;
    let annotations = ["expires-at", "refreshed-at", "service-account", "credential-id"];
    let annotations = annotations.map(|name| (format!("ensure-pull-secret/{name}"), json!(password)));
    let mut annotations: serde_json::Map<String, Value> = annotations.into_iter().collect();
    annotations.insert("openshift.io/description".to_owned(), json!(password));
    let fields = json!({
        "metadata": { "labels": { "opendatahub.io/dashboard": password }, "annotations": annotations },
        "stringData": { "OCI_HOST": password, "ACCESS_TYPE": password },
    });
    let secrets: Api<Secret> = world.namespace.api();
    secrets
        .patch(SECRET, &PatchParams::default(), &Patch::Merge(fields))
        .await?;
    let program = world.program().env("PULL_SECRET_DESCRIPTION", "new");
    for mode in ["plan", "verify", "doctor"] {
        let outcome = writing_nothing(&world, &program, mode).await?;
        outcome.expect_no_trace_of(password);
        let diff = diff(&outcome);
        assert!(
            mode != "plan" || diff.matches(": another value").count() >= 7,
            "{diff}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn plan_shows_a_repair_that_keeps_the_other_entries() -> Result<()> {
    let world = World::new("plan-repair").await?;
    let unwrapped =
        format!(r#"{{"{OPENSHIFT}": {{"auth": "dTpw"}}, "quay.io": {{"auth": "dXNlcjpwYXNz", "x": 2.50}}}}"#);
    world.store(&unwrapped).await?;
    let lines = [
        "-     (no auths object: no client finds a credential)",
        "+     auths:",
        "+       quay.io: unchanged",
    ];
    comes_true(&world, &world.program(), "repaired", &lines).await
}

/// Plans and then does what can't be done: both end alike.
async fn ends_alike(world: &World, program: &Program) -> Result<Outcome> {
    let planned = writing_nothing(world, program, "plan").await?;
    let done = program.run().await?;
    for result in ["STATUS", "REASON", "MESSAGE"] {
        assert_eq!(planned.result(result), done.result(result), "{planned}\n{done}");
    }
    assert_eq!(planned.output.exit, done.output.exit);
    assert_ne!(planned.result("REASON"), "ok", "{planned}");
    Ok(planned)
}

#[tokio::test]
async fn plan_ends_with_the_reason_that_ensure_would_have() -> Result<()> {
    let world = World::new("plan-ends").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);

    let no_right = program
        .clone()
        .env("PULL_SECRET_SERVICE_ACCOUNT", "no-token-request");
    ends_alike(&world, &no_right).await?;
    world.namespace.delete_secret(SECRET).await?;

    let gone = "gone";
    let rules = json!([{
        "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [gone], "verbs": ["create"],
    }]);
    world.namespace.grant(RUNNER, "request-gone", rules).await?;
    let missing = program.clone().env("PULL_SECRET_SERVICE_ACCOUNT", gone);
    ends_alike(&world, &missing)
        .await?
        .expect("ERROR", "none", "service-account-missing", 64);
    world.namespace.delete_secret(SECRET).await?;

    let elsewhere = program.clone().env("PULL_SECRET_NAME", "not-ours");
    ends_alike(&world, &elsewhere)
        .await?
        .expect("ERROR", "none", "api-forbidden", 77);

    let robot = with_robot(&world, &registries().basic, "robot")?;
    let image = format!(
        "{}/{}/gone:v1",
        registries().basic.host.name,
        world.namespace.name()
    );
    ends_alike(&world, &robot.clone().env("PULL_SECRET_IMAGE", &image)).await?;
    world.namespace.delete_secret(SECRET).await?;
    std::fs::write(world.runner.file("wrong"), "no-such-password")?;
    let rejected = robot.env("PULL_SECRET_TOKEN_FILE", world.runner.file("wrong"));
    let outcome = ends_alike(&world, &rejected).await?;
    outcome.expect("FAILURE", "none", "credential-rejected", 67);
    assert_eq!(
        outcome.report["plan"],
        Value::Null,
        "nothing of it would come true"
    );
    world.namespace.delete_secret(SECRET).await?;

    world.store(br#"{"auths":{},"Auths":{}}"#).await?;
    ends_alike(&world, &program)
        .await?
        .expect("ERROR", "none", "document-ambiguous", 65);
    world.namespace.delete_secret(SECRET).await?;
    world
        .namespace
        .create_secret(SECRET, "Opaque", [("a", b"b".as_slice())])
        .await?;
    ends_alike(&world, &program)
        .await?
        .expect("ERROR", "none", "wrong-type", 65);
    Ok(())
}

#[tokio::test]
async fn plan_reports_a_schedule_longer_than_any_token() -> Result<()> {
    let world = World::new("plan-schedule").await?;
    let program = short_lived(&world.program()).env("PULL_SECRET_NEXT_RUN_WITHIN", "1h");
    let planned = writing_nothing(&world, &program, "plan").await?;
    planned.expect("FAILURE", "none", "expires-before-next-run", 78);
    program
        .expect("FAILURE", "created", "expires-before-next-run", 78)
        .await?;
    Ok(())
}

#[tokio::test]
async fn json_log_of_plan_has_the_diff_as_one_record() -> Result<()> {
    let world = World::new("plan-json").await?;
    let program = world.program().env("PULL_SECRET_LOG_FORMAT", "json");
    let planned = writing_nothing(&world, &program, "plan").await?;
    let records: Vec<Value> = planned
        .output
        .stderr
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("a line is no record")?;
    let record = records
        .iter()
        .find(|record| record["diff"].is_string())
        .context("a diff")?;
    assert_eq!(record["action"], "created");
    assert_eq!(record["diff"], planned.report["plan"]["diff"]);
    Ok(())
}

#[tokio::test]
async fn o7_a_full_quota_ends_plan_and_doctor_as_ensure() -> Result<()> {
    let world = World::new("full-quota").await?;
    let quota: ResourceQuota = serde_json::from_value(json!({
        "metadata": {"name": "full"},
        "spec": {"hard": {"count/secrets": "0"}},
    }))?;
    // The controller that counts is not part of the control plane.
    let counted = json!({"status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}});
    let quotas: Api<ResourceQuota> = world.namespace.api();
    quotas.create(&PostParams::default(), &quota).await?;
    quotas
        .patch_status("full", &PatchParams::default(), &Patch::Merge(&counted))
        .await?;
    let done = world.program().run().await?;
    done.expect("ERROR", "none", "api-forbidden", 77);
    let planned = writing_nothing(&world, &world.program(), "plan").await?;
    planned.expect("ERROR", "none", "api-forbidden", 77);
    assert_eq!(planned.result("MESSAGE"), done.result("MESSAGE"));
    let diagnosed = writing_nothing(&world, &world.program(), "doctor").await?;
    diagnosed.expect("ERROR", "none", "api-forbidden", 77);

    // It counts Secrets, and one that is there may be changed.
    quotas.delete("full", &DeleteParams::default()).await?;
    short_lived(&world.program())
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    quotas.create(&PostParams::default(), &quota).await?;
    quotas
        .patch_status("full", &PatchParams::default(), &Patch::Merge(&counted))
        .await?;
    comes_true(&world, &renewing(&world.program()), "refreshed", &[]).await
}
