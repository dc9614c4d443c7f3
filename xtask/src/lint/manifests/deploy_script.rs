//! `tekton/samples/deploy.sh` with hostile values, and a fake kubectl that records its input.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_cluster::manifest::documents;

use crate::project;

/// Records what `create` gets, and answers the rest as for a run that succeeded.
const KUBECTL: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$*" >>"$RECORD/commands"
case $1 in
  create) cat >"$RECORD/created" && echo taskrun.tekton.dev/ensure-pull-secret-abcde ;;
  get) echo SUCCESS ;;
esac
"#;

/// How the script ended, and what kubectl was given.
struct Run {
    output: Output,
    created: Option<String>,
    commands: String,
}

fn run(arguments: &[&str]) -> Result<Run> {
    let directory = TempDir::new().context("cannot make a directory")?;
    let kubectl = directory.path().join("kubectl");
    fs::write(&kubectl, KUBECTL).context("cannot write kubectl's stand-in")?;
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755))
        .context("cannot make kubectl's stand-in executable")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .arg(project::file("tekton/samples/deploy.sh"))
        .args(arguments)
        .env("PATH", format!("{}:{path}", directory.path().display()))
        .env("RECORD", directory.path())
        .output()
        .context("cannot run bash")?;
    let recorded = |name: &str| fs::read_to_string(directory.path().join(name));
    Ok(Run {
        output,
        created: recorded("created").ok(),
        commands: recorded("commands").unwrap_or_default(),
    })
}

/// The TaskRun that is to be created for an image.
fn task_run(image: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": { "generateName": "ensure-pull-secret-" },
        "spec": {
            "serviceAccountName": "ensure-pull-secret",
            "taskRef": { "kind": "Task", "name": "ensure-pull-secret" },
            "timeout": "5m",
            "podTemplate": { "enableServiceLinks": false },
            "params": [{ "name": "IMAGE", "value": image }],
        },
    })
}

#[test]
fn s9_the_script_creates_one_task_run_for_an_image() -> Result<()> {
    for image in [
        "image-registry.openshift-image-registry.svc:5000/my-models/granite:1.0",
        "quay.io/team/my_app/x--y@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "oci://[::1]:5000/team/App:V1",
        "123",
        "null",
    ] {
        let run = run(&["my-models", image])?;
        assert_eq!(run.output.status.code(), Some(0), "{image}: {:?}", run.output);
        let created = documents(&run.created.context("nothing was created")?)?;
        assert_eq!(created, [task_run(image)], "{image}");
        let create = run.commands.lines().next().unwrap_or_default();
        assert!(create.contains("--namespace my-models"), "{}", run.commands);
        assert_eq!(
            String::from_utf8_lossy(&run.output.stdout),
            "SUCCESS SUCCESS: SUCCESS\n"
        );
    }
    Ok(())
}

#[test]
fn s9_the_script_refuses_a_value_that_would_add_yaml() -> Result<()> {
    let role_binding =
        "a\"\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x}\n#";
    for image in [
        "a\"\n  podTemplate:\n    env:\n    - {name: PULL_SECRET_TRUSTED_HOSTS, value: evil.example}\n#",
        role_binding,
        "a\"",
        "a\\",
        "a\nb",
        "a\n",
        "a\rb",
        "a\tb",
        "a b",
        "a,b",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{e4}",
        "a: b # c'",
        "{}",
        "%s%n",
        "$(context.taskRun.name)",
        "$(params.NAME)",
        "$HOME",
        "`id`",
        "",
    ] {
        let run = run(&["my-models", image])?;
        assert_eq!(run.output.status.code(), Some(64), "{image:?}: {:?}", run.output);
        assert_eq!(run.commands, "", "{image:?}");
        let said = String::from_utf8_lossy(&run.output.stderr);
        assert!(said.contains("IMAGE must be"), "{image:?}: {said}");
    }
    for namespace in ["", "--kubeconfig=x", "a b", "a\nb", "A", "-a", "a-"] {
        let run = run(&[namespace, "registry.example.com/a:1"])?;
        assert_eq!(
            run.output.status.code(),
            Some(64),
            "{namespace:?}: {:?}",
            run.output
        );
        assert_eq!(run.commands, "", "{namespace:?}");
    }
    for arguments in [&[][..], &["my-models"]] {
        assert_eq!(run(arguments)?.output.status.code(), Some(64), "{arguments:?}");
    }
    Ok(())
}
