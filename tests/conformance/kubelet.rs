//! The kubelet's rule against `k8s.io/kubernetes/pkg/credentialprovider`.

use ensure_pull_secret::{
    dockerconfig::{AuthConfig, kubelet_reads},
    image::ImageReference,
};
use proptest::{
    collection::vec,
    test_runner::{Config, RngSeed},
};
use secrecy::ExposeSecret as _;

use crate::{
    consumers::{Consumers, Entry, Verdict},
    documents::{Bytes, document},
    images::image,
    search::{Disagreement, Tally, agree, configuration, search},
};

#[test]
fn lookup_agrees_with_the_kubelet() {
    let consumers = Consumers::start();
    agree(
        (document(), vec(image(), 1..4)),
        &[
            ("refused by both", 6),
            ("nothing for the image", 4),
            ("one for the image", 8),
            ("several for the image", 25),
            ("entries of one registry", 60),
            ("not UTF-8", 400),
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
    let names: Vec<&str> = images.iter().map(String::as_str).collect();
    let Verdict { kubelet: theirs, .. } = consumers.read(&document.0, &names);
    let managed = kubelet_reads(&document.0);
    if std::str::from_utf8(&document.0).is_err() {
        // Stricter on purpose: Go puts U+FFFD for what isn't UTF-8 and reads on, other clients don't.
        tally.count("not UTF-8");
        return refuse(managed.is_err(), "we read a document that isn't UTF-8");
    }
    let managed = match (managed, theirs.refused) {
        (Err(_), true) => {
            tally.count("refused by both");
            return Ok(());
        }
        (Err(refusal), false) => return Err(format!("the kubelet reads it, we say: {refusal}")),
        (Ok(_), true) => return Err("the kubelet refuses it, we read it".to_owned()),
        (Ok(keyring), false) => keyring,
    };
    for (name, groups) in images.iter().zip(&theirs.lookups) {
        let image = ImageReference::parse(name).map_err(|error| format!("{name}: {error}"))?;
        let mut found: Vec<Entry> = managed.lookup(&image).into_iter().map(entry).collect();
        tally.count(match found.len() {
            0 => "nothing for the image",
            1 => "one for the image",
            _ => "several for the image",
        });
        if groups.iter().any(|group| group.len() > 1) {
            tally.count("entries of one registry");
        }
        // Within a group the kubelet has no order.
        let mut sorted = found.as_mut_slice();
        for group in groups {
            let (head, tail) = sorted.split_at_mut(group.len().min(sorted.len()));
            head.sort();
            sorted = tail;
        }
        let theirs: Vec<Entry> = groups.iter().flat_map(|group| sorted_group(group)).collect();
        refuse(
            found == theirs,
            &format!("for {name} the kubelet tries {theirs:?}, we say {found:?}"),
        )?;
    }
    Ok(())
}

fn entry(auth: &AuthConfig) -> Entry {
    Entry {
        key: auth.key.clone(),
        username: auth.username.clone(),
        password: auth.password.expose_secret().to_owned(),
    }
}

fn sorted_group(group: &[Entry]) -> Vec<Entry> {
    let mut group = group.to_owned();
    group.sort();
    group
}

fn refuse(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

#[test]
fn wrong_rule_is_detected_with_a_small_example() {
    const OBJECTION: &str = "the kubelet refuses it, the rule doesn't";
    let consumers = Consumers::start();
    // A rule that forgets what one broken entry does to the others.
    let lenient = |document: &Bytes| {
        serde_json::from_slice::<serde_json::Value>(&document.0).is_ok_and(|v| v.is_object())
    };
    let config = Config {
        // The search itself is looked at here: the same one each time.
        cases: 1_000,
        rng_seed: RngSeed::Fixed(8),
        ..configuration()
    };
    let found = search(config, &document(), |document, _| {
        let refused = consumers.read(&document.0, &[]).kubelet.refused;
        refuse(!(refused && lenient(&document)), OBJECTION)
    });
    let Disagreement { reason, case } = found.err().expect("a disagreement");
    assert_eq!(reason, OBJECTION);
    assert!(case.0.len() < 100, "{case:?} is not small");
}
