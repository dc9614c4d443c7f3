//! The rule of containers/image against its own `pkg/docker/config`.

use ensure_pull_secret::{
    dockerconfig::{ContainersImageLookupError, containers_image_reads},
    image::ImageReference,
};
use proptest::collection::vec;
use secrecy::ExposeSecret as _;

use crate::{
    consumers::{Consumers, Credential, Finding, Refusal},
    documents::{Bytes, document},
    images::image,
    search::{Tally, agree},
};

/// Calls before a result of the program counts as impossible: containers/image uses the first match in a Go map.
pub const ATTEMPTS: u32 = 400;

#[test]
fn lookup_agrees_with_containers_image() {
    let consumers = Consumers::start();
    agree(
        (document(), vec(image(), 1..4)),
        &[
            ("document", 6),
            ("auth", 250),
            ("helper", 40),
            ("image", 30),
            ("nothing", 4),
            ("a credential", 10),
            ("one of several", 1000),
        ],
        |(document, images), tally| judge(&consumers, &document, &images, tally),
    );
}

fn judge(
    consumers: &Consumers,
    document: &Bytes,
    images: &[String],
    tally: &mut Tally,
) -> Result<(), String> {
    if std::str::from_utf8(&document.0).is_err() {
        // Stricter on purpose, as with the kubelet.
        return match containers_image_reads(&document.0) {
            Ok(_) => Err("we read a document that isn't UTF-8".to_owned()),
            Err(_) => Ok(()),
        };
    }
    let names: Vec<&str> = images.iter().map(String::as_str).collect();
    let theirs = consumers.read(&document.0, &names).containers_image;
    for (name, theirs) in names.iter().zip(theirs) {
        let managed = finding(document, name)?;
        if !theirs.contains(&managed) {
            let every = consumers
                .read_often(&document.0, &[name], ATTEMPTS)
                .containers_image;
            if !every.concat().contains(&managed) {
                return Err(format!(
                    "for {name} containers/image finds {every:?}, the program predicts {managed:?}"
                ));
            }
            tally.count("one of several");
        }
        tally.count(match (managed.refusal, managed.credential) {
            (Some(Refusal::Document), _) => "document",
            (Some(Refusal::Auth), _) => "auth",
            (Some(Refusal::Helper), _) => "helper",
            (Some(Refusal::Image), _) => "image",
            (None, None) => "nothing",
            (None, Some(_)) => "a credential",
        });
    }
    Ok(())
}

/// Result that the program predicts for containers/image.
fn finding(document: &Bytes, name: &str) -> Result<Finding, String> {
    let image = ImageReference::parse(name).map_err(|error| format!("{name}: {error}"))?;
    let refused = |refusal| Finding {
        refusal: Some(refusal),
        credential: None,
    };
    if is_none_for_containers_image(image.host()) {
        return Ok(refused(Refusal::Image));
    }
    let Ok(file) = containers_image_reads(&document.0) else {
        return Ok(refused(Refusal::Document));
    };
    Ok(match file.lookup(&image) {
        Ok(None) => Finding::default(),
        Ok(Some(found)) => Finding {
            refusal: None,
            credential: Some(Credential {
                username: found.username,
                password: found.password.expose_secret().to_owned(),
                identity_token: found
                    .identity_token
                    .map(|t| t.expose_secret().to_owned())
                    .unwrap_or_default(),
            }),
        },
        Err(ContainersImageLookupError::CredentialHelper(_)) => refused(Refusal::Helper),
        Err(ContainersImageLookupError::AuthNotBase64(_)) => refused(Refusal::Auth),
    })
}

/// True if containers/image can't parse an image of this host, which the kubelet can: an IPv6 address, or a host that
/// only its capital letter distinguishes from a namespace of Docker Hub (`Registry/model`).
pub fn is_none_for_containers_image(host: &str) -> bool {
    host.starts_with('[') || is_none_for_go_container_registry(host)
}

/// As [`is_none_for_containers_image`], for go-containerregistry, which knows IPv6.
pub fn is_none_for_go_container_registry(host: &str) -> bool {
    host != "localhost" && !host.contains(['.', ':'])
}
