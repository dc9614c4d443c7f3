//! `cargo xtask image` as called for a release.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use object::{Architecture, Object as _};

use crate::content;
use crate::setting::{User, proxy, registries};

/// The command, with the user's credential and a directory of its own for what is temporary.
fn xtask_image(user: &User, temporary: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("image")
        .args(arguments)
        .arg("--cert-dir")
        .arg(user.certificates())
        .env("REGISTRY_AUTH_FILE", user.credentials())
        .env("HTTPS_PROXY", proxy().url())
        .env("TMPDIR", temporary)
        .output()
        .expect("cargo xtask image")
}

fn dist() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the top of the clone").join("dist")
}

#[test]
fn a_commit_is_always_pushed_as_the_same_image_for_both_platforms() {
    let user = User::robot();
    let name = format!("{}/tools/ensure-pull-secret", registries().basic.host.name);
    let temporary = tempfile::tempdir().expect("a directory");
    let push = |tag: &str, platforms: &str| {
        let reference = format!("{name}:{tag}");
        let output = xtask_image(
            &user,
            temporary.path(),
            &["--push", &reference, "--platform", platforms],
        );
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        (String::from_utf8(output.stdout).expect("UTF-8"), log)
    };
    let (first, log) = push("first", "linux/amd64,linux/arm64");
    let (second, _) = push("second", "linux/arm64,linux/amd64");
    assert_eq!(first, second, "neither time nor order make another image");
    assert!(
        log.contains("linux/amd64 is") && log.contains("linux/arm64 is"),
        "{log}"
    );
    let left = fs::read_dir(&temporary).expect("a directory").count();
    assert_eq!(left, 0, "the builder's storage is gone");

    let image = first.lines().next().expect("the image");
    let digest = image.strip_prefix(&format!("{name}@")).expect("by its digest");
    let placeholder = container_image::project::image();
    let block = format!("\nimages:\n- name: {placeholder}\n  newName: {name}\n  digest: {digest}\n");
    assert_eq!(first, format!("{image}\n{block}"));

    let copy = temporary.path().join("copy");
    user.copy(image, &copy);
    let images = content::read(&copy);
    let architectures: Vec<&str> = images.iter().map(|image| image.architecture.as_str()).collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    for (image, architecture) in images.iter().zip([Architecture::X86_64, Architecture::Aarch64]) {
        assert_image(image, architecture);
    }
}

/// It is the binary in dist/, executable by every user, without a time or a tool of the build.
fn assert_image(image: &content::Content, architecture: Architecture) {
    assert_eq!(image.config["User"], "65532:65532");
    assert_eq!(
        image.config["Entrypoint"],
        serde_json::json!(["/ensure-pull-secret"])
    );
    assert!(image.config["Cmd"].is_null());
    let labels = image.config["Labels"].as_object().expect("labels");
    assert_eq!(
        labels["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert!(
        labels
            .keys()
            .all(|label| label.starts_with("org.opencontainers.image.")),
        "{labels:?}"
    );
    assert_eq!(image.created, "1970-01-01T00:00:00Z");

    let [entry] = &image.entries[..] else {
        panic!("one file and no directory: {:?}", image.entries)
    };
    let (mode_and_owner, name_and_time) = ("-rwxr-xr-x 0/", " 1970-01-01 00:00:00 ensure-pull-secret");
    assert!(
        entry.starts_with(mode_and_owner) && entry.ends_with(name_and_time),
        "{entry}"
    );
    let binary = object::File::parse(&*image.files).expect("an ELF file");
    assert_eq!(binary.architecture(), architecture);
    let source = dist().join(format!("linux/{}/ensure-pull-secret", image.architecture));
    assert!(
        image.files == fs::read(source).expect("dist/"),
        "it is dist/'s binary"
    );
}

#[test]
fn a_wrong_destination_is_reported_before_anything_is_built() {
    let user = User::robot();
    let temporary = tempfile::tempdir().expect("a directory");
    let output = xtask_image(&user, temporary.path(), &["--push", "quay.io/team/tool@sha256:0"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(
        error.lines().count(),
        1,
        "no build has been started before: {error}"
    );
    assert!(error.contains("names a digest"), "{error}");
}
