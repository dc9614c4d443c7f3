//! The pod's own identity: its API server, its mounted files and trusted roots.

use std::{
    fs,
    path::{Path, PathBuf},
};

use http::uri::Authority;

use crate::{
    config::{Config, may_be_credential},
    file,
    outcome::{Finding, Reason},
    text::clip_name,
    transport::roots,
};

/// Most files of `SSL_CERT_FILE` and `SSL_CERT_DIR` that are read, and their length together, in bytes. A distribution
/// has some hundred files with less than 1 MiB.
const SYSTEM_BUNDLES: usize = 4096;
const SYSTEM_BUNDLES_LIMIT: usize = 4 << 20;

pub(crate) fn not_in_cluster(cause: impl Into<String>) -> Finding {
    Finding::new(Reason::NotInCluster, cause)
}

pub(crate) fn api_server_authority(config: &Config) -> Result<Authority, Finding> {
    let address = config
        .api_server
        .as_ref()
        .ok_or_else(|| not_in_cluster("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"))?;
    Authority::try_from(address.to_string())
        .map_err(|_| not_in_cluster("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not an address"))
}

pub(crate) fn mounted(directory: &Path, name: &str) -> Result<Vec<u8>, Finding> {
    file::read(&directory.join(name))
        .map_err(|problem| not_in_cluster(format!("the file {name} in {} {problem}", shown(directory))))
}

pub(crate) fn own_namespace(directory: &Path) -> Result<String, Finding> {
    let text = String::from_utf8(mounted(directory, "namespace")?).unwrap_or_default();
    let namespace = text.trim();
    let is_label = !namespace.is_empty()
        && namespace.len() <= 63
        && namespace
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_label {
        Ok(namespace.to_owned())
    } else {
        Err(not_in_cluster(format!(
            "the file namespace in {} holds no namespace",
            shown(directory)
        )))
    }
}

/// The roots that registries are trusted by (CONTRACT section 2, `PULL_SECRET_REGISTRY_CA_FILE`).
pub(crate) fn registry_trust(config: &Config, notes: &mut Vec<String>) -> Result<roots::Trust, Finding> {
    let mut trust = roots::Registries::public();
    for name in ["service-ca.crt", "ca.crt"] {
        if let Ok(bundle) = file::read(&config.service_account_dir.join(name)) {
            let _ = trust.add(&bundle);
        }
    }
    let mut left = SYSTEM_BUNDLES_LIMIT;
    for bundle in system_bundles(config) {
        let content = file::read(&bundle);
        let problem = match &content {
            Ok(content) if content.len() > left => {
                notes.push("SSL_CERT_DIR has more than 4 MiB: not all of it was read.".to_owned());
                break;
            }
            Ok(content) => {
                left = left.saturating_sub(content.len());
                let is_added = trust.add(content).is_ok();
                (!is_added).then_some("holds no certificate that can be used")
            }
            Err(problem) => Some(*problem),
        };
        if let Some(problem) = problem
            && config.ssl_cert_file.as_deref() == Some(bundle.as_path())
        {
            notes.push(format!("SSL_CERT_FILE {} {problem}.", shown(&bundle)));
        }
    }
    let invalid = |cause: String| {
        Finding::new(Reason::InvalidConfiguration, cause).about("PULL_SECRET_REGISTRY_CA_FILE")
    };
    if let Some(path) = &config.registry_ca_file {
        let bundle = file::read(path)
            .map_err(|problem| invalid(format!("PULL_SECRET_REGISTRY_CA_FILE {} {problem}", shown(path))))?;
        trust
            .add(&bundle)
            .map_err(|error| invalid(format!("PULL_SECRET_REGISTRY_CA_FILE {}: {error}", shown(path))))?;
    }
    trust
        .client()
        .map_err(|error| Finding::new(Reason::Internal, error.to_string()))
}

fn system_bundles(config: &Config) -> Vec<PathBuf> {
    let files = config.ssl_cert_file.iter().cloned();
    // A list, as OpenSSL and Go read it: OpenShift Pipelines sets `/tekton-custom-certs:/etc/ssl/certs:…`.
    let directories = config
        .ssl_cert_dir
        .iter()
        .flat_map(std::env::split_paths)
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten();
    files
        .chain(directories.flatten().map(|entry| entry.path()))
        .take(SYSTEM_BUNDLES)
        .collect()
}

/// Printable path; a token may be there in the place of its file.
pub(crate) fn shown(path: &Path) -> String {
    let path = path.to_string_lossy();
    if may_be_credential(&path) {
        "redacted".to_owned()
    } else {
        clip_name(&path, 80)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn directory_of(files: &[(&str, &[u8])]) -> TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, content) in files {
            fs::write(directory.path().join(name), content).expect("a file");
        }
        directory
    }

    fn config(more: &[(&str, &Path)]) -> Config {
        let name = [("PULL_SECRET_NAME", Path::new("pull"))];
        let variables = name.iter().chain(more);
        Config::from_env(variables.map(|(name, value)| (name.into(), value.into()))).expect("a configuration")
    }

    #[test]
    fn missing_mounted_file_is_named_with_its_directory() {
        let directory = directory_of(&[("namespace", b"demo\n")]);
        assert_eq!(
            mounted(directory.path(), "namespace").as_deref(),
            Ok(&b"demo\n"[..])
        );
        let missing = mounted(directory.path(), "token").expect_err("there is none");
        assert_eq!(missing.reason, Reason::NotInCluster);
        assert!(missing.cause.contains("the file token in "), "{}", missing.cause);
        assert!(missing.cause.ends_with(" does not exist"), "{}", missing.cause);
        let a_directory = mounted(directory.path(), "").expect_err("it is no file");
        assert!(
            a_directory.cause.ends_with(" is not a regular file"),
            "{}",
            a_directory.cause
        );
    }

    #[test]
    fn own_namespace_is_a_trimmed_label() {
        let label = "n".repeat(63);
        for (content, namespace) in [
            ("demo\n", Some("demo")),
            (" a-1 ", Some("a-1")),
            (&label, Some(label.as_str())),
            (&format!("{label}n"), None),
            ("", None),
            ("Demo", None),
            ("a.b", None),
        ] {
            let directory = directory_of(&[("namespace", content.as_bytes())]);
            let found = own_namespace(directory.path());
            assert_eq!(found.as_deref().ok(), namespace, "{content:?}");
            if let Err(finding) = found {
                assert!(
                    finding.cause.ends_with(" holds no namespace"),
                    "{}",
                    finding.cause
                );
            }
        }
    }

    #[test]
    fn named_ca_file_must_be_valid_and_a_system_file_is_noted() {
        let directory = directory_of(&[("empty.pem", b"")]);
        let (empty, missing) = (directory.path().join("empty.pem"), directory.path().join("gone"));
        for (path, said) in [(&missing, " does not exist"), (&empty, "empty.pem: ")] {
            let config = config(&[("PULL_SECRET_REGISTRY_CA_FILE", path)]);
            let finding = registry_trust(&config, &mut Vec::new()).expect_err("it is none");
            assert_eq!(finding.reason, Reason::InvalidConfiguration);
            assert!(finding.cause.contains(said), "{}", finding.cause);
        }
        let mut notes = Vec::new();
        let elsewhere = directory_of(&[("other.pem", b"nothing")]);
        let config = config(&[("SSL_CERT_FILE", &empty), ("SSL_CERT_DIR", elsewhere.path())]);
        assert!(registry_trust(&config, &mut notes).is_ok());
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("SSL_CERT_FILE "), "{notes:?}");
        assert!(
            notes[0].ends_with("empty.pem holds no certificate that can be used."),
            "{notes:?}"
        );
    }
}
