//! The document, from outside: what is written, what is kept, and how clients read it.

use secrecy::{ExposeSecret, SecretString};

use super::*;

mod ambiguity;
mod clients;
mod printing;
mod property;
mod splicing;

/// The default registry.
const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000";
/// `<token>:TOKEN`, in base64.
const ENTRY: &str = r#"{"username":"<token>","password":"TOKEN","auth":"PHRva2VuPjpUT0tFTg=="}"#;

/// The entry that `ENTRY` shows.
fn entry() -> Entry {
    Entry::new("<token>", SecretString::from("TOKEN")).unwrap()
}

/// The document after our entry was set, and whether its shape was repaired.
fn set(document: &str, key: &str) -> (String, bool) {
    let edited = Document::parse(document.as_bytes())
        .unwrap()
        .with_entries(&[(key, &entry())])
        .unwrap();
    (String::from_utf8(edited.bytes).unwrap(), edited.shape_repaired)
}

fn credential(auth: &AuthConfig) -> (&str, &str, &str) {
    (&auth.key, &auth.username, auth.password.expose_secret())
}
