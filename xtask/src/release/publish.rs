//! `cargo xtask release publish`: pushes a build, signs and attests it, and verifies that.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use container_image::{
    project::{NO_OWNER, REPOSITORY, VERSION, owner, registry_owner},
    sha256,
};
use serde_json::{Value, json};
use test_cluster::helm::{self, Helm};
use xshell::cmd;

use super::{
    build::{BUNDLE, CHECKSUMS, Digests, IMAGE, SBOM, files},
    cosign::Cosign,
    git::Commit,
};
use crate::project;

/// Kinds of the attestations: of the image's dependencies, and of its origin.
pub const DEPENDENCIES: &str = "cyclonedx";
pub const ORIGIN: &str = "slsaprovenance1";
/// Files that are signatures: assets beside the files of the build. Scorecard looks for these ends of their names.
pub const CHECKSUMS_SIGNATURE: &str = "SHA256SUMS.sigstore.json";
pub const PROVENANCE: &str = "provenance.intoto.jsonl";

const SIGNATURES: [&str; 2] = [CHECKSUMS_SIGNATURE, PROVENANCE];

/// A build, and where it goes.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory that `release build` filled.
    pub out: PathBuf,
    /// Registry and path that the names of image, bundle and chart begin with [default: ghcr.io/OWNER].
    #[arg(long)]
    pub registry: Option<String>,
    /// A directory with cosign.key and cosign.pub. Without it, the workflow's identity signs.
    #[arg(long, value_name = "DIRECTORY")]
    pub key: Option<PathBuf>,
    /// The registry has no TLS.
    #[arg(long)]
    pub plain_http: bool,
}

/// What is in the registry, by digest.
pub struct Published {
    /// The image.
    pub image: String,
    /// The Tekton bundle.
    pub bundle: String,
}

/// Pushes image, bundle and chart, signs them, and writes the signatures of the files beside them.
///
/// # Errors
/// Where the project has no owner and no registry is given, the registry refuses something or has other bytes under a digest,
/// or a signature can't be made or verified.
pub fn publish(arguments: &Arguments) -> Result<Published> {
    let registry = match &arguments.registry {
        Some(registry) => registry.clone(),
        None if owner() == NO_OWNER => {
            bail!("the project has no owner: set `repository` in Cargo.toml, or give --registry")
        }
        None => format!("ghcr.io/{}", registry_owner()),
    };
    // The programs run at the top of the clone.
    let absolute =
        |path: &Path| fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()));
    let out = &absolute(&arguments.out)?;
    let key = arguments.key.as_deref().map(absolute).transpose()?;
    let digests = Digests::read(out)?;
    let cosign = Cosign::new(key.as_deref(), arguments.plain_http)?;
    let image = format!("{registry}/ensure-pull-secret");
    let bundle = format!("{image}/bundle");
    let published = Published {
        image: push(&out.join(IMAGE), &image, &digests.image, arguments.plain_http)?,
        bundle: push(&out.join(BUNDLE), &bundle, &digests.bundle, arguments.plain_http)?,
    };
    let mut pushed = vec![published.image.clone(), published.bundle.clone()];
    let charts = format!("{registry}/charts");
    push_chart(&out.join(&digests.chart), &charts, arguments.plain_http)?;
    let name = format!("{charts}/ensure-pull-secret");
    pushed.push(format!(
        "{name}@{}",
        digest(&format!("{name}:{VERSION}"), arguments.plain_http)?
    ));

    let commit = Commit::of(project::root())?;
    let origin = origin(&commit);
    let directory = tempfile::tempdir().context("cannot create a directory for statements")?;
    let predicate = directory.path().join("origin.json");
    fs::write(&predicate, origin.to_string())?;
    for name in &pushed {
        cosign.sign(name)?;
        cosign.attest(name, ORIGIN, &predicate)?;
    }
    cosign.attest(&published.image, DEPENDENCIES, &out.join(SBOM))?;

    let checksums = out.join(CHECKSUMS);
    cosign.sign_blob(&checksums, &out.join(CHECKSUMS_SIGNATURE))?;
    let statement = directory.path().join("statement.json");
    fs::write(&statement, self::statement(out, &digests, &origin)?.to_string())?;
    cosign.attest_statement(&statement, &out.join(PROVENANCE))?;

    for name in &pushed {
        verified(cosign.verify(name)?, name)?;
        verified(cosign.verify_attestation(name, ORIGIN)?, name)?;
        both_forms(name, arguments.plain_http)?;
    }
    verified(
        cosign.verify_attestation(&published.image, DEPENDENCIES)?,
        &published.image,
    )?;
    verified(
        cosign.verify_blob(&checksums, &out.join(CHECKSUMS_SIGNATURE))?,
        CHECKSUMS,
    )?;
    for name in files(out)?.iter().filter(|name| !SIGNATURES.contains(&&***name)) {
        verified(
            cosign.verify_origin(&out.join(name), ORIGIN, &out.join(PROVENANCE))?,
            name,
        )?;
    }
    for name in &pushed {
        println!("pushed, signed and verified: {name}");
    }
    Ok(published)
}

fn verified(result: std::result::Result<(), String>, what: &str) -> Result<()> {
    result.map_err(|error| anyhow::anyhow!("the signature of {what} is not valid: {error}"))
}

/// Copies a layout to its name and version, and gives `name@digest` after the registry was asked for it.
fn push(layout: &Path, name: &str, expected: &str, plain_http: bool) -> Result<String> {
    let shell = project::shell()?;
    let verify = format!("--dest-tls-verify={}", !plain_http);
    let source = format!("oci:{}", layout.display());
    cmd!(
        shell,
        "skopeo copy --all --preserve-digests --quiet {verify} {source} docker://{name}:{VERSION}"
    )
    .quiet()
    .run()
    .with_context(|| format!("cannot push {name}"))?;
    let pushed = digest(&format!("{name}:{VERSION}"), plain_http)?;
    ensure!(
        pushed == expected,
        "{name} has the digest {pushed} in the registry, and {expected} in the build"
    );
    Ok(format!("{name}@{pushed}"))
}

/// Pushes the chart to `repository`, which is without the chart's name: `ghcr.io/team/charts`.
fn push_chart(package: &Path, repository: &str, plain_http: bool) -> Result<()> {
    let helm = Helm::find()?.context(helm::ADVICE)?;
    let output = helm
        .command(["push"])
        .arg(package)
        .arg(format!("oci://{repository}"))
        .args(plain_http.then_some("--plain-http"))
        .output()
        .context("cannot run Helm")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cannot push the chart to {repository}: {}",
        error.trim()
    );
    Ok(())
}

/// SHA-256 of the manifest that a registry serves.
fn digest(reference: &str, plain_http: bool) -> Result<String> {
    let shell = project::shell()?;
    let verify = format!("--tls-verify={}", !plain_http);
    let output = cmd!(shell, "skopeo inspect --raw {verify} docker://{reference}")
        .quiet()
        .output()
        .with_context(|| format!("the registry does not serve {reference}"))?;
    Ok(format!("sha256:{}", sha256(&output.stdout)))
}

/// Both forms of a signature, each under its tag: `cosign verify` is content with one of them.
fn both_forms(name: &str, plain_http: bool) -> Result<()> {
    let (repository, digest) = name.split_once("@sha256:").context("a name by digest")?;
    for tag in [format!("sha256-{digest}"), format!("sha256-{digest}.sig")] {
        self::digest(&format!("{repository}:{tag}"), plain_http)
            .with_context(|| format!("{name} lacks one of the two forms of its signature"))?;
    }
    Ok(())
}

/// Origin of the files (SLSA provenance, version 1): the commit, and the command that anybody can run again.
fn origin(commit: &Commit) -> Value {
    let source = format!("git+{REPOSITORY}@refs/tags/v{VERSION}");
    json!({
        "buildDefinition": {
            "buildType": format!("{REPOSITORY}/blob/v{VERSION}/docs/development/releasing.md"),
            "externalParameters": { "command": "cargo xtask release build OUT", "source": source },
            "resolvedDependencies": [{ "uri": source, "digest": { "gitCommit": commit.hash } }],
        },
        "runDetails": {
            "builder": { "id": format!("{REPOSITORY}/.github/workflows/release.yaml@refs/tags/v{VERSION}") },
        },
    })
}

/// The in-toto statement about all files of the release, image and bundle.
fn statement(out: &Path, digests: &Digests, origin: &Value) -> Result<Value> {
    let subject = |name: &str, sum: &str| json!({ "name": name, "digest": { "sha256": sum.trim_start_matches("sha256:") } });
    let mut subjects = vec![
        subject(&container_image::project::image(), &digests.image),
        subject(&container_image::project::bundle(), &digests.bundle),
    ];
    for name in files(out)? {
        // Signatures of an earlier run.
        if !SIGNATURES.contains(&&*name) {
            let content = fs::read(out.join(&name)).with_context(|| format!("cannot read {name}"))?;
            subjects.push(subject(&name, &sha256(&content)));
        }
    }
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": origin,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_has_every_file_image_and_bundle_and_no_signature() -> Result<()> {
        let out = tempfile::tempdir()?;
        for name in ["install.yaml", CHECKSUMS_SIGNATURE, PROVENANCE, CHECKSUMS] {
            fs::write(out.path().join(name), "abc")?;
        }
        let digests = Digests {
            image: "sha256:11".to_owned(),
            bundle: "sha256:22".to_owned(),
            chart: "chart.tgz".to_owned(),
        };
        let commit = Commit {
            hash: "abcdef".to_owned(),
            date: String::new(),
            seconds: String::new(),
        };
        let statement = statement(out.path(), &digests, &origin(&commit))?;
        let subjects = statement["subject"].as_array().context("subjects")?;
        let sums: Vec<_> = subjects
            .iter()
            .map(|subject| &subject["digest"]["sha256"])
            .collect();
        assert_eq!(sums, ["11", "22", &sha256(b"abc")]);
        assert!(statement["predicate"].to_string().contains("abcdef"));
        Ok(())
    }
}
