//! Peak memory of what reads a document, in a process of its own.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use ensure_pull_secret::{
    dockerconfig::{Document, Entry, containers_image_reads_for, invalid_unmanaged_entry, kubelet_reads_for},
    image::ImageReference,
};
use secrecy::SecretString;

/// Greatest peak, in KiB, of a build without optimisation: of the 24 MB of a run, the rest is for the program, responses and copies
/// of the document.
const LIMIT: u64 = 15_000_000 / 1024;

/// A value of `/proc/self/status`, in KiB.
fn kibibytes(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let value = value.and_then(|value| value.trim_start_matches(':').split_whitespace().next());
    value.context("a value")?.parse().context("a number")
}

/// A document of 1 MiB with as many members as it has room for.
fn filled(before: &str, member: impl Fn(u32) -> String, after: &str) -> String {
    let mut document = before.to_owned();
    for number in 0.. {
        let member = member(number);
        if document.len() + member.len() + after.len() > 1 << 20 {
            break;
        }
        document.push_str(if number == 0 { "" } else { "," });
        document.push_str(&member);
    }
    document + after
}

#[test]
fn o12_a_document_of_1_mib_is_read_within_its_memory() -> Result<()> {
    let image = ImageReference::parse("quay.io/team/app:1")?;
    let entry = Entry::new("robot", SecretString::from("password"))?;
    let before = kibibytes("VmRSS")?;
    let short = |number: u32| format!("\"{number:x}\"");
    for (what, document) in [
        (
            "empty entries",
            filled(r#"{"auths":{"#, |n| short(n) + ":{}", "}}"),
        ),
        (
            "unknown members",
            filled(r#"{"auths":{},"#, |n| short(n) + ":0", "}"),
        ),
        (
            "entries for the image",
            filled(
                r#"{"auths":{"#,
                |n| format!(r#""quay.io/{n:x}":{{"auth":"dTpw"}}"#),
                "}}",
            ),
        ),
    ] {
        fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak")?;
        let bytes = document.as_bytes();
        let parsed = Document::parse(bytes)?;
        let edited = parsed.with_entries(&[("quay.io", &entry)]).bytes;
        invalid_unmanaged_entry(&edited, &["quay.io"]);
        if let Ok(keyring) = kubelet_reads_for(&edited, &[&image]) {
            ensure!(keyring.lookup(&image).iter().any(|found| found.key == "quay.io"));
        }
        if let Ok(file) = containers_image_reads_for(&edited, &[&image]) {
            ensure!(file.chosen_key(&image) == Some("quay.io"), "{what}");
        }
        let peak = kibibytes("VmHWM")?.saturating_sub(before);
        ensure!(peak < LIMIT, "{what}: {peak} KiB");
        println!("{what}: {peak} KiB");
    }
    Ok(())
}
