//! `cargo xtask release rehearse`: the whole release with a registry, a key and an API server of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use container_image::{
    BuildContext, Builder, BuiltImage, Labels, Platform, layout_digest,
    project::{VERSION, image},
};
use test_cluster::{servers::Binaries, tekton_validation::bundle_entry};
use xshell::cmd;

use super::{
    build::{self, Digests, NOTES},
    compare,
    cosign::{Cosign, verdict},
    git::{self, Commit},
    install,
    local_registry::LocalRegistry,
    node,
    publish::{self, Published},
};
use crate::{project, steps::Steps};

/// Directories of the two builds' clones: of different lengths, so that a path in a file shows.
const CLONES: [&str; 2] = ["clone", "another/directory/of/the/same/commit"];

/// Runs all of it, and prints what a user would type.
///
/// # Errors
/// Where files differ from the commit, or a step fails.
pub async fn rehearse() -> Result<ExitCode> {
    let commit = Commit::of(project::root())?;
    let directory = tempfile::Builder::new()
        .prefix("release-")
        .tempdir()
        .context("cannot create a directory for the rehearsal")?;
    let top = directory.path();
    let binaries = Binaries::ensure()?;
    let mut steps = Steps::new(8);

    let mut outs = Vec::new();
    for (clone, number) in CLONES.iter().zip(["first", "second"]) {
        steps.next(&format!("{number} build, in an empty directory"), "6 min");
        outs.push(build_clone(top, clone, number, &commit).await?);
    }
    let [out, second] = &outs[..] else {
        bail!("two builds");
    };
    let files = compare::same(out, second)?;
    println!("both builds have the same bytes: {files} files");

    steps.next("push, signatures and attestations", "20 s");
    let registry = LocalRegistry::start(&binaries, top).await?;
    let keys = top.join("keys");
    fs::create_dir(&keys)?;
    Cosign::generate_key(&keys)?;
    let published = publish::publish(&publish::Arguments {
        out: out.clone(),
        registry: Some(registry.host.clone()),
        key: Some(keys.clone()),
        plain_http: true,
    })?;

    steps.next("pull by digest", "5 s");
    pull(&published, &Digests::read(out)?, top)?;

    steps.next("bundle, by Tekton's resolver", "5 s");
    for kind in ["task", "stepaction"] {
        let entry = bundle_entry(&published.bundle, kind, "ensure-pull-secret")?;
        ensure!(
            entry["data"].as_str().is_some_and(|data| data.contains(&image())),
            "{kind} is empty"
        );
        println!("the bundle has the {kind} ensure-pull-secret");
    }

    steps.next("installs on an API server", "30 s");
    install::each_way(out, &registry.host, top).await?;

    match requirements::node_obstacle() {
        None => {
            steps.next("the installs' CronJobs and TaskRuns on a node", "3 min");
            node::each_install_runs(out).await?;
        }
        Some(obstacle) if requirements::in_ci() => bail!("the installs can't be run: {obstacle}"),
        Some(obstacle) => println!("NOT run on a node: {obstacle}"),
    }

    steps.next("README's verification, then one changed byte", "15 s");
    let cosign = Cosign::new(Some(&keys), true)?;
    let command = readme_command(&fs::read_to_string(project::file("README.md"))?)?;
    let tagged = format!("{}/ensure-pull-secret:{VERSION}", registry.host);
    let verify = || verify_as_readme(&command, &tagged, &cosign);
    verify()?.map_err(|error| anyhow::anyhow!("README's command refuses the signed image: {error}"))?;
    println!("accepted: {}", command.join(" "));
    push_changed(out, top, &tagged).await?;
    match verify()? {
        Ok(()) => bail!("README's command accepts an image with another byte"),
        Err(error) => println!(
            "refused after one byte was changed: {}",
            error.lines().last().unwrap_or_default()
        ),
    }
    steps.finish();

    println!("\nA user reads:\n\n{}", fs::read_to_string(out.join(NOTES))?);
    Ok(ExitCode::SUCCESS)
}

/// Builds a new clone of the commit.
async fn build_clone(top: &Path, clone: &str, out: &str, commit: &Commit) -> Result<PathBuf> {
    let (clone, out) = (top.join(clone), top.join(out));
    let shell = git::shell(project::root())?;
    let (root, hash) = (project::root(), &commit.hash);
    cmd!(shell, "git clone --quiet {root} {clone}")
        .quiet()
        .run()
        .context("cannot clone")?;
    shell.change_dir(&clone);
    cmd!(shell, "git checkout --quiet --detach {hash}")
        .quiet()
        .run()
        .context("cannot check the commit out")?;
    build::build(&clone, &out).await?;
    Ok(out)
}

/// Pulls image and bundle by digest; skopeo compares every byte with it.
fn pull(published: &Published, digests: &Digests, top: &Path) -> Result<()> {
    let shell = project::shell()?;
    for (name, digest, place) in [
        (&published.image, &digests.image, "pulled-image"),
        (&published.bundle, &digests.bundle, "pulled-bundle"),
    ] {
        let layout = top.join(place);
        let target = format!("oci:{}", layout.display());
        cmd!(
            shell,
            "skopeo copy --all --preserve-digests --quiet --src-tls-verify=false docker://{name} {target}"
        )
        .quiet()
        .run()
        .with_context(|| format!("cannot pull {name}"))?;
        ensure!(layout_digest(&layout)? == *digest, "{name} is not what was built");
        println!("pulled: {name}");
    }
    Ok(())
}

/// The words of README's `cosign verify`.
fn readme_command(readme: &str) -> Result<Vec<String>> {
    let begin = format!("cosign verify {}:{VERSION}", image());
    let (_, rest) = readme
        .split_once(&begin)
        .with_context(|| format!("README.md has no command that begins with `{begin}`"))?;
    let (rest, _) = rest.split_once("```").context("its block has an end")?;
    let command = format!("{begin}{rest}").replace("\\\n", " ");
    Ok(command.split_whitespace().map(str::to_owned).collect())
}

/// README's command with the local image, and the key in place of the workflow's identity. Gives cosign's error.
fn verify_as_readme(
    command: &[String],
    tagged: &str,
    cosign: &Cosign,
) -> Result<std::result::Result<(), String>> {
    let (program, registry) = cosign.program_and_registry();
    let mut words = command.iter().skip(1);
    let mut arguments = Vec::new();
    while let Some(word) = words.next() {
        if word.starts_with("--certificate-") {
            words.next();
        } else if word.starts_with(&image()) {
            arguments.push(tagged.to_owned());
        } else {
            arguments.push(word.clone());
        }
    }
    let shell = project::shell()?;
    let command = shell.cmd(program).args(arguments);
    verdict(command.args(cosign.identity()).args(registry))
}

/// Moves the tag to an image whose binary differs in its last byte.
async fn push_changed(out: &Path, top: &Path, tagged: &str) -> Result<()> {
    let mut binaries = Vec::new();
    for platform in Platform::ALL {
        let name = format!("ensure-pull-secret-{}", platform.to_string().replace('/', "-"));
        let mut content = fs::read(out.join(&name)).with_context(|| format!("cannot read {name}"))?;
        if platform == Platform::ALL[0] {
            let last = content.last_mut().context("a binary has bytes")?;
            *last ^= 1;
        }
        let changed = top.join(format!("changed-{name}"));
        fs::write(&changed, content)?;
        binaries.push((platform, changed));
    }
    let context = BuildContext::write(&top.join("changed-dist"), &binaries)?;
    let layout = top.join("changed");
    BuiltImage::build(&Builder::installed()?, &context, &Labels::new())
        .await?
        .write_layout(&layout)
        .await?;
    let shell = project::shell()?;
    let source = format!("oci:{}", layout.display());
    cmd!(
        shell,
        "skopeo copy --all --quiet --dest-tls-verify=false {source} docker://{tagged}"
    )
    .quiet()
    .run()
    .context("cannot push the changed image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_has_the_verification_of_this_version() -> Result<()> {
        let command = readme_command(&fs::read_to_string(project::file("README.md"))?)?;
        let options: Vec<_> = command.iter().filter(|word| word.starts_with("--")).collect();
        assert_eq!(options, ["--certificate-identity", "--certificate-oidc-issuer"]);
        assert!(
            command
                .iter()
                .any(|word| word.ends_with(&format!("release.yaml@refs/tags/v{VERSION}"))),
            "{command:?}"
        );
        Ok(())
    }
}
