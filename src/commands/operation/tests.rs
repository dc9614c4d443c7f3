//! What a run reads before it sends anything: identity, trust, and the source of the credential.

use std::{fs, path::Path};

use tempfile::TempDir;
use test_cluster::certificates::Authority;

use super::*;
use crate::{
    commands::{
        credential_source::resolve,
        fixtures::{DAY, REGISTRY, jwt, jwt_of},
    },
    decide::CredentialSource,
    kubernetes::token_request::ServiceAccountRef,
};

/// A directory with the files that Kubernetes mounts into a pod.
fn mounted_files(caller: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let ca = Authority::new("test").expect("a CA certificate").pem();
    let token = jwt_of(caller, "runner", DAY, &serde_json::json!({}));
    for (name, content) in [
        ("ca.crt", ca),
        ("token", token),
        ("namespace", "demo\n".to_owned()),
    ] {
        fs::write(directory.path().join(name), content).expect("a file");
    }
    directory
}

fn config(directory: &Path, more: &[(&str, &str)]) -> Config {
    let directory = directory.display().to_string();
    let base = [
        ("PULL_SECRET_NAME", "pull"),
        ("PULL_SECRET_SERVICE_ACCOUNT_DIR", &directory),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    let variables = base.iter().chain(more);
    Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
}

fn operation(config: &Config) -> Result<Operation<'_>, Finding> {
    let deadline = Deadline::new(Instant::now(), Duration::from_secs(60));
    Operation::new(config, deadline, Progress::default())
}

/// The source, or the cause of the finding.
fn source(config: &Config) -> Result<CredentialSource, String> {
    let operation = operation(config).map_err(|finding| finding.cause)?;
    resolve(&operation).map_err(|finding| format!("{}: {}", finding.reason, finding.cause))
}

#[tokio::test]
async fn an_operation_is_about_the_namespace_and_account_of_its_pod() {
    let files = mounted_files("runner");
    for (namespace, expected) in [("", "demo"), ("team", "team")] {
        let config = config(files.path(), &[("PULL_SECRET_NAMESPACE", namespace)]);
        let Ok(operation) = operation(&config) else {
            panic!("it has all files")
        };
        assert_eq!(operation.target.namespace, expected);
        assert_eq!(operation.target.runner_name(), "demo/runner");
        let token = fs::read_to_string(files.path().join("token")).expect("a token");
        assert!(operation.secrets.show_in(&token));
        assert_eq!(operation.progress.outcome().notes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_operation_needs_each_mounted_file() {
    for (name, content, cause) in [
        ("ca.crt", None, "does not exist"),
        ("ca.crt", Some("x"), ": "),
        ("token", None, "does not exist"),
        ("token", Some(""), ": "),
        ("namespace", None, "does not exist"),
        ("namespace", Some("A B"), "holds no namespace"),
    ] {
        let files = mounted_files("runner");
        let path = files.path().join(name);
        match content {
            Some(content) => fs::write(path, content).expect("a file"),
            None => fs::remove_file(path).expect("a file"),
        }
        let config = config(files.path(), &[]);
        let finding = operation(&config).map(|_| ()).expect_err("a finding");
        assert_eq!(finding.reason, Reason::NotInCluster, "{name}");
        let file = format!("the file {name} in ");
        assert!(
            finding.cause.starts_with(&file) && finding.cause.contains(cause),
            "{}",
            finding.cause
        );
    }
}

#[tokio::test]
async fn an_operation_notes_a_file_of_certificates_without_any() {
    let files = mounted_files("runner");
    let empty = files.path().join("empty.crt").display().to_string();
    let config = config(files.path(), &[("SSL_CERT_FILE", &empty)]);
    let Ok(operation) = operation(&config) else {
        panic!("it has all files")
    };
    let notes = operation.progress.outcome().notes;
    assert!(
        notes[0].starts_with("SSL_CERT_FILE ") && notes.len() == 1,
        "{notes:?}"
    );
}

#[tokio::test]
async fn the_source_is_the_named_account_or_that_of_the_pod_in_the_namespace() {
    let files = mounted_files("runner");
    let account = |more: &[(&str, &str)]| match source(&config(files.path(), more)) {
        Ok(CredentialSource::TokenRequest {
            service_account: ServiceAccountRef { namespace, name },
            audiences,
            ..
        }) => Ok((namespace, name, audiences)),
        Ok(CredentialSource::File(_)) => Err("a file".to_owned()),
        Err(cause) => Err(cause),
    };
    let found =
        |namespace: &str, name: &str| Ok((namespace.to_owned(), name.to_owned(), vec!["api".to_owned()]));
    assert_eq!(account(&[]), found("demo", "runner"));
    assert_eq!(
        account(&[("PULL_SECRET_NAMESPACE", "demo")]),
        found("demo", "runner")
    );
    let named = ("PULL_SECRET_SERVICE_ACCOUNT", "puller");
    assert_eq!(account(&[named]), found("demo", "puller"));
    assert_eq!(
        account(&[named, ("PULL_SECRET_NAMESPACE", "team")]),
        found("team", "puller")
    );
    let cause = account(&[("PULL_SECRET_NAMESPACE", "team")]).expect_err("no account of the namespace");
    assert!(
        cause.starts_with("invalid-configuration: PULL_SECRET_SERVICE_ACCOUNT is required"),
        "{cause}"
    );
}

#[tokio::test]
async fn the_source_is_the_token_of_a_file_that_may_be_sent_to_every_registry() {
    let files = mounted_files("runner");
    let path = files.path().join("robot");
    let shown = path.display().to_string();
    let internal = ("PULL_SECRET_REGISTRY", REGISTRY);
    let quay = ("PULL_SECRET_REGISTRY", "quay.io");
    let trusted = ("PULL_SECRET_TRUSTED_HOSTS", "quay.io");
    let bound = jwt_of(
        "model-puller",
        "id",
        DAY,
        &serde_json::json!({"pod": {"name": "a-pod", "uid": "2"}}),
    );
    let token = jwt("id", DAY);
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Variables<'_>, &str); 7] = [
        ("robot", &[quay], ""),
        (&token, &[internal], ""),
        (&token, &[quay, trusted], ""),
        ("sha256~AbCd", &[internal], ""),
        (
            &token,
            &[quay],
            "invalid-configuration: a Kubernetes token is not sent to quay.io: it is not in PULL_SECRET_TRUSTED_HOSTS",
        ),
        ("", &[quay], "invalid-configuration: PULL_SECRET_TOKEN_FILE "),
        (&bound, &[internal], "pod-bound-token: the token in "),
    ];
    for (content, more, cause) in cases {
        fs::write(&path, content).expect("a file");
        let more = [more, &[("PULL_SECRET_TOKEN_FILE", shown.as_str())]].concat();
        let config = config(files.path(), &more);
        let Ok(operation) = operation(&config) else {
            panic!("it has all files")
        };
        match resolve(&operation) {
            Ok(CredentialSource::File(credential)) => {
                assert_eq!(cause, "", "{content}");
                assert!(operation.secrets.show_in(content));
                assert_eq!(credential.summary().credential_id.is_some(), content == token);
            }
            Ok(CredentialSource::TokenRequest { .. }) => panic!("{content}: it is a file"),
            Err(finding) => {
                let found = format!("{}: {}", finding.reason, finding.cause);
                assert!(!cause.is_empty() && found.starts_with(cause), "{found}");
                let is_remedied = finding
                    .remedy()
                    .ends_with("set PULL_SECRET_TRUSTED_HOSTS to quay.io.");
                assert_eq!(
                    is_remedied,
                    cause.contains("is not sent to"),
                    "{}",
                    finding.remedy()
                );
            }
        }
        let is_noted = !operation.progress.outcome().notes.is_empty();
        assert_eq!(is_noted, content.starts_with("sha256~"), "{content}");
    }
    fs::remove_file(&path).expect("a file");
    let cause = source(&config(files.path(), &[("PULL_SECRET_TOKEN_FILE", &shown)])).map(|_| ());
    assert!(cause.expect_err("no file").ends_with(" does not exist"));
}

#[tokio::test]
async fn s3_a_token_in_the_text_of_an_annotation_is_refused() {
    let files = mounted_files("runner");
    let path = files.path().join("robot");
    fs::write(&path, "s3cr3t-robot-pass\n").expect("a file");
    let path = path.display().to_string();
    for (variable, text, is_refused) in [
        ("PULL_SECRET_DISPLAY_NAME", "s3cr3t-robot-pass", true),
        ("PULL_SECRET_DESCRIPTION", "Quay: s3cr3t-robot-pass", true),
        ("PULL_SECRET_DESCRIPTION", "Quay", false),
    ] {
        let more = [
            ("PULL_SECRET_REGISTRY", "quay.io"),
            ("PULL_SECRET_TOKEN_FILE", path.as_str()),
            (variable, text),
        ];
        let found = source(&config(files.path(), &more)).map(|_| ());
        let expected =
            format!("invalid-configuration: {variable} contains the token of PULL_SECRET_TOKEN_FILE");
        let refused = found.is_err_and(|cause| cause.starts_with(&expected));
        assert_eq!(refused, is_refused, "{text}");
    }
}

#[test]
fn s3_a_path_that_may_be_a_password_is_not_printed() {
    for (path, text) in [
        ("/var/run/robot/token", "/var/run/robot/token"),
        ("/AbCdEfGh12345678IjKl", "redacted"),
        ("/run/glpat-AbCdEfGh12345678", "redacted"),
    ] {
        assert_eq!(shown(Path::new(path)), text);
    }
}

#[test]
fn a_difference_of_clocks_counts_beyond_one_minute() {
    for (ahead, text) in [
        (60, None),
        (-60, None),
        (61, Some("61 s behind the API server's")),
        (-61, Some("61 s ahead of the API server's")),
    ] {
        let found = skew(SignedDuration::from_secs(ahead));
        assert_eq!(found.as_deref(), text, "{ahead}");
    }
}
