//! The document: parsed, repaired, spliced, and read as clients do.

use ensure_pull_secret::{
    dockerconfig::{
        Auths, Document, EditedDocument, Entry, containers_image_reads, invalid_unmanaged_entry,
        kubelet_reads,
    },
    image::ImageReference,
};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Our key, and an image that it is for.
const KEY: &str = "quay.io";
const IMAGE: &str = "quay.io/team/model";

/// The bytes of `.dockerconfigjson`.
pub fn check(data: &[u8]) {
    let image = ImageReference::parse(IMAGE).expect("an image");
    if let Ok(keyring) = kubelet_reads(data) {
        keyring.lookup(&image);
    }
    if let Ok(file) = containers_image_reads(data) {
        let _ = file.lookup(&image);
    }
    let _ = invalid_unmanaged_entry(data, &[KEY]);

    let Ok(document) = Document::parse(data) else {
        return;
    };
    for key in document.keys() {
        document.entry(&key).expect("a key has an entry");
    }
    let managed = Entry::new("<token>", SecretString::from("ours")).expect("an entry");
    let edited = document.with_entries(&[(KEY, &managed)]);
    let source = std::str::from_utf8(data).expect("what is parsed is UTF-8");
    nothing_is_lost(source, &document, &edited);
    managed_is_read(&edited.bytes, &image, &managed);
}

/// Every reader of the document finds the managed entry, and setting it again changes nothing.
fn managed_is_read(bytes: &[u8], image: &ImageReference, managed: &Entry) {
    let document = Document::parse(bytes).expect("what we write can be read");
    assert_eq!(document.auths(), Auths::Present);
    assert!(document.entry(KEY).expect("our entry").is_well_formed());
    let again = document.with_entries(&[(KEY, managed)]);
    assert!(again.bytes == bytes && !again.shape_repaired);
    match kubelet_reads(bytes) {
        Ok(keyring) => {
            assert!(keyring.lookup(image).iter().any(|found| found.key == KEY));
            assert_eq!(invalid_unmanaged_entry(bytes, &[KEY]), None);
        }
        Err(refusal) => assert_eq!(invalid_unmanaged_entry(bytes, &[KEY]), Some(refusal)),
    }
}

/// Unmanaged members are unchanged: name, value and order to the byte and, unless members moved under a new `auths`,
/// every byte between them.
fn nothing_is_lost(source: &str, document: &Document<'_>, edited: &EditedDocument) {
    let result = std::str::from_utf8(&edited.bytes).expect("what we write is UTF-8");
    let (before, after) = (members(source), members(result));
    let value_of = |members: &[(String, &RawValue)]| {
        let auths = members.iter().find(|(name, _)| name == "auths");
        auths.map_or("", |(_, value)| value.get()).to_owned()
    };
    let (old, new) = (value_of(&before), value_of(&after));
    let entries = unmanaged(&members(&new), KEY);
    if document.looks_unwrapped() {
        let (moved, kept): (Vec<_>, Vec<_>) = unmanaged(&before, KEY)
            .into_iter()
            .partition(|member| entries.contains(member));
        assert_eq!(moved, entries);
        let (managed, rest): (Vec<_>, Vec<_>) = unmanaged(&after, "auths")
            .into_iter()
            .partition(|(name, _)| name == KEY);
        assert_eq!(kept, rest);
        // A member of our key that is no entry stays where it is.
        assert!(
            managed
                .iter()
                .all(|member| unmanaged(&before, "").contains(member))
        );
        return;
    }
    assert_eq!(unmanaged(&before, "auths"), unmanaged(&after, "auths"));
    let replaced = if document.auths() == Auths::Present {
        let found = members(&old);
        assert_eq!(unmanaged(&found, KEY), entries);
        let managed = found.iter().find(|(name, _)| name == KEY);
        managed.map_or("", |(_, value)| value.get()).to_owned()
    } else {
        assert_eq!(entries, []);
        old
    };
    let lost = difference(source, result);
    assert!(replaced.contains(lost), "{lost:?} was lost");
}

/// The part of `before` that `after` doesn't have; they differ in one place.
fn difference<'a>(before: &'a str, after: &str) -> &'a str {
    let start = before
        .bytes()
        .zip(after.bytes())
        .take_while(|(b, a)| b == a)
        .count();
    let longest = before.len().min(after.len()) - start;
    let same_end = before.bytes().rev().zip(after.bytes().rev());
    let end = same_end.take_while(|(b, a)| b == a).count().min(longest);
    // Two values may share the first bytes of a character.
    let start = (0..=start)
        .rev()
        .find(|at| before.is_char_boundary(*at))
        .unwrap_or(0);
    let end = before.len() - end;
    let end = (end..=before.len())
        .find(|at| before.is_char_boundary(*at))
        .unwrap_or(end);
    &before[start..end]
}

/// Names and values of the members other than `ours`.
fn unmanaged(members: &[(String, &RawValue)], managed: &str) -> Vec<(String, String)> {
    members
        .iter()
        .filter(|(name, _)| name != managed)
        .map(|(name, value)| (name.clone(), value.get().to_owned()))
        .collect()
}

/// Members of an object in order. A name with a lone surrogate stays as written.
fn members(text: &str) -> Vec<(String, &RawValue)> {
    struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);
    impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Collect;
            impl<'de> Visitor<'de> for Collect {
                type Value = Vec<(&'de RawValue, &'de RawValue)>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(members)
                }
            }
            deserializer.deserialize_map(Collect).map(Members)
        }
    }
    let Members(members) = serde_json::from_str(text).expect("an object");
    let name = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    members
        .into_iter()
        .map(|(raw, value)| (name(raw), value))
        .collect()
}
