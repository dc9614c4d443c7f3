//! Excess permissions are reported: every reader of the Secret can act as the ServiceAccount in it.

use anyhow::{Context as _, Result};
use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use test_cluster::{access::ClusterAccess, audit::AuditedRequest, listener::Action, program::Outcome};

use crate::{
    images::ship_image_puller,
    interception::{answer, before_api_server, to},
    registries::with_robot,
    world::{PULLER, RUNNER, SECRET, World, registries, short_lived},
};

fn rights(outcome: &Outcome) -> Vec<String> {
    let rights = outcome.report["credential"]["excess"]["permissions"].as_array();
    rights
        .into_iter()
        .flatten()
        .filter_map(|right| right.as_str().map(str::to_owned))
        .collect()
}

fn rules_reviews(requests: &[AuditedRequest]) -> usize {
    let reviews = requests
        .iter()
        .filter(|request| request.resource == "selfsubjectrulesreviews");
    reviews.count()
}

fn warnings(outcome: &Outcome) -> Result<u64> {
    let test_output: Value = serde_json::from_str(outcome.result("TEST_OUTPUT"))?;
    test_output["warnings"].as_u64().context("warnings")
}

#[tokio::test]
async fn excess_permissions_are_reported_with_the_remedy() -> Result<()> {
    let world = World::new("excess").await?;
    let image = world.push("app:v1")?;
    // Permissions as in OpenShift's `edit`, which the pipeline's ServiceAccount has.
    let mighty = "model-pipeline";
    world.namespace.service_account(mighty).await?;
    let rules = json!([
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"] },
        { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"] },
        { "apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get", "update"] },
    ]);
    world.namespace.grant(mighty, "edit", rules).await?;
    let rules = json!([{
        "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [mighty], "verbs": ["create"],
    }]);
    world.namespace.grant(RUNNER, "request-token", rules).await?;
    let program = world
        .program()
        .env("PULL_SECRET_IMAGE", &image)
        .env("PULL_SECRET_SERVICE_ACCOUNT", mighty);

    let mark = world.mark().await?;
    let outcome = program.run().await?;
    outcome
        .expect("SUCCESS", "created", "ok", 0)
        .expect_verified("pull");
    assert_eq!(
        rights(&outcome),
        [
            "secrets (get, list)",
            "deployments.apps (create)",
            "imagestreams/layers.image.openshift.io (update)"
        ]
    );
    assert_eq!(outcome.report["credential"]["excess"]["complete"], true);
    assert_eq!(warnings(&outcome)?, 1);
    let log = &outcome.output.stderr;
    let line = format!(
        "the stored token of {}/{mighty} has permissions beyond pulling: secrets (get, list), deployments.apps (create)",
        world.namespace.name()
    );
    assert!(log.contains(&line) && log.contains("name: model-puller"), "{log}");
    assert_eq!(rules_reviews(&world.requests(mark).await?), 1);

    // Without a token of the cluster there is no review and no warning.
    let mark = world.mark().await?;
    let steady = program.run().await?;
    steady.expect("SUCCESS", "unchanged", "ok", 0);
    assert_eq!(steady.report["credential"]["excess"], Value::Null);
    assert_eq!(rules_reviews(&world.requests(mark).await?), 0);

    let mark = world.mark().await?;
    let verify = program.clone().env("PULL_SECRET_MODE", "verify").run().await?;
    verify.expect("SUCCESS", "none", "ok", 0);
    assert_eq!((rights(&verify).len(), warnings(&verify)?), (3, 1));
    assert_eq!(rules_reviews(&world.requests(mark).await?), 1);
    let pushes = program
        .clone()
        .env("PULL_SECRET_MODE", "verify")
        .env("PULL_SECRET_ACCESS", "Push,Pull");
    assert_eq!(
        rights(&pushes.run().await?),
        ["secrets (get, list)", "deployments.apps (create)"]
    );

    // The YAML of the warning is applied unchanged, and the ServiceAccount in it is reported.
    ship_image_puller(&world).await?;
    let remedy = outcome.report["credential"]["excess"]["remedy"]
        .as_str()
        .context("a remedy")?;
    world.namespace.apply(remedy).await?;
    let repaired = program
        .env("PULL_SECRET_SERVICE_ACCOUNT", "model-puller")
        .run()
        .await?;
    repaired
        .expect("SUCCESS", "refreshed", "ok", 0)
        .expect_verified("pull");
    assert_eq!((rights(&repaired).len(), warnings(&repaired)?), (0, 0));
    assert_eq!(repaired.report["credential"]["excess"]["remedy"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn puller_has_no_excess_and_a_json_warning_is_one_record() -> Result<()> {
    let world = World::new("excess-json").await?;
    let outcome = world.program().run().await?;
    assert_eq!(
        outcome.report["credential"]["excess"],
        json!({ "permissions": [], "complete": true, "remedy": null })
    );
    let tokens = json!([{ "apiGroups": [""], "resources": ["*/token"], "verbs": ["*"] }]);
    world.namespace.grant(PULLER, "tokens", tokens).await?;
    let verify = world
        .program()
        .env("PULL_SECRET_MODE", "verify")
        .env("PULL_SECRET_LOG_FORMAT", "json")
        .run()
        .await?;
    let records: Vec<Value> = verify
        .output
        .stderr
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let logged: Vec<&Value> = records
        .iter()
        .filter(|record| {
            record["message"]
                .as_str()
                .is_some_and(|text| text.contains("beyond pulling: all/token (all verbs)"))
        })
        .collect();
    assert_eq!(logged.len(), 1, "{verify}");
    // An account of the usual name exists: another one is proposed.
    let paste = logged[0]["paste"].as_str().context("a paste")?;
    assert!(paste.contains("name: image-puller\n"), "{paste}");
    Ok(())
}

/// None of them was on the list of dangers that earlier versions had. The first reads every Secret.
#[tokio::test]
async fn s6_permissions_that_read_or_make_secrets_are_reported() -> Result<()> {
    let world = World::new("s6-excess").await?;
    let program = world.program();
    program.run().await?.expect("SUCCESS", "created", "ok", 0);
    let rules = json!([
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["patch", "deletecollection"] },
        { "apiGroups": [""], "resources": ["pods/proxy", "serviceaccounts", "configmaps"], "verbs": ["create"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["bind"] },
        { "apiGroups": ["tekton.dev"], "resources": ["tasks"], "verbs": ["patch"] },
    ]);
    world.namespace.grant(PULLER, "sly", rules).await?;

    let stored = world.stored_token().await?;
    let client = ClusterAccess::shared().client_of(&stored).await?;
    let secrets: Api<Secret> = Api::namespaced(client, world.namespace.name());
    let nothing = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let read = secrets.patch(SECRET, &nothing, &Patch::Merge(json!({}))).await?;
    assert!(read.data.is_some(), "an empty dry-run patch reads the Secret");

    let verify = program.clone().env("PULL_SECRET_MODE", "verify").run().await?;
    verify.expect("SUCCESS", "none", "ok", 0);
    let expected = [
        "secrets (patch, deletecollection)",
        "configmaps (create)",
        "pods/proxy (create)",
        "rolebindings.rbac.authorization.k8s.io (bind)",
        "serviceaccounts (create)",
        "tasks.tekton.dev (patch)",
    ];
    assert_eq!(rights(&verify), expected);
    let doctor = program.env("PULL_SECRET_MODE", "doctor").run().await?;
    let log = &doctor.output.stderr;
    assert!(
        log.contains("beyond pulling: secrets (patch, deletecollection), "),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn s6_a_binding_whose_role_is_gone_makes_the_review_incomplete() -> Result<()> {
    let world = World::new("s6-incomplete").await?;
    world.program().expect("SUCCESS", "created", "ok", 0).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "dangling" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "gone" },
        "subjects": [{ "kind": "ServiceAccount", "name": PULLER }],
    });
    world.namespace.apply(&binding.to_string()).await?;
    let verify = world.program().env("PULL_SECRET_MODE", "verify").run().await?;
    assert_eq!(
        verify.report["credential"]["excess"],
        json!({ "permissions": [], "complete": false, "remedy": null })
    );
    let doctor = world.program().env("PULL_SECRET_MODE", "doctor").run().await?;
    let log = &doctor.output.stderr;
    assert!(log.contains("; the review was incomplete"), "{log}");
    Ok(())
}

#[tokio::test]
async fn missing_rules_review_delays_no_run() -> Result<()> {
    let world = World::new("excess-down").await?;
    let image = world.push("app:v1")?;
    let program = world.program().env("PULL_SECRET_IMAGE", &image);
    short_lived(&program)
        .expect("SUCCESS", "created", "ok", 0)
        .await?;
    for (status, next_run, lifetime) in [
        (StatusCode::FORBIDDEN, "1h", "24h"),
        (StatusCode::SERVICE_UNAVAILABLE, "25h", "48h"),
    ] {
        let proxy = before_api_server(&world, move |request| {
            if request.path.contains("selfsubjectrulesreviews") {
                answer(status, "application/json", "")
            } else {
                Action::Forward
            }
        })?;
        let due = to(&program, &proxy)
            .env("PULL_SECRET_NEXT_RUN_WITHIN", next_run)
            .env("PULL_SECRET_TOKEN_LIFETIME", lifetime);
        let outcome = due.run().await?;
        outcome
            .expect("SUCCESS", "refreshed", "ok", 0)
            .expect_verified("pull");
        assert_eq!(outcome.report["credential"]["excess"], Value::Null, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn excess_of_robots_and_of_structure_checks_is_not_reviewed() -> Result<()> {
    let world = World::new("excess-none").await?;
    let structure = world.program().env("PULL_SECRET_VERIFY", "structure");
    let robot = with_robot(&world, &registries().basic, "robot")?;
    for program in [robot, structure] {
        let mark = world.mark().await?;
        let outcome = program.run().await?;
        assert_eq!(outcome.report["credential"]["excess"], Value::Null, "{outcome}");
        assert_eq!(rules_reviews(&world.requests(mark).await?), 0);
    }
    Ok(())
}
