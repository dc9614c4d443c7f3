//! `tekton/samples/deploy.sh` with hostile values, and a fake kubectl that records its input.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use anyhow::{Context as _, Result};
use serde_json::json;
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
        let task_run = json!({
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
        });
        assert_eq!(
            documents(&run.created.context("nothing was created")?)?,
            [task_run],
            "{image}"
        );
        let create = run.commands.lines().next().unwrap_or_default();
        assert!(create.contains("--namespace my-models"), "{}", run.commands);
        assert_eq!(run.output, "SUCCESS SUCCESS: SUCCESS\n");
    }
    Ok(())
}

#[test]
fn s9_the_script_refuses_a_value_that_would_add_yaml() -> Result<()> {
    let trusted_host =
        "a\"\n  podTemplate:\n    env:\n    - {name: PULL_SECRET_TRUSTED_HOSTS, value: evil.example}\n#";
    let role_binding =
        "a\"\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x}\n#";
    // Quotes, white space and line ends, other characters, other languages.
    let lists: [&[&str]; 4] = [
        &[trusted_host, role_binding, "a\"", "a\\", "a: b # c'", "{}", ""],
        &[
            "a b",
            "a,b",
            "a\tb",
            "a\nb",
            "a\n",
            "a\rb",
            "a\u{85}b",
            "a\u{2028}b",
            "\u{e4}",
        ],
        &["%s%n", "$HOME", "`id`"],
        &["$(context.taskRun.name)", "$(params.NAME)"],
    ];
    let images = lists.concat().into_iter().map(|image| vec!["my-models", image]);
    let namespaces = ["", "--kubeconfig=x", "a b", "a\nb", "A", "-a", "a-"];
    let namespaces = namespaces.map(|namespace| vec![namespace, "registry.example.com/a:1"]);
    for arguments in images.chain(namespaces).chain([vec![], vec!["my-models"]]) {
        let run = run(&arguments)?;
        assert_eq!(
            (run.code, &*run.commands),
            (Some(64), ""),
            "{arguments:?}: {}",
            run.output
        );
        if let ["my-models", _] = arguments[..] {
            assert!(
                run.output.contains("IMAGE must be"),
                "{arguments:?}: {}",
                run.output
            );
        }
    }
    Ok(())
}
