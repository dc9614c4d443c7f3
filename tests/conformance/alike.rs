//! Documents that the program accepts and writes, as its clients read them.
//!
//! - An accepted document is read alike by a reader that is case-sensitive and lets the first of two members win, and
//!   by Go's, which does neither. A rejected one is read by none of them, or is read differently.
//! - Every client finds the managed entry, unless an unmanaged one came before it already; and it makes the document
//!   unreadable for no client.

use ensure_pull_secret::{
    dockerconfig::{Document, DocumentError, Entry, Unreadable, invalid_unmanaged_entry, kubelet_reads},
    image::{ImageReference, RegistryHost},
};
use proptest::sample::select;
use secrecy::SecretString;

use crate::{
    consumers::{self, Consumers, Finding, KubeletVerdict, Refusal, Verdict},
    containers_image::{ATTEMPTS, is_none_for_containers_image},
    documents::{Bytes, document},
    search::{Tally, agree},
};

const USERNAME: &str = "<token>";
const PASSWORD: &str = "ours";
/// The managed entry, as written.
const ENTRY: &str = r#"{"username":"<token>","password":"ours","auth":"PHRva2VuPjpvdXJz"}"#;
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Managed registries, and an image of each.
const REGISTRIES: [(&str, &str); 8] = [
    ("quay.io", "quay.io/team/model"),
    ("quay.io/team", "quay.io/team/model"),
    ("quay.io/team/model", "quay.io/team/model"),
    ("docker.io", "docker.io/library/ubuntu"),
    ("docker.io/team", "docker.io/team/model"),
    (
        "registry.example.com:5000",
        "registry.example.com:5000/team/model",
    ),
    ("localhost:5000", "localhost:5000/model"),
    ("[::1]:5000", "[::1]:5000/model"),
];

#[test]
fn accepted_documents_are_read_alike_and_written_entries_are_found() {
    let consumers = Consumers::start();
    agree(
        (document(), select(REGISTRIES.to_vec())),
        &[
            ("unreadable", 15),
            ("ambiguous", 8),
            ("auths inside auths", 300),
            ("read alike", 4),
            ("shape repaired", 30),
            ("rejected by the kubelet", 20),
            ("shadowed for the kubelet", 300),
            ("found by containers/image", 4),
            ("another's found by containers/image", 50),
            ("found by go-containerregistry", 8),
            ("another's found by go-containerregistry", 40),
        ],
        |(document, case), tally| judge(&consumers, &document, case, tally),
    );
}

fn judge(
    consumers: &Consumers,
    document: &Bytes,
    (registry, image): (&str, &str),
    tally: &mut Tally,
) -> Result<(), String> {
    let theirs = consumers.read(&document.0, &[]);
    let parsed = match Document::parse(&document.0) {
        Ok(parsed) => parsed,
        Err(DocumentError::Unreadable(why)) => {
            tally.count("unreadable");
            return is_unreadable(document, why, &theirs.kubelet);
        }
        Err(DocumentError::Ambiguous(ambiguity)) => {
            tally.count("ambiguous");
            return holds(theirs.plain.collides, || {
                format!("we say {ambiguity}, and nothing collides")
            });
        }
        Err(DocumentError::WrappedTwice) => {
            tally.count("auths inside auths");
            return holds(theirs.plain.keys == ["auths"], || {
                format!("auths has other members: {:?}", theirs.plain.keys)
            });
        }
    };
    tally.count("read alike");
    is_read_alike(&theirs)?;

    let key = RegistryHost::parse(registry)
        .map_err(|error| error.to_string())?
        .key();
    let managed = Entry::new(USERNAME, SecretString::from(PASSWORD)).map_err(|error| error.to_string())?;
    let with = parsed.with_entries(&[(&key, &managed)]);
    if with.shape_repaired {
        tally.count("shape repaired");
    }
    let document = String::from_utf8(with.bytes).map_err(|error| error.to_string())?;
    holds(document.matches(ENTRY).count() == 1, || {
        format!("our entry is not in {document}")
    })?;
    // What a client finds without the managed entry.
    let empty = document.replace(ENTRY, "{}");
    let case = Written {
        consumers,
        key: &key,
        image,
        with: consumers.read(document.as_bytes(), &[image]),
        without: consumers.read(empty.as_bytes(), &[image]),
        document,
        empty,
    };
    case.kubelet(tally)?;
    case.containers_image(tally)?;
    case.go_container_registry(tally)
}

/// Documents that the program can't read, the kubelet can't read either; except text that isn't UTF-8, in which Go
/// replaces the wrong bytes by U+FFFD, and null, which Go reads as an empty object.
fn is_unreadable(document: &Bytes, why: Unreadable, kubelet: &KubeletVerdict) -> Result<(), String> {
    let text = std::str::from_utf8(&document.0).map(str::trim_ascii);
    let agrees = match why {
        Unreadable::NotUtf8 => text.is_err(),
        Unreadable::NotAnObject => kubelet.refused || text == Ok("null"),
        Unreadable::ByteOrderMark
        | Unreadable::NotJson { .. }
        | Unreadable::TooDeep
        | Unreadable::AuthsNotAnObject(_) => kubelet.refused,
    };
    holds(agrees, || {
        format!("we say that it {why}; the kubelet: {kubelet:?}")
    })
}

/// The same entries with the same credentials, for a reader of either kind. Where the kubelet rejects the document because of
/// an entry, there is nothing to compare.
fn is_read_alike(theirs: &Verdict) -> Result<(), String> {
    if theirs.kubelet.refused {
        return Ok(());
    }
    let sorted = |entries: &[consumers::Entry]| {
        let mut entries = entries.to_vec();
        entries.sort();
        entries
    };
    let (go, plain) = (sorted(&theirs.kubelet.entries), sorted(&theirs.plain.entries));
    holds(go == plain, || {
        format!("the kubelet reads {go:?}, a reader that minds case {plain:?}")
    })
}

/// A document with our entry in it, and the verdicts on it and on the same without our credential.
struct Written<'a> {
    consumers: &'a Consumers,
    key: &'a str,
    image: &'a str,
    document: String,
    /// The same with an empty managed entry.
    empty: String,
    with: Verdict,
    without: Verdict,
}

impl Written<'_> {
    /// The kubelet tries the managed entry for an image of its registry, maybe among others; or it rejects the document
    /// because of an unmanaged entry, which the program reports, and rejected it before.
    fn kubelet(&self, tally: &mut Tally) -> Result<(), String> {
        let rejects = self.with.kubelet.refused;
        let unmanaged = invalid_unmanaged_entry(self.document.as_bytes(), &[self.key]);
        holds(rejects == unmanaged.is_some(), || {
            format!("the kubelet rejects it: {rejects}; the program predicts {unmanaged:?}")
        })?;
        self.document_stays_readable("the kubelet", rejects, self.without.kubelet.refused)?;
        if rejects {
            tally.count("rejected by the kubelet");
            return Ok(());
        }
        let found = self.with.kubelet.lookups.concat().concat();
        let is_managed = |entry: &consumers::Entry| {
            (
                entry.key.as_str(),
                entry.username.as_str(),
                entry.password.as_str(),
            ) == (self.key, USERNAME, PASSWORD)
        };
        if found.iter().any(is_managed) {
            return Ok(());
        }
        // Docker Hub's key has the lowest precedence: `docker.io` and `*.io` come first. A run reports that.
        tally.count("shadowed for the kubelet");
        let before = self.without.kubelet.lookups.concat().concat();
        let is_shadowed = self.key == DOCKER_HUB_KEY && !found.is_empty() && found == before;
        let is_reported = || {
            let image = ImageReference::parse(self.image).ok()?;
            let keyring = kubelet_reads(self.document.as_bytes()).ok()?;
            let misses = keyring.lookup(&image).iter().all(|found| found.key != self.key);
            Some(misses)
        };
        holds(is_shadowed && is_reported() == Some(true), || {
            format!("the kubelet finds {found:?}")
        })
    }

    /// containers/image takes our entry, or what outranks it: a helper, a key nearer to the image, for Docker Hub another of
    /// its names.
    fn containers_image(&self, tally: &mut Tally) -> Result<(), String> {
        let found = self.with.containers_image.concat();
        if is_none_for_containers_image(self.host()) {
            return holds(found == [refused(Refusal::Image)], || {
                format!("containers/image reads {}", self.image)
            });
        }
        let rejects = found == [refused(Refusal::Document)];
        let rejected = self.without.containers_image.concat() == [refused(Refusal::Document)];
        self.document_stays_readable("containers/image", rejects, rejected)?;
        if rejects {
            return Ok(());
        }
        if found == [managed()] {
            tally.count("found by containers/image");
            return Ok(());
        }
        tally.count("another's found by containers/image");
        let before = self.without.containers_image.concat();
        if found == before && (found == [refused(Refusal::Helper)] || self.is_nearer_key()) {
            return Ok(());
        }
        // Docker Hub's key is one of several names: a Go map decides.
        let every = || {
            self.consumers
                .read_often(self.document.as_bytes(), &[self.image], ATTEMPTS)
                .containers_image
        };
        let is_docker_hub_s = self.key == DOCKER_HUB_KEY;
        holds(is_docker_hub_s && every().concat().contains(&managed()), || {
            format!("containers/image finds {found:?}, and found {before:?} without our credential")
        })
    }

    /// True if a key under `auths` is the image's name, or a path above it that is longer than the managed key.
    fn is_nearer_key(&self) -> bool {
        self.with.plain.keys.iter().any(|key| {
            let rest = self.image.strip_prefix(key.as_str());
            let is_above = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            is_above && (self.key == DOCKER_HUB_KEY || key.len() > self.key.len())
        })
    }

    /// go-containerregistry uses the managed entry if its key is the repository or the host, the only names it looks
    /// up, unless there is a helper, or an entry for the exact repository. It finds the managed entry, or what it would
    /// find without it.
    fn go_container_registry(&self, tally: &mut Tally) -> Result<(), String> {
        let found = self.with.go_container_registry.concat();
        let before = self.without.go_container_registry.concat();
        let rejects = found == [refused(Refusal::Document)];
        let rejected = before == [refused(Refusal::Document)];
        self.document_stays_readable("go-containerregistry", rejects, rejected)?;
        if rejects {
            return Ok(());
        }
        if found == [managed()] {
            tally.count("found by go-containerregistry");
            return Ok(());
        }
        tally.count("another's found by go-containerregistry");
        let is_its_key = [self.image, self.host(), DOCKER_HUB_KEY].contains(&self.key);
        let repository = self.image.replacen("docker.io/", "index.docker.io/", 1);
        let is_outranked = found == [refused(Refusal::Helper)] || self.with.plain.keys.contains(&repository);
        let is_before = || {
            let without = self
                .consumers
                .read_often(self.empty.as_bytes(), &[self.image], ATTEMPTS);
            found
                .iter()
                .all(|found| without.go_container_registry.concat().contains(found))
        };
        holds(
            (!is_its_key || is_outranked) && (found == before || is_before()),
            || format!("go-containerregistry finds {found:?}, and found {before:?} without our credential"),
        )
    }

    fn host(&self) -> &str {
        self.image.split('/').next().unwrap_or_default()
    }

    /// A client that rejects the document with the managed entry rejects it without, and vice versa.
    fn document_stays_readable(&self, who: &str, rejects: bool, rejected: bool) -> Result<(), String> {
        holds(rejects == rejected, || {
            format!(
                "{who} rejects {}: {rejects}, without our credential: {rejected}",
                self.document
            )
        })
    }
}

fn managed() -> Finding {
    Finding {
        refusal: None,
        credential: Some(consumers::Credential {
            username: USERNAME.to_owned(),
            password: PASSWORD.to_owned(),
            identity_token: String::new(),
        }),
    }
}

fn refused(refusal: Refusal) -> Finding {
    Finding {
        refusal: Some(refusal),
        credential: None,
    }
}

fn holds(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[test]
fn every_image_of_this_search_is_one_of_its_registry() {
    for (registry, image) in REGISTRIES {
        let registry = RegistryHost::parse(registry).expect("a registry");
        let parsed = ImageReference::parse(image).expect("an image");
        assert_eq!(parsed.name(), image);
        assert!(registry.covers(&parsed), "{registry} {image}");
    }
}
