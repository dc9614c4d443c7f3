//! `cargo xtask image --from-source`: the Containerfile at the top, without network.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use container_image::Platform;
use xshell::{Cmd, Shell, cmd};

use crate::{project, static_binary, steps::Steps};

/// The image's name in its storage.
const IMAGE: &str = "from-source";

/// Directories of this machine that an empty image gets, so that it does what the builder image does.
const SYSTEM: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives"];

/// Builds the image from source for a platform, and compares its binary and its architecture with the released ones. The
/// builder image is an empty one with this machine's toolchain, mounted read-only: nothing is downloaded.
///
/// # Errors
/// Where buildah is missing or can't build as this user (chroot isolation needs root), or where the images differ.
pub fn check(platform: Platform) -> Result<()> {
    let native = Platform::native()?;
    let mut steps = Steps::new(2);
    steps.next("released binary", "2 min, 1 s if it is built");
    let released = static_binary::build_for(platform)?;
    let shell = project::shell()?;
    let storage = tempfile::tempdir().context("cannot create a directory for buildah's storage")?;
    let containerfile = fs::read_to_string(project::file("Containerfile"))?;
    let builder = builder_image(&containerfile).context("the Containerfile has no builder image")?;
    let buildah = |arguments: &[&str]| buildah(&shell, storage.path(), arguments);

    let container = buildah(&["from", "scratch"])
        .read()
        .context("buildah does not work here")?;
    let top = buildah(&["mount", &container]).read()?;
    fs::create_dir(Path::new(&top).join("tmp"))?;
    buildah(&["umount", &container]).ignore_stdout().run()?;
    let (cargo, rustup) = (home("CARGO_HOME", ".cargo")?, home("RUSTUP_HOME", ".rustup")?);
    let mut config = buildah(&["config"]);
    for (name, value) in environment(&cargo, &rustup) {
        config = config.args(["--env", &format!("{name}={value}")]);
    }
    config.arg(&container).run()?;
    buildah(&["commit", "--quiet", &container, builder])
        .ignore_stdout()
        .run()?;

    steps.next(&format!("the Containerfile for {platform}"), "2 min");
    let mut build = buildah(&[
        "build",
        "--quiet",
        "--pull=never",
        "--isolation=chroot",
        "--tag",
        IMAGE,
    ]);
    for directory in SYSTEM.map(Path::new).into_iter().chain([&*cargo, &*rustup]) {
        if directory.exists() {
            let directory = directory.display();
            build = build.args(["--volume", &format!("{directory}:{directory}:ro")]);
        }
    }
    if platform != native {
        // buildah 1.28 looks for a builder image of the target's platform if BUILDPLATFORM isn't given.
        build = build.args([
            format!("--platform={platform}"),
            format!("--build-arg=BUILDPLATFORM={native}"),
        ]);
    }
    build
        .arg(".")
        .ignore_stdout()
        .run()
        .context("the Containerfile doesn't build")?;

    let architecture = buildah(&[
        "inspect",
        "--type=image",
        "--format={{.OCIv1.Architecture}}",
        IMAGE,
    ])
    .read()?;
    ensure!(
        architecture == platform.architecture(),
        "the image is for {architecture}, not {platform}"
    );
    let mut from = buildah(&["from", "--pull=never"]);
    if platform != native {
        from = from.arg(format!("--platform={platform}"));
    }
    let built = from.arg(IMAGE).read()?;
    let root = buildah(&["mount", &built]).read()?;
    let binary = fs::read(Path::new(&root).join("ensure-pull-secret"));
    buildah(&["umount", &built]).ignore_stdout().run()?;
    buildah(&["rm", "--all"]).ignore_stdout().run()?;
    ensure!(
        binary.context("the image has no binary")? == fs::read(&released)?,
        "the image's binary differs from {}",
        released.display()
    );
    steps.finish();
    println!("the image from source for {platform} has the released binary");
    Ok(())
}

/// buildah on a storage of its own: the user's images are neither read nor changed.
fn buildah<'a>(shell: &'a Shell, storage: &Path, arguments: &[&str]) -> Cmd<'a> {
    let (root, run) = (storage.join("root"), storage.join("run"));
    cmd!(
        shell,
        "buildah --root {root} --runroot {run} --storage-driver vfs {arguments...}"
    )
    .env("TMPDIR", storage)
    .quiet()
}

/// The toolchain's variables in the builder image; without network, cargo takes what is downloaded.
fn environment(cargo: &Path, rustup: &Path) -> [(&'static str, String); 5] {
    let text = |path: &Path| path.display().to_string();
    [
        ("PATH", format!("{}:/usr/bin:/bin", text(&cargo.join("bin")))),
        ("CARGO_HOME", text(cargo)),
        ("RUSTUP_HOME", text(rustup)),
        ("HOME", "/root".to_owned()),
        ("CARGO_NET_OFFLINE", "true".to_owned()),
    ]
}

fn home(variable: &str, default: &str) -> Result<PathBuf> {
    project::toolchain_home(variable, default).with_context(|| format!("neither {variable} nor HOME is set"))
}

/// The image of the first stage.
fn builder_image(containerfile: &str) -> Option<&str> {
    let from = containerfile.lines().find(|line| line.starts_with("FROM "))?;
    from.split(' ').find(|word| word.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t10_the_builder_image_has_the_toolchain_of_the_repository() {
        let read = |name: &str| fs::read_to_string(project::file(name)).expect(name);
        let toolchain = read("rust-toolchain.toml");
        let version = toolchain
            .lines()
            .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'));
        let expected = format!("docker.io/library/rust:{}-slim", version.expect("a version"));
        assert_eq!(builder_image(&read("Containerfile")), Some(&*expected));
    }

    #[test]
    fn t10_both_containerfiles_end_with_the_same_image() {
        let end = |name: &str| {
            let text = fs::read_to_string(project::file(name)).expect(name);
            text.split_once("\nLABEL").expect("labels").1.to_owned()
        };
        assert_eq!(end("Containerfile"), end("container-image/Containerfile"));
    }
}
