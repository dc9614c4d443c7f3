//! Signatures and attestations, by cosign: with the identity of the workflow that runs it, or with a key.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use container_image::project::{REPOSITORY, VERSION};
use xshell::{Cmd, Shell, cmd};

use crate::project;

/// Where cosign 3 differs from this, the options below do too.
const INSTALL: &str = "go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3";
/// Options for a signature as cosign 2 made it. ghcr.io has no referrers API, and there Kyverno (kyverno#16664) and OpenShift's
/// policies (cosign#5043) find only this form.
const OLD_FORM: [&str; 2] = ["--new-bundle-format=false", "--use-signing-config=false"];

/// cosign, and who signs.
pub struct Cosign {
    shell: Shell,
    program: PathBuf,
    key: Option<Key>,
    plain_http: bool,
}

/// A key pair, with a signing configuration that has no services.
struct Key {
    private: PathBuf,
    public: PathBuf,
    config: PathBuf,
}

impl Cosign {
    /// Signs with the workflow's identity, or with the key pair `cosign.key` and `cosign.pub` of a directory.
    ///
    /// # Errors
    /// Where cosign is missing or can't write the signing configuration.
    pub fn new(key: Option<&Path>, plain_http: bool) -> Result<Self> {
        let shell = project::shell()?;
        let program = program()?;
        // Otherwise it asks for one.
        if std::env::var_os("COSIGN_PASSWORD").is_none() {
            shell.set_var("COSIGN_PASSWORD", "");
        }
        let key = key.map(|directory| {
            let config = directory.join("signing-config.json");
            let key = Key {
                private: directory.join("cosign.key"),
                public: directory.join("cosign.pub"),
                config: config.clone(),
            };
            let none = ["fulcio", "oidc", "rekor", "tsa"].map(|service| format!("--no-default-{service}"));
            cmd!(shell, "{program} signing-config create {none...} --out {config}")
                .quiet()
                .ignore_stdout()
                .run()
                .context("cannot write a signing configuration")?;
            anyhow::Ok(key)
        });
        Ok(Self {
            key: key.transpose()?,
            shell,
            program,
            plain_http,
        })
    }

    /// Writes a key pair without password into a directory.
    ///
    /// # Errors
    /// Where cosign is missing or fails.
    pub fn generate_key(directory: &Path) -> Result<()> {
        let shell = project::shell()?;
        let program = program()?;
        shell.change_dir(directory);
        cmd!(shell, "{program} generate-key-pair")
            .env("COSIGN_PASSWORD", "")
            .quiet()
            .ignore_stderr()
            .run()
            .context("cannot generate a key pair")
    }

    /// Signs an image, and each platform's image in it, by digest and in both forms: a node's policy may look at either.
    ///
    /// # Errors
    /// Where cosign fails.
    pub fn sign(&self, image: &str) -> Result<()> {
        self.signing(&["sign", "--yes", "--recursive"], false)
            .args(self.registry())
            .arg(image)
            .run_quiet(image)?;
        self.signing(&["sign", "--yes", "--recursive"], true)
            .args(self.registry())
            .arg(image)
            .run_quiet(image)
    }

    /// Attaches a predicate to an image by digest.
    ///
    /// # Errors
    /// Where cosign fails.
    pub fn attest(&self, image: &str, kind: &str, predicate: &Path) -> Result<()> {
        let attest = ["attest", "--yes", "--type", kind];
        self.signing(&attest, false)
            .arg("--predicate")
            .arg(predicate)
            .args(self.registry())
            .arg(image)
            .run_quiet(image)
    }

    /// Signs a file; the signature with all that verifies it goes into `bundle`.
    ///
    /// # Errors
    /// Where cosign fails.
    pub fn sign_blob(&self, file: &Path, bundle: &Path) -> Result<()> {
        let name = file.display().to_string();
        self.signing(&["sign-blob", "--yes"], false)
            .arg("--bundle")
            .arg(bundle)
            .arg(file)
            .run_quiet(&name)
    }

    /// Signs an in-toto statement; the attestation goes into `bundle`.
    ///
    /// # Errors
    /// Where cosign fails.
    pub fn attest_statement(&self, statement: &Path, bundle: &Path) -> Result<()> {
        let name = statement.display().to_string();
        let options = ["attest-blob", "--yes"];
        self.signing(&options, false)
            .arg("--statement")
            .arg(statement)
            .arg("--bundle")
            .arg(bundle)
            .run_quiet(&name)
    }

    /// `cosign verify` of an image, as README has it. Gives cosign's error where the image has no signature.
    ///
    /// # Errors
    /// Where cosign can't be run.
    pub fn verify(&self, image: &str) -> Result<std::result::Result<(), String>> {
        self.verified(&["verify"], &self.registry(), image)
    }

    /// As [`Cosign::verify`], for an attestation of this kind.
    ///
    /// # Errors
    /// Where cosign can't be run.
    pub fn verify_attestation(&self, image: &str, kind: &str) -> Result<std::result::Result<(), String>> {
        self.verified(&["verify-attestation", "--type", kind], &self.registry(), image)
    }

    /// As [`Cosign::verify`], for a file.
    ///
    /// # Errors
    /// Where cosign can't be run.
    pub fn verify_blob(&self, file: &Path, bundle: &Path) -> Result<std::result::Result<(), String>> {
        let bundle = bundle.display().to_string();
        self.verified(
            &["verify-blob", "--bundle", &bundle],
            &[],
            &file.display().to_string(),
        )
    }

    /// As [`Cosign::verify`], for the origin of a file in an attestation of several files.
    ///
    /// # Errors
    /// Where cosign can't be run.
    pub fn verify_origin(
        &self,
        file: &Path,
        kind: &str,
        bundle: &Path,
    ) -> Result<std::result::Result<(), String>> {
        let bundle = bundle.display().to_string();
        let command = ["verify-blob-attestation", "--type", kind, "--bundle", &bundle];
        self.verified(&command, &[], &file.display().to_string())
    }

    /// Options that name who signed.
    pub fn identity(&self) -> Vec<String> {
        match &self.key {
            Some(key) => vec![
                format!("--key={}", key.public.display()),
                // A key's signature is in no log.
                "--insecure-ignore-tlog=true".to_owned(),
            ],
            None => vec![
                format!(
                    "--certificate-identity={REPOSITORY}/.github/workflows/release.yaml@refs/tags/v{VERSION}"
                ),
                "--certificate-oidc-issuer=https://token.actions.githubusercontent.com".to_owned(),
            ],
        }
    }

    /// The program, and the options for a registry without TLS.
    pub fn program_and_registry(&self) -> (&Path, Vec<&'static str>) {
        (&self.program, self.registry())
    }

    fn registry(&self) -> Vec<&'static str> {
        if self.plain_http {
            vec!["--allow-http-registry"]
        } else {
            Vec::new()
        }
    }

    fn signing(&self, command: &[&str], old_form: bool) -> Cmd<'_> {
        let mut signing = self.shell.cmd(&self.program).args(command);
        if old_form {
            signing = signing.args(OLD_FORM);
        }
        if let Some(key) = &self.key {
            signing = signing.arg("--key").arg(&key.private);
            signing = if old_form {
                signing.arg("--tlog-upload=false")
            } else {
                signing.arg("--signing-config").arg(&key.config)
            };
        }
        signing
    }

    fn verified(
        &self,
        command: &[&str],
        registry: &[&str],
        what: &str,
    ) -> Result<std::result::Result<(), String>> {
        let command = self.shell.cmd(&self.program).args(command);
        verdict(command.args(self.identity()).args(registry).arg(what))
    }
}

/// Runs a verification. Gives cosign's error.
pub fn verdict(command: Cmd<'_>) -> Result<std::result::Result<(), String>> {
    let output = command
        .quiet()
        .ignore_status()
        .output()
        .context("cannot run cosign")?;
    let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(if output.status.success() {
        Ok(())
    } else {
        Err(error)
    })
}

/// Output of a command only where it fails.
trait RunQuiet {
    fn run_quiet(self, what: &str) -> Result<()>;
}

impl RunQuiet for Cmd<'_> {
    fn run_quiet(self, what: &str) -> Result<()> {
        let output = self
            .quiet()
            .ignore_status()
            .output()
            .context("cannot run cosign")?;
        if !output.status.success() {
            bail!(
                "cosign failed for {what}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

fn program() -> Result<PathBuf> {
    project::tool(&project::shell()?, "cosign").with_context(|| format!("cosign is not installed: {INSTALL}"))
}
