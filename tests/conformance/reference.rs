//! The reader of image references against the kubelet's (`pkg/util/parsers`, distribution/reference), containers/image's
//! and go-containerregistry's.

use std::net::Ipv6Addr;

use ensure_pull_secret::image::{ImageReference, ImageReferenceError};

use crate::{
    consumers::{Consumers, Reading, Readings},
    containers_image::{is_none_for_containers_image, is_none_for_go_container_registry},
    images::reference,
    search::{Tally, agree},
};

#[test]
fn image_references_are_parsed_alike() {
    let consumers = Consumers::start();
    agree(
        reference(),
        &[
            ("accepted", 5),
            ("refused by all", 5),
            ("no domain", 1000),
            ("too long", 1000),
            ("refused by containers/image", 1000),
        ],
        |text, tally| judge(&consumers, &text, tally),
    );
}

fn judge(consumers: &Consumers, text: &str, tally: &mut Tally) -> Result<(), String> {
    let theirs = consumers.read_reference(&without_what_we_drop(text));
    match ImageReference::parse(text) {
        Ok(image) => accepted(&image, &theirs, tally),
        Err(error) => refused(error, &theirs, tally),
    }
}

/// An accepted reference means the same to all of them.
fn accepted(image: &ImageReference, theirs: &Readings, tally: &mut Tally) -> Result<(), String> {
    tally.count("accepted");
    same("the kubelet", image, &theirs.kubelet)?;
    if is_none_for_containers_image(image.host()) {
        tally.count("refused by containers/image");
        all(
            theirs.containers_image.refused,
            "containers/image reads it after all",
            theirs,
        )?;
    } else {
        same("containers/image", image, &theirs.containers_image)?;
    }
    if is_none_for_go_container_registry(image.host()) {
        return all(
            theirs.go_container_registry.refused,
            "go-containerregistry reads it after all",
            theirs,
        );
    }
    // By another of its names.
    let mut crane = theirs.go_container_registry.clone();
    if let Some(repository) = crane.name.strip_prefix("index.docker.io/") {
        crane.name = format!("docker.io/{repository}");
    }
    same("go-containerregistry", image, &crane)
}

fn all(holds: bool, otherwise: &str, theirs: &Readings) -> Result<(), String> {
    holds
        .then_some(())
        .ok_or_else(|| format!("{otherwise}: {theirs:?}"))
}

fn same(who: &str, image: &ImageReference, reading: &Reading) -> Result<(), String> {
    let asked = if reading.digest.is_empty() {
        &reading.tag
    } else {
        &reading.digest
    };
    let digest = Some(reading.digest.as_str()).filter(|digest| !digest.is_empty());
    let agrees = !reading.refused
        && reading.name == image.name()
        && asked == image.reference()
        && digest == image.digest();
    agrees
        .then_some(())
        .ok_or(format!("{who} reads {reading:?}, we read {image}"))
}

/// A rejected reference is rejected by the kubelet and containers/image, with two intended exceptions.
fn refused(error: ImageReferenceError, theirs: &Readings, tally: &mut Tally) -> Result<(), String> {
    let Readings {
        kubelet,
        containers_image,
        ..
    } = theirs;
    let agrees = match error {
        // distribution/reference reads a host that is no domain as a part of the path, so that no client can pull it,
        // and leaves the text in brackets to the dialer.
        ImageReferenceError::Host => {
            let may_be_read = |reading: &Reading| {
                reading.refused || reading.domain.is_empty() || !is_dialled(&reading.domain)
            };
            if !kubelet.refused {
                tally.count("no domain");
            }
            may_be_read(kubelet) && may_be_read(containers_image)
        }
        // distribution/reference counts the path alone, containers/image the whole name, as we do.
        ImageReferenceError::TooLong => {
            tally.count("too long");
            (kubelet.refused || kubelet.name.len() > 255) && containers_image.refused
        }
        _ => {
            tally.count("refused by all");
            kubelet.refused && containers_image.refused
        }
    };
    agrees
        .then_some(())
        .ok_or(format!("we say: {error}. They: {theirs:?}"))
}

/// True if a domain can be an address: text in brackets is one.
fn is_dialled(domain: &str) -> bool {
    match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address.parse::<Ipv6Addr>().is_ok(),
        None => true,
    }
}

/// White space and one of four schemes in front, which the contract removes.
fn without_what_we_drop(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    for scheme in ["oci://", "oci+native://", "oci+fetch://", "docker://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return rest.to_owned();
        }
    }
    text
}
