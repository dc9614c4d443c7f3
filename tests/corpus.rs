//! Replay of the fuzz targets' corpus, which has the first inputs of each target and those of earlier findings.
//! `cargo xtask fuzz` starts with the same inputs.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::{collections::BTreeSet, fs, path::Path};

/// The body of a fuzz target.
type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 6] = [
    ("answer", targets::answer::check),
    ("challenge", targets::challenge::check),
    ("configuration", targets::configuration::check),
    ("document", targets::document::check),
    ("reference", targets::reference::check),
    ("token", targets::token::check),
];

#[test]
fn corpus_causes_no_finding() {
    for (name, check) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let files = fs::read_dir(&directory).expect("each target has a corpus");
        let mut count = 0;
        for file in files {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            check(&fs::read(&path).expect("it can be read"));
            count += 1;
        }
        assert!(count >= 5, "{name} has {count} files");
    }
}

#[test]
fn every_target_is_replayed() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("fuzz/Cargo.toml can be read");
    let programs = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect::<BTreeSet<_>>();
    assert_eq!(programs, TARGETS.map(|(name, _)| name).into());
}
