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

/// The script's exit code and output, and the commands and the object that kubectl received.
struct Run {
    code: Option<i32>,
    output: String,
    commands: String,
    created: Option<String>,
}

fn run(arguments: &[&str]) -> Result<Run> {
    let directory = TempDir::new().context("cannot make a directory")?;
    let kubectl = directory.path().join("kubectl");
    fs::write(&kubectl, KUBECTL)
        .and_then(|()| fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)))
        .context("cannot write the fake kubectl")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new("bash")
        .arg(project::file("tekton/samples/deploy.sh"))
        .args(arguments)
        .env("PATH", format!("{}:{path}", directory.path().display()))
        .env("RECORD", directory.path())
        .output()
        .context("cannot run bash")?;
    let recorded = |name: &str| fs::read_to_string(directory.path().join(name));
    Ok(Run {
        code: status.code(),
        output: String::from_utf8([stdout, stderr].concat())?,
        commands: recorded("commands").unwrap_or_default(),
        created: recorded("created").ok(),
    })
}

/// The TaskRun for an image, as the script creates it.
fn task_run(namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": { "generateName": "ensure-pull-secret-", "namespace": namespace },
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
        assert_eq!(run.code, Some(0), "{image}: {}", run.output);
        let created = documents(&run.created.context("nothing was created")?)?;
        assert_eq!(created, [task_run("my-models", image)], "{image}");
        let mut rest = run.commands.lines().skip(1);
        assert!(
            rest.all(|line| line.contains("--namespace=my-models ")),
            "{}",
            run.commands
        );
        assert_eq!(run.output, "SUCCESS SUCCESS: SUCCESS\n");
    }
    Ok(())
}

/// Whatever the values are, they stay values: the program and the API server judge them.
#[test]
fn s9_a_hostile_value_adds_nothing_to_the_task_run() -> Result<()> {
    let images = [
        "a\"}]}}|{\"x\":{}}",
        "a\"",
        "a\\",
        "{}",
        "[\"a\"]",
        "$image",
        "\\(env)",
        "%s%n",
        "`id`",
        "$HOME",
        "\u{e4}",
        "-a",
        "--help",
    ];
    for image in images {
        let run = run(&["my-models", image])?;
        let created = documents(&run.created.context("nothing was created")?)?;
        assert_eq!(created, [task_run("my-models", image)], "{image}");
    }
    for namespace in ["--kubeconfig=x", "a\",\"b\":\"c", "a\nb", "../b", "A"] {
        let run = run(&[namespace, "registry.example.com/a:1"])?;
        let created = documents(&run.created.context("nothing was created")?)?;
        assert_eq!(
            created,
            [task_run(namespace, "registry.example.com/a:1")],
            "{namespace}"
        );
    }
    Ok(())
}

#[test]
fn s9_the_script_refuses_a_value_that_is_no_image() -> Result<()> {
    let images = [
        "",
        " ",
        "\n",
        "a b",
        "a,b",
        "a\tb",
        "a\nb",
        "a\n",
        "a\rb",
        "$(context.taskRun.name)",
        "a$(params.NAME)",
    ];
    let arguments = images.map(|image| vec!["my-models", image]);
    let without = [vec![], vec!["my-models"], vec!["", "registry.example.com/a:1"]];
    for arguments in arguments.into_iter().chain(without) {
        let run = run(&arguments)?;
        assert_eq!(
            (run.code, &*run.commands),
            (Some(64), ""),
            "{arguments:?}: {}",
            run.output
        );
    }
    Ok(())
}
